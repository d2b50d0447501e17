"""What may go: states of tables that nothing needs any more, and files that no state names.

A state is needed where a branch in use, a tag, or any moment of the last days sees it. Those that are not are given up
in one transaction, and only what was given up a while ago loses its files: so whoever has one open reads it to its end,
and whoever is writing has time to name what was written. Who takes longer than that is refused at the end: before files
go, the catalog says which, and what it says is not named any more. Only this module removes files.

Three clocks have a say: the database's, by which commits are timed; the storage's, by which files are; and this host's. What
is judged is judged by the one that is furthest behind, what is noted is noted by the one that is furthest ahead: so where
one of them is wrong, things stay longer than they must, and never shorter.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pilotline.lake import ledger
from pilotline.lake.crash import reached
from pilotline.lake.errors import LakeDamaged
from pilotline.lake.ledger import SQL
from pilotline.lake.states import states, wrong_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pilotline.domain.tables import TableName
    from pilotline.lake.database import Session
    from pilotline.lake.files import Files
    from pilotline.lake.lake import Lake
    from pilotline.lake.states import State
    from pilotline.lake.storage import Storage, StoredFile

__all__ = ["Sweep", "sweep"]

#: How long a state can be read after it was the newest, and how long files stay that nothing names.
KEEP: Final = timedelta(days=30)
GRACE: Final = timedelta(hours=24)
#: Where the storage is asked for its time; one that is left there goes as any file without a name does.
_PROBES: Final = "tables/.clock"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep gave up and removed, or would."""

    #: Given up now; those that another branch still needs are not counted.
    given_up: tuple[State, ...]
    #: Files without a name; gone, unless it only looked.
    files: tuple[StoredFile, ...]
    #: Of those that stay.
    files_kept: int
    #: Tables that are damaged, so that no file of theirs is taken for one without a name.
    damaged: tuple[TableName, ...]
    #: How far apart the clocks were.
    clocks_apart: timedelta
    done: bool

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(each.size for each in self.files)


def sweep(
    lake: Lake, *, keep: timedelta = KEEP, grace: timedelta = GRACE, now: datetime | None = None, do: bool = False
) -> Sweep:
    """Give up states that nothing needs, and remove files that nothing has named for a while.

    Args:
        lake: which.
        keep: how long a state can be read after another took its place.
        grace: how long files stay after their state was given up, or after they were written without a name.
        now: the time that it counts from, in place of what the clocks say.
        do: without it nothing is changed; what is said then counts states that would be given up as gone long ago.

    Raises:
        LakeDamaged: a state that is needed cannot be read, so what it needs is not known; nothing was removed.
    """
    clocks = _clocks(lake, do=do) if now is None else (now,)
    earliest, latest = min(clocks), max(clocks)
    with lake.database.writing() if do else lake.database.reading() as tx:
        known = states(tx)
        needed = _needed(tx, earliest - keep)
        unneeded = {each for each in known if each.expired is None and not _is_needed(each, needed)}
        for each in unneeded if do else ():
            tx.execute(
                SQL["expire_state"],
                branch_id=each.branch_id,
                namespace=each.table.namespace,
                name=each.table.name,
                from_seq=each.from_seq,
                at=ledger.time_text(latest),
            )
    reached("sweep-given-up")
    # For this sweep they were given up now, by whichever clock; the next one asks its own.
    since = earliest if do else _LONG_AGO
    after = [replace(each, expired=since) if each in unneeded else each for each in known]
    found = {each.path: each for each in lake.storage.files()}
    named, damaged = _named(lake.files, after, found, lambda expired: earliest - expired < grace)
    held_back = tuple(state.folder for state in damaged)
    lost = [
        each
        for each in found.values()
        if each.path not in named and earliest - each.modified >= grace and not each.path.startswith(held_back)
    ]
    if do and lost:
        lost = _fenced(lake, lost, known, latest)
        lake.storage.remove(each.path for each in lost)
    reached("sweep-removed")
    alive = {each.location for each in after if each.expired is None}
    given_up = tuple(
        {each.location: each for each in known if each in unneeded and each.location not in alive}.values()
    )
    return Sweep(
        given_up=given_up,
        files=tuple(lost),
        files_kept=len(found) - len(lost),
        damaged=tuple(sorted({state.table for state in damaged})),
        clocks_apart=latest - earliest,
        done=do,
    )


