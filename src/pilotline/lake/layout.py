"""How a table's files are divided and sorted, from expressions as people write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import did_you_mean
from pilotline.lake.errors import BadLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.sorting import SortOrder
    from pyiceberg.types import NestedField

__all__ = ["column_of", "partition_spec", "sort_columns", "sort_order"]

_TERM: Final = re.compile(r"(?P<how>[a-z]+)\((?:(?P<number>[0-9]{1,6})\s*,\s*)?(?P<column>[^()]+)\)")
_PLAIN: Final = {"year", "month", "day", "hour"}
_NUMBERED: Final = {"bucket", "truncate"}


def partition_spec(metadata: TableMetadata, terms: Sequence[str]) -> PartitionSpec:
    """The specification of Iceberg's that divides by these terms; its number is the next one.

    Raises:
        BadLayout: a term is not understood, or does not fit its column.
    """
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.types import DoubleType, FloatType

    schema = metadata.schema()
    first = (metadata.last_partition_id or 999) + 1
    fields: list[Any] = []
    for term in dict.fromkeys(terms):
        column, how, number = _read(term, schema)
        transform, name = _transform(how, number), column.name
        if how != "identity":
            name = f"{column.name}_{how}"
        if not column.field_type.is_primitive or not transform.can_transform(column.field_type):
            raise _bad(term, f"{column.name} is {column.field_type}, which it cannot be done to")
        if isinstance(column.field_type, FloatType | DoubleType):
            # -0.0 equals 0.0 and NaN not even itself: rows would be in two files, or in none.
            raise _bad(term, f"{column.name} is {column.field_type}, whose values do not all equal themselves alone")
        fields.append(
            PartitionField(source_id=column.field_id, field_id=first + len(fields), transform=transform, name=name)
        )
    return PartitionSpec(*fields, spec_id=max(spec.spec_id for spec in metadata.partition_specs) + 1)


def sort_order(metadata: TableMetadata, terms: Sequence[str]) -> SortOrder:
    """The order of Iceberg's that sorts by these terms; its number is the next one, or 0 for none.

    Raises:
        BadLayout: a term names no column, or one of a type that has no order.
    """
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, NullOrder, SortDirection, SortField, SortOrder
    from pyiceberg.transforms import IdentityTransform

    if not terms:
        return UNSORTED_SORT_ORDER
    fields: list[Any] = []
    for term in dict.fromkeys(terms):
        name, _, turn = term.strip().partition(" ")
        if turn.strip().lower() not in {"", "asc", "desc"}:
            raise _bad(term, "after the column comes asc, desc or nothing")
        column = _column(name, term, metadata.schema())
        if not column.field_type.is_primitive:
            raise _bad(term, f"{name} is {column.field_type}, which has no order")
        down = turn.strip().lower() == "desc"
        fields.append(
            SortField(
                source_id=column.field_id,
                transform=IdentityTransform(),
                direction=SortDirection.DESC if down else SortDirection.ASC,
                null_order=NullOrder.NULLS_LAST,
            )
        )
    return SortOrder(*fields, order_id=max(order.order_id for order in metadata.sort_orders) + 1)


def sort_columns(metadata: TableMetadata) -> list[tuple[str, str]]:
    """What new files are sorted by, as Arrow says it; nothing where they are not."""
    schema = metadata.schema()
    found: list[tuple[str, str]] = []
    for field in metadata.sort_order().fields:
        name = schema.find_column_name(field.source_id)
        if name is not None:
            found.append((name, "descending" if field.direction.name == "DESC" else "ascending"))
    return found


def column_of(term: str) -> str:
    """The column that a term is about."""
    found = _TERM.fullmatch(term.strip())
    return found["column"].strip() if found else term.strip()


def _read(term: str, schema: Schema) -> tuple[NestedField, str, int | None]:
    found = _TERM.fullmatch(term.strip())
    if found is None:
        return _column(term.strip(), term, schema), "identity", None
    how = found["how"]
    number = int(found["number"]) if found["number"] else None
    if how not in _PLAIN | _NUMBERED or (how in _NUMBERED) != (number is not None) or number == 0:
        raise _bad(term, "it can be a column, year(c), month(c), day(c), hour(c), bucket(16, c) or truncate(4, c)")
    return _column(found["column"].strip(), term, schema), how, number


def _column(name: str, term: str, schema: Schema) -> NestedField:
    try:
        return schema.find_field(name)
    except ValueError:
        raise _bad(term, f"there is no column '{name}'.{did_you_mean(name, schema.column_names)}") from None


def _transform(how: str, number: int | None) -> Any:
    from pyiceberg import transforms

    match how:
        case "bucket":
            return transforms.BucketTransform(num_buckets=number or 1)
        case "truncate":
            return transforms.TruncateTransform(width=number or 1)
        case "year":
            return transforms.YearTransform()
        case "month":
            return transforms.MonthTransform()
        case "day":
            return transforms.DayTransform()
        case "hour":
            return transforms.HourTransform()
        case _:
            return transforms.IdentityTransform()


def _bad(term: str, why: str) -> BadLayout:
    return BadLayout(
        f"a table cannot be divided or sorted by '{term}': {why}", try_next="pilotline show TABLE", term=term
    )
