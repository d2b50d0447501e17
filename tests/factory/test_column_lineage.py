"""The lineage of columns from end to end: the example shop and what is made of its table, on both databases."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest

from pilotline.cli.main import main
from pilotline.run.columns.keeping import Columns
from pilotline.run.opening import open_lake_here

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "lab" / "golden" / "shop" / "explore.py.txt"
SCHEMA = json.loads((ROOT / "tests" / "schemas" / "openlineage-column-lineage.json").read_text())

REPORT = """
    import duckdb
    import mystery
    import pandas as pd
    import pilotline


    def regions(revenue: str) -> pd.DataFrame:
        daily = pilotline.read(revenue)
        return duckdb.sql("select region, sum(revenue) as total from daily where orders > 1 group by region order by region").df()


    def scored(totals: pd.DataFrame) -> pd.DataFrame:
        made = totals.copy()
        made["score"] = mystery.score(totals["total"])
        made["place"] = mystery.place(made, "total")
        return made


    def pipeline(*, revenue: str = "shop.daily_revenue"):
        totals = regions(revenue)
        scores = scored(totals)
        return {"totals": totals, "scores": scores}
"""


MYSTERY = """
    from array import array


    def score(values):
        return list(array("d", values))


    def place(frame, column):
        return frame[column].rank()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def shop(tmp_path, monkeypatch, request) -> Path:
    if request.param == "postgres":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
    folder = tmp_path / "shop"
    shutil.copytree(ROOT / "examples" / "shop", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["make_data.py"])
    runpy.run_path("make_data.py", run_name="__main__")
    (folder / "pilotline.toml").write_text('namespace = "shop"\n')
    (folder / "explore.py").write_text(GOLDEN.read_text())
    (folder / "mystery.py").write_text(dedent(MYSTERY).lstrip("\n"))
    (folder / "report.py").write_text(dedent(REPORT).lstrip("\n"))
    assert main(["run", "explore"]) == 0
    assert main(["run", "report"]) == 0
    return folder


