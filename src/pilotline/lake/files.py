"""Iceberg tables as immutable files: a metadata file describes one state of a table, and a change writes a new one.

Nothing here knows branches or commits; nothing here deletes a file. A state holds one snapshot only, since the history
of a table is in the catalog: so the cost of a change does not grow with their number. Parts of pyiceberg that are not
public are used (``_dataframe_to_data_files``, ``_pyarrow_to_schema_without_ids``), which is why its minor version is held.
"""

from __future__ import annotations

import json
import secrets
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from pilotline.domain.errors import PilotlineError, did_you_mean
from pilotline.domain.tables import Column, SetComment, SetLayout, SetOwner, SetProperty, SnapshotId
from pilotline.lake.crash import reached
from pilotline.lake.errors import BadProperty, LakeDamaged, NoSuchColumn, NotATable
from pilotline.lake.layout import partition_spec, sort_columns, sort_order
from pilotline.lake.schemas import arrow_schema_of, evolve
from pilotline.lake.storage import moved

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestEntry, ManifestFile
    from pyiceberg.partitioning import PartitionField
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.sorting import SortField

    from pilotline.domain.tables import TableChange, TableName
    from pilotline.lake.arrow_types import ArrowBatch, ArrowSchema, ArrowTable
    from pilotline.lake.storage import Storage

__all__ = ["NOTES", "Files", "Part", "Staged"]

#: The table property that keeps what the data was as a frame.
NOTES: Final = "pilotline.frame"
#: Those that keep what people say, under the names that other engines know where there are any.
_COMMENT: Final = "comment"
_OWNER: Final = "owner"
_COLUMN_OWNER: Final = "pilotline.column-owner."

_PROPERTIES: Final = {
    "write.parquet.compression-codec": "zstd",
    # Bytes of Arrow, which pyiceberg measures by: a fifth to a half of it on the disk.
    "write.target-file-size-bytes": str(256 * 1024 * 1024),
    # The level that Parquet's own writer takes: a few percent larger, a sixth faster.
    "write.parquet.compression-level": "1",
    # Arrow's own limit: twice as much costs a fifth of the time on columns of many values.
    "write.parquet.dict-size-bytes": "1048576",
    "write.metadata.previous-versions-max": "1",
    # Branches share files, so no client may delete one that it no longer needs.
    "write.metadata.delete-after-commit.enabled": "false",
    "gc.enabled": "false",
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "20",
}
#: What no one may set: it would let another engine delete files that branches share, or make the lake forget.
_OUR_PROPERTIES: Final = {
    "write.metadata.previous-versions-max",
    "write.metadata.delete-after-commit.enabled",
    "gc.enabled",
}
#: More manifests than this are written together at the next change.
_MANY_MANIFESTS: Final = 32
#: So many files are read ahead; it bounds memory.
_READ_AHEAD: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A new state of a table on disk that no catalog points at yet."""

    metadata_location: str
    snapshot: SnapshotId
    rows: int
    columns: tuple[Column, ...]
    operation: Literal["append", "replace"]
    comment: str = ""
    owner: str = ""
    schema_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that a state of a table is made of."""

    #: From the root.
    path: str
    #: In full, as other files name it: under the root that the lake had then.
    written: str
    #: Bytes, where it is written down.
    size: int | None = None
    #: Of a data file.
    rows: int | None = None
    #: Of a manifest: the rows of all data files that it lists.
    listed_rows: int | None = None


