"""Schedules become orders: each time once, whoever looks, whoever dies; and tables that were published start others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pyarrow as pa
import pytest

from pilotline.domain.schedules import timing_of
from pilotline.domain.tables import Replace, TableName
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import NoSuchSchedule, Scheduler, Schedules

ORDERS, CUSTOMERS = TableName("sales", "orders"), TableName("sales", "customers")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(lake, clock) -> Ledger:
    return Ledger(lake.database, clock=clock)


@pytest.fixture
def schedules(lake, ledger) -> Schedules:
    return Schedules(lake.database, ledger)


def put(schedules, said, pipeline="daily", **more) -> str:
    return schedules.put(timing_of(said), project="/shop", pipeline=pipeline, **more)


def ids(ledger) -> list[str]:
    return sorted(order.ask.id for order in ledger.orders())


def publish(lake, *tables: TableName) -> None:
    name = f"b{len(lake.branches(every=True))}"
    lake.create_branch(name)
    for table in tables:
        lake.write(name, table, pa.table({"n": [len(lake.log())]}), Replace())
    lake.publish(name, require_checked=False)


def test_each_time_is_ordered_once(schedules, ledger, clock):
    name = put(schedules, {"cron": "0 * * * *", "misfire": "all"}, owner="ann")
    assert name == "shop/daily"
    assert schedules.order_due() == ()
    clock.go(hours=2, minutes=1)
    assert len(schedules.order_due()) == 2
    assert schedules.order_due() == ()
    assert ids(ledger) == ["shop/daily@2026-03-01T13:00Z", "shop/daily@2026-03-01T14:00Z"]
    first = ledger.find("shop/daily@2026-03-01T13:00Z").ask
    assert (first.origin, first.schedule, first.owner, first.project) == ("schedule", "shop/daily", "ann", "/shop")
    assert schedules.schedule(name).due == datetime(2026, 3, 1, 15, tzinfo=UTC)
    assert schedules.first_due() == datetime(2026, 3, 1, 15, tzinfo=UTC)


def test_what_was_missed_is_ordered_as_the_schedule_says(schedules, ledger, clock):
    for misfire in ("last", "all", "skip"):
        put(schedules, {"cron": "0 * * * *", "misfire": misfire, "catch_up": 3}, pipeline=misfire)
    clock.go(days=10, minutes=30)
    schedules.order_due()
    assert Counter(one.partition("@")[0] for one in ids(ledger)) == {"shop/last": 1, "shop/all": 3}


def test_a_new_schedule_starts_now_and_the_same_one_goes_on(schedules, ledger, clock):
    put(schedules, "0 * * * *")
    clock.go(minutes=59)
    put(schedules, "0 * * * *", release="r2")
    clock.go(minutes=2)
    put(schedules, "0 * * * *", release="r3")
    schedules.order_due()
    assert ids(ledger) == ["shop/daily@2026-03-01T13:00Z"]
    assert ledger.find("shop/daily@2026-03-01T13:00Z").ask.release == "r3"
    put(schedules, "30 12 * * *")
    schedules.order_due()
    assert len(ids(ledger)) == 1


def test_a_pause_leaves_out_what_was_due_meanwhile_and_outlives_a_deploy(schedules, ledger, clock):
    name = put(schedules, "0 * * * *")
    assert schedules.pause(name, paused=True).paused
    clock.go(hours=3)
    put(schedules, "0 * * * *")
    assert schedules.order_due() == ()
    assert not schedules.pause(name, paused=False).paused
    assert schedules.order_due() == ()
    clock.go(hours=1)
    schedules.order_due()
    assert ids(ledger) == ["shop/daily@2026-03-01T16:00Z"]
    schedules.remove(name)
    clock.go(hours=1)
    assert schedules.order_due() == ()
    for ask in (schedules.remove, schedules.schedule, lambda one: schedules.pause(one, paused=True)):
        with pytest.raises(NoSuchSchedule):
            ask(name)


def test_a_pipeline_is_ordered_when_its_tables_were_published(lake, schedules, ledger):
    publish(lake, ORDERS, CUSTOMERS)
    put(schedules, "after sales.orders, sales.customers", pipeline="both")
    put(schedules, {"after": ["sales.orders", "sales.customers"], "any": True, "misfire": "all"}, pipeline="any")
    put(schedules, "after sales.later", pipeline="later")
    assert schedules.order_due() == ()
    publish(lake, ORDERS)
    assert len(schedules.order_due()) == 1
    assert schedules.order_due() == ()
    publish(lake, CUSTOMERS)
    assert len(schedules.order_due()) == 2
    publish(lake, TableName("sales", "later"))
    publish(lake, TableName("sales", "later"))
    assert [ledger.order(number).ask.pipeline for number in schedules.order_due()] == ["later"]
    assert Counter(one.partition("@")[0] for one in ids(ledger)) == {"shop/any": 2, "shop/both": 1, "shop/later": 1}
    assert {order.ask.origin for order in ledger.orders()} == {"after"}


def test_a_publish_that_is_undone_starts_what_waits_for_it_again(lake, schedules, ledger):
    put(schedules, "after sales.orders")
    publish(lake, ORDERS)
    publish(lake, ORDERS)
    assert len(schedules.order_due()) == 1
    assert ledger.claim("w", timedelta(minutes=1)) is not None
    lake.undo(lake.resolve("main").id)
    assert len(schedules.order_due()) == 1


def test_a_project_has_the_schedules_of_its_release_and_no_others(lake, schedules):
    every, cron = timing_of("every 5m"), timing_of("0 6 * * *")
    with lake.database.writing() as tx:
        schedules.put_all(
            {"shop/a": {"timing": every, "pipeline": "a"}, "shop/b": {"timing": cron, "pipeline": "b"}},
            project="shop",
            within=tx,
        )
        schedules.put_all({"other/a": {"timing": cron, "pipeline": "a"}}, project="other", within=tx)
        schedules.put_all({"shop/b": {"timing": every, "pipeline": "b"}}, project="shop", within=tx)
    assert [(one.name, one.words) for one in schedules.list()] == [("other/a", "0 6 * * *"), ("shop/b", "every 5m")]


def test_jitter_puts_orders_off(schedules, ledger, clock):
    for number in range(20):
        put(schedules, {"cron": "0 * * * *", "jitter": "10m"}, pipeline=f"p{number}")
    clock.go(hours=1)
    schedules.order_due()
    late = [(order.due - datetime(2026, 3, 1, 13, tzinfo=UTC)).total_seconds() for order in ledger.orders()]
    assert all(0 <= each < 600 for each in late)
    assert len(set(late)) > 10


def test_a_scheduler_goes_on_until_it_is_stopped(lake):
    ledger = Ledger(lake.database)
    schedules = Schedules(lake.database, ledger)
    put(schedules, {"every": "1s", "misfire": "all"})
    stopped, heard = Event(), []
    with ThreadPoolExecutor() as threads:
        going = threads.submit(Scheduler(schedules, heard.append).run, stopped)
        end = time.monotonic() + 60
        while len(heard) < 2 and not going.done() and time.monotonic() < end:
            time.sleep(0.05)
        stopped.set()
        going.result(60)
    assert len(ids(ledger)) >= 2, heard


LOOKING = """
import sys
from pathlib import Path
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.lake.lake import open_lake

