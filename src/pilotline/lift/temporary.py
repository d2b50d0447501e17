"""Temporary folders that do not outlive their processes for long, even where those are killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["temporary_folder"]


@contextmanager
def temporary_folder(kind: str) -> Generator[Path]:
    """A folder for as long as the block goes on; what killed processes left of its kind is removed before.

    Each is held by a lock of the system's on itself, which ends with its process, however that ends.

    Args:
        kind: the name of the folder begins with ``pilotline-kind-``.
    """
    prefix = f"pilotline-{kind}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            _remove_unless_held(left)
    folder, held = _made(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _made(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        # Before it is held, another process may take it for one that was left.
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(held, fcntl.LOCK_EX)
        if folder.exists():
            return folder, held
        os.close(held)


def _remove_unless_held(folder: Path) -> None:
    # Whoever else can write there may have put a link there, to what is not ours to remove.
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(there).st_uid == os.getuid():
            fcntl.flock(there, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(there)
