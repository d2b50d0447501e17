"""Rows that come as a stream, and need never be in memory all at once: readers, relations, lazy frames.

What a stream's columns become is decided from their types, before the first row; a value that does not fit then is
refused, where a frame in memory would have been looked at first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pilotline.lake.errors import NotATable
from pilotline.lake.frames.coerce import Coercion, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pilotline.lake.arrow_types import ArrowBatch, ArrowReader, ArrowSchema, ArrowType

__all__ = ["Streamed", "to_stream"]

#: Rows that are asked for at once.
_ROWS: Final = 122_880


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Rows as they will be stored."""

    #: To be read once.
    reader: ArrowReader
    coercions: tuple[Coercion, ...]


def to_stream(value: object) -> Streamed:
    """The rows of a reader, scanner or data set of Arrow's, a DuckDB relation, a lazy Polars frame, or any Arrow stream.

    Raises:
        NotATable: it is something else.
    """
    reader = _reader(value)
    names = unique_names(name.strip() for name in reader.schema.names)
    schema, changes = _held(reader.schema, names)
    if schema == reader.schema:
        return Streamed(reader=reader, coercions=())
    import pyarrow as pa

    return Streamed(reader=pa.RecordBatchReader.from_batches(schema, _cast(reader, schema)), coercions=changes)


def _reader(value: Any) -> ArrowReader:
    import pyarrow as pa

    family = type(value).__module__.partition(".")[0].lstrip("_")
    if isinstance(value, pa.RecordBatchReader):
        return value
    if family == "polars" and hasattr(value, "collect_batches"):
        return _from_lazy(value)
    if family == "duckdb" and hasattr(value, "to_arrow_reader"):
        from pilotline.guest.streams import lost_type

        if (lost := lost_type(value)) is not None:
            raise NotATable(f"a table does not hold {lost}", try_next="cast the column before it is written", type=lost)
        return value.to_arrow_reader(_ROWS)
    if family == "pyarrow" and hasattr(value, "scanner"):
        return value.scanner().to_reader()
    if family == "pyarrow" and hasattr(value, "to_reader"):
        return value.to_reader()
    if hasattr(value, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise NotATable(
        f"a {kind} is no stream of rows", try_next="hand over a reader, a relation or a lazy frame", type=kind
    )


def _from_lazy(value: Any) -> ArrowReader:
    """A lazy frame's batches as Polars' streaming engine makes them."""
    import polars as pl
    import pyarrow as pa

    empty = pl.DataFrame(schema=value.collect_schema())
    schema = empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema

    def batches() -> Iterator[ArrowBatch]:
        for frame in value.collect_batches(maintain_order=True):
            yield from frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _held(schema: ArrowSchema, names: list[str]) -> tuple[ArrowSchema, tuple[Coercion, ...]]:
    import pyarrow as pa

    fields: list[Any] = []
    changes: list[Coercion] = []
    for field, name in zip(schema, names, strict=True):
        kind, exact = _kind(field.type)
        if name != field.name:
            changes.append(Coercion(column=name, was=f"column name {field.name!r}", became=repr(name)))
        if kind != field.type:
            changes.append(Coercion(column=name, was=str(field.type), became=str(kind), lossless=exact))
        fields.append(pa.field(name, kind))
    return pa.schema(fields), tuple(changes)


def _kind(kind: ArrowType) -> tuple[ArrowType, bool]:
    """The type that a table holds such values in, and whether that tells all that the type told."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)[0], False
    if types.is_uint64(kind):
        return pa.decimal128(20, 0), True
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz and "UTC"), kind.tz in {None, "UTC"}
    if types.is_time(kind):
        return pa.time64("us"), True
    if types.is_duration(kind):
        return pa.int64(), True
    if types.is_float16(kind):
        return pa.float32(), True
    if types.is_date64(kind):
        return pa.date32(), True
    if hasattr(types, "is_string_view") and types.is_string_view(kind):
        return pa.large_string(), True
    if hasattr(types, "is_binary_view") and types.is_binary_view(kind):
        return pa.large_binary(), True
    return kind, True


def _cast(reader: ArrowReader, schema: ArrowSchema) -> Iterator[ArrowBatch]:
    import pyarrow as pa

    for batch in reader:
        table = pa.Table.from_batches([batch]).rename_columns(schema.names)
        for place, field in enumerate(schema):
            column = table.column(place)
            if column.type == field.type:
                continue
            try:
                table = table.set_column(place, field, column.cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise NotATable(
                    f"a value of column {field.name} does not fit into {field.type}: {error}",
                    try_next="cast the column before it is written",
                    column=field.name,
                ) from error
        yield from table.to_batches()
