"""A filter written as SQL: what can stand after WHERE, as far as a filter can say it."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.access import And, Compare, In, IsNull, NotFilter, Or, StartsWith
from pilotline.lake.errors import BadFilter

if TYPE_CHECKING:
    from pilotline.domain.access import Filter, FilterValue, Operator

__all__ = ["filter_from_sql"]

_OPERATORS: Final[dict[str, Operator]] = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "!=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_TURNED: Final[dict[Operator, Operator]] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def filter_from_sql(text: str) -> Filter:
    """Read ``id > 3 AND city IN ('Bonn', 'Ulm')``: columns compared with values, AND, OR, NOT, IN, BETWEEN, IS NULL, LIKE 'x%'.

    Raises:
        BadFilter: it is not SQL, or says more than that.
    """
    import duckdb

    with duckdb.connect(":memory:") as engine:
        ((found,),) = engine.execute(
            "SELECT json_serialize_sql('SELECT 1 FROM t WHERE ' || ?::VARCHAR)", [text]
        ).fetchall()
    tree = json.loads(found)
    if tree.get("error"):
        raise _bad(text, tree.get("error_message", "it is not SQL"))
    (statement,) = tree["statements"] if len(tree["statements"]) == 1 else ({"node": {}},)
    node = statement["node"]
    if node.get("type") != "SELECT_NODE" or node.get("modifiers") or not node.get("where_clause"):
        raise _bad(text, "it is more than a condition")
    try:
        return _filter(node["where_clause"])
    except _Unknown as error:
        raise _bad(text, f"{error} cannot stand in it") from None


class _Unknown(Exception):
    """A part of a condition that a filter cannot say."""


def _filter(node: Any) -> Filter:
    kind = node["type"]
    if kind in _OPERATORS:
        return _compared(node["left"], _OPERATORS[kind], node["right"])
    match kind:
        case "CONJUNCTION_AND":
            return And(tuple(map(_filter, node["children"])))
        case "CONJUNCTION_OR":
            return Or(tuple(map(_filter, node["children"])))
        case "OPERATOR_NOT":
            return NotFilter(_filter(node["children"][0]))
        case "OPERATOR_IS_NULL":
            return IsNull(_column(node["children"][0]))
        case "OPERATOR_IS_NOT_NULL":
            return NotFilter(IsNull(_column(node["children"][0])))
        case "COMPARE_IN" | "COMPARE_NOT_IN":
            inside = In(_column(node["children"][0]), tuple(map(_value, node["children"][1:])))
            return inside if kind == "COMPARE_IN" else NotFilter(inside)
        case "COMPARE_BETWEEN":
            column = _column(node["input"])
            return And((Compare(column, ">=", _value(node["lower"])), Compare(column, "<=", _value(node["upper"]))))
        case "FUNCTION" if node["function_name"] == "~~":
            return _like(node)
        case _:
            raise _Unknown(node.get("function_name") or kind.lower())


def _compared(left: Any, operator: Operator, right: Any) -> Filter:
    if left["type"] != "COLUMN_REF" and right["type"] == "COLUMN_REF":
        left, operator, right = right, _TURNED[operator], left
    return Compare(_column(left), operator, _value(right))


def _like(node: Any) -> Filter:
    arguments = [each.get("expression", each) for each in node.get("arguments") or node["children"]]
    pattern = _value(arguments[1])
    if not isinstance(pattern, str) or not pattern.endswith("%") or any(letter in pattern[:-1] for letter in "%_"):
        raise _Unknown("LIKE with anything but 'beginning%'")
    return StartsWith(_column(arguments[0]), pattern[:-1])


def _column(node: Any) -> str:
    if node["type"] != "COLUMN_REF" or len(node["column_names"]) != 1:
        raise _Unknown("what is no plain column")
    return str(node["column_names"][0])


def _value(node: Any) -> FilterValue:
    if node["type"] == "OPERATOR_CAST":
        text = _value(node["child"])
        name = _type_name(node)
        # `true` and `false` are casts of 't' and 'f'.
        if name == "BOOLEAN" and text in {"t", "f"}:
            return text == "t"
        if isinstance(text, str) and name == "DATE":
            return date.fromisoformat(text)
        if isinstance(text, str) and name.startswith("TIMESTAMP"):
            return datetime.fromisoformat(text)
        raise _Unknown(f"a value of type {name}")
    if node["type"] == "FUNCTION" and node["function_name"] == "-":
        (inner,) = node.get("arguments") or node["children"]
        number = _value(inner.get("expression", inner))
        if isinstance(number, int | float | Decimal):
            return -number
    if node["type"] != "VALUE_CONSTANT":
        raise _Unknown("what is no plain value")
    return _constant(node)


def _constant(node: Any) -> FilterValue:
    literal = node.get("literal")
    if literal is None:
        raise _Unknown("a value of this kind")
    text = literal.get("text")
    match literal.get("kind"):
        case "STRING":
            return str(text)
        case "INTEGER":
            return int(text)
        case "FLOAT" | "DECIMAL" | "DOUBLE" | "NUMERIC":
            return float(text)
        case "BOOLEAN" | "BOOL":
            return str(text).lower() in {"true", "t", "1"}
        case kind:
            raise _Unknown(f"{str(kind).lower()} as a value")


def _type_name(node: Any) -> str:
    kind = node.get("type_expr") or node.get("cast_type") or {}
    return str(kind.get("type_name") or kind.get("id") or "").upper()


def _bad(text: str, why: str) -> BadFilter:
    return BadFilter(
        f"'{text}' cannot be used as a condition: {why}",
        try_next="compare columns with values: id > 3 AND city IN ('Bonn', 'Ulm')",
        condition=text,
    )
