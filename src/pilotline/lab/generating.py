"""Rows made up in the likeness of what a database gave: for tests, which take nothing out of one.

The schema is that of the recording, and so are the edges: a gap where there were gaps, values that repeat where they did.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROWS = 6


def generated(described: Mapping[str, Any]) -> str | None:
    """An expression for a frame of a few rows; None where its columns are of a kind that can't be made up.

    Args:
        described: what the frame was like.
    """
    columns: Sequence[Mapping[str, Any]] = described.get("columns") or ()
    plain = described.get("kind") == "frame" and described.get("plain_names") and described.get("index") is None
    if not plain or len(columns) != described["width"] or len({one["name"] for one in columns}) != len(columns):
        return None
    parts: list[str] = []
    for one in columns:
        text = _column(one)
        if text is None:
            return None
        parts.append(f"{one['name']!r}: {text}")
    return f"pd.DataFrame({{{', '.join(parts)}}})"


def _column(one: Mapping[str, Any]) -> str | None:
    dtype = str(one["dtype"])
    values: list[Any]
    if dtype.startswith("datetime64[") and "," not in dtype:
        days = [f"2024-0{1 + number}-15" for number in range(_ROWS)]
        return f"pd.to_datetime({_with_gap(days, one)!r})"
    if dtype == "bool":
        values = [number % 2 == 0 for number in range(_ROWS)]
    elif dtype.startswith(("int", "uint")):
        values = [1 + number if one.get("unique") else number // 2 for number in range(_ROWS)]
    elif dtype.startswith("float"):
        least = -1.5 if isinstance(one.get("low"), int | float) and one["low"] < 0 else 0.0
        values = [least + 1.5 * number for number in range(_ROWS)]
    elif dtype in {"object", "str", "string"} and (one.get("values") or one.get("unique") or one.get("text")):
        few = [f"{one['name']} {number}" for number in range(1, _ROWS + 1 if one.get("unique") else 4)]
        if not one.get("unique"):
            few = [str(value) for value in one.get("values") or few]
        values = [few[number % len(few)] for number in range(_ROWS)]
    else:
        return None
    return repr(_with_gap(values, one))


def _with_gap(values: list[Any], one: Mapping[str, Any]) -> list[Any]:
    return [*values[:-1], None] if one["nulls"] else values


def with_rows(source: str, rows: Mapping[str, str]) -> str:
    """A module whose given functions return rows that are made up.

    Args:
        source: of the module.
        rows: function -> expression.
    """
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef) and node.name in rows:
            lines[node.body[0].lineno - 1 : node.end_lineno] = [
                f"    import pandas as pd\n\n    return {rows[node.name]}"
            ]
    return "\n".join(lines) + "\n"
