"""Which rows of a table make room for what is written: by partition, or by keys. Files without such rows stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilotline.lake.arrow_types import compute
from pilotline.lake.errors import BadKeys, NoSuchColumn
from pilotline.lake.parts import fitted, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile, ManifestEntry
    from pyiceberg.table import FileScanTask
    from pyiceberg.table.metadata import TableMetadata

    from pilotline.domain.access import Filter
    from pilotline.domain.tables import TableName
    from pilotline.lake.arrow_types import ArrowArray, ArrowSchema, ArrowTable
    from pilotline.lake.files import Files

__all__ = ["Room", "check_key_columns", "check_keys", "compacted", "make_room", "without_rows"]

#: A file of fewer bytes is joined to its neighbours.
SMALL_FILE = 32 * 1024 * 1024
#: More values than this are looked for by their smallest and greatest.
_MANY_VALUES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What stays of a table: whole files, and what was left of the others in new files."""

    kept: tuple[ManifestEntry, ...]
    rewritten: tuple[DataFile, ...]
    #: Rows that do not stay.
    gone: int


def check_key_columns(name: TableName, schema: ArrowSchema, keys: Sequence[str]) -> None:
    """Refuse columns by whose values rows cannot be told apart.

    Raises:
        NoSuchColumn: what is written has no such column.
        BadKeys: there is none, one is named twice, or it holds lists or structs.
    """
    from pyarrow import types

    correct = "correct the keys or the partition in the contract"
    for key in keys:
        if key not in schema.names:
            raise NoSuchColumn(
                f"what is written to {name} has no column '{key}' to tell its rows apart by",
                try_next=correct,
                column=key,
            )
        if types.is_nested(schema.field(key).type):
            raise BadKeys(
                f"{key} of {name} is {schema.field(key).type}, and rows are told apart by plain values",
                try_next=correct,
                column=key,
            )
    if not keys or len(set(keys)) < len(keys):
        raise BadKeys(f"the keys of {name} must be one column or more, each once", try_next=correct, keys=list(keys))


def check_keys(name: TableName, data: ArrowTable, keys: Sequence[str]) -> None:
    """Refuse keys that do not name one row each.

    Raises:
        NoSuchColumn: ``data`` has no such column.
        BadKeys: a key is NULL, occurs twice, or cannot be one.
    """
    check_key_columns(name, data.schema, keys)
    for key in keys:
        if data.column(key).null_count:
            raise BadKeys(
                f"{data.column(key).null_count} rows for {name} have no {key}, which is a key",
                try_next="drop these rows or fill the key",
                column=key,
            )
    distinct = _distinct(data, keys).num_rows
    if distinct != data.num_rows:
        raise BadKeys(
            f"{data.num_rows - distinct} rows for {name} repeat the key ({', '.join(keys)}) of another",
            try_next="keep one row a key, or merge on more columns",
            keys=list(keys),
        )


def make_room(files: Files, metadata: TableMetadata, keys: Sequence[str], coming: ArrowTable) -> Room:
    """Find the files whose rows share ``keys`` with what is coming, and write them again without these rows.

    ``metadata`` has the schema that the table will have, ``coming`` its types.
    """
    wanted = _distinct(coming, keys)
    suspected = _may_hold(metadata, keys, coming)
    return _without(files, metadata, suspected, keys, lambda there: _shares(_one_zero(there), wanted))


def _distinct(data: ArrowTable, keys: Sequence[str]) -> ArrowTable:
    return _one_zero(data.select(list(keys))).group_by(list(keys)).aggregate([]).select(list(keys))


def _one_zero(data: ArrowTable) -> ArrowTable:
    """The rows with 0.0 for -0.0: to every reader's eyes the two are equal, and to Arrow's hashes they are not."""
    from pyarrow import types

    pc = compute()
    for place, field in enumerate(data.schema):
        if types.is_floating(field.type):
            data = data.set_column(place, field, pc.add(data.column(place), pc.cast(0.0, field.type)))
    return data


def without_rows(files: Files, metadata: TableMetadata, where: Filter) -> Room:
    """What stays where the rows for which ``where`` is true go; files without such rows stay as they are.

    Raises:
        BadFilter: the filter does not fit a column's type.
    """
    from pilotline.domain.access import columns_of
    from pilotline.lake.governing import matching, pushed_down

    schema = metadata.schema()
    looked_at = sorted(columns_of(where)) or schema.column_names
    return _without(files, metadata, pushed_down(where, schema), looked_at, lambda there: matching(where, there))


