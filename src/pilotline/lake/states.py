"""The states of tables that a catalog knows, and whether the files that one is made of are there and fit together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pilotline.domain.tables import TableName
from pilotline.lake.errors import LakeDamaged
from pilotline.lake.ledger import SQL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pilotline.lake.database import Session
    from pilotline.lake.files import Files, Part
    from pilotline.lake.storage import StoredFile

__all__ = ["State", "states", "wrong_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state of a table on one branch, with files."""

    branch_id: int
    table: TableName
    #: The numbers of the branch's commits between which it holds; None: it still does.
    from_seq: int
    to_seq: int | None
    location: str
    rows: int
    expired: datetime | None

    @property
    def folder(self) -> str:
        """Where all files are that it names."""
        return self.location.rpartition("/metadata/")[0] + "/"


def states(tx: Session) -> list[State]:
    """Every state that has, or had, files."""
    return [
        State(
            branch_id=row[0],
            table=TableName(row[1], row[2]),
            from_seq=row[3],
            to_seq=row[4],
            location=row[5],
            rows=row[6],
            expired=datetime.fromisoformat(row[7]) if row[7] else None,
        )
        for row in tx.execute(SQL["every_state"])
    ]


def wrong_with(
    files: Files,
    state: State,
    there: Mapping[str, StoredFile],
    named: set[str],
    read: dict[str, int],
    *,
    deep: bool = False,
) -> Iterator[tuple[str, str]]:
    """What is wrong with a state: in words, and with which file.

    Args:
        files: of the lake.
        state: which.
        there: the files that there are, by their paths from the root.
        named: files that were looked at; those of this state are added.
        read: manifests that were read; see ``Files.parts``.
        deep: read the data files, too.

    Raises:
        LakeDamaged: one that says which others there are is gone or cannot be read.
    """
    named.add(state.location)
    if state.location not in there:
        raise LakeDamaged(
            f"{state.location} is gone, which says what {state.table} was",
            try_next="pilotline lake check",
            location=state.location,
        )
    rows = 0
    for part in files.parts(state.location, read):
        rows += part.listed_rows or 0
        if part.path not in named:
            named.add(part.path)
            yield from _wrong_file(files, state, part, there.get(part.path), deep=deep)
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
        if counted is None:
            yield f"{part.path} cannot be read, which holds {_held(part.rows)} of {state.table}", part.path
        elif counted != part.rows:
            yield f"{part.path} has {counted} rows and should have {part.rows}", part.path


def _held(rows: int | None) -> str:
    return "a list of files" if rows is None else f"{rows} rows"
