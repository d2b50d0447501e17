"""The port of the lake: what a reader may ask, and what a writer may change.

``CatalogReader`` looks at one pinned commit at a time; ``Catalog`` adds branches, writing, publishing and undoing. Two
implementations keep the same promises (``tests/contracts``): ``Lake`` on disk, and ``MemoryCatalog`` for tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from pilotline.domain.errors import did_you_mean
from pilotline.domain.tables import BadTableName
from pilotline.lake.errors import NamespaceInUse, NoSuchRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from pilotline.domain.access import Filter, Scope
    from pilotline.domain.tables import (
        Branch,
        Commit,
        CommitId,
        Namespace,
        SetLayout,
        SnapshotId,
        TableChange,
        TableInfo,
        TableName,
        WriteMode,
    )
    from pilotline.lake.arrow_types import ArrowDataset, ArrowReader, ArrowTable
    from pilotline.lake.bells import Topic

__all__ = [
    "Catalog",
    "CatalogReader",
    "Compacted",
    "FrameNotes",
    "Published",
    "Ref",
    "Transaction",
    "Written",
    "steps_back",
]

#: A pinned commit, or what names one: a branch, a tag, a commit id (its first 4 letters are enough), a time (main as it
#: was then), each with ``~N`` for N commits before.
Ref: TypeAlias = "Commit | str | datetime"

_STEPS: Final = re.compile("[0-9]{1,9}")

#: What a frame was before it became a table (``frames.to_table``); JSON-ready.
FrameNotes: TypeAlias = "Mapping[str, Any]"


class Transaction(Protocol):
    """One open transaction of the catalog's database: the caller's own rows go in with a publish, or not at all."""

    def execute(self, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Run one SQL statement with ``:name`` parameters and fetch its rows."""
        ...

    def now(self) -> datetime:
        """The time of the database: hosts may disagree."""
        ...

    def announce(self, topic: Topic) -> None:
        """Let those who wait for this hear of it, once the transaction is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write to a branch did."""

    commit: Commit
    snapshot: SnapshotId
    #: Rows of the table afterwards.
    rows: int
    #: What was done to the schema, in words; empty where nothing was.
    schema_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publish did."""

    commit: Commit
    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What joining a table's small files did."""

    table: TableName
    files_before: int
    files_after: int


def steps_back(ref: str) -> tuple[str, int]:
    """What a reference names, and how many commits before it.

    Raises:
        NoSuchRef: what comes after ``~`` is no number.
    """
    name, tilde, steps = ref.partition("~")
    if tilde and not _STEPS.fullmatch(steps):
        raise NoSuchRef(f"'{ref}' has no number after ~", try_next="write it as main~1", ref=ref)
    return name, int(steps or 0)


def refuse_near_names(there: Iterable[TableName], new: Iterable[TableName]) -> None:
    """Refuse tables that only the case of letters tells from others that are there.

    Raises:
        BadTableName: SQL would see one table where there are two.
    """
    known: dict[str, list[TableName]] = {}
    for name in there:
        known.setdefault(str(name).lower(), []).append(name)
    for name in new:
        for other in known.get(str(name).lower(), ()):
            if other != name:
                raise BadTableName(
                    f"{name} and {other} differ in case alone, which SQL does not see",
                    try_next="choose another name",
                    name=str(name),
                )


def no_namespace(name: str, known: Iterable[str]) -> NoSuchRef:
    """The error for a namespace that nobody said anything about."""
    return NoSuchRef(
        f"nothing was said of a namespace '{name}'.{did_you_mean(name, known)}", try_next="pilotline ls", namespace=name
    )


def namespace_in_use(name: str, tables: Sequence[TableName]) -> NamespaceInUse:
    """The error for a namespace that has tables."""
    listed = ", ".join(map(str, tables[:5])) + (", ..." if len(tables) > 5 else "")
    return NamespaceInUse(
        f"the namespace '{name}' has tables: {listed}",
        try_next=f"pilotline table drop {tables[0]} first",
        namespace=name,
        tables=[str(each) for each in tables],
    )


