"""The magics that notebooks use, as far as they mean something outside of a front end.

``line`` and ``cell`` do one magic. Those that only concern how things look, or how long they take, do nothing or do
their work once; those that reach outside go through the fence.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import types

from .fence import SUBPROCESS, Stopped

STORE = "PL117"
#: Magics whose line is Python, in which braces are no variables to be expanded.
VERBATIM = {"time", "timeit", "prun", "memit", "mprun", "lprun", "pinfo", "pinfo2", "page", "pdef", "psource", "pdoc"}
_NOTHING = {
    "matplotlib", "autosave", "colors", "xmode", "config", "precision", "pprint", "doctest_mode", "autoreload", "load",
    "debug", "pdb", "history", "hist", "lsmagic", "quickref", "pinfo", "pinfo2", "page", "pdef", "psource", "pdoc",
    "pfile", "psearch", "notebook", "nbagg", "rehashx", "alias", "unalias", "unload_ext", "reload_ext", "watermark",
    "tensorboard", "gui", "logstart", "logstop", "logon", "logoff", "recall", "rerun", "edit", "ed", "bookmark",
    "autocall", "automagic", "automatically", "killbgscripts", "config_inline", "qtconsole", "connect_info", "clear",
    "cls", "man", "more", "less", "macro", "save", "pastebin", "code_wrap", "subplots", "jupyter_black", "black",
    "nb_black", "aimport", "dhist", "dirs", "pushd", "popd", "tb", "wandb", "skip",
}  # fmt: skip
_NOTHING_CELLS = {
    "html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "script_magic", "skip", "ai", "mermaid",
    "debug", "heading",
}  # fmt: skip
_ONCE = {"time", "prun", "memit", "mprun", "lprun", "snakeviz", "heat", "pyinstrument", "scalene", "memory"}
_SHELLS = {"bash": "bash", "sh": "sh", "zsh": "zsh", "cmd": "cmd", "perl": "perl", "ruby": "ruby"}
_LOOKING = {"ls": "ls", "ll": "ls -l", "lf": "ls -l", "lk": "ls -l", "ldir": "ls -d */", "lx": "ls -l", "cat": "cat"}
_CHANGING = {"mkdir": "mkdir", "rmdir": "rmdir", "cp": "cp", "mv": "mv", "rm": "rm"}
_INSTALLERS = {"pip": "pip", "pip3": "pip3", "conda": "conda", "mamba": "mamba", "micromamba": "micromamba", "uv": "uv"}
_registered = {}


def register(kind, name, function):
    """Make a function of the notebook a magic."""
    for one in ("line", "cell") if kind == "line_cell" else (kind,):
        _registered[one, name] = function


def line(shell, name, text):
    """Do ``%name text``; gives what the magic gives."""
    if ("line", name) in _registered:
        return _registered["line", name](text)
    own = _LINES.get(name)
    if own is not None:
        return own(shell, text)
    if name in _NOTHING:
        return None
    if name in _ONCE:
        return _once(shell, text)
    if name in _INSTALLERS:
        return shell.system(f"{_INSTALLERS[name]} {text}")
    command = _LOOKING.get(name) or _CHANGING.get(name)
    if command is not None:
        return shell.system(f"{command} {text}")
    real = shell.real()
    if real is None:
        raise UnknownMagic(f"Line magic function `%{name}` not found (IPython is not installed here).")
    return real.run_line_magic(name, text)


def cell(shell, name, text, body):
    """Do ``%%name text`` over a cell's body; gives what the magic gives."""
    if ("cell", name) in _registered:
        return _registered["cell", name](text, body)
    own = _CELLS.get(name)
    if own is not None:
        return own(shell, text, body)
    if name in _NOTHING_CELLS:
        return None
    if name in _ONCE:
        return _run_body(shell, body)
    if name in _SHELLS or name == "script":
        return _script(shell, _SHELLS.get(name) or text.split()[0], text, body)
    real = shell.real()
    if real is None:
        raise UnknownMagic(f"Cell magic `%%{name}` not found (IPython is not installed here).")
    return real.run_cell_magic(name, text, body)


class UnknownMagic(Exception):
    """There is no such magic here."""


# ---- running code


