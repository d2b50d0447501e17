"""A catalog in memory that keeps the promises of the port: for tests of what stands above the lake.

Written apart from the one on disk, with dictionaries where that has rows and files, so that one contract can judge both.
Commits are numbered; a commit holds the state of every table.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from pilotline.domain.errors import did_you_mean
from pilotline.domain.tables import (
    MAIN,
    Append,
    BadTableName,
    Branch,
    BranchName,
    Commit,
    CommitId,
    MergeOn,
    Namespace,
    NoSuchTable,
    Replace,
    ReplacePartitions,
    SetComment,
    SetLayout,
    SetOwner,
    SetProperty,
    SnapshotId,
    TableInfo,
    TableName,
)
from pilotline.lake.catalog import Published, Written, namespace_in_use, no_namespace, refuse_near_names, steps_back
from pilotline.lake.errors import (
    BadBranch,
    BadLayout,
    BadProperty,
    BranchNotOpen,
    Conflict,
    NeedsRebase,
    NoSuchColumn,
    NoSuchRef,
    NotChecked,
    NotItsParent,
    ProtectedBranch,
    PublishConflict,
    StaleBranch,
    Tainted,
    UndoConflict,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pilotline.domain.access import Filter, Scope
    from pilotline.domain.tables import Column, CommitKind, TableChange, WriteMode
    from pilotline.lake.arrow_types import ArrowDataset, ArrowReader, ArrowTable
    from pilotline.lake.bells import Topic
    from pilotline.lake.catalog import FrameNotes, Ref, Transaction

__all__ = ["MemoryCatalog"]


@dataclass(frozen=True, kw_only=True)
class _Held:
    """One state of a table."""

    info: TableInfo
    rows: ArrowTable
    schema: Any
    notes: FrameNotes | None
    #: The states that this one only added rows to.
    grown_from: tuple[SnapshotId, ...] = ()
    #: Counts what was said of it without a change of its rows.
    version: int = 0


@dataclass(kw_only=True)
class _State:
    """All that a transaction puts back where it fails."""

    branches: dict[str, Branch] = field(default_factory=dict)
    past: list[Branch] = field(default_factory=list)
    commits: dict[CommitId, Commit] = field(default_factory=dict)
    heads: dict[CommitId, dict[TableName, _Held]] = field(default_factory=dict)
    tags: dict[str, CommitId] = field(default_factory=dict)
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    #: The rows of others that were put in transactions.
    statements: list[tuple[str, dict[str, object]]] = field(default_factory=list)


class _MemoryTransaction:
    def __init__(self, state: _State) -> None:
        self._state = state

    def execute(self, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Remember the statement; there is no database to run it."""
        self._state.statements.append((statement, values))
        return []

    def now(self) -> datetime:
        """This machine's time; there is no other."""
        return datetime.now(UTC)

    def announce(self, topic: Topic) -> None:
        """Nobody else is there to hear of it."""


