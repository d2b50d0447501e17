"""A pipeline runs soon after what it reads was published, once for all that came; and a promise that is missed is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pilotline.domain.schedules import WaitsForNothing, describe_timing, timing_of
from pilotline.domain.tables import Replace, TableName
from pilotline.factory.alerting import Alerting
from pilotline.factory.ledger import Ledger
from pilotline.factory.metrics import metrics
from pilotline.factory.scheduling import Schedules
from pilotline.lab.landing import Wishes, contract_text
from pilotline.run.opening import open_lake_here
from pilotline.run.projects import Project
from pilotline.run.reading import read_contract

ORDERS, CUSTOMERS = TableName("sales", "orders"), TableName("sales", "customers")
LEASE = timedelta(minutes=1)


@pytest.fixture
def ledger(lake) -> Ledger:
    return Ledger(lake.database)


@pytest.fixture
def schedules(lake, ledger) -> Schedules:
    return Schedules(lake.database, ledger)


def put(schedules, said, pipeline="daily", **more) -> str:
    return schedules.put(timing_of(said), project="/shop", pipeline=pipeline, **more)


def publish(lake, *tables: TableName) -> None:
    name = f"b{len(lake.branches(every=True))}"
    lake.create_branch(name)
    for table in tables:
        lake.write(name, table, pa.table({"n": [len(lake.log())]}), Replace())
    lake.publish(name, require_checked=False)


def finish(lake, ledger, claim) -> None:
    with lake.database.writing() as tx:
        ledger.finish(claim, 0, "published", within=tx)


def claimed(ledger, seconds: float = 5.0):
    end = time.monotonic() + seconds
    while (claim := ledger.claim("w", LEASE)) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return claim


def test_what_comes_within_the_window_is_taken_by_one_order(lake, schedules, ledger):
    put(schedules, "on change of sales.orders, sales.customers within 60s")
    publish(lake, ORDERS)
    (number,) = schedules.order_due()
    order = ledger.order(number)
    # It waits for half of what is promised, counted from the publish.
    published = lake.log()[0].at
    assert timedelta(0) <= order.due - published - timedelta(seconds=30) < timedelta(seconds=0.5)
    publish(lake, CUSTOMERS)
    publish(lake, ORDERS)
    assert schedules.order_due() == ()
    (still,) = ledger.orders()
    assert (still.number, still.state, still.due) == (number, "waiting", order.due)
    changes = [facts for _, kind, facts in ledger.events(number) if kind == "change"]
    assert [each["tables"] for each in changes] == [["sales.orders"], ["sales.customers", "sales.orders"]]


def test_what_comes_while_it_runs_is_taken_by_one_more_order_and_no_third(lake, schedules, ledger):
    put(schedules, "on change of sales.orders")
    for _ in range(2):
        publish(lake, ORDERS)
    (first,) = schedules.order_due()
    claim = claimed(ledger)
    assert claim.order.number == first
    publish(lake, ORDERS)
    (second,) = schedules.order_due()
    publish(lake, ORDERS)
    assert schedules.order_due() == ()
    # One at a time: the second one begins when the first has ended.
    assert ledger.claim("w", LEASE) is None
    finish(lake, ledger, claim)
    assert claimed(ledger).order.number == second
    assert {order.ask.origin for order in ledger.orders()} == {"after"}


def test_a_promise_that_was_missed_is_told_once_and_once_more_when_it_is_kept_again(lake, schedules, ledger):
    name = put(schedules, "on change of sales.orders within 1s", owner="ann")
    alerting = Alerting(lake.database)

    def told():
        return [(news.word, news.alert.kind, news.alert.subject, news.alert.owner) for news in alerting.look([], [])]

    def kept() -> str:
        return next(line for line in metrics(lake).splitlines() if line.startswith("pilotline_schedule_promise_kept{"))

    publish(lake, ORDERS)
    schedules.order_due()
    finish(lake, ledger, claimed(ledger))
    assert told() == []
    latency = schedules.latency(schedules.schedule(name))
    assert (latency.missed, latency.waiting, latency.tables) == (False, None, ("sales.orders",))
    assert timedelta(seconds=0.5) <= latency.last <= timedelta(seconds=1)
    assert kept().endswith(" 1")

    publish(lake, ORDERS)
    schedules.order_due()
    time.sleep(1.2)
    assert told() == [("opened", "late", name, "ann")]
    assert told() == []
    finish(lake, ledger, claimed(ledger))
    # It was taken, and too late: that is over when the next one is taken in time.
    assert told() == []
    latency = schedules.latency(schedules.schedule(name))
    assert latency.missed
    assert latency.last > timedelta(seconds=1.2)
    assert latency.because.endswith("after sales.orders changed, promised within 1s")
    assert kept().endswith(" 0")
    assert f'pilotline_schedule_promised_seconds{{schedule="{name}"}} 1\n' in metrics(lake)

    publish(lake, ORDERS)
    schedules.order_due()
    finish(lake, ledger, claimed(ledger))
    assert told() == [("recovered", "late", name, "ann")]
    assert kept().endswith(" 1")


def test_changes_that_nobody_looked_for_count_from_their_publish(lake, schedules, ledger):
    name = put(schedules, "on change of sales.orders within 1s")
    publish(lake, ORDERS)
    first = lake.log()[0].at
    time.sleep(1.1)
    publish(lake, ORDERS)
    (number,) = schedules.order_due()
    (change,) = (facts for _, kind, facts in ledger.events(number) if kind == "change")
    assert datetime.fromisoformat(change["published"]) == first
    # No more is waited for what is late already.
    assert ledger.claim("w", LEASE) is not None
    assert schedules.latency(schedules.schedule(name)).missed


def test_who_is_cancelled_waits_no_more(lake, schedules, ledger):
    name = put(schedules, "on change of sales.orders within 1s")
    publish(lake, ORDERS)
    (number,) = schedules.order_due()
    assert schedules.latency(schedules.schedule(name)).waiting is not None
    ledger.cancel(number, "ann")
    assert schedules.latency(schedules.schedule(name)).waiting is None


MODULE = """
import pilotline