lake = open_lake(Path(sys.argv[1]), database=sys.argv[2] or None)
schedules = Schedules(lake.database, Ledger(lake.database))
print("ready", flush=True)
while True:
    schedules.order_due()
"""


def test_however_many_look_and_whoever_is_killed_no_time_is_lost_and_none_comes_twice(lake, tmp_path, url):
    ledger = Ledger(lake.database)
    schedules = Schedules(lake.database, ledger)
    for number in range(5):
        put(schedules, {"every": "1s", "misfire": "all", "catch_up": 1000}, pipeline=f"p{number}")
    began = schedules.schedule("shop/p0").seen
    lake.database.close()

    def look() -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-c", LOOKING, str(tmp_path), url or ""], stdout=subprocess.PIPE, text=True
        )
        with started.stdout:
            assert started.stdout.readline().strip() == "ready"
        return started

    looking = [look(), look()]
    for _ in range(4):
        time.sleep(0.9)
        os.kill(looking[0].pid, signal.SIGKILL)
        looking[0].wait()
        looking = [looking[1], look()]
    for one in looking:
        one.kill()
        one.wait()
    schedules.order_due()
    seen = schedules.schedule("shop/p0").seen
    expected = int(seen.timestamp()) - int(began.timestamp())
    counts = Counter(order.ask.pipeline for order in ledger.orders(limit=10_000))
    assert expected >= 3
    assert all(abs(counts[f"p{number}"] - expected) <= 1 for number in range(5))
    assert len(ids(ledger)) == len(set(ids(ledger)))