class MemoryCatalog:
    """A ``Catalog`` that keeps nothing. Not for threads."""

    def __init__(self, *, author: str = "somebody") -> None:
        self._author = author
        self._open: _MemoryTransaction | None = None
        self._state = _State()
        self._snapshots = 0
        first = Commit(
            id=CommitId("000000000000"), branch=MAIN, seq=0, parent=None, at=datetime.now(UTC), author="", kind="init",
            message="an empty lake",
        )  # fmt: skip
        self._state.commits[first.id] = first
        self._state.heads[first.id] = {}
        self._state.branches[MAIN] = Branch(
            name=MAIN, state="open", tainted=False, parent=None, base=first.id, head=first.id, owner="", opened=first.at
        )

    @property
    def statements(self) -> tuple[tuple[str, dict[str, object]], ...]:
        """What others put in transactions that were kept."""
        return tuple(self._state.statements)

    # -- CatalogReader -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """See ``CatalogReader.close``."""

    def resolve(self, ref: Ref, /) -> Commit:
        """See ``CatalogReader.resolve``."""
        if isinstance(ref, Commit):
            return self._state.commits[ref.id]
        if isinstance(ref, datetime):
            return self._at_time(ref)
        name, steps = steps_back(ref)
        found = self._named(name, ref)
        for _ in range(steps):
            if found.parent is None:
                raise NoSuchRef(f"'{ref}' goes back before the first commit", ref=ref)
            found = self._state.commits[found.parent]
        return found

    def _named(self, name: str, ref: str) -> Commit:
        state = self._state
        if name in state.branches:
            return state.commits[state.branches[name].head]
        if name in state.tags:
            return state.commits[state.tags[name]]
        near = [commit for key, commit in state.commits.items() if len(name) >= 4 and key.startswith(name)]
        if len(near) == 1:
            return near[0]
        gone = [branch for branch in state.past if branch.name == name]
        if gone:
            return state.commits[gone[-1].head]
        try:
            return self._at_time(datetime.fromisoformat(name).astimezone())
        except (ValueError, OverflowError):
            hint = did_you_mean(name, [*state.branches, *state.tags])
            raise NoSuchRef(f"'{ref}' is no branch, tag, commit or time.{hint}", ref=ref) from None

    def _at_time(self, moment: datetime) -> Commit:
        found = [commit for commit in self.log() if commit.at <= moment]
        if not found:
            raise NoSuchRef(f"the lake is younger than {moment.isoformat()}", ref=str(moment))
        return found[0]

    def branch(self, name: str) -> Branch:
        """See ``CatalogReader.branch``."""
        gone = [branch for branch in self._state.past if branch.name == name]
        if name in self._state.branches:
            return self._state.branches[name]
        if not gone:
            raise NoSuchRef(f"no branch '{name}'.{did_you_mean(name, self._state.branches)}", ref=name)
        return gone[-1]

    def branches(self, *, every: bool = False) -> tuple[Branch, ...]:
        """See ``CatalogReader.branches``."""
        living = list(self._state.branches.values())
        return tuple(sorted([*living, *(self._state.past if every else [])], key=lambda branch: branch.opened))

    def tables(self, at: Ref) -> tuple[TableInfo, ...]:
        """See ``CatalogReader.tables``."""
        return tuple(held.info for _, held in sorted(self._heads(at).items()))

    def table(self, name: TableName, at: Ref) -> TableInfo:
        """See ``CatalogReader.table``."""
        return self._held(name, at).info

    def frame_notes(self, name: TableName, at: Ref) -> FrameNotes | None:
        """See ``CatalogReader.frame_notes``."""
        return self._held(name, at).notes

    def log(self, ref: Ref = "main", *, limit: int | None = None, table: TableName | None = None) -> tuple[Commit, ...]:
        """See ``CatalogReader.log``."""
        found: list[Commit] = []
        commit: Commit | None = self.resolve(ref)
        while commit is not None:
            if table is None or table in commit.tables:
                found.append(commit)
            commit = self._state.commits[commit.parent] if commit.parent else None
        return tuple(found[:limit])

    def tags(self) -> Mapping[str, CommitId]:
        """See ``CatalogReader.tags``."""
        return dict(self._state.tags)

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
        from pilotline.lake.governing import governed_table, plan_reading

        held = self._held(name, at)
        known = [column.name for column in held.info.columns]
        return governed_table(held.rows, plan_reading(name, known, scope, columns, filter))

    def dataset(self, name: TableName, scope: Scope, at: Ref) -> ArrowDataset | None:
        """See ``CatalogReader.dataset``."""
        import pyarrow.dataset as ds

        held = self._held(name, at)
        return None if scope.restricted else ds.dataset(held.rows)

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
        """See ``CatalogReader.scan_difference``; leaves out nothing."""
        later = columns if new_columns is None else new_columns
        return self.scan(name, scope, before, columns=columns), self.scan(name, scope, after, columns=later)

    # -- Catalog -------------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Generator[_MemoryTransaction, None, None]:
        """See ``Catalog.transaction``."""
        before = self._state
        self._state = copy.copy(before)
        for name in ("branches", "past", "commits", "heads", "tags", "namespaces", "statements"):
            setattr(self._state, name, copy.copy(getattr(before, name)))
        self._open = _MemoryTransaction(self._state)
        try:
            yield self._open
        except BaseException:
            self._state = before
            raise
        finally:
            self._open = None

    def _joins(self, within: Transaction | None) -> None:
        if within is not None and within is not self._open:
            raise ValueError("the transaction is not open any more, or another catalog's")

    def create_branch(self, name: str, from_: Ref = "main", *, owner: str = "", run: str | None = None) -> Branch:
        """See ``Catalog.create_branch``."""
        from pilotline.lake.ledger import check_branch_name

        check_branch_name(name)
        if name in self._state.branches or name in self._state.tags:
            raise BadBranch(f"there is a branch or tag '{name}' already", name=name)
        base = self.resolve(from_)
        parent = self.branch(base.branch)
        opened = Branch(
            name=BranchName(name),
            state="open",
            tainted=parent.tainted or parent.state == "failed",
            parent=base.branch,
            base=base.id,
            head=base.id,
            owner=owner or self._author,
            opened=datetime.now(UTC),
            run=run,
        )
        self._state.branches[name] = opened
        return opened

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
        import pyarrow as pa

        from pilotline.lake.files import columns_of, refuse_nothing_to_hold
        from pilotline.lake.frames import combine_notes
        from pilotline.lake.rewriting import check_key_columns, check_keys
        from pilotline.lake.schemas import evolve, fit

        table = data if isinstance(data, pa.Table) else data.read_all()
        row = self._writable(branch)
        there = self._heads(row.head)
        before = there.get(name)
        if before is None:
            refuse_near_names(there, [name])
        refuse_nothing_to_hold(table.num_columns, table.num_rows)
        if isinstance(mode, ReplacePartitions):
            check_key_columns(name, table.schema, (mode.by,))
        if isinstance(mode, MergeOn):
            check_keys(name, table, mode.keys)
        schema, changes = evolve(
            before.schema if before else None,
            table.schema,
            whole=isinstance(mode, Replace),
            allow=isinstance(mode, Replace) and mode.allow_schema_change,
        )
        rows = fit(table, schema)
        if before is not None and not isinstance(mode, Replace):
            rows = _joined(before.rows, rows, mode)
            notes = combine_notes(before.notes, notes)
        self._snapshots += 1
        info = TableInfo(
            table=name,
            snapshot=SnapshotId(str(self._snapshots)),
            columns=_said_before(columns_of(schema), before.info if before else None),
            comment=before.info.comment if before else "",
            owner=before.info.owner if before else "",
            rows=rows.num_rows,
            commit=CommitId(""),
            author=author or self._author,
            at=datetime.now(UTC),
        )
        grown = (*before.grown_from, before.info.snapshot) if before and isinstance(mode, Append) else ()
        if layout is not None:
            info = _altered(info, layout)
        held = _Held(info=info, rows=rows, schema=schema, notes=notes, grown_from=grown)
        commit = self._commit(row, {name: held}, "write", author=author, message=message)
        return Written(commit=commit, snapshot=info.snapshot, rows=info.rows, schema_changes=changes)

    def drop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.drop``."""
        row = self._writable(branch)
        self._held(name, row.head)
        return self._commit(row, {name: None}, "drop", author=author, message=message)

    def undrop(self, branch: str, name: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.undrop``."""
        row = self._writable(branch)
        self._refuse_taken(row, name)
        for commit in self.log(row.head):
            held = self._state.heads[commit.id].get(name)
            if held is not None:
                back = replace(held, grown_from=())
                return self._commit(row, {name: back}, "undrop", author=author, message=message or f"{name} is back")
        raise NoSuchTable.among(name, self._heads(row.head), where=f"'{branch}'")

    def rename(self, branch: str, name: TableName, to: TableName, *, author: str = "", message: str = "") -> Commit:
        """See ``Catalog.rename``."""
        row = self._writable(branch)
        held = self._held(name, row.head)
        self._refuse_taken(row, to, but=name)
        moved = replace(held, info=replace(held.info, table=to), grown_from=())
        words = message or f"{name} is now {to}"
        return self._commit(row, {name: None, to: moved}, "rename", author=author, message=words)

    def alter(
        self, branch: str, name: TableName, changes: Sequence[TableChange], *, author: str = "", message: str = ""
    ) -> Commit:
        """See ``Catalog.alter``; layouts are checked for their columns, and otherwise mean nothing here."""
        row = self._writable(branch)
        held = self._held(name, row.head)
        info = held.info
        for change in changes:
            info = _altered(info, change)
        self._snapshots += 1
        altered = replace(held, info=info, grown_from=(), version=self._snapshots)
        return self._commit(row, {name: altered}, "alter", author=author, message=message)

    def delete(self, branch: str, name: TableName, where: Filter, *, author: str = "", message: str = "") -> int:
        """See ``Catalog.delete``."""
        from pilotline.domain.access import columns_of
        from pilotline.lake.arrow_types import compute
        from pilotline.lake.governing import check_columns, matching

        row = self._writable(branch)
        held = self._held(name, row.head)
        check_columns(name, held.rows.column_names, sorted(columns_of(where)))
        rows = held.rows.filter(compute().invert(matching(where, held.rows)))
        gone = held.rows.num_rows - rows.num_rows
        if gone:
            self._snapshots += 1
            info = replace(held.info, snapshot=SnapshotId(str(self._snapshots)), rows=rows.num_rows)
            left = replace(held, info=info, rows=rows, grown_from=())
            self._commit(row, {name: left}, "delete", author=author, message=message)
        return gone

    def namespaces(self, at: Ref = "main") -> tuple[Namespace, ...]:
        """See ``CatalogReader.namespaces``."""
        said = self._state.namespaces
        used = {name.namespace for name in self._heads(at)}
        return tuple(said.get(name) or Namespace(name=name) for name in sorted({*said, *used}))

    def put_namespace(self, namespace: Namespace) -> None:
        """See ``Catalog.put_namespace``."""
        TableName(namespace.name, "any")
        self._state.namespaces[namespace.name] = namespace

    def remove_namespace(self, name: str) -> None:
        """See ``Catalog.remove_namespace``."""
        if name not in self._state.namespaces:
            raise no_namespace(name, self._state.namespaces)
        tables = [table for table in self._heads(MAIN) if table.namespace == name]
        if tables:
            raise namespace_in_use(name, tables)
        del self._state.namespaces[name]

    def _refuse_taken(self, row: Branch, name: TableName, *, but: TableName | None = None) -> None:
        for other in self._heads(row.head):
            if other != but and str(other).lower() == str(name).lower():
                raise BadTableName(f"there is a table {other} already", name=str(name))

    def _refuse_near_names(self, row: Branch, moved: Mapping[TableName, _Held | None]) -> None:
        after = {name for name, held in {**self._heads(row.head), **moved}.items() if held is not None}
        refuse_near_names(after, after.difference(self._heads(row.head)))

    def mark_checked(self, branch: str, at: CommitId) -> Branch:
        """See ``Catalog.mark_checked``."""
        row = self._writable(branch)
        if row.head != at:
            raise StaleBranch(f"branch '{branch}' is at {row.head} by now, not at {at}", head=row.head, expected=at)
        return self._keep(replace(row, state="checked"))

    def mark_failed(self, branch: str, because: str) -> Branch:
        """See ``Catalog.mark_failed``."""
        failed = self._keep(replace(self._writable(branch), state="failed", because=because))
        self._taint(failed.name)
        return failed

    def discard(self, branch: str) -> Branch:
        """See ``Catalog.discard``."""
        row = self.branch(branch)
        if row.state != "failed":
            self._writable(branch)
        return self._keep(replace(row, state="closed", because=""))

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
        self._joins(within)
        row = self.branch(branch)
        if row.name == MAIN:
            raise ProtectedBranch("main cannot be published onto a branch", branch=branch)
        if row.tainted or row.state == "failed":
            raise Tainted(f"branch '{branch}' failed or descends from a failed branch", branch=branch)
        self._living(row)
        if row.parent != onto:
            raise NotItsParent(f"branch '{branch}' was opened on '{row.parent}', not on '{onto}'", branch=branch)
        target = self._living(self.branch(onto))
        if expect is not None and row.base != expect:
            raise StaleBranch(
                f"branch '{branch}' stands on {row.base}, not on {expect}", base=row.base, expected=expect
            )
        if require_checked and row.state != "checked":
            raise NotChecked(f"the checks of branch '{branch}' did not pass yet", branch=branch)
        conflicts = self._conflicts(row, target)
        if conflicts:
            kind = NeedsRebase if all(each.rebaseable for each in conflicts) else PublishConflict
            raise kind(", ".join(map(str, conflicts)), conflicts=conflicts, branch=branch)
        changed = self._changed(row)
        self._refuse_near_names(target, changed)
        commit = (
            self._commit(
                target, changed, "publish", author=author or row.owner, message=message, merged=row.head, run=row.run
            )
            if changed
            else self.resolve(target.head)
        )
        self._keep(replace(row, state="published"))
        return Published(commit=commit, tables=tuple(sorted(changed)))

    def rebase(self, branch: str, *, author: str = "") -> tuple[TableName, ...]:
        """See ``Catalog.rebase``."""
        import pyarrow as pa

        row = self._writable(branch)
        onto = self.branch(row.parent or MAIN)
        conflicts = self._conflicts(row, onto)
        if not all(each.rebaseable for each in conflicts):
            raise PublishConflict(", ".join(map(str, conflicts)), conflicts=conflicts, branch=branch)
        base, theirs = self._heads(row.base), self._heads(onto.head)
        moved = dict(self._changed(row))
        for each in conflicts:
            ours, other = moved[each.table], theirs[each.table]
            if ours is None:
                continue
            if ours.rows.schema != other.rows.schema:
                hard = (replace(each, rebaseable=False),)
                raise PublishConflict(f"one side changed the schema: {each}", conflicts=hard, branch=branch)
            new = ours.rows.slice(base[each.table].rows.num_rows)
            rows = pa.concat_tables([other.rows, new])
            self._snapshots += 1
            info = replace(other.info, snapshot=SnapshotId(str(self._snapshots)), rows=rows.num_rows)
            grown = (*other.grown_from, other.info.snapshot)
            moved[each.table] = _Held(info=info, rows=rows, schema=other.schema, notes=other.notes, grown_from=grown)
        self._keep(replace(row, state="closed", because="rebased"))
        again = self._keep(replace(row, state="open", base=onto.head, head=onto.head))
        if moved:
            self._commit(again, moved, "rebase", author=author, message=f"rebase onto {onto.head}")
        return tuple(each.table for each in conflicts)

    def undo(
        self, commit: CommitId, *, within: Transaction | None = None, author: str = "", message: str = ""
    ) -> Commit:
        """See ``Catalog.undo``."""
        self._joins(within)
        target = self.resolve(commit)
        row = self.branch(target.branch)
        if row.name != MAIN:
            self._writable(row.name)
        if not target.tables or target.parent is None:
            raise UndoConflict(f"commit {target.id} changed no table", commit=target.id)
        now, made, before = self._heads(row.head), self._heads(target.id), self._heads(target.parent)
        later = [name for name in target.tables if _snapshot(now.get(name)) != _snapshot(made.get(name))]
        if later:
            listed = ", ".join(map(str, later))
            raise UndoConflict(f"changed again since {target.id}: {listed}", tables=list(map(str, later)))
        words = message or f"undo {target.id}: {target.message}"
        back = {name: replace(held, grown_from=()) if (held := before.get(name)) else None for name in target.tables}
        self._refuse_near_names(row, back)
        return self._commit(row, back, "undo", author=author, message=words, undoes=target.id)

    def tag(self, name: str, at: Ref) -> CommitId:
        """See ``Catalog.tag``."""
        from pilotline.lake.ledger import check_branch_name

        check_branch_name(name)
        commit = self.resolve(at).id
        taken = name in self._state.branches or any(branch.name == name for branch in self._state.past)
        if taken or self._state.tags.get(name, commit) != commit:
            raise BadBranch(f"there is a branch or tag '{name}' already", name=name)
        self._state.tags[name] = commit
        return commit

    # -- Inside --------------------------------------------------------------------------------------------------------

    def _heads(self, at: Ref) -> dict[TableName, _Held]:
        return self._state.heads[self.resolve(at).id]

    def _held(self, name: TableName, at: Ref) -> _Held:
        heads = self._heads(at)
        if name not in heads:
            raise NoSuchTable.among(name, heads, where=f"'{self.resolve(at).branch}'")
        return heads[name]

    def _living(self, row: Branch) -> Branch:
        if row.state not in {"open", "checked"}:
            raise BranchNotOpen(f"branch '{row.name}' is {row.state}", branch=row.name, state=row.state)
        return row

    def _writable(self, name: str) -> Branch:
        row = self.branch(name)
        if row.name == MAIN:
            raise ProtectedBranch("main is published to, never written to", branch=name)
        return self._living(row)

    def _keep(self, row: Branch) -> Branch:
        if row.state in {"published", "closed"}:
            self._state.branches.pop(row.name, None)
            self._state.past.append(row)
        else:
            self._state.branches[row.name] = row
        return row

    def _taint(self, failed: str) -> None:
        for row in list(self._state.branches.values()):
            if row.parent == failed and not row.tainted:
                self._state.branches[row.name] = replace(row, tainted=True)
                self._taint(row.name)

    def _commit(
        self,
        row: Branch,
        changed: Mapping[TableName, _Held | None],
        kind: CommitKind,
        *,
        author: str,
        message: str,
        merged: CommitId | None = None,
        undoes: CommitId | None = None,
        run: str | None = None,
    ) -> Commit:
        parent = self._state.commits[row.head]
        commit = Commit(
            id=CommitId(f"{len(self._state.commits):012x}"[::-1]),
            branch=row.name,
            seq=parent.seq + 1,
            parent=parent.id,
            at=max(datetime.now(UTC), parent.at + timedelta(microseconds=1)),
            author=author or self._author,
            kind=kind,
            message=message,
            run=run or row.run,
            merged=merged,
            undoes=undoes,
            tables=tuple(sorted(changed)),
        )
        heads = dict(self._heads(row.head))
        for name, held in changed.items():
            if held is None:
                heads.pop(name, None)
            else:
                info = replace(held.info, commit=commit.id, author=commit.author, at=commit.at)
                heads[name] = replace(held, info=info)
        self._state.commits[commit.id] = commit
        self._state.heads[commit.id] = heads
        self._keep(replace(row, head=commit.id, state="open"))
        return commit

    def _changed(self, row: Branch) -> dict[TableName, _Held | None]:
        base, head = self._heads(row.base), self._heads(row.head)
        return {
            name: head.get(name)
            for name in sorted({*base, *head})
            if _snapshot(base.get(name)) != _snapshot(head.get(name))
        }

    def _conflicts(self, row: Branch, onto: Branch) -> tuple[Conflict, ...]:
        base, theirs = self._heads(row.base), self._heads(onto.head)
        found: list[Conflict] = []
        for name, ours in self._changed(row).items():
            first, other = base.get(name), theirs.get(name)
            if _snapshot(first) == _snapshot(other):
                continue
            grown = first is not None and all(
                held is not None and first.info.snapshot in held.grown_from for held in (ours, other)
            )
            found.append(
                Conflict(
                    table=name,
                    ours=self._who(row.head, name),
                    theirs=self._who(onto.head, name),
                    rebaseable=grown,
                )
            )
        return tuple(found)

    def _who(self, head: CommitId, name: TableName) -> str:
        return self.log(head, table=name, limit=1)[0].author


