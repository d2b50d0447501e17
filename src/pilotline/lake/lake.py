"""The lake: the catalog's rows in a database, the tables' files in a folder or a bucket.

A write puts its files in place first and moves a pointer last, in one short transaction; whatever dies before that leaves
files that nothing names. Files are never changed and never deleted here, so a reader that has pinned a commit needs no lock.
"""

from __future__ import annotations

import getpass
import json
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pilotline.domain.tables import MAIN, BadTableName, Namespace, SnapshotId, TableName
from pilotline.lake import ledger, publishing
from pilotline.lake.catalog import Compacted, Published, Written, namespace_in_use, no_namespace, refuse_near_names
from pilotline.lake.crash import reached
from pilotline.lake.database import SqliteDatabase
from pilotline.lake.errors import BadBranch, LakeDamaged, NotATable, PublishConflict, SweptMeanwhile
from pilotline.lake.governing import plan_reading, pushed_down
from pilotline.lake.ledger import SQL, CommitRow, Pointer
from pilotline.lake.storage import LocalStorage, S3Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pilotline.domain.access import Filter, Scope
    from pilotline.domain.tables import (
        Branch,
        Commit,
        CommitId,
        CommitKind,
        SetLayout,
        TableChange,
        TableInfo,
        WriteMode,
    )
    from pilotline.lake.arrow_types import ArrowDataset, ArrowReader, ArrowTable
    from pilotline.lake.catalog import FrameNotes, Ref, Transaction
    from pilotline.lake.database import Database, Session
    from pilotline.lake.files import Files, Staged
    from pilotline.lake.storage import S3Place, Storage

__all__ = ["Lake", "open_lake"]

#: A write starts again so often where another writer of the same table on the same branch was first; then it writes its
#: files while the others wait, so that it comes to an end however many they are.
_TRIES = 3


def open_lake(
    folder: Path, *, author: str | None = None, database: str | None = None, tables: S3Place | None = None
) -> Lake:
    """The lake in ``folder/.pilotline``; made at its first use.

    Args:
        folder: the project.
        author: stands in the commits whose maker is not named; by default the user of the operating system.
        database: URL of the Postgres database that the catalog is in; by default it is a SQLite file in that folder.
        tables: where in S3 the tables' files are; by default they are in that folder.
    """
    rows: Database | None = None
    if database is not None:
        from pilotline.lake.postgres import PostgresDatabase

        rows = PostgresDatabase(database)
    storage = S3Storage(tables) if tables is not None else None
    return Lake(folder.resolve() / ".pilotline", author=author, database=rows, storage=storage)


class _Nothing(Exception):
    """There is nothing to change."""


