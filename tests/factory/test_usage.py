"""What tables cost, who reads them, and what monitoring is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from getpass import getuser
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pilotline.factory.metrics import metrics
from pilotline.run.opening import open_lake_here
from pilotline.run.usage import Buffered, Usage, use_of_tables

if TYPE_CHECKING:
    from pathlib import Path

    from pilotline.lake.lake import Lake

EXPLORE = """
    from pathlib import Path
    import pandas as pd

    def read(csv: Path) -> pd.DataFrame:
        return pd.read_csv(csv)

    def total(orders: pd.DataFrame) -> pd.DataFrame:
        return orders.groupby("region", as_index=False)["amount"].sum()

    def pipeline(*, csv: Path = Path("orders.csv")):
        orders = read(csv)
        totals = total(orders)
        return {"orders": orders, "totals": totals}
"""
WEEKLY = """
    import pandas as pd
    import pilotline

    def read(totals: str) -> pd.DataFrame:
        return pilotline.read(totals)

    def pipeline(*, totals: str = "shop.totals"):
        weekly = read(totals)
        return {"weekly": weekly}
"""


def call(folder: Path, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["sqlite", "postgres"])
def shop(tmp_path, monkeypatch, request) -> Path:
    if request.param == "postgres":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pilotline.toml").write_text('namespace = "shop"\n')
    (folder / "orders.csv").write_text("region,amount\nnorth,1\nsouth,2\n")
    (folder / "explore.py").write_text(dedent(EXPLORE).lstrip("\n"))
    (folder / "weekly.py").write_text(dedent(WEEKLY).lstrip("\n"))
    call(folder, "run", "explore")
    call(folder, "run", "weekly")
    return folder


def long_ago(lake: Lake) -> None:
    """As if all of it had been published sixty days ago."""
    then = (datetime.now(UTC) - timedelta(days=60)).isoformat(timespec="microseconds")
    with lake.database.writing() as tx:
        tx.execute("UPDATE commit_log SET at = :then", then=then)


def test_reads_are_counted_by_table_reader_and_way_and_columns_by_name(shop, monkeypatch):
    call(shop, "show", "totals")
    call(shop, "show", "totals", "--column", "amount")
    call(shop, "sql", "select count(*) from totals join weekly using (region)")
    read = (
        "import pilotline; pilotline.read('shop.totals', columns=['region', 'amount']); pilotline.read('shop.orders')"
    )
    subprocess.run([sys.executable, "-c", read], cwd=shop, check=True)
    said = {one["table"]: one for one in call(shop, "usage")["tables"]}
    me = getuser()

    def readers(table: str) -> set[tuple[str, str, int]]:
        return {(each["principal"], each["via"], each["reads"]) for each in said[table]["readers"]}

    assert readers("shop.totals") == {(me, "show", 2), (me, "sql", 1), (me, "read", 1)}
    assert readers("shop.weekly") == {(me, "sql", 1)}
    assert readers("shop.orders") == {(me, "read", 1)}
    assert said["shop.totals"]["columns"] == {"amount": 2, "region": 1}
    assert said["shop.totals"]["pipelines"] == ["weekly"]
    assert (said["shop.totals"]["made_by"], said["shop.totals"]["shared"], said["shop.totals"]["runs"]) == (
        "explore",
        2,
        1,
    )
    assert said["shop.totals"]["seconds"] > 0
    assert said["shop.orders"]["cpu"] == said["shop.totals"]["cpu"]


def test_what_nobody_reads_is_named_once_it_is_old_enough(shop):
    lake, _ = open_lake_here(shop)
    assert [one.table for one in use_of_tables(lake) if one.unread] == [], "too young to say"
    long_ago(lake)
    assert [one.table for one in use_of_tables(lake) if one.unread] == ["shop.orders", "shop.weekly"]
    Usage(lake.database).count("shop.weekly", "ada", "catalog")
    assert [one.table for one in use_of_tables(lake) if one.unread] == ["shop.orders"]
    assert [one["table"] for one in call(shop, "usage", "--unread")["tables"]] == ["shop.orders"]


def test_reads_that_came_at_once_are_counted_together_and_none_is_lost(shop):
    lake, _ = open_lake_here(shop)
    reads = Buffered(Usage(lake.database), "engine", every=0.05)

    def some() -> None:
        for _ in range(200):
            reads.count("shop.totals")

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reads.write()
    assert Usage(lake.database).ever()["shop.totals"][0] == 800


LABEL = r'[a-z]+="((?:[^"\\]|\\.)*)"'
SAMPLE = re.compile(rf"^(pilotline_[a-z_]+)(?:\{{(?:project=\"[^\"]*\",)?{LABEL}\}})? (\S+)$")


def samples(text: str) -> dict[tuple[str, str], float]:
    """Every sample, after the form of each line was held against what Prometheus reads."""
    found: dict[tuple[str, str], float] = {}
    typed = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert re.fullmatch(r"# HELP pilotline_[a-z_]+ \S.*\.", line)
        elif line.startswith("# TYPE "):
            typed = line.split()[2]
            assert line.split()[3] in {"counter", "gauge"}
            assert typed.endswith("_total") == (line.split()[3] == "counter")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == typed
            found[match[1], match[2] or ""] = float(match[3])
    return found


def test_monitoring_is_told_of_runs_alerts_tables_and_reads(shop):
    lake, _ = open_lake_here(shop)
    Usage(lake.database).count("shop.totals", 'a "b"', "catalog", reads=3)
    (shop / "explore.py").write_text(
        "def read():\n    raise ValueError\n\ndef pipeline():\n    one = read()\n    return {'one': one}\n"
    )
    subprocess.run([sys.executable, "-m", "pilotline", "run", "explore"], cwd=shop, check=False, capture_output=True)
    call(shop, "alerts", "--send")
    told = samples(metrics(lake))
    assert told["pilotline_runs_total", ""] == 3
    assert (told["pilotline_runs_unfinished", "running"], told["pilotline_alerts_open", "failed"]) == (0, 1)
    assert told["pilotline_pipeline_last_run_good", "explore"] == 0
    assert told["pilotline_pipeline_last_run_good", "weekly"] == 1
    assert time.time() - told["pilotline_pipeline_published_seconds", "explore"] < 300
    assert (told["pilotline_table_rows", "shop.orders"], told["pilotline_table_reads_total", "shop.totals"]) == (2, 3)


def test_the_server_answers_monitoring_with_its_token_and_counts_what_engines_read(shop, tmp_path):
    served = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "serve", "--port", "0", "--json"],
        cwd=shop,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = ""
        while not lines.rstrip().endswith("}"):
            lines += served.stdout.readline()
        where = json.loads(lines)

        def ask(path: str, token: str) -> str:
            request = urllib.request.Request(where["address"] + path, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                assert answer.status == 200
                return answer.read().decode()

        ask("/v1/main/namespaces/shop/tables/totals", where["token"])
        assert samples(ask("/metrics", where["token"]))["pilotline_runs_total", ""] == 2
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask("/metrics", "wrong")
    finally:
        served.terminate()
        served.wait(30)
        served.stdout.close()
    lake, _ = open_lake_here(shop)
    assert Usage(lake.database).ever()["shop.totals"][0] == 1
