"""Modules of the project's own are read as the pipeline's module is."""

from __future__ import annotations

from textwrap import dedent

import pytest
from tests.run.columns.cases import NoSources, told

from pilotline.run.columns.calls import OwnModule, known
from pilotline.run.columns.edges import Edge, Source
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.values import Frame, Value, lineage_of

MODULES = {
    "helpers": OwnModule(
        """
        import pandas as pd
        from shared.names import COLUMN, doubled as twice
        from shared import *

        LEAST = 3

        def clean(frame, column):
            frame[column] = frame[column].fillna(LEAST)
            return frame

        def marked(frame):
            frame = frame.copy()
            frame["n"] = twice(frame[COLUMN])
            return trimmed(frame, "y")

        def strange(frame):
            import unheard_of
            unheard_of.change(frame)
            return frame

        class Model:
            pass

        if __name__ == "__main__":
            LEAST = None
        """,
        "helpers.py", "",
    ),
    "shared": OwnModule("from .rows import trimmed", "shared/__init__.py", "shared"),
    "shared.names": OwnModule("from . import rows\nCOLUMN = 'x'\ndef doubled(values):\n    return values * 2", "shared/names.py", "shared"),
    "shared.rows": OwnModule("from shared import names\ndef trimmed(frame, column):\n    return frame[frame[column] > 0]", "shared/rows.py", "shared"),
    "broken": OwnModule("def broken(:", "broken.py", ""),
}  # fmt: skip


class Modules(NoSources):
    def module(self, name: str) -> OwnModule | None:
        found = MODULES.get(name)
        return found and found._replace(text=dedent(found.text))


def made_of(code: str) -> Value:
    frame = Frame({name: frozenset({Edge(Source("table", "a"), name, "IDENTITY")}) for name in ("x", "y")})
    imports, _, body = code.rpartition("; ")
    text = f"{imports.replace('; ', chr(10))}\ndef made(df, limit):\n    {body}\n    return df\n"
    return Machine(text, Modules()).run("made", {"df": frame, "limit": known(2)}, step="made")


@pytest.mark.parametrize(
    ("code", "rows", "columns"),
    [
        ("import helpers; df = helpers.clean(df, 'x')", "", {"x": "x TRANSFORMATION", "y": "y IDENTITY"}),
        ("from helpers import clean as cleaned; cleaned(df, 'y')", "", {"x": "x IDENTITY", "y": "y TRANSFORMATION"}),
        ("import helpers; df = helpers.marked(df)", "y FILTER",
         {"x": "x IDENTITY", "y": "y IDENTITY", "n": "x TRANSFORMATION"}),
        ("from helpers import *; df = marked(df)", "y FILTER", {"x": "x IDENTITY", "y": "y IDENTITY", "n": "x TRANSFORMATION"}),
        ("import shared.rows; df = shared.rows.trimmed(df, 'x')", "x FILTER", {"x": "x IDENTITY", "y": "y IDENTITY"}),
        ("import shared.names as names; df = df[[names.COLUMN]]", "", {"x": "x IDENTITY"}),
        ("import helpers; df = df.pipe(helpers.clean, 'x')", "", {"x": "x TRANSFORMATION", "y": "y IDENTITY"}),
        ("import helpers; df['n'] = helpers.LEAST", "", {"x": "x IDENTITY", "y": "y IDENTITY", "n": ""}),
    ],
)  # fmt: skip
def test_functions_and_constants_of_own_modules_are_read(code, rows, columns):
    found = made_of(code)
    assert isinstance(found, Frame), told(lineage_of(found))
    assert (told(found.rows), {str(name): told(each) for name, each in found.columns.items()}) == (rows, columns)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import helpers; df = helpers.strange(df)", "what unheard_of.change does is not read, in helpers.py"),
        ("import helpers; df = helpers.gone(df)", "nothing is known of helpers.gone"),
        ("import helpers; df = helpers.Model(df)", "what a class does is not read, in helpers.py"),
        ("import broken; df = broken.broken(df)", "nothing is known of broken.broken"),
        ("import elsewhere; df = elsewhere.clean(df)", "what elsewhere.clean does is not read"),
        ("import helpers; df['n'] = vars(helpers)['clean'](df, 'x')", "what becomes of the module helpers is not read"),
    ],
)  # fmt: skip
def test_what_is_not_understood_there_is_said_so(code, why):
    assert f"? {why}" in told(lineage_of(made_of(code)))
