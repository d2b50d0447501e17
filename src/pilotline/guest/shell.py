"""What ``get_ipython()`` gives: enough of IPython for what notebooks do with it, without needing IPython.

A magic that is not known here is handed to a real ``InteractiveShell`` over the same namespace, if IPython can be
imported.
"""

import builtins
import re
import subprocess
import sys

from . import magics

_BRACED = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|\$\$|\$([A-Za-z_][\w.]*)")


class Shell:
    """Stands in for IPython's shell.

    Args:
        session: the session whose namespace and fence are used.
    """

    #: Libraries ask for this name to see whether they run in a notebook's front end; they don't.
    kernel = None
    config = {}
    colors = "NoColor"
    ast_node_interactivity = "last_expr"
    _hidden = ("In", "Out", "_", "__", "___")

    def __init__(self, session):
        self.session = session
        #: What ``_``, ``__`` and ``___`` were given last; a user who binds them keeps them.
        self.last = {"_": "", "__": "", "___": ""}
        self._real = None

    # ---- the parts of IPython's shell that user code asks for

    @property
    def user_ns(self):
        """The notebook's namespace."""
        return self.session.namespace

    @property
    def user_global_ns(self):
        """The notebook's namespace."""
        return self.session.namespace

    def get_ipython(self):
        """This shell."""
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        real = self.real()
        if real is None:
            raise AttributeError(f"'{name}': IPython is not installed here")
        return getattr(real, name)

    def run_line_magic(self, magic_name, line, _stack_depth=1):
        """Do what ``%magic line`` does."""
        return magics.line(self, magic_name, self.expanded(line) if magic_name not in magics.VERBATIM else line)

    def magic(self, arg_s):
        """Do what ``%magic line`` does; the old form."""
        name, _, line = arg_s.lstrip("%").partition(" ")
        return self.run_line_magic(name, line.strip())

    def run_cell_magic(self, magic_name, line, cell):
        """Do what ``%%magic line`` over a cell does."""
        return magics.cell(self, magic_name, self.expanded(line), cell)

    def system(self, cmd):
        """Run a shell line, as ``!line`` does."""
        command = self.expanded(cmd)
        fence = self.session.fence
        if not fence.run_command(command) or fence.skip_command(command):
            return
        sys.stdout.flush()
        with fence.peeking():
            done = subprocess.run(command, shell=True, check=False, capture_output=True)
        sys.stdout.write((done.stdout + done.stderr).decode(errors="replace"))
        self.user_ns["_exit_code"] = done.returncode

    system_raw = system_piped = system

    def getoutput(self, cmd, split=True, depth=0):
        """Run a shell line and give its lines, as ``x = !line`` does."""
        command = self.expanded(cmd)
        if not self.session.fence.run_command(command):
            return Lines()
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        text = done.stdout.decode(errors="replace")
        return Lines(text.splitlines()) if split else text

    def run_cell(self, raw_cell, store_history=False, silent=False, **options):
        """Execute code in the notebook's namespace."""
        return self.execute(self.python(raw_cell), "<run_cell>")

    def ev(self, expr):
        """The value of an expression."""
        return eval(expr, self.user_ns)  # noqa: S307

    def ex(self, cmd):
        """Execute code."""
        exec(cmd, self.user_ns)  # noqa: S102

    def push(self, variables, interactive=True):
        """Bind names."""
        if isinstance(variables, dict):
            self.user_ns.update(variables)
        else:
            raise TypeError("push wants a dictionary here")

    def drop_by_id(self, variables):
        """Unbind names that still mean these objects."""
        for name, value in variables.items():
            if self.user_ns.get(name) is value:
                del self.user_ns[name]

    def register_magic_function(self, func, magic_kind="line", magic_name=None):
        """Make a function a magic."""
        magics.register(magic_kind, magic_name or func.__name__, func)

    def set_next_input(self, s, replace=False):
        """Nobody is there to see it."""

    def enable_gui(self, gui=None):
        """There is none."""

    def enable_matplotlib(self, gui=None):
        """Figures are never shown here."""
        return "agg", "agg"

    # ---- for the magics

    def execute(self, source, name):
        """Execute code as a cell would be, and give the value of its last expression."""
        import ast

        tree = compile(source, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), self.user_ns)  # noqa: S102
        if last is None:
            return None
        return eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), self.user_ns)  # noqa: S307

    def python(self, source):
        """Plain Python for a text that may hold IPython's own syntax."""
        try:
            compile(source, "<cell>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            try:
                from IPython.core.inputtransformer2 import TransformerManager
            except ImportError:
                return _without_magics(source)
            return TransformerManager().transform_cell(source)
        return source

    def expanded(self, text):
        """``{expression}`` and ``$name`` in a magic's line or a shell line, replaced by their values."""

        def replace(match):
            whole = match.group(0)
            if whole in {"{{", "}}", "$$"}:
                return whole[0]
            expression = match.group(1) or match.group(2)
            if match.group(2) and match.group(2).partition(".")[0] not in self.user_ns:
                return whole
            try:
                return str(eval(expression, self.user_ns))  # noqa: S307
            except Exception:
                return whole

        return _BRACED.sub(replace, text) if "{" in text or "$" in text else text

    def real(self):
        """IPython's own shell over the same namespace; None if IPython can't be imported."""
        if self._real is None:
            self._real = _real_shell(self.session) or False
        return self._real or None

    # ---- what is shown

    def display(self, *values, **options):
        """Show values; here their texts are printed."""
        for value in values:
            print(_text(value))

    def catch_arguments(self, name):
        """Listen for the arguments of a top-level ``print(...)`` or ``display(...)``; None for any other call."""
        if name not in {"print", "display"}:
            return None
        space = self.user_ns if name in self.user_ns else builtins.__dict__
        function = space.get(name)
        if function is None or (space is self.user_ns and getattr(function, "__module__", "") == "__main__"):
            return None
        return _Catcher(space, name, function)


class _Catcher:
    """Stands for ``print`` or ``display`` while one statement is executed."""

    def __init__(self, space, name, function):
        self.values = ()
        self.how = name
        self._space = space
        self._name = name
        self._function = function
        self._stand_in = self._call
        space[name] = self._stand_in

    def _call(self, *values, **options):
        if options.get("file") is None:
            self.values = values
        return self._function(*values, **options)

    def release(self):
        """Put the function back."""
        if self._space.get(self._name) is self._stand_in:
            self._space[self._name] = self._function
        return self


class Lines(list):
    """What ``x = !command`` gives: a list of lines with IPython's three further views of them."""

    @property
    def l(self):  # noqa: E743 (IPython calls it that)
        """The lines."""
        return list(self)

    list = l

    @property
    def n(self):
        """The lines joined by line ends."""
        return "\n".join(self)

    nlstr = n

    @property
    def s(self):
        """The lines joined by spaces."""
        return " ".join(self)

    spstr = s

    def grep(self, pattern, prune=False, field=None):
        """The lines that match."""

        def target(line):
            if field is None:
                return line
            parts = line.split()
            return parts[field] if -len(parts) <= field < len(parts) else ""

        matches = pattern if callable(pattern) else lambda text: re.search(pattern, text, re.IGNORECASE)
        return Lines([line for line in self if bool(matches(target(line))) is not prune])

    def fields(self, *fields):
        """Some of the words of each line."""
        if not fields:
            return [line.split() for line in self]
        rows = [line.split() for line in self]
        return Lines([" ".join(row[f] for f in fields if -len(row) <= f < len(row)) for row in rows])


def _text(value):
    try:
        return str(value)[:100_000]
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _without_magics(source):
    lines = []
    for line in source.split("\n"):
        bare = line.lstrip()
        lines.append(line[: len(line) - len(bare)] + "pass  # " + bare if bare.startswith(("%", "!")) else line)
    return "\n".join(lines)


def _real_shell(session):
    """An ``InteractiveShell`` that writes nothing into the user's profile."""
    try:
        import tempfile

        from IPython.core.interactiveshell import InteractiveShell
        from IPython.core.profiledir import ProfileDir
        from traitlets.config import Config
    except ImportError:
        return None
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.autoindent = False
    config.InteractiveShell.colors = "NoColor"
    space = session.namespace
    before = dict(space)
    profile = ProfileDir.create_profile_dir(tempfile.mkdtemp(prefix="pilotline-ipython-"))
    hooks = (sys.excepthook, sys.displayhook)
    shell = InteractiveShell.instance(config=config, profile_dir=profile, user_module=session.main, user_ns=space)
    sys.excepthook, sys.displayhook = hooks
    sys.modules["__main__"] = session.main
    for name in list(space):
        if name not in before:
            session.shell_names[name] = space[name]
    space.update(before)
    # It has put its own functions where notebooks look for ours.
    if "get_ipython" not in before:
        space.pop("get_ipython", None)
    builtins.get_ipython = session.shell.get_ipython
    builtins.display = session.shell.display
    return shell
