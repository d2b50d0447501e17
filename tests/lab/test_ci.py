"""A change is checked on production's own data, and nothing of it is seen by a reader or stands in a pull request."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pilotline.cli.main import main
from pilotline.lab.ci import run_tests
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = """\
order,customer,region,amount
1,Quillfeather,Zanzibar,48151.6
2,Ravensdottir,Zanzibar,23421.5
3,Oxenfoord,Kamchatka,31415.9
4,Quillfeather,Kamchatka,27182.8
"""
EXPLORE = """
    from pathlib import Path

    import pandas as pd


    def read_orders(orders_csv: Path) -> pd.DataFrame:
        return pd.read_csv(orders_csv)


    def by_region(orders: pd.DataFrame) -> pd.DataFrame:
        return orders.groupby("region", as_index=False)["amount"].sum()


    def largest(totals: pd.DataFrame) -> float:
        return float(totals["amount"].max())


    def pipeline(*, orders_csv: Path = Path("orders.csv")):
        orders = read_orders(orders_csv)
        totals = by_region(orders)
        top = largest(totals)
        return {"orders": orders, "totals": totals, "top": top}
"""
CONTRACT = """
    [tables.orders]
    checks = [{unique = ["order"]}]

    [tables.totals]
    checks = [{unique = ["region"]}, {not_null = ["amount"]}]
"""
WEEKLY = """
    import pandas as pd
    import pilotline


    def read_totals(totals: str) -> pd.DataFrame:
        return pilotline.read(totals)


    def pipeline(*, totals: str = "shop.totals"):
        weekly = read_totals(totals)
        return {"weekly": weekly}
"""
TESTS = """
    import pytest
    from explore import by_region


    @pytest.mark.parametrize("region", ["Atlantis"])
    def test_by_region(region):
        import pandas as pd

        found = by_region(pd.DataFrame({"region": [region, region], "amount": [1, 2]}))
        assert found["amount"].tolist() == [3]
"""


class Shop:
    """A project in git whose tables are published, called as a user calls it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(dedent(text).lstrip("\n"))
        before = time.time() - 5
        os.utime(path, (before, before))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
        return subprocess.run(
            ["git", *who, *words], cwd=self.folder, check=True, capture_output=True, encoding="utf-8"
        ).stdout

    def call(self, *words: str) -> tuple[int, Any]:
        status = main([*words, "--json"])
        said = self.capsys.readouterr()
        return status, json.loads(said.out)

    def commits(self) -> list[str]:
        lake, _ = open_lake_here(self.folder)
        return [commit.id for commit in lake.log("main")]

    def branches(self) -> list[str]:
        lake, _ = open_lake_here(self.folder)
        return [branch.name for branch in lake.branches()]


@pytest.fixture
def in_postgres(monkeypatch, postgres) -> None:
    monkeypatch.setenv("PILOTLINE_DATABASE", postgres.database())


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys) -> Shop:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    shop = Shop(folder, capsys)
    shop.write("pilotline.toml", 'namespace = "shop"\n')
    shop.write(".gitignore", ".pilotline\n__pycache__\n")
    shop.write("orders.csv", ORDERS)
    shop.write("explore.py", EXPLORE)
    shop.write("explore.toml", CONTRACT)
    shop.write("test_explore.py", TESTS)
    shop.write("weekly.py", WEEKLY)
    for name in ("explore", "weekly"):
        assert shop.call("run", name)[0] == 0
    shop.git("init", "--quiet", "--initial-branch", "main")
    shop.git("add", ".")
    shop.git("commit", "--quiet", "--message", "the shop")
    return shop