class Files:
    """The files of tables.

    Args:
        storage: where they are; metadata locations handed in and out are paths from its root.
        former: roots that they were under before: files written there name each other in full.
    """

    def __init__(self, storage: Storage, former: Sequence[str] = ()) -> None:
        self.storage = storage
        self._former = tuple(place for place in former if place != storage.root)
        self._io: FileIO | None = None
        self._load = lru_cache(maxsize=256)(self._load_now)

    @property
    def io(self) -> FileIO:
        """Opens files by the paths that metadata names."""
        if self._io is None:
            self._io = self.storage.io(self._former)
        return self._io

    def load(self, location: str) -> TableMetadata:
        """The metadata in a file; it never changes.

        Raises:
            LakeDamaged: the file is not there or cannot be read.
        """
        return self._load(location)

    def notes(self, location: str) -> Mapping[str, Any] | None:
        """What the table was as a frame, read without pyiceberg."""
        with _undamaged(location):
            properties = self.document(location)["properties"]
            return json.loads(properties[NOTES]) if NOTES in properties else None

    def document(self, location: str) -> dict[str, Any]:
        """The metadata in a file as it stands there, read without pyiceberg.

        Raises:
            LakeDamaged: the file is not there or cannot be read.
        """
        with _undamaged(location):
            return json.loads(self.storage.read(location))

    # -- Writing -------------------------------------------------------------------------------------------------------

    def prepare(
        self,
        before: str | None,
        name: TableName,
        incoming: ArrowSchema,
        *,
        whole: bool,
        allow_schema_change: bool,
        partition_by: str | None = None,
        layout: SetLayout | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> tuple[TableMetadata, tuple[str, ...]]:
        """Metadata whose schema fits what is coming, still without it; and what that changed in words.

        ``before`` is the state to start from, None for a new table; ``whole`` says that nothing of it stays. The values
        of ``partition_by`` get files of their own, where the table is new; ``layout`` is for new and old ones.

        Raises:
            SchemaChanged: more than new columns and wider types, and it is not allowed.
            BadLayout: a table cannot be divided or sorted so.
            NotATable: a column has a type that a table cannot hold.
        """
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER_ID

        old = self.load(before) if before else None
        schema, changes = evolve(old.schema() if old else None, incoming, whole=whole, allow=allow_schema_change)
        if old is None or _is_lost(schema, old.spec().fields):
            said = old.properties if old is not None else {}
            new = self._new_metadata(name, schema, None if layout else partition_by, notes, said)
            return (new if layout is None else _changed(new, layout)), changes
        change = _updates()
        updates: list[Any] = []
        if schema.as_struct() != old.schema().as_struct():
            number = max(each.schema_id for each in old.schemas) + 1
            schema = schema.model_copy(update={"schema_id": number})
            updates += [change.AddSchemaUpdate(schema=schema), change.SetCurrentSchemaUpdate(schema_id=-1)]
            if _is_lost(schema, old.sort_order().fields):
                updates.append(change.SetDefaultSortOrderUpdate(sort_order_id=UNSORTED_SORT_ORDER_ID))
                changes = (*changes, "is no longer sorted: a column that it was sorted by is gone")
        if notes is not None:
            updates.append(change.SetPropertiesUpdate(updates={NOTES: json.dumps(notes)}))
        elif NOTES in old.properties:
            updates.append(change.RemovePropertiesUpdate(removals=[NOTES]))
        after: TableMetadata = change.update_table_metadata(old, tuple(updates)) if updates else old
        return (after if layout is None else _changed(after, layout)), changes

    def _new_metadata(
        self,
        name: TableName,
        schema: Schema,
        partition_by: str | None,
        notes: Mapping[str, Any] | None,
        said: Mapping[str, str],
    ) -> TableMetadata:
        """The metadata of a table that begins afresh, with what was said of the one that had its name."""
        from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
        from pyiceberg.table.metadata import new_table_metadata
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
        from pyiceberg.transforms import IdentityTransform

        spec = UNPARTITIONED_PARTITION_SPEC
        if partition_by is not None and schema.find_field(partition_by).field_type.is_primitive:
            source = schema.find_field(partition_by).field_id
            spec = PartitionSpec(
                PartitionField(source_id=source, field_id=1000, transform=IdentityTransform(), name=partition_by)
            )
        # The random part keeps a table that is made again after a drop out of the old one's folder.
        folder = f"{self.storage.root}/tables/{name.namespace}/{name.name}-{secrets.token_hex(4)}"
        properties = {**_PROPERTIES, **said}
        properties.pop(NOTES, None)
        if notes is not None:
            properties[NOTES] = json.dumps(notes)
        return new_table_metadata(
            schema=schema,
            partition_spec=spec,
            sort_order=UNSORTED_SORT_ORDER,
            location=folder,
            properties=properties,
        )

    def write_data(self, metadata: TableMetadata, data: ArrowTable) -> list[DataFile]:
        """Write rows as Parquet files that nothing names yet.

        Raises:
            NotATable: a day or an instant lies outside the years that readers know.
        """
        from pyiceberg.io.pyarrow import _dataframe_to_data_files  # pyright: ignore[reportPrivateUsage]

        if data.num_rows == 0 or data.num_columns == 0:
            return []
        order = sort_columns(metadata)
        if order:
            data = data.sort_by(order)
        with self.storage.errors():
            try:
                files = list(_dataframe_to_data_files(metadata, data, self.io, write_uuid=uuid.uuid4()))
            except OverflowError as error:
                raise NotATable(
                    f"a day or an instant lies outside the years 1 to 9999: {error}",
                    try_next="leave it out, or write it as a number",
                ) from error
            for file in files:
                self.storage.flush(self._here(file.file_path))
        reached("data-written")
        return files

    def stage(
        self,
        metadata: TableMetadata,
        added: Sequence[ManifestEntry | DataFile],
        *,
        keep: Sequence[ManifestEntry] | Literal["all"],
        schema_changes: tuple[str, ...] = (),
    ) -> Staged:
        """Write the manifests and the metadata of the state that holds what is kept, then what was added.

        Among the added there may be entries of files that are there already, where the order of all of them matters.
        """
        with self.storage.errors():
            return self._stage(metadata, added, keep=keep, schema_changes=schema_changes)

    def _stage(
        self,
        metadata: TableMetadata,
        added: Sequence[ManifestEntry | DataFile],
        *,
        keep: Sequence[ManifestEntry] | Literal["all"],
        schema_changes: tuple[str, ...],
    ) -> Staged:
        from pyiceberg.manifest import DataFile
        from pyiceberg.table.refs import SnapshotRefType
        from pyiceberg.table.snapshots import Operation, Summary

        change = _updates()
        snapshot_id = metadata.new_snapshot_id()
        sequence = metadata.next_sequence_number()
        kept = self._kept_manifests(metadata, keep, snapshot_id)
        manifests = [*kept, *self._manifests(metadata, added, snapshot_id)]
        new = [file for file in added if isinstance(file, DataFile)]
        manifest_list = self._manifest_list(metadata, manifests, snapshot_id, sequence)
        reached("manifests-written")
        old = metadata.current_snapshot()
        rows = sum(manifest.added_rows_count or 0 for manifest in manifests if manifest.content == 0)
        rows += sum(manifest.existing_rows_count or 0 for manifest in manifests if manifest.content == 0)
        summary = {
            "added-data-files": str(len(new)),
            "added-records": str(sum(file.record_count for file in new)),
            "total-data-files": str(
                sum((each.added_files_count or 0) + (each.existing_files_count or 0) for each in manifests)
            ),
            "total-records": str(rows),
        }
        snapshot = change.Snapshot(
            snapshot_id=snapshot_id,
            parent_snapshot_id=old.snapshot_id if old else None,
            sequence_number=sequence,
            manifest_list=manifest_list,
            summary=Summary(Operation.APPEND if keep == "all" else Operation.OVERWRITE, **summary),
            schema_id=metadata.current_schema_id,
        )
        updates: list[Any] = [
            change.AddSnapshotUpdate(snapshot=snapshot),
            change.SetSnapshotRefUpdate(ref_name="main", type=SnapshotRefType.BRANCH, snapshot_id=snapshot_id),
        ]
        if metadata.snapshots:
            updates.append(change.RemoveSnapshotsUpdate(snapshot_ids=[each.snapshot_id for each in metadata.snapshots]))
        after: TableMetadata = change.update_table_metadata(metadata, tuple(updates))
        return self._staged(
            after,
            sequence,
            snapshot=SnapshotId(str(snapshot_id)),
            rows=rows,
            operation="append" if keep == "all" else "replace",
            schema_changes=schema_changes,
        )

    def _staged(
        self,
        metadata: TableMetadata,
        version: int,
        *,
        snapshot: SnapshotId,
        rows: int,
        operation: Literal["append", "replace"],
        schema_changes: tuple[str, ...] = (),
    ) -> Staged:
        """Write the metadata, and tell of the state what the catalog keeps."""
        return Staged(
            metadata_location=self._write_metadata(metadata, version),
            snapshot=snapshot,
            rows=rows,
            columns=columns_of(metadata.schema(), metadata.properties),
            comment=metadata.properties.get(_COMMENT, ""),
            owner=metadata.properties.get(_OWNER, ""),
            operation=operation,
            schema_changes=schema_changes,
        )

    def restate(self, location: str, changes: Sequence[TableChange], *, rows: int, snapshot: SnapshotId) -> Staged:
        """The same rows with other things said of them, or with another layout for the files that come.

        Raises:
            NoSuchColumn: a change is about a column that is not there.
            BadLayout: a table cannot be divided or sorted so.
            BadProperty: a property is one that Pilotline itself sets.
        """
        metadata = self.load(location)
        for change in changes:
            metadata = _changed(metadata, change)
        version = metadata.next_sequence_number() - 1
        with self.storage.errors():
            return self._staged(metadata, version, snapshot=snapshot, rows=rows, operation="replace")

    def rebase(self, theirs: str, ours: str, added: Sequence[DataFile]) -> Staged:
        """The state ``theirs`` with files that were added to an earlier state of the same table in ``ours``.

        Both sides may have added columns: these must have come to the same ids, or the files would be misread.

        Raises:
            NotATable: they did not.
        """
        onto, from_ = self.load(theirs), self.load(ours)
        if onto.schema().as_struct() != from_.schema().as_struct() or onto.spec().fields != from_.spec().fields:
            raise NotATable(
                "both sides appended, and one changed the schema", try_next="run again on a fresh branch", table=theirs
            )
        return self.stage(onto, added, keep="all")

    def _kept_manifests(
        self, metadata: TableMetadata, keep: Sequence[ManifestEntry] | Literal["all"], snapshot_id: int
    ) -> list[ManifestFile]:
        if keep == "all":
            snapshot = metadata.current_snapshot()
            manifests = list(snapshot.manifests(self.io)) if snapshot else []
            if len(manifests) <= _MANY_MANIFESTS or any(each.content != 0 for each in manifests):
                return manifests
            keep = self.entries(metadata)
        return self._manifests(metadata, keep, snapshot_id)

    def _manifests(
        self, metadata: TableMetadata, entries: Sequence[ManifestEntry | DataFile], snapshot_id: int
    ) -> list[ManifestFile]:
        """A manifest for each division of the table, with the files in this order."""
        from pyiceberg.manifest import DataFile, write_manifest

        def spec_of(entry: ManifestEntry | DataFile) -> int:
            return metadata.default_spec_id if isinstance(entry, DataFile) else entry.data_file.spec_id

        written: list[ManifestFile] = []
        for spec_id in dict.fromkeys(map(spec_of, entries)):
            output = self.io.new_output(f"{metadata.location}/metadata/{uuid.uuid4()}-m0.avro")
            with write_manifest(
                2, metadata.specs()[spec_id], metadata.schema(), output, snapshot_id, "deflate"
            ) as writer:
                for entry in entries:
                    if spec_of(entry) != spec_id:
                        continue
                    if isinstance(entry, DataFile):
                        writer.add(_added(entry, snapshot_id))
                    else:
                        writer.existing(entry)
            written.append(writer.to_manifest_file())
            self.storage.flush(output.location)
        return written

    def _manifest_list(
        self, metadata: TableMetadata, manifests: Sequence[ManifestFile], snapshot_id: int, sequence: int
    ) -> str:
        from pyiceberg.manifest import write_manifest_list

        location = f"{metadata.location}/metadata/snap-{snapshot_id}-0-{uuid.uuid4()}.avro"
        parent = metadata.current_snapshot_id
        output = self.io.new_output(location)
        with write_manifest_list(2, output, snapshot_id, parent, sequence, "deflate") as writer:
            writer.add_manifests(list(manifests))
        self.storage.flush(location)
        return location

    def _write_metadata(self, metadata: TableMetadata, version: int) -> str:
        from pyiceberg.serializers import ToOutputFile

        location = f"{metadata.location}/metadata/{version:05d}-{uuid.uuid4()}.metadata.json"
        ToOutputFile.table_metadata(metadata, self.io.new_output(location))
        self.storage.flush(location)
        reached("metadata-written")
        return location[len(self.storage.root) + 1 :]

    # -- Reading -------------------------------------------------------------------------------------------------------

    def entries(self, metadata: TableMetadata) -> list[ManifestEntry]:
        """The data files of a state with their place in its history, in the table's order."""
        snapshot = metadata.current_snapshot()
        if snapshot is None:
            return []
        with _undamaged(str(metadata.location)), self.storage.errors():
            return [
                entry
                for manifest in snapshot.manifests(self.io)
                if manifest.content == 0
                for entry in manifest.fetch_manifest_entry(self.io)
            ]

    def plan(self, metadata: TableMetadata, where: BooleanExpression | None = None) -> list[FileScanTask]:
        """The files that can hold rows for which ``where`` is true, in the table's order."""
        from pyiceberg.expressions import AlwaysTrue
        from pyiceberg.table import DataScan

        if metadata.current_snapshot() is None:
            return []
        with _undamaged(str(metadata.location)), self.storage.errors():
            return list(DataScan(metadata, self.io, row_filter=where or AlwaysTrue()).plan_files())

    def read(
        self,
        metadata: TableMetadata,
        tasks: Iterable[FileScanTask],
        columns: Sequence[str],
        where: BooleanExpression | None = None,
    ) -> Iterator[ArrowBatch]:
        """Batches of some columns, as the table's schema has them now. ``where`` may let more through than it says."""
        from pyiceberg.expressions import AlwaysTrue
        from pyiceberg.io.pyarrow import ArrowScan

        chosen = metadata.schema().select(*columns)
        scan = ArrowScan(metadata, self.io, chosen, where or AlwaysTrue())
        rest = iter(tasks)
        with _undamaged(str(metadata.location)), self.storage.errors():
            while window := list(islice(rest, _READ_AHEAD)):
                yield from scan.to_record_batches(window)

    def dataset(self, metadata: TableMetadata) -> Any | None:
        """The data files as a data set of Arrow's, of which an engine reads what it needs; None where that would misread.

        A data set finds columns by their names. A column cannot be renamed, and one that is gone stays out of all files
        that stay, so a name means one column; but names that Avro does not allow are written as others, and rows that
        another engine deleted are still in the files.
        """
        import pyarrow.dataset as ds
        from pyiceberg.schema import sanitize_column_names

        schema = metadata.schema()
        tasks = self.plan(metadata)
        if sanitize_column_names(schema) != schema or any(task.delete_files for task in tasks):
            return None
        form: Any = ds.ParquetFileFormat()
        fragments: list[Any] = []
        filesystem: Any = None
        for task in tasks:
            scheme, place, path = self.io.parse_location(self._here(task.file.file_path))  # pyright: ignore[reportAttributeAccessIssue]
            filesystem = self.io.fs_by_scheme(scheme, place)  # pyright: ignore[reportAttributeAccessIssue]
            fragments.append(form.make_fragment(path, filesystem=filesystem))
        return ds.FileSystemDataset(fragments, arrow_schema_of(schema), form, filesystem) if fragments else None

    def read_back(
        self, metadata: TableMetadata, files: Sequence[DataFile], columns: Sequence[str]
    ) -> Iterator[ArrowBatch]:
        """The rows of data files that no state names yet."""
        from pyiceberg.table import FileScanTask

        for file in files:
            file.spec_id = metadata.default_spec_id  # a manifest would say it
        return self.read(metadata, (FileScanTask(file) for file in files), columns)

    def parts(self, location: str, seen: dict[str, int] | None = None) -> Iterator[Part]:
        """The other files that a state is made of, each manifest after what it lists.

        Args:
            location: of the state's metadata.
            seen: manifests that need not be read again, with the rows of the data files that they list: these files are
                left out. Those that are read are added, so that states that share manifests read each once.

        Raises:
            LakeDamaged: one that lists others is not there or cannot be read.
        """
        snapshot = self.load(location).current_snapshot()
        if snapshot is None:
            return
        seen = {} if seen is None else seen
        there = self._part(snapshot.manifest_list)
        yield there
        with _undamaged(there.path), self.storage.errors():
            manifests = snapshot.manifests(self.io)
        for manifest in manifests:
            if manifest.manifest_path not in seen:
                listed = self._listed(manifest)
                yield from listed
                seen[manifest.manifest_path] = sum(part.rows or 0 for part in listed)
            listed_rows = seen[manifest.manifest_path]
            yield self._part(manifest.manifest_path, size=manifest.manifest_length, listed_rows=listed_rows)

    def _listed(self, manifest: ManifestFile) -> list[Part]:
        with _undamaged(self._part(manifest.manifest_path).path), self.storage.errors():
            files = [entry.data_file for entry in manifest.fetch_manifest_entry(self.io)]
            return [
                self._part(
                    file.file_path,
                    size=file.file_size_in_bytes,
                    rows=file.record_count if manifest.content == 0 else None,
                )
                for file in files
            ]

    def _part(
        self, written: str, *, size: int | None = None, rows: int | None = None, listed_rows: int | None = None
    ) -> Part:
        path = self._here(written)[len(self.storage.root) + 1 :]
        return Part(path=path, written=written, size=size, rows=rows, listed_rows=listed_rows)

    def count_rows(self, path: str) -> int | None:
        """The rows of a data file, each value read; None where one cannot be."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.storage.errors(), self.io.new_input(f"{self.storage.root}/{path}").open() as file:
                return sum(batch.num_rows for batch in pq.ParquetFile(pa.PythonFile(file, mode="r")).iter_batches())
        except (OSError, pa.ArrowException):
            return None

    # -- Places --------------------------------------------------------------------------------------------------------

    def _load_now(self, location: str) -> TableMetadata:
        from pyiceberg.serializers import FromInputFile

        with _undamaged(location), self.storage.errors():
            metadata = FromInputFile.table_metadata(self.io.new_input(f"{self.storage.root}/{location}"))
        folder = self._here(metadata.location)
        return metadata if folder == metadata.location else metadata.model_copy(update={"location": folder})

    def _here(self, location: str) -> str:
        return moved(location, self.storage.root, self._former)


def columns_of(schema: Schema, properties: Mapping[str, str] = MappingProxyType({})) -> tuple[Column, ...]:
    """The columns in Iceberg's words, with what was said of them."""
    return tuple(
        Column(
            name=field.name,
            type=str(field.field_type),
            nullable=not field.required,
            comment=field.doc or "",
            owner=properties.get(f"{_COLUMN_OWNER}{field.name}", ""),
        )
        for field in schema.fields
    )


def _added(file: DataFile, snapshot_id: int) -> ManifestEntry:
    from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus

    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED,
        snapshot_id=snapshot_id,
        sequence_number=None,
        file_sequence_number=None,
        data_file=file,
    )