def _named(
    files: Files, known: Iterable[State], there: Mapping[str, StoredFile], still: Callable[[datetime], bool]
) -> tuple[set[str], list[State]]:
    """The files that states are made of which are needed, or ``still`` within their grace; and needed ones that are damaged.

    Raises:
        LakeDamaged: a state that is needed cannot be read.
    """
    named: set[str] = set()
    # States share manifests, so each is read once, however many states there are.
    read: dict[str, int] = {}
    newest = {state.location: state for state in sorted(known, key=lambda each: each.expired is None)}.values()
    # Where a state's lists do not fit what is there, what they say is not to be relied on.
    damaged = [
        state for state in newest if state.expired is None and list(wrong_with(files, state, there, named, read))
    ]
    given_up = [state for state in newest if state.expired is not None and still(state.expired)]
    for state in given_up:
        # An earlier sweep with a shorter grace has taken its files.
        with suppress(LakeDamaged):
            list(wrong_with(files, state, there, named, read))
    return named, damaged


def _fenced(lake: Lake, lost: list[StoredFile], known: Iterable[State], at: datetime) -> list[StoredFile]:
    """Those of the files that nobody named since ``known`` was read; nobody will any more, however long he took to write."""
    before = {each.location for each in known}
    with lake.database.writing() as tx:
        locations = {each.location for each in states(tx)} - before
        named = locations.union(part.path for location in locations for part in lake.files.parts(location))
        unnamed = [each for each in lost if each.path not in named]
        if unnamed:
            ledger.note_sweep(tx, at, (each.path for each in unnamed))
    return unnamed


def _clocks(lake: Lake, *, do: bool) -> tuple[datetime, ...]:
    """What the clocks say: this host's, the database's and, where something may be written there, the storage's."""
    with lake.database.reading() as tx:
        clocks = (datetime.now(UTC), tx.now())
    return (*clocks, _time_of(lake.storage)) if do else clocks


def _time_of(storage: Storage) -> datetime:
    """The storage's clock: the time that it gives a file that is written now."""
    folder = f"{_PROBES}/{secrets.token_hex(8)}"
    storage.write(f"{folder}/probe", b"what time is it?")
    (probe,) = storage.files(folder)
    storage.remove([probe.path])
    return probe.modified


def _needed(tx: Session, since: datetime) -> Mapping[int, list[int]]:
    """For each branch the numbers at which its states are seen: by heads, bases, tags, and moments after ``since``."""
    branches = {row[0]: row for row in tx.execute(SQL["every_branch"])}
    points: set[tuple[int, int]] = set()
    last_before: dict[int, int] = {}
    by_id: dict[str, tuple[int, int]] = {}
    border = ledger.time_text(since)
    for branch_id, seq, at, commit in tx.execute(SQL["every_commit"]):
        by_id[commit] = (branch_id, seq)
        if at >= border:
            points.add((branch_id, seq))
        else:
            last_before[branch_id] = seq
    for branch_id, parent_id, base_seq, head_seq, state in branches.values():
        if state in {"open", "checked", "failed"}:
            points.add((branch_id, head_seq))
            if parent_id is not None:
                points.add((parent_id, base_seq))
            if branch_id in last_before:
                points.add((branch_id, last_before[branch_id]))
    points.update(by_id[commit] for commit in ledger.tags(tx).values())
    seen: dict[int, set[int]] = defaultdict(set)
    for start in points:
        place: tuple[int, int] | None = start
        while place is not None and place[1] not in seen[place[0]]:
            number, seq = place
            seen[number].add(seq)
            _, parent_id, base_seq, _, _ = branches[number]
            place = None if parent_id is None else (parent_id, min(seq, base_seq))
    return {branch_id: sorted(numbers) for branch_id, numbers in seen.items()}


def _is_needed(state: State, needed: Mapping[int, list[int]]) -> bool:
    numbers = needed.get(state.branch_id, [])
    place = bisect_left(numbers, state.from_seq)
    return place < len(numbers) and (state.to_seq is None or numbers[place] < state.to_seq)
