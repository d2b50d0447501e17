"""Nothing leaks out: what would reach outside the scratch copy is stopped before it happens, and named.

What user code asks of the interpreter passes through audit events; each kind that the request does not allow is
answered with ``Stopped``, which is no ``Exception``, so that ``except Exception`` does not hide it. One that is
swallowed all the same, as a bare ``except:`` does, is told by ``Fence.swallowed``: what such code computes instead is
not what it computes where it may reach outside.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from . import audit, shell_words

NETWORK = "PL120"
SUBPROCESS = "PL121"
WRITE = "PL122"
DATABASE = "PL123"
ASKS = "PL116"

_ALLOWED_AS = {NETWORK: "network", SUBPROCESS: "subprocess", WRITE: "write", DATABASE: "database"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DATABASE_PORTS = {1433, 1521, 3306, 5432, 5439, 6379, 8123, 9000, 9042, 27017, 50000}
_DATABASE_DRIVERS = {
    "psycopg2", "psycopg", "asyncpg", "pg8000", "MySQLdb", "pymysql", "mysql", "pyodbc", "cx_Oracle", "oracledb",
    "pymssql", "ibm_db", "pymongo", "redis", "cassandra", "snowflake", "redshift_connector", "clickhouse_driver",
    "teradatasql", "trino", "pyhive", "databricks", "neo4j", "influxdb", "elasticsearch",
}  # fmt: skip
#: Drivers written in C, whose connections raise no event: their ``connect`` is wrapped when they are imported.
_C_DRIVERS = ("psycopg2", "psycopg", "MySQLdb", "pyodbc", "cx_Oracle", "oracledb", "pymssql", "ibm_db", "teradatasql")
_ONE_PATH = {
    "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.truncate": 0, "os.chmod": 0, "os.chown": 0, "os.utime": 0,
    "os.setxattr": 0, "os.removexattr": 0, "shutil.rmtree": 0, "shutil.chown": 0, "os.chflags": 0,
}  # fmt: skip
_TARGET_PATHS = {"os.rename": (0, 1), "os.link": (1,), "os.symlink": (1,)}


class Stopped(BaseException):
    """User code was about to do what is not allowed here.

    Attributes:
        code: which kind of thing, ``PL1xx``.
        what: what it wanted to reach, in a few words.
    """

    def __init__(self, code, message, what=""):
        super().__init__(message)
        self.code = code
        self.what = what


class Fence:
    """Listens to audit events and stops what the request does not allow.

    Args:
        places: where paths lie.
        allow: kinds that the user allows: ``network``, ``subprocess``, ``write``, ``database``.
    """

    def __init__(self, places, allow=()):
        self.places = places
        self.allow = frozenset(allow)
        self._peeks = False
        #: What was stopped, a line for each; forked children write into the same file.
        self._stops = tempfile.TemporaryFile(buffering=0)
        self._told = 0
        #: What was reached or wanted, by kind, since the recorder last took it.
        self.seen = {"network": [], "processes": [], "databases": [], "installs": [], "skipped": []}
        #: The first shell line that was not run, if one was not: ``(what, cell, line)``.
        self.skipped = None

    def raise_up(self):
        """Begin to listen."""
        for event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"):
            audit.listen(event, self._network)
        for event in ("socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request", "ftplib.connect"):
            audit.listen(event, self._network)
        audit.listen("subprocess.Popen", self._popen)
        audit.listen("os.system", self._system)
        for event in ("os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.startfile/2", "pty.spawn"):
            audit.listen(event, self._exec)
        audit.listen("sqlite3.connect", self._sqlite)
        audit.listen("open", self._open)
        for event in (*_ONE_PATH, *_TARGET_PATHS):
            audit.listen(event, self._changes)
        if "database" not in self.allow:
            sys.meta_path.insert(0, _AfterImport(_C_DRIVERS, self._watch_driver))
        sys.meta_path.insert(0, _AfterImport(_PIP, self._only_note_installs))
        self._spare_installs()

    def _spare_installs(self):
        """An installation that Python code asks for is noted and never run; the code goes on as if it had been."""
        start, system = subprocess.Popen.__init__, os.system

        def spared(process, args, *rest, **options):
            if self.is_install(args):
                args, rest, options = ["true"], rest[:1], {**options, "shell": False, "executable": None}
                with self.peeking():
                    return start(process, args, *rest, **options)
            return start(process, args, *rest, **options)

        def spared_system(command):
            return 0 if self.is_install(command) else system(command)

        subprocess.Popen.__init__ = spared
        os.system = spared_system

    def is_install(self, command):
        """Whether a command installs something; then it is noted."""
        try:
            kind, text = shell_words.judge(command)
        except TypeError:
            return False
        if kind == "install":
            self.seen["installs"].append(text)
        return kind == "install"

    def take(self):
        """What was reached or wanted since the last call, by kind."""
        taken = {kind: list(dict.fromkeys(items)) for kind, items in self.seen.items()}
        for items in self.seen.values():
            items.clear()
        return taken

    def stop(self, code, what, message):
        """Stop user code unless this kind is allowed.

        Raises:
            Stopped: it is not.
        """
        allowed = _ALLOWED_AS.get(code)
        if allowed in self.allow:
            return
        cell, line = user_line()
        where = f"line {line} of cell {cell} " if cell else ""
        ask = f" (--allow {allowed})" if allowed else ""
        self._raise(Stopped(code, f"{where}{message}, which is not allowed here{ask}", what))

    def _raise(self, stopped):
        """Raise it, and take a note of it unless a library is being imported: no value depends on that."""
        if not _importing_library(self.places):
            facts = {"code": stopped.code, "message": str(stopped), "what": stopped.what}
            os.write(self._stops.fileno(), json.dumps(facts).encode() + b"\n")
        raise stopped

    def swallowed(self):
        """The first thing stopped since the last call, if any was; its ``Stopped`` may have been swallowed by the code."""
        size = os.fstat(self._stops.fileno()).st_size
        if size <= self._told:
            return None
        lines = os.pread(self._stops.fileno(), size - self._told, self._told).splitlines()
        self._told = size
        facts = json.loads(lines[0])
        return Stopped(facts["code"], facts["message"], facts["what"])

    # ---- modules that raise no event

    def _watch_driver(self, module):
        """Wrap ``connect`` of a database driver written in C."""
        original = getattr(module, "connect", None)
        if original is None:
            return
        name = module.__name__

        def connect(*arguments, **options):
            self.seen["databases"].append(name)
            self.stop(DATABASE, name, f"connects to a database (by {name})")
            return original(*arguments, **options)

        module.connect = connect

    def _only_note_installs(self, module):
        """Give pip a ``main`` that only takes notes."""

        def main(args=None):
            self.is_install(["pip", *(args or ())])
            return 0

        if hasattr(module, "main"):
            module.main = main

    # ---- network and databases

    def _network(self, event, arguments):
        address = arguments[1] if event.startswith("socket.") and event not in _NAMES else arguments[0]
        if event == "socket.getaddrinfo":
            address = (arguments[0], arguments[1])
        elif event == "ftplib.connect":
            address = (arguments[1], arguments[2])
        elif event in {"socket.sendto", "socket.sendmsg"} and arguments[1] is None:
            return
        host, port = _host_and_port(address)
        if host is None:
            # A Unix socket: processes of one machine that work together, or a database.
            if not _is_database_socket(address):
                return
            host, port = _text(address), None
        elif event != "socket.connect" and host in _OWN_NAMES:
            return
        what = f"{host}:{port}" if port else str(host)
        if _from_database() or (isinstance(port, int) and port in _DATABASE_PORTS):
            self.seen["databases"].append(what)
            self.stop(DATABASE, what, f"connects to a database ({what})")
        else:
            self.seen["network"].append(what)
            self.stop(NETWORK, what, f"uses the network ({what})")

    def _sqlite(self, event, arguments):
        name = arguments[0]
        text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
        if text in {"", ":memory:"} or "mode=memory" in text:
            return
        path = text[5:].partition("?")[0] if text.startswith("file:") else text
        path = self.places.absolute(path)
        if path is None or not self.places.matters(path):
            return
        self.seen["databases"].append(self.places.said(path))
        if not self.places.may_write(path):
            self.stop(DATABASE, path, f"opens a database outside of the notebook's folder ({path})")

    # ---- processes

    def _popen(self, event, arguments):
        self._process(arguments[1] if arguments[1] else arguments[0])

    def _system(self, event, arguments):
        self._process(os.fsdecode(arguments[0]) if isinstance(arguments[0], bytes) else arguments[0])

    def _exec(self, event, arguments):
        if event == "os.spawn":
            self._process(arguments[2])
        elif event.startswith("os.startfile") or event == "pty.spawn":
            self._process(arguments[0])
        else:
            self._process(arguments[1] or arguments[0])

    def _process(self, command):
        kind, text = shell_words.judge(command)
        if kind == "worker":
            return
        if kind == "install":
            self.seen["installs"].append(text)
        else:
            self.seen["processes"].append(text)
        if kind != "harmless" or not (self._peeks or _from_library(self.places)):
            self.stop(SUBPROCESS, text, f"starts another program ({text[:200]})")

    @contextlib.contextmanager
    def peeking(self):
        """Within this, programs may be run that only look, as nothing of the notebook depends on what they say."""
        self._peeks = True
        try:
            yield
        finally:
            self._peeks = False

    def run_command(self, command):
        """Whether a shell line may be run; an installation is noted and never run.

        Raises:
            Stopped: it may not, and it is no installation.
        """
        kind, text = shell_words.judge(command)
        if kind == "install":
            self.seen["installs"].append(text)
            return False
        return True

    def skip_command(self, command):
        """Whether a shell line whose output nothing reads is left out: it would start a program that is not allowed.

        The notebook can go on without it as long as it reads no file, which that program could have changed.
        """
        kind, text = shell_words.judge(command)
        if kind != "other" or _ALLOWED_AS[SUBPROCESS] in self.allow:
            return False
        self.seen["skipped"].append(text)
        if self.skipped is None:
            self.skipped = (text, *user_line())
        return True

    # ---- files

    def _open(self, event, arguments):
        path, mode, flags = arguments
        if isinstance(path, int) or path is None:
            return
        if isinstance(mode, str):
            if not any(letter in mode for letter in "wax+"):
                self._read_after_skipped(path)
                return
        elif not (isinstance(flags, int) and flags & _WRITING):
            if path == "/dev/tty":
                self.stop(ASKS, "terminal", "waits for an answer from the keyboard")
            return
        if path in {"/dev/tty", b"/dev/tty"}:
            self.stop(ASKS, "terminal", "waits for an answer from the keyboard")
        self._write(path, empties=isinstance(mode, str) and "w" in mode)

    def _read_after_skipped(self, path):
        if self.skipped is None or user_line() == (None, None):
            return
        absolute = self.places.absolute(path)
        if absolute is not None and self.places.inside(absolute) and self.places.matters(absolute):
            text, cell, line = self.skipped
            said = self.places.said(absolute)
            self._raise(
                Stopped(
                    SUBPROCESS,
                    f"line {line} of cell {cell} starts another program ({text[:200]}), which is not allowed here "
                    f"(--allow subprocess), and {said} is read afterwards",
                    text,
                )
            )

    def _changes(self, event, arguments):
        positions = _TARGET_PATHS.get(event) or (_ONE_PATH[event],)
        for position in positions:
            path = arguments[position]
            if event == "os.mkdir" and _exists(path):
                continue  # it will fail as it would without us
            self._write(path, breaks=event in {"os.truncate", "os.chmod", "os.utime", "os.setxattr"})

    def _write(self, path, empties=False, breaks=True):
        absolute = self.places.absolute(path)
        if absolute is None:
            return
        if breaks and self.places.inside(absolute):
            _break_link(absolute, self.places, empties)
        if not self.places.may_write(absolute):
            self.stop(WRITE, absolute, f"writes outside of the notebook's folder ({absolute})")


def user_line():
    """``(cell, line)`` of the innermost user code that is being executed; ``(None, None)`` if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<cell "):
            number = name[6:-1].split(" ")[0]
            return (int(number) if number.isdigit() else None), frame.f_lineno
        frame = frame.f_back
    return None, None


