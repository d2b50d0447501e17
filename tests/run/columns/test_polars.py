"""Frames of Polars: what is read of usual code, and by experiment that nothing is left out."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests.run.columns.cases import (
    NoSources,
    attempted,
    changed,
    covers,
    inputs,
    lineage_of_change,
    made_of,
    module,
    told,
    words_of,
)

from pilotline.domain.tables import TableName
from pilotline.guest.steps import _describe
from pilotline.run.checking import WHOLE
from pilotline.run.columns.edges import Edge, Source
from pilotline.run.columns.keeping import Columns
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.reading import as_seen
from pilotline.run.columns.values import PolarsFrame, lineage_of
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.run.conftest import Project

COLUMNS = {"a": ["g", "h", "x", "y", "d"], "b": ["g", "z", "w"]}


@pytest.mark.parametrize(
    ("code", "rows", "columns"),
    [
        ('df = df.select("g", pl.col("x").alias("n"))', "", {"g": "g IDENTITY", "n": "x IDENTITY"}),
        ('df = df.select(n=(pl.col("x") * 2 + pl.col.y).cast(pl.Int64))', "", {"n": "x TRANSFORMATION, y TRANSFORMATION"}),
        ('df = df.select(pl.lit("x").alias("n"), m=pl.lit(limit))', "", {"n": "", "m": ""}),
        ('df = df.select("x").with_columns(pl.col("x").sum().over("x").alias("n"))', "",
         {"x": "x IDENTITY", "n": "x AGGREGATION, x WINDOW"}),
        ('df = df.lazy().filter(pl.col("x") > limit, h="a").select("y").collect()', "h FILTER, x FILTER", {"y": "y IDENTITY"}),
        ('df = df.group_by("g").agg(pl.col("x").sum(), pl.len(), n=pl.col("y").filter(pl.col("h") == "a").mean())',
         "g GROUP_BY", {"g": "g IDENTITY", "x": "x AGGREGATION", "len": "", "n": "h FILTER, y AGGREGATION"}),
        ('df = df.group_by(pl.col("d").dt.year().alias("year")).agg(pl.col("x", "y").max())', "d GROUP_BY",
         {"year": "d TRANSFORMATION", "x": "x AGGREGATION", "y": "y AGGREGATION"}),
        ('df = df.join(b, on="g", how="left").select("g", "z")', "b.g JOIN, g JOIN", {"g": "g IDENTITY", "z": "b.z IDENTITY"}),
        ('df = df.join(b.rename({"z": "x"}), on="g", how="full").select("g_right", "x_right")', "b.g JOIN, g JOIN",
         {"g_right": "b.g IDENTITY", "x_right": "b.z IDENTITY"}),
        ('df = df.join(b, on="g", how="semi").select("x")', "b.g JOIN, g JOIN", {"x": "x IDENTITY"}),
        ('df = df.sort("x", descending=True).head(3).select("y")', "x SORT", {"y": "y IDENTITY"}),
        ('df = df.drop("g", "h", "d").rename({"x": "n"})', "", {"n": "x IDENTITY", "y": "y IDENTITY"}),
        ('df = df.select(n=pl.when(pl.col("x") > 0).then("y").when(pl.col("g") == "a").then(1).otherwise(pl.col("x")))', "",
         {"n": "g CONDITIONAL, x CONDITIONAL, x TRANSFORMATION, y TRANSFORMATION"}),
        ('df = df.select(pl.col("g").str.to_uppercase().str.slice(0, 1), pl.col("d").dt.month().alias("m"))', "",
         {"g": "g TRANSFORMATION", "m": "d TRANSFORMATION"}),
        ('df = df.select(pl.col("x", "y").name.suffix("_old"))', "", {"x_old": "x IDENTITY", "y_old": "y IDENTITY"}),
        ('df = df.select(pl.sum_horizontal("x", "y").alias("n"), pl.concat_str(pl.col("g"), "h", separator="-"))', "",
         {"n": "x TRANSFORMATION, y TRANSFORMATION", "g": "g TRANSFORMATION, h TRANSFORMATION"}),
        ('df = df.select(pl.col("^[xy]$").sum())', "", {"x": "x AGGREGATION", "y": "y AGGREGATION"}),
        ('df = df.unpivot(["x", "y"], index="g")', "",
         {"g": "g IDENTITY", "variable": "", "value": "x IDENTITY, y IDENTITY"}),
        ('df = pl.concat([df.select("x"), df.select(pl.col("y").alias("x"))])', "", {"x": "x IDENTITY, y IDENTITY"}),
        ('for name in ["x", "y"]:\n    df = df.with_columns(pl.col(name) / pl.col(name).max())\ndf = df.select("x")', "",
         {"x": "x AGGREGATION, x TRANSFORMATION"}),
        ('df = df.filter(df["x"] > df["y"].mean()).select("g")', "x FILTER, y FILTER", {"g": "g IDENTITY"}),
        ('k = pl.col("x") if df["y"].sum() > 3 else pl.col("z")\ndf = df.join(b, on="g").select(k.alias("n"))', "b.g JOIN, g JOIN",
         {"n": "b.z IDENTITY, x IDENTITY, y CONDITIONAL"}),
        ('df = pl.from_pandas(df.to_pandas().assign(n=1)[["x", "n"]])', "", {"x": "x IDENTITY", "n": ""}),
        ('df = duckdb.sql("select g, sum(x) as n from df group by g").pl()', "g GROUP_BY",
         {"g": "g IDENTITY", "n": "x AGGREGATION"}),
    ],
)  # fmt: skip
def test_usual_code_is_read(code, rows, columns):
    found = made_of(module(code.splitlines()), kind=PolarsFrame, **COLUMNS)
    assert isinstance(found, PolarsFrame), told(lineage_of(found))
    assert (told(found.rows), {name: told(each) for name, each in found.columns.items()}) == (rows, columns)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("df = df.select(pl.col(pl.Float64))", "which columns are meant is not known"),
        ("import polars.selectors as cs\ndf = df.select(cs.numeric())", "what polars.selectors.numeric gives is not read"),
        ('df = df.with_columns(pl.col(pl.Datetime("us")) + pl.col("x")).select("d")', "which columns are meant is not known"),
        ("df.extend(df)", "the method extend of a frame of Polars is not read"),
        ('df = df.with_columns(np.log(pl.col("x")).alias("n"))', "what becomes of an expression of Polars is not read"),
        ('df = df.sql("select x from self")', "the method sql of a frame of Polars is not read"),
        ('df["n"] = df["x"]', "where something is put is not known"),
        ('df = df.group_by("g").map_groups(lambda part: part)', "the method map_groups of groups of Polars is not read"),
        ("df = df[:, 1]", "columns are taken by their order"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said_so(code, why):
    found = made_of(module(code.splitlines()), kind=PolarsFrame, **COLUMNS)
    assert f"? {why}" in told(lineage_of(found))


NAMED = """
1 + pl.col("x")
2 > pl.col("x")
pl.lit("x")
pl.col("y") + df["x"]
df["x"] + 1
df["x"].sum() + pl.col("y")
df["x"].max() > pl.col("y")
pl.date("y", 1, 1)
pl.datetime(pl.col("y"), 1, 1)
pl.duration(days="x")
pl.concat_list("y", "x")
pl.cov("y", "x")
pl.max_horizontal(1, "x")
pl.coalesce(pl.lit(1), "x")
pl.struct(pl.col("y").alias("q"), "x")
pl.when(pl.col("x") > 1).then(1).otherwise("x")
pl.len() + pl.col("x")
pl.max("x", "y")
pl.mean("x") + pl.sum("y")
pl.quantile("x", 0.5)
pl.col("g").value_counts()
pl.col("x").value_counts().struct.field("count")
2 ** pl.col("x")
pl.format("{}-{}", "h", "g")
pl.concat_str(pl.lit("-"), "g")
(pl.col("x") * pl.col("y")).name.suffix("_r")
pl.col("x").alias("q").name.keep()
pl.col("^[xy]$").name.prefix("a_")
pl.all().exclude("x", "d")
""".strip().splitlines()


@pytest.mark.parametrize("expression", NAMED)
def test_columns_are_called_as_polars_calls_them_or_are_not_shown(expression):
    df = pl.from_pandas(inputs(3)["a"])
    found = made_of(module([f"df = df.select({expression})"]), kind=PolarsFrame, **COLUMNS)
    names = df.select(eval(expression, {"pl": pl, "df": df})).columns  # noqa: S307 - what is tested
    assert list(found.columns) == names if isinstance(found, PolarsFrame) else "?" in told(lineage_of(found))


#: As for frames of pandas.
IDIOMS = (
    """
