"""Whether the lake is whole: every row names what is there, every file is as long as its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.lake.errors import LakeDamaged
from pilotline.lake.ledger import SQL
from pilotline.lake.sweeping import states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pilotline.lake.files import Files, Part
    from pilotline.lake.lake import Lake
    from pilotline.lake.storage import StoredFile
    from pilotline.lake.sweeping import State

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
        deep: open each data file too, and count its rows.
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
        problems += [
            Problem(what=what, mend=_mend(state, current=current), table=str(state.table), path=path)
            for what, path in _wrong(lake.files, state, there, named, read, deep=deep)
        ]
    unnamed = tuple(each for path, each in there.items() if path not in named)
    return Inspection(problems=tuple(problems), states=len(looked), files=len(named), unnamed=unnamed)


def _newest(known: list[State]) -> dict[tuple[int, str], str]:
    return {(each.branch_id, str(each.table)): each.location for each in known if each.to_seq is None}


def _mend(state: State, *, current: bool) -> str:
    if current:
        return f"restore the file from a backup, or take {state.table} back to a state that is whole: pilotline undo"
    return "only an earlier state needs it: pilotline lake sweep gives that up in time; or restore it from a backup"


def _wrong(
    files: Files,
    state: State,
    there: Mapping[str, StoredFile],
    named: set[str],
    read: dict[str, int],
    *,
    deep: bool,
) -> Iterator[tuple[str, str]]:
    """What is wrong with a state: in words, and with which file.

    Files in ``named`` were looked at, and manifests in ``read`` were read; the others are added.
    """
    named.add(state.location)
    if state.location not in there:
        yield f"{state.location} is gone, which says what {state.table} was", state.location
        return
    rows = 0
    try:
        for part in files.parts(state.location, read):
            rows += part.listed_rows or 0
            if part.path not in named:
                named.add(part.path)
                yield from _wrong_file(files, state, part, there.get(part.path), deep=deep)
    except LakeDamaged as error:
        yield error.message, state.location
        return
    if rows != state.rows:
        yield f"the files of {state.table} have {rows} rows, the catalog says {state.rows}", state.location


def _wrong_file(
    files: Files, state: State, part: Part, found: StoredFile | None, *, deep: bool
) -> Iterator[tuple[str, str]]:
    if found is None:
        yield f"{part.path} is gone, which holds {_held(part.rows)} of {state.table}", part.path
    elif part.size is not None and found.size != part.size:
        yield f"{part.path} has {found.size} bytes and should have {part.size}", part.path
    elif deep and part.rows is not None:
        counted = files.count_rows(part.path)
        if counted != part.rows:
            yield f"{part.path} has {counted} rows and should have {part.rows}", part.path


def _held(rows: int | None) -> str:
    return "a list of files" if rows is None else f"{rows} rows"
