"""Tables for other engines: what one needs to read a table's files by itself, at a commit.

Nothing governs what an engine does with files that it was told of, so only who may see all of a table gets this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.access import NotAllowed
from pilotline.lake.errors import FilesElsewhere
from pilotline.lake.ledger import SQL, held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.domain.access import Scope
    from pilotline.domain.tables import TableName
    from pilotline.lake.catalog import Ref
    from pilotline.lake.lake import Lake

__all__ = ["Lender", "Lent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """One state of a table in Iceberg's terms."""

    #: Full name of the file that holds the metadata.
    metadata_location: str
    metadata: Mapping[str, Any]
    #: How the storage is reached, in the words of Iceberg's clients; who one is, is not said.
    storage: Mapping[str, str] = field(default_factory=dict[str, str])


class Lender:
    """Lends the files of a lake's tables.

    Args:
        lake: whose tables.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        #: States that were looked at; their files never change.
        self._all_here: set[str] = set()

    def lend(self, name: TableName, scope: Scope, at: Ref) -> Lent:
        """What an engine needs to read a table as it was at a commit.

        Raises:
            NoSuchTable: not there at that commit.
            NotAllowed: the scope keeps something of the table back.
            Expired: a sweep gave its files up.
            FilesElsewhere: files name each other by a place where the lake lay before.
            LakeDamaged: the metadata cannot be read.
        """
        if scope.restricted:
            raise NotAllowed(
                f"{name} is lent to nobody who may not see all of it",
                try_next="read it with pilotline.read or `pilotline sql`",
                table=str(name),
            )
        pointer = held(self._lake.pointer(name, at))
        location = pointer.metadata_location or ""
        elsewhere = None if location in self._all_here else self._file_elsewhere(location)
        if elsewhere is not None:
            raise FilesElsewhere(
                f"{name} has files from when the lake lay elsewhere, and other engines would look for them there:"
                f" {elsewhere}",
                try_next="write the table again, or let the former place be a link to this one: pilotline explain PL248",
                table=str(name),
                file=elsewhere,
            )
        self._all_here.add(location)
        metadata = self._lake.files.document(location)
        # What was written at a place that is a link to this one is still called by that.
        metadata["location"] = self._lake.files.load(location).location
        storage = self._lake.storage
        return Lent(
            metadata_location=f"{storage.root}/{location}", metadata=metadata, storage=storage.client_settings()
        )

    def _file_elsewhere(self, location: str) -> str | None:
        root = self._lake.storage.root
        with self._lake.database.reading() as tx:
            places: list[str] = [row[0] for row in tx.execute(SQL["list_places"])]
        former = [place for place in places if not _same_folder(place, root)]
        if not former:
            return None
        there = tuple(f"{place}/" for place in former)
        parts = self._lake.files.parts(location)
        return next((part.written for part in parts if part.written.startswith(there)), None)


def _same_folder(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