def total(orders: str, customers: str) -> int:
    return len(pilotline.read(orders)) + len(pilotline.read(customers))


def pipeline(*, orders: str = "sales.orders", customers: str = "sales.customers", text: str = "plain"):
    number = total(orders, customers)
    return {"number": number}
"""


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        ('schedule = "on change within 10s"', "on change of sales.orders, sales.customers within 10s"),
        ('schedule = "on change"\nchanges = ["customers"]', "on change of sales.customers"),
        ('schedule = "on change of sales.later"', "on change of sales.later"),
        ('[schedule]\non_change = true\nwithin = "2m"', "on change of sales.orders, sales.customers within 2m"),
        # Waiting for what it makes, it would never come to rest.
        ('schedule = "on change"\n[tables.number]\ntable = "sales.orders"', "on change of sales.customers"),
    ],
)
def test_it_waits_for_the_tables_that_the_pipeline_reads(tmp_path, contract, expected):
    (tmp_path / "daily.py").write_text(MODULE)
    (tmp_path / "daily.toml").write_text(contract)
    found = read_contract(tmp_path / "daily.py", Project(folder=tmp_path))
    assert describe_timing(found.timing) == expected


@pytest.mark.parametrize(
    "contract",
    ['schedule = "on change"', 'schedule = "on change of mine.number"\nnamespace = "mine"'],
)
def test_a_pipeline_that_reads_no_table_waits_for_nothing(tmp_path, contract):
    text = MODULE.replace('"sales.orders"', '"a"').replace('"sales.customers"', '"b"')
    (tmp_path / "daily.py").write_text(text)
    (tmp_path / "daily.toml").write_text(contract)
    with pytest.raises(WaitsForNothing, match="reads no table by its name") as caught:
        read_contract(tmp_path / "daily.py", Project(folder=tmp_path))
    assert caught.value.code == "PL516"


def test_a_landing_writes_it_and_refuses_what_would_wait_for_nothing(tmp_path):
    (tmp_path / "pilotline.toml").touch()
    module = tmp_path / "daily.py"
    module.write_text(MODULE)
    assert contract_text(module, Wishes(schedule="on change within 10s")) == 'schedule = "on change within 10s"\n'
    module.write_text(MODULE.replace('"sales.orders"', '"a"').replace('"sales.customers"', '"b"'))
    with pytest.raises(WaitsForNothing):
        contract_text(module, Wishes(schedule="on change within 10s"))


def test_a_factory_runs_it_when_something_was_published(lies, tmp_path):
    (tmp_path / "pilotline.toml").touch()
    (tmp_path / "daily.py").write_text(MODULE)
    (tmp_path / "daily.toml").write_text('schedule = "on change within 2s"\n')
    lake, _ = open_lake_here(tmp_path)
    publish(lake, ORDERS, CUSTOMERS)
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--grace", "2"],
            cwd=tmp_path,
            stdout=said,
            stderr=said,
        )
    ledger = Ledger(lake.database)

    def wait_for(what) -> None:
        end = time.monotonic() + 60
        while not what():
            assert time.monotonic() < end, (tmp_path / "said").read_text()
            assert process.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.05)

    try:
        wait_for(lambda: "worker " in (tmp_path / "said").read_text())
        # What was there before is nothing new.
        assert ledger.orders() == ()
        for _ in range(3):
            publish(lake, ORDERS)
        wait_for(lambda: ledger.orders(state="done"))
        (order,) = ledger.orders()
        assert order.result == "published"
        schedules = Schedules(lake.database, ledger)
        (schedule,) = schedules.list()
        assert schedules.latency(schedule).tables == ("sales.orders",)
        assert schedules.latency(schedule).waiting is None
    finally:
        process.terminate()
        assert process.wait(60) == 0
        lake.database.close()


def test_it_is_set_and_shown_by_hand(lies, tmp_path):
    (tmp_path / "pilotline.toml").touch()
    (tmp_path / "daily.py").write_text(MODULE)
    (tmp_path / "daily.toml").write_text('owner = "ann"\n')

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pilotline", "schedule", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = call("set", "daily", "--on-change", "--within", "10s", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == "on change of sales.orders, sales.customers within 10s"
    assert 'schedule = "on change within 10s"' in (tmp_path / "daily.toml").read_text()
    lake, _ = open_lake_here(tmp_path)
    schedules = Schedules(lake.database, Ledger(lake.database))
    publish(lake, ORDERS)
    schedules.order_due()
    Ledger(lake.database).claim("w", LEASE)
    lake.database.close()
    shown = call("show", "daily", "--json")
    document = json.loads(shown.stdout)
    assert document["latency"]["promised"] == 10
    assert document["latency"]["waiting"] < 10
    assert document["latency"]["missed"] is False
    assert [each["state"] for each in document["orders"]] == ["waiting"]
    text = call("show", "daily").stdout
    assert "promised within 10 s of a publish: kept" in text
    assert "changes of sales.orders wait for" in text
    wrong = call("set", "daily", "--every", "5m", "--within", "10s")
    assert wrong.returncode != 0
    assert "--within says how soon a change is taken" in wrong.stderr


# -- one order that waits is enough --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **span: float) -> None:
        self.now += timedelta(**span)


def test_without_a_worker_a_schedule_has_one_order_that_is_of_the_latest_time(lake):
    clock = Clock()
    ledger = Ledger(lake.database, clock=clock)
    schedules = Schedules(lake.database, ledger)
    for misfire in ("last", "skip"):
        put(schedules, {"every": "5m", "misfire": misfire}, pipeline=misfire, release="r1")
    for _ in range(6):
        clock.go(minutes=5)
        schedules.order_due()
    put(schedules, {"every": "5m", "misfire": "last"}, pipeline="last", release="r2", owner="bob")
    clock.go(minutes=5)
    assert schedules.order_due() == ()
    found = {order.ask.schedule: order for order in ledger.orders()}
    assert {name: order.ask.id for name, order in found.items()} == {
        "shop/last": "shop/last@2026-03-01T12:35Z",
        "shop/skip": "shop/skip@2026-03-01T12:35Z",
    }
    assert len(ledger.orders()) == 2
    # It is of the release that is scheduled at its time, and keeps its place in the queue.
    assert (found["shop/last"].ask.release, found["shop/last"].ask.owner) == ("r2", "bob")
    assert found["shop/last"].due == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    claim = ledger.claim("w", LEASE)
    clock.go(minutes=5)
    # While one runs, the next one may wait.
    assert len(schedules.order_due()) == 1
    clock.go(minutes=5)
    schedules.order_due()
    assert [order.ask.schedule for order in ledger.orders(state="waiting")].count(claim.order.ask.schedule) == 1


def test_with_all_so_many_wait_as_may_be_caught_up(lake):
    clock = Clock()
    ledger = Ledger(lake.database, clock=clock)
    schedules = Schedules(lake.database, ledger)
    put(schedules, {"every": "5m", "misfire": "all", "catch_up": 3})
    for _ in range(6):
        clock.go(minutes=5)
        schedules.order_due()
    assert [order.ask.id.rpartition("T")[2] for order in ledger.orders(state="waiting")] == [
        "12:30Z",
        "12:25Z",
        "12:20Z",
    ]
    (last, *_) = ledger.orders(state="cancelled")
    assert last.because == "3 later ones of shop/daily wait"


def test_an_order_that_is_tried_again_is_not_joined_by_others(lake):
    clock = Clock()
    ledger = Ledger(lake.database, clock=clock)
    schedules = Schedules(lake.database, ledger)
    put(schedules, "every 5m")
    clock.go(minutes=5)
    schedules.order_due()
    claim = ledger.claim("w", LEASE)
    assert ledger.fail(claim, "infrastructure", "the database was away") == "waiting"
    clock.go(minutes=5)
    assert schedules.order_due() == ()
    (order,) = ledger.orders()
    assert (order.ask.id, order.failures) == ("shop/daily@2026-03-01T12:10Z", {"infrastructure": 1})
    assert [kind for _, kind, _ in ledger.events(order.number)][-1] == "moved on"
