"""What a Scope does to rows: filter, hide, mask. The only way from stored rows to a reader.

Row filters of a scope see the true values. The reader's own filter sees what the reader would see: asking for a masked
column's true value by filtering on it finds nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, assert_never

from pilotline.domain.access import (
    EVERY_ROW,
    And,
    Compare,
    EveryRow,
    Filter,
    In,
    IsNull,
    NotFilter,
    Or,
    StartsWith,
    all_of,
    columns_of,
)
from pilotline.domain.errors import did_you_mean
from pilotline.lake.arrow_types import compute
from pilotline.lake.errors import BadFilter, NoSuchColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema

    from pilotline.domain.access import FilterValue, Mask, MaskAction, Scope
    from pilotline.domain.tables import TableName
    from pilotline.lake.arrow_types import ArrowArray, ArrowBatch, ArrowReader, ArrowSchema, ArrowTable, ArrowType

__all__ = ["Reading", "check_columns", "matching", "plan_reading", "pushed_down"]


#: Whole numbers from here on are compared with nothing: a decimal could not hold them beside its fraction.
_GREATEST: Final = 10**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One governed read, decided before a row is touched."""

    #: What the reader gets, in this order.
    columns: tuple[str, ...]
    #: What must be read for it, in the table's order.
    needed: tuple[str, ...]
    #: On true values: the scope's rows, and of the reader's filter what touches no mask.
    before: Filter
    #: On masked values: the rest of the reader's filter.
    after: Filter
    masks: tuple[Mask, ...]

    def schema(self, stored: ArrowSchema) -> ArrowSchema:
        """The Arrow schema of what the reader gets."""
        import pyarrow as pa

        return pa.schema([stored.field(name) for name in self.columns])

    def reader(self, stored: ArrowSchema, batches: Iterable[ArrowBatch]) -> ArrowReader:
        """The governed rows of batches that hold the needed columns.

        Raises:
            BadFilter: a filter or mask does not fit its column.
        """
        import pyarrow as pa

        held = pa.schema([stored.field(name) for name in self.needed])
        before = _expression(self.before, held)
        after = _expression(self.after, held)
        masks = [(mask.column, _mask(mask.action, mask.column, held.field(mask.column).type)) for mask in self.masks]
        schema = self.schema(stored)

        def governed() -> Iterator[ArrowBatch]:
            for batch in batches:
                table = pa.Table.from_batches([batch]).select(self.needed).cast(held)
                if before is not None:
                    table = table.filter(before)
                for column, apply in masks:
                    place = held.get_field_index(column)
                    table = table.set_column(place, held.field(place), apply(table.column(place)))
                if after is not None:
                    table = table.filter(after)
                yield from table.select(self.columns).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, governed())


def plan_reading(
    table: TableName, known: Sequence[str], scope: Scope, columns: Sequence[str] | None, where: Filter | None
) -> Reading:
    """Decide what is read, shown and filtered.

    Raises:
        NoSuchColumn: ``columns`` or ``where`` name one that is not there for this reader; a hidden column is said to be
            missing in the same words.
    """
    seen = [name for name in known if scope.lets_see(name)]
    asked = tuple(seen if columns is None else columns)
    check_columns(table, seen, (*asked, *sorted(columns_of(where or EVERY_ROW))))
    # A rule on a column that went away must not let go of what it kept back.
    ruled = {*columns_of(scope.rows), *(mask.column for mask in scope.masks if mask.column in asked)}
    for name in sorted(ruled):
        if name not in known:
            raise BadFilter(
                f"a grant on {table} speaks of column '{name}', which is not there any more",
                try_next="ask the owner of the table to renew the grant",
                table=str(table),
                column=name,
            )
    masked = {mask.column for mask in scope.masks}
    parts = where.parts if isinstance(where, And) else (where or EVERY_ROW,)
    bare = [part for part in parts if not columns_of(part) & masked]
    rest = [part for part in parts if columns_of(part) & masked]
    needed = {*asked, *columns_of(scope.rows), *columns_of(where or EVERY_ROW)}
    return Reading(
        columns=asked,
        needed=tuple(name for name in known if name in needed),
        before=all_of(scope.rows, *bare),
        after=all_of(*rest),
        masks=tuple(mask for mask in scope.masks if mask.column in needed and scope.lets_see(mask.column)),
    )


# -- Filters -----------------------------------------------------------------------------------------------------------


