"""Propose the contract that stands beside a lifted module: where its tables go, and checks of them.

The checks say what was seen when the steps ran in the proof: they are a start, to be read and edited.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pilotline.domain.checks import Between, Check, HasColumns, InSet, NotNull, RowCount, Unique, describe
from pilotline.domain.pipelines import Contract, TableContract, toml_of_contract
from pilotline.domain.tables import BadTableName, TableName
from pilotline.lift.credentials import by_form, by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pilotline.domain.checks import Predicate, Severity
    from pilotline.lift.lifting import Lifted
    from pilotline.lift.secrets import Secret

_MOST_COLUMNS = 40
_FEW_VALUES = 8
#: With fewer rows a range or a set of values says more about the sample than about the data.
_ENOUGH_ROWS = 20
_TYPES = {
    "int64": "long", "int32": "int", "Int64": "long", "Int32": "int", "float64": "double", "float32": "float",
    "Float64": "double", "bool": "boolean", "boolean": "boolean", "str": "string", "string": "string",
}  # fmt: skip
_IS_KEY = re.compile(r"(^|_)(id|key|code|number|no|uuid)$")
#: Numbers whose sign or size says nothing.
_IS_POSITION = re.compile(r"(^|_)(lat|lon|lng|latitude|longitude|year|month|day|hour|week|index|rank)$")


def contract_for(
    lifted: Lifted, steps: Sequence[Mapping[str, Any]], namespace: str, secrets: Sequence[Secret] = ()
) -> str:
    """The contract of a lifted pipeline as TOML: one section a table, with the checks that its values suggest.

    Args:
        lifted: the pipeline.
        steps: what the proof saw of each step, with descriptions of its results.
        namespace: where the tables go.
        secrets: that the pipeline reads from the environment.
    """
    seen: dict[str, Mapping[str, Any]] = {}
    for step in steps:
        seen.update(step.get("describe") or {})
    tables: dict[str, TableContract] = {}
    checks: list[Check] = []
    for one in lifted.wanted:
        described = seen.get(one.name if one.position is not None else one.of)
        if described is None or described.get("kind") not in {"frame", "series"}:
            continue
        try:
            table = TableName(namespace, one.name)
        except BadTableName:
            continue
        tables[one.name] = TableContract()
        checks += [
            Check(table=table, name=describe(predicate), predicate=predicate, severity=severity)
            for predicate, severity in _predicates(described)
        ]
    contract = Contract(
        namespace=namespace,
        tables=tables,
        checks=tuple(checks),
        secrets={one.name: f"{one.what}, in cell {one.cell} of the notebook" for one in secrets},
    )
    return toml_of_contract(contract)


def _predicates(described: Mapping[str, Any]) -> Iterator[tuple[Predicate, Severity]]:
    """What holds of a table now and should go on to; errors where it would be another table, warnings where only odd."""
    columns: list[Mapping[str, Any]] = [one for one in described["columns"][:_MOST_COLUMNS] if _is_plain(one["name"])]
    rows = int(described["rows"])
    if not rows:
        return
    yield RowCount(low=1, high=None), "error"
    if columns:
        yield HasColumns(types={str(one["name"]): _type(one) for one in columns}), "error"
    whole = tuple(str(one["name"]) for one in columns if not one["nulls"])
    if whole:
        yield NotNull(columns=whole), "error"
    key = _key(described, columns)
    if key:
        yield Unique(columns=key), "error"
    if rows < _ENOUGH_ROWS:
        return
    for one in columns:
        name = str(one["name"])
        if one.get("values") and len(one["values"]) <= _FEW_VALUES and not _holds_secrets(one):
            yield InSet(column=name, values=tuple(one["values"])), "warn"
        low, high = one.get("low"), one.get("high")
        if not isinstance(low, int | float) or not isinstance(high, int | float) or isinstance(low, bool):
            continue
        if low < 0 or _IS_KEY.search(name.lower()) or _IS_POSITION.search(name.lower()):
            continue
        share = isinstance(high, float) and low < high <= 1
        yield Between(column=name, low=0, high=1 if share else None), "warn"


def _type(column: Mapping[str, Any]) -> str:
    """The column's type in Iceberg's words; ``*`` where the table decides."""
    dtype = str(column["dtype"])
    if dtype.startswith("datetime64["):
        return "timestamptz" if "," in dtype else "timestamp"
    return _TYPES.get(dtype, "*")


def _key(described: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Columns that tell its rows apart: one that is called a key or leads the table, or the fewest that do together."""
    unique = [str(one["name"]) for one in columns if one.get("unique") and not str(one["dtype"]).startswith("float")]
    called = [name for name in unique if _IS_KEY.search(name.lower())]
    if called:
        return (called[0],)
    if described.get("key"):
        return tuple(described["key"])
    first = columns[0] if columns else {"name": "", "dtype": "float"}
    # A count or an amount that happens to differ everywhere is no key.
    return (str(first["name"]),) if str(first["name"]) in unique and "int" not in str(first["dtype"]) else ()


def _holds_secrets(column: Mapping[str, Any]) -> bool:
    return any(any(by_form(str(value))) or by_name(str(column["name"]), str(value)) for value in column["values"])


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name not in {"", "None"}