def body_of(text):
    """The statement in the line of ``%time``, ``%timeit``, ``%prun``..., without its options."""
    words = text.lstrip()
    while True:
        match = re.match(r"-(?:[nrptDTlsmuf]\s*\S+|[a-zA-Z]+)(?:\s+|$)|--\S+(?:\s+|$)", words)
        if match is None:
            return words
        words = words[match.end() :]


def _once(shell, text):
    source = body_of(text)
    return shell.execute(shell.python(source), "<magic>") if source.strip() else None


def _run_body(shell, body):
    return shell.execute(shell.python(body), _name_of_body(shell, body))


def _name_of_body(shell, body):
    import linecache

    statement = shell.session.current
    name = f"<cell {statement.cell} body>" if statement is not None else "<cell body>"
    linecache.cache[name] = (len(body), None, [part + "\n" for part in body.split("\n")], name)
    return name


def _timeit(shell, text):
    """Once, in a function as ``timeit`` does it, so that what it assigns is not seen outside."""
    source = body_of(text)
    if not source.strip():
        return
    _in_function(shell, shell.python(source))


def _timeit_cell(shell, text, body):
    setup = body_of(text)
    _in_function(shell, (setup + "\n" if setup.strip() else "") + shell.python(body))


def _in_function(shell, source):
    import ast

    tree = ast.parse(source, "<magic>")
    function = ast.parse("def _pilotline_timed():\n    pass")
    if tree.body:
        function.body[0].body = tree.body
    space = shell.user_ns
    exec(compile(ast.fix_missing_locations(function), "<magic>", "exec"), space)  # noqa: S102
    try:
        space["_pilotline_timed"]()
    finally:
        del space["_pilotline_timed"]


def _capture(shell, text, body):
    out, err = io.StringIO(), io.StringIO()
    words = [word for word in text.split() if not word.startswith("-")]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        _run_body(shell, body)
    if words:
        shell.user_ns[words[0]] = Captured(out.getvalue(), err.getvalue())


class Captured:
    """What ``%%capture name`` binds: the printed text."""

    def __init__(self, stdout, stderr):
        self.stdout = stdout
        self.stderr = stderr
        self.outputs = []

    def __str__(self):
        return self.stdout

    def __call__(self):
        self.show()

    def show(self):
        """Print it again."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)


def _run(shell, text):
    """``%run script.py arguments``: in a namespace of its own, whose names are then the notebook's."""
    words = shlex.split(text)
    inside = False
    while words and words[0].startswith("-"):
        inside = inside or "i" in words[0].lstrip("-")
        words.pop(0)
    if not words:
        return
    path = words[0] if os.path.exists(words[0]) else words[0] + ".py"
    source = _source_of(shell, path)
    space = shell.user_ns
    module = types.ModuleType("__main__")
    scratch = space if inside else module.__dict__
    before = sys.argv
    sys.argv = [path, *words[1:]]
    try:
        scratch["__file__"] = path
        exec(compile(source, path, "exec", dont_inherit=True), scratch)  # noqa: S102
    finally:
        sys.argv = before
        if inside:
            scratch.pop("__file__", None)
    if not inside:
        hidden = {"__name__", "__doc__", "__file__", "__builtins__", "__loader__", "__spec__", "__package__"}
        space.update({name: value for name, value in module.__dict__.items() if name not in hidden})
        # Functions keep the dictionary that they were defined in alive, not the module.
        _ran.append(module)


_ran = []


def _source_of(shell, path):
    if path.endswith(".ipynb"):
        import json

        with open(path, encoding="utf-8") as file:
            book = json.load(file)
        parts = []
        for one in book.get("cells", []):
            if one.get("cell_type") == "code":
                text = one.get("source", "")
                parts.append(shell.python(text if isinstance(text, str) else "".join(text)))
        return "\n".join(parts)
    with open(path, "rb") as file:
        return file.read()


# ---- files, folders, variables


def _cd(shell, text):
    folder = os.path.expanduser(text.strip().strip("\"'") or "~")
    if folder == "-":
        folder = shell.session.previous_folder or "."
    shell.session.previous_folder = os.getcwd()
    os.chdir(folder)


def _pwd(shell, text):
    return os.getcwd()


