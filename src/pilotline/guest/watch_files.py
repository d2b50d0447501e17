"""Files and folders that a statement touches: from audit events, and from inotify for readers written in C."""

import os
import sys
import threading

from . import audit

_JOURNALS = ("-journal", "-wal", "-shm")
_READ, _WRITTEN, _MADE, _REMOVED, _FOLDER, _LISTED = "read", "written", "made", "removed", "folder", "listed"


class FileWatch:
    """Notes what happens to files, statement by statement.

    Args:
        places: where paths lie.
    """

    def __init__(self, places):
        self.places = places
        #: What happened since the last ``take``: ``(kind, absolute path)`` in order.
        self.log = []
        self._imported_from = set()
        self.quiet = 0
        self._kernel = _inotify(places)
        self._snapshot = None if self._kernel is not None else _stats(places.folder)
        for event, listener in (
            ("open", self._open),
            ("os.listdir", self._listed),
            ("os.scandir", self._listed),
            ("os.walk", self._listed),
            ("os.mkdir", self._made_folder),
            ("os.remove", self._removed),
            ("os.rmdir", self._removed),
            ("shutil.rmtree", self._removed),
            ("os.rename", self._renamed),
            ("os.truncate", self._truncated),
            ("os.link", self._linked),
            ("os.symlink", self._linked),
            ("sqlite3.connect", self._sqlite),
        ):
            audit.listen(event, listener)

    def take(self, texts=()):
        """What was read, written, removed, made and listed since the last call; sorted lists of said paths.

        Args:
            texts: strings that stand in the statement; where the system reports no reads, those that name a file count.
        """
        log, self.log = self.log, []
        self.quiet += 1
        if self._kernel is not None:
            log += [
                (kind, path)
                for kind, path in self._kernel.take()
                if not (kind == _LISTED and path in self._imported_from)
            ]
        else:
            log += self._compare(texts)
        self.quiet -= 1
        self._imported_from = set()
        return _digested(log, self.places) if log else _NOTHING

    def _note(self, kind, path):
        if self.quiet:
            return
        absolute = self.places.absolute(path)
        if absolute is not None and self.places.matters(absolute):
            self.log.append((kind, absolute))

    # ---- audit events

    def _open(self, event, arguments):
        path, mode, flags = arguments
        if type(path) is int or path is None:
            return
        if isinstance(mode, str):
            if "w" in mode or "x" in mode:
                self._note(_MADE, path)
                return
            writes, reads = "a" in mode or "+" in mode, True
        else:
            flags = flags if isinstance(flags, int) else 0
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
            reads = not flags & os.O_WRONLY
            if writes and flags & (os.O_TRUNC | os.O_EXCL):
                self._note(_MADE, path)
                return
        if reads:
            text = path if isinstance(path, str) else None
            if text is not None and text.endswith((".py", ".pyc", ".so")) and importing():
                return
            self._note(_READ, path)
        if writes:
            self._note(_WRITTEN, path)

    def _listed(self, event, arguments):
        path = arguments[0] if arguments[0] is not None else "."
        if importing():
            absolute = self.places.absolute(path)
            self._imported_from.add(absolute)
            return
        self._note(_LISTED, path)

    def _made_folder(self, event, arguments):
        try:
            if os.path.isdir(arguments[0]):
                return
        except (TypeError, ValueError):
            return
        self._note(_FOLDER, arguments[0])

    def _removed(self, event, arguments):
        self._note(_REMOVED, arguments[0])

    def _renamed(self, event, arguments):
        self._note(_READ, arguments[0])
        self._note(_REMOVED, arguments[0])
        self._note(_MADE, arguments[1])

    def _linked(self, event, arguments):
        self._note(_READ, arguments[0])
        self._note(_MADE, arguments[1])

    def _truncated(self, event, arguments):
        self._note(_WRITTEN, arguments[0])

    def _sqlite(self, event, arguments):
        name = os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes)) else ""
        if name and name != ":memory:" and "mode=memory" not in name:
            path = name[5:].partition("?")[0] if name.startswith("file:") else name
            self._note(_READ, path)

    # ---- without inotify

    def _compare(self, texts):
        now = _stats(self.places.folder)
        log = []
        for path, facts in now.items():
            if path not in self._snapshot:
                log.append((_FOLDER if facts is None else _MADE, path))
            elif facts != self._snapshot[path]:
                log.append((_WRITTEN, path))
        log += [(_REMOVED, path) for path in self._snapshot if path not in now]
        for text in texts:
            if 0 < len(text) < 300 and "\n" not in text:
                absolute = self.places.absolute(text)
                if absolute is not None and now.get(absolute) is not None:
                    log.append((_READ, absolute))
        self._snapshot = now
        return log


