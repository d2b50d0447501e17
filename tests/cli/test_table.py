"""Tables are renamed, described, laid out, thinned and joined from the command line, and the lake is kept in order."""

from __future__ import annotations

import json

import pytest

PIPELINE = """
import pandas as pd


def sell(*, count: int) -> pd.DataFrame:
    return pd.DataFrame({"id": range(count), "city": ["Bonn", "Ulm"] * (count // 2), "amount": [1.5] * count})


def pipeline(*, count: int = 4):
    orders = sell(count=count)
    return {"orders": orders}
"""


@pytest.fixture
def shop(pilotline, tmp_path):
    (tmp_path / "selling.py").write_text(PIPELINE)
    assert pilotline("init", "--namespace", "shop").returncode == 0
    assert pilotline("run", "selling").returncode == 0

    def ask(*words):
        said = pilotline(*words, "--json")
        assert said.returncode == 0, said.stdout + said.stderr
        return json.loads(said.stdout)

    return ask


def names(shop):
    return [one["table"] for one in shop("ls")["tables"]]


def test_a_table_is_renamed_dropped_and_brought_back(shop):
    assert shop("table", "rename", "orders", "sold")["table"] == "shop.sold"
    assert names(shop) == ["shop.sold"]
    assert shop("table", "rename", "sold", "archive.sold")["was"] == "shop.sold"
    assert shop("table", "drop", "archive.sold")["rows"] == 4
    assert names(shop) == []
    assert shop("table", "undrop", "archive.sold")["rows"] == 4
    shop("undo")
    assert names(shop) == []


def test_what_is_said_of_a_table_is_shown(shop, pilotline):
    shop("table", "describe", "orders", "--comment", "what was sold", "--owner", "ann", "--property", "team=sales")
    shop("table", "describe", "orders", "--column", "amount", "--comment", "in euro", "--owner", "bob")
    told = shop("show", "orders")
    assert (told["comment"], told["owner"]) == ("what was sold", "ann")
    assert [(each["comment"], each["owner"]) for each in told["columns"] if each["name"] == "amount"] == [
        ("in euro", "bob")
    ]
    text = pilotline("show", "orders").stdout
    assert "what was sold\nask ann" in text
    assert "amount  double  in euro  (ask bob)" in text
    # The next run keeps what was said.
    shop("run", "selling", "--set", "count=6")
    assert shop("show", "orders")["comment"] == "what was sold"


def test_rows_are_deleted_on_main_or_on_a_branch(shop, pilotline):
    assert shop("table", "delete", "orders", "--where", "city = 'Ulm' AND id > 1")["rows_deleted"] == 1
    assert shop("show", "orders")["rows"] == 3
    assert pilotline("branch", "mine").returncode == 0
    assert shop("table", "delete", "orders", "--where", "id in (0, 1)", "--branch", "mine")["branch"] == "mine"
    assert (shop("show", "orders")["rows"], shop("show", "orders", "--branch", "mine")["rows"]) == (3, 1)


def test_joined_files_are_no_reason_to_compute_again(shop, tmp_path):
    (tmp_path / "selling.toml").write_text('[tables.orders]\nmode = "append"\n')
    for count in (6, 8):
        shop("run", "selling", "--set", f"count={count}")
    before = shop("show", "orders")
    done = shop("table", "compact", "orders")
    assert (done["files_before"], done["files_after"]) == (3, 1)
    after = shop("show", "orders")
    assert (after["first"], after["snapshot"]) == (before["first"], before["snapshot"])
    assert shop("run", "selling", "--set", "count=8")["state"] == "unchanged"
    assert shop("table", "compact", "orders")["files_after"] == 1


def test_a_layout_divides_and_sorts_what_is_written_from_then_on(shop):
    shop("table", "layout", "orders", "--partition-by", "city", "--sort-by", "id desc")
    shop("run", "selling", "--set", "count=6")
    assert [row["id"] for row in shop("show", "orders")["first"] if row["city"] == "Bonn"] == [4, 2, 0]
    shop("table", "layout", "orders")


