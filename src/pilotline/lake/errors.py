"""What can go wrong with tables, branches and publishing.

LakeError                    PL200
├── NoSuchTable              PL201  (domain.tables)
├── BadTableName             PL202  (domain.tables)
├── NoSuchRef                PL203  no branch, tag, commit or time of that name
├── BadBranch                PL204  the name is taken or cannot be one
├── BranchNotOpen            PL205  nothing can be written to it any more
├── ProtectedBranch          PL206  main is published to, never written to
├── NoSuchColumn             PL207
├── BadFilter                PL208  a filter or mask that does not fit the column
├── PublishConflict          PL210  a table changed on both sides
│   └── NeedsRebase          PL212  both sides only appended: rebase, check again, publish
├── SchemaChanged            PL211  more than new columns and wider types
├── NotChecked               PL213  its checks did not pass, or not at this state
├── Tainted                  PL214  failed, or descends from a failed branch
├── UndoConflict             PL215  a table changed again since
├── StaleBranch              PL216  the branch is no longer where the caller saw it
├── LakeBusy                 PL217  another process holds the catalog for too long
├── LakeTooNew               PL218  written by a newer Pilotline
├── NotItsParent             PL219  a branch is published onto the branch that it was opened on
├── NotATable                PL220  the value cannot be a table
├── BadKeys                  PL221  keys to merge on that are missing, NULL or not unique
├── QueryFailed              PL230  the SQL could not be run
├── LakeDamaged              PL240  a file that the catalog points at is not there
├── DatabaseUnreachable      PL241  the catalog's database does not answer
├── StorageUnreachable       PL242  where the tables' files are does not answer
├── BadStorage               PL243  the settings name no place for tables
├── Expired                  PL244  a sweep gave up the files of this state
├── BadLayout                PL245  a table cannot be divided or sorted so
├── NamespaceInUse           PL246  it has tables, so it stays
├── BadProperty              PL247  a property that Pilotline itself sets
├── FilesElsewhere           PL248  other engines would look for files where the lake lay before
├── RowsWent                 PL249  more than added rows, where only those are asked for
├── NoRoom                   PL250  the disk is full, or may not be written to
├── SweptMeanwhile           PL347  a sweep removed files of a write before it was done
└── UpgradeWaits             PL591  processes of an older Pilotline are still at work
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import LakeError
from pilotline.domain.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.tables import TableName

__all__ = [
    "NO_ROOM",
    "BadBranch",
    "BadFilter",
    "BadKeys",
    "BadLayout",
    "BadProperty",
    "BadStorage",
    "BranchNotOpen",
    "Conflict",
    "DatabaseUnreachable",
    "Expired",
    "LakeBusy",
    "LakeDamaged",
    "LakeTooNew",
    "NamespaceInUse",
    "NeedsRebase",
    "NoRoom",
    "NoSuchColumn",
    "NoSuchRef",
    "NotATable",
    "NotChecked",
    "NotItsParent",
    "ProtectedBranch",
    "PublishConflict",
    "QueryFailed",
    "RowsWent",
    "SchemaChanged",
    "StaleBranch",
    "StorageUnreachable",
    "SweptMeanwhile",
    "Tainted",
    "UndoConflict",
    "UpgradeWaits",
]

#: What a disk says that is full, or that may not be written to.
NO_ROOM: Final = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOTDIR,
})  # fmt: skip


class NoSuchRef(LakeError):
    """No branch, tag, commit or time of that name."""

    code = "PL203"
    exit_status = 2


class BadBranch(LakeError):
    """The name of a new branch or tag is taken or cannot be one."""

    code = "PL204"
    exit_status = 2


class BranchNotOpen(LakeError):
    """The branch was published, failed or was thrown away: nothing can be written to it."""

    code = "PL205"


class ProtectedBranch(LakeError):
    """Main is published to, never written to."""

    code = "PL206"


class NoSuchColumn(LakeError):
    """The table has no such column, or none that this reader may see."""

    code = "PL207"
    exit_status = 2


class BadFilter(LakeError):
    """A filter or a mask does not fit the type of its column."""

    code = "PL208"
    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One table that changed on both sides."""

    table: TableName
    #: Who changed it on the branch, and who on the other side.
    ours: str
    theirs: str
    #: Both only appended, so that a rebase can join them.
    rebaseable: bool

    def __str__(self) -> str:
        return f"{self.table} (changed by {self.ours} here and by {self.theirs} there)"


