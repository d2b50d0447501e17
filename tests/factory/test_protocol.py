"""Claims explored: several workers, a clock that jumps, in every order that Hypothesis thinks of, against a simple model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pilotline.domain.orders import Ask, tries
from pilotline.factory.errors import ClaimLost, OrderCancelled, OrderEnded
from pilotline.factory.ledger import Ledger
from pilotline.lake.database import SqliteDatabase
from pilotline.lake.ledger import MIGRATIONS as LAKE
from pilotline.lake.postgres import PostgresDatabase

if TYPE_CHECKING:
    from pilotline.domain.orders import Claim

LEASE = timedelta(seconds=60)
TAKE_OVERS = 2
WORKERS = ("ann", "bob", "cleo")
PIPELINES = ("a", "b")
KEYS = ("", "k")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ENDS = {"done", "failed", "cancelled", "dead"}


@dataclass
class Modelled:
    """What an order should be, told as simply as can be."""

    key: str
    pipeline: str
    attempts: int
    due: datetime
    priority: int
    state: str = "waiting"
    token: int = 0
    until: datetime = LONG_AGO
    cancelled: bool = False
    take_overs: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    published: int = 0


class Protocol(RuleBasedStateMachine):
    """Workers keep every claim that they ever got, as those do that were asleep."""

    database: SqliteDatabase | PostgresDatabase
    identities = count()

    @initialize(
        limit_all=st.sampled_from([None, 2]), limit_key=st.sampled_from([1, 2]), limit_a=st.sampled_from([None, 1])
    )
    def begin(self, limit_all: int | None, limit_key: int, limit_a: int | None) -> None:
        self.now = datetime(2026, 11, 27, 6, tzinfo=UTC)
        self.ledger = Ledger(self.database, clock=lambda: self.now, take_overs=TAKE_OVERS)
        with self.database.writing() as tx:
            for table in ("factory_order_event", "factory_order", "factory_limit"):
                tx.execute(f"DELETE FROM {table}")
        self.ledger.limit("all", "", limit_all)
        self.ledger.limit("key", "k", limit_key)
        self.ledger.limit("pipeline", "a", limit_a)
        self.most = {"all": limit_all, "k": limit_key, "a": limit_a}
        self.orders: dict[int, Modelled] = {}
        self.claims: list[Claim] = []
        for pipeline, key in (("a", ""), ("b", "k"), ("b", "k"), ("a", "")):
            self.submit(pipeline, key, 0, 2, 0)

    # -- what may happen

    @rule(
        pipeline=st.sampled_from(PIPELINES), key=st.sampled_from(KEYS), priority=st.integers(0, 2),
        attempts=st.integers(1, 2), later=st.sampled_from([0, 0, 0, 90]),
    )  # fmt: skip
    def submit(self, pipeline: str, key: str, priority: int, attempts: int, later: int) -> None:
        due = self.now + timedelta(seconds=later)
        asked = Ask(
            id=f"x{next(self.identities)}", pipeline=pipeline, project="/p", key=key, priority=priority, attempts=attempts,
            due=due,
        )  # fmt: skip
        number = self.ledger.submit(asked)
        assert self.ledger.submit(asked) == number
        self.orders[number] = Modelled(key=key, pipeline=pipeline, attempts=attempts, due=due, priority=priority)

    @rule(worker=st.sampled_from(WORKERS))
    def claim(self, worker: str) -> None:
        self.free_expired()
        wanted = self.claimable()
        found = self.ledger.claim(worker, LEASE)
        assert (found and found.order.number) == wanted
        if found is not None:
            order = self.orders[found.order.number]
            order.state, order.token, order.until = "running", order.token + 1, self.now + LEASE
            assert found.token == order.token
            self.claims.append(found)

    @rule(seconds=st.sampled_from([1, 30, 59, 61, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        self.renew_as(self.pick(data))

    def renew_as(self, claim: Claim) -> None:
        order = self.orders[claim.order.number]
        if self.holds(claim):
            expected = "cancelled" if order.cancelled else "held"
        else:
            expected = "held" if order.state == "done" and order.token == claim.token else "lost"
        assert self.ledger.standing(claim) == expected
        assert self.ledger.renew(claim) == expected
        if self.holds(claim) and not order.cancelled:
            order.until = self.now + LEASE

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        self.publish_as(self.pick(data))

    def publish_as(self, claim: Claim) -> None:
        order = self.orders[claim.order.number]
        may = self.holds(claim) and not order.cancelled
        try:
            with self.database.writing() as tx:
                self.ledger.finish(claim, 1, "published", within=tx)
        except (ClaimLost, OrderCancelled):
            assert not may
        else:
            assert may
            order.state = "done"
            order.published += 1

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), kind=st.sampled_from(["code", "died", "infrastructure", "refused"]))
    def fail(self, data: st.DataObject, kind: str) -> None:
        self.fail_as(self.pick(data), kind)

    def fail_as(self, claim: Claim, kind: str) -> None:
        order = self.orders[claim.order.number]
        found = self.ledger.fail(claim, kind, "it broke")
        if order.state != "running" or order.token != claim.token:
            assert found is None
            return
        order.failures[kind] = order.failures.get(kind, 0) + 1
        if order.cancelled:
            order.state = "cancelled"
        elif order.failures[kind] >= tries(kind, order.attempts):
            order.state = "failed"
        else:
            order.state = "waiting"
            order.due = self.ledger.order(claim.order.number).due
            assert order.due > self.now
        assert found == order.state

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        claim = self.pick(data)
        order = self.orders[claim.order.number]
        mine = order.state == "running" and order.token == claim.token
        assert self.ledger.give_back(claim, "stopping") == mine
        if mine:
            order.state = "cancelled" if order.cancelled else "waiting"

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.orders)))
        order = self.orders[number]
        if order.state in ENDS:
            with pytest.raises(OrderEnded):
                self.ledger.cancel(number, "zoe")
            return
        self.ledger.cancel(number, "zoe")
        order.cancelled = True
        if order.state == "waiting":
            order.state = "cancelled"

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        first=st.sampled_from(["cancel", "lease over", "taken over"]),
        then=st.sampled_from(["publish", "renew", "fail"]),
    )
    def too_late(self, data: st.DataObject, first: str, then: str) -> None:
        """What those do who have not heard yet; left to chance alone it is seldom met."""
        claim = self.pick(data)
        order = self.orders[claim.order.number]
        if first != "cancel":
            self.now += LEASE
            if first == "taken over":
                self.claim("zoe")
        elif order.state not in ENDS:
            self.ledger.cancel(claim.order.number, "zoe")
            order.cancelled = True
            order.state = "cancelled" if order.state == "waiting" else order.state
        match then:
            case "publish":
                self.publish_as(claim)
            case "renew":
                self.renew_as(claim)
            case _:
                self.fail_as(claim, "died")

    # -- what always holds

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        found = {each.number: each for each in self.ledger.orders(limit=1000)}
        assert {number: (each.state, each.token, each.take_overs) for number, each in found.items()} == {
            number: (each.state, each.token, each.take_overs) for number, each in self.orders.items()
        }
        for number, each in self.orders.items():
            assert each.published == (1 if each.state == "done" else 0)
            if each.state in ENDS:
                assert found[number].ended is not None

    @invariant()
    def no_more_run_than_limits_allow(self) -> None:
        running = self.ledger.orders(state="running", limit=1000)
        for name, count_ in (
            ("all", len(running)),
            ("k", sum(each.ask.key == "k" for each in running)),
            ("a", sum(each.ask.pipeline == "a" for each in running)),
        ):
            assert self.most[name] is None or count_ <= self.most[name]

    @invariant()
    def at_most_one_claim_of_an_order_holds(self) -> None:
        holding = [claim.order.number for claim in self.claims if self.ledger.standing(claim) == "held"]
        assert len(holding) == len(set(holding))
        tokens = [(claim.order.number, claim.token) for claim in self.claims]
        assert len(tokens) == len(set(tokens))

    # -- the model

    def pick(self, data: st.DataObject) -> Claim:
        """Most often one of those that may still hold."""
        last = [claim for claim in self.claims if self.orders[claim.order.number].token == claim.token]
        return data.draw(st.sampled_from(last * 3 + self.claims))

    def holds(self, claim: Claim) -> bool:
        order = self.orders[claim.order.number]
        return order.state == "running" and order.token == claim.token and order.until > self.now

    def free_expired(self) -> None:
        """A claim frees what ran out; it does so only in the same breath."""
        for each in self.orders.values():
            if each.state == "running" and each.until <= self.now:
                each.take_overs += 1
                if each.cancelled:
                    each.state = "cancelled"
                elif each.take_overs > TAKE_OVERS:
                    each.state = "dead"
                else:
                    each.state = "waiting"

    def claimable(self) -> int | None:
        running = [each for each in self.orders.values() if each.state == "running"]

        def room(order: Modelled) -> bool:
            counts = {
                "all": len(running),
                "k": sum(each.key == "k" for each in running) if order.key == "k" else -1,
                "a": sum(each.pipeline == "a" for each in running) if order.pipeline == "a" else -1,
            }
            return all(self.most[name] is None or number < self.most[name] for name, number in counts.items())

        waiting = [
            (-each.priority, each.due, number)
            for number, each in self.orders.items()
            if each.state == "waiting" and each.due <= self.now and room(each)
        ]
        return min(waiting)[2] if waiting else None


def explore(database, examples: int) -> None:
    database.register("lake", LAKE)
    machine = type("Explored", (Protocol,), {"database": database})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    finally:
        database.close()


def test_claims_keep_their_promises_on_sqlite(tmp_path):
    explore(SqliteDatabase(tmp_path / "catalog.sqlite"), 300)


def test_claims_keep_their_promises_on_postgres(postgres):
    explore(PostgresDatabase(postgres.database()), 20)