def _without(
    files: Files,
    metadata: TableMetadata,
    suspected: BooleanExpression | None,
    columns: Sequence[str],
    go: Callable[[ArrowTable], ArrowArray],
) -> Room:
    """What stays where rows go.

    Args:
        files: of the table.
        metadata: of the table.
        suspected: what the files have in common in which such rows may be.
        columns: that are looked at.
        go: says of each row, given these columns, whether it goes.
    """
    from pilotline.lake.schemas import arrow_schema_of, fit

    pc = compute()
    schema = metadata.schema()
    suspects = {task.file.file_path: task for task in files.plan(metadata, suspected)}
    kept: list[ManifestEntry] = []
    rewritten: list[DataFile] = []
    gone = 0
    for entry in files.entries(metadata):
        task = suspects.get(entry.data_file.file_path)
        if task is None:
            kept.append(entry)
            continue
        there = fitted(files.read(metadata, [task], list(columns)), arrow_schema_of(schema.select(*columns))).read_all()
        goes = go(there)
        gone += pc.sum(goes).as_py() or 0
        if not task.delete_files and not pc.any(goes).as_py():
            kept.append(entry)
        elif not pc.all(goes).as_py():
            rows = fitted(files.read(metadata, [task], schema.column_names), arrow_schema_of(schema)).read_all()
            rewritten += files.write_data(metadata, fit(rows.filter(pc.invert(goes)), schema))
        # else all its rows go, and the file is left out
    return Room(kept=tuple(kept), rewritten=tuple(rewritten), gone=gone)


def compacted(files: Files, metadata: TableMetadata) -> list[ManifestEntry | DataFile] | None:
    """The files of a table in its order, runs of small ones joined; None where there is nothing to join.

    Written anew are also files of which rows were deleted by another engine, and those that are divided in another way
    than new files are.
    """
    from pilotline.lake.schemas import arrow_schema_of, fit

    tasks = {task.file.file_path: task for task in files.plan(metadata)}
    schema = arrow_schema_of(metadata.schema())
    ordered: list[ManifestEntry | DataFile] = []
    run: list[ManifestEntry] = []
    joined = False

    def join() -> bool:
        """Write the run of small files as one, where there is more than one or it must be written anew."""
        anew = any(_is_outdated(entry, tasks, metadata) for entry in run)
        if len(run) > 1 or anew:
            batches = files.read(metadata, [tasks[entry.data_file.file_path] for entry in run], schema.names)
            for part in parts_of(fitted(batches, schema)):
                ordered.extend(files.write_data(metadata, fit(part, metadata.schema())))
        else:
            ordered.extend(run)
        changed = len(run) > 1 or anew
        run.clear()
        return changed

    for entry in files.entries(metadata):
        if entry.data_file.file_size_in_bytes < SMALL_FILE or _is_outdated(entry, tasks, metadata):
            run.append(entry)
        else:
            joined = join() or joined
            ordered.append(entry)
    joined = join() or joined
    return ordered if joined else None


def _is_outdated(entry: ManifestEntry, tasks: Mapping[str, FileScanTask], metadata: TableMetadata) -> bool:
    task = tasks[entry.data_file.file_path]
    return bool(task.delete_files) or entry.data_file.spec_id != metadata.default_spec_id


def _shares(there: ArrowTable, wanted: ArrowTable) -> ArrowArray:
    """Which rows of ``there`` have their keys in ``wanted``; NULL equals NULL."""
    import pyarrow as pa

    pc = compute()

    if there.num_columns == 1:
        values = wanted.column(0).cast(there.column(0).type).combine_chunks()
        return pc.is_in(there.column(0), value_set=values)
    import duckdb

    with duckdb.connect() as engine:
        engine.register("there", there.append_column("__row", pa.array(range(there.num_rows), pa.int64())))
        engine.register("wanted", wanted)
        on = " AND ".join(f"t.{quoted(key)} IS NOT DISTINCT FROM w.{quoted(key)}" for key in wanted.column_names)
        hits: Any = engine.sql(
            f"SELECT __row FROM there t WHERE EXISTS (SELECT 1 FROM wanted w WHERE {on})"
        ).to_arrow_table()
    return pc.is_in(
        pa.chunked_array([pa.array(range(there.num_rows), pa.int64())]), value_set=hits.column(0).combine_chunks()
    )


def _may_hold(metadata: TableMetadata, keys: Sequence[str], coming: ArrowTable) -> BooleanExpression | None:
    """What the files that can share a key have in common, by their smallest and greatest values."""
    from pilotline.domain.access import Compare, In, all_of
    from pilotline.lake.governing import pushed_down

    pc = compute()
    parts: list[Any] = []
    for key in keys:
        column = coming.column(key)
        if column.null_count or not len(column):
            continue
        distinct = column.unique() if len(column) < _MANY_VALUES * 100 else None
        if distinct is not None and len(distinct) <= _MANY_VALUES:
            parts.append(In(key, tuple(distinct.to_pylist())))
            continue
        try:
            ends = pc.min_max(column).as_py()
        except (NotImplementedError, TypeError):
            continue
        parts += [Compare(key, ">=", ends["min"]), Compare(key, "<=", ends["max"])]
    return pushed_down(all_of(*parts), metadata.schema()) if parts else None


def quoted(name: str) -> str:
    """An identifier of the SQL engine."""
    return '"' + name.replace('"', '""') + '"'