def _env(shell, text):
    text = text.strip()
    if not text:
        return dict(os.environ)
    name, equals, value = text.partition("=")
    if not equals:
        name, space, value = text.partition(" ")
        if not space:
            return os.environ.get(name)
    os.environ[name.strip()] = value.strip()
    return None


def _writefile(shell, text, body):
    words = shlex.split(text)
    append = bool(words) and words[0] in {"-a", "--append"}
    path = os.path.expanduser(words[-1])
    with open(path, "a" if append else "w", encoding="utf-8") as file:
        file.write(body)


def _who(shell, text):
    names = sorted(name for name in shell.user_ns if not name.startswith("_") and name not in {"In", "Out"})
    print("  ".join(names))


def _who_ls(shell, text):
    return sorted(name for name in shell.user_ns if not name.startswith("_") and name not in {"In", "Out"})


def _reset(shell, text):
    space = shell.user_ns
    for name in [name for name in space if not name.startswith("__") and name not in {"In", "Out", "_"}]:
        del space[name]


def _xdel(shell, text):
    shell.user_ns.pop(text.strip(), None)


def _store(shell, text):
    if text.strip().startswith("-r"):
        names = text.split()[1:]
        what = ", ".join(names) or "variables"
        if names and all(name in shell.user_ns for name in names):
            return
        cell, at = shell.session.current.cell, shell.session.current.line
        message = f"line {at} of cell {cell} takes {what} from another notebook (%store -r), which did not run here"
        raise Stopped(STORE, message, what)


def _load_ext(shell, text):
    """An extension that only looks is left out; another one is for the real shell."""
    name = text.strip()
    if name in {"autoreload", "watermark", "tensorboard", "nb_black", "lab_black", "black", "jupyter_black", "dotenv"}:
        return
    if name in {"memory_profiler", "line_profiler", "snakeviz", "heat", "pyinstrument", "wurlitzer", "autotime"}:
        return
    real = shell.real()
    if real is None:
        raise UnknownMagic(f"the extension {name} can't be loaded (IPython is not installed here).")
    real.run_line_magic("load_ext", name)


def _pylab(shell, text):
    shell.ex(
        "import numpy\nimport matplotlib\nfrom matplotlib import pylab, mlab, pyplot\nnp = numpy\nplt = pyplot\n"
        "from matplotlib.pylab import *\nfrom numpy import *"
    )


def _system(shell, text):
    return shell.getoutput(text)


def _system_cell(shell, text, body):
    return shell.getoutput(f"{text}\n{body}" if text else body)


def _script(shell, program, text, body):
    fence = shell.session.fence
    command = shell.expanded(body) if program in {"bash", "sh", "zsh"} else body
    if program in {"bash", "sh", "zsh"}:
        if not fence.run_command(command):
            return
        shell.system(command)
        return
    fence.seen["processes"].append(program)
    fence.stop(SUBPROCESS, program, f"starts another program ({program})")
    done = subprocess.run([program], input=body.encode(), check=True, capture_output=True)
    sys.stdout.write(done.stdout.decode(errors="replace"))


_LINES = {
    "timeit": _timeit,
    "run": _run,
    "cd": _cd,
    "pwd": _pwd,
    "env": _env,
    "set_env": _env,
    "who": _who,
    "whos": _who,
    "who_ls": _who_ls,
    "reset": _reset,
    "reset_selective": lambda shell, text: None,
    "xdel": _xdel,
    "store": _store,
    "load_ext": _load_ext,
    "pylab": _pylab,
    "sx": _system,
    "system": _system,
    "dotenv": lambda shell, text: None,
}
_CELLS = {
    "timeit": _timeit_cell,
    "capture": _capture,
    "writefile": _writefile,
    "file": _writefile,
    "sx": _system_cell,
    "system": _system_cell,
    "!": _system_cell,
    "python": lambda shell, text, body: _script(shell, sys.executable, text, body),
    "python3": lambda shell, text, body: _script(shell, sys.executable, text, body),
    "pypy": lambda shell, text, body: _script(shell, "pypy", text, body),
}
#: Every magic that is understood here.
KNOWN = frozenset(
    {*_NOTHING, *_NOTHING_CELLS, *_ONCE, *_SHELLS, *_LOOKING, *_CHANGING, *_INSTALLERS, *_LINES, *_CELLS, "script"}
)
