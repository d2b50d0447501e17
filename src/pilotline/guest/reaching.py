"""What a step reached that its key does not cover: the network, other programs, files that it does not name.

A step that reached something is computed again in every run. The clock is not seen here; the tool reads it off the code.
"""

import ctypes
import os
import struct
import sys

from . import audit
from .places import Places, contains
from .watch_files import importing

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Reaching:
    """Collects what is reached between ``begin`` and ``take``.

    Args:
        project: the user's folder.
        work: the run's working folder, a mirror of it made of copies and links.
        declared: absolute paths of files and folders that keys cover.
        own: folders of the tool itself.
        top: a folder around the working folder, with links to what the code names outside of the project.
    """

    def __init__(self, project, work, declared, own, top):
        self.top = os.path.realpath(top)
        self.project = os.path.realpath(project)
        self.work = os.path.realpath(work)
        self.declared = [os.path.realpath(path) for path in declared]
        # In the working folder they may be copies.
        self.declared += [
            os.path.join(self.work, os.path.relpath(path, self.project))
            for path in self.declared
            if contains(self.project, path)
        ]
        self.own = tuple(os.path.realpath(path) for path in own)
        self.places = Places(project, self.own)
        self.active = False
        self.reads, self.writes, self.other = {}, {}, {}
        #: Files in the working folder that this run wrote and returned.
        self.returned = set()
        audit.listen("open", self._open)
        audit.listen("os.listdir", self._listed)
        audit.listen("os.scandir", self._listed)
        audit.listen("sqlite3.connect", self._sqlite)
        for event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            audit.listen(event, self._network)
        for event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
            audit.listen(event, self._process)
        self.notify = None
        if sys.platform.startswith("linux"):
            notify = _Notify([self.project, self.work])
            self.notify = notify if notify.works else None

    def begin(self):
        """Forget what was reached, and look."""
        self.reads, self.writes, self.other = {}, {}, {}
        #: Files that were read, those that keys cover among them.
        self.looked_into = set()
        if self.notify is not None:
            self.notify.drain()
        self.active = True

    def take(self):
        """What was reached since ``begin``: texts such as ``network: example.org`` and ``read: data/x.csv``; files written."""
        self.active = False
        if self.notify is not None:
            read, written = self.notify.drain()
            for path in read:
                self._read(path)
            for path in written:
                if self._matters(path):
                    self.writes.setdefault(path)
        reads = [path for path in self.reads if path not in self.writes]
        return list(self.other) + ["read: %s" % self.said(path) for path in sorted(reads)], list(self.writes)

    def said(self, path):
        """A path as the user would write it."""
        for root in (self.work, self.project):
            if contains(root, path):
                return os.path.relpath(path, root)
        return path

    def _matters(self, path):
        if any(contains(root, path) for root in self.own) and not contains(self.work, path):
            return False
        return self.places.matters(path) and not path.endswith((".py", ".pth", ".toml", ".pyi", "-journal", "-wal"))

    def _read(self, path):
        real = os.path.realpath(path)
        inside = contains(self.work, real)
        self.looked_into.add(os.path.join(self.project, os.path.relpath(real, self.work)) if inside else real)
        if any(contains(root, real) for root in self.declared) or not self._matters(real):
            return
        if real in self.returned or os.path.isdir(real) or not os.path.exists(real):
            return
        self.reads.setdefault(real)

    def _open(self, event, arguments):
        path, mode, flags = arguments
        if isinstance(path, int) or path is None:
            return
        writes = isinstance(flags, int) and bool(flags & _WRITING)
        if isinstance(mode, str):
            writes = any(letter in mode for letter in "wxa+")
        absolute = self.places.absolute(path)
        if absolute is None:
            return
        if writes:
            self._own_copy(absolute, keeps="w" not in (mode or "") and not (flags or 0) & os.O_TRUNC)
        if not self.active:
            return
        if writes:
            if self._matters(absolute):
                self.writes.setdefault(
                    os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))
                )
        else:
            self._read(absolute)

    def _listed(self, event, arguments):
        path = arguments[0]
        if not self.active or isinstance(path, int) or importing():
            return
        absolute = self.places.absolute("." if path is None else path)
        if absolute is None:
            return
        real = os.path.realpath(absolute)
        if self._matters(real) and not any(contains(root, real) for root in self.declared):
            self.other.setdefault("lists: %s" % self.said(real))

    def _own_copy(self, path, keeps):
        """Before a link into the project is written through, put a file of the run's own in its place."""
        if not contains(self.top, path) or not os.path.islink(path):
            return
        target = os.path.realpath(path)
        os.unlink(path)
        if keeps and os.path.exists(target):
            import shutil

            shutil.copy2(target, path)

    def _sqlite(self, event, arguments):
        name = arguments[0]
        text = os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else str(name)
        if self.active and text not in {"", ":memory:"} and "mode=memory" not in text:
            self._read(os.path.abspath(text[5:].partition("?")[0] if text.startswith("file:") else text))

    def _network(self, event, arguments):
        if not self.active:
            return
        address = arguments[1] if event != "socket.getaddrinfo" else arguments[0]
        if isinstance(address, (str, bytes)) and event != "socket.getaddrinfo":
            return  # a socket of this machine
        host = address[0] if isinstance(address, tuple) and address else address
        self.other.setdefault("network: %s" % (os.fsdecode(host) if isinstance(host, bytes) else host))

    def _process(self, event, arguments):
        if self.active:
            command = arguments[0]
            self.other.setdefault("processes: %s" % os.path.basename(str(command))[:60])


_ACCESS, _MODIFY, _MOVED_TO, _CREATE = 0x1, 0x2, 0x80, 0x100
_IS_FOLDER = 0x40000000
_MOST_FOLDERS = 2000
_LEFT_OUT = frozenset({".git", ".pilotline", "node_modules", "__pycache__", ".venv", "venv"})


class _Notify:
    """inotify on folders and all below them: sees also readers and writers in C, which raise no audit event."""

    def __init__(self, folders):
        self.watched = {}
        self.works = False
        try:
            self.libc = ctypes.CDLL(None, use_errno=True)
            self.descriptor = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return
        if self.descriptor < 0:
            return
        self.works = True
        for folder in folders:
            self._watch(folder)

    def _watch(self, folder):
        for root, folders, _ in os.walk(folder):
            folders[:] = [one for one in folders if one not in _LEFT_OUT]
            if len(self.watched) > _MOST_FOLDERS:
                return
            mask = _ACCESS | _MODIFY | _MOVED_TO | _CREATE
            number = self.libc.inotify_add_watch(self.descriptor, os.fsencode(root), mask)
            if number >= 0:
                self.watched[number] = root

    def drain(self):
        """Paths of files read and written since the last call."""
        read, written = {}, {}
        while True:
            try:
                data = os.read(self.descriptor, 65536)
            except OSError:
                return read, written
            at = 0
            while at < len(data):
                number, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + size].rstrip(b"\0")
                at += 16 + size
                root = self.watched.get(number)
                if root is None or not name:
                    continue
                if mask & _IS_FOLDER:
                    if mask & (_CREATE | _MOVED_TO):
                        self._watch(os.path.join(root, os.fsdecode(name)))
                    continue
                (read if mask & _ACCESS else written)[os.path.join(root, os.fsdecode(name))] = True