def test_the_lake_is_swept_and_checked(shop, pilotline, tmp_path):
    shop("run", "selling", "--set", "count=6")
    told = shop("lake", "sweep", "--keep", "0d", "--grace", "0h")
    assert (told["done"], [each["rows"] for each in told["given_up"]]) == (False, [4])
    assert shop("lake", "sweep", "--keep", "0d", "--grace", "0h", "--do")["done"]
    assert shop("lake", "check", "--deep")["problems"] == []
    gone = pilotline("show", "orders", "--at", "main~1")
    assert (gone.returncode, "PL244" in gone.stderr) == (1, True)
    (file,) = (tmp_path / ".pilotline" / "tables").rglob("*.parquet")
    file.unlink()
    found = pilotline("lake", "check")
    assert (found.returncode, "is gone, which holds 6 rows of shop.orders" in found.stdout) == (1, True)
    assert "pilotline undo" in found.stdout


WRONG = [
    (("table", "rename", "orders"), "PL001", "the new name is missing"),
    (("table", "rename", "orders", "not a name"), "PL202", "not a table name"),
    (("table", "rename", "ordrs", "sold"), "PL201", "Did you mean orders?"),
    (("table", "describe", "orders"), "PL001", "say something"),
    (("table", "describe", "orders", "--column", "amout", "--comment", "x"), "PL207", "Did you mean amount?"),
    (("table", "describe", "orders", "--property", "gc.enabled=true"), "PL247", "Pilotline itself sets"),
    (("table", "layout", "orders", "--partition-by", "week(id)"), "PL245", "bucket(16, c)"),
    (("table", "layout", "orders", "--partition-by", "day(id)"), "PL245", "id is long"),
    (("table", "layout", "orders", "--sort-by", "id up"), "PL245", "asc, desc or nothing"),
    (("table", "delete", "orders"), "PL001", "--where is missing"),
    (("table", "delete", "orders", "--where", "id >"), "PL208", "syntax error"),
    (("table", "delete", "orders", "--where", "lower(city) = 'x'"), "PL208", "plain column"),
    (("table", "delete", "orders", "--where", "id = 'one'"), "PL208", "id"),
    (("table", "delete", "orders", "--where", "1=1; DROP TABLE x"), "PL208", "cannot be used as a condition"),
    (("table", "undrop", "orders"), "PL202", "already"),
    (("table", "melt", "orders"), "PL001", "melt"),
    (("lake", "sweep", "--keep", "soon"), "PL001", "no span of time"),
    (("lake", "sweep", "--keep", "40000d"), "PL001", "no span of time"),
    (("lake", "sweep", "--grace", "9" * 400 + "d"), "PL001", "no span of time"),
]


