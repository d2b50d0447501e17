"""By experiment: whatever changes when an input column changes has that column in its lineage, or is said not to be shown.

Random small steps are made of the usual idioms, run for real with pandas, run again with one input column changed, and
read. Where a result differs, its lineage must say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
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
    words_of,
)

from pilotline.guest.steps import _describe
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.reading import as_seen
from pilotline.run.columns.values import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

#: Statements, with a place for each of: numeric columns {x} {y}, texts {g} {h}, a time {d}, a number {t}, a new name {n}.
IDIOMS = """
df["{n}"] = df["{x}"] * 2 + df["{y}"]
df["{n}"] = -df["{x}"]
df.loc[df["{x}"] > {t}, "{y}"] = {t}
df.loc[df["{x}"] > {t}, "{n}"] = df["{y}"]
df.loc[df["{g}"] == "a", ["{x}", "{y}"]] = 0
df = df[df["{x}"] >= {t}]
df = df[(df["{x}"] >= {t}) | (df["{g}"] == "b")].copy()
df = df[~df["{g}"].isin(b["g"])]
df = df.query("{x} > @limit or {y} < 1")
df = df.merge(b, on="g", how="left")
df = df.merge(b[["g", "z"]], on="g")
df = df.merge(b.rename(columns={{"g": "other"}}), left_on="{g}", right_on="other", how="outer")
df = df.merge(b.groupby("g")["z"].sum().rename("{n}"), left_on="{g}", right_index=True, how="left")
df = df.join(b.set_index("g")["w"], on="{g}", rsuffix="_r")
df = df.groupby("{g}", as_index=False).agg({n}=("{x}", "sum"), m=("{y}", "max"), c=("{x}", "size"))
df = df.groupby(["{g}", "{h}"])["{x}"].agg(["mean", "count"]).reset_index()
df = df.groupby("{g}")[["{x}", "{y}"]].mean().reset_index()
df = df.groupby("{g}").agg({{"{x}": "sum", "{y}": lambda s: s.max() - s.min()}}).reset_index()
df = df.groupby("{g}").size().reset_index(name="{n}")
df = df.groupby("{g}").apply(lambda part: pd.Series({{"{n}": part["{x}"].sum(), "o": part["{y}"].max()}})).reset_index()
df["{n}"] = df.groupby("{g}")["{x}"].transform("mean")
df["{n}"] = df.groupby("{g}")["{x}"].cumsum()
df["{n}"] = df.groupby("{g}")["{x}"].shift(1)
df["{n}"] = df.groupby("{g}").cumcount()
df = df.sort_values("{x}").head(4)
df = df.sort_values(["{g}", "{x}"], ascending=False).reset_index(drop=True)
df = df.nlargest(3, "{x}")
df = df.drop_duplicates(subset=["{g}"])
df = df.drop_duplicates()
df = df.rename(columns={{"{x}": "{n}"}})
df = df.drop(columns=["{x}"])
df = df[["{g}", "{x}", "{y}"]]
df["{n}"] = df["{g}"].str.upper().str[:1]
df["{n}"] = df["{g}"] + "-" + df["{h}"]
df["{n}"] = df["{g}"].str.contains("a")
df["{n}"] = df["{d}"].dt.month
df["{n}"] = (df["{d}"] - df["{d}"].min()).dt.days
df["{n}"] = pd.to_datetime(df["{d}"]) + pd.Timedelta(days=1)
df["{n}"] = np.where(df["{x}"] > {t}, df["{y}"], 0)
df["{n}"] = np.select([df["{x}"] > {t}, df["{y}"] > {t}], ["p", "q"], default="r")
df["{n}"] = np.log1p(df["{x}"].abs())
df["{n}"] = df["{x}"].shift(1)
df["{n}"] = df["{x}"].rank()
df["{n}"] = df["{x}"].cumsum() - df["{y}"].diff()
df["{n}"] = df["{x}"].rolling(2).mean()
df["{n}"] = df["{x}"].where(df["{y}"] > {t}, {t})
df["{n}"] = df["{x}"].mask(df["{g}"] == "a")
df["{n}"] = df["{x}"].clip(0, {t}).round(1)
df["{n}"] = df["{x}"].fillna(df["{y}"])
df["{n}"] = df["{x}"].fillna(df["{x}"].median())
df["{x}"] = df["{x}"].astype(float)
df["{n}"] = df["{x}"] / df["{x}"].sum()
df["{n}"] = df["{x}"] - df["{y}"].mean()
df["{n}"] = len(df)
df["{n}"] = 1
df["{n}"] = df["{x}"].apply(lambda v: v + {t})
df["{n}"] = df["{x}"].map(doubled)
df["{n}"] = df.apply(lambda row: row["{x}"] + row["{y}"] if row["{g}"] == "a" else 0, axis=1)
df["{n}"] = df["{g}"].map(NAMES)
df["{n}"] = df["{g}"].map(b.drop_duplicates("g").set_index("g")["z"])
df["{n}"] = [value * 2 for value in df["{x}"]]
df["{n}"] = [x if g == "a" else y for g, x, y in zip(df["{g}"], df["{x}"], df["{y}"])]
df["{n}"] = pd.cut(df["{x}"], [-10, 0, {t} + 0.5, 10], labels=["lo", "mid", "hi"]).astype(str)
df = df.dropna(subset=["{x}"])
df = df.dropna()
df = df.fillna({{"{x}": 0, "{y}": {t}}})
df = pd.concat([df, df[df["{x}"] > {t}]], ignore_index=True)
df = pd.concat([df, b.rename(columns={{"z": "{x}"}})])
df = df.assign({n}=lambda frame: frame["{x}"] + 1, o=df["{y}"])
df = df.melt(id_vars=["{g}"], value_vars=["{x}", "{y}"])
df = df.pivot_table(index="{g}", columns="{h}", values="{x}", aggfunc="sum").reset_index()
df = df.set_index("{g}").sort_index().reset_index()
df = df.reset_index(drop=True)
df = df.value_counts("{g}").reset_index()
df = df["{g}"].value_counts().reset_index()
df = df.groupby(["{g}", "{h}"])["{x}"].sum().unstack(fill_value=0).reset_index()
df = pd.get_dummies(df, columns=["{h}"])
df = df.explode("{x}")
df = df.describe().reset_index()
df = df.eval("{n} = {x} + {y}")
df.insert(0, "{n}", df["{x}"] * 3)
df["{n}"] = df.pop("{x}")
df.rename(columns={{"{x}": "{n}"}}, inplace=True)
df.fillna({{"{x}": -1}}, inplace=True)
df.columns = [str(name).lower() + "_" for name in df.columns]
df.columns = df.columns.str.upper()
mark(df, "{x}")
df = clean(df, "{x}", {t})
df = df.pipe(clean, "{y}", {t})
part = df["{x}"]; part[df["{y}"] > {t}] = 0; df["{n}"] = part
part = df["{x}"]; df.loc[df["{y}"] > {t}, "{x}"] = 9; df["{n}"] = part
part = df.iloc[:3]; df = part.copy()
values = df["{x}"].to_numpy(); df["{n}"] = values * 2
total = df["{x}"].sum(); df["{n}"] = total if total > {t} else 0
df = pd.DataFrame({{"{g}": df["{g}"], "{n}": df["{x}"] + b["z"]}})
df = pd.DataFrame([{{"{g}": row["{g}"], "{n}": row["{x}"] * 2}} for _, row in df.iterrows() if row["{y}"] > {t}])
df["{n}"] = LinearRegression().fit(df[["{x}"]].fillna(0), df["{y}"].fillna(0)).predict(df[["{x}"]].fillna(0))
df = duckdb.sql('select "{g}", sum("{x}") as {n}, count(*) as c from df where "{y}" > {t} group by "{g}" order by 2, 1').df()
df = duckdb.sql('select a.*, b.z as {n} from df a left join b on a."{g}" = b.g order by a."{x}", b.z, b.w').df()
df = duckdb.sql('select "{g}", "{h}", case when "{x}" > {t} then "{y}" else 0 end as {n} from df').df()
df = duckdb.sql('select *, row_number() over (partition by "{g}" order by "{x}", "{y}", "{h}") as {n} from df order by all').df()
""".strip().splitlines()

BLOCKS = [
    'for name in ["{x}", "{y}"]:\n    df[name + "_2"] = df[name] ** 2',
    'if df["{x}"].sum() > {t}:\n    df["{y}"] = df["{y}"] + 1\nelse:\n    df["{n}"] = 0',
    'if limit > 1:\n    df["{n}"] = df["{x}"]\nelse:\n    df["{n}"] = df["{y}"]',
    'rows = []\nfor _, row in df.iterrows():\n    if row["{x}"] > {t}:\n        rows.append({{"{g}": row["{g}"], "{n}": row["{y}"]}})\ndf = pd.DataFrame(rows)',
    'best = None\nfor value in df["{x}"]:\n    if best is None or value > best:\n        best = value\ndf["{n}"] = best',
    'seen = {{}}\nfor key, value in zip(df["{g}"], df["{x}"]):\n    seen[key] = value\ndf["{n}"] = df["{g}"].map(seen)',
    'parts = []\nfor key, part in df.groupby("{g}"):\n    part = part.copy()\n    part["{n}"] = part["{x}"].sum()\n    parts.append(part)\ndf = pd.concat(parts)',
    'try:\n    df["{n}"] = 1 / int(df["{x}"].iloc[0])\nexcept (ZeroDivisionError, ValueError):\n    df["{n}"] = 0.0',
    'other = df\nother["{n}"] = other["{x}"] + 1\ndf = other[other["{y}"] < {t}]',
    'def inner(frame):\n    frame["{n}"] = frame["{y}"] * limit\n    return frame.sort_values("{n}")\ndf = inner(df.copy())',
]


def read(code: str, frames: dict[str, pd.DataFrame], result: Any) -> Frame:
    found = made_of(code, **{name: list(frame.columns) for name, frame in frames.items()})
    machine = Machine("", NoSources())
    seen = as_seen(machine, found, _describe("df", result))
    assert isinstance(seen, Frame)
    return seen


def differing(one: pd.DataFrame, other: pd.DataFrame) -> set[Any]:
    names = set(one.columns) | set(other.columns)
    return {
        name
        for name in names
        if name not in one
        or name not in other
        or not one[name].reset_index(drop=True).equals(other[name].reset_index(drop=True))
    }


def statements(draw: Callable[..., Any], frames: dict[str, pd.DataFrame], length: int) -> tuple[str, Any]:
    """A step made statement by statement, each of which really runs on what was made before."""
    body: list[str] = []
    result = frames["a"]
    for number in range(length):
        numeric = [name for name in result.columns if isinstance(name, str) and result[name].dtype.kind in "fi"]
        texts = [
            name
            for name in result.columns
            if (isinstance(name, str) and result[name].dtype.kind in "OT") or str(result[name].dtype).startswith("str")
        ]
        times = [name for name in result.columns if result[name].dtype.kind == "M"]
        template = draw(st.sampled_from(IDIOMS + BLOCKS))
        words = words_of(draw, numeric, texts, times, number)
        text = template.format(**words)
        code = module([*body, text])
        made = attempted(code, frames)
        if not isinstance(made, pd.DataFrame) or made.columns.duplicated().any():
            continue
        body.append(text)
        result = made
    return module(body), result


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_changes_with_an_input_column_has_it_in_its_lineage_or_is_not_shown(data):
    frames = inputs(data.draw(st.integers(0, 30)))
    code, result = statements(data.draw, frames, data.draw(st.integers(1, 4)))
    note(code)
    seen = read(code, frames, result)
    for source, frame in frames.items():
        for column in frame.columns:
            for seed in (1, 2, 3, 4):
                other = attempted(code, changed(frames, source, column, seed))
                for name in differing(result, other) if isinstance(other, pd.DataFrame) else ():
                    assert covers(lineage_of_change(seen, name, result), source, column), (name, source, column, code)