class Lake:
    """A ``Catalog`` of rows in a database and files in a folder or a bucket.

    Args:
        root: a folder; holds ``catalog.sqlite`` where no database is given, and ``tables/`` where no storage is.
        author: stands in the commits whose maker is not named.
        database: where the catalog's rows are.
        storage: where the tables' files are.
    """

    def __init__(
        self,
        root: Path,
        *,
        author: str | None = None,
        database: Database | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.database: Database = database or SqliteDatabase(root / "catalog.sqlite")
        self.storage: Storage = storage or LocalStorage(root)
        self.database.register("lake", ledger.MIGRATIONS)
        self._author = author
        self._files: Files | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever done here; looking does not make it."""
        return self.database.exists

    @property
    def files(self) -> Files:
        """The tables' files, also those written when the lake lay elsewhere."""
        if self._files is None:
            from pilotline.lake.files import Files

            with self.database.reading() as tx:
                places = [row[0] for row in tx.execute(SQL["list_places"])]
            if self.storage.root not in places:
                with self.database.writing() as tx:
                    tx.execute(SQL["add_place"], root=self.storage.root, since=datetime.now(UTC).isoformat())
            self._files = Files(self.storage, places)
        return self._files

    # -- CatalogReader -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """See ``CatalogReader.close``."""
        self.database.close()

    def resolve(self, ref: Ref, /) -> Commit:
        """See ``CatalogReader.resolve``."""
        with self.database.reading() as tx:
            return self._told(tx, ledger.resolve(tx, ref))

    def branch(self, name: str) -> Branch:
        """See ``CatalogReader.branch``."""
        with self.database.reading() as tx:
            return ledger.as_branch(tx, ledger.branch_row(tx, name))

    def branches(self, *, every: bool = False) -> tuple[Branch, ...]:
        """See ``CatalogReader.branches``."""
        with self.database.reading() as tx:
            rows = tx.execute(SQL["list_branches"], every=every)
            return tuple(ledger.as_branch(tx, ledger.BranchRow.from_row(row)) for row in rows)

    def tables(self, at: Ref) -> tuple[TableInfo, ...]:
        """See ``CatalogReader.tables``."""
        with self.database.reading() as tx:
            return tuple(pointer.info() for pointer in ledger.pointers_at(tx, ledger.resolve(tx, at)))

    def table(self, name: TableName, at: Ref) -> TableInfo:
        """See ``CatalogReader.table``."""
        return self.pointer(name, at).info()

    def pointer(self, name: TableName, at: Ref) -> Pointer:
        """Where the files of a table were at a commit.

        Raises:
            NoSuchTable: not there at that commit.
        """
        with self.database.reading() as tx:
            return ledger.pointer_or_raise(tx, ledger.resolve(tx, at), name)

    def _held(self, name: TableName, at: Ref) -> Pointer:
        return ledger.held(self.pointer(name, at))

    def frame_notes(self, name: TableName, at: Ref) -> FrameNotes | None:
        """See ``CatalogReader.frame_notes``."""
        return self.files.notes(_location(self._held(name, at)))

    def log(self, ref: Ref = "main", *, limit: int | None = None, table: TableName | None = None) -> tuple[Commit, ...]:
        """See ``CatalogReader.log``."""
        with self.database.reading() as tx:
            rows = ledger.log(tx, ledger.resolve(tx, ref), limit=limit, table=table)
            return tuple(self._told(tx, row) for row in rows)

    def tags(self) -> Mapping[str, CommitId]:
        """See ``CatalogReader.tags``."""
        with self.database.reading() as tx:
            return ledger.tags(tx)

    def scan(
        self,
        name: TableName,
        scope: Scope,
        at: Ref,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,  # noqa: A002 - the word of the trade
    ) -> ArrowReader:
        """See ``CatalogReader.scan``."""
        return self._scan(self._held(name, at), scope, columns, filter)

    def dataset(self, name: TableName, scope: Scope, at: Ref) -> ArrowDataset | None:
        """See ``CatalogReader.dataset``."""
        pointer = self._held(name, at)
        return None if scope.restricted else self.files.dataset(self.files.load(_location(pointer)))

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
        """See ``CatalogReader.scan_difference``: files that both have are not read."""
        old, new = self._held(name, before), self._held(name, after)
        paths = [
            {entry.data_file.file_path for entry in self.files.entries(self.files.load(_location(each)))}
            for each in (old, new)
        ]
        shared = frozenset(paths[0] & paths[1])
        return (
            self._scan(old, scope, columns, None, without=shared),
            self._scan(new, scope, columns if new_columns is None else new_columns, None, without=shared),
        )

    def _scan(
        self,
        pointer: Pointer,
        scope: Scope,
        columns: Sequence[str] | None,
        where: Filter | None,
        *,
        without: frozenset[str] = frozenset(),
    ) -> ArrowReader:
        from pilotline.lake.schemas import arrow_schema_of

        reading = plan_reading(pointer.table, [column.name for column in pointer.columns], scope, columns, where)
        metadata = self.files.load(_location(pointer))
        known = pushed_down(reading.before, metadata.schema())
        tasks = self.files.plan(metadata, known)
        # A file with rows deleted by other engines is not the same in both states though its path is.
        tasks = [task for task in tasks if task.file.file_path not in without or task.delete_files]
        return reading.reader(
            arrow_schema_of(metadata.schema()), self.files.read(metadata, tasks, reading.needed, known)
        )

    # -- Catalog -------------------------------------------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[Session]:
        """See ``Catalog.transaction``."""
        return self.database.writing()

    def create_branch(self, name: str, from_: Ref = "main", *, owner: str = "", run: str | None = None) -> Branch:
        """See ``Catalog.create_branch``."""
        with self.database.writing() as tx:
            base = ledger.resolve(tx, from_)
            opened = ledger.open_branch(tx, name, base, owner=owner or self._somebody(), run=run)
            return ledger.as_branch(tx, ledger.branch_by_id(tx, opened))

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
        """See ``Catalog.write``."""
        from pilotline.lake.staging import Staging

        staging: Staging | None = None

        def stage(before: Pointer | None) -> Staged:
            nonlocal staging
            staging = staging or Staging(self.files, name, data, mode, notes, layout)
            return staging.stage(_place(before))

        commit, staged = self._change(branch, name, stage, "write", author=author, message=message, may_be_new=True)
        return Written(commit=commit, snapshot=staged.snapshot, rows=staged.rows, schema_changes=staged.schema_changes)

    def _change(
        self,
        branch: str,
        name: TableName,
        stage: Callable[[Pointer | None], Staged],
        kind: CommitKind,
        *,
        author: str,
        message: str,
        may_be_new: bool = False,
    ) -> tuple[Commit, Staged]:
        """Stage a state of a table from the one that is there, and let the branch point at it; again where others were first."""
        begun: int | None = None
        for turn in self._turns():
            with turn as held:
                with self.database.reading() as tx:
                    begun = ledger.last_sweep(tx) if begun is None else begun
                    row = ledger.writable(ledger.branch_row(tx, branch))
                    before = ledger.pointer_at(tx, row.id, row.head_seq, name)
                    if before is None and not may_be_new:
                        before = ledger.pointer_or_raise(tx, ledger.head_of(tx, row), name)
                    if before is None:
                        _refuse_near_name(tx, ledger.head_of(tx, row), name)
                    else:
                        ledger.held(before)
                staged = stage(before)
                with self._transaction(held) as tx:
                    row = ledger.writable(ledger.branch_row(tx, branch))
                    if _place(ledger.pointer_at(tx, row.id, row.head_seq, name)) != _place(before):
                        continue  # another writer was first: see what it left
                    self._refuse_swept(tx, begun, [staged])
                    commit = ledger.add_commit(
                        tx, row.id, kind, author=author or self._somebody(), message=message, run=row.run
                    )
                    ledger.move_pointer(tx, commit, _pointer(name, staged))
                    reached("write-inside-transaction")
                    told = self._told(tx, commit)
            reached("write-committed")
            return told, staged
        raise AssertionError  # The last turn is not overtaken.

    def _refuse_swept(self, tx: Session, begun: int, staged: Iterable[Staged]) -> None:
        """Refuse to name files that a sweep took, which it does when they have no name for too long.

        Raises:
            SweptMeanwhile: one of them went since the sweep numbered ``begun``.
        """
        swept = ledger.swept_since(tx, begun)
        if swept is None or (swept and any(self._is_among(swept, each.metadata_location) for each in staged)):
            raise SweptMeanwhile(
                "a sweep removed files of this write before it was done; nothing was changed",
                try_next="write again; and let `pilotline lake sweep` have a --grace longer than any write takes",
            )

    def _is_among(self, swept: set[str], location: str) -> bool:
        try:
            return location in swept or any(part.path in swept for part in self.files.parts(location))
        except LakeDamaged:
            return True

    def _turns(self) -> Iterator[AbstractContextManager[Transaction | None]]:
        """The tries of a change that others may overtake: a few beside them, then one for which all others wait."""
        for _ in range(_TRIES):
            yield nullcontext()
        yield self.database.writing()

    def alter(
        self, branch: str, name: TableName, changes: Sequence[TableChange], *, author: str = "", message: str = ""
    ) -> Commit:
        """See ``Catalog.alter``."""

        def stage(before: Pointer | None) -> Staged:
            there = _there(before)
            return self.files.restate(_location(there), changes, rows=there.rows, snapshot=there.snapshot)

        return self._change(branch, name, stage, "alter", author=author, message=message)[0]

    def delete(self, branch: str, name: TableName, where: Filter, *, author: str = "", message: str = "") -> int:
        """See ``Catalog.delete``."""
        from pilotline.domain.access import columns_of
        from pilotline.lake.governing import check_columns
        from pilotline.lake.rewriting import without_rows

        gone = 0

        def stage(before: Pointer | None) -> Staged:
            nonlocal gone
            there = _there(before)
            check_columns(name, [column.name for column in there.columns], sorted(columns_of(where)))
            metadata = self.files.load(_location(there))
            room = without_rows(self.files, metadata, where)
            gone = room.gone
            if not gone:
                raise _Nothing
            return self.files.stage(metadata, room.rewritten, keep=room.kept)

        with suppress(_Nothing):
            self._change(branch, name, stage, "delete", author=author, message=message)
        return gone

    def compact(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Compacted:
        """Join a table's small files on a branch; its rows and their order stay, and so does what it is compared by.

        Raises:
            NoSuchTable: it is not there.
        """
        from pilotline.lake.rewriting import compacted

        counted = (0, 0)

        def stage(before: Pointer | None) -> Staged:
            nonlocal counted
            there = _there(before)
            metadata = self.files.load(_location(there))
            count = len(self.files.entries(metadata))
            counted = (count, count)
            ordered = compacted(self.files, metadata)
            if ordered is None:
                raise _Nothing
            counted = (count, len(ordered))
            return replace(self.files.stage(metadata, ordered, keep=()), snapshot=there.snapshot)

        with suppress(_Nothing):
            self._change(branch, name, stage, "compact", author=author, message=message)
        return Compacted(table=name, files_before=counted[0], files_after=counted[1])

    def rename(self, branch: str, name: TableName, to: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.rename``."""

        def moved(tx: Session, head: CommitRow) -> list[Pointer]:
            there = ledger.held(ledger.pointer_or_raise(tx, head, name))
            _refuse_taken(tx, head, to, but=name)
            return [_gone(name), replace(there, table=to, operation="replace")]

        return self._repoint(branch, moved, "rename", author=author, message=message or f"{name} is now {to}")

    def undrop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.undrop``."""

        def back(tx: Session, head: CommitRow) -> list[Pointer]:
            _refuse_taken(tx, head, name)
            last = ledger.last_state(tx, head, name) or ledger.pointer_or_raise(tx, head, name)
            return [replace(ledger.held(last), operation="replace")]

        return self._repoint(branch, back, "undrop", author=author, message=message or f"{name} is back")

    def drop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.drop``."""

        def gone(tx: Session, head: CommitRow) -> list[Pointer]:
            ledger.pointer_or_raise(tx, head, name)
            return [_gone(name)]

        return self._repoint(branch, gone, "drop", author=author, message=message)

    def _repoint(
        self,
        branch: str,
        pointers: Callable[[Session, CommitRow], list[Pointer]],
        kind: CommitKind,
        *,
        author: str,
        message: str,
    ) -> Commit:
        """Let a branch point elsewhere, at files that are there already; ``pointers`` is told its head."""
        with self.database.writing() as tx:
            row = ledger.writable(ledger.branch_row(tx, branch))
            moved = pointers(tx, ledger.head_of(tx, row))
            commit = ledger.add_commit(
                tx, row.id, kind, author=author or self._somebody(), message=message, run=row.run
            )
            for pointer in moved:
                ledger.move_pointer(tx, commit, pointer)
            return self._told(tx, commit)

    def mark_checked(self, branch: str, at: CommitId) -> Branch:
        """See ``Catalog.mark_checked``."""
        with self.database.writing() as tx:
            return ledger.set_state(tx, branch, "checked", at=at)

    def mark_failed(self, branch: str, because: str) -> Branch:
        """See ``Catalog.mark_failed``."""
        with self.database.writing() as tx:
            return ledger.set_state(tx, branch, "failed", because=because)

    def discard(self, branch: str) -> Branch:
        """See ``Catalog.discard``."""
        with self.database.writing() as tx:
            return ledger.set_state(tx, branch, "closed")

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
        """See ``Catalog.publish``."""
        with self._transaction(within) as tx:
            row = ledger.branch_row(tx, branch)
            target = ledger.branch_row(tx, onto)
            publishing.may_publish(tx, row, target, expect=expect, require_checked=require_checked)
            commit, moved = publishing.publish(
                tx, row, target, author=author or row.owner or self._somebody(), message=message
            )
            published = Published(commit=self._told(tx, commit), tables=moved)
        if within is None:
            reached("publish-committed")
        return published

    def rebase(self, branch: str, *, author: str = "") -> tuple[TableName, ...]:
        """See ``Catalog.rebase``."""
        for turn in self._turns():
            with turn as held:
                with self.database.reading() as tx:
                    begun = ledger.last_sweep(tx)
                    row, _, changes = publishing.rebaseable(tx, branch)
                joined = [change for change in changes if not change.untouched_there]
                staged = {change.table: self._rebase_table(change) for change in joined}
                reached("rebase-files-written")
                with self._transaction(held) as tx:
                    again, onto, now = publishing.rebaseable(tx, branch)
                    if (again.id, again.head_seq, now) != (row.id, row.head_seq, changes):
                        continue
                    self._refuse_swept(tx, begun, staged.values())
                    moved = {
                        change.table: _pointer(change.table, staged[change.table])
                        if change.table in staged
                        else replace(change.ours, operation="append" if change.ours_appended else "replace")
                        for change in changes
                    }
                    publishing.rebase(tx, again, onto, moved, author=author or self._somebody())
                    reached("rebase-before-commit")
                return tuple(staged)
        raise AssertionError  # The last turn is not overtaken.

    def undo(
        self, commit: CommitId, *, within: Transaction | None = None, author: str = "", message: str = ""
    ) -> Commit:
        """See ``Catalog.undo``."""
        with self._transaction(within) as tx:
            target = ledger.resolve(tx, commit)
            words = message or f"undo {target.commit.id}: {target.commit.message}"
            return self._told(tx, publishing.undo(tx, target, author=author or self._somebody(), message=words))

    def tag(self, name: str, at: Ref) -> CommitId:
        """See ``Catalog.tag``."""
        ledger.check_branch_name(name)
        with self.database.writing() as tx:
            commit = ledger.resolve(tx, at).commit.id
            taken = tx.execute(SQL["branch_by_name"], name=name)
            if taken or ledger.tags(tx).get(name, commit) != commit:
                raise BadBranch(f"there is a branch or tag '{name}' already", try_next="choose another name", name=name)
            if name not in ledger.tags(tx):
                tx.execute(SQL["add_tag"], name=name, commit_id=commit)
            return commit

    def _rebase_table(self, change: publishing.Change) -> Staged:
        """The branch's new files on top of what the other side has now."""
        files, conflict = self.files, replace(change.conflict(), rebaseable=False)
        base = {entry.data_file.file_path for entry in files.entries(files.load(_location(change.base)))}
        ours = files.entries(files.load(_location(change.ours)))
        theirs = _location(change.theirs)
        added = [entry.data_file for entry in ours if entry.data_file.file_path not in base]
        try:
            return files.rebase(theirs, _location(change.ours), added)
        except NotATable as error:
            raise PublishConflict(
                f"{error.message}: {conflict}",
                conflicts=(conflict,),
                try_next="run again on a fresh branch: pilotline run",
            ) from error

    # -- Namespaces ----------------------------------------------------------------------------------------------------

    def namespaces(self, at: Ref = "main") -> tuple[Namespace, ...]:
        """See ``CatalogReader.namespaces``."""
        with self.database.reading() as tx:
            said = ledger.namespaces(tx)
            used = {pointer.table.namespace for pointer in ledger.pointers_at(tx, ledger.resolve(tx, at))}
            return tuple(said.get(name) or Namespace(name=name) for name in sorted({*said, *used}))

    def put_namespace(self, namespace: Namespace) -> None:
        """See ``Catalog.put_namespace``."""
        TableName(namespace.name, "any")
        with self.database.writing() as tx:
            tx.execute(
                SQL["put_namespace"],
                name=namespace.name,
                comment=namespace.comment,
                owner=namespace.owner,
                properties=json.dumps(dict(namespace.properties)),
            )

    def remove_namespace(self, name: str) -> None:
        """See ``Catalog.remove_namespace``."""
        with self.database.writing() as tx:
            if name not in ledger.namespaces(tx):
                raise no_namespace(name, ledger.namespaces(tx))
            tables = [
                pointer.table
                for pointer in ledger.pointers_at(tx, ledger.resolve(tx, MAIN))
                if pointer.table.namespace == name
            ]
            if tables:
                raise namespace_in_use(name, tables)
            tx.execute(SQL["remove_namespace"], name=name)

    # -- Small things --------------------------------------------------------------------------------------------------

    def _transaction(self, within: Transaction | None) -> AbstractContextManager[Any]:
        return self.database.writing() if within is None else nullcontext(within)

    def _told(self, tx: Session, row: CommitRow) -> Commit:
        return replace(row.commit, tables=ledger.tables_of(tx, row))

    def _somebody(self) -> str:
        if self._author is None:
            try:
                self._author = getpass.getuser()
            except (OSError, KeyError):
                self._author = "somebody"
        return self._author


def _location(pointer: Pointer | None) -> str:
    if pointer is None or pointer.metadata_location is None:
        raise AssertionError("a table that is not there was looked up as if it were")
    return pointer.metadata_location


def _place(pointer: Pointer | None) -> str | None:
    return pointer.metadata_location if pointer else None


def _there(pointer: Pointer | None) -> Pointer:
    if pointer is None:
        raise AssertionError("a table that is not there was changed as if it were")
    return pointer


def _gone(name: TableName) -> Pointer:
    return Pointer(table=name, metadata_location=None, snapshot=SnapshotId(""), operation="drop", rows=0, columns=())


def _pointer(name: TableName, staged: Staged) -> Pointer:
    return Pointer(
        table=name,
        metadata_location=staged.metadata_location,
        snapshot=staged.snapshot,
        operation=staged.operation,
        rows=staged.rows,
        columns=staged.columns,
        comment=staged.comment,
        owner=staged.owner,
    )


def _refuse_taken(tx: Session, at: CommitRow, name: TableName, *, but: TableName | None = None) -> None:
    if ledger.pointer_at(tx, at.branch_id, at.commit.seq, name) is not None:
        raise BadTableName(f"there is a table {name} already", try_next="choose another name", name=str(name))
    _refuse_near_name(tx, at, name, but=but)


def _refuse_near_name(tx: Session, at: CommitRow, name: TableName, *, but: TableName | None = None) -> None:
    refuse_near_names((each.table for each in ledger.pointers_at(tx, at) if each.table != but), [name])
