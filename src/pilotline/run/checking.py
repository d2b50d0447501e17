"""Judge checks on a branch: each is compiled to one query for the rows that offend it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, assert_never

from pilotline.domain.checks import (
    Between,
    HasColumns,
    InSet,
    Matches,
    NoRows,
    NotNull,
    RowCount,
    Unique,
    Verdict,
)
from pilotline.domain.errors import PilotlineError, did_you_mean
from pilotline.domain.numbers import plural
from pilotline.run.planning import WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.checks import Atom, Check
    from pilotline.domain.tables import TableInfo, TableName
    from pilotline.lake.catalog import CatalogReader

__all__ = ["judge", "offending"]

#: So many offending rows are shown, and so much of a value.
_SHOWN: Final = 5
_CUT: Final = 60


def judge(lake: CatalogReader, branch: str, checks: Sequence[Check]) -> tuple[Verdict, ...]:
    """The verdicts on some checks, at the head of a branch."""
    return tuple(_judge(lake, branch, check) for check in checks)


def _judge(lake: CatalogReader, branch: str, check: Check) -> Verdict:
    began = time.perf_counter()

    def verdict(outcome: Any, **facts: Any) -> Verdict:
        return Verdict(check=check, outcome=outcome, seconds=time.perf_counter() - began, **facts)

    try:
        info = lake.table(check.table, branch)
        missing = _missing(check, info)
        if missing:
            return verdict("not judged", because=missing)
        found = offending(check, info)
        if isinstance(found, Said):
            return verdict("passed" if found.passed else "failed", because=found.because)
        from pilotline.lake.reading import count

        offend, first = count(lake, found, branch, _whole, namespace=check.table.namespace, first=_SHOWN)
    except PilotlineError as error:
        return verdict("not judged", because=error.message)
    if not offend:
        return verdict("passed")
    return verdict(
        "failed",
        offending=offend,
        columns=tuple(first.column_names),
        rows=tuple(tuple(_shown(value) for value in row.values()) for row in first.to_pylist()),
        because=plural(offend, "row"),
    )


def _whole(_: TableName) -> Any:
    return WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict that needs no query: the catalog knows."""

    passed: bool
    because: str = ""


def offending(check: Check, info: TableInfo) -> str | Said:
    """The query for the rows that offend a check; or the verdict, where the catalog knows it."""
    table = f"{_name(check.table.namespace)}.{_name(check.table.name)}"
    match check.predicate:
        case HasColumns(types=types, only=only):
            return _columns(info, types, only=only)
        case RowCount(low=low, high=high):
            passed = (low is None or info.rows >= low) and (high is None or info.rows <= high)
            return Said(passed=passed, because="" if passed else f"it has {plural(info.rows, 'row')}")
        case NotNull(columns=columns):
            where = " OR ".join(f"{_name(column)} IS NULL" for column in columns)
        case Unique(columns=columns):
            listed = ", ".join(_name(column) for column in columns)
            filled = " AND ".join(f"{_name(column)} IS NOT NULL" for column in columns)
            # Only the keys of all rows are held, not the rows.
            twice = f"SELECT {listed} FROM {table} WHERE {filled} GROUP BY {listed} HAVING count(*) > 1"
            return f"SELECT * FROM {table} SEMI JOIN ({twice}) AS twice USING ({listed}) ORDER BY {listed}"
        case Between(column=column, low=low, high=high):
            kind = next(each.type for each in info.columns if each.name == column)
            ends = [f"{_name(column)} < {_value(low, kind)}"] if low is not None else []
            ends += [f"{_name(column)} > {_value(high, kind)}"] if high is not None else []
            where = " OR ".join([*ends, f"isnan({_name(column)})"] if kind in {"float", "double"} else ends) or "false"
        case InSet(column=column, values=values):
            kind = next(each.type for each in info.columns if each.name == column)
            listed = ", ".join(_value(value, kind) for value in values)
            where = f"{_name(column)} NOT IN ({listed})" if values else f"{_name(column)} IS NOT NULL"
        case Matches(column=column, pattern=pattern):
            where = f"NOT regexp_full_match(CAST({_name(column)} AS VARCHAR), {_text(pattern)})"
        case NoRows(sql=query):
            return query
        case _:
            assert_never(check.predicate)
    return f"SELECT * FROM {table} WHERE {where}"


def _columns(info: TableInfo, types: Any, *, only: bool) -> Said:
    have = {column.name: column.type for column in info.columns}
    wrong = [f"no column {name}.{did_you_mean(name, have)}".removesuffix(".") for name in types if name not in have]
    wrong += [
        f"{name} is {have[name]}, not {kind}"
        for name, kind in types.items()
        if name in have and kind not in {"*", have[name]}
    ]
    if only:
        wrong += [f"{name} is there too" for name in have if name not in types]
    return Said(passed=not wrong, because="; ".join(wrong))


def _missing(check: Check, info: TableInfo) -> str:
    """Why a check cannot be judged at all: it names a column that is not there."""
    match check.predicate:
        case NotNull(columns=columns) | Unique(columns=columns):
            named = columns
        case Between(column=column) | InSet(column=column) | Matches(column=column):
            named = (column,)
        case _:
            return ""
    have = [column.name for column in info.columns]
    gone = [name for name in named if name not in have]
    return f"{check.table} has no column {gone[0]}.{did_you_mean(gone[0], have)}" if gone else ""


def _name(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _value(value: Atom, kind: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if kind in {"date", "timestamp", "timestamptz", "time"}:
        return f"CAST({_text(value)} AS {kind.upper()})"
    return _text(value)


def _shown(value: object) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= _CUT else text[: _CUT - 3] + "..."
