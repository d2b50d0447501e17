"""Two versions of Pilotline at work on one factory: the next one is a copy of this one that adds a column and takes one away."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import pilotline
from pilotline.run.opening import open_lake_here

_SPEC = importlib.util.spec_from_file_location("factory_workers", Path(__file__).parent / "workers.py")
workers = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(workers)

#: What the next version keeps of an order anew, and what it has no use for any more.
ADDS = "ALTER TABLE factory_order ADD COLUMN note TEXT NOT NULL DEFAULT '';\n"
TAKES_AWAY = "ALTER TABLE factory_order DROP COLUMN began;\n"
LEASE = 3


class Versions:
    """A shop, and what old and new code does in it."""

    def __init__(self, shop, home: Path) -> None:
        self.shop = shop
        self.next = home / "next"
        _write_next(self.next)
        self.database = open_lake_here(shop.folder)[0].database
        self.before = self.version()
        self.old: list[subprocess.Popen] = []
        self.new: list[subprocess.Popen] = []
        self.too_early: list[str] = []
        self.watched = threading.Event()

    def version(self) -> int:
        """Of the orders' tables; asked by code that has nothing to do with orders."""
        return self.database.versions()["factory"]

    @property
    def added(self) -> bool:
        return self.version() > self.before

    @property
    def taken_away(self) -> bool:
        return self.version() == self.before + 2

    def worker(self, *, new: bool) -> subprocess.Popen:
        log = (self.shop.folder.parent / f"worker-{len(self.old) + len(self.new)}").open("w+")
        one = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "worker", "--lease", str(LEASE), "--grace", "20"],
            cwd=self.shop.folder, env=self.env(new=new), stdout=log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        one.log = log
        (self.new if new else self.old).append(one)
        self.shop.workers.append(one)
        return one

    def env(self, *, new: bool) -> dict[str, str]:
        return dict(os.environ, PYTHONPATH=str(self.next)) if new else dict(os.environ)

    def command(self, *words: str, new: bool) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "pilotline", *words], cwd=self.shop.folder, env=self.env(new=new), check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def orders(self) -> list[dict]:
        said = self.command("queue", "--all", "--limit", "500", "--json", new=True)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)["orders"]

    def watch(self) -> None:
        """See to it that nothing is taken away while a process of the old code is alive."""
        while not self.watched.wait(0.05):
            alive = [each.pid for each in self.old if workers.lives(each.pid)]
            if self.taken_away and alive:
                self.too_early.append(f"taken away while {alive} were alive")
                return

    def judge(self, count: int) -> None:
        """Each order ended exactly once, and nothing that was recorded was computed again."""
        orders = self.orders()
        assert {order["state"] for order in orders} == {"done"}, [o["because"] for o in orders if o["state"] != "done"]
        assert len(orders) == count
        lake, records = open_lake_here(self.shop.folder)
        commits = [each.run for each in lake.log("main", limit=10_000)]
        for order in orders:
            runs = records.runs_kept(f"order-{order['order']}")
            published = [run for run in runs if run.state == "published"]
            assert len(published) == sum(commits.count(run.name) for run in runs) == 1, order
            computed = [step.step for run in runs for step in records.steps(run.number) if step.outcome == "computed"]
            assert len(set(computed)) == len(computed), order
        assert records.unfinished() == []


def _write_next(home: Path) -> None:
    """The package as it may look in the next version."""
    house = home / "pilotline"
    shutil.copytree(Path(pilotline.__file__).parent, house, ignore=shutil.ignore_patterns("__pycache__"))
    door = house / "__init__.py"
    door.write_text(door.read_text().replace(f'"{pilotline.__version__}"', '"99.0.0"'))
    orders = house / "factory"
    (orders / "sql" / "next_001.sql").write_text(ADDS)
    (orders / "sql" / "next_002.after.sql").write_text(TAKES_AWAY)
    with (orders / "ledger.py").open("a") as file:
        file.write('\nMIGRATIONS = (*MIGRATIONS, _SQL / "next_001.sql", _SQL / "next_002.after.sql")\n')
    queries = orders / "sql" / "queries.sql"
    text = queries.read_text()
    queries.write_text(text.replace("began = :now, ", "note = 'next', ").replace(", began,", ", NULL AS began,"))


