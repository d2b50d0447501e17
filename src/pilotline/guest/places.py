"""Where a path lies: in the scratch folder, among the libraries, in a cache, or outside."""

import os
import sys
import sysconfig
import tempfile

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/opt/homebrew", "/System", "/Library", "/run")
_CACHES = (".cache", ".config/matplotlib", ".matplotlib", ".ipython", ".jupyter", ".nv", ".numba_cache", ".astropy")
_QUIET_SUFFIXES = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib")
_QUIET_PARTS = ("__pycache__", "site-packages", "dist-packages", ".ipynb_checkpoints", "joblib_memmapping_folder")
#: Temporary files that libraries make for themselves.
_QUIET_TEMPORARY = ("pilotline-", "joblib", "loky", "pymp-", "matplotlib", "mpl-", "numba", "torch", "tmpwidget")


def contains(folder, path):
    """Whether an absolute path is the folder or lies in it."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


class Places:
    """The folders that matter in one session.

    Args:
        folder: root of the scratch copy.
        own: further folders of the tool itself, which its own code may write.
        writable: folders in it that user code may write to; all of it if none are named.
        original: the user's own folder, never to be written even where it lies among temporary files.
    """

    def __init__(self, folder, own=(), original=None, writable=()):
        self.writable = tuple(
            {os.path.abspath(path) for path in writable} | {os.path.realpath(path) for path in writable}
        )
        self.original = os.path.realpath(original) if original else None
        self.folder = os.path.abspath(folder)
        self.real = os.path.realpath(folder)
        #: Where the scratch copy lies.
        self.home = os.path.dirname(os.path.dirname(self.real))
        self.own = tuple({os.path.abspath(path) for path in own} | {os.path.realpath(path) for path in own})
        self.temporary = tuple({tempfile.gettempdir(), os.path.realpath(tempfile.gettempdir())})
        home = os.path.expanduser("~")
        self.caches = tuple(os.path.join(home, part) for part in _CACHES)
        for variable in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "IPYTHONDIR", "JOBLIB_TEMP_FOLDER"):
            value = os.environ.get(variable)
            if value:
                self.caches += (os.path.abspath(value),)
        libraries = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
        here = os.path.dirname(os.path.abspath(__file__))
        self.libraries = tuple({os.path.abspath(path) for path in libraries} | {here})

    def absolute(self, path):
        """An absolute path for what a program named, or None for a descriptor or nothing."""
        if isinstance(path, int) or path is None:
            return None
        try:
            path = os.fspath(path)
            return os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return None

    def inside(self, path):
        """Whether an absolute path lies in the scratch folder."""
        return contains(self.folder, path) or contains(self.real, path)

    def said(self, path):
        """A path as a recording says it: relative to the scratch folder when it lies in it."""
        for root in (self.folder, self.real):
            if contains(root, path):
                return os.path.relpath(path, root).replace(os.sep, "/")
        return path

    def matters(self, path):
        """Whether reading or writing that absolute path says something about the notebook's data."""
        if path.endswith(_QUIET_SUFFIXES) or any(part in path for part in _QUIET_PARTS):
            return False
        if self.inside(path):
            return True
        if any(contains(root, path) for root in self.own + self.libraries + self.caches):
            return False
        for root in self.temporary:
            if contains(root, path):
                return not os.path.relpath(path, root).startswith(_QUIET_TEMPORARY)
        return not path.startswith(_SYSTEM)

    def may_write(self, path):
        """Whether user code may write at that absolute path without being asked for it."""
        if "__pycache__" in path or path.startswith(("/dev/null", "/dev/shm", "/dev/stdout", "/dev/stderr", "/proc/")):
            return True
        allowed = self.own + self.temporary + self.caches
        if not self.inside(path) and not any(contains(root, path) for root in allowed):
            return False
        real = os.path.realpath(path)
        if self.original and contains(self.original, real) and not self.inside(real):
            return False
        if (
            self.writable
            and contains(self.home, real)
            and not self.inside(real)
            and not any(contains(root, real) for root in self.own)
        ):
            return False  # above the folder: no file of the user's is there, but in real life one could be
        if self.writable and self.inside(real):
            return any(contains(root, real) for root in self.writable)
        return self.inside(real) or any(contains(root, real) for root in allowed)