class CatalogReader(Protocol):
    """Looks at the lake and changes nothing."""

    def close(self) -> None:
        """Give back what this thread holds open; its next question opens it again."""
        ...

    def resolve(self, ref: Ref, /) -> Commit:
        """The commit that a name stands for now.

        Raises:
            NoSuchRef: it stands for none, or for several.
        """
        ...

    def branch(self, name: str) -> Branch:
        """One branch; of a name used several times the latest.

        Raises:
            NoSuchRef: there is none.
        """
        ...

    def branches(self, *, every: bool = False) -> tuple[Branch, ...]:
        """The branches that can be worked on or looked at; with ``every`` also published and closed ones."""
        ...

    def tables(self, at: Ref) -> tuple[TableInfo, ...]:
        """All tables at a commit, by name."""
        ...

    def table(self, name: TableName, at: Ref) -> TableInfo:
        """One table at a commit.

        Raises:
            NoSuchTable: not there at that commit.
        """
        ...

    def frame_notes(self, name: TableName, at: Ref) -> FrameNotes | None:
        """What the table was as a frame, where it was written as one."""
        ...

    def log(self, ref: Ref = "main", *, limit: int | None = None, table: TableName | None = None) -> tuple[Commit, ...]:
        """The commits behind ``ref``, newest first, down to the first of the lake.

        At most ``limit`` of them, and only those that changed ``table`` where one is given.
        """
        ...

    def tags(self) -> Mapping[str, CommitId]:
        """All tags."""
        ...

    def namespaces(self, at: Ref = "main") -> tuple[Namespace, ...]:
        """The namespaces that have tables at a commit, and those that somebody said something about."""
        ...

    def scan(
        self,
        name: TableName,
        scope: Scope,
        at: Ref,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,  # noqa: A002 - the word of the trade
    ) -> ArrowReader:
        """The rows and columns that the scope lets through, in the table's order.

        ``columns`` come in the order given, by default all that the scope lets through. ``filter`` sees what the reader
        would see: masked values, and no hidden columns.

        Raises:
            NoSuchTable: not there at that commit.
            NoSuchColumn: ``columns`` or ``filter`` name one that is not there for this reader.
            BadFilter: a filter or mask does not fit a column's type.
        """
        ...

    def dataset(self, name: TableName, scope: Scope, at: Ref) -> ArrowDataset | None:
        """All of a table as a data set of Arrow's, of which an engine reads only the columns and files that it needs.

        None where the scope keeps anything back, or where it cannot be had; then there is ``scan``.

        Raises:
            NoSuchTable: not there at that commit.
        """
        ...

    def scan_difference(
        self,
        name: TableName,
        scope: Scope,
        before: Ref,
        after: Ref,
        *,
        columns: Sequence[str],
        new_columns: Sequence[str] | None = None,
    ) -> tuple[ArrowReader, ArrowReader]:
        """The rows of a table at two commits, without rows that are known to be in both.

        What is left out is left out as often on both sides. Of the later state ``new_columns`` are read, where given.

        Raises:
            NoSuchTable: not there at one of the commits.
            NoSuchColumn: not there for this reader at one of them.
        """
        ...


