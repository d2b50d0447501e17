"""How a table's schema meets what is written to it: new columns and wider types by themselves, anything else refused."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from pilotline.lake.errors import NotATable, SchemaChanged

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType, NestedField

    from pilotline.lake.arrow_types import ArrowSchema, ArrowTable, ArrowType

__all__ = ["arrow_schema_of", "evolve", "fit"]


def evolve(old: Schema | None, incoming: ArrowSchema, *, whole: bool, allow: bool) -> tuple[Schema, tuple[str, ...]]:
    """The schema that holds the table and what comes in, and what was changed in words.

    Args:
        old: None for a new table.
        incoming: an Arrow schema; its order of columns is taken where the table is replaced ``whole``.
        whole: nothing of what is there stays.
        allow: columns may go or change to a type that does not hold the old values.

    Raises:
        SchemaChanged: more than new columns and wider types, and it is not allowed.
        NotATable: a column has a type that a table cannot hold.
    """
    from pyiceberg.schema import Schema, assign_fresh_schema_ids

    new = _iceberg(incoming)
    if old is None:
        return _nameable(assign_fresh_schema_ids(Schema(*map(_optional, new.fields)))), ()
    ids = count(old.highest_field_id + 1)
    known = {field.name: field for field in old.fields}
    fields: dict[str, NestedField] = {}
    done: list[str] = []
    refused: list[str] = []
    for field in new.fields:
        before = known.get(field.name)
        nothing_known = str(incoming.field(field.name).type) == "null"
        if before is None:
            fields[field.name] = _with_fresh_ids(field, ids)
            done.append(f"new column {field.name} ({field.field_type})")
            continue
        wider = before.field_type if nothing_known else _join(before.field_type, field.field_type)
        if wider is None:
            change = f"{field.name} is {before.field_type} and would become {field.field_type}"
            (done if allow else refused).append(change)
            fields[field.name] = _with_fresh_ids(field, ids)
            continue
        if wider != before.field_type:
            done.append(f"{field.name} widened from {before.field_type} to {wider}")
        fields[field.name] = before.model_copy(update={"field_type": wider})
    gone = [name for name in known if name not in fields]
    (done if allow else refused).extend(f"{name} ({known[name].field_type}) is missing" for name in gone)
    if refused:
        raise SchemaChanged(
            "what is written differs from the table: " + "; ".join(refused),
            try_next="bring the columns back, or replace the table with schema changes allowed",
            differences=refused,
        )
    order = list(fields) if whole else [*known, *(name for name in fields if name not in known)]
    return _nameable(Schema(*(fields[name] for name in order))), tuple(done)


def arrow_schema_of(schema: Schema) -> ArrowSchema:
    """The Arrow schema that a table's rows are read with."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return schema_to_pyarrow(schema, include_field_ids=False)


def fit(data: ArrowTable, schema: Schema) -> ArrowTable:
    """The rows with the columns of a schema, in its order and types.

    Raises:
        NotATable: a value does not fit the type.
    """
    import pyarrow as pa

    target = arrow_schema_of(schema)
    try:
        return data.select(target.names).cast(target)
    except pa.ArrowInvalid as error:
        raise NotATable(f"a value does not fit its column: {error}", try_next="choose a wider type") from error


def _iceberg(incoming: ArrowSchema) -> Schema:
    import pyarrow as pa
    from pyiceberg.io import pyarrow as bridge

    convert = bridge._pyarrow_to_schema_without_ids  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    lowered = [name.lower() for name in incoming.names]
    twice = sorted({name for name in incoming.names if lowered.count(name.lower()) > 1})
    if twice:
        raise NotATable(
            f"columns whose names differ in case at most: {', '.join(twice)}", try_next="rename one", columns=twice
        )
    fields: list[Any] = []
    for field in incoming:
        # pyiceberg takes these for types that do not hold all their values, or for none.
        kind = {pa.null(): pa.string(), pa.uint32(): pa.int64()}.get(field.type, field.type)
        try:
            _refuse_unwritable(kind)
            convert(pa.schema([field.with_type(kind)]))
        except (bridge.UnsupportedPyArrowTypeException, TypeError, ValueError, NotImplementedError) as error:
            raise NotATable(
                f"column {field.name} is {field.type}, which a table cannot hold",
                try_next="convert the column, or publish the value as an artifact",
                column=field.name,
                type=str(field.type),
            ) from error
        fields.append(pa.field(field.name, kind))
    return convert(pa.schema(fields))


def _refuse_unwritable(kind: ArrowType) -> None:
    """Refuse what no Parquet file has: somewhere within a struct without fields, or a decimal of tens.

    Raises:
        TypeError: it is one.
    """
    from pyarrow import types

    if (types.is_decimal(kind) and kind.scale < 0) or (types.is_nested(kind) and not kind.num_fields):
        raise TypeError(str(kind))
    if types.is_nested(kind):
        for place in range(kind.num_fields):
            _refuse_unwritable(kind.field(place).type)


def _nameable(schema: Schema) -> Schema:
    """The schema, if its columns can be told apart in files, where signs that Avro does not allow are written as others.

    Raises:
        NotATable: they cannot.
    """
    from pyiceberg.schema import sanitize_column_names

    try:
        sanitize_column_names(schema)
    except ValueError as error:
        raise NotATable(
            f"the names of columns cannot be held by a table: {error}",
            try_next="rename them",
            columns=schema.column_names,
        ) from error
    return schema


def _optional(field: NestedField) -> NestedField:
    return field.model_copy(update={"required": False})


def _with_fresh_ids(field: NestedField, ids: count[int]) -> NestedField:
    from pyiceberg.schema import Schema, assign_fresh_schema_ids

    return assign_fresh_schema_ids(Schema(_optional(field)), lambda: next(ids)).fields[0]


def _join(old: IcebergType, new: IcebergType) -> IcebergType | None:
    """The type that holds the values of both without a change; None where there is none.

    A column of whole numbers is welcome in one of floats as long as each of them is exact there, which ``fit`` sees to.
    """
    from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType

    if _shape(old) == _shape(new):
        return old
    kinds = (type(old), type(new))
    if kinds in {(LongType, IntegerType), (DoubleType, FloatType), (FloatType, IntegerType)}:
        return old
    if kinds in {(DoubleType, IntegerType), (DoubleType, LongType), (FloatType, LongType)}:
        return old
    if kinds in {(IntegerType, LongType), (FloatType, DoubleType)}:
        return new
    if isinstance(old, DecimalType) and isinstance(new, DecimalType) and old.scale == new.scale:
        return old if old.precision >= new.precision else new
    return None


def _shape(kind: IcebergType) -> object:
    """A type without the ids of its fields."""
    from pyiceberg.types import ListType, MapType, StructType

    if isinstance(kind, ListType):
        return ("list", _shape(kind.element_type))
    if isinstance(kind, MapType):
        return ("map", _shape(kind.key_type), _shape(kind.value_type))
    if isinstance(kind, StructType):
        return ("struct", *((field.name, _shape(field.field_type)) for field in kind.fields))
    return str(kind)