_NOTHING = {"reads_files": [], "writes_files": [], "removes_files": [], "makes_folders": [], "lists_folders": []}


def _digested(log, places):
    """The log of one statement as what it needs and what it leaves behind."""
    reads, writes, removes, folders, lists = {}, {}, {}, {}, {}
    fresh = set()
    for kind, path in log:
        if path.endswith(_JOURNALS) or "/.nfs" in path:
            continue
        if kind == _READ:
            if path not in fresh:
                reads[path] = None
        elif kind == _MADE:
            if path not in reads:
                fresh.add(path)
            writes[path] = None
            removes.pop(path, None)
        elif kind == _WRITTEN:
            writes[path] = None
            removes.pop(path, None)
        elif kind == _REMOVED:
            if path in writes and path in fresh:
                writes.pop(path)
            else:
                writes.pop(path, None)
                removes[path] = None
        elif kind == _FOLDER:
            folders[path] = None
            fresh.add(path)
        elif path not in fresh:
            lists[path] = None
    reads = [path for path in reads if path in removes or path in writes or os.path.isfile(path) or _is_special(path)]
    writes = [path for path in writes if not os.path.isdir(path) and os.path.lexists(path)]
    folders = [path for path in folders if os.path.isdir(path)]
    lists = [path for path in lists if os.path.isdir(path)]
    removes = [path for path in removes if not os.path.lexists(path)]
    return {
        "reads_files": _said(reads, places),
        "writes_files": _said(writes, places),
        "removes_files": _said(removes, places),
        "makes_folders": _said(folders, places),
        "lists_folders": _said(lists, places),
    }


def _said(paths, places):
    return sorted({places.said(path) for path in paths})


def _is_special(path):
    return os.path.exists(path) and not os.path.isdir(path)


def importing():
    """Whether the import system is what is asking."""
    frame = sys._getframe(2)
    for _ in range(12):
        if frame is None:
            return False
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or name.endswith(("importlib/_bootstrap_external.py", "zipimport.py")):
            return True
        if name.endswith(("linecache.py", "tokenize.py", "inspect.py", "pkgutil.py")) or "importlib" in name:
            return True
        frame = frame.f_back
    return False


def _stats(folder):
    found = {}
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in {"__pycache__", ".git", ".ipynb_checkpoints"}]
        for name in folders:
            found[os.path.join(top, name)] = None
        for name in files:
            path = os.path.join(top, name)
            try:
                info = os.stat(path)
            except OSError:
                continue
            found[path] = (info.st_size, info.st_mtime_ns)
    return found


# ---- inotify

_ACCESS, _MODIFY, _CLOSE_WRITE, _CLOSE_NOWRITE, _OPEN = 0x1, 0x2, 0x8, 0x10, 0x20
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _ISDIR = 0x4000, 0x8000, 0x40000000
_MASK = _ACCESS | _MODIFY | _CLOSE_WRITE | _CLOSE_NOWRITE | _OPEN | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_MOST_FOLDERS = 6000


def _inotify(places):
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Inotify(places)
    except (OSError, AttributeError, ImportError):
        return None


