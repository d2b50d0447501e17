"""Propose the contract that stands beside a lifted module: where its tables go, and checks of them.

The checks say what was seen when the steps ran in the proof: they are a start, to be read and edited.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pilotline.domain.checks import Between, Check, HasColumns, InSet, NotNull, Predicate, RowCount, Unique
from pilotline.domain.pipelines import Contract, TableContract, toml_of_contract
from pilotline.domain.tables import BadTableName, TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pilotline.lift.lifting import Lifted
    from pilotline.lift.secrets import Secret

_MOST_COLUMNS = 40
_FEW_VALUES = 8
_TYPES = {
    "int64": "long", "int32": "int", "Int64": "long", "float64": "double", "float32": "float", "Float64": "double",
    "bool": "boolean", "boolean": "boolean", "str": "string", "string": "string",
}  # fmt: skip


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
        for predicate, severe in _predicates(described):
            name = type(predicate).__name__
            checks.append(
                Check(
                    table=table,
                    name=_name(predicate, name),
                    predicate=predicate,
                    severity="error" if severe else "warn",
                )
            )
    contract = Contract(
        namespace=namespace,
        tables=tables,
        checks=tuple(checks),
        secrets={one.name: f"{one.what}, in cell {one.cell} of the notebook" for one in secrets},
    )
    return toml_of_contract(contract)


def _predicates(described: Mapping[str, Any]) -> Iterator[tuple[Predicate, bool]]:
    columns: list[Mapping[str, Any]] = [one for one in described["columns"][:_MOST_COLUMNS] if _is_plain(one["name"])]
    rows = int(described["rows"])
    if rows:
        yield RowCount(low=1, high=None), True
    types = {str(one["name"]): _TYPES.get(str(one["dtype"]), "*") for one in columns}
    if types:
        yield HasColumns(types=types), True
    whole = tuple(str(one["name"]) for one in columns if not one["nulls"])
    if whole and rows:
        yield NotNull(columns=whole), True
    for one in columns:
        name = str(one["name"])
        if one.get("unique") and re.search(r"(^|_)(id|key|code)$", name.lower()):
            yield Unique(columns=(name,)), True
        if one.get("values") and len(one["values"]) <= _FEW_VALUES < rows:
            yield InSet(column=name, values=tuple(one["values"])), False
        low = one.get("low")
        if isinstance(low, int | float) and low >= 0 and not isinstance(low, bool):
            yield Between(column=name, low=0, high=None), False


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name not in {"", "None"}


def _name(predicate: Predicate, fallback: str) -> str:
    match predicate:
        case Between(column=column) | InSet(column=column):
            return f"{fallback.lower()} {column}"
        case Unique(columns=columns):
            return f"unique {', '.join(columns)}"
        case RowCount():
            return "row count"
        case HasColumns():
            return "columns"
        case NotNull():
            return "not null"
        case _:
            return fallback
