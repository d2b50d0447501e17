"""A schedule whose pipeline or branch is there no more is said at the deploy, shown, and alerted of once."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import timedelta

import pytest

from pilotline.cli.main import main
from pilotline.domain.schedules import timing_of
from pilotline.factory.alerting import Alerting
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.factory.worker import Worker
from pilotline.lake.errors import NoSuchRef
from pilotline.lake.lake import open_lake
from pilotline.run.opening import open_lake_here

MODULE = "def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
LOCK = "# Python 3.11.7\n"


@pytest.fixture
def schedules(url, tmp_path):
    lake = open_lake(tmp_path, database=url)
    yield lake, Schedules(lake.database, Ledger(lake.database))
    lake.database.close()


def test_a_branch_that_is_not_there_is_refused_with_the_nearest_name(schedules):
    lake, schedules = schedules
    lake.create_branch("staging")
    every = timing_of("every 5m")
    schedules.put(every, project="/shop", pipeline="daily", onto="staging")
    with pytest.raises(NoSuchRef, match=r"no branch 'stagin'.*Did you mean staging"):
        schedules.put(every, project="/shop", pipeline="daily", onto="stagin")
    assert schedules.schedule("shop/daily").onto == "staging"


def test_a_branch_that_goes_away_holds_up_no_other_schedule(schedules):
    lake, schedules = schedules
    lake.create_branch("staging")
    for onto in ("staging", "main"):
        schedules.put(timing_of("after sales.orders"), project="/shop", pipeline=onto, onto=onto)
    lake.discard("staging")
    schedules.put(timing_of("every 1s"), project="/shop", pipeline="often")
    time.sleep(1.1)
    assert len(schedules.order_due()) == 1


class Repository:
    def __init__(self, folder) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "pilotline.toml").write_text('namespace = "shop"\n')
        (folder / ".gitignore").write_text(".pilotline/\n")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "ann")
        self.git("config", "user.email", "ann@example.org")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True)

    def landed(self, name: str, schedule: str = "every 5m") -> None:
        (self.folder / f"{name}.py").write_text(MODULE)
        (self.folder / f"{name}.lock").write_text(LOCK)
        (self.folder / f"{name}.toml").write_text(f'schedule = "{schedule}"\n' if schedule else "")

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "more")


@pytest.fixture
def shop(tmp_path, lies, monkeypatch, url) -> Repository:
    if url:
        monkeypatch.setenv("PILOTLINE_DATABASE", url)
    made = Repository(tmp_path / "shop")
    monkeypatch.chdir(made.folder)
    return made


def said(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_deploy_says_which_schedules_lost_their_pipeline(shop, capsys):
    shop.landed("explore")
    shop.landed("totals")
    shop.commit()
    assert said(capsys, "deploy")["gone"] == []
    # One is renamed; the other one's contract has no schedule any more, which is no loss.
    for ending in ("py", "lock", "toml"):
        shop.git("mv", f"explore.{ending}", f"explore2.{ending}")
    shop.landed("totals", "")
    shop.commit()
    assert main(["deploy"]) == 0
    warned = capsys.readouterr().err
    assert "PL517: explore is no pipeline of shop any more: its schedule shop/explore, every 5m, was removed." in warned
    assert "Did you mean explore2?" in warned
    assert [one["schedule"] for one in said(capsys, "schedule")["schedules"]] == ["shop/explore2"]
    assert said(capsys, "deploy")["gone"] == []


def test_a_schedule_of_the_folder_goes_with_its_pipeline_at_a_deploy(shop, capsys):
    for name in ("old", "draft", "totals"):
        shop.landed(name)
    (shop.folder / "draft.lock").unlink()
    for name in ("old", "draft"):
        assert said(capsys, "schedule", "set", name)["project"] == str(shop.folder)
    for ending in ("py", "lock", "toml"):
        (shop.folder / f"old.{ending}").unlink()
    shop.commit()
    (gone,) = said(capsys, "deploy")["gone"]
    assert (gone["code"], gone["schedule"]) == ("PL517", "shop/old")
    # What is not landed yet keeps its schedule of the folder.
    assert [one["schedule"] for one in said(capsys, "schedule")["schedules"]] == ["shop/draft", "shop/totals"]


def test_orders_of_a_pipeline_that_is_gone_fail_with_the_reason_and_are_alerted_of_once(shop, capsys):
    shop.landed("daily")
    said(capsys, "schedule", "set", "daily")
    (shop.folder / "daily.py").rename(shop.folder / "daily2.py")
    (listed,) = said(capsys, "schedule")["schedules"]
    assert listed["gone"] == "no pipeline daily in its folder"
    assert main(["schedule"]) == 0
    assert "no pipeline daily in its folder" in capsys.readouterr().out
    assert main(["schedule", "show", "daily"]) == 0
    assert "no pipeline daily in its folder: its orders fail" in capsys.readouterr().out

    lake, _ = open_lake_here(shop.folder)
    ledger = Ledger(lake.database)
    now = [ledger.now()]
    ledger = Ledger(lake.database, clock=lambda: now[0])
    schedules, alerting = Schedules(lake.database, ledger), Alerting(lake.database)
    news = []
    for _ in range(3):
        now[0] += timedelta(minutes=5)
        assert len(schedules.order_due()) == 1
        Worker(ledger, project=str(shop.folder)).work(once=True)
        news += [(each.word, each.alert.kind, each.alert.subject) for each in alerting.look([], [])]
    orders = ledger.orders()
    assert [order.state for order in orders] == ["failed"] * 3
    assert {order.failures["refused"] for order in orders} == {1}
    assert "PL301: there is no pipeline 'daily' here. Did you mean daily2?" in orders[0].because
    assert news == [("opened", "failed", "daily")]
    lake.database.close()