def _changed(metadata: TableMetadata, change: TableChange) -> TableMetadata:
    update = _updates()
    updates: list[Any] = []
    match change:
        case SetComment(text=text, column=column):
            if column is None:
                updates.append(_property(_COMMENT, text or None))
            else:
                updates += _commented(metadata, column, text)
        case SetOwner(owner=owner, column=column):
            if column is not None:
                _known(metadata, column)
            updates.append(_property(_OWNER if column is None else f"{_COLUMN_OWNER}{column}", owner or None))
        case SetProperty(name=name, value=value):
            if name in {NOTES, _COMMENT, _OWNER, *_OUR_PROPERTIES} or name.startswith(_COLUMN_OWNER):
                raise BadProperty(
                    f"'{name}' is a property that Pilotline itself sets", try_next="choose another name", name=name
                )
            updates.append(_property(name, value))
        case SetLayout(partition_by=partition_by, sort_by=sort_by):
            updates += _laid_out(metadata, partition_by, sort_by)
        case _:
            assert_never(change)
    return update.update_table_metadata(metadata, tuple(updates))


def _commented(metadata: TableMetadata, column: str, text: str) -> list[Any]:
    _known(metadata, column)
    fields = [
        field.model_copy(update={"doc": text or None}) if field.name == column else field
        for field in metadata.schema().fields
    ]
    update = _updates()
    schema = type(metadata.schema())(*fields, schema_id=max(each.schema_id for each in metadata.schemas) + 1)
    return [update.AddSchemaUpdate(schema=schema), update.SetCurrentSchemaUpdate(schema_id=-1)]