def _from_library(places):
    """Whether a library asks for this, and not the user's own code or a shell line in it."""
    frame = sys._getframe(1)
    here = os.path.dirname(os.path.abspath(__file__))
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(("<cell ", here + os.sep + "shell")) or places.inside(name) or _is_lifted(frame):
            return False
        if "site-packages" in name or "dist-packages" in name:
            return True
        frame = frame.f_back
    return True


def _importing_library(places):
    """Whether this happens while a library, and nothing of the user's, is being imported."""
    frame = sys._getframe(1)
    library = False
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<cell ") or places.inside(name) or _is_lifted(frame):
            return False
        if name.startswith("<frozen importlib"):
            if library:
                return True
        elif "site-packages" in name or "dist-packages" in name:
            library = True
        frame = frame.f_back
    return False


def _is_lifted(frame):
    return bool(frame.f_globals.get("__pilotline_user__"))


def _break_link(path, places, empties):
    """Give the scratch folder a file of its own before a linked one is written: the link leads to the user's data."""
    try:
        info = os.lstat(path)
    except OSError:
        return
    import stat

    linked = stat.S_ISLNK(info.st_mode) and not places.inside(os.path.realpath(path))
    if not linked and not (stat.S_ISREG(info.st_mode) and info.st_nlink > 1):
        return
    try:
        if empties:
            os.unlink(path)
            return
        temporary = path + ".own"
        shutil.copy2(path, temporary)
        os.replace(temporary, path)
    except OSError:
        return


