"""Hear that something changed in the database, without asking it over and over.

A bell may ring for nothing, and may fail to ring: whoever waits looks again after a while in any case, so a word that was
lost costs that while and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Bell", "FileBell", "Topic"]

#: What one can hear of: orders that may be claimed, states of tables that others see, schedules that were set.
Topic: TypeAlias = Literal["orders", "commits", "schedules"]

#: Seconds between two looks at a file; a look reads a few bytes that all connections share.
_LOOK: Final = 0.1


class Bell(Protocol):
    """Rings when something was written that somebody waits for. Of one thread."""

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, but no longer than so; whether it did. It rings at once when it was not listening before."""
        ...

    def close(self) -> None:
        """Stop listening, before a fork for one; the next wait listens again."""
        ...


class FileBell:
    """Rings at whatever anybody commits to a SQLite file: SQLite tells no topics apart.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._seen = -1

    def wait(self, seconds: float) -> bool:
        """See ``Bell.wait``."""
        end = time.monotonic() + seconds
        while True:
            try:
                version = self._version()
            except sqlite3.Error:
                # Whoever looks is told what is wrong with the file.
                self.close()
                version = self._seen
            if version != self._seen:
                self._seen = version
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _LOOK))

    def close(self) -> None:
        """See ``Bell.close``."""
        connection, self._connection, self._seen = self._connection, None, -1
        if connection is not None and self._pid == os.getpid():
            with suppress(sqlite3.Error):
                connection.close()

    def _version(self) -> int:
        if self._connection is None or self._pid != os.getpid():
            # A connection of its own: what one's own connection commits, it is not told of.
            self._connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True)
            self._pid, self._seen = os.getpid(), -1
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
