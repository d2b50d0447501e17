"""Which files a statement reads and writes.

Python's own ``open`` and the calls of ``os`` raise audit events. Readers and writers in C (pyarrow, DuckDB, Polars)
raise none, so on Linux the scratch folder is watched by inotify too, elsewhere its files' times are compared.
"""

import ctypes
import os
import struct
import sys

from . import audit

_ACCESS, _MODIFY, _CLOSE_WRITE, _OPEN, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x1, 0x2, 0x8, 0x20, 0x40, 0x80, 0x100, 0x200
_IS_FOLDER = 0x40000000
_MASK = _ACCESS | _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SOURCE = (".py", ".pyc", ".pyi", ".so", ".pth")
_MOST_FOLDERS = 2000


class Files:
    """Collects what happens to files between ``begin`` and ``take``.

    Args:
        places: where paths lie.
    """

    def __init__(self, places):
        self.places = places
        self.reset()
        audit.listen("open", self._open)
        for event in ("os.remove", "os.rmdir", "shutil.rmtree"):
            audit.listen(event, self._removed)
        audit.listen("os.mkdir", self._mkdir)
        audit.listen("os.rename", self._rename)
        for event in ("os.listdir", "os.scandir", "glob.glob", "glob.glob/2"):
            audit.listen(event, self._lists)
        audit.listen("sqlite3.connect", self._sqlite)
        self.active = False
        self.notify = _Notify(places) if sys.platform.startswith("linux") else None
        if self.notify is not None and not self.notify.works:
            self.notify = None

    def reset(self):
        self.reads, self.writes, self.removes, self.folders, self.lists = {}, {}, {}, {}, {}
        self.sqlite = {}

    def begin(self):
        """Forget what was seen, and see."""
        self.reset()
        if self.notify is not None:
            self.notify.drain()
        self.active = True

    def take(self):
        """What was seen since ``begin``, as the protocol's lists of paths."""
        self.active = False
        if self.notify is not None:
            read, written, removed, made = self.notify.drain()
            for path in read:
                self._note(self.reads, path)
            for path in written:
                self._note(self.writes, path)
            for path in removed:
                self._note(self.removes, path)
            for path in made:
                self._note(self.folders, path)
        for path in self.sqlite:
            if path not in self.writes:
                self.reads.setdefault(path)
        removed = [path for path in self.removes if not os.path.exists(self._whole(path))]
        writes = [path for path in self.writes if os.path.exists(self._whole(path)) and not os.path.isdir(self._whole(path))]
        # What was written and read in one statement came from the statement itself, unless it was there before.
        reads = [path for path in self.reads if not os.path.isdir(self._whole(path))]
        return {
            "reads_files": sorted(reads),
            "writes_files": sorted(writes),
            "removes_files": sorted(removed),
            "makes_folders": sorted(self.folders),
            "lists_folders": sorted(self.lists),
        }

    def _whole(self, path):
        return path if os.path.isabs(path) else os.path.join(self.places.folder, path)

    def _note(self, into, path):
        absolute = self.places.absolute(path)
        if absolute is not None and self.places.matters(absolute) and not absolute.endswith(_SOURCE):
            if not os.path.basename(absolute).endswith(("-journal", "-wal", "-shm")):
                into.setdefault(self.places.said(absolute))

    def _open(self, event, arguments):
        if not self.active:
            return
        path, mode, flags = arguments
        if isinstance(path, int) or path is None:
            return
        if isinstance(mode, str):
            writes = any(letter in mode for letter in "wxa+")
            reads = "r" in mode or "a" in mode or "+" in mode and "w" not in mode
        else:
            writes = isinstance(flags, int) and bool(flags & _WRITING)
            reads = not writes
        if writes:
            self._note(self.writes, path)
        if reads:
            self._note(self.reads, path)

    def _sqlite(self, event, arguments):
        name = arguments[0]
        text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
        if self.active and text not in {"", ":memory:"} and "mode=memory" not in text:
            self._note(self.sqlite, text[5:].partition("?")[0] if text.startswith("file:") else text)

    def _removed(self, event, arguments):
        if self.active:
            self._note(self.removes, arguments[0])

    def _mkdir(self, event, arguments):
        if self.active:
            self._note(self.folders, arguments[0])

    def _rename(self, event, arguments):
        if self.active:
            self._note(self.removes, arguments[0])
            self._note(self.reads, arguments[0])
            self._note(self.writes, arguments[1])

    def _lists(self, event, arguments):
        if self.active and arguments and not isinstance(arguments[0], int):
            path = arguments[0]
            if event.startswith("glob") and path:
                text = os.fsdecode(path)
                path = os.path.dirname(text) if any(mark in os.path.basename(text) for mark in "*?[") else text
            if _asked_by_user():
                self._note(self.lists, path or ".")


def _asked_by_user():
    """Importing lists folders too; that says nothing of the notebook."""
    frame = sys._getframe(2)
    for _ in range(12):
        if frame is None:
            return False
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        if name.startswith("<cell "):
            return True
        frame = frame.f_back
    return False


class _Notify:
    """inotify on a folder and all below it."""

    def __init__(self, places):
        self.places = places
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
        self._watch(places.folder)

    def _watch(self, folder):
        for root, folders, _ in os.walk(folder):
            folders[:] = [one for one in folders if one not in {".git", "node_modules", "__pycache__", ".venv"}]
            if len(self.watched) > _MOST_FOLDERS:
                return
            number = self.libc.inotify_add_watch(self.descriptor, os.fsencode(root), _MASK)
            if number >= 0:
                self.watched[number] = root

    def drain(self):
        """Paths read, written, removed, and folders made since the last call."""
        read, written, removed, made = {}, {}, {}, {}
        while True:
            try:
                data = os.read(self.descriptor, 65536)
            except (BlockingIOError, OSError):
                break
            if not data:
                break
            at = 0
            while at < len(data):
                number, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + size].rstrip(b"\0")
                at += 16 + size
                root = self.watched.get(number)
                if root is None or not name:
                    continue
                path = os.path.join(root, os.fsdecode(name))
                if mask & _IS_FOLDER:
                    if mask & (_CREATE | _MOVED_TO):
                        made[path] = True
                        self._watch(path)
                        for below, _, names in os.walk(path):
                            for one in names:
                                written[os.path.join(below, one)] = True
                    continue
                if mask & _ACCESS:
                    read[path] = True
                if mask & (_MODIFY | _CREATE | _MOVED_TO):
                    written[path] = True
                if mask & (_DELETE | _MOVED_FROM):
                    removed[path] = True
                    written.pop(path, None)
        return read, written, removed, made
