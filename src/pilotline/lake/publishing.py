"""Publish, rebase and undo: how changes get from a branch to its parent, and back out. Rows only; no table is opened.

A branch B was opened on state ``base`` of its parent P. Per table that B changed, with P's pointer then and now:

    P[base] == P[head]               take B's pointer
    else both sides only appended    rebase: B's new files on top of P's, then check again
    else                             conflict
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pilotline.domain.tables import SnapshotId
from pilotline.lake import ledger
from pilotline.lake.catalog import refuse_near_names
from pilotline.lake.crash import reached
from pilotline.lake.errors import (
    Conflict,
    NeedsRebase,
    NotChecked,
    NotItsParent,
    ProtectedBranch,
    PublishConflict,
    StaleBranch,
    Tainted,
    UndoConflict,
)
from pilotline.lake.ledger import SQL, BranchRow, CommitRow, Pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.tables import CommitId, TableName
    from pilotline.lake.database import Session

__all__ = ["Change", "changes_of", "publish", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One table that a branch changed: where it was at the base, and where both sides have it now (None: not there)."""

    table: TableName
    base: Pointer | None
    ours: Pointer
    theirs: Pointer | None
    #: Only rows were added on that side since the base.
    ours_appended: bool
    theirs_appended: bool
    #: Who changed it last on the other side.
    their_author: str = ""

    @property
    def untouched_there(self) -> bool:
        """Whether the other side is as it was."""
        return _place(self.theirs) == _place(self.base)

    @property
    def rebaseable(self) -> bool:
        """Whether both sides only appended to the same table."""
        return self.ours_appended and self.theirs_appended and self.base is not None and self.theirs is not None

    def conflict(self) -> Conflict:
        """The change as readers are told of it."""
        return Conflict(
            table=self.table,
            ours=self.ours.author or "somebody",
            theirs=self.their_author or "somebody",
            rebaseable=self.rebaseable,
        )


def _place(pointer: Pointer | None) -> str | None:
    return pointer.metadata_location if pointer else None


def changes_of(tx: Session, row: BranchRow, parent: BranchRow) -> list[Change]:
    """What a branch changed, without what it changed back."""
    found: list[Change] = []
    for own in map(Pointer.from_row, tx.execute(SQL["own_pointers"], branch_id=row.id)):
        base = ledger.pointer_at(tx, parent.id, row.base_seq, own.table)
        if own.metadata_location == _place(base):
            continue
        where = {"namespace": own.table.namespace, "name": own.table.name}
        ours = tx.execute(SQL["pointers_since"], branch_id=row.id, seq=row.base_seq, **where)
        theirs = tx.execute(SQL["pointers_since"], branch_id=parent.id, seq=row.base_seq, **where)
        found.append(
            Change(
                table=own.table,
                base=base,
                ours=own,
                theirs=ledger.pointer_at(tx, parent.id, parent.head_seq, own.table),
                ours_appended=base is not None and all(each[6] == "append" for each in ours),
                theirs_appended=all(each[6] == "append" for each in theirs),
                their_author=Pointer.from_row(theirs[-1]).author if theirs else "",
            )
        )
    return found


def publish(
    tx: Session, row: BranchRow, onto: BranchRow, *, author: str, message: str
) -> tuple[CommitRow, tuple[TableName, ...]]:
    """Move what a branch changed onto its parent; the branch is then published.

    Raises:
        PublishConflict: a table changed on both sides.
        NeedsRebase: the same, and all of them only by appending.
        BadTableName: a new table and one that is there differ in case alone.
    """
    changes = changes_of(tx, row, onto)
    conflicts = tuple(change.conflict() for change in changes if not change.untouched_there)
    if conflicts:
        raise conflict_error(row, onto, conflicts)
    head = ledger.head_of(tx, row).commit
    if changes:
        commit = ledger.add_commit(tx, onto.id, "publish", author=author, message=message, run=row.run, merged=head.id)
        reached("publish-commit-added")
        for change in changes:
            operation = "drop" if change.ours.metadata_location is None else "replace"
            moved = replace(change.ours, operation="append" if change.ours_appended else operation)
            ledger.move_pointer(tx, commit, moved)
            reached("publish-pointer-moved")
        _refuse_near_names(tx, commit, [change.table for change in changes if change.theirs is None])
    else:
        commit = ledger.head_of(tx, onto)
    tx.execute(SQL["set_branch_state"], id=row.id, state="published", because="")
    reached("publish-before-commit")
    return commit, tuple(change.table for change in changes)


def conflict_error(row: BranchRow, onto: BranchRow, conflicts: tuple[Conflict, ...]) -> PublishConflict:
    """The error that names each table with both authors."""
    listed = ", ".join(str(each) for each in conflicts)
    facts = f"changed on '{onto.name}' since branch '{row.name}' was opened; nothing was published: {listed}"
    if all(each.rebaseable for each in conflicts):
        return NeedsRebase(
            f"both sides appended. {facts}",
            conflicts=conflicts,
            try_next=f"rebase branch '{row.name}' onto '{onto.name}', check it again and publish",
            branch=row.name,
        )
    return PublishConflict(
        facts, conflicts=conflicts, try_next="run again on a fresh branch: pilotline run", branch=row.name
    )


