"""A full disk and a folder that may not be written to, said by code wherever they are met."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pilotline.run.errors import NotStored

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["storing"]

_ERRNOS: Final = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOTDIR,
})  # fmt: skip
_SQLITE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)


@contextmanager
def storing(place: Path) -> Generator[None]:
    """Say by code what goes wrong where something is stored.

    Args:
        place: where it is stored, for the message.

    Raises:
        NotStored: there is no room, or no permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _ERRNOS:
            raise
        raise _not_stored(str(error.filename or place), error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _SQLITE:
            raise
        raise _not_stored(str(place / "catalog.sqlite"), str(error)) from error


def _not_stored(what: str, why: str) -> NotStored:
    return NotStored(
        f"{what} cannot be written: {why}; nothing was published",
        try_next="make room, or see who may write there; then pilotline run takes up where it stopped",
        path=what,
    )
