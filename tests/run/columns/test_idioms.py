"""Every idiom that is read, with what its columns are made of; and what is not read is said to be so."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from tests.run.columns.cases import NoSources, made_of, module, told

from pilotline.run.columns.edges import gaps
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.reading import as_seen
from pilotline.run.columns.values import Frame, lineage_of


@dataclass(frozen=True)
class Case:
    name: str
    code: str
    #: Columns that are not what they were, each with what it was made of.
    made: dict[object, str]
    #: Columns that are the input's own.
    kept: str = ""
    #: What decided about the rows.
    rows: str = ""


CASES = [
    Case(
        "set a column", 'df["n"] = df["x"] * 2 + df["y"]', {"n": "x TRANSFORMATION, y TRANSFORMATION"}, kept="g x y d"
    ),
    Case("set a column by attribute", 'df["n"] = df.x', {"n": "x IDENTITY"}, kept="g x y d"),
    Case("a constant", 'df["n"] = 1', {"n": ""}, kept="g x y d"),
    Case("loc with a mask", 'df.loc[df["x"] > 1, "y"] = 0', {"y": "x CONDITIONAL, y TRANSFORMATION"}, kept="g x d"),
    Case(
        "loc with a mask, another column",
        'df.loc[df["x"] > 1, "n"] = df["y"]',
        {"n": "x CONDITIONAL, y IDENTITY"},
        kept="g x y d",
    ),
    Case(
        "assign",
        'df = df.assign(n=lambda frame: frame["x"] + 1, o=df["y"])',
        {"n": "x TRANSFORMATION", "o": "y IDENTITY"},
        kept="g x y d",
    ),
    Case("filter by mask", 'df = df[df["x"] > 1]', {}, kept="g x y d", rows="x FILTER"),
    Case(
        "filter by mask of another frame",
        'df = df[~df["g"].isin(b["g"])]',
        {},
        kept="g x y d",
        rows="b.g FILTER, g FILTER",
    ),
    Case("query", 'df = df.query("x > @limit and y < 3")', {}, kept="g x y d", rows="x FILTER, y FILTER"),
    Case("query with backticks", 'df = df.query("`x` > 1")', {}, kept="g x y d", rows="x FILTER"),
    Case("sort", 'df = df.sort_values(["x", "g"])', {}, kept="g x y d", rows="g SORT, x SORT"),
    Case("largest", 'df = df.nlargest(3, "x")', {}, kept="g x y d", rows="x SORT"),
    Case("rename", 'df = df.rename(columns={"x": "n"})', {"n": "x IDENTITY"}, kept="g y d"),
    Case("rename in place", 'df.rename(columns={"x": "n"}, inplace=True)', {"n": "x IDENTITY"}, kept="g y d"),
    Case(
        "rename by function",
        "df = df.rename(columns=str.upper)",
        {"G": "g IDENTITY", "X": "x IDENTITY", "Y": "y IDENTITY", "D": "d IDENTITY"},
    ),
    Case(
        "names as a whole",
        'df.columns = ["a", "b", "c", "d"]',
        {"a": "g IDENTITY", "b": "x IDENTITY", "c": "y IDENTITY"},
        kept="d",
    ),
    Case(
        "names by comprehension",
        'df.columns = [name + "_" for name in df.columns]',
        {"g_": "g IDENTITY", "x_": "x IDENTITY", "y_": "y IDENTITY", "d_": "d IDENTITY"},
    ),
    Case("select", 'df = df[["g", "x"]]', {}, kept="g x"),
    Case("drop", 'df = df.drop(columns=["x", "y"])', {}, kept="g d"),
    Case("drop duplicates", 'df = df.drop_duplicates(subset="g", keep="last")', {}, kept="g x y d", rows="g FILTER"),
    Case(
        "drop all duplicates",
        "df = df.drop_duplicates()",
        {},
        kept="g x y d",
        rows="d FILTER, g FILTER, x FILTER, y FILTER",
    ),
    Case("dropna", 'df = df.dropna(subset=["x"])', {}, kept="g x y d", rows="x FILTER"),
    Case("fillna", 'df["x"] = df["x"].fillna(df["y"].mean())', {"x": "x TRANSFORMATION, y AGGREGATION"}, kept="g y d"),
    Case(
        "merge on a key",
        'df = df.merge(b, on="g", how="left")',
        {"z": "b.z IDENTITY"},
        kept="g x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "merge right",
        'df = df.merge(b, on="g", how="right")',
        {"g": "b.g IDENTITY", "z": "b.z IDENTITY"},
        kept="x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "merge outer",
        'df = df.merge(b, on="g", how="outer")',
        {"g": "b.g IDENTITY, g IDENTITY", "z": "b.z IDENTITY"},
        kept="x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "merge on two names",
        'df = df.merge(b.rename(columns={"g": "k"}), left_on="g", right_on="k")',
        {"k": "b.g IDENTITY", "z": "b.z IDENTITY"},
        kept="g x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "merge with the same names",
        'df = df.merge(b.rename(columns={"z": "x"}), on="g")',
        {"x_x": "x IDENTITY", "x_y": "b.z IDENTITY"},
        kept="g y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "join by index",
        'df = df.join(b.set_index("g"), on="g")',
        {"z": "b.z IDENTITY"},
        kept="g x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "group and aggregate by name",
        'df = df.groupby("g", as_index=False).agg(n=("x", "sum"), m=("y", "nunique"))',
        {"n": "x AGGREGATION", "m": "y AGGREGATION~"},
        kept="g",
        rows="g GROUP_BY",
    ),
    Case(
        "group and aggregate a column",
        'df = df.groupby(["g", "d"])["x"].sum().reset_index()',
        {"x": "x AGGREGATION"},
        kept="g d",
        rows="d GROUP_BY, g GROUP_BY",
    ),
    Case(
        "group and aggregate by dict",
        'df = df.groupby("g").agg({"x": ["min", "max"]})',
        {("x", "min"): "x AGGREGATION", ("x", "max"): "x AGGREGATION"},
        rows="g GROUP_BY",
    ),
    Case("group sizes", 'df = df.groupby("g").size().reset_index(name="n")', {"n": ""}, kept="g", rows="g GROUP_BY"),
    Case(
        "group with a function",
        'df = df.groupby("g")["x"].agg(lambda s: s.max() - s.min()).reset_index()',
        {"x": "x AGGREGATION"},
        kept="g",
        rows="g GROUP_BY",
    ),
    Case(
        "share of a group",
        'df["n"] = df["x"] / df.groupby("g")["x"].transform("sum")',
        {"n": "g WINDOW, x AGGREGATION, x TRANSFORMATION"},
        kept="g x y d",
    ),
    Case(
        "rank in a group", 'df["n"] = df.groupby("g")["x"].rank()', {"n": "g WINDOW, x TRANSFORMATION"}, kept="g x y d"
    ),
    Case("count in a group", 'df["n"] = df.groupby("g").cumcount()', {"n": "g WINDOW"}, kept="g x y d"),
    Case("shift", 'df["n"] = df["x"].shift(1)', {"n": "x TRANSFORMATION"}, kept="g x y d"),
    Case("rolling", 'df["n"] = df["x"].rolling(3).mean()', {"n": "x AGGREGATION"}, kept="g x y d"),
    Case(
        "texts",
        'df["n"] = df["g"].str.strip().str.lower() + "-" + df["d"].astype(str)',
        {"n": "d TRANSFORMATION, g TRANSFORMATION"},
        kept="g x y d",
    ),
    Case("dates", 'df["n"] = pd.to_datetime(df["d"]).dt.year', {"n": "d TRANSFORMATION"}, kept="g x y d"),
    Case(
        "where", 'df["n"] = np.where(df["x"] > 1, df["y"], 0)', {"n": "x CONDITIONAL, y TRANSFORMATION"}, kept="g x y d"
    ),
    Case(
        "select by numpy",
        'df["n"] = np.select([df["x"] > 1, df["y"] > 1], [df["x"], 2], default=0)',
        {"n": "x CONDITIONAL, x TRANSFORMATION, y CONDITIONAL"},
        kept="g x y d",
    ),
    Case(
        "where of pandas",
        'df["n"] = df["x"].where(df["y"] > 0, df["x"].min())',
        {"n": "x AGGREGATION, x TRANSFORMATION, y CONDITIONAL"},
        kept="g x y d",
    ),
    Case("map a dict", 'df["n"] = df["g"].map({"a": "alpha"})', {"n": "g TRANSFORMATION"}, kept="g x y d"),
    Case(
        "map a series",
        'df["n"] = df["g"].map(b.set_index("g")["z"])',
        {"n": "b.g JOIN, b.z TRANSFORMATION, g JOIN"},
        kept="g x y d",
    ),
    Case("apply a function", 'df["n"] = df["x"].apply(doubled)', {"n": "x TRANSFORMATION"}, kept="g x y d"),
    Case(
        "apply over rows",
        'df["n"] = df.apply(lambda row: row["x"] if row["g"] == "a" else row["y"], axis=1)',
        {"n": "g CONDITIONAL, x TRANSFORMATION, y TRANSFORMATION"},
        kept="g x y d",
    ),
    Case("a total", 'df["n"] = df["x"] - df["x"].mean()', {"n": "x AGGREGATION, x TRANSFORMATION"}, kept="g x y d"),
    Case(
        "the number of rows",
        'df = df[df["x"] > 1]; df["n"] = len(df)',
        {"n": "x FILTER"},
        kept="g x y d",
        rows="x FILTER",
    ),
    Case(
        "concat",
        'df = pd.concat([df, b.rename(columns={"z": "x"})], ignore_index=True)',
        {"g": "b.g IDENTITY, g IDENTITY", "x": "b.z IDENTITY, x IDENTITY"},
        kept="y d",
    ),
    Case("beside each other", 'df = pd.concat([df["x"], df["y"].rename("n")], axis=1)', {"n": "y IDENTITY"}, kept="x"),
    Case(
        "a frame of series", 'df = pd.DataFrame({"g": df["g"], "n": df["x"] + 1})', {"n": "x TRANSFORMATION"}, kept="g"
    ),
    Case(
        "a frame of rows",
        'df = pd.DataFrame([{"g": row.g, "n": row.x} for row in df.itertuples() if row.y > 1])',
        {"n": "x IDENTITY"},
        kept="g",
        rows="y CONDITIONAL",
    ),
    Case(
        "melt",
        'df = df.melt(id_vars="g", value_vars=["x", "y"])',
        {"variable": "", "value": "x IDENTITY, y IDENTITY"},
        kept="g",
    ),
    Case(
        "pivot table",
        'df = df.pivot_table(index="g", values="x", aggfunc="sum").reset_index()',
        {"x": "x AGGREGATION"},
        kept="g",
        rows="g GROUP_BY",
    ),
    Case(
        "value counts",
        'df = df["g"].value_counts().reset_index()',
        {"count": "g AGGREGATION~"},
        kept="g",
        rows="g GROUP_BY",
    ),
    Case("index set and reset", 'df = df.set_index("g").sort_index().reset_index()', {}, kept="g x y d", rows="g SORT"),
    Case(
        "a loop over names",
        'for name in ["x", "y"]:\n    df[name + "_2"] = df[name] ** 2',
        {"x_2": "x TRANSFORMATION", "y_2": "y TRANSFORMATION"},
        kept="g x y d",
    ),
    Case(
        "a condition on data",
        'if df["x"].sum() > 1:\n    df["y"] = 0',
        {"y": "x CONDITIONAL, y IDENTITY"},
        kept="g x d",
    ),
    Case(
        "a condition on a parameter",
        'if limit > 1:\n    df["n"] = df["x"]\nelse:\n    df["n"] = df["y"]',
        {"n": "x IDENTITY"},
        kept="g x y d",
    ),
    Case("a helper that changes in place", 'mark(df, "x")', {"marked": "x TRANSFORMATION"}, kept="g x y d"),
    Case("an alias", 'other = df; other["n"] = other["x"]', {"n": "x IDENTITY"}, kept="g x y d"),
    Case(
        "a part that is changed",
        'part = df["x"]; part[df["y"] > 1] = 0; df = pd.DataFrame({"n": part})',
        {"n": "x TRANSFORMATION, y CONDITIONAL"},
    ),
    Case(
        "a model",
        'df["n"] = LinearRegression().fit(df[["x"]], df["y"]).predict(df[["x"]])',
        {"n": "x TRANSFORMATION, y TRANSFORMATION"},
        kept="g x y d",
    ),
    Case(
        "a model in two statements",
        'model = LinearRegression(); model.fit(df[["x"]], df["y"]); df = pd.DataFrame({"n": model.predict(b[["z"]])})',
        {"n": "b.z TRANSFORMATION, x TRANSFORMATION, y TRANSFORMATION"},
    ),
    Case(
        "sql: a sum",
        'df = duckdb.sql("select g, sum(x) as n, count(*) as c from df where y > 1 group by g order by n").df()',
        {"n": "x AGGREGATION", "c": ""},
        kept="g",
        rows="g GROUP_BY, x SORT, y FILTER",
    ),
    Case(
        "sql: a join",
        'df = duckdb.sql("select a.g, a.x, b.z as n from df a left join b on a.g = b.g").df()',
        {"n": "b.z IDENTITY"},
        kept="g x",
        rows="b.g JOIN, g JOIN",
    ),
    Case(
        "sql: a case",
        'df = duckdb.sql("select g, case when x > 1 then y else 0 end as n from df").df()',
        {"n": "x CONDITIONAL, y TRANSFORMATION"},
        kept="g",
    ),
    Case(
        "sql: a window",
        'df = duckdb.sql("select *, row_number() over (partition by g order by x) as n from df").df()',
        {"n": "g WINDOW, x WINDOW"},
        kept="g x y d",
    ),
    Case(
        "sql: with",
        'df = duckdb.query("with t as (select g, x + y as n from df) select g, max(n) as m from t group by 1").df()',
        {"m": "x AGGREGATION, y AGGREGATION"},
        kept="g",
        rows="g GROUP_BY",
    ),
    Case(
        "sql: union",
        'df = duckdb.sql("select g, x as n from df union all select g, z from b").df()',
        {"g": "b.g IDENTITY, g IDENTITY", "n": "b.z IDENTITY, x IDENTITY"},
    ),
    Case(
        "sql: a subquery",
        'df = duckdb.sql("select x as n from df where g in (select g from b where z > 1)").df()',
        {"n": "x IDENTITY"},
        rows="b.g FILTER, b.z FILTER, g FILTER",
    ),
    Case(
        "sql: star",
        'df = duckdb.sql("select * exclude (d), upper(g) as n from df").df()',
        {"n": "g TRANSFORMATION"},
        kept="g x y",
    ),
    Case(
        "sql: using",
        'df = duckdb.sql("select * from df join b using (g)").df()',
        {"g": "b.g IDENTITY, g IDENTITY", "z": "b.z IDENTITY"},
        kept="x y d",
        rows="b.g JOIN, g JOIN",
    ),
    Case("sql: distinct", 'df = duckdb.sql("select distinct g from df").df()', {}, kept="g", rows="g FILTER"),
    Case(
        "sql: a connection",
        'con = duckdb.connect(); con.register("t", df); con.execute("create table u as select g, x from t where y > 1"); df = con.execute("select x as n from u").df()',
        {"n": "x IDENTITY"},
        rows="y FILTER",
    ),
    Case(
        "sql: another database",
        'df = pd.read_sql("select o.id, sum(l.amount) as n from orders o join lines l on l.order_id = o.id group by o.id", ENGINE)',
        {"id": "orders.id IDENTITY", "n": "lines.amount AGGREGATION"},
        rows="lines.order_id JOIN, orders.id GROUP_BY, orders.id JOIN",
    ),
    Case(
        "values that are changed",
        'values = df[["x", "y"]].values\nnumbers = df.to_numpy()\nnumbers[0][1] = b["z"].sum()',
        dict.fromkeys("gxyd", "") | {name: f"b.z AGGREGATION, {name} TRANSFORMATION" for name in "gxyd"},
    ),
]


INPUTS = {"a": ["g", "x", "y", "d"], "b": ["g", "z"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_idiom_is_read(case):
    found = made_of(module([case.code]), **INPUTS)
    assert isinstance(found, Frame)
    said = {name: told(lineage) for name, lineage in found.columns.items()}
    assert said == {**{name: f"{name} IDENTITY" for name in case.kept.split()}, **case.made}
    assert (told(found.rows), found.rest, found.maybe - set(said)) == (case.rows, None, set())


@dataclass(frozen=True)
class NotShown:
    name: str
    code: str
    #: Columns of which something is not shown, and why.
    why: dict[object, str]
    #: Columns that are shown all the same.
    shown: str = ""


GAPS = [
    NotShown(
        "an unknown library", 'import mystery\ndf["n"] = mystery.score(df["x"])',
        {"n": "what mystery.score does is not read", "x": "what mystery.score does is not read"}, "g y d",
    ),
    NotShown(
        "an unknown library that may change the frame", "import mystery\nmystery.clean(df)",
        dict.fromkeys(["g", "x", "y", "d"], "what mystery.clean does is not read"),
    ),
    NotShown("a constant of an unknown library", 'import mystery\ndf["n"] = df["x"] * mystery.RATE',
             {"n": "what mystery holds is not read"}, "g x y d"),
    NotShown("a column chosen by data", 'df["n"] = df[df["g"].iloc[0]]', {"n": "which column is taken is not known"}, "g x y d"),
    NotShown(
        "a column filled by data", 'df[df["g"].iloc[0]] = 1',
        dict.fromkeys(["g", "x", "y", "d"], "which column is filled is not known"),
    ),
    NotShown("columns by their order", 'df["n"] = df.iloc[:, 1:3].sum(axis=1)', {"n": "columns are taken by their order"}, "g x y d"),
    NotShown("an exception", 'try:\n    df["n"] = 1 / int(df["x"].iloc[0])\nexcept ZeroDivisionError:\n    df["n"] = 0',
             {"n": "what follows an exception is not read"}, "g x y d"),
    NotShown("a class", 'class Box:\n    pass\nbox = Box()\ndf["n"] = box', {"n": "what a class does is not read"}, "g x y d"),
    NotShown("a comparison of what is not shown", 'df["n"] = df["x"] > eval("1")', {"n": "what eval gives is not read"}, "g x y d"),
    NotShown("SQL that is put together", 'df["n"] = duckdb.sql("select " + str(df["x"].sum()) + " as v").df()["v"]',
             {"n": "the SQL is not written out"}, "g x y d"),
    NotShown("SQL that cannot be read", 'df["n"] = duckdb.sql("select x from df pivot (sum(x) for g in (1))").df()["x"]',
             {"n": "a part of the query is not read"}, "g x y d"),
    NotShown("a recursion", 'def again(v):\n    return again(v)\ndf["n"] = again(df["x"])',
             {"n": "a function that calls itself is not read", "x": "a function that calls itself is not read"}, "g y d"),
]  # fmt: skip


@pytest.mark.parametrize("case", GAPS, ids=lambda case: case.name)
def test_what_is_not_read_is_said_not_to_be_shown_with_its_line(case):
    found = made_of(module([case.code]), **INPUTS)
    first = module(["HERE"]).splitlines().index("    HERE") + 1
    assert isinstance(found, Frame)
    for name, why in case.why.items():
        held = gaps(found.columns[name] | found.rows)
        assert [each.why for each in held] == [why], name
        assert held[0].step == "made"
        assert first <= held[0].line <= first + case.code.count("\n")
    assert not any(gaps(found.columns[name] | found.rows) for name in case.shown.split())


def test_all_of_a_result_is_not_shown_where_the_run_saw_other_columns_than_the_code_says():
    frame = made_of(module(['df["n"] = df["x"]']), **INPUTS)
    machine = Machine("", NoSources())
    facts = {"name": "df", "type": "pandas.DataFrame", "columns": ["g", "x", "y", "d", "n", "surprise"], "index": []}
    seen = as_seen(machine, frame, facts)
    assert isinstance(seen, Frame)
    why = "the run's result has other columns than the code shows: surprise"
    assert all([gap.why for gap in gaps(held)] == [why] for held in seen.columns.values())
    assert list(seen.columns) == facts["columns"]


def test_a_step_whose_loops_are_too_long_is_given_up_in_time():
    code = "total = 0\nfor i in range(900):\n    for j in range(900):\n        total = total + i * j\ndf['n'] = total"
    began = time.process_time()
    found = made_of(module([code]), **INPUTS)
    assert time.process_time() - began < 20
    assert "? its loops are too long to be read" in told(lineage_of(found))