def _said_before(columns: tuple[Column, ...], before: TableInfo | None) -> tuple[Column, ...]:
    """The columns with what was said of those of their names."""
    said = {column.name: column for column in (before.columns if before else ())}
    return tuple(
        replace(column, comment=said[column.name].comment, owner=said[column.name].owner)
        if column.name in said
        else column
        for column in columns
    )


def _snapshot(held: _Held | None) -> tuple[SnapshotId, int] | None:
    return (held.info.snapshot, held.version) if held else None


def _altered(info: TableInfo, change: TableChange) -> TableInfo:
    from pilotline.lake.layout import column_of

    known = [column.name for column in info.columns]
    match change:
        case SetComment(text=text, column=None):
            return replace(info, comment=text)
        case SetOwner(owner=owner, column=None):
            return replace(info, owner=owner)
        case SetComment(column=column) | SetOwner(column=column):
            if column not in known:
                raise NoSuchColumn(f"there is no column '{column}'", column=column)
            said = {"comment": change.text} if isinstance(change, SetComment) else {"owner": change.owner}
            columns = tuple(replace(each, **said) if each.name == column else each for each in info.columns)
            return replace(info, columns=columns)
        case SetProperty(name=name):
            if name in {"comment", "owner", "gc.enabled"}:
                raise BadProperty(f"'{name}' is a property that Pilotline itself sets", name=name)
            return info
        case SetLayout(partition_by=partition_by, sort_by=sort_by):
            floats = [column.name for column in info.columns if column.type in {"float", "double"}]
            for term in (*partition_by, *(each.split()[0] for each in sort_by)):
                if column_of(term) not in known or (term in partition_by and term in floats):
                    raise BadLayout(f"a table cannot be divided or sorted by '{term}'", term=term)
            return info
        case _:
            assert_never(change)


def _joined(before: ArrowTable, coming: ArrowTable, mode: WriteMode) -> ArrowTable:
    """The rows that stay and those that come."""
    import pyarrow as pa

    match mode:
        case Replace():
            return coming
        case Append():
            keep = before
        case ReplacePartitions(by=by):
            keep = _without(before, coming, (by,))
        case MergeOn(keys=keys):
            keep = _without(before, coming, keys)
        case _:
            assert_never(mode)
    wide = pa.table(
        [
            keep.column(field.name).cast(field.type)
            if field.name in keep.column_names
            else pa.nulls(keep.num_rows, field.type)
            for field in coming.schema
        ],
        schema=coming.schema,
    )
    return pa.concat_tables([wide, coming])


def _without(before: ArrowTable, coming: ArrowTable, keys: Sequence[str]) -> ArrowTable:
    gone = set(zip(*(coming.column(key).to_pylist() for key in keys), strict=True))
    there = zip(*(before.column(key).to_pylist() for key in keys), strict=True)
    return before.filter([key not in gone for key in there])
