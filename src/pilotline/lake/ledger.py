"""Branches, commits and pointers as rows: what a name stands for, and which file a table was at which commit.

Opens no table: listing, history and branching need nothing but the database.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pilotline.domain.errors import did_you_mean
from pilotline.domain.tables import (
    MAIN,
    Branch,
    BranchName,
    Column,
    Commit,
    CommitId,
    CommitKind,
    Namespace,
    NoSuchTable,
    SnapshotId,
    TableInfo,
    TableName,
)
from pilotline.lake.catalog import steps_back
from pilotline.lake.database import named_statements
from pilotline.lake.errors import BadBranch, BranchNotOpen, Expired, NoSuchRef, ProtectedBranch, StaleBranch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pilotline.lake.catalog import Ref
    from pilotline.lake.database import Session

__all__ = [
    "MAIN_ID",
    "MIGRATIONS",
    "BranchRow",
    "CommitRow",
    "Operation",
    "Pointer",
    "add_commit",
    "branch_row",
    "check_branch_name",
    "move_pointer",
    "now_after",
    "pointer_at",
    "resolve",
    "time_text",
    "writable",
]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "queries.sql")
MIGRATIONS: Final = (_SQL / "schema_001.sql", _SQL / "schema_002.sql", _SQL / "schema_003.sql")

#: The row of main; the first that the schema inserts.
MAIN_ID: Final = 1

#: Of a pointer that no commit holds yet.
_NO_COMMIT: Final = CommitId("")
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)

Operation: TypeAlias = Literal["append", "replace", "drop"]

#: Sweeps of which it is known what they removed.
_SWEEPS_KEPT: Final = 30
#: As a LIMIT: more than there can be.
_ALL: Final = 2**62

_BRANCH_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,199}")
_COMMIT_ID = re.compile(r"[0-9a-f]{4,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRow:
    """A branch as the database has it."""

    id: int
    name: BranchName
    parent_id: int | None
    base_seq: int
    head_seq: int
    state: Literal["open", "checked", "failed", "published", "closed"]
    tainted: bool
    owner: str
    run: str | None
    because: str
    opened: datetime
    parent: BranchName | None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> BranchRow:
        """Read what the queries on branches select."""
        return cls(
            id=row[0],
            name=BranchName(row[1]),
            parent_id=row[2],
            base_seq=row[3],
            head_seq=row[4],
            state=row[5],
            tainted=bool(row[6]),
            owner=row[7],
            run=row[8],
            because=row[9],
            opened=datetime.fromisoformat(row[10]),
            parent=BranchName(row[11]) if row[11] is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRow:
    """A commit with the row id of its branch: names of branches can be used again, ids cannot."""

    commit: Commit
    branch_id: int

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> CommitRow:
        """Read what the queries on commits select."""
        return cls(
            branch_id=row[2],
            commit=Commit(
                id=CommitId(row[0]),
                branch=BranchName(row[1]),
                seq=row[3],
                parent=CommitId(row[4]) if row[4] is not None else None,
                at=datetime.fromisoformat(row[5]),
                author=row[6],
                kind=cast("CommitKind", row[7]),
                message=row[8],
                run=row[9],
                merged=CommitId(row[10]) if row[10] is not None else None,
                undoes=CommitId(row[11]) if row[11] is not None else None,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where a table was from one commit on."""

    table: TableName
    #: None: it was dropped.
    metadata_location: str | None
    snapshot: SnapshotId
    operation: Operation
    rows: int
    columns: tuple[Column, ...]
    branch_id: int = 0
    from_seq: int = 0
    commit: CommitId = _NO_COMMIT
    author: str = ""
    at: datetime = _NO_TIME
    comment: str = ""
    owner: str = ""
    #: When a sweep gave up its files.
    expired: datetime | None = None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Pointer:
        """Read what the queries on pointers select."""
        return cls(
            table=TableName(row[0], row[1]),
            branch_id=row[2],
            from_seq=row[3],
            metadata_location=row[4],
            snapshot=SnapshotId(row[5] or ""),
            operation=row[6],
            rows=row[7],
            columns=tuple(_column(*each) for each in json.loads(row[8])),
            commit=CommitId(row[9]),
            author=row[10],
            at=datetime.fromisoformat(row[11]),
            comment=row[12],
            owner=row[13],
            expired=datetime.fromisoformat(row[14]) if row[14] else None,
        )

    def info(self) -> TableInfo:
        """What readers are told of it."""
        return TableInfo(
            table=self.table,
            snapshot=self.snapshot,
            columns=self.columns,
            rows=self.rows,
            commit=self.commit,
            author=self.author,
            at=self.at,
            comment=self.comment,
            owner=self.owner,
        )


