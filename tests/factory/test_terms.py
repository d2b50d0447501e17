"""How orders are queued, as contracts and limits say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pilotline.cli.main import main
from pilotline.domain.orders import Ask, Terms
from pilotline.domain.schedules import timing_of
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
def count(day: str) -> int:
    return 1


def pipeline(*, day: str = "2026-01-01"):
    number = count(day)
    return {"number": number}
"""
CONTRACT = """
namespace = "shop"
partition = "day"

[schedule]
every = "1s"
misfire = "all"

[orders]
tries = 4
timeout = "30m"
priority = 5
key = "warehouse"
"""
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(tmp_path: Path, lies, monkeypatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "daily.py").write_text(MODULE, encoding="utf-8")
    (folder / "daily.toml").write_text(CONTRACT, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def said(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ledger_of(folder: Path) -> Ledger:
    return Ledger(open_lake_here(folder)[0].database)


def test_what_the_contract_says_holds_however_an_order_comes_to_be(shop: Path, capsys):
    import time

    lake, _ = open_lake_here(shop)
    ledger = Ledger(lake.database)
    schedules = Schedules(lake.database, ledger)
    said(capsys, "schedule", "set", "daily")
    while not schedules.order_due():
        time.sleep(0.2)
    said(capsys, "backfill", "daily", "--value", "2026-01-02")
    said(capsys, "submit", "daily")
    said(capsys, "submit", "daily", "--priority", "9", "--attempts", "2", "--timeout", "7", "--key", "")
    asks = {each.ask.origin: each.ask for each in reversed(ledger.orders()) if each.ask.priority != 9}
    terms = (4, timedelta(minutes=30), 5, "warehouse")
    for origin in ("schedule", "hand"):
        ask = asks[origin]
        assert (ask.attempts, ask.timeout, ask.priority, ask.key) == terms, origin
    assert (asks["backfill"].attempts, asks["backfill"].timeout, asks["backfill"].priority) == (4, terms[1], 4)
    (ask,) = [each.ask for each in ledger.orders() if each.ask.priority == 9]
    assert (ask.attempts, ask.timeout, ask.key) == (2, timedelta(seconds=7), "")


def test_a_schedule_from_before_there_were_terms_is_queued_as_by_default(shop: Path):
    lake, _ = open_lake_here(shop)
    schedules = Schedules(lake.database, Ledger(lake.database))
    schedules.put(timing_of("every 1h"), project="/shop", pipeline="daily", terms=Terms(tries=3))
    assert schedules.schedule("shop/daily").terms == Terms(tries=3)
    with lake.database.writing() as tx:
        tx.execute("UPDATE schedule SET terms = '{}' RETURNING name")
    assert schedules.schedule("shop/daily").terms == Terms()


def test_limits_are_said_listed_kept_and_taken_back(shop: Path, capsys):
    assert said(capsys, "limit") == {"limits": []}
    ledger = ledger_of(shop)
    for number in range(6):
        ledger.submit(Ask(pipeline="daily", project="shop", release="r", key="warehouse" if number < 3 else ""))
    assert said(capsys, "limit", "2", "--key", "warehouse") == {"kind": "key", "name": "warehouse", "most": 2}
    said(capsys, "limit", "4", "--pipeline", "daily")
    claims = [ledger.claim("w", HOUR) for _ in range(6)]
    # Two of the key's three, and two of the other three: four of the pipeline.
    assert [claim.order.number for claim in claims if claim] == [1, 2, 4, 5]
    assert said(capsys, "limit")["limits"] == [
        {"kind": "key", "name": "warehouse", "most": 2, "running": 2},
        {"kind": "pipeline", "name": "daily", "most": 4, "running": 4},
    ]
    # Another project's pipeline of that name has a limit of its own.
    ledger.submit(Ask(pipeline="daily", project="bank", release="r", key=""))
    assert ledger.claim("w", HOUR) is not None
    said(capsys, "limit", "5")
    said(capsys, "limit", "none", "--pipeline", "daily")
    assert ledger.claim("w", HOUR) is None
    said(capsys, "limit", "none")
    assert ledger.claim("w", HOUR) is not None
    assert main(["limit"]) == 0
    assert "orders of key warehouse" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [("0",), ("-1",), ("two",), ("2", "--key", ""), ("2", "--key", "k", "--pipeline", "p"), ("--key", "k")]
)
def test_what_is_no_limit_is_refused_and_nothing_is_set(shop: Path, capsys, words):
    assert main(["limit", *words]) == 2
    assert said(capsys, "limit") == {"limits": []}