df = df.with_columns((pl.col("{x}") * 2 + pl.col("{y}")).alias("{n}"))
df = df.with_columns(-pl.col("{x}"), {n}=pl.lit({t}))
df = df.with_columns({n}=1 - pl.col("{x}"), o=pl.col("{y}") > {t})
df = df.with_columns(pl.when(pl.col("{x}") > {t}).then(pl.col("{y}")).otherwise(0).alias("{n}"))
df = df.with_columns(pl.when(pl.col("{g}") == "a").then("{x}").when(pl.col("{x}") > {t}).then(pl.lit(9)).otherwise("{y}").alias("{n}"))
df = df.with_columns(pl.when(pl.col("{x}") > {t}).then("{y}").alias("{n}"))
df = df.with_columns(pl.col("{x}") + pl.col("{y}"))
df = df.with_columns(pl.when(pl.col("{g}") == "a").then("{x}").otherwise("{y}"))
df = df.with_columns(pl.col("{x}", "{y}") * pl.col("{y}"))
df = df.with_columns(pl.coalesce("{x}", "{y}"), pl.concat_str("{g}", "{h}"))
df = df.select("{g}", pl.max_horizontal("{x}", "{y}"))
df = df.with_columns(pl.col("{x}").sort_by("{y}").over("{g}"), pl.col("{g}").replace({{"a": "z"}}))
df = df.filter(pl.col("{x}") >= {t})
df = df.filter((pl.col("{x}") >= {t}) | (pl.col("{g}") == "b"), pl.col("{y}").is_not_null())
df = df.filter(~pl.col("{g}").is_in(b["g"].to_list()))
df = df.filter(df["{x}"] > df["{y}"].mean())
df = df.remove(pl.col("{x}") > {t})
df = df.join(b, on="g", how="left", maintain_order="left")
df = df.join(b.select("g", "z"), on="g", maintain_order="left_right")
df = df.join(b.rename({{"g": "other"}}), left_on="{g}", right_on="other", how="full", maintain_order="left_right")
df = df.join(b, on="g", how="full", coalesce=True, maintain_order="left_right")
df = df.join(b.rename({{"g": "{g}"}}), on="{g}", how="right", maintain_order="right_left")
df = df.join(b.unique("g", keep="first", maintain_order=True), left_on="{g}", right_on="g", how="semi", maintain_order="left")
df = df.join(b, left_on=pl.col("{g}"), right_on="g", how="anti", maintain_order="left")
df = df.join(b.select("z").head(2), how="cross")
df = df.group_by("{g}", maintain_order=True).agg(pl.col("{x}").sum().alias("{n}"), pl.col("{y}").max(), pl.len())
df = df.group_by(["{g}", "{h}"], maintain_order=True).agg(pl.col("{x}").mean(), c=pl.col("{y}").count())
df = df.group_by("{g}", maintain_order=True).agg(pl.all().first())
df = df.group_by("{g}", maintain_order=True).agg((pl.col("{x}") * pl.col("{y}")).sum() / pl.col("{y}").sum())
df = df.group_by("{g}", maintain_order=True).agg(pl.col("{x}").filter(pl.col("{y}") > {t}).sum().alias("{n}"))
df = df.group_by("{g}", maintain_order=True).agg(pl.col("{x}").sort_by("{y}").last().alias("{n}"))
df = df.group_by((pl.col("{x}") > {t}).alias("{n}"), maintain_order=True).agg(pl.col("{y}").sum())
df = df.group_by("{g}", maintain_order=True).len()
df = df.group_by("{g}", maintain_order=True).head(1)
df = df.group_by("{g}", maintain_order=True).agg(pl.col("{x}")).explode("{x}")
df = df.sort("{d}").group_by_dynamic("{d}", every="1mo").agg(pl.col("{x}").sum())
df = df.with_columns(pl.col("{x}").mean().over("{g}").alias("{n}"))
df = df.with_columns((pl.col("{x}") / pl.col("{x}").sum().over("{g}", "{h}")).alias("{n}"))
df = df.with_columns(pl.col("{x}").rank("dense").over("{g}").alias("{n}"))
df = df.with_columns(pl.col("{x}").cum_sum().over("{g}", order_by="{y}").alias("{n}"))
df = df.with_columns(pl.col("{x}").shift(1).alias("{n}"), pl.col("{y}").diff().alias("o"))
df = df.with_columns(pl.col("{x}").rolling_mean(2).alias("{n}"))
df = df.with_columns(pl.col("{x}").sort().alias("{n}"))
df = df.with_columns(pl.col("{x}").sort_by("{y}", "{g}").alias("{n}"))
df = df.sort("{x}").head(4)
df = df.sort(["{g}", "{x}"], descending=True, nulls_last=True)
df = df.sort(pl.col("{x}") * -1, "{y}")
df = df.top_k(3, by="{x}")
df = df.unique("{g}", keep="first", maintain_order=True)
df = df.unique(maintain_order=True)
df = df.rename({{"{x}": "{n}"}})
df = df.rename(lambda name: name.upper())
df = df.drop("{x}")
df = df.select("{g}", "{x}", "{y}")
df = df[["{g}", "{x}"]]
df = df.select(pl.exclude("{x}"))
df = df.select(pl.all().exclude("{y}"))
df = df.select(pl.col("{g}"), pl.col("{x}", "{y}").name.suffix("_s"))
df = df.select(pl.col("{x}").drop_nulls())
df = df.select(pl.col("{x}").filter(pl.col("{y}") > {t}), pl.lit(1).alias("{n}"))
df = df.select(pl.col("{x}").max(), pl.col("{g}").n_unique())
df = df.select(pl.col("{g}").value_counts(sort=True)).unnest("{g}")
df = df.with_columns(pl.col("{g}").str.to_uppercase().str.slice(0, 1).alias("{n}"))
df = df.with_columns((pl.col("{g}") + "-" + pl.col("{h}")).alias("{n}"))
df = df.with_columns(pl.col("{g}").str.contains("a").alias("{n}"))
df = df.with_columns(pl.concat_str("{g}", "{h}", separator="/").alias("{n}"))
df = df.with_columns(pl.format("{{}}:{{}}", "{g}", pl.col("{x}")).alias("{n}"))
df = df.with_columns(pl.col("{d}").dt.month().alias("{n}"))
df = df.with_columns((pl.col("{d}") - pl.col("{d}").min()).dt.total_days().alias("{n}"))
df = df.with_columns(pl.col("{d}").dt.truncate("1mo").dt.offset_by("1d"))
df = df.with_columns(pl.sum_horizontal("{x}", "{y}").alias("{n}"), pl.max_horizontal(pl.col("{x}"), {t}).alias("o"))
df = df.with_columns(pl.coalesce("{x}", "{y}", pl.lit(0.0)).alias("{n}"))
df = df.with_columns(pl.struct("{g}", "{x}").alias("s")).with_columns(pl.col("s").struct.field("{x}").alias("{n}")).drop("s")
df = df.with_columns(pl.concat_list("{x}", "{y}").list.max().alias("{n}"))
df = df.with_columns(pl.col("{x}").cast(pl.Int64, strict=False).alias("{n}"))
df = df.cast({{"{x}": pl.Float32}})
df = df.with_columns(pl.col("{x}").fill_null(pl.col("{y}")), {n}=pl.col("{x}").is_null())
df = df.with_columns(pl.col("{x}").fill_null(strategy="forward"))
df = df.fill_null(0)
df = df.drop_nulls("{x}")
df = df.drop_nulls()
df = df.with_columns(pl.col("{x}").clip({t}, "{y}").alias("{n}"))
df = df.with_columns(pl.col("{x}").is_between({t}, pl.col("{y}")).alias("{n}"))
df = df.with_columns(pl.col("{g}").replace_strict({{"a": 1, "b": 2}}, default=0).alias("{n}"))
df = df.with_columns(pl.col("{x}").map_elements(lambda v: v + {t}, return_dtype=pl.Float64).alias("{n}"))
df = df.with_columns((df["{x}"] * 2).alias("{n}"))
df = df.with_columns(pl.Series("{n}", df["{x}"].to_list()))
df = df.with_columns({n}=df["{x}"].max() - df["{y}"])
df = df.with_columns({n}=df.height)
df = df.with_row_index("{n}")
df = df.unpivot(["{x}", "{y}"], index="{g}")
df = df.pivot("{h}", index="{g}", values="{x}", aggregate_function="sum")
df = pl.concat([df, df.filter(pl.col("{x}") > {t})])
df = pl.concat([df, b.rename({{"z": "{x}"}}).select("g", "{x}")], how="diagonal_relaxed")
df = pl.concat([df, df.select(pl.col("{x}").alias("{n}"))], how="horizontal")
df = df.hstack([df["{x}"].alias("{n}")])
df = df.lazy().filter(pl.col("{x}") > {t}).with_columns(({n}=pl.col("{y}") + 1)).collect()
df = df.lazy().select(pl.all(), pl.col("{x}").sum().alias("{n}")).collect()
df = df.pipe(lambda frame: frame.with_columns(pl.col("{x}").alias("{n}")))
df = pl.from_pandas(df.to_pandas().sort_values("{x}", ignore_index=True))
df = duckdb.sql('select "{g}", sum("{x}") as {n} from df group by all order by all').pl()
df = pl.DataFrame({{"{g}": df["{g}"], "{n}": df["{x}"] * 2}})
df = pl.DataFrame([{{"{g}": row["{g}"], "{n}": row["{x}"]}} for row in df.iter_rows(named=True)])
df = df.describe()
df = df.reverse()
df = df.slice(1, 4)
df = df.null_count()
df = df.sum()
""".strip()
    .replace("(({n}=", "({n}=")
    .replace("+ 1)).collect", "+ 1).collect")
    .splitlines()
)

BLOCKS = [
    'for name in ["{x}", "{y}"]:\n    df = df.with_columns((pl.col(name) ** 2).alias(name + "_2"))',
    'df = df.with_columns([(pl.col(name) - pl.col(name).mean()).alias(name + "_c") for name in ["{x}", "{y}"]])',
    'if df["{x}"].sum() > {t}:\n    df = df.with_columns(pl.col("{y}") + 1)\nelse:\n    df = df.with_columns(pl.lit(0).alias("{y}"))',
    'wanted = pl.col("{x}") if df["{y}"].max() > {t} else pl.col("{y}")\ndf = df.with_columns(wanted.alias("{n}"))',
    'parts = []\nfor (key,), part in df.group_by("{g}", maintain_order=True):\n    parts.append(part.with_columns(pl.col("{x}").sum().alias("{n}")))\ndf = pl.concat(parts)',
    'total = 0\nfor value in df["{x}"]:\n    total = total + (value or 0)\ndf = df.with_columns(pl.lit(total).alias("{n}"))',
    'other = df\nif limit > 1:\n    other = other.filter(pl.col("{x}") > {t})\ndf = other',
    'keep = pl.col("{x}").is_not_null() & (pl.col("{y}") >= {t})\ndf = df.filter(keep).with_columns(keep.alias("{n}"))',
]


def read(code: str, frames: dict[str, Any], result: Any) -> PolarsFrame:
    found = made_of(code, kind=PolarsFrame, **{name: list(frame.columns) for name, frame in frames.items()})
    seen = as_seen(Machine("", NoSources()), found, _describe("df", result))
    assert isinstance(seen, PolarsFrame)
    return seen


def differing(one: pl.DataFrame, other: pl.DataFrame) -> set[str]:
    both = {*one.columns, *other.columns}
    return {name for name in both if name not in one or name not in other or not one[name].equals(other[name])}


def statements(draw: Callable[..., Any], frames: dict[str, Any], length: int) -> tuple[str, Any]:
    """A step made statement by statement, each of which really runs on what was made before."""
    body: list[str] = []
    result = frames["a"]
    for number in range(length):
        kinds = {name: kind for name, kind in result.schema.items() if name.isidentifier()}
        numeric = [name for name, kind in kinds.items() if kind.is_numeric()]
        texts = [name for name, kind in kinds.items() if kind == pl.String]
        times = [name for name, kind in kinds.items() if kind.is_temporal()]
        words = words_of(draw, numeric, texts, times, number)
        text = draw(st.sampled_from(IDIOMS + BLOCKS)).format(**words)
        made = attempted(module([*body, text]), frames)
        if isinstance(made, pl.DataFrame):
            body.append(text)
            result = made
    return module(body), result


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_changes_with_an_input_column_has_it_in_its_lineage_or_is_not_shown(data):
    frames = inputs(data.draw(st.integers(0, 30)))
    polars = {name: pl.from_pandas(frame) for name, frame in frames.items()}
    code, result = statements(data.draw, polars, data.draw(st.integers(1, 4)))
    note(code)
    seen = read(code, polars, result)
    for source, frame in frames.items():
        for column in frame.columns:
            for seed in (1, 2, 3, 4):
                others = {name: pl.from_pandas(each) for name, each in changed(frames, source, column, seed).items()}
                other = attempted(code, others)
                for name in differing(result, other) if isinstance(other, pl.DataFrame) else ():
                    assert covers(lineage_of_change(seen, name, result), source, column), (name, source, column, code)


def test_most_of_the_idioms_run_and_are_shown():
    frames = {name: pl.from_pandas(frame) for name, frame in inputs(3).items()}
    words = {"x": "x", "y": "y", "g": "g", "h": "h", "d": "d", "t": 1, "n": "n"}
    failed: list[str] = []
    hidden: list[str] = []
    for template in IDIOMS + BLOCKS:
        text = template.format(**words)
        code = module([text])
        result = attempted(code, frames)
        if not isinstance(result, pl.DataFrame):
            failed.append(f"{text}: {result!r}")
            continue
        found = read(code, frames, result)
        if "?" in told(lineage_of(found)):
            hidden.append(dedent(text))
    assert failed == []
    assert hidden == [
        'df = df.select(pl.col("g").value_counts(sort=True)).unnest("g")',
        "df = df.describe()",
    ]


ORDERS = """
    from pathlib import Path

    import polars as pl


    def orders(path) -> pl.DataFrame:
        return pl.scan_csv(path).filter(pl.col("amount") > 1).collect()


    def pipeline(*, orders_csv: Path = Path("orders.csv")):
        orders_made = orders(orders_csv)
        return {"orders": orders_made}
