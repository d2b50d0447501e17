"""The ledger of orders: what the factory is asked to make, and which worker holds what until when.

A worker claims an order for a lease and renews it while it works. Whoever lets a lease run out has lost the order, also
where nobody else has taken it yet; the token of its claim is an old one, and nothing that it still does counts. All times
are those of the database's clock. Each change of state is one transaction that holds the catalog's write lock, in SQLite as
in Postgres: limits are counted over all orders, so claims have to come one after the other in any case.
"""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pilotline.domain.errors import PilotlineError
from pilotline.domain.orders import Ask, Claim, Order, OrderNumber, delay, order_name, tries
from pilotline.factory.errors import BadOrder, ClaimLost, NoSuchOrder, OrderCancelled, OrderEnded
from pilotline.lake.database import named_statements
from pilotline.lake.ledger import set_state, time_text
from pilotline.run.records import GONE, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pilotline.domain.orders import Failure, OrderState
    from pilotline.lake.bells import Bell
    from pilotline.lake.catalog import Transaction
    from pilotline.lake.database import Database, Session

__all__ = ["MIGRATIONS", "Ledger", "LimitKind", "Renewal"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "queries.sql")
MIGRATIONS: Final = (_SQL / "schema_001.sql", _SQL / "schema_002.sql")

#: More than any number of an order.
_ALL: Final = 2**62
#: Events after which nobody has more to do than before.
_FOR_NOBODY: Final = frozenset({"claimed", "change", "moved on", "cancel asked"})
#: Orders forgotten in one transaction, so that nobody waits for long.
_AT_ONCE: Final = 500

LimitKind: TypeAlias = Literal["all", "pipeline", "key"]

#: held: go on. cancelled: somebody wants it to end. lost: it is another's by now, or may be.
Renewal: TypeAlias = Literal["held", "cancelled", "lost"]