def values_of_the_data() -> set[str]:
    """Every value that stands in a table, as it would be written, but for those too short to be told from a count."""
    cells = {cell for line in ORDERS.splitlines()[1:] for cell in line.split(",")}
    sums = {"71573.1", "58598.7", "71 573.1", "58 598.7"}
    return {cell for cell in cells | sums if len(cell) > 2}


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_a_change_is_checked_on_productions_data_and_leaves_nothing_behind(where, request):
    if where == "postgres":
        request.getfixturevalue("in_postgres")
    shop = request.getfixturevalue("shop")
    published, before = shop.commits(), shop.branches()
    shop.edit("explore.py", '["amount"].sum()', '["amount"].sum().assign(amount=lambda t: t["amount"].round(), late=1)')
    status, said = shop.call("ci", "--base", "main", "--markdown", "out/pr.md", "--html", "out/pr.html")
    assert status == 0
    assert (said["passes"], said["changes_data"], said["unchanged"]) == (True, True, ["weekly.py"])
    [one] = said["pipelines"]
    assert (one["tests"]["outcome"], one["tests"]["passed"], one["proof"]) == ("passed", 1, "not recorded")
    [table] = one["tables"]
    assert table == {
        "table": "shop.totals",
        "change": "changed",
        "rows_before": 2,
        "rows_after": 2,
        "rows_added": 0,
        "rows_removed": 0,
        "rows_changed": 2,
        "schema_changes": ["new column late (long)"],
        "equal": {"amount": 0.0},
    }
    assert one["metrics"] == [{"name": "top", "before": pytest.approx(71573.1), "after": 71573.0}]
    assert [(reader["pipeline"], reader["table"], reader["run"]) for reader in one["readers"]] == [
        ("weekly", "shop.totals", "run-2")
    ]
    assert one["cost"]["steps"] == ["by_region", "largest"]
    assert (one["cost"]["unknown"], one["cost"]["seconds"] >= 0) == ([], True)
    assert [rule["outcome"] for rule in one["checks"]] == ["passed"] * 3
    assert (shop.commits(), shop.branches()) == (published, before)


def test_no_value_of_the_data_stands_in_the_pull_request_or_the_page(shop):
    # What the pipeline returns as a number is shown; here it is one that is in no table.
    shop.edit("explore.py", 'float(totals["amount"].max())', "float(len(totals))")
    shop.edit("explore.py", "pd.read_csv(orders_csv)", 'pd.read_csv(orders_csv).assign(customer="Baskerville")')
    assert shop.call("ci", "--markdown", "pr.md", "--html", "pr.html")[0] == 0
    said = (shop.folder / "pr.md").read_text()
    page = (shop.folder / "pr.html").read_text()
    shown = {value for value in values_of_the_data() | {"Baskerville", "Atlantis"} if value in said}
    # The number as it was published is the greatest of the sums.
    assert shown <= {"71 573.1"}
    assert {value for value in values_of_the_data() | {"Baskerville", "Atlantis"} if value in page} <= {"71 573.1"}
    assert "| `customer` | 0.00 % |" in said
    assert "| `shop.orders` | ~4 | 4 → 4 | the same |" in said


def test_a_failing_step_or_test_is_said_without_what_it_quotes(shop):
    shop.edit("explore.py", "return pd.read_csv(orders_csv)", 'raise ValueError(f"bad {open(orders_csv).read()}")')
    shop.edit("test_explore.py", "== [3]", "== [4]")
    status, said = shop.call("ci", "explore", "--markdown", "pr.md", "--html", "pr.html")
    [one] = said["pipelines"]
    assert (status, one["passes"], one["tests"]["failed"]) == (1, False, 1)
    assert one["error"]["code"] == "PL310"
    for name in ("pr.md", "pr.html"):
        text = (shop.folder / name).read_text()
        assert {value for value in values_of_the_data() | {"Atlantis"} if value in text} == set()
        assert "read_orders" in text
        assert "ValueError" in text
        assert "test_by_region" in text


def test_a_failed_check_fails_and_its_branch_is_thrown_away(shop):
    before = shop.branches()
    shop.edit("explore.toml", '{unique = ["region"]}', '{in_set = ["Zanzibar"], column = "region"}')
    status, said = shop.call("ci", "explore", "--markdown", "pr.md")
    [one] = said["pipelines"]
    assert (status, one["error"]["code"]) == (1, "PL320")
    [failed] = [rule for rule in one["checks"] if rule["outcome"] != "passed"]
    assert (failed["table"], failed["severity"], failed["offending"]) == ("shop.totals", "error", 1)
    text = (shop.folder / "pr.md").read_text()
    assert "explore does not pass: 1 check failed" in text
    # What a check lists are values of the data.
    assert "`shop.totals` region in 1 value: failed, 1 row |" in text
    assert "Zanzibar" not in text
    assert shop.branches() == before


def test_a_change_of_data_fails_only_where_that_is_asked_for(shop):
    shop.edit("explore.py", "pd.read_csv(orders_csv)", "pd.read_csv(orders_csv).assign(late=0)")
    assert shop.call("ci", "explore")[0] == 0
    assert shop.call("ci", "explore", "--fail-on-change")[0] == 1