def _exists(path):
    try:
        return os.path.isdir(path)
    except (TypeError, ValueError):
        return False


_NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_OWN_NAMES = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""}  # noqa: S104 (compared, not bound to)


def _host_and_port(address):
    if isinstance(address, tuple) and len(address) >= 2:
        host = address[0]
        return (_text(host) if host is not None else ""), address[1]
    if isinstance(address, str) and "://" in address:
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(address)
            return (parts.hostname, parts.port) if parts.scheme not in {"file", "data"} else (None, None)
        except ValueError:
            return address, None
    if isinstance(address, str) and not address.startswith(("/", "\0")):
        return address, None
    return None, None


def _is_database_socket(address):
    text = _text(address)
    return any(part in text for part in (".s.PGSQL", "mysql", "mongodb", "redis"))


def _text(value):
    return os.fsdecode(value) if isinstance(value, (str, bytes)) else str(value)


def _from_database():
    """Whether a database driver is among the callers."""
    frame = sys._getframe(1)
    depth = 0
    while frame is not None and depth < 60:
        root = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if root in _DATABASE_DRIVERS:
            return True
        frame = frame.f_back
        depth += 1
    return False


class _AfterImport:
    """Changes modules as they are imported.

    Args:
        names: of those modules.
        change: called with each, once it is there.
    """

    def __init__(self, names, change):
        self._names = frozenset(names)
        self._change = change
        self._busy = set()

    def find_spec(self, name, path=None, target=None):
        if name not in self._names or name in self._busy:
            return None
        import importlib.util

        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        finally:
            self._busy.discard(name)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        execute, change = spec.loader.exec_module, self._change

        def exec_module(module):
            execute(module)
            change(module)

        try:
            spec.loader.exec_module = exec_module
        except AttributeError:
            return None
        return spec


#: What runs pip without a process of its own.
_PIP = ("pip", "pip._internal", "pip._internal.cli.main")