def _expression(where: Filter, schema: ArrowSchema) -> Any:
    """The Arrow expression of a filter in three-valued logic; None for every row."""
    return None if where == EVERY_ROW else _arrow(where, schema)


def matching(where: Filter, rows: ArrowTable) -> ArrowArray:
    """For each row whether a filter is true of it.

    Raises:
        BadFilter: it does not fit a column's type.
    """
    import numpy as np
    import pyarrow as pa

    expression = _expression(where, rows.schema)
    numbered = rows.append_column("__row", pa.array(np.arange(rows.num_rows)))
    hits = (numbered if expression is None else numbered.filter(expression)).column("__row").to_numpy()
    found = np.zeros(rows.num_rows, dtype=bool)
    found[hits] = True
    return pa.array(found)


def check_columns(table: TableName, known: Sequence[str], asked: Iterable[str]) -> None:
    """Refuse columns that are not there, or not for this reader: a hidden column is said to be missing in the same words.

    Raises:
        NoSuchColumn: one is not.
    """
    for name in asked:
        if name not in known:
            raise NoSuchColumn(
                f"{table} has no column '{name}'.{did_you_mean(name, known)}",
                try_next=f"pilotline show {table}",
                table=str(table),
                column=name,
            )


def _arrow(where: Filter, schema: ArrowSchema) -> Any:
    import operator
    from functools import reduce

    import pyarrow as pa

    pc = compute()

    match where:
        case EveryRow():
            return pc.scalar(True)
        case Compare(column=column, op=op, value=value):
            _check(column, schema.field(column).type, value)
            compare = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[op]
            return getattr(operator, compare)(pc.field(column), _scalar(value))
        case In(column=column, values=values):
            kind = schema.field(column).type
            for value in values:
                _check(column, kind, value)
            unknown = pc.scalar(pa.scalar(None, pa.bool_()))
            parts = [pc.field(column) == _scalar(value) for value in values]
            found = reduce(operator.or_, parts) if parts else pc.scalar(False)
            return pc.if_else(pc.field(column).is_null(), unknown, found)
        case IsNull(column=column):
            return pc.field(column).is_null()
        case StartsWith(column=column, prefix=prefix):
            _check(column, schema.field(column).type, prefix)
            return pc.starts_with(pc.field(column), prefix)
        case And(parts=parts):
            return reduce(operator.and_, (_arrow(part, schema) for part in parts), pc.scalar(True))
        case Or(parts=parts):
            return reduce(operator.or_, (_arrow(part, schema) for part in parts), pc.scalar(False))
        case NotFilter(part=part):
            return ~_arrow(part, schema)
        case _:
            assert_never(where)


def _scalar(value: FilterValue) -> Any:
    import pyarrow as pa

    pc = compute()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return pc.scalar(pa.scalar(Decimal(value)))  # 64 bits do not hold it
    return pc.scalar(value)


def _check(column: str, kind: ArrowType, value: FilterValue) -> None:
    """Refuse to compare what has no order in common."""
    from pyarrow import types

    match value:
        case bool():
            fits = types.is_boolean(kind)
        case int() if abs(value) >= _GREATEST:
            fits = False
        case int() | Decimal() | float():
            fits = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        case str():
            fits = types.is_string(kind) or types.is_large_string(kind)
        case datetime():
            fits = types.is_timestamp(kind) and (kind.tz is None) == (value.tzinfo is None)
        case date():
            fits = types.is_date(kind)
        case bytes():
            fits = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    if not fits:
        raise BadFilter(
            f"column '{column}' is {kind} and cannot be compared with {value!r}",
            try_next="compare it with a value of its own type",
            column=column,
            value=str(value),
        )


def pushed_down(where: Filter, schema: Schema) -> BooleanExpression | None:
    """What Iceberg may leave out by: true at least where ``where`` is; None where nothing can be said."""
    from pyiceberg.expressions.visitors import bind

    expression = _iceberg(where, schema)
    if expression is None:
        return None
    try:
        bind(schema, expression, case_sensitive=True)
    except (TypeError, ValueError):
        return None
    return expression


