"""Several projects in one catalog, with a pipeline of one name each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.run.conftest import Project

from pilotline.cli.main import main
from pilotline.factory.alerting import Alerting
from pilotline.factory.metrics import metrics
from pilotline.lake.database import SqliteDatabase
from pilotline.run.errors import StepFailed
from pilotline.run.lineage import downstream, made_of, upstream
from pilotline.run.opening import open_lake_here
from pilotline.run.records import SQL, PipelineOf, Records
from pilotline.run.usage import use_of_tables

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
    import pandas as pd

    def make(n: int) -> pd.DataFrame:
        return pd.DataFrame({"id": range(n)})

    def pipeline(*, n: int = 3) -> dict[str, object]:
        made = make(n)
        rows = size(made)
        return {"made": made, "size": rows}

    def size(made: pd.DataFrame) -> int:
        return len(made)
"""
BANK = """
    import pandas as pd
    import pilotline

    def make(made: str) -> pd.DataFrame:
        return pilotline.read(made).head(2)

    def pipeline(*, made: str = "shop.made") -> dict[str, object]:
        few = make(made)
        rows = size(few)
        return {"few": few, "size": rows}

    def size(few: pd.DataFrame) -> int:
        return -len(few)
"""


@pytest.fixture
def projects(tmp_path: Path, lies) -> tuple[Project, Project]:
    """Two projects with one catalog, in a folder or on S3 and Postgres."""
    for name in ("shop", "bank"):
        (tmp_path / name).mkdir()
    if lies == "folder":
        (tmp_path / "shop" / ".pilotline").mkdir()
        (tmp_path / "bank" / ".pilotline").symlink_to(tmp_path / "shop" / ".pilotline", target_is_directory=True)
    shop, bank = Project(tmp_path / "shop"), Project(tmp_path / "bank")
    shop.write("daily.py", SHOP)
    bank.write("daily.py", BANK)
    return shop, bank


def test_what_one_project_ran_is_not_what_the_other_is_compared_with(projects: tuple[Project, Project]):
    shop, bank = projects
    shop.run("daily")
    bank.run("daily")
    lake, records = open_lake_here(bank.folder)
    first, second = records.run(1), records.run(2)
    assert (first.of, second.of) == (PipelineOf(project="shop", name="daily"), PipelineOf(project="bank", name="daily"))
    # The shop ran it before, and published another number of this name.
    assert records.metrics_before(second) == {}
    assert [row.number for row in records.every_published("daily", "main")] == [2]
    assert [row.number for row in records.of("shop").every_published("daily", "main")] == [1]
    assert [row.number for row in records.of("").every_published("daily", "main")] == [1, 2]
    steps = ("make", "size")
    assert records.costs("daily", steps).keys() == records.of("shop").costs("daily", steps).keys() == set(steps)
    assert records.recipes("daily") != records.of("shop").recipes("daily")
    assert records.other_makers_of("shop.made", "daily") == ("shop/daily",)
    assert records.of("shop").other_makers_of("shop.made", "daily") == ()
    assert [row[:2] for row in records.of("shop").other_readers_of("shop.made", "daily")] == [("bank/daily", 2)]
    assert records.other_readers_of("shop.made", "daily") == ()
    made = made_of(records)
    assert [(each.pipeline, each.tables_out) for each in made] == [
        ("bank/daily", ("bank.few",)),
        ("shop/daily", ("shop.made",)),
    ]
    assert [each.pipeline for each, _ in upstream("bank.few", made).by] == ["bank/daily"]
    assert [each.pipeline for each, _ in downstream("shop.made", made).by] == ["bank/daily"]
    (told,) = [each for each in use_of_tables(lake) if each.table == "shop.made"]
    assert (told.made_by, told.runs, told.pipelines) == ("shop/daily", 1, ("bank/daily",))
    assert 'pilotline_pipeline_last_run_good{project="bank",pipeline="daily"} 1' in metrics(lake)
    assert 'pilotline_pipeline_last_run_good{project="shop",pipeline="daily"} 1' in metrics(lake)
    assert shop.run("daily").state == bank.run("daily").state == "unchanged"


def test_a_failure_is_told_though_the_other_project_runs_well(projects: tuple[Project, Project]):
    shop, bank = projects
    shop.run("daily")
    bank.run("daily")
    shop.replace("daily.py", "return len(made)", "return 1 // 0")
    with pytest.raises(StepFailed):
        shop.run("daily")
    bank.replace("daily.py", "head(2)", "head(1)")
    bank.run("daily")
    lake, _ = open_lake_here(shop.folder)
    (news,) = Alerting(lake.database).look((), ())
    assert (news.alert.subject, news.alert.run) == ("shop/daily", "run-3")
    shop.replace("daily.py", "return 1 // 0", "return len(made) + 0")
    shop.run("daily")
    (news,) = Alerting(lake.database).look((), ())
    assert (news.word, news.alert.subject) == ("recovered", "shop/daily")


def test_a_name_means_the_pipeline_of_this_project_first(projects: tuple[Project, Project], monkeypatch, capsys):
    shop, bank = projects
    shop.run("daily")
    bank.run("daily")
    shop.write("weekly.py", SHOP.replace("{" + '"made": made, ', "{"))
    shop.run("weekly")
    monkeypatch.chdir(bank.folder)
    for asked, run in (("daily", "run-2"), ("shop/daily", "run-1"), ("bank/daily", "run-2"), ("weekly", "run-3")):
        assert main(["logs", asked]) == 0, asked
        assert main(["logs", asked, "--json"]) == 0
        assert f'"run": "{run}"' in capsys.readouterr().out
    assert main(["log", "--runs"]) == 0
    said = capsys.readouterr().out
    assert "shop/daily" in said
    assert "bank/daily" in said
    assert "shop/weekly" not in said


def test_runs_from_before_projects_were_noted_count_for_whoever_has_the_name(projects: tuple[Project, Project]):
    shop, _ = projects
    shop.run("daily")
    lake, records = open_lake_here(shop.folder)
    with lake.database.writing() as tx:
        tx.execute("UPDATE run SET project = '' RETURNING number")
    assert [each.number for each in records.every_published("daily", "main")] == [1]
    assert records.pipelines() == (PipelineOf(project="", name="daily"),)
    assert shop.run("daily").state == "unchanged"
    assert records.pipelines() == (PipelineOf(project="shop", name="daily"),)
    assert [each.pipeline for each in made_of(records)] == ["daily"]
    assert records.other_makers_of("shop.made", "daily") == ()


def test_each_pipeline_is_found_by_the_index_alone(tmp_path: Path):
    database = SqliteDatabase(tmp_path / "index.sqlite")
    Records(database)
    with database.reading() as tx:
        steps = [row[-1] for row in tx.execute(f"EXPLAIN QUERY PLAN {SQL['pipelines_run']}")]
    assert [step for step in steps if "run" in step and "INDEX" not in step] == []