def _laid_out(metadata: TableMetadata, partition_by: Sequence[str], sort_by: Sequence[str]) -> list[Any]:
    update = _updates()
    spec, order = partition_spec(metadata, partition_by), sort_order(metadata, sort_by)
    divided = [(field.source_id, str(field.transform)) for field in spec.fields]
    specs = {
        each.spec_id: [(field.source_id, str(field.transform)) for field in each.fields]
        for each in metadata.partition_specs
    }
    there = next((number for number, fields in specs.items() if fields == divided), None)
    updates: list[Any] = [] if there is not None else [update.AddPartitionSpecUpdate(spec=spec)]
    updates.append(update.SetDefaultSpecUpdate(spec_id=-1 if there is None else there))
    known = next((each.order_id for each in metadata.sort_orders if list(each.fields) == list(order.fields)), None)
    if known is None:
        updates.append(update.AddSortOrderUpdate(sort_order=order))
    updates.append(update.SetDefaultSortOrderUpdate(sort_order_id=-1 if known is None else known))
    return updates


def _property(name: str, value: str | None) -> Any:
    if value is None:
        return _updates().RemovePropertiesUpdate(removals=[name])
    return _updates().SetPropertiesUpdate(updates={name: value})


def _known(metadata: TableMetadata, column: str) -> None:
    names = [field.name for field in metadata.schema().fields]
    if column not in names:
        raise NoSuchColumn(
            f"there is no column '{column}'.{did_you_mean(column, names)}",
            try_next="pilotline show TABLE",
            column=column,
        )


def _is_lost(schema: Schema, fields: Iterable[PartitionField | SortField]) -> bool:
    """Whether a column is gone that files are divided, or sorted, by: the first wants a table afresh."""
    ids = {field.field_id for field in schema.fields}
    return any(field.source_id not in ids for field in fields)


def _updates() -> Any:
    """Changes of metadata, as values; untyped, since its models are built by names that they alias."""
    from pyiceberg.table import update

    return update


@contextmanager
def _undamaged(location: str) -> Generator[None]:
    """A block that reads files that nobody changes: where it fails, one is damaged, whatever the decoder stumbled over."""
    try:
        yield
    except (PilotlineError, MemoryError):
        raise
    except Exception as error:
        what = str(error).strip() or type(error).__name__
        raise LakeDamaged(
            f"a file that the catalog points at cannot be read: {location} ({what})",
            try_next="restore it from a backup, or read the table at an earlier commit",
            location=location,
        ) from error


def refuse_nothing_to_hold(columns: int, rows: int) -> None:
    """Refuse rows without columns: a table would forget their number.

    Raises:
        NotATable: there are rows and no column.
    """
    if rows and not columns:
        raise NotATable(
            f"{rows} rows without a column cannot be a table", try_next="keep the index as a column", rows=rows
        )