@pytest.fixture
def versions(tmp_path, lies):
    shop = workers.Shop(tmp_path / "shop", tmp_path / "marks")
    shop.ledger.counts()
    made = Versions(shop, tmp_path)
    yield made
    made.watched.set()
    for one in (*made.old, *made.new):
        one.poll()
        one.log.close()
    shop.close()


def test_a_factory_is_upgraded_one_process_after_the_other_while_it_works(versions):
    shop = versions.shop
    watching = threading.Thread(target=versions.watch, daemon=True)
    watching.start()
    shop.pause(0.1)
    names = [f"p{number}" for number in range(6)]
    for name in names:
        shop.pipeline(name, steps=2)
    for start in range(2):
        for name in names:
            shop.submit(name, parameters={"start": str(100 * start + 1)})
    first, second, third = (versions.worker(new=False) for _ in range(3))
    workers.until(lambda: shop.ledger.counts()["waiting"] < 9)

    # The new version is tried on one worker, and taken back.
    tried = versions.worker(new=True)
    workers.until(lambda: versions.added)
    workers.until(
        lambda: any(order["token"] and "done" in order["state"] for order in versions.orders()), what=versions.orders
    )
    for pid in reversed(workers.family(tried.pid)):
        os.kill(pid, signal.SIGKILL)
    fourth = versions.worker(new=False)
    for name in names:
        shop.submit(name, parameters={"start": "1001"})
    assert not versions.taken_away

    # Then all are upgraded, one after the other; some are not even stopped in order.
    first.kill()
    versions.worker(new=True)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    versions.worker(new=True)
    os.kill(workers.family(third.pid)[-1], signal.SIGKILL)
    third.send_signal(signal.SIGTERM)
    assert third.wait(60) == 0
    time.sleep(2 * LEASE)
    assert versions.added
    assert not versions.taken_away
    assert fourth.poll() is None
    shown = json.loads(versions.command("lake", "schema", "--json", new=True).stdout)
    assert shown["waiting"] == {"factory": versions.before + 2}
    assert {each["pilotline"] for each in shown["processes"]} == {pilotline.__version__, "99.0.0"}
    waits = versions.command("lake", "schema", "--finish", new=True)
    assert (waits.returncode, waits.stderr.partition(":")[0]) == (1, "PL591")
    fourth.kill()
    fourth.wait()

    workers.until(lambda: versions.taken_away, seconds=60)
    versions.watched.set()
    watching.join()
    assert versions.too_early == []
    assert versions.command("lake", "schema", "--finish", new=True).returncode == 0
    refused = versions.command("submit", "p0", new=False)
    assert (refused.returncode, refused.stderr.partition(":")[0]) == (1, "PL218")
    late = versions.worker(new=False)
    assert late.wait(60) == 1
    late.log.seek(0)
    assert "PL218" in late.log.read()
    assert versions.command("submit", "p0", "--set", "start=7", new=True).returncode == 0
    workers.until(
        lambda: {order["state"] for order in versions.orders()} == {"done"}, seconds=120, what=versions.orders
    )
    versions.judge(19)


def test_an_old_worker_that_slept_through_the_upgrade_publishes_nothing_and_ends(versions):
    shop = versions.shop
    shop.pause(0.5)
    shop.pipeline("p", steps=6)
    number = shop.submit("p")
    old = versions.worker(new=False)
    workers.until(lambda: len(shop.marked("p")) > 1)
    asleep = workers.family(old.pid)
    workers.stop_between_writes(shop, asleep)
    versions.worker(new=True)
    # It is taken for gone after its lease.
    workers.until(lambda: versions.taken_away)
    for pid in reversed(asleep):
        os.kill(pid, signal.SIGCONT)
    assert old.wait(60) == 1
    old.log.seek(0)
    assert "PL218" in old.log.read()
    workers.until(lambda: not any(workers.lives(pid) for pid in asleep))
    workers.until(lambda: versions.orders()[0]["state"] == "done")
    (order,) = versions.orders()
    assert (order["order"], order["take_overs"]) == (number, 1)
    versions.judge(1)
