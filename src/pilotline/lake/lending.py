"""Tables for other engines: what one needs to read a table's files by itself, at a commit.

Nothing governs what an engine does with files that it was told of, so only who may see all of a table gets this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.access import NotAllowed
from pilotline.lake.errors import FilesElsewhere, LakeDamaged
from pilotline.lake.ledger import SQL, held
from pilotline.lake.storage import S3Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        try:
            metadata = json.loads(self._lake.storage.read(location))
        except (OSError, ValueError) as error:
            raise _damaged(location, error) from error
        # What was written at a place that is a link to this one is still called by that.
        metadata["location"] = self._lake.files.load(location).location
        return Lent(
            metadata_location=f"{self._lake.storage.root}/{location}", metadata=metadata, storage=self._storage()
        )

    def _storage(self) -> dict[str, str]:
        storage = self._lake.storage
        if not isinstance(storage, S3Storage):
            return {}
        settings: dict[str, str] = {}
        if storage.place.endpoint is not None:
            settings |= {"s3.endpoint": storage.place.endpoint, "s3.path-style-access": "true"}
        if storage.place.region is not None:
            settings |= {"s3.region": storage.place.region, "client.region": storage.place.region}
        return settings

    def _file_elsewhere(self, location: str) -> str | None:
        root = self._lake.storage.root
        with self._lake.database.reading() as tx:
            places: list[str] = [row[0] for row in tx.execute(SQL["list_places"])]
        former = [place for place in places if not _same_folder(place, root)]
        if not former:
            return None
        there = tuple(f"{place}/" for place in former)
        try:
            return next((path for path in self._paths(location) if path.startswith(there)), None)
        except (OSError, ValueError) as error:
            raise _damaged(location, error) from error

    def _paths(self, location: str) -> Iterator[str]:
        """All that the files of a state are called by each other."""
        files = self._lake.files
        snapshot = files.load(location).current_snapshot()
        if snapshot is None:
            return
        yield snapshot.manifest_list
        with self._lake.storage.errors():
            for manifest in snapshot.manifests(files.io):
                yield manifest.manifest_path
                for entry in manifest.fetch_manifest_entry(files.io):
                    yield entry.data_file.file_path


def _same_folder(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _damaged(location: str, error: Exception) -> LakeDamaged:
    return LakeDamaged(
        f"a file that the catalog points at cannot be read: {location} ({error})",
        try_next="restore it from a backup, or read the table at an earlier commit",
        location=location,
    )
