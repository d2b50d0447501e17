"""Who has nothing to do hears of an order, a publish and a schedule at once, and of one that nobody told of after a while."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Event, Thread

import pyarrow as pa
import pytest

from pilotline.domain.orders import Ask
from pilotline.domain.schedules import timing_of
from pilotline.domain.tables import Replace, TableName
from pilotline.factory import scheduling, worker
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Scheduler, Schedules
from pilotline.factory.worker import Worker
from pilotline.lake.database import Session
from pilotline.lake.lake import open_lake

ORDERS = TableName("sales", "orders")
#: So long that nothing in a test is found by looking once in a while.
LONG = 1000.0


@pytest.fixture
def lake(url, tmp_path):
    made = open_lake(tmp_path, database=url)
    made.branches()
    yield made
    made.database.close()


class Idle(Worker):
    """A worker that only says when it claimed: what it would carry out is not the point."""

    def _carry(self, claim) -> None:
        self.claimed.append(claim.order.number)


@pytest.fixture
def working(lake):
    """A worker that waits in a thread, with how many seconds until it looks of itself."""
    ends = []

    def start(slow: float, monkeypatch) -> Idle:
        monkeypatch.setattr(worker, "_SLOW", slow)
        one = Idle(Ledger(lake.database))
        one.claimed = []
        one._told_to_stop = stopped.is_set

        def work() -> None:
            one.work()
            lake.database.close()

        thread = Thread(target=work)
        thread.start()
        ends.append(thread)
        # Until it has looked, hung up its bell, and looked again.
        time.sleep(1.0)
        return one

    stopped = Event()
    yield start
    stopped.set()
    for each in ends:
        each.join(60)
        assert not each.is_alive()


def until(what) -> None:
    """Far sooner than the slow look, however busy the machine is."""
    end = time.monotonic() + LONG / 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def ask(**more) -> Ask:
    return Ask(pipeline="daily", project="/shop", key="", **more)


def test_a_worker_hears_of_an_order_at_once(lake, working, monkeypatch):
    one = working(LONG, monkeypatch)
    for number in range(1, 4):
        Ledger(lake.database).submit(ask())
        until(lambda count=number: len(one.claimed) == count)


def test_a_worker_begins_what_is_due_later_when_it_is_due(lake, working, monkeypatch):
    one = working(LONG, monkeypatch)
    ledger = Ledger(lake.database)
    due = ledger.now() + timedelta(seconds=1.5)
    number = ledger.submit(ask(due=due))
    until(lambda: one.claimed == [number])
    began = ledger.order(number).began
    assert timedelta(0) <= began - due < timedelta(seconds=LONG / 10)


def test_a_worker_hears_that_a_limit_leaves_room(lake, working, monkeypatch):
    ledger = Ledger(lake.database)
    first = ledger.submit(Ask(pipeline="daily", project="/shop", key="one"))
    claim = ledger.claim("other", timedelta(minutes=10))
    assert claim.order.number == first
    second = ledger.submit(Ask(pipeline="daily", project="/shop", key="one"))
    one = working(LONG, monkeypatch)
    assert one.claimed == []
    with lake.database.writing() as tx:
        ledger.finish(claim, 0, "published", within=tx)
    until(lambda: one.claimed == [second])


def test_a_worker_takes_over_when_a_lease_runs_out(lake, working, monkeypatch):
    ledger = Ledger(lake.database)
    number = ledger.submit(ask())
    ledger.claim("gone", timedelta(seconds=3))
    one = working(LONG, monkeypatch)
    until(lambda: one.claimed == [number])


def test_a_word_that_is_lost_costs_the_slow_look_and_nothing_else(lake, url, working, monkeypatch):
    # A file shows its changes without a word.
    one = working(3.0 if url else LONG, monkeypatch)
    monkeypatch.setattr(Session, "announce", lambda *_: None)
    number = Ledger(lake.database).submit(ask())
    until(lambda: one.claimed == [number])


def test_a_scheduler_hears_of_publishes_and_schedules_at_once(lake, monkeypatch):
    monkeypatch.setattr(scheduling, "_SLOW", LONG)
    schedules = Schedules(lake.database, Ledger(lake.database))
    stopped, heard = Event(), []

    def run() -> None:
        Scheduler(Schedules(lake.database, Ledger(lake.database)), heard.append).run(stopped)
        lake.database.close()

    thread = Thread(target=run)
    thread.start()
    try:
        time.sleep(1.0)
        schedules.put(timing_of("on change of sales.orders"), project="/shop", pipeline="daily")
        lake.create_branch("b")
        lake.write("b", ORDERS, pa.table({"n": [1]}), Replace())
        time.sleep(1.0)
        assert heard == []
        lake.publish("b", require_checked=False)
        until(lambda: heard)
        # One that is due in two seconds is ordered then, not when it would look of itself.
        schedules.put(timing_of("every 2s"), project="/shop", pipeline="often")
        until(lambda: len(heard) >= 2)
    finally:
        stopped.set()
        thread.join(60)
    assert not thread.is_alive()
