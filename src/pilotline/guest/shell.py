"""What a notebook finds in its namespace: ``display``, ``get_ipython``, ``Out`` and ``_``.

The common magics are carried out by a small stand-in; the rest by IPython's own shell on the notebook's namespace,
where IPython is installed.
"""

import builtins
import importlib.util
import os
import re
import subprocess

_NEEDS = re.compile(r"get_ipython|\bIPython\b")


class Caught:
    """What ``print`` or ``display`` was last given while it was watched."""

    def __init__(self, shell, how):
        self.how = how
        self.values = None
        self._shell = shell

    def release(self):
        """Stop watching."""
        self._shell.catcher = None
        return self if self.values is not None else None


class Shell:
    """The interactive surroundings of one session.

    Args:
        session: its session; magics work on its namespace.
    """

    def __init__(self, session):
        self.session = session
        #: ``_``, ``__`` and ``___`` as they were last set by a shown value.
        self.last = {}
        self.catcher = None
        self._stand_in = None
        self._print = builtins.print

    def get_ipython(self):
        """What a notebook gets from ``get_ipython()``."""
        if self._stand_in is None:
            self._stand_in = StandIn(self.session)
        return self._stand_in

    def display(self, *values, **options):
        """``display``: nothing is drawn, but what was given is a result."""
        if self.catcher is not None and self.catcher.how == "display":
            self.catcher.values = values

    def catch_arguments(self, name):
        """Watch ``print`` or ``display`` while a statement that calls it is executed."""
        if name not in {"print", "display"}:
            return None
        space = self.session.namespace
        if name == "print":
            if "print" in space:
                return None
            builtins.print = self._watched_print
        elif "display" in space and not getattr(space["display"], "__module__", "").startswith("IPython"):
            return None
        elif "display" in space:
            space["display"] = self.display
        self.catcher = Caught(self, name)
        return self.catcher

    def _watched_print(self, *values, **options):
        if self.catcher is not None and options.get("file") is None:
            self.catcher.values = values
        self._print(*values, **options)


def _real_shell(session):
    """IPython's own shell on the notebook's namespace, or None where there is none."""
    if importlib.util.find_spec("IPython") is None:
        return None
    os.environ.setdefault("IPYTHONDIR", os.path.join(os.path.dirname(session.request["result"]), "ipython"))
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(user_module=session.main, user_ns=session.namespace)
    shell.history_manager.enabled = False
    # It has put its own names where the notebook looks for ours.
    session.namespace.pop("get_ipython", None)
    builtins.get_ipython = session.shell.get_ipython
    return shell


_NONE = object()


class StandIn:
    """The part of IPython's shell that lifted notebooks call."""

    def __init__(self, session):
        self.session = session
        self._real = _NONE

    @property
    def real(self):
        """IPython's shell, made when it is first needed."""
        if self._real is _NONE:
            try:
                self._real = _real_shell(self.session)
            except Exception:
                self._real = None
        return self._real

    def __getattr__(self, name):
        if name.startswith("_") or self.real is None:
            raise AttributeError(name)
        return getattr(self.real, name)

    def __dir__(self):
        return ["run_line_magic", "run_cell_magic", "system", "getoutput", "user_ns"]

    @property
    def user_ns(self):
        """The notebook's names."""
        return self.session.namespace

    def run_line_magic(self, name, line, *ignored, **options):
        """Carry out one ``%magic``."""
        if name in {"pip", "conda", "mamba", "uv", "sx", "system"}:
            self.system((name + " " + line).strip() if name not in {"sx", "system"} else line)
            return None
        if name in {"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "pylab", "precision", "xmode", "colors"}:
            return None
        if name == "cd":
            os.chdir(os.path.expanduser(line.strip() or "~"))
            return None
        if name in {"env", "set_env"} and re.search(r"[= ]", line.strip()):
            key, value = re.split(r"[= ]", line.strip(), maxsplit=1)
            os.environ[key.strip()] = value.strip()
            return None
        if name in {"time", "timeit", "prun", "memit", "snakeviz"}:
            source = re.sub(r"^(\s*-\w+(\s+\d+)?)+\s*", "", line)
            exec(compile(source, "<cell %s>" % self.session.current.cell, "exec"), self.session.namespace)
            return None
        if name in {"who", "whos", "who_ls", "lsmagic", "history", "pinfo", "pinfo2", "watermark", "reset_selective", "pwd", "ls", "memory_usage"}:
            return None
        if self.real is not None:
            return self.real.run_line_magic(name, line)
        raise NameError("the magic %%%s needs IPython, which is not installed here" % name)

    magic = run_line_magic

    def run_cell_magic(self, name, line, cell):
        """Carry out one ``%%magic``."""
        if name in {"time", "timeit", "capture", "prun"}:
            if name == "timeit":
                return None
            exec(compile(cell, "<cell %s>" % self.session.current.cell, "exec"), self.session.namespace)
            return None
        if name in {"html", "HTML", "latex", "markdown", "javascript", "js", "svg"}:
            return None
        if name in {"writefile", "file"}:
            with open(line.replace("-a", "").strip(), "a" if "-a " in line else "w", encoding="utf-8") as file:
                file.write(cell)
            return None
        if name in {"bash", "sh"}:
            subprocess.run(["bash", "-c", cell], check=False)
            return None
        if self.real is not None:
            return self.real.run_cell_magic(name, line, cell)
        raise NameError("the magic %%%%%s needs IPython, which is not installed here" % name)

    def system(self, command):
        """Run one ``!command``; what installs packages is noted and not run."""
        if self.session.fence.run_command(command):
            subprocess.run(command, shell=True, check=False, stdin=subprocess.DEVNULL)

    def getoutput(self, command, *ignored, **options):
        """The lines that a command prints."""
        if not self.session.fence.run_command(command):
            return []
        done = subprocess.run(command, shell=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        return done.stdout.splitlines()

    def set_next_input(self, *ignored, **options):
        """There is nobody to type anything."""
