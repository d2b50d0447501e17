"""The tables that a run's process hands over: an Arrow or a Parquet file, or a dump of columns where it has no pyarrow."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilotline.guest.dumping import load
from pilotline.guest.streams import open_kind
from pilotline.lake.errors import NotATable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pilotline.lake.arrow_types import ArrowBatch, ArrowReader, ArrowSchema, ArrowTable

__all__ = ["Rows", "rows_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of an output."""

    #: A reader where they came as a stream.
    data: ArrowTable | ArrowReader
    #: What they were as a frame.
    notes: Mapping[str, Any] | None
    #: Types that became others, in words.
    coercions: tuple[str, ...] = ()


def rows_of(output: Mapping[str, Any]) -> Rows:
    """The rows of an output that is a table; those that came as a stream are never in memory all at once.

    Raises:
        NotATable: it holds what no table can.
    """
    match output["form"]:
        case "arrow" | "dump":
            table, notes = _table_of(output)
            return Rows(data=table, notes=notes)
        case "parquet":
            return _streamed(output)
        case "parts":
            return _joined(output["parts"])
        case form:
            raise ValueError(f"a table in the form {form}")


def _table_of(output: Mapping[str, Any]) -> tuple[ArrowTable, Mapping[str, Any] | None]:
    if output["form"] == "arrow":
        import pyarrow as pa

        with pa.memory_map(output["path"]) as source:
            return pa.ipc.open_file(source).read_all(), output["notes"]
    from pilotline.lake.frames import to_table

    tabled = to_table(load(output["path"]))
    return tabled.table, tabled.notes


def _streamed(output: Mapping[str, Any]) -> Rows:
    import pyarrow as pa

    from pilotline.lake.frames import Coercion, to_stream
    from pilotline.lake.parts import fitted

    with _no_table(str(output["name"])):
        reader: Any = open_kind("reader", output["path"])
        schema, changes = reader.schema, list[Coercion]()
        for name in _fit_64_bits(output):
            place = schema.get_field_index(name)
            changes.append(Coercion(column=name, was=str(schema.field(place).type), became="int64"))
            schema = schema.set(place, pa.field(name, pa.int64()))
        streamed = to_stream(fitted(reader, schema) if changes else reader)
    return Rows(
        data=streamed.reader, notes=None, coercions=tuple(str(each) for each in (*changes, *streamed.coercions))
    )


def _fit_64_bits(output: Mapping[str, Any]) -> Sequence[str]:
    """Columns of whole numbers whose type holds more than 64 bits with a sign, and whose values do not need it.

    In a file DuckDB's are decimals; sums are such ones.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(output["path"])
    schema = metadata.schema.to_arrow_schema()
    types: Sequence[str] = output.get("types") or [""] * len(schema)
    wide = [
        field.name
        for field, kind in zip(schema, types, strict=True)
        if kind == "HUGEINT" or str(field.type) == "uint64"
    ]
    if not wide:
        return ()
    found = dict.fromkeys(wide, True)
    for group in range(metadata.num_row_groups):
        for column in map(metadata.row_group(group).column, range(metadata.num_columns)):
            if column.path_in_schema in found:
                known = column.statistics
                empty = known is not None and known.null_count == column.num_values
                fits = known is not None and known.has_min_max and known.min >= -(2**63) and known.max < 2**63
                found[column.path_in_schema] &= empty or fits
    return [name for name, fits in found.items() if fits]


def _joined(parts: Sequence[Mapping[str, Any]]) -> Rows:
    """Frames as one table: a column that is of several types in them is of one that holds them all."""
    import pyarrow as pa

    from pilotline.lake.frames import combine_notes

    schema: ArrowSchema | None = None
    notes: Mapping[str, Any] | None = None
    for number, part in enumerate(parts):
        table, noted = _table_of(part)
        if schema is None:
            schema, notes = table.schema, noted
            continue
        if set(table.schema.names) != set(schema.names):
            raise NotATable(
                f"frame {number + 1} has the columns {', '.join(table.schema.names)}, those before it had"
                f" {', '.join(schema.names)}",
                try_next="let all frames have the same columns",
            )
        with _no_table(f"frame {number + 1}"):
            schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
        notes = combine_notes(notes, noted)
    if schema is None:
        raise AssertionError  # What is a stream of frames has a first one.
    return Rows(data=pa.RecordBatchReader.from_batches(schema, _batches(parts, schema)), notes=notes)


def _batches(parts: Sequence[Mapping[str, Any]], schema: ArrowSchema) -> Generator[ArrowBatch]:
    for number, part in enumerate(parts):
        with _no_table(f"frame {number + 1}"):
            table = _table_of(part)[0].select(schema.names).cast(schema)
        yield from table.to_batches()


@contextmanager
def _no_table(what: str) -> Generator[None]:
    """Say by code what Arrow cannot read or bring into one type."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError) as error:
        raise NotATable(f"{what} cannot be a table: {error}", try_next="cast its columns") from error
