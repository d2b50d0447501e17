"""One write to a table: its rows go into files once, as they stream by, however often the write starts again.

What comes as a reader is never held whole: it is taken in parts of at most the size of a file. Only the values of keys
to merge on, or to replace partitions by, are kept until the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, assert_never

from pilotline.domain.tables import Append, MergeOn, Replace, ReplacePartitions
from pilotline.lake.parts import fitted, parts_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table.metadata import TableMetadata

    from pilotline.domain.tables import SetLayout, TableName, WriteMode
    from pilotline.lake.arrow_types import ArrowReader, ArrowSchema, ArrowTable
    from pilotline.lake.catalog import FrameNotes
    from pilotline.lake.files import Files, Staged

__all__ = ["Staging"]

#: A new table is divided by a column of at most so many values.
_FEW_VALUES: Final = 1000


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows in files that nothing names yet."""

    #: The metadata that they were written for.
    metadata: TableMetadata
    files: Sequence[DataFile]
    #: Their keys, where the mode asks for some.
    keys: ArrowTable | None


class Staging:
    """Writes rows, and the states of a table that hold them.

    Args:
        files: where to.
        name: of the table.
        data: the rows; a reader is read once.
        mode: what becomes of the rows that are there.
        notes: what the rows were as a frame.
        layout: how the files are divided and sorted from now on; None: as before.

    Raises:
        NoSuchColumn: the rows do not have what the mode names.
        BadKeys: keys to merge on are missing, NULL or not unique.
        NotATable: a column has a type that a table cannot hold.
    """

    def __init__(
        self,
        files: Files,
        name: TableName,
        data: ArrowTable | ArrowReader,
        mode: WriteMode,
        notes: FrameNotes | None,
        layout: SetLayout | None = None,
    ) -> None:
        import pyarrow as pa

        from pilotline.lake.files import refuse_nothing_to_hold
        from pilotline.lake.rewriting import check_key_columns, check_keys

        self._files = files
        self._name = name
        self._mode = mode
        self._notes = notes
        self._layout = layout
        self._keys = _keys_of(mode)
        self._schema: ArrowSchema = data.schema
        by = mode.by if isinstance(mode, ReplacePartitions) else None
        if by is not None:
            check_key_columns(name, self._schema, (by,))
        whole = data if isinstance(data, pa.Table) else None
        if isinstance(mode, MergeOn):
            check_keys(name, self._schema.empty_table() if whole is None else whole, mode.keys)
        self._parts: Iterator[ArrowTable] = iter((whole,)) if whole is not None else parts_of(data)
        first: ArrowTable = next(self._parts, None)
        self._first = self._schema.empty_table() if first is None else first
        refuse_nothing_to_hold(self._first.num_columns, self._first.num_rows)
        self._streams = whole is None
        self._divide = by if by is not None and _divides(self._first.column(by)) else None
        self._rows: _Rows | None = None

    def stage(self, location: str | None) -> Staged:
        """The state of the table that follows the one in ``location``, None for a new table.

        Raises:
            SchemaChanged: more than new columns and wider types, and the mode does not allow it.
            NotATable: a value does not fit its column.
            BadLayout: the table cannot be divided or sorted as asked.
        """
        from pilotline.lake.frames import combine_notes
        from pilotline.lake.rewriting import make_room

        mode, files, notes = self._mode, self._files, self._notes
        whole = isinstance(mode, Replace)
        if location is not None and not whole:
            notes = combine_notes(files.notes(location), notes)
        metadata, changes = files.prepare(
            location,
            self._name,
            self._schema,
            whole=whole,
            allow_schema_change=isinstance(mode, Replace) and mode.allow_schema_change,
            partition_by=self._divide,
            layout=self._layout,
            notes=notes,
        )
        rows = self._rows = self._written(metadata)
        match mode:
            case Replace():
                return files.stage(metadata, rows.files, keep=(), schema_changes=changes)
            case Append():
                return files.stage(metadata, rows.files, keep="all", schema_changes=changes)
            case ReplacePartitions() | MergeOn():
                room = make_room(files, metadata, self._keys, rows.keys)
            case _:
                assert_never(mode)
        return files.stage(metadata, [*room.rewritten, *rows.files], keep=room.kept, schema_changes=changes)

    def _written(self, metadata: TableMetadata) -> _Rows:
        """The rows in files that fit the metadata: those written before, where they do."""
        import pyarrow as pa

        from pilotline.lake.rewriting import check_keys
        from pilotline.lake.schemas import fit

        if self._rows is not None and _fits(self._rows.metadata, metadata):
            return self._rows
        parts = self._again(self._rows) if self._rows is not None else self._all()
        added: list[DataFile] = []
        keys: list[ArrowTable] = []
        for part in parts:
            held = fit(part, metadata.schema())
            added += self._files.write_data(metadata, held)
            if self._keys:
                columns = held.select(list(self._keys))
                merging = isinstance(self._mode, MergeOn)
                keys.append(columns if merging else columns.group_by(list(self._keys)).aggregate([]))
        joined = pa.concat_tables(keys) if keys else None
        if isinstance(self._mode, MergeOn) and self._streams and joined is not None:
            check_keys(self._name, joined, self._keys)
        return _Rows(metadata, added, joined)

    def _all(self) -> Generator[ArrowTable]:
        first, self._first = self._first, self._schema.empty_table()
        yield first
        del first
        yield from self._parts

    def _again(self, rows: _Rows) -> Generator[ArrowTable]:
        """The rows from the files that they are in already: the table got another schema meanwhile."""
        yield self._schema.empty_table()
        yield from parts_of(fitted(self._files.read_back(rows.metadata, rows.files, self._schema.names), self._schema))


def _divides(column: Any) -> bool:
    """Whether files are divided by the values of a column: there are few of them, and each equals itself alone."""
    from pyarrow import types

    return not types.is_floating(column.type) and len(column.unique()) <= _FEW_VALUES


def _keys_of(mode: WriteMode) -> tuple[str, ...]:
    match mode:
        case ReplacePartitions(by=by):
            return (by,)
        case MergeOn(keys=keys):
            return tuple(keys)
        case Replace() | Append():
            return ()
        case _:
            assert_never(mode)


def _fits(before: TableMetadata, now: TableMetadata) -> bool:
    """Whether files that were written for one state can be added to another."""
    return (
        before.location == now.location
        and before.schema().as_struct() == now.schema().as_struct()
        and before.spec() == now.spec()
        and before.sort_order() == now.sort_order()
    )