def _column(name: str, kind: str, nullable: int, comment: str = "", owner: str = "") -> Column:
    return Column(name=name, type=kind, nullable=bool(nullable), comment=comment, owner=owner)


# -- Branches ----------------------------------------------------------------------------------------------------------


def branch_row(tx: Session, name: str) -> BranchRow:
    """The branch of that name; the one in use before any that is published or thrown away.

    Raises:
        NoSuchRef: there is none.
    """
    rows = _rows_named(tx, name)
    if not rows:
        known = [row[1] for row in tx.execute(SQL["list_branches"], every=False)]
        raise NoSuchRef(
            f"no branch '{name}'.{did_you_mean(name, known)}", try_next="pilotline branch", ref=name, known=known
        )
    return BranchRow.from_row(rows[0])


def _rows_named(tx: Session, name: str) -> list[tuple[Any, ...]]:
    # Some of what cannot be a name, no database would even look for.
    return tx.execute(SQL["branch_by_name"], name=name) if _BRANCH_NAME.fullmatch(name) else []


def branch_by_id(tx: Session, branch_id: int) -> BranchRow:
    """The branch of a row id that is known to be there."""
    return BranchRow.from_row(tx.execute(SQL["branch_by_id"], id=branch_id)[0])


def as_branch(tx: Session, row: BranchRow) -> Branch:
    """The branch as readers know it: with commits in place of numbers."""
    base = commit_at(tx, row.parent_id or MAIN_ID, max(row.base_seq, 0))
    return Branch(
        name=row.name,
        state=row.state,
        tainted=row.tainted,
        parent=row.parent,
        base=base.commit.id,
        head=commit_at(tx, row.id, row.head_seq).commit.id,
        owner=row.owner,
        opened=row.opened,
        run=row.run,
        because=row.because,
    )


def check_branch_name(name: str) -> None:
    """Refuse what would be read as something else: a commit id, a time, ``name~2``.

    Raises:
        BadBranch: it cannot be the name of a branch or tag.
    """
    if not _BRANCH_NAME.fullmatch(name) or _COMMIT_ID.fullmatch(name) or _as_time(name) is not None:
        raise BadBranch(
            f"{name!r} cannot be a name: letters, digits and _ . - / please, and nothing that reads as a commit or a time",
            try_next="choose another name, for example fix-prices",
            name=name,
        )


def open_branch(tx: Session, name: str, base: CommitRow, *, owner: str, run: str | None, tainted: bool = False) -> int:
    """Add a branch row on a commit; returns its id.

    Raises:
        BadBranch: the name is taken.
    """
    check_branch_name(name)
    rows = tx.execute(SQL["branch_by_name"], name=name)
    if rows and BranchRow.from_row(rows[0]).state in {"open", "checked", "failed"}:
        raise BadBranch(
            f"there is a branch '{name}' already ({BranchRow.from_row(rows[0]).state})",
            try_next=f"pilotline branch --discard {name}, or choose another name",
            name=name,
        )
    if name in tags(tx):
        raise BadBranch(f"there is a tag '{name}' already", try_next="choose another name", name=name)
    failed = tainted or bool(tx.execute(SQL["failed_ancestors"], id=base.branch_id))
    (row,) = tx.execute(
        SQL["open_branch"],
        name=name,
        parent_id=base.branch_id,
        base_seq=base.commit.seq,
        tainted=int(failed),
        owner=owner,
        run=run,
        opened=time_text(datetime.now(UTC)),
    )
    return int(row[0])


