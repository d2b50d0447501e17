"""What the tests of the lineage of columns share: steps over two frames, read and told in few words."""

from __future__ import annotations

import copy
import warnings
from textwrap import indent
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from pilotline.run.columns.calls import Call, known
from pilotline.run.columns.edges import ANY, Edge, Gap, Lineage, Source
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.values import Frame, PolarsFrame, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEAD = """
import duckdb
import numpy as np
import pandas as pd
import polars as pl
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

    def module(self, name: str) -> None:
        return None


def module(body: list[str]) -> str:
    """A module with one step of these statements, from ``df``, ``b`` and ``limit`` to ``df``."""
    return HEAD + "\n\ndef made(df, b, limit):\n" + indent("\n".join([*body, "return df"]), "    ") + "\n"


def made_of(code: str, *, kind: type[Frame | PolarsFrame] = Frame, **frames: list[str]) -> Value:
    """What reading the step gives, from frames of a kind with these columns."""
    given: dict[str, Any] = {
        name: kind({column: frozenset({Edge(Source("table", name), column, "IDENTITY")}) for column in columns})
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


def inputs(seed: int) -> dict[str, pd.DataFrame]:
    chance = np.random.default_rng(seed)
    size = 8
    a = pd.DataFrame({
        "g": chance.choice(["a", "b", "c"], size), "h": chance.choice(["a", "q"], size),
        "x": chance.integers(-3, 6, size).astype(float), "y": chance.integers(0, 4, size).astype(float),
        "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 90, size), unit="D"),
    })  # fmt: skip
    a.loc[chance.integers(0, size), "x"] = np.nan
    b = pd.DataFrame(
        {"g": ["a", "b", "d", "a"], "z": chance.integers(0, 9, 4).astype(float), "w": ["u", "v", "u", "v"]}
    )
    return {"a": a, "b": b}


def changed(frames: dict[str, pd.DataFrame], source: str, column: str, seed: int) -> dict[str, pd.DataFrame]:
    """The same but for one column, filled with other values of its kind, or with its own in another order."""
    chance = np.random.default_rng(seed)
    made = {name: frame.copy() for name, frame in frames.items()}
    values = made[source][column]
    if seed % 2:
        other = chance.permutation(values.to_numpy())
    elif values.dtype.kind == "f":
        other = values * 2 + chance.integers(-4, 5, len(values))
    elif values.dtype.kind == "M":
        other = values + pd.to_timedelta(chance.integers(-40, 40, len(values)), unit="D")
    else:
        other = pd.Series(chance.choice(["a", "b", "c", "q"], len(values)), dtype=values.dtype)
    made[source][column] = np.asarray(other) if seed % 2 else other
    return made


def words_of(
    draw: Callable[..., Any], numeric: Sequence[str], texts: Sequence[str], times: Sequence[str], number: int
) -> dict[str, Any]:
    """What stands for the names in a template: columns that there are, of the right kind."""
    return {
        "x": draw(st.sampled_from(numeric or ["none"])), "y": draw(st.sampled_from(numeric or ["none"])),
        "g": draw(st.sampled_from(texts or ["none"])), "h": draw(st.sampled_from(texts or ["none"])),
        "d": (times or ["none"])[0], "t": draw(st.integers(0, 3)), "n": f"n{number}",
    }  # fmt: skip


def lineage_of_change(seen: Frame | PolarsFrame, name: Any, result: Any) -> Lineage:
    """What must tell of a change of a column: its lineage and that of the rows; all, where it is in one result alone."""
    return (seen.get(name) or frozenset()) | seen.rows if name in result else seen.all | seen.rows


def execute(code: str, frames: dict[str, Any]) -> Any:
    space: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "made", "exec"), space)  # noqa: S102 - what is tested
        return space["made"](*(copy.copy(frame) for frame in frames.values()), 2)


def covers(lineage: Lineage, source: str, column: str) -> bool:
    return any(
        isinstance(each, Gap) or (each.source.name == source and each.column in {column, ANY}) for each in lineage
    )


def attempted(code: str, frames: dict[str, Any]) -> Any:
    """What the step gives; the exception where it raises one."""
    try:
        return execute(code, frames)
    except Exception as error:
        return error