class _Inotify:
    """The kernel's own account of what happens in the scratch folder."""

    def __init__(self, places):
        import ctypes

        self._places = places
        library = ctypes.CDLL(None, use_errno=True)
        self._add = library.inotify_add_watch
        self._add.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders = {}
        self._files = {}
        self._known = set()
        self._lock = threading.Lock()
        self._open = {}
        self.lost = False
        #: Folders that this watch itself has opened, during this ``take`` and the one before.
        self._ours = set()
        self._watch_tree(places.folder)
        self.take()

    def _watch_tree(self, folder):
        """Watch a folder and all below it; gives the files that are there already."""
        files = []
        todo = [folder]
        while todo and len(self._folders) < _MOST_FOLDERS:
            path = todo.pop()
            real = os.path.realpath(path)
            if real in self._known:
                continue
            self._known.add(real)
            number = self._add(self._descriptor, os.fsencode(path), _MASK)
            if number < 0:
                continue
            self._folders[number] = path
            self._ours.add(path)
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=True):
                            if entry.name not in {"__pycache__", ".git", "node_modules"}:
                                todo.append(entry.path)
                        else:
                            files.append(entry.path)
                            if entry.is_symlink():
                                self._watch_link(entry.path)
            except OSError:
                continue
        return files

    def _watch_link(self, path):
        """What a link leads to is opened elsewhere: watch that file itself."""
        number = self._add(self._descriptor, os.fsencode(path), _MASK & ~(_CREATE | _DELETE | _MOVED_FROM | _MOVED_TO))
        if number >= 0 and number not in self._folders:
            self._files[number] = path

    def take(self):
        """What happened since the last call: ``(kind, path)`` in order."""
        log = []
        before, self._ours = self._ours, set()
        #: Files opened and not yet known to be read or written.
        opened = {}
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                break
            for number, mask, name in _events(data):
                self._event(number, mask, name, log, opened)
            if len(data) < (1 << 15):
                break
        log.extend((_READ, path) for path, undecided in opened.items() if undecided)
        ours = before | self._ours
        return [(kind, path) for kind, path in log if kind != _LISTED or path not in ours] if ours else log

    def _event(self, number, mask, name, log, opened):
        if mask & _OVERFLOW:
            self.lost = True
            return
        path = self._files.get(number)
        if path is None:
            folder = self._folders.get(number)
            if folder is None:
                return
            if mask & _IGNORED:
                self._folders.pop(number, None)
                self._known.discard(os.path.realpath(folder))
                return
            path = os.path.join(folder, name) if name else folder
        if not self._places.matters(path):
            return
        if mask & _ISDIR:
            self._folder_event(mask, path, log)
        elif mask & (_CREATE | _MOVED_TO):
            log.append((_MADE, path))
            opened[path] = False
        elif mask & (_DELETE | _MOVED_FROM):
            if mask & _MOVED_FROM:
                log.append((_READ, path))
            log.append((_REMOVED, path))
            opened.pop(path, None)
        elif mask & (_MODIFY | _CLOSE_WRITE):
            log.append((_WRITTEN, path))
            opened[path] = False
        elif mask & (_ACCESS | _CLOSE_NOWRITE):
            log.append((_READ, path))
            opened[path] = False
        elif mask & _OPEN:
            opened.setdefault(path, True)

    def _folder_event(self, mask, path, log):
        if mask & (_CREATE | _MOVED_TO):
            log.append((_FOLDER, path))
            log.extend((_MADE, file) for file in self._watch_tree(path))
        elif mask & (_DELETE | _MOVED_FROM):
            log.append((_REMOVED, path))
        elif mask & _OPEN:
            log.append((_LISTED, path))


def _events(data):
    import struct

    place = 0
    while place + 16 <= len(data):
        number, mask, _, length = struct.unpack_from("iIII", data, place)
        name = data[place + 16 : place + 16 + length].rstrip(b"\0")
        yield number, mask, os.fsdecode(name)
        place += 16 + length
