"""Whether the lake is whole: every row names what is there, every file is as long as its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.lake.errors import LakeDamaged
from pilotline.lake.ledger import SQL
from pilotline.lake.states import states, wrong_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from pilotline.lake.lake import Lake
    from pilotline.lake.states import State
    from pilotline.lake.storage import StoredFile

__all__ = ["Inspection", "Problem", "inspect_lake"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it should be."""

    what: str
    #: What would put it right.
    mend: str
    table: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was looked at, and what was found."""

    problems: tuple[Problem, ...]
    #: States of tables whose files were looked for.
    states: int
    #: Files that these name, and those that none does, which a sweep removes once they are old enough.
    files: int
    unnamed: tuple[StoredFile, ...]


def inspect_lake(lake: Lake, *, deep: bool = False, progress: Callable[[str], None] = lambda _: None) -> Inspection:
    """Look at every row of the catalog and every file of every state that can be read; changes nothing.

    Args:
        lake: which.
        deep: read each data file, too.
        progress: told which table is looked at.
    """
    with lake.database.reading() as tx:
        known = [each for each in states(tx) if each.expired is None]
        problems = [
            Problem(
                what=f"a state of {namespace}.{name} belongs to commit {seq} of branch {branch}, which is not there",
                mend="restore the catalog from a backup",
                table=f"{namespace}.{name}",
            )
            for branch, namespace, name, seq in tx.execute(SQL["states_without_commit"])
        ]
        problems += [
            Problem(what=f"branch '{name}' has no commit {seq}", mend="restore the catalog from a backup")
            for name, seq in tx.execute(SQL["branches_without_head"])
        ]
    there = {each.path: each for each in lake.storage.files()}
    newest = _newest(known)
    named: set[str] = set()
    looked: set[str] = set()
    read: dict[str, int] = {}
    for state in known:
        if state.location in looked:
            continue
        looked.add(state.location)
        progress(f"looking at {state.table}")
        current = newest.get((state.branch_id, str(state.table))) == state.location
        mend = _mend(state, current=current)
        try:
            for what, path in wrong_with(lake.files, state, there, named, read, deep=deep):
                problems.append(Problem(what=what, mend=mend, table=str(state.table), path=path))
        except LakeDamaged as error:
            path = str(error.facts["location"])
            problems.append(Problem(what=error.message, mend=mend, table=str(state.table), path=path))
    unnamed = tuple(each for path, each in there.items() if path not in named)
    return Inspection(problems=tuple(problems), states=len(looked), files=len(named), unnamed=unnamed)


def _newest(known: list[State]) -> dict[tuple[int, str], str]:
    return {(each.branch_id, str(each.table)): each.location for each in known if each.to_seq is None}


def _mend(state: State, *, current: bool) -> str:
    if current:
        return f"restore the file from a backup, or take {state.table} back to a state that is whole: pilotline undo"
    return "only an earlier state needs it: pilotline lake sweep gives that up in time; or restore it from a backup"