"""
TOTALS = """
    import polars as pl
    import pilotline


    def totals(table: str) -> pl.DataFrame:
        read = pilotline.read(table, as_="polars", columns=["region", "amount"])
        return read.group_by("region").agg(pl.col("amount").sum()).sort("region")


    def pipeline(*, table: str = "shop.orders"):
        made = totals(table)
        return {"totals": made}
"""


def test_what_is_read_and_published_as_polars_is_told_up_to_its_files(project: Project):
    project.write("orders.csv", "region,amount,note\nnorth,2.5,x\nsouth,1,y\nnorth,4,z\n")
    project.write("explore.py", ORDERS)
    project.write("totals.py", TOTALS)
    project.run()
    project.run("totals")
    lake, _ = open_lake_here(project.folder)
    rows = lake.scan(TableName("shop", "totals"), WHOLE, "main").read_all().to_pylist()
    assert rows == [{"region": "north", "amount": 6.5}]
    orders, totals = (Columns(lake.database).of_run(run)[0] for run in (1, 2))
    file, table = Source("file", "orders.csv"), Source("table", "shop.orders")
    assert {name: set(orders.of(name)) for name in orders.columns} == {
        name: {Edge(file, name, "IDENTITY"), Edge(file, "amount", "FILTER")} for name in ("region", "amount", "note")
    }
    assert set(totals.of("amount")) == {
        Edge(table, "amount", "AGGREGATION"), Edge(table, "region", "GROUP_BY"), Edge(table, "region", "SORT"),
    }  # fmt: skip