def test_without_any_change_nothing_differs_and_with_keep_the_branch_stays(shop):
    shop.call("show", "shop.totals")
    status, said = shop.call("ci", "explore", "--fail-on-change", "--keep", "--markdown", "pr.md", "--html", "pr.html")
    [one] = said["pipelines"]
    assert [(each["table"], each["via"], each["reads"]) for each in one["people"]] == [("shop.totals", "show", 1)]
    assert "(pilotline show)` | `shop.totals` | 1 read, last " in (shop.folder / "pr.md").read_text()
    assert "(pilotline show)</td><td>shop.totals</td>" in (shop.folder / "pr.html").read_text()
    assert "| `top` | 71 573.1 | 71 573.1 | the same |" in (shop.folder / "pr.md").read_text()
    assert (status, one["tables"], one["cost"]["steps"]) == (0, [], [])
    assert one["branch"] in shop.branches()


def test_only_pipelines_of_which_a_file_changed_are_checked(shop):
    assert [one["module"] for one in shop.call("ci", "--base", "main")[1]["pipelines"]] == []
    shop.edit("orders.csv", "48151.6", "48151.7")
    assert [one["module"] for one in shop.call("ci", "--base", "main")[1]["pipelines"]] == ["explore.py"]
    shop.write("pyproject.toml", "[project]\nname = 'shop'\n")
    assert [one["module"] for one in shop.call("ci", "--base", "main")[1]["pipelines"]] == ["explore.py", "weekly.py"]


def test_a_base_that_git_does_not_know_is_refused(shop):
    status, said = shop.call("ci", "--base", "origin/nowhere")
    assert (status, said["error"]["code"]) == (2, "PL571")


def test_the_page_needs_nothing_else(shop):
    many = "".join(f"{number},Quillfeather,Zanzibar,{number * 31.25}\n" for number in range(5, 45))
    shop.write("orders.csv", ORDERS + many)
    assert shop.call("run", "explore")[0] == 0
    shop.edit(
        "explore.py", "pd.read_csv(orders_csv)", "pd.read_csv(orders_csv).assign(amount=lambda t: t['amount'] + 1)"
    )
    shop.call("ci", "explore", "--html", "pr.html")
    page = (shop.folder / "pr.html").read_text()
    # Neither an end of the range nor the middle.
    assert {value for value in ("156.25", "157.25", "1375", "48152.6", "48151.6") if value in page} == set()
    assert re.findall(r"(?:src|href)=|@import|url\(", page) == []
    assert page.count("<svg") == 2, "the graph, and how the amounts of the orders are spread; the totals are too few"
    assert "computed again" in page


def test_the_files_for_ci_are_written_by_the_command(shop):
    status, said = shop.call("ci", "--write", "--kind", "jenkins")
    assert (status, said) == (0, {"files": ["Jenkinsfile"], "written": ["Jenkinsfile"]})
    assert shop.call("ci", "--write", "--kind", "jenkins")[1]["written"] == []
    with (shop.folder / "Jenkinsfile").open("a") as file:
        file.write("// mine\n")
    shop.write("requirements.txt", "pandas\n")
    status, said = shop.call("ci", "--write", "--kind", "jenkins")
    assert (status, said["error"]["code"]) == (1, "PL570")
    assert shop.call("ci", "--write", "--kind", "jenkins", "--force")[1]["written"] == ["Jenkinsfile"]


def test_the_proof_that_landed_with_a_module_stands_until_module_or_lock_is_another_one(shop):
    from pilotline.factory.environments import Lock
    from pilotline.lab.ci import proof_of
    from pilotline.lab.evidence import Evidence, digest_of

    module, lock = shop.folder / "explore.py", "# Python 3.11.7\npandas==2.2.0\n"
    shop.write("explore.lock", lock)
    evidence = Evidence(
        module="explore.py", module_sha256=digest_of(module), notebook="explore.ipynb", notebook_sha256="",
        lock=Lock(text=lock).key, outputs={"top": "equal"}, proofs=(), not_proven=(),
    )  # fmt: skip
    shop.write("explore.proof.json", evidence.as_text())
    assert proof_of(module) == "stands"
    shop.write("explore.lock", lock.replace("2.2.0", "2.2.1"))
    assert proof_of(module) == "edited since"
    shop.write("explore.lock", lock)
    shop.edit("explore.py", "float(totals", "1 + float(totals")
    assert proof_of(module) == "edited since"


def test_tests_see_the_module_as_it_is_though_it_changed_in_the_same_second(tmp_path):
    module, tests = tmp_path / "daily.py", tmp_path / "test_daily.py"
    for number in (3, 4):
        module.write_text(f"def one():\n    return {number}\n")
        tests.write_text(f"import daily\n\n\ndef test_one():\n    assert daily.one() == {number}\n")
        os.utime(module, (1_700_000_000, 1_700_000_000))
        found = run_tests(module, sys.executable)
        assert (found.outcome, found.passed) == ("passed", 1), found.said
