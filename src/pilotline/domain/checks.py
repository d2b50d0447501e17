"""Checks: named predicates on one table, and the verdicts on them.

The predicates are a closed set, so that each can be compiled to SQL, drawn, proposed by a lift and edited by hand. In a
contract a check is one line of TOML, named after its predicate::

    {not_null = ["day", "region"]}
    {unique = ["day", "region"]}
    {between = [0, 10_000], column = "amount", severity = "warn"}
    {in_set = ["EU", "US"], column = "region"}
    {matches = "[A-Z]{2}-[0-9]+", column = "code"}
    {row_count = [1, 5000]}
    {columns = {day = "date", amount = "double"}}
    {sql = "select * from revenue where amount < cost", name = "sold below cost"}

All but ``not_null`` let NULL pass, as SQL does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never, cast

from pilotline.domain.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.tables import TableName

__all__ = [
    "Atom",
    "BadCheck",
    "Between",
    "Check",
    "HasColumns",
    "InSet",
    "Matches",
    "NoRows",
    "NotNull",
    "Predicate",
    "RowCount",
    "Severity",
    "Unique",
    "Verdict",
    "check_of",
    "describe",
    "toml_of",
]

#: What a check compares with: numbers as they are; dates and times as ISO text.
Atom: TypeAlias = str | int | float | bool
#: error: a failed check publishes nothing. warn: it is reported.
Severity: TypeAlias = Literal["error", "warn"]


class BadCheck(UsageError):
    """A check in a contract that cannot be understood."""

    code = "PL305"


@dataclass(frozen=True, slots=True, kw_only=True)
class HasColumns:
    """These columns are there, with these types (in Iceberg's words; ``*`` for any); others may be too unless ``only``."""

    types: Mapping[str, str]
    only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNull:
    """No NULL in any of these columns."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """No two rows are equal in all of these columns; rows with a NULL among them are not compared."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Values lie from ``low`` to ``high``, both included; None leaves that side open."""

    column: str
    low: Atom | None
    high: Atom | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InSet:
    """Values are among these."""

    column: str
    values: tuple[Atom, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The whole text matches a regular expression."""

    column: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """The table has from ``low`` to ``high`` rows, both included; None leaves that side open."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRows:
    """A query of one's own finds nothing; what it finds are the offending rows."""

    sql: str


Predicate: TypeAlias = HasColumns | NotNull | Unique | Between | InSet | Matches | RowCount | NoRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A named predicate on one table with a severity."""

    table: TableName
    name: str
    predicate: Predicate
    severity: Severity = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a check."""

    check: Check
    outcome: Literal["passed", "failed", "not judged"]
    #: How many rows (for ``Unique``: of rows that have a double; for ``RowCount`` and ``HasColumns``: 0) offend.
    offending: int = 0
    columns: tuple[str, ...] = ()
    #: The first offending rows, each value as text and cut.
    rows: tuple[tuple[str, ...], ...] = ()
    #: What was found instead, or why it could not be judged.
    because: str = ""
    seconds: float = 0.0

    @property
    def stops(self) -> bool:
        """It keeps the run from publishing: a check of severity error that did not pass."""
        return self.outcome != "passed" and self.check.severity == "error"


_KINDS = ("columns", "not_null", "unique", "between", "in_set", "matches", "row_count", "sql")
_BESIDE = ("column", "name", "severity", "only")


def check_of(table: TableName, raw: Mapping[str, Any]) -> Check:
    """The check that one TOML line of a contract says.

    Raises:
        BadCheck: no predicate or several, an unknown word, or values of another kind.
    """
    kinds = [key for key in raw if key in _KINDS]
    for key in raw:
        if key not in _KINDS and key not in _BESIDE:
            raise _bad(table, raw, f"{key!r} is no word of a check.{did_you_mean(key, (*_KINDS, *_BESIDE))}")
    if len(kinds) != 1:
        raise _bad(table, raw, f"it needs exactly one of {', '.join(_KINDS)}")
    severity = raw.get("severity", "error")
    if severity not in {"error", "warn"}:
        raise _bad(table, raw, f"severity is error or warn, not {severity!r}")
    predicate = _predicate(table, raw, kinds[0])
    name = raw.get("name")
    return Check(
        table=table,
        name=str(name) if name else describe(predicate),
        predicate=predicate,
        severity=cast("Severity", severity),
    )


def _predicate(table: TableName, raw: Mapping[str, Any], kind: str) -> Predicate:
    value = raw[kind]
    match kind:
        case "columns":
            if isinstance(value, dict) and value:
                types = cast("dict[str, object]", value)
                return HasColumns(types={name: str(kind) for name, kind in types.items()}, only=bool(raw.get("only")))
            if _texts(value):
                return HasColumns(types=dict.fromkeys(value, "*"), only=bool(raw.get("only")))
            raise _bad(table, raw, 'columns is a list of names or a table of types, as in {day = "date"}')
        case "not_null" | "unique":
            columns = (value,) if isinstance(value, str) else tuple(value) if _texts(value) else ()
            if not columns:
                raise _bad(table, raw, f"{kind} is the name of a column or a list of such names")
            return NotNull(columns=columns) if kind == "not_null" else Unique(columns=columns)
        case "between":
            low, high = _ends(table, raw, value)
            return Between(column=_column(table, raw), low=low, high=high)
        case "in_set":
            if not isinstance(value, list) or not all(isinstance(item, Atom) for item in cast("list[object]", value)):
                raise _bad(table, raw, "in_set is a list of texts or numbers")
            return InSet(column=_column(table, raw), values=tuple(cast("list[Atom]", value)))
        case "matches":
            try:
                re.compile(str(value))
            except re.error as error:
                raise _bad(table, raw, f"{value!r} is not a regular expression: {error}") from error
            return Matches(column=_column(table, raw), pattern=str(value))
        case "row_count":
            low, high = _ends(table, raw, value)
            if not all(end is None or (isinstance(end, int) and end >= 0) for end in (low, high)):
                raise _bad(table, raw, "row_count counts from a whole number to another")
            return RowCount(low=cast("int | None", low), high=cast("int | None", high))
        case _:
            return NoRows(sql=str(value))


def _texts(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in cast("list[object]", value))
    )


def _column(table: TableName, raw: Mapping[str, Any]) -> str:
    column = raw.get("column")
    if not isinstance(column, str) or not column:
        raise _bad(table, raw, 'it must name its column, as in column = "amount"')
    return column


def _ends(table: TableName, raw: Mapping[str, Any], value: object) -> tuple[Atom | None, Atom | None]:
    """Both ends of ``[low, high]``; an infinity or an empty text leaves a side open, since TOML has no null."""
    if not isinstance(value, list) or len(cast("list[object]", value)) != 2:
        raise _bad(table, raw, "a range is written [low, high]; inf or -inf leaves a side open")
    ends: list[Atom | None] = []
    for end in cast("list[object]", value):
        if end in ("", float("inf"), float("-inf")):
            ends.append(None)
        elif isinstance(end, Atom):
            ends.append(end)
        elif hasattr(end, "isoformat"):
            ends.append(cast("Any", end).isoformat())
        else:
            raise _bad(table, raw, f"{end!r} is no end of a range")
    return ends[0], ends[1]


def _bad(table: TableName, raw: Mapping[str, Any], why: str) -> BadCheck:
    return BadCheck(
        f"the contract has a check of {table} that cannot be understood: {why}",
        try_next="pilotline explain PL305",
        check=json.dumps(raw, default=str),
    )


def describe(predicate: Predicate) -> str:
    """The predicate in a few words: what a check without a name is called."""
    match predicate:
        case HasColumns(types=types, only=only):
            return f"columns are {', '.join(types)}" if only else f"has columns {', '.join(types)}"
        case NotNull(columns=columns):
            return f"{', '.join(columns)} not null"
        case Unique(columns=columns):
            return f"{', '.join(columns)} unique"
        case Between(column=column, low=low, high=high):
            return f"{column} {_range(low, high)}"
        case InSet(column=column, values=values):
            shown = ", ".join(str(value) for value in values[:5])
            return f"{column} in {shown}{', ...' if len(values) > 5 else ''}"
        case Matches(column=column, pattern=pattern):
            return f"{column} matches {pattern}"
        case RowCount(low=low, high=high):
            return f"row count {_range(low, high)}"
        case NoRows(sql=sql):
            text = " ".join(sql.split())
            return text if len(text) <= 60 else text[:57] + "..."
    assert_never(predicate)


def _range(low: Atom | None, high: Atom | None) -> str:
    if low is not None and high is not None:
        return f"from {low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None else "of any value"


def toml_of(check: Check) -> str:
    """The check as one line of TOML, which ``check_of`` reads back to an equal check."""
    parts = _toml_predicate(check.predicate)
    if check.name != describe(check.predicate):
        parts.append(f"name = {_toml(check.name)}")
    if check.severity != "error":
        parts.append(f"severity = {_toml(check.severity)}")
    return "{" + ", ".join(parts) + "}"


def _toml_predicate(predicate: Predicate) -> list[str]:
    match predicate:
        case HasColumns(types=types, only=only):
            inside = ", ".join(f"{_toml(name)} = {_toml(kind)}" for name, kind in types.items())
            return [f"columns = {{{inside}}}", *(["only = true"] if only else [])]
        case NotNull(columns=columns):
            return [f"not_null = {_toml(columns)}"]
        case Unique(columns=columns):
            return [f"unique = {_toml(columns)}"]
        case Between(column=column, low=low, high=high):
            return [f"between = {_toml_range(low, high)}", f"column = {_toml(column)}"]
        case InSet(column=column, values=values):
            return [f"in_set = {_toml(values)}", f"column = {_toml(column)}"]
        case Matches(column=column, pattern=pattern):
            return [f"matches = {_toml(pattern)}", f"column = {_toml(column)}"]
        case RowCount(low=low, high=high):
            return [f"row_count = {_toml_range(low, high)}"]
        case NoRows(sql=sql):
            return [f"sql = {_toml(sql)}"]
    assert_never(predicate)


def _toml_range(low: Atom | None, high: Atom | None) -> str:
    return f"[{'-inf' if low is None else _toml(low)}, {'inf' if high is None else _toml(high)}]"


def _toml(value: Atom | Sequence[Atom]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    return "[" + ", ".join(_toml(item) for item in value) + "]"