def may_publish(
    tx: Session, row: BranchRow, onto: BranchRow, *, expect: CommitId | None, require_checked: bool
) -> None:
    """Refuse what must not be published, whatever is in it.

    Raises:
        ProtectedBranch: it is main itself.
        Tainted: it failed or descends from a failed branch.
        BranchNotOpen: it or its parent was published or thrown away.
        NotItsParent: it was opened on another branch.
        StaleBranch: its base is not ``expect``.
        NotChecked: it is not checked as it is now.
    """
    if row.id == ledger.MAIN_ID:
        raise ProtectedBranch("main cannot be published onto a branch", try_next="name another branch", branch=row.name)
    failed = [each[0] for each in tx.execute(SQL["failed_ancestors"], id=row.id)]
    if failed:
        why = "failed" if row.state == "failed" else f"descends from '{failed[0]}', which failed"
        raise Tainted(
            f"branch '{row.name}' {why}, so it can never be published",
            try_next="pilotline run starts again on a fresh branch of main",
            branch=row.name,
            failed=failed,
        )
    ledger.living(row)
    if row.parent_id != onto.id:
        raise NotItsParent(
            f"branch '{row.name}' was opened on '{row.parent}', not on '{onto.name}'",
            try_next=f"publish it onto '{row.parent}'",
            branch=row.name,
            parent=row.parent,
        )
    ledger.living(onto)
    base = ledger.commit_at(tx, onto.id, row.base_seq).commit.id
    if expect is not None and base != expect:
        raise StaleBranch(
            f"branch '{row.name}' stands on {base} of '{onto.name}', not on {expect} as when it was checked",
            try_next="check it again",
            branch=row.name,
            base=base,
            expected=expect,
        )
    if require_checked and row.state != "checked":
        raise NotChecked(
            f"the checks of branch '{row.name}' did not pass yet in the state that it has now",
            try_next="pilotline run checks and publishes",
            branch=row.name,
        )


def undo(tx: Session, target: CommitRow, *, author: str, message: str, run: str | None = None) -> CommitRow:
    """Put back every table that a commit changed, by a new commit on its branch.

    Raises:
        UndoConflict: there is nothing to take back, or a table changed again since.
        BadTableName: a table that comes back and one that is there differ in case alone.
    """
    branch = ledger.branch_by_id(tx, target.branch_id)
    if branch.id != ledger.MAIN_ID:
        ledger.writable(branch)
    changed = [
        Pointer.from_row(row)
        for row in tx.execute(SQL["pointers_of_commit"], branch_id=target.branch_id, seq=target.commit.seq)
    ]
    if not changed:
        raise UndoConflict(
            f"commit {target.commit.id} changed no table, so there is nothing to undo",
            try_next="pilotline log",
            commit=target.commit.id,
        )
    later: list[Pointer] = []
    for pointer in changed:
        now = ledger.pointer_at(tx, branch.id, branch.head_seq, pointer.table)
        if _place(now) != pointer.metadata_location:
            since = tx.execute(
                SQL["pointers_since"],
                branch_id=branch.id,
                namespace=pointer.table.namespace,
                name=pointer.table.name,
                seq=target.commit.seq,
            )
            later.append(Pointer.from_row(since[-1]))
    if later:
        listed = ", ".join(f"{each.table} (by {each.author or 'somebody'} in {each.commit})" for each in later)
        raise UndoConflict(
            f"these tables changed again since {target.commit.id}; nothing was undone: {listed}",
            try_next=f"pilotline undo {later[-1].commit} first",
            commit=target.commit.id,
            tables=[str(each.table) for each in later],
        )
    commit = ledger.add_commit(tx, branch.id, "undo", author=author, message=message, run=run, undoes=target.commit.id)
    back = [pointer.table for pointer in changed if pointer.metadata_location is None]
    for pointer in changed:
        before = ledger.pointer_at(tx, branch.id, target.commit.seq - 1, pointer.table)
        gone = Pointer(
            table=pointer.table,
            metadata_location=None,
            snapshot=SnapshotId(""),
            operation="drop",
            rows=0,
            columns=(),
        )
        ledger.move_pointer(tx, commit, replace(ledger.held(before), operation="replace") if before else gone)
    _refuse_near_names(tx, commit, back)
    reached("undo-before-commit")
    return commit


def _refuse_near_names(tx: Session, at: CommitRow, new: Sequence[TableName]) -> None:
    """See to it that tables that were not there before can be told from the others at a commit."""
    if new:
        there = {pointer.table for pointer in ledger.pointers_at(tx, at)}
        refuse_near_names(there, there.intersection(new))


def rebaseable(tx: Session, name: str) -> tuple[BranchRow, BranchRow, list[Change]]:
    """A branch, its parent, and what it changed, where it can move onto the parent's head.

    Raises:
        PublishConflict: a table changed on both sides by more than appending.
        ProtectedBranch: it is main.
        BranchNotOpen: it failed, or was published or thrown away.
    """
    row = ledger.writable(ledger.branch_row(tx, name))
    onto = ledger.branch_by_id(tx, row.parent_id or ledger.MAIN_ID)
    changes = changes_of(tx, row, onto)
    hard = tuple(each.conflict() for each in changes if not (each.untouched_there or each.rebaseable))
    if hard:
        raise conflict_error(row, onto, hard)
    return row, onto, changes


def rebase(tx: Session, row: BranchRow, onto: BranchRow, moved: dict[TableName, Pointer], *, author: str) -> None:
    """Open the branch anew on the parent's head with the pointers that it now has; its former self is closed."""
    tx.execute(SQL["set_branch_state"], id=row.id, state="closed", because="rebased")
    base = ledger.head_of(tx, onto)
    opened = ledger.open_branch(
        tx, row.name, replace(base, branch_id=onto.id), owner=row.owner, run=row.run, tainted=row.tainted
    )
    if moved:
        commit = ledger.add_commit(
            tx, opened, "rebase", author=author, message=f"rebase onto {base.commit.id}", run=row.run
        )
        for pointer in moved.values():
            ledger.move_pointer(tx, commit, pointer)