class PublishConflict(LakeError):
    """Tables changed on both sides since the branch was opened; nothing was published."""

    code = "PL210"

    def __init__(self, message: str, *, conflicts: tuple[Conflict, ...], try_next: str = "", **facts: object) -> None:
        super().__init__(message, try_next=try_next, tables=[str(each.table) for each in conflicts], **facts)
        self.conflicts = conflicts


class NeedsRebase(PublishConflict):
    """Both sides only appended to the same tables: rebase, check again, publish."""

    code = "PL212"


class SchemaChanged(LakeError):
    """What is written differs from the table by more than new columns and wider types."""

    code = "PL211"


class NotChecked(LakeError):
    """The checks of the branch did not pass, or not in the state that it has now."""

    code = "PL213"


class Tainted(LakeError):
    """The branch failed or descends from one that failed, so it can never be published."""

    code = "PL214"


class UndoConflict(LakeError):
    """A table changed again since the commit that is to be undone."""

    code = "PL215"


class StaleBranch(LakeError):
    """The branch is no longer where the caller saw it."""

    code = "PL216"


class LakeBusy(LakeError):
    """Another process held the catalog for longer than one waits."""

    code = "PL217"


class DatabaseUnreachable(LakeError):
    """The database that the catalog is in does not answer, or cannot be spoken to."""

    code = "PL241"


class StorageUnreachable(LakeError):
    """Where the tables' files are does not answer, or does not let one in."""

    code = "PL242"

    @property
    def refused(self) -> bool:
        """It answered, and the answer was no: asking again gives the same."""
        return bool(self.facts.get("refused"))


class BadStorage(LakeError):
    """What the settings name is no place for tables."""

    code = "PL243"
    exit_status = 2


class Expired(LakeError):
    """A sweep gave up the files of this state of a table."""

    code = "PL244"


class SweptMeanwhile(LakeError):
    """A sweep removed files of a write before it was done: they had no name for longer than the sweep's grace."""

    code = "PL347"


class BadLayout(LakeError):
    """A table cannot be divided or sorted so."""

    code = "PL245"
    exit_status = 2


class NamespaceInUse(LakeError):
    """The namespace has tables, so it stays."""

    code = "PL246"


class BadProperty(LakeError):
    """A property that Pilotline itself sets."""

    code = "PL247"
    exit_status = 2


class FilesElsewhere(LakeError):
    """Files of a table name each other by the place where the lake lay before, so no other engine would find them."""

    code = "PL248"


class LakeTooNew(LakeError):
    """The lake was written by a newer Pilotline."""

    code = "PL218"


class UpgradeWaits(LakeError):
    """Processes of an older Pilotline are at work on tables that they could not use any more afterwards."""

    code = "PL591"

    def __init__(self, where: str, older: Sequence[str]) -> None:
        super().__init__(
            f"the upgrade of {where} waits for what an older Pilotline still does there: {', '.join(older)}",
            try_next="stop or upgrade them: pilotline lake schema names them; one that died counts as gone after its lease",
            path=where,
            processes=list(older),
        )


class NotItsParent(LakeError):
    """A branch is published onto the branch that it was opened on, and no other."""

    code = "PL219"


class NotATable(LakeError):
    """The value cannot be a table."""

    code = "PL220"


class BadKeys(LakeError):
    """Keys to merge on that are missing, NULL, or not unique in what is written."""

    code = "PL221"


class QueryFailed(LakeError):
    """The SQL could not be run."""

    code = "PL230"
    exit_status = 2


class LakeDamaged(LakeError):
    """A file that the catalog points at is not there or cannot be read."""

    code = "PL240"


class RowsWent(LakeError):
    """Rows of a table went or changed since a commit, where what came to it is asked for alone."""

    code = "PL249"

    def __init__(self, name: TableName, since: str, removed: int) -> None:
        super().__init__(
            f"{plural(removed, 'row')} of {name} went or changed since {since}:"
            " what came to it is not all that happened",
            try_next=f"pilotline show {name.name} --since {since} shows both; read the whole table",
            table=str(name),
            removed=removed,
        )
        self.removed = removed


class NoRoom(LakeError):
    """The disk under the lake is full, or may not be written to."""

    code = "PL250"

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"{what} cannot be written: {why}; nothing was changed",
            try_next="make room, or see who may write there, and do it again",
            path=what,
        )
        self.what = what
        self.why = why