def writable(row: BranchRow) -> BranchRow:
    """The branch, if it may be written to.

    Raises:
        ProtectedBranch: it is main.
        BranchNotOpen: it failed, or was published or thrown away.
    """
    if row.id == MAIN_ID:
        raise ProtectedBranch(
            "main is published to, never written to",
            try_next="pilotline branch NAME, write there, then publish it",
            branch=row.name,
        )
    return living(row)


def living(row: BranchRow) -> BranchRow:
    """The branch, if its state can still change.

    Raises:
        BranchNotOpen: it failed, or was published or thrown away.
    """
    if row.state not in {"open", "checked"}:
        word = {"failed": "failed", "published": "was published", "closed": "was thrown away"}[row.state]
        raise BranchNotOpen(
            f"branch '{row.name}' {word}, so nothing can be done on it any more",
            try_next="pilotline branch NAME opens a fresh one on main",
            branch=row.name,
            state=row.state,
        )
    return row


def set_state(
    tx: Session,
    name: str,
    state: Literal["checked", "failed", "published", "closed"],
    *,
    because: str = "",
    at: str = "",
) -> Branch:
    """Change the state of a branch that lives; ``at``, where given, must be its head.

    Raises:
        StaleBranch: its head is another commit.
    """
    row = branch_row(tx, name)
    if row.id == MAIN_ID:
        raise ProtectedBranch("main has no state to change", try_next="name another branch", branch=name)
    if not (state == "closed" and row.state == "failed"):
        living(row)
    head = commit_at(tx, row.id, row.head_seq).commit.id
    if at and head != at:
        raise StaleBranch(
            f"branch '{name}' is at {head} by now, not at {at}: what was checked is not what is there",
            try_next="check it again",
            branch=name,
            head=head,
            expected=at,
        )
    tx.execute(SQL["set_branch_state"], id=row.id, state=state, because=because)
    return as_branch(tx, branch_by_id(tx, row.id))


# -- Commits -----------------------------------------------------------------------------------------------------------


def commit_at(tx: Session, branch_id: int, seq: int) -> CommitRow:
    """The commit that a branch was at when it counted ``seq``."""
    return CommitRow.from_row(tx.execute(SQL["commit_at"], branch_id=branch_id, seq=seq)[0])


def head_of(tx: Session, row: BranchRow) -> CommitRow:
    """The newest commit of a branch."""
    return commit_at(tx, row.id, row.head_seq)


def resolve(tx: Session, ref: Ref) -> CommitRow:
    """The commit that a name stands for: a branch, a tag, a commit id or its start, a time; each with ``~N``.

    Raises:
        NoSuchRef: none, or several.
    """
    if isinstance(ref, Commit):
        return _by_id(tx, ref.id)
    if isinstance(ref, datetime):
        return _at_time(tx, ref)
    text, steps = steps_back(ref)
    if "~" in ref:
        return _steps_back(tx, resolve(tx, text), steps, ref)
    rows = _rows_named(tx, text)
    if rows and rows[0][5] in {"open", "checked", "failed"}:
        return head_of(tx, BranchRow.from_row(rows[0]))
    tagged = tags(tx)
    if text in tagged:
        return _by_id(tx, tagged[text])
    if _COMMIT_ID.fullmatch(text):
        return _by_id(tx, text)
    moment = _as_time(text)
    if moment is not None:
        return _at_time(tx, moment)
    if rows:
        return head_of(tx, BranchRow.from_row(rows[0]))
    known = [row[1] for row in tx.execute(SQL["list_branches"], every=False)] + list(tagged)
    raise NoSuchRef(
        f"'{ref}' is no branch, tag, commit or time.{did_you_mean(text, known)}",
        try_next="pilotline log, or pilotline branch",
        ref=ref,
        known=known,
    )


def _by_id(tx: Session, prefix: str) -> CommitRow:
    rows = tx.execute(SQL["commits_by_prefix"], prefix=prefix)
    if len(rows) != 1:
        found = f"several commits begin with '{prefix}'" if rows else f"no commit '{prefix}'"
        raise NoSuchRef(found, try_next="pilotline log", ref=prefix, known=[row[0] for row in rows])
    return CommitRow.from_row(rows[0])


