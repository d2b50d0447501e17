"""What goes into a column of a query, beside what sqlglot's own lineage finds."""

from __future__ import annotations

import pytest
from sqlglot.lineage import lineage
from tests.run.columns.cases import made_of, module

from pilotline.run.columns.edges import DIRECT, Edge
from pilotline.run.columns.values import Frame

QUERIES = [
    "select g, x + y as n, upper(g) as u from df",
    "select d.g, b.z, d.x * b.z as n from df d join b on d.g = b.g",
    "select g, sum(x) as s, max(y) as m from df where y > 1 group by g having sum(x) > 2",
    "with t as (select g, x + y as v from df), u as (select g, max(v) as m from t group by g) select u.g, u.m, b.z from u join b using (g)",
    "select g, coalesce(x, y, 0) as n, cast(d as date) as day from df",
    "select g, x from df union all select g, z from b",
    "select s.g, s.total / (s.n + 1) as mean from (select g, sum(x) as total, count(y) as n from df group by g) as s",
    "select g, lag(x) over (order by y) as n from df",
]


@pytest.mark.parametrize("query", QUERIES)
def test_direct_columns_of_a_query_are_those_that_sqlglot_finds(query):
    found = made_of(module([f'df = duckdb.sql("""{query}""").df()']), a=["g", "x", "y", "d"], b=["g", "z"])
    assert isinstance(found, Frame)
    schema = {
        "df": {"g": "text", "x": "double", "y": "double", "d": "timestamp"},
        "b": {"g": "text", "z": "double"},
    }
    for name, held in found.columns.items():
        ours = {f"{each.source.name}.{each.column}" for each in held if isinstance(each, Edge) and each.kind in DIRECT}
        leaves = [
            node for node in lineage(str(name), query, schema=schema, dialect="duckdb").walk() if not node.downstream
        ]
        tables = {
            f"{node.source.this.name}.{node.name.rpartition('.')[2]}"
            for node in leaves
            if hasattr(node.source.this, "name")
        }
        theirs = {each.replace("df.", "a.", 1) if each.startswith("df.") else each for each in tables}
        # What is joined by the same name is one column, whose values are of both sides.
        joined = {"a.g", "b.g"} if "using" in query and name == "g" else set()
        # By what rows are ordered in a window it counts too; ours says so as an indirect edge.
        along = {"a.y"} if "over (order by y)" in query and name == "n" else set()
        assert ours | along | joined == theirs | along | joined, name
