"""What the tests of the lineage of columns share: steps over two frames, read and told in few words."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from pilotline.run.columns.calls import Call, known
from pilotline.run.columns.edges import Edge, Lineage, Source
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.values import Frame, Value

HEAD = """
import duckdb
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
NAMES = {"a": "alpha", "b": "beta"}
ENGINE = None


def doubled(value):
    return value * 2


def mark(frame, column):
    frame["marked"] = frame[column].isna()


def clean(frame, column, least):
    if frame[column].max() < least:
        return frame
    frame = frame.copy()
    frame[column] = frame[column].fillna(least)
    return frame
"""


class NoSources:
    """Nothing is read but what is given."""

    def file(self, path: str, call: Call | None, kind: str) -> None:
        return None

    def table(self, name: str) -> None:
        return None


def module(body: list[str]) -> str:
    """A module with one step of these statements, from ``df``, ``b`` and ``limit`` to ``df``."""
    return HEAD + "\n\ndef made(df, b, limit):\n" + indent("\n".join([*body, "return df"]), "    ") + "\n"


def made_of(code: str, **frames: list[str]) -> Value:
    """What reading the step gives, from frames with these columns."""
    given: dict[str, Any] = {
        name: Frame({column: frozenset({Edge(Source("table", name), column, "IDENTITY")}) for column in columns})
        for name, columns in frames.items()
    }
    return Machine(code, NoSources()).run("made", {"df": given["a"], "b": given["b"], "limit": known(2)}, step="made")


def told(lineage: Lineage) -> str:
    """Edges and gaps in words: ``x FILTER, b.z IDENTITY``; columns of ``a`` without its name."""
    words = [
        f"{'' if each.source.name == 'a' else each.source.name + '.'}{each.column} {each.kind}" + "~" * each.masked
        if isinstance(each, Edge)
        else f"? {each.why}"
        for each in lineage
    ]
    return ", ".join(sorted(words))