def _at_time(tx: Session, moment: datetime) -> CommitRow:
    try:
        rows = tx.execute(SQL["commit_before"], at=time_text(moment))
    except OverflowError:  # a zone takes it out of the years that there are
        rows = []
    if not rows:
        raise NoSuchRef(f"the lake is younger than {moment.isoformat()}", try_next="pilotline log", ref=str(moment))
    return CommitRow.from_row(rows[0])


def _steps_back(tx: Session, row: CommitRow, steps: int, ref: str) -> CommitRow:
    for _ in range(steps):
        if row.commit.parent is None:
            raise NoSuchRef(f"'{ref}' goes back before the first commit", try_next="pilotline log", ref=ref)
        row = _by_id(tx, row.commit.parent)
    return row


def _as_time(text: str) -> datetime | None:
    """An ISO time, local where it names no zone; a date stands for its end."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    try:
        if day is not None:
            return datetime(day.year, day.month, day.day).astimezone() + timedelta(days=1, microseconds=-1)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):  # the first and the last day are not in all zones
        return None


def time_text(moment: datetime) -> str:
    """Always with microseconds and in UTC, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def now_after(tx: Session, last: datetime) -> datetime:
    """Now by the database's clock, or just after ``last`` where it was put back: times on a branch only grow."""
    return max(tx.now(), last + timedelta(microseconds=1))


def add_commit(
    tx: Session,
    branch_id: int,
    kind: CommitKind,
    *,
    author: str,
    message: str,
    run: str | None = None,
    merged: CommitId | None = None,
    undoes: CommitId | None = None,
) -> CommitRow:
    """Take the next number of a branch and write its commit."""
    row = branch_by_id(tx, branch_id)
    parent = head_of(tx, row).commit
    ((seq,),) = tx.execute(SQL["next_commit"], branch_id=branch_id)
    commit = Commit(
        id=CommitId(secrets.token_hex(6)),
        branch=row.name,
        seq=seq,
        parent=parent.id,
        at=now_after(tx, parent.at),
        author=author,
        kind=kind,
        message=message,
        run=run,
        merged=merged,
        undoes=undoes,
    )
    tx.execute(
        SQL["add_commit"],
        id=commit.id,
        branch_id=branch_id,
        seq=seq,
        parent=parent.id,
        at=time_text(commit.at),
        author=author,
        kind=kind,
        message=message,
        run=run,
        merged=merged,
        undoes=undoes,
    )
    if branch_id == MAIN_ID or kind in {"publish", "undo"}:
        # What is written to a private branch concerns nobody yet.
        tx.announce("commits")
    return CommitRow(commit=commit, branch_id=branch_id)


def log(tx: Session, start: CommitRow, *, limit: int | None, table: TableName | None) -> list[CommitRow]:
    """The commits behind one, newest first."""
    rows = tx.execute(
        SQL["log"],
        branch_id=start.branch_id,
        seq=start.commit.seq,
        namespace=table.namespace if table else None,
        name=table.name if table else None,
        limit=_ALL if limit is None else limit,
    )
    return [CommitRow.from_row(row) for row in rows]


def tables_of(tx: Session, row: CommitRow) -> tuple[TableName, ...]:
    """The tables that a commit changed."""
    rows = tx.execute(SQL["tables_of_commit"], branch_id=row.branch_id, seq=row.commit.seq)
    return tuple(TableName(namespace, name) for namespace, name in rows)


def tags(tx: Session) -> Mapping[str, CommitId]:
    """All tags."""
    return {name: CommitId(commit) for name, commit in tx.execute(SQL["list_tags"])}


# -- Pointers ----------------------------------------------------------------------------------------------------------


def pointer_at(tx: Session, branch_id: int, seq: int, table: TableName) -> Pointer | None:
    """Where a table was at a state of a branch; None where it was not."""
    rows = tx.execute(SQL["pointer_at"], branch_id=branch_id, seq=seq, namespace=table.namespace, name=table.name)
    if not rows or rows[0][4] is None:
        return None
    return Pointer.from_row(rows[0])