@pytest.mark.parametrize(
    ("words", "code", "says"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_what_cannot_be_done_is_refused_and_leaves_no_branch(shop, pilotline, words, code, says):
    before = shop("log")["commits"]
    said = pilotline(*words)
    assert said.returncode in {1, 2}
    assert (code in said.stderr, says in said.stderr) == (True, True), said.stderr
    assert shop("log")["commits"] == before
    assert [one["branch"] for one in shop("branch")["branches"]] == ["main"]


def test_a_diff_takes_a_tolerance_shows_spreads_and_writes_a_page(shop, pilotline, tmp_path):
    shop("run", "selling", "--set", "count=6")
    told = shop("diff", "--key", "id", "--rtol", "1e-9", "--spread", "--html", "diff.html")
    assert told["tables"][0]["rows_added"] == 2
    assert [one["column"] for one in told["tables"][0]["columns"]] == ["id", "city", "amount"]
    assert "shop.orders" in (tmp_path / "diff.html").read_text()
    said = pilotline("diff", "--spread").stdout
    assert "mean 4.5" in said
    refused = pilotline("diff", "--rtol", "0.1")
    assert (refused.returncode, "needs --key" in refused.stderr) == (2, True)


def test_what_came_and_what_went_is_shown(shop, pilotline, tmp_path):
    first = shop("log")["commits"][0]["commit"]
    assert pilotline("run", "selling", "--set", "count=6").returncode == 0
    told = shop("show", "orders", "--since", first)
    assert (told["came"]["rows"], told["went"]["rows"]) == (2, 0)
    # Which of them comes first is up to the engine.
    assert sorted(row["id"] for row in told["came"]["first"]) == [4, 5]
    shop("table", "delete", "orders", "--where", "id = 1")
    text = pilotline("show", "orders", "--since", first).stdout
    assert f"2 rows of shop.orders came since {first[:8]}" in text
    assert f"1 row of shop.orders went since {first[:8]}" in text
    refused = pilotline("show", "orders", "--since", first, "--arrow", str(tmp_path / "orders.arrow"))
    assert refused.returncode == 1
    assert "PL249" in refused.stderr
    assert not (tmp_path / "orders.arrow").exists()
    written = pilotline("show", "orders", "--since", "main", "--arrow", str(tmp_path / "orders.arrow"))
    assert written.returncode == 0, written.stderr


def test_a_contract_says_how_a_table_is_laid_out(shop, pilotline, tmp_path):
    (tmp_path / "selling.toml").write_text('[tables.orders]\npartition_by = ["city"]\nsort_by = ["id desc"]\n')
    assert pilotline("run", "selling", "--set", "count=8").returncode == 0
    rows = shop("show", "orders")["first"]
    assert [row["id"] for row in rows if row["city"] == "Bonn"] == [6, 4, 2, 0]
    files = [path for path in tmp_path.rglob("*.parquet") if "city=Ulm" in str(path)]
    assert len(files) == 1
    (tmp_path / "selling.toml").write_text('[tables.orders]\npartition_by = ["town"]\n')
    refused = pilotline("run", "selling", "--set", "count=2")
    assert "PL245" in refused.stderr
    assert shop("show", "orders")["rows"] == 8


def test_namespaces_are_listed_and_described(shop, pilotline):
    assert (
        shop("namespace", "shop", "--comment", "what is sold", "--owner", "ann", "--property", "team=sales")["owner"]
        == "ann"
    )
    assert shop("namespace", "archive", "--comment", "what was sold")["namespace"] == "archive"
    listed = {one["namespace"]: one for one in shop("namespace")["namespaces"]}
    assert {name: one["tables"] for name, one in listed.items()} == {"shop": 1, "archive": 0}
    assert (listed["shop"]["comment"], listed["shop"]["properties"]) == ("what is sold", {"team": "sales"})
    assert shop("namespace", "shop", "--owner", "bob")["comment"] == "what is sold"
    assert shop("namespace", "archive", "--forget")["forgotten"]
    in_use = pilotline("namespace", "shop", "--forget")
    assert (in_use.returncode, in_use.stderr.partition(":")[0]) == (1, "PL246")
    assert pilotline("namespace", "none", "--forget").returncode == 2
    assert pilotline("namespace", "shop", "--property", "team").returncode == 2


def test_the_schema_is_shown_stepped_back_and_brought_forward(shop, pilotline):
    now = shop("lake", "schema")["versions"]
    assert now["lake"] >= 2
    assert shop("lake", "schema", "--component", "lake", "--back-to", "1")["versions"]["lake"] == 1
    assert shop("show", "orders")["rows"] == 4
    later = shop("lake", "schema")["versions"]
    assert {name: later[name] for name in now} == now
    assert pilotline("lake", "schema", "--back-to", "1").returncode == 2
    beyond = pilotline("lake", "schema", "--component", "lake", "--back-to", "0")
    assert (beyond.returncode, beyond.stderr.partition(":")[0]) == (1, "PL218")