def asked(capsys: Any, *words: str) -> Any:
    capsys.readouterr()
    assert main(["lineage", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def in_words(columns: list[dict[str, Any]]) -> dict[str | None, list[str]]:
    return {
        each["column"]: [f"{Path(one['name']).name}:{one['column']} {one['by']}" for one in each["of"]]
        for each in columns
    }


def branches(by: list[dict[str, Any]]) -> list[Any]:
    return [
        (one["pipeline"], {f"{each['name']}.{each['column']}": each["kinds"] for each in one["columns"]}) for one in by
    ]


def test_columns_of_the_shop_are_told_up_to_its_files_and_down_to_what_is_made_of_them(shop, capsys):
    [made] = asked(capsys, "daily_revenue", "--columns")["made"]
    said = in_words(made["columns"])
    assert {name: of for name, of in said.items() if name} == {
        "region": ["orders.csv:state TRANSFORMATION"],
        "day": ["orders.csv:ordered_at TRANSFORMATION"],
        "revenue": [
            "orders.csv:amount AGGREGATION",
            "orders.csv:quantity AGGREGATION",
            "products.csv:list_price AGGREGATION",
        ],
        "orders": ["orders.csv:order_id AGGREGATION"],
    }
    # Test accounts are left out by name, small amounts by value; products are joined; what is grouped by decides too.
    assert {
        "customers.csv:Name FILTER", "customers.csv:Customer No FILTER", "orders.csv:customer_id FILTER",
        "orders.csv:amount FILTER", "orders.csv:product_id JOIN", "products.csv:product_id JOIN",
        "orders.csv:state GROUP_BY", "orders.csv:ordered_at GROUP_BY", "orders.csv:order_id FILTER",
    } <= set(said[None])  # fmt: skip
    assert not any(column["not_shown"] for column in made["columns"])
    assert not any(word.split(":")[1].split(" ")[0] in {"till", "status", "product", "category"} for word in said[None])

    up = asked(capsys, "shop.totals.total", "--html", "total.html")
    assert [pipeline for pipeline, _ in branches(up["upstream"])] == ["report"]
    assert branches(up["upstream"])[0][1] == {
        "shop.daily_revenue.revenue": ["AGGREGATION"],
        "shop.daily_revenue.orders": ["FILTER"],
        "shop.daily_revenue.region": ["GROUP_BY", "SORT"],
    }
    [revenue] = [each for each in up["upstream"][0]["columns"] if each["column"] == "revenue"]
    assert "data/products.csv.list_price" in branches(revenue["by"])[0][1]
    page = (shop / "total.html").read_text()
    assert page.count(">list_price<") == 1
    assert "Not shown" not in page

    down = asked(capsys, "daily_revenue.revenue")
    assert branches(down["downstream"])[0][1] == {
        "shop.totals.total": ["AGGREGATION"],
        "shop.scores.total": ["AGGREGATION"],
        "shop.scores.place": ["AGGREGATION"],
    }
    [hidden] = [each for each in down["downstream"][0]["not_shown"] if each["column"] == "shop.scores.score"]
    assert (hidden["step"], hidden["because"]) == ("scored", "what array.array does is not read, in mystery.py")
    assert (shop / "mystery.py").read_text().splitlines()[hidden["line"] - 1].strip().startswith("return list(array")

    assert main(["lineage", "shop.scores.score"]) == 0
    assert "not shown: what array.array does is not read, in mystery.py (step scored, line" in capsys.readouterr().out
    assert main(["lineage", "shop.totals.totl", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "Did you mean total?" in error["message"]) == ("PL343", True)

    told_to_other_catalogs(shop, capsys)
    reused_steps_keep_theirs(shop, capsys)


def told_to_other_catalogs(shop: Path, capsys: Any) -> None:
    assert main(["lineage", "--openlineage", "events.jsonl"]) == 0
    told = [json.loads(line) for line in (shop / "events.jsonl").read_text().splitlines()]
    outputs = {each["name"]: each["facets"] for event in told for each in event["outputs"]}
    for facets in outputs.values():
        jsonschema.validate(facets["columnLineage"], SCHEMA)
    total = outputs["shop.totals"]["columnLineage"]
    assert total["fields"]["total"]["inputFields"] == [{
        "namespace": "shop:table", "name": "shop.daily_revenue", "field": "revenue",
        "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION", "description": "", "masking": False}],
    }]  # fmt: skip
    assert {
        (one["field"], kind["type"], kind["subtype"]) for one in total["dataset"] for kind in one["transformations"]
    } == {
        ("orders", "INDIRECT", "FILTER"),
        ("region", "INDIRECT", "GROUP_BY"),
        ("region", "INDIRECT", "SORT"),
    }
    counted = outputs["shop.daily_revenue"]["columnLineage"]["fields"]["orders"]["inputFields"]
    assert [kind["masking"] for one in counted for kind in one["transformations"]] == [True]
    # One that is not shown is in no list that claims to be whole.
    assert set(outputs["shop.scores"]["columnLineage"]["fields"]) == {"region", "total", "place"}
    assert set(outputs["shop.scores"]["pilotline_columnsNotShown"]["columns"]) == {"score"}


def reused_steps_keep_theirs(shop: Path, capsys: Any) -> None:
    text = (shop / "report.py").read_text()
    (shop / "report.py").write_text(
        text.replace('made["score"] = mystery.score(totals["total"])', 'made["score"] = 1.0')
    )
    assert main(["run", "report", "--json"]) == 0
    lake, records = open_lake_here(shop)
    steps = {each.step: each.outcome for each in records.steps(3)}
    assert steps == {"regions": "reused", "scored": "computed"}
    kept = Columns(lake.database)
    before, after = ({one.table: one for one in kept.of_run(run)} for run in (2, 3))
    assert after["shop.totals"] == before["shop.totals"]
    assert dict(after["shop.scores"].columns)["score"] == frozenset()
    with lake.database.reading() as tx:
        # Runs whose columns were made of the same share the rows.
        assert tx.execute("SELECT count(*), count(DISTINCT digest) FROM column_lineage") == [(5, 4)]