def pointer_or_raise(tx: Session, at: CommitRow, table: TableName) -> Pointer:
    """Where a table was at a commit.

    Raises:
        NoSuchTable: nowhere.
    """
    found = pointer_at(tx, at.branch_id, at.commit.seq, table)
    if found is None:
        known = [pointer.table for pointer in pointers_at(tx, at)]
        raise NoSuchTable.among(table, known, where=f"'{at.commit.branch}' at {at.commit.id}")
    return found


def pointers_at(tx: Session, at: CommitRow) -> list[Pointer]:
    """Where all tables were at a commit."""
    rows = tx.execute(SQL["pointers_at"], branch_id=at.branch_id, seq=at.commit.seq)
    return [Pointer.from_row(row) for row in rows]


def move_pointer(tx: Session, at: CommitRow, to: Pointer) -> None:
    """Let a table point somewhere else from a commit on."""
    where = {"branch_id": at.branch_id, "namespace": to.table.namespace, "name": to.table.name, "seq": at.commit.seq}
    tx.execute(SQL["end_pointer"], **where)
    tx.execute(
        SQL["add_pointer"],
        **where,
        metadata_location=to.metadata_location,
        snapshot=to.snapshot,
        operation=to.operation,
        row_count=to.rows,
        columns=json.dumps([_column_row(column) for column in to.columns]),
        comment=to.comment,
        owner=to.owner,
    )


def _column_row(column: Column) -> list[object]:
    """As short as it can be: most columns nobody has said anything about."""
    row: list[object] = [column.name, column.type, column.nullable, column.comment, column.owner]
    while len(row) > 3 and not row[-1]:
        row.pop()
    return row


def last_state(tx: Session, at: CommitRow, table: TableName) -> Pointer | None:
    """The newest state of a table that a commit's line has seen, whether it is still there or was dropped."""
    rows = tx.execute(
        SQL["last_before_drop"],
        branch_id=at.branch_id,
        seq=at.commit.seq,
        namespace=table.namespace,
        name=table.name,
    )
    return Pointer.from_row(rows[0]) if rows else None


def held(pointer: Pointer) -> Pointer:
    """The pointer, if the files of its state are there.

    Raises:
        Expired: a sweep gave them up.
    """
    if pointer.expired is not None:
        raise Expired(
            f"the state that {pointer.table} had in commit {pointer.commit} was given up by a sweep",
            try_next="read it at a later commit: pilotline log",
            table=str(pointer.table),
            commit=pointer.commit,
        )
    return pointer


# -- Sweeps ------------------------------------------------------------------------------------------------------------


def last_sweep(tx: Session) -> int:
    """The number of the last sweep that removed files; who begins to write remembers it."""
    return tx.execute(SQL["last_sweep"])[0][0]


def note_sweep(tx: Session, at: datetime, paths: Iterable[str]) -> None:
    """Say which files are about to go; from here on nobody names them any more."""
    tx.execute(SQL["note_sweep"], at=time_text(at), paths=json.dumps(list(paths)))
    tx.execute(SQL["forget_sweeps"], kept=_SWEEPS_KEPT)


def swept_since(tx: Session, last: int) -> set[str] | None:
    """The files that went with the sweeps after one; None where that is so long ago that it is not known any more."""
    rows = tx.execute(SQL["sweeps_since"], since=last)
    if rows and rows[0][0] != last + 1:
        return None
    return {path for _, paths in rows for path in json.loads(paths)}


# -- Namespaces --------------------------------------------------------------------------------------------------------


def namespaces(tx: Session) -> dict[str, Namespace]:
    """The namespaces that somebody said something about."""
    return {
        name: Namespace(name=name, comment=comment, owner=owner, properties=json.loads(properties))
        for name, comment, owner, properties in tx.execute(SQL["list_namespaces"])
    }


def is_main(name: str) -> bool:
    """Whether a name is that of the branch that consumers read."""
    return name == MAIN
