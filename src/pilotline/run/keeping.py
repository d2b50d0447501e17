"""A full disk and a folder that may not be written to, said by code wherever they are met."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pilotline.lake.errors import NO_ROOM, NoRoom
from pilotline.run.errors import NotStored

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["storing"]


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
        if error.errno not in NO_ROOM:
            raise
        raise _not_stored(str(error.filename or place), error.strerror or str(error)) from error
    except NoRoom as error:
        raise _not_stored(error.what, error.why) from error


def _not_stored(what: str, why: str) -> NotStored:
    return NotStored(
        f"{what} cannot be written: {why}; nothing was published",
        try_next="make room, or see who may write there; then pilotline run takes up where it stopped",
        path=what,
    )
