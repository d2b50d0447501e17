"""Results of steps that no run has used for long are let go: a pipeline that runs for years would fill any disk with them.

What is gone is computed again when it is needed, so nothing is lost but time. A run that takes a result up marks it as used.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from pathlib import Path

__all__ = ["KEEP", "let_go_of_unused"]

#: How long a result is kept that nothing uses, where no setting says.
KEEP: Final = "30d"
#: Says by its time when was looked last: a look reads the names of all results, so once a day is enough.
_LOOKED: Final = "looked"
_DAY: Final = 86_400.0


def let_go_of_unused(store: Path, kept: timedelta) -> int:
    """Remove results that were neither made nor used for as long, at most once a day.

    Times are compared as the folder's file system gives them. Where its clock goes wrong, what goes is computed again.

    Args:
        store: the folder of results.
        kept: how long they stay.

    Returns:
        How many files went.
    """
    looked = store / _LOOKED
    with suppress(OSError):
        if abs(time.time() - looked.stat().st_mtime) < _DAY:
            return 0
    try:
        looked.touch()
        until = looked.stat().st_mtime - kept.total_seconds()
    except OSError:
        # There is no store yet, or none that this process may change.
        return 0
    return sum(_removed(file) for files in _results(store) if _used(files) < until for file in files)


def _results(store: Path) -> Iterator[list[Path]]:
    """The files of one key each: its results, and the files and streams that belong to them."""
    with suppress(OSError):
        for folder in store.iterdir():
            if not folder.is_dir():
                continue
            found: defaultdict[str, list[Path]] = defaultdict(list)
            for file in folder.iterdir():
                found[file.name.partition(".")[0]].append(file)
            yield from found.values()


def _used(files: list[Path]) -> float:
    # One that went meanwhile was not used lately.
    times = [0.0]
    for file in files:
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return max(times)


def _removed(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False
    return True