class Catalog(CatalogReader, Protocol):
    """Changes the lake; every call is one transaction, and what it raises it did not do."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction to hand to ``publish`` or ``undo`` as ``within``; committed at the end of the block."""
        ...

    def create_branch(self, name: str, from_: Ref = "main", *, owner: str = "", run: str | None = None) -> Branch:
        """Open a branch on a commit; costs the same whatever the number of tables.

        Raises:
            BadBranch: a branch of that name can still be worked on, or it cannot be a name.
        """
        ...

    def write(
        self,
        branch: str,
        name: TableName,
        data: ArrowTable | ArrowReader,
        mode: WriteMode,
        *,
        notes: FrameNotes | None = None,
        layout: SetLayout | None = None,
        author: str = "",
        message: str = "",
    ) -> Written:
        """Write a table on a branch; what was checked before must be checked again.

        ``notes`` say what the data was as a frame, so that it is read back as such. ``layout``: how its files are divided
        and sorted from this write on, where that is not to stay as it is.

        Raises:
            ProtectedBranch: the branch is main.
            BranchNotOpen: it failed, or was published or thrown away.
            SchemaChanged: more than new columns and wider types, and the mode does not allow it.
            NotATable: a column has a type that a table cannot hold.
            BadKeys: keys to merge on are missing, NULL or not unique in ``data``.
            BadLayout: the table cannot be divided or sorted so.
        """
        ...

    def drop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """Take a table off a branch; its history stays.

        Raises:
            NoSuchTable: it is not there.
        """
        ...

    def undrop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """Put a table that was dropped back as it was last.

        Raises:
            NoSuchTable: it was never there.
            BadTableName: it is there.
            Expired: the files of its last state were given up.
        """
        ...

    def rename(self, branch: str, name: TableName, to: TableName, *, author: str = "", message: str = "") -> Commit:
        """Give a table another name, in the same namespace or another; no file is touched.

        Raises:
            NoSuchTable: it is not there.
            BadTableName: the other name is taken.
        """
        ...

    def alter(
        self, branch: str, name: TableName, changes: Sequence[TableChange], *, author: str = "", message: str = ""
    ) -> Commit:
        """Say things of a table and its columns, or how its files are laid out from now on; its rows stay.

        Raises:
            NoSuchTable: it is not there.
            NoSuchColumn: a change is about a column that is not there.
            BadLayout: it cannot be divided or sorted so.
            BadProperty: a property is one that Pilotline itself sets.
        """
        ...

    def delete(self, branch: str, name: TableName, where: Filter, *, author: str = "", message: str = "") -> int:
        """Delete the rows for which a filter is true; returns how many there were. Without any, nothing is committed.

        Raises:
            NoSuchTable: it is not there.
            NoSuchColumn: the filter names a column that is not there.
            BadFilter: it does not fit a column's type.
        """
        ...

    def put_namespace(self, namespace: Namespace) -> None:
        """Say something of a namespace; it holds for all branches, and replaces what was said before."""
        ...

    def remove_namespace(self, name: str) -> None:
        """Take back what was said of a namespace.

        Raises:
            NoSuchRef: nothing was.
            NamespaceInUse: it has tables on main.
        """
        ...

    def mark_checked(self, branch: str, at: CommitId) -> Branch:
        """Say that the checks of the branch passed at its head ``at``.

        Raises:
            StaleBranch: the head is another one by now.
            BranchNotOpen: it failed, or was published or thrown away.
        """
        ...

    def mark_failed(self, branch: str, because: str) -> Branch:
        """Keep the branch to be looked at; neither it nor what descends from it can be published."""
        ...

    def discard(self, branch: str) -> Branch:
        """Throw a branch away. Its commits can still be named by id for a while."""
        ...

    def publish(
        self,
        branch: str,
        onto: str = "main",
        *,
        expect: CommitId | None = None,
        within: Transaction | None = None,
        author: str = "",
        message: str = "",
        require_checked: bool = True,
    ) -> Published:
        """Move every table changed on ``branch`` to ``onto``, in one transaction with the rows put in ``within``.

        Tables that did not change on ``onto`` since the branch was opened move by pointer alone.

        ``expect`` is the commit of ``onto`` that the checks were run against: the branch's base.

        Raises:
            PublishConflict: a table changed on both sides; nothing moved.
            NeedsRebase: the same, but both only appended: ``rebase``, check again, publish.
            NotChecked: it was not marked as checked, or was written to since.
            Tainted: it failed or descends from a failed branch.
            StaleBranch: its base is not ``expect``.
            NotItsParent: it was opened on another branch.
            BranchNotOpen: it was published or thrown away already.
        """
        ...

    def rebase(self, branch: str, *, author: str = "") -> tuple[TableName, ...]:
        """Move a branch onto the head of its parent, adding its appended rows to the parent's.

        Returns:
            The tables that now hold rows of both sides. If there are any, the branch must be checked again.

        Raises:
            PublishConflict: a table changed on both sides by more than appending; nothing moved.
        """
        ...

    def undo(
        self,
        commit: CommitId,
        *,
        within: Transaction | None = None,
        author: str = "",
        message: str = "",
    ) -> Commit:
        """Take back all that a commit changed, by a new commit on its branch.

        Raises:
            UndoConflict: one of its tables changed again since; undo that first.
            NoSuchRef: no such commit.
        """
        ...

    def tag(self, name: str, at: Ref) -> CommitId:
        """Give a commit a name that stays.

        Raises:
            BadBranch: the name is taken by a branch or by another commit.
        """
        ...
