"""Digests of files, remembered by what a file system says of them, so that an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ABSENT", "Digests", "Mark", "mark_of"]

#: Size, time of the last change in ns, inode.
Mark: TypeAlias = "tuple[int, int, int]"

#: The digest of what is not there.
ABSENT: Final = "absent"
#: A file that was changed so shortly before it was read may be changed again without its time showing it.
_RACY: Final = 50_000_000
_SKIPPED: Final = frozenset({".git", ".pilotline", "__pycache__", ".ipynb_checkpoints"})


def mark_of(path: str | os.PathLike[str]) -> Mark | None:
    """What tells whether a file is the one that was read: size, time, inode. None where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the plain call is what makes looking cheap
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


class Digests:
    """SHA-256 of files and folders.

    Args:
        path: a JSON file that remembers; None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        #: What told each file that was asked for when it was read.
        self.marks: dict[str, Mark] = {}
        self._known: dict[str, Any] = {}
        self._new = False
        if path is not None:
            try:
                self._known = json.loads(path.read_bytes())
            except (OSError, ValueError):
                self._known = {}

    def of(self, path: Path) -> str:
        """The digest of a file, or of all files below a folder with their names; ``ABSENT`` where there is nothing."""
        try:
            found = os.stat(path)  # noqa: PTH116 - see mark_of
        except OSError:
            return ABSENT
        if stat.S_ISDIR(found.st_mode):
            return self._folder(path)
        return self._file(str(path), [found.st_size, found.st_mtime_ns, found.st_ino])

    def save(self) -> None:
        """Remember what was found."""
        if not self._new or self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._known), encoding="utf-8")
        temporary.replace(self._path)
        self._new = False

    def _file(self, path: str, mark: list[int]) -> str:
        self.marks[path] = (mark[0], mark[1], mark[2])
        known = self._known.get(path)
        if known is not None and known[0] == mark:
            return str(known[1])
        now = time.time_ns()
        with open(path, "rb") as file:  # noqa: PTH123 - see mark_of
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if mark[1] < now - _RACY:
            self._known[path] = [mark, digest]
            self._new = True
        return digest

    def _folder(self, path: Path) -> str:
        state = hashlib.sha256()
        for root, folders, files in os.walk(path):
            folders[:] = sorted(one for one in folders if one not in _SKIPPED)
            for name in sorted(files):
                whole = os.path.join(root, name)  # noqa: PTH118 - see mark_of
                mark = mark_of(whole)
                if mark is not None:
                    said = f"{os.path.relpath(whole, path)}\0{self._file(whole, list(mark))}\n"
                    state.update(said.encode("utf-8", "surrogateescape"))
        return state.hexdigest()
