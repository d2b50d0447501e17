"""Orders and claims: what the ledger keeps, on SQLite and on Postgres, with the database's clock and with a test's."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from pilotline.domain.orders import Ask, delay, tries
from pilotline.factory.errors import BadOrder, ClaimLost, NoSuchOrder, OrderCancelled, OrderEnded
from pilotline.factory.ledger import Ledger
from pilotline.lake.database import SqliteDatabase
from pilotline.lake.ledger import MIGRATIONS as LAKE
from pilotline.lake.postgres import PostgresDatabase

LEASE = timedelta(seconds=60)


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 27, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    if request.param == "postgres":
        made = PostgresDatabase(request.getfixturevalue("postgres").database())
    else:
        made = SqliteDatabase(tmp_path / "catalog.sqlite")
    made.register("lake", LAKE)
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(database, clock) -> Ledger:
    return Ledger(database, clock=clock, take_overs=2)


def ask(pipeline: str = "daily", **more) -> Ask:
    return Ask(pipeline=pipeline, project="/shop", **more)


def finish(database, ledger: Ledger, claim, run: int = 7) -> None:
    with database.writing() as tx:
        ledger.finish(claim, run, "published", within=tx)


def test_an_order_keeps_what_was_asked(ledger: Ledger, clock: Clock):
    asked = ask(
        id="daily@2026-11-27T06:00Z", release="abc", onto="next", parameters={"by": "2"}, partition="2026-11-26", key="k",
        priority=3, due=clock.at + timedelta(minutes=1), origin="schedule", schedule="daily", timeout=timedelta(seconds=90),
        attempts=4, owner="ann", fresh=True,
    )  # fmt: skip
    order = ledger.order(ledger.submit(asked))
    assert order.ask == asked
    assert (order.state, order.token, order.submitted, order.due) == ("waiting", 0, clock.at, asked.due)
    assert ledger.find("daily@2026-11-27T06:00Z") == order
    assert [kind for _, kind, _ in ledger.events(order.number)] == ["submitted"]


def test_the_same_id_is_the_same_order_and_an_order_without_one_is_always_new(ledger: Ledger):
    assert ledger.submit(ask(id="x")) == ledger.submit(ask(id="x", priority=9))
    assert ledger.submit(ask()) != ledger.submit(ask())
    assert len(ledger.orders()) == 3


def test_an_order_submitted_in_a_transaction_that_fails_is_not_there(ledger: Ledger, database):
    def submit_and_stumble() -> None:
        with database.writing() as tx:
            ledger.submit(ask(id="x"), within=tx)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        submit_and_stumble()
    with pytest.raises(NoSuchOrder):
        ledger.find("x")


@pytest.mark.parametrize(
    "wrong",
    [{"pipeline": ""}, {"attempts": 0}, {"timeout": timedelta(0)}, {"due": datetime(2026, 1, 1)}],  # noqa: DTZ001
)
def test_what_cannot_be_an_order_is_refused_by_code(ledger: Ledger, wrong):
    with pytest.raises(BadOrder) as caught:
        ledger.submit(ask(**wrong))
    assert caught.value.code == "PL514"
    assert ledger.orders() == ()


def test_orders_are_claimed_by_priority_then_by_time(ledger: Ledger, clock: Clock):
    late = ledger.submit(ask("a", due=clock.at + timedelta(seconds=20)))
    first = ledger.submit(ask("b"))
    soon = ledger.submit(ask("d", due=clock.at + timedelta(seconds=10)))
    urgent = ledger.submit(ask("c", priority=5, due=clock.at + timedelta(seconds=25)))
    assert ledger.claim("w", LEASE).order.number == first
    assert ledger.claim("w", LEASE) is None
    clock.pass_(30)
    assert [ledger.claim("w", LEASE).order.number for _ in range(3)] == [urgent, soon, late]


def test_by_default_one_order_of_a_pipeline_and_branch_runs_at_a_time(ledger: Ledger, database):
    ledger.submit(ask())
    ledger.submit(ask())
    ledger.submit(ask(onto="next"))
    ledger.submit(ask(key=""))
    taken = [ledger.claim("w", LEASE) for _ in range(4)]
    assert [each and each.order.number for each in taken] == [1, 3, 4, None]
    finish(database, ledger, taken[0])
    assert ledger.claim("w", LEASE).order.number == 2


def test_limits_hold_for_all_for_a_pipeline_and_for_a_key(ledger: Ledger):
    for pipeline, key in (("a", "k"), ("a", "k"), ("a", "k"), ("b", ""), ("b", "")):
        ledger.submit(ask(pipeline, key=key))
    ledger.limit("key", "k", 2)
    ledger.limit("pipeline", "b", 1)
    assert [ledger.claim("w", LEASE).order.number for _ in range(3)] == [1, 2, 4]
    assert ledger.claim("w", LEASE) is None
    ledger.limit("pipeline", "b", None)
    ledger.limit("all", "", 3)
    assert ledger.claim("w", LEASE) is None
    assert ledger.limits() == {("all", ""): 3, ("key", "k"): 2}
    ledger.limit("all", "", 4)
    assert ledger.claim("w", LEASE).order.number == 5


def test_a_worker_takes_orders_for_its_own_folder_and_for_releases(ledger: Ledger):
    ledger.submit(Ask(pipeline="a", project="/elsewhere"))
    ledger.submit(Ask(pipeline="b", project="shop", release="abc"))
    ledger.submit(Ask(pipeline="c", project="/shop"))
    taken = [ledger.claim("w", LEASE, project="/shop") for _ in range(3)]
    assert [each and each.order.ask.pipeline for each in taken] == ["b", "c", None]


def test_a_claim_that_ran_out_is_lost_before_and_after_another_has_it(ledger: Ledger, clock: Clock, database):
    ledger.submit(ask())
    old = ledger.claim("old", LEASE)
    clock.pass_(59)
    assert ledger.renew(old) == "held"
    clock.pass_(60)
    assert ledger.renew(old) == "lost"
    with pytest.raises(ClaimLost) as caught:
        finish(database, ledger, old)
    assert caught.value.code == "PL511"
    new = ledger.claim("new", LEASE)
    assert (new.order.number, new.token, new.order.take_overs) == (old.order.number, old.token + 1, 1)
    for lost in (lambda: ledger.renew(old) == "lost", lambda: ledger.fail(old, "code", "") is None):
        assert lost()
    assert not ledger.give_back(old, "")
    with pytest.raises(ClaimLost):
        finish(database, ledger, old)
    finish(database, ledger, new, 8)
    done = ledger.order(1)
    assert (done.state, done.run, done.result, done.ended) == ("done", 8, "published", clock.at)
    with database.writing() as tx:
        ledger.hold(new, tx)
    assert ledger.renew(new) == "held"


def test_an_order_whose_workers_keep_dying_is_dead_with_the_reason(ledger: Ledger, clock: Clock):
    ledger.submit(ask())
    for number in range(3):
        assert ledger.claim(f"w{number}", LEASE).token == number + 1
        clock.pass_(61)
    assert ledger.claim("w", LEASE) is None
    dead = ledger.order(1)
    assert (dead.state, dead.because) == ("dead", "its worker went away 3 times, the last one was w2")


def test_a_cancelled_order_ends_at_once_or_when_its_worker_stops_and_never_publishes(ledger, clock, database):
    for _ in range(3):
        ledger.submit(ask(key=""))
    assert ledger.cancel(3, "ann") == "cancelled"
    with pytest.raises(OrderEnded) as caught:
        ledger.cancel(3, "ann")
    assert caught.value.code == "PL513"
    stopping, dying = ledger.claim("w", LEASE), ledger.claim("x", LEASE)
    for claim in (stopping, dying):
        assert ledger.cancel(claim.order.number, "ann") == "running"
        assert ledger.renew(claim) == "cancelled"
        with pytest.raises(OrderCancelled) as stopped:
            finish(database, ledger, claim)
        assert stopped.value.code == "PL512"
    assert ledger.fail(stopping, "died", "killed") == "cancelled"
    clock.pass_(61)
    assert ledger.claim("y", LEASE) is None
    assert {(each.state, each.because) for each in ledger.orders()} == {("cancelled", "cancelled by ann")}


@pytest.mark.parametrize("kind", ["code", "died", "infrastructure", "refused"])
def test_a_failure_is_tried_again_as_its_kind_allows(ledger: Ledger, clock: Clock, kind):
    ledger.submit(ask(attempts=2))
    states = []
    while not states or states[-1] == "waiting":
        claim = ledger.claim("w", LEASE)
        states.append(ledger.fail(claim, kind, "it broke"))
        assert ledger.claim("w", LEASE) is None
        clock.pass_(2 * 3600)
    assert states == ["waiting"] * (tries(kind, 2) - 1) + ["failed"]
    ended = ledger.order(1)
    assert (ended.because, ended.failures) == ("it broke", {kind: tries(kind, 2)})


def test_what_is_not_the_codes_doing_is_tried_again_without_being_asked():
    assert {kind: (tries(kind, 1), tries(kind, 30)) for kind in ("code", "died", "infrastructure", "refused")} == {
        "code": (1, 30), "died": (3, 30), "infrastructure": (20, 30), "refused": (1, 1),
    }  # fmt: skip


def test_waits_grow_are_spread_and_end_somewhere():
    assert delay("code", 1, 0.0) == timedelta(seconds=15)
    assert delay("code", 1, 1.0) == timedelta(seconds=45)
    assert delay("code", 3, 0.5) == timedelta(seconds=120)
    assert delay("code", 1000, 0.5) == timedelta(hours=1)


def test_what_is_given_back_is_taken_at_once_and_counts_as_nothing(ledger: Ledger):
    ledger.submit(ask())
    assert ledger.give_back(ledger.claim("w", LEASE), "w is stopping")
    again = ledger.claim("x", LEASE)
    assert (again.token, again.order.take_overs, again.order.failures) == (2, 0, {})


def test_listings_are_paged_from_a_number_on(ledger: Ledger):
    for number in range(7):
        ledger.submit(ask(f"p{number % 2}", schedule="s" if number == 3 else "", key=""))
    ledger.claim("w", LEASE)
    first = ledger.orders(limit=3)
    assert [each.number for each in first] == [7, 6, 5]
    assert [each.number for each in ledger.orders(limit=10, before=first[-1].number)] == [4, 3, 2, 1]
    assert [each.number for each in ledger.orders(pipeline="p1", before=6)] == [4, 2]
    assert [each.number for each in ledger.orders(schedule="s")] == [4]
    assert [each.number for each in ledger.orders(state="running")] == [1]
    assert [each.number for each in ledger.orders(state="waiting", limit=2)] == [7, 6]
    assert [each.number for each in ledger.orders(state="waiting", before=6)] == [5, 4, 3, 2]
    assert ledger.orders(schedule="s", before=4) == ()
    assert ledger.counts() == {"waiting": 6, "running": 1}


def test_what_ended_long_ago_is_forgotten_and_nothing_else(ledger: Ledger, clock: Clock):
    for number in range(1200):
        ledger.submit(ask(f"p{number}"))
    for number in range(1, 1101):
        ledger.cancel(number, "ann")
    clock.pass_(10)
    ledger.cancel(1101, "ann")
    assert ledger.forget(clock.at) == 1100
    assert [each.number for each in ledger.orders(limit=1000)] == list(range(1200, 1100, -1))
    assert ledger.events(1) == []


def test_the_databases_own_clock_decides(database):
    ledger = Ledger(database)
    assert abs(ledger.now() - datetime.now(UTC)) < timedelta(seconds=30)
    ledger.submit(ask())
    claim = ledger.claim("w", timedelta(seconds=0.3))
    assert claim.order.until - claim.order.began == timedelta(seconds=0.3)
    time.sleep(0.4)
    assert ledger.renew(claim) == "lost"
    assert ledger.claim("x", LEASE).token == 2


def test_many_workers_at_once_each_get_another_order(database):
    ledger = Ledger(database)
    for number in range(40):
        ledger.submit(ask(f"p{number}"))
    taken: list[int] = []

    def work(name: str) -> None:
        while (claim := ledger.claim(name, LEASE)) is not None:
            taken.append(claim.order.number)
        database.close()

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(taken) == list(range(1, 41))