class Ledger:
    """The orders of a factory.

    Args:
        database: the lake's.
        take_overs: how often an order's worker may go away before the order is dead.
        clock: for tests; else the database's own.
    """

    def __init__(
        self,
        database: Database,
        *,
        take_overs: int = 5,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._take_overs = take_overs
        self._clock = clock
        self._records = Records(database)
        self._next_due: timedelta | None = timedelta(0)
        database.register("factory", MIGRATIONS)

    @property
    def where(self) -> str:
        """The database, without any secret."""
        return self._database.where

    def close(self) -> None:
        """Close this thread's connection to the database; the next call opens another."""
        self._database.close()

    def now(self) -> datetime:
        """The database's time."""
        with self._database.reading() as tx:
            return self._now(tx)

    # -- asking --------------------------------------------------------------------------------------------------------

    def submit(self, ask: Ask, *, within: Transaction | None = None) -> OrderNumber:
        """Queue an order; where there is one of this id already, that is the one.

        Args:
            ask: what to make.
            within: an open transaction of the same database, to submit in.

        Raises:
            BadOrder: it cannot be an order.
        """
        _refuse_bad(ask)
        with self._writing(within) as tx:
            now = self._now(tx)
            identity = ask.id or f"{ask.origin}@{secrets.token_hex(8)}"
            key = f"{ask.pipeline}@{ask.onto} of {ask.project}" if ask.key is None else ask.key
            rows = tx.execute(
                SQL["submit"], id=identity, pipeline=ask.pipeline, project=ask.project, release_id=ask.release, onto=ask.onto,
                parameters=json.dumps(dict(ask.parameters)), partition_value=ask.partition, key=key, priority=ask.priority,
                due=time_text(ask.due or now), origin=ask.origin, schedule=ask.schedule,
                timeout=ask.timeout.total_seconds() if ask.timeout else None, attempts=ask.attempts, owner=ask.owner,
                fresh=int(ask.fresh), submitted=time_text(now),
            )  # fmt: skip
            if not rows:
                return OrderNumber(int(tx.execute(SQL["number_of"], id=identity)[0][0]))
            number = OrderNumber(int(rows[0][0]))
            self._note(tx, number, now, "submitted", by=ask.owner, origin=ask.origin)
            return number

    def submit_next(self, ask: Ask, most: int, *, within: Transaction) -> tuple[OrderNumber, bool]:
        """Queue an order of a schedule, unless enough of them wait.

        Args:
            ask: what to make.
            most: so many orders of its schedule may wait. With 1, the one that waits becomes the one of this time; with more,
                the oldest that nobody began is cancelled.
            within: an open transaction of the same database, to submit in.

        Returns:
            The order, and whether it is one more.

        Raises:
            BadOrder: it cannot be an order.
        """
        _refuse_bad(ask)
        there = within.execute(SQL["number_of"], id=ask.id)
        waiting = within.execute(SQL["waiting_of_schedule"], schedule=ask.schedule)
        if there or not waiting:
            return (OrderNumber(int(there[0][0])), False) if there else (self.submit(ask, within=within), True)
        now = self._now(within)
        if most == 1:
            number = OrderNumber(int(waiting[-1][0]))
            within.execute(
                SQL["move_on"], number=number, id=ask.id, pipeline=ask.pipeline, project=ask.project, onto=ask.onto,
                owner=ask.owner, release_id=ask.release,
            )  # fmt: skip
            self._note(within, number, now, "moved on", id=ask.id)
            return number, False
        left_out = [int(each) for each, token in waiting if not token][: max(len(waiting) + 1 - most, 0)]
        for each in left_out:
            because = f"{most} later ones of {ask.schedule} wait"
            within.execute(SQL["cancel_waiting"], number=each, now=time_text(now), who=ask.schedule, because=because)
            self._note(within, each, now, "cancelled", by=ask.schedule)
        return self.submit(ask, within=within), True

    def note(self, number: int, kind: str, *, within: Transaction, **facts: object) -> None:
        """Write down something that happened to an order."""
        self._note(within, number, self._now(within), kind, **facts)

    def cancel(self, number: int, who: str, *, within: Transaction | None = None) -> OrderState:
        """End a waiting order, or ask the worker of a running one to stop it; from then on it cannot publish.

        Returns:
            The state that it is in now: cancelled, or running until its worker has stopped it.

        Raises:
            NoSuchOrder: there is none of that number.
            OrderEnded: it has ended.
        """
        with self._writing(within) as tx:
            now, order = self._now(tx), self._order(tx, number)
            because = f"cancelled by {who}"
            match order.state:
                case "waiting":
                    tx.execute(SQL["cancel_waiting"], number=number, now=time_text(now), who=who, because=because)
                    self._note(tx, number, now, "cancelled", by=who)
                    return "cancelled"
                case "running":
                    if tx.execute(SQL["cancel_running"], number=number, who=who):
                        self._note(tx, number, now, "cancel asked", by=who)
                    return "running"
                case state:
                    raise OrderEnded(
                        f"{order_name(number)} is {state} since {order.ended:%Y-%m-%d %H:%M} UTC and cannot be cancelled",
                        try_next="pilotline queue --all",
                        order=number,
                        state=state,
                    )

    def bell(self) -> Bell:
        """Rings when orders came, or may be claimed that could not be before."""
        return self._database.bell("orders")

    @property
    def next_due(self) -> timedelta | None:
        """As the last ``claim`` saw it: in how long an order is due, or a lease runs out; None where time changes nothing."""
        return self._next_due

    # -- working -------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, lease: timedelta, *, project: str = "") -> Claim | None:
        """Take the next order that is due, for a lease; first free those whose lease ran out.

        Args:
            worker: who asks.
            lease: how long it is held unless renewed.
            project: the folder that this worker has; orders for other folders are left to others. Empty: any.

        Returns:
            None where nothing is due, or limits leave no room.
        """
        # Looking takes no lock: most of the time there is nothing.
        with self._database.reading() as tx:
            now = time_text(self._now(tx))
            if not tx.execute(SQL["expired"], now=now) and not tx.execute(SQL["claimable"], now=now, project=project):
                ((first,),) = tx.execute(SQL["next_due"], now=now)
                self._next_due = datetime.fromisoformat(first) - datetime.fromisoformat(now) if first else None
                return None
        self._next_due = timedelta(0)
        with self._database.writing() as tx:
            now = self._now(tx)
            self._free_expired(tx, now)
            rows = tx.execute(SQL["claimable"], now=time_text(now), project=project)
            if not rows:
                return None
            number = int(rows[0][0])
            tx.execute(SQL["claim"], number=number, worker=worker, now=time_text(now), until=time_text(now + lease))
            order = self._order(tx, number)
            self._note(tx, number, now, "claimed", worker=worker, token=order.token)
            return Claim(order=order, token=order.token, worker=worker, lease=lease)

    def renew(self, claim: Claim) -> Renewal:
        """Hold an order for another lease."""
        with self._database.writing() as tx:
            now = self._now(tx)
            rows = tx.execute(
                SQL["renew"],
                number=claim.order.number,
                token=claim.token,
                now=time_text(now),
                until=time_text(now + claim.lease),
            )
            return "held" if rows else self._standing(tx, claim, now)

    def standing(self, claim: Claim) -> Renewal:
        """How a claim stands, without renewing it."""
        with self._database.reading() as tx:
            return self._standing(tx, claim, self._now(tx))

    def hold(self, claim: Claim, within: Transaction) -> None:
        """Stop a transaction that writes for a claim which no longer holds.

        Raises:
            ClaimLost: its lease ran out.
            OrderCancelled: somebody wants the order to end.
        """
        number = claim.order.number
        rows = within.execute(SQL["held"], number=number, token=claim.token, now=time_text(self._now(within)))
        if not rows:
            raise ClaimLost(
                f"{order_name(number)} is no longer this worker's: its lease ran out; nothing was published by it",
                try_next="nothing: another worker goes on",
                order=number,
                token=claim.token,
            )
        state, cancelled_by = rows[0]
        if state == "running" and cancelled_by:
            raise OrderCancelled(
                f"{order_name(number)} was cancelled by {cancelled_by}; nothing was published",
                try_next=f"pilotline submit {claim.order.ask.pipeline}",
                order=number,
                by=cancelled_by,
            )

    def finish(self, claim: Claim, run: int, result: str, *, within: Transaction) -> None:
        """Say that a run fulfilled an order, in the transaction that publishes what it made.

        Raises:
            ClaimLost: its lease ran out; the transaction must not be committed.
            OrderCancelled: somebody wants the order to end.
        """
        now, number = self._now(within), claim.order.number
        rows = within.execute(
            SQL["finish"], number=number, token=claim.token, now=time_text(now), run=run, result=result
        )
        if not rows:
            self.hold(claim, within)
            raise ClaimLost(f"{order_name(number)} is done already", order=number, token=claim.token)
        self._note(within, number, now, "done", run=run, result=result, worker=claim.worker)

    def fail(self, claim: Claim, kind: Failure, because: str) -> OrderState | None:
        """Say that a try failed: it waits for the next one, or has failed for good.

        Returns:
            The state it is in now; None where it was no longer this claim's.
        """
        number = claim.order.number
        with self._database.writing() as tx:
            now = self._now(tx)
            rows = tx.execute(SQL["running_as"], number=number, token=claim.token)
            if not rows:
                return None
            failures: dict[Failure, int] = json.loads(rows[0][0])
            failures[kind] = failures.get(kind, 0) + 1
            self._end_runs(tx, number, because)
            told: dict[str, Any] = {"kind": kind, "because": because[:2000], "worker": claim.worker}
            common: dict[str, Any] = {
                "number": number, "token": claim.token, "failures": json.dumps(failures),
            }  # fmt: skip
            if rows[0][2]:
                tx.execute(
                    SQL["end_order"],
                    **common,
                    now=time_text(now),
                    state="cancelled",
                    because=f"cancelled by {rows[0][2]}",
                )
                self._note(tx, number, now, "cancelled", by=rows[0][2])
                return "cancelled"
            if failures[kind] >= tries(kind, int(rows[0][1])):
                tx.execute(SQL["end_order"], **common, now=time_text(now), state="failed", because=because[:2000])
                self._note(tx, number, now, "failed", **told)
                return "failed"
            again = now + delay(kind, failures[kind], secrets.randbelow(1000) / 1000)
            tx.execute(SQL["wait_again"], **common, due=time_text(again), because=because[:2000])
            self._note(tx, number, now, "try failed", **told, again=time_text(again))
            return "waiting"

    def give_back(self, claim: Claim, because: str) -> bool:
        """Let another worker have an order at once; it does not count as a failure. False where it was no longer this claim's."""
        number = claim.order.number
        with self._database.writing() as tx:
            now = self._now(tx)
            rows = tx.execute(SQL["running_as"], number=number, token=claim.token)
            if not rows:
                return False
            self._end_runs(tx, number, GONE)
            common: dict[str, Any] = {"number": number, "token": claim.token, "take_overs": claim.order.take_overs}
            if rows[0][2]:
                tx.execute(
                    SQL["end_expired"],
                    **common,
                    now=time_text(now),
                    state="cancelled",
                    because=f"cancelled by {rows[0][2]}",
                )
                self._note(tx, number, now, "cancelled", by=rows[0][2])
            else:
                tx.execute(SQL["free"], **common, because=because)
                self._note(tx, number, now, "given back", worker=claim.worker, because=because)
            return True

    def free_expired(self) -> int:
        """Free the orders whose lease ran out, as ``claim`` does; gives how many there were."""
        with self._database.writing() as tx:
            return self._free_expired(tx, self._now(tx))

    # -- looking -------------------------------------------------------------------------------------------------------

    def order(self, number: int) -> Order:
        """One order.

        Raises:
            NoSuchOrder: there is none of that number.
        """
        with self._database.reading() as tx:
            return self._order(tx, number)

    def find(self, identity: str) -> Order:
        """The order of an id.

        Raises:
            NoSuchOrder: there is none.
        """
        with self._database.reading() as tx:
            rows = tx.execute(SQL["number_of"], id=identity)
            if not rows:
                raise NoSuchOrder(f"there is no order {identity!r}", try_next="pilotline queue --all", id=identity)
            return self._order(tx, int(rows[0][0]))

    def orders(
        self,
        *,
        state: OrderState | None = None,
        pipeline: str | None = None,
        schedule: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[Order, ...]:
        """Orders, newest first, of one state or one pipeline or one schedule.

        Args:
            state: only these.
            pipeline: only these.
            schedule: only these.
            before: those with smaller numbers: the last one of the page before.
            limit: how many.

        Raises:
            ValueError: more than one of state, pipeline and schedule is given.
        """
        wanted = {
            name: value
            for name, value in (("state", state), ("pipeline", pipeline), ("schedule", schedule))
            if value is not None
        }
        if len(wanted) > 1:
            raise ValueError("orders are listed by one thing at a time")
        query = f"list_orders_of_{next(iter(wanted))}" if wanted else "list_orders"
        with self._database.reading() as tx:
            rows = tx.execute(SQL[query], before=before or _ALL, most=limit, **wanted)
        return tuple(_order(row) for row in rows)

    def events(self, number: int) -> list[tuple[datetime, str, dict[str, Any]]]:
        """What happened to an order, in sequence."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["events_of_order"], number=number)
        return [(datetime.fromisoformat(at), kind, json.loads(facts)) for at, kind, facts in rows]

    def counts(self) -> Mapping[Literal["waiting", "running"], int]:
        """How many orders wait and run."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["count_open"])
        return {"waiting": 0, "running": 0, **{state: int(count) for state, count in rows}}

    # -- keeping house -------------------------------------------------------------------------------------------------

    def limit(self, kind: LimitKind, name: str, most: int | None) -> None:
        """Let at most so many orders run at once: of all (name is empty then), of a pipeline, of a key. None: no such limit.

        A key without a limit of its own has the limit 1.
        """
        with self._database.writing() as tx:
            if most is None:
                tx.execute(SQL["drop_limit"], kind=kind, name=name)
            else:
                tx.execute(SQL["set_limit"], kind=kind, name=name, most=most)
            tx.announce("orders")

    def limits(self) -> Mapping[tuple[LimitKind, str], int]:
        """The limits that were set."""
        with self._database.reading() as tx:
            return {(kind, name): int(most) for kind, name, most in tx.execute(SQL["list_limits"])}

    def forget(self, before: datetime) -> int:
        """Remove the orders that ended before an instant; gives how many. Their runs stay."""
        gone = 0
        while True:
            with self._database.writing() as tx:
                tx.execute(SQL["forget_events"], before=time_text(before), most=_AT_ONCE)
                rows = tx.execute(SQL["forget_orders"], before=time_text(before), most=_AT_ONCE)
            gone += len(rows)
            if len(rows) < _AT_ONCE:
                return gone

    # -- within a transaction ------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, within: Transaction | None) -> Generator[Transaction]:
        if within is not None:
            yield within
            return
        with self._database.writing() as tx:
            yield tx

    def _now(self, tx: Transaction) -> datetime:
        if self._clock is not None:
            return self._clock()
        return tx.now()

    def _standing(self, tx: Transaction, claim: Claim, now: datetime) -> Renewal:
        rows = tx.execute(SQL["held"], number=claim.order.number, token=claim.token, now=time_text(now))
        if not rows:
            return "lost"
        state, cancelled_by = rows[0]
        return "cancelled" if state == "running" and cancelled_by else "held"

    def _order(self, tx: Transaction, number: int) -> Order:
        rows = tx.execute(SQL["order_by_number"], number=number)
        if not rows:
            raise NoSuchOrder(f"there is no {order_name(number)}", try_next="pilotline queue --all", order=number)
        return _order(rows[0])

    def _free_expired(self, tx: Session, now: datetime) -> int:
        rows = tx.execute(SQL["expired"], now=time_text(now))
        for number, token, take_overs, cancelled_by, worker in rows:
            self._end_runs(tx, number, GONE)
            common: dict[str, Any] = {"number": number, "token": token, "take_overs": take_overs + 1}
            if cancelled_by:
                tx.execute(
                    SQL["end_expired"],
                    **common,
                    now=time_text(now),
                    state="cancelled",
                    because=f"cancelled by {cancelled_by}",
                )
                self._note(tx, number, now, "cancelled", by=cancelled_by)
            elif take_overs + 1 > self._take_overs:
                because = f"its worker went away {take_overs + 1} times, the last one was {worker}"
                tx.execute(SQL["end_expired"], **common, now=time_text(now), state="dead", because=because)
                self._note(tx, number, now, "dead", worker=worker)
            else:
                tx.execute(SQL["free"], **common, because=f"its worker {worker} went away")
                self._note(tx, number, now, "worker gone", worker=worker, token=token)
        return len(rows)

    def _end_runs(self, tx: Session, number: int, because: str) -> None:
        """End what a claim's run left open, so that its branch can never be published."""
        for branch in self._records.lost(tx, order_name(number), because):
            with suppress(PilotlineError):
                set_state(tx, branch, "failed", because=because[:500])

    def _note(self, tx: Transaction, number: int, now: datetime, event: str, **facts: object) -> None:
        if event not in _FOR_NOBODY:
            tx.announce("orders")
        tx.execute(SQL["add_event"], number=number, at=time_text(now), kind=event, facts=json.dumps(facts, default=str))


def _refuse_bad(ask: Ask) -> None:
    for wrong, said in (
        (not ask.pipeline, "it names no pipeline"),
        (not ask.project, "it names no project"),
        (ask.attempts < 1, f"attempts is {ask.attempts}: 1 or more"),
        (ask.timeout is not None and ask.timeout <= timedelta(0), "its timeout is not longer than nothing"),
        (ask.due is not None and ask.due.tzinfo is None, "its time says no time zone"),
    ):
        if wrong:
            raise BadOrder(
                f"this cannot be an order: {said}", try_next="pilotline submit --help", pipeline=ask.pipeline
            )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _order(row: tuple[Any, ...]) -> Order:
    due = datetime.fromisoformat(row[10])
    ask = Ask(
        id=row[1],
        pipeline=row[2],
        project=row[3],
        release=row[4],
        onto=row[5],
        parameters=json.loads(row[6]),
        partition=row[7],
        key=row[8],
        priority=row[9],
        due=due,
        origin=row[11],
        schedule=row[12],
        timeout=timedelta(seconds=row[13]) if row[13] is not None else None,
        attempts=row[14],
        owner=row[15],
        fresh=bool(row[16]),
    )
    return Order(
        number=OrderNumber(int(row[0])),
        ask=ask,
        state=row[17],
        submitted=datetime.fromisoformat(row[18]),
        due=due,
        token=row[19],
        worker=row[20],
        began=_instant(row[21]),
        until=_instant(row[22]),
        ended=_instant(row[23]),
        failures=json.loads(row[24]),
        take_overs=row[25],
        cancelled_by=row[26],
        run=row[27],
        result=row[28],
        because=row[29],
    )
