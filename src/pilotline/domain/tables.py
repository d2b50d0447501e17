"""Tables, the commits that fix the state of all of them, and the branches that name commits.

A lake is a line of commits. A branch is a movable name for one of them: opened on a commit of its parent, written to in
private, checked, and then published, which makes one new commit of the parent. What a reader has pinned never changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NewType, TypeAlias

from pilotline.domain.errors import LakeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = [
    "MAIN",
    "Append",
    "BadTableName",
    "Branch",
    "BranchName",
    "BranchState",
    "Column",
    "Commit",
    "CommitId",
    "CommitKind",
    "MergeOn",
    "Namespace",
    "NoSuchTable",
    "Replace",
    "ReplacePartitions",
    "SetComment",
    "SetLayout",
    "SetOwner",
    "SetProperty",
    "SnapshotId",
    "TableChange",
    "TableInfo",
    "TableName",
    "WriteMode",
    "describe_mode",
    "parse_mode",
]

CommitId = NewType("CommitId", str)
#: The state of one table; equal ids mean equal contents, in any branch and at any commit.
SnapshotId = NewType("SnapshotId", str)
BranchName = NewType("BranchName", str)

#: The branch that consumers read. Nothing is written to it, it is only published to.
MAIN = BranchName("main")

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
#: Schemas that the SQL engine keeps for itself.
_TAKEN = frozenset({"information_schema", "pg_catalog", "system", "temp", "pg_temp"})


class BadTableName(LakeError):
    """Text that is not ``namespace.table``."""

    code = "PL202"
    exit_status = 2


class NoSuchTable(LakeError):
    """No table of that name where one looked."""

    code = "PL201"

    @classmethod
    def among(cls, wanted: TableName, known: Iterable[TableName], *, where: str) -> NoSuchTable:
        """The error that also says which known names are near."""
        hint = did_you_mean(str(wanted), [str(name) for name in known])
        return cls(f"no table '{wanted}' on {where}.{hint}", try_next="pilotline ls", table=str(wanted), where=where)


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """``namespace.table``, the same in the lab and in the factory."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        for word in (self.namespace, self.name):
            if not _WORD.fullmatch(word):
                raise BadTableName(
                    f"{self.namespace}.{self.name!s} is not a table name: {word!r} must be letters, digits and _,"
                    " and must not begin with a digit",
                    try_next="write it as namespace.table, for example sales.orders",
                    name=f"{self.namespace}.{self.name}",
                )
        if self.namespace.lower() in _TAKEN:
            raise BadTableName(
                f"the namespace {self.namespace!r} belongs to the SQL engine",
                try_next="choose another namespace",
                name=f"{self.namespace}.{self.name}",
            )

    @classmethod
    def parse(cls, text: str, *, namespace: str | None = None) -> TableName:
        """Read ``namespace.table``, or ``table`` alone where a default namespace is given.

        Raises:
            BadTableName: the text has another form.
        """
        parts = text.strip().split(".")
        if len(parts) == 1 and namespace is not None:
            parts = [namespace, *parts]
        if len(parts) != 2:
            raise BadTableName(
                f"{text!r} is not a table name: it needs a namespace and a name with one dot between them",
                try_next="write it as namespace.table, for example sales.orders",
                name=text,
            )
        return cls(parts[0], parts[1])

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


CommitKind: TypeAlias = Literal[
    "init", "write", "drop", "publish", "undo", "rebase", "rename", "undrop", "alter", "delete", "compact"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The state of every table at one instant; what a branch points at."""

    id: CommitId
    branch: BranchName
    #: Counts the states of a branch upwards; a branch goes on from the number that it was opened on.
    seq: int
    #: None only for the first commit of a lake.
    parent: CommitId | None
    at: datetime
    author: str
    kind: CommitKind
    message: str = ""
    run: str | None = None
    #: Of a publish: the head of the branch that was published.
    merged: CommitId | None = None
    #: Of an undo: the commit whose changes were taken back.
    undoes: CommitId | None = None
    #: The tables that this commit changed.
    tables: tuple[TableName, ...] = ()


#: open: may be written to. checked: its checks passed at its head. failed: its run or a check failed; kept to be looked
#: at. published: its changes are on its parent. closed: thrown away.
BranchState: TypeAlias = Literal["open", "checked", "failed", "published", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A movable name for a commit; private until published."""

    name: BranchName
    state: BranchState
    #: It descends from a failed branch, so it can never be published.
    tainted: bool
    #: The branch that it was opened on; None for main alone.
    parent: BranchName | None
    #: The commit that it was opened on (or moved onto since).
    base: CommitId
    head: CommitId
    owner: str
    opened: datetime
    run: str | None = None
    #: Why it failed, where it did.
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as the lake stores it; ``type`` in Iceberg's words (long, string, timestamptz, list<double>, ...)."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    #: Who is asked about it, where that is not the table's owner.
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """What is known of a table at a commit without opening its data."""

    table: TableName
    snapshot: SnapshotId
    columns: tuple[Column, ...]
    rows: int
    #: The commit that gave it this state.
    commit: CommitId
    author: str
    at: datetime
    comment: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """The first part of the names of tables, and what was said of it."""

    name: str
    comment: str = ""
    owner: str = ""
    properties: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class SetComment:
    """Say what a table is, or one of its columns."""

    text: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOwner:
    """Say who is asked about a table, or about one of its columns."""

    owner: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProperty:
    """Give a table a property of Iceberg's or of one's own; None takes it away."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLayout:
    """How files that are written from now on are divided and sorted.

    ``partition_by``: columns, or ``year(at)``, ``month(at)``, ``day(at)``, ``hour(at)``, ``bucket(16, id)``,
    ``truncate(4, code)``. ``sort_by``: columns, or ``at desc``.
    """

    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()


TableChange: TypeAlias = SetComment | SetOwner | SetProperty | SetLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """The table becomes what is written."""

    #: Columns may go away or change to a type that does not hold the old values.
    allow_schema_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """What is written is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacePartitions:
    """Rows whose ``by`` has a value that occurs in what is written make room for it."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOn:
    """Rows with equal ``keys`` make room for what is written; the other new rows are added."""

    keys: tuple[str, ...]


WriteMode: TypeAlias = Replace | Append | ReplacePartitions | MergeOn


def parse_mode(text: str) -> WriteMode:
    """Read ``replace``, ``append``, ``partition(day)`` or ``merge(id, line)``.

    Raises:
        LakeError: another text.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
    word, inside = (match[1], match[2]) if match else ("", None)
    names = tuple(part.strip() for part in inside.split(",") if part.strip()) if inside is not None else ()
    if word == "replace" and inside is None:
        return Replace()
    if word == "append" and inside is None:
        return Append()
    if word == "partition" and len(names) == 1:
        return ReplacePartitions(by=names[0])
    if word == "merge" and names:
        return MergeOn(keys=names)
    raise LakeError(
        f"{text!r} is not a write mode.{did_you_mean(word, ('replace', 'append', 'partition', 'merge'))}",
        try_next="write replace, append, partition(COLUMN) or merge(KEY, ...)",
        mode=text,
    )


def describe_mode(mode: WriteMode) -> str:
    """The text that ``parse_mode`` reads."""
    match mode:
        case Replace():
            return "replace"
        case Append():
            return "append"
        case ReplacePartitions(by=by):
            return f"partition({by})"
        case MergeOn(keys=keys):
            return f"merge({', '.join(keys)})"