def _iceberg(where: Filter, schema: Schema) -> BooleanExpression | None:
    from pyiceberg import expressions as ice

    make: Any = ice
    match where:
        case Compare(column=column, op=op, value=value) if op != "!=" and _comparable(column, schema, value):
            words = {"=": "EqualTo", "<": "LessThan", "<=": "LessThanOrEqual", ">": "GreaterThan"}
            return getattr(make, words.get(op, "GreaterThanOrEqual"))(column, value)
        case In(column=column, values=values) if values and all(_comparable(column, schema, each) for each in values):
            return make.In(column, set(values))
        case IsNull(column=column):
            return make.IsNull(column)
        case StartsWith(column=column, prefix=prefix) if _comparable(column, schema, prefix):
            return make.StartsWith(column, prefix)
        case And(parts=parts):
            known = [each for each in (_iceberg(part, schema) for part in parts) if each is not None]
            return make.And(*known) if len(known) > 1 else known[0] if known else None
        case Or(parts=parts):
            each = [_iceberg(part, schema) for part in parts]
            return make.Or(*each) if len(each) > 1 and None not in each else None
        case _:
            return None


def _comparable(column: str, schema: Schema, value: FilterValue) -> bool:
    """Only where both engines compare the same way: no float of 32 bits, no decimal, no number of another kind."""
    from pyiceberg import types

    kinds: dict[type, tuple[type, ...]] = {
        bool: (types.BooleanType,),
        int: (types.IntegerType, types.LongType),
        float: (types.DoubleType,),
        str: (types.StringType,),
        date: (types.DateType,),
        datetime: (types.TimestampType, types.TimestamptzType),
    }
    return value == value and isinstance(schema.find_field(column).field_type, kinds.get(type(value), ()))  # noqa: PLR0124 - NaN


# -- Masks -------------------------------------------------------------------------------------------------------------


def _mask(action: MaskAction, column: str, kind: ArrowType) -> Callable[[ArrowArray], ArrowArray]:
    """The function that masks an array of a column; NULL stays NULL and the type stays as it is."""
    import pyarrow as pa
    from pyarrow import types

    pc = compute()
    text = types.is_string(kind) or types.is_large_string(kind)
    instant = types.is_date(kind) or types.is_timestamp(kind)
    default = _default_of(kind)
    match action:
        case "replace-with-null":
            return lambda values: pa.nulls(len(values), kind)
        case "sha-256" if text:
            return lambda values: _each(values, kind, lambda each: hashlib.sha256(each.encode()).hexdigest())
        case "mask-alphanum" if text:
            return lambda values: _each(values, kind, _covered)
        case "show-first-4" if text:
            return lambda values: _each(values, kind, lambda each: each[:4] + _covered(each[4:]))
        case "show-last-4" if text:
            return lambda values: _each(values, kind, lambda each: _covered(each[:-4]) + each[-4:])
        case "mask-to-default" if default is not None:
            return lambda values: pc.if_else(pc.is_null(values), pa.scalar(None, kind), pa.scalar(default, kind))
        case "truncate-to-year" if instant:
            return lambda values: pc.floor_temporal(values, unit="year").cast(kind)
        case "truncate-to-month" if instant:
            return lambda values: pc.floor_temporal(values, unit="month").cast(kind)
        case _:
            raise BadFilter(
                f"column '{column}' is {kind}, which the mask {action!r} cannot be applied to",
                try_next="ask the owner of the table for another mask",
                column=column,
                action=action,
            )


def _each(values: ArrowArray, kind: ArrowType, apply: Callable[[str], str]) -> ArrowArray:
    """Apply a function to each value that is there, once per distinct one."""
    import pyarrow as pa

    done: list[Any] = []
    for chunk in values.chunks:
        coded = chunk.dictionary_encode()
        words = pa.array([apply(each) for each in coded.dictionary.to_pylist()], kind)
        done.append(words.take(coded.indices))
    return pa.chunked_array(done, kind)


def _covered(text: str) -> str:
    return re.sub(r"[0-9]", "n", re.sub(r"[^0-9(),.\-@]", "x", text))


def _default_of(kind: ArrowType) -> Any:
    from pyarrow import types

    choices: tuple[tuple[Callable[[Any], bool], Any], ...] = (
        (types.is_boolean, False),
        (types.is_integer, 0),
        (types.is_floating, 0.0),
        (types.is_decimal, Decimal(0)),
        (types.is_string, ""),
        (types.is_large_string, ""),
        (types.is_binary, b""),
        (types.is_large_binary, b""),
        (types.is_date, date(1970, 1, 1)),
        (types.is_timestamp, 0),
    )
    return next((value for fits, value in choices if fits(kind)), None)


def governed_table(table: ArrowTable, reading: Reading) -> ArrowReader:
    """The same for rows that are in memory."""
    return reading.reader(table.schema, table.select(reading.needed).to_batches())
