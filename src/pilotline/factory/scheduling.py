"""Stored schedules, and the scheduler that turns what is due into orders.

Looking at schedules is one transaction for a batch: it submits orders and writes down until when was looked, so nothing is
lost where a scheduler dies between the two, and however many look, each time is ordered once; an order's id says its time.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import FactoryError, PilotlineError, UsageError, did_you_mean
from pilotline.domain.orders import Ask, Terms
from pilotline.domain.schedules import After, OnChange, as_stored, describe_timing, due, next_after, timing_of
from pilotline.factory.cron import cron_times
from pilotline.factory.latency import latencies, latency_of
from pilotline.lake import ledger as commits
from pilotline.lake.database import named_statements
from pilotline.lake.errors import NoSuchRef

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from pilotline.domain.orders import Order, OrderNumber
    from pilotline.domain.schedules import Timing
    from pilotline.domain.tables import TableName
    from pilotline.factory.latency import Latency
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Release
    from pilotline.lake.bells import Bell
    from pilotline.lake.database import Database, Session

__all__ = ["NoSuchSchedule", "Schedule", "Scheduler", "Schedules", "schedules_of"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "schedules.sql")
MIGRATIONS: Final = (_SQL / "schedules_001.sql", _SQL / "schedules_002.sql", _SQL / "schedules_003.sql")
#: So many schedules in one transaction, so that nobody waits for long.
_AT_ONCE: Final = 500
#: Seconds between two looks, at most, where nobody said that there is something; should the word have been lost.
_SLOW: Final = 5.0
#: The same at least, and after trouble for the first time.
_LEAST: Final = 0.05
_LOOK: Final = 1.0
#: Seconds until it notices that it was stopped.
_SLICE: Final = 0.2
_LONGEST: Final = 10.0


class NoSuchSchedule(UsageError):
    """No schedule of that name."""

    code = "PL531"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a pipeline is ordered."""

    #: ``project/pipeline``.
    name: str
    project: str
    pipeline: str
    release: str
    onto: str
    owner: str
    timing: Timing
    terms: Terms
    paused: bool
    #: Until when it was looked at.
    seen: datetime
    #: The next time; None where there is none, or where it waits for tables.
    due: datetime | None
    since: datetime

    @property
    def words(self) -> str:
        """When, in a few words."""
        return describe_timing(self.timing)


class Schedules:
    """The schedules of a factory.

    Args:
        database: the lake's.
        ledger: of its orders.
    """

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        database.register("schedules", MIGRATIONS)

    def put(
        self,
        timing: Timing,
        *,
        project: str,
        pipeline: str,
        name: str = "",
        release: str = "",
        onto: str = "main",
        owner: str = "",
        terms: Terms | None = None,
        within: Session | None = None,
    ) -> str:
        """Set when a pipeline runs, and give the schedule's name. What is due before now is not ordered.

        Raises:
            BadSchedule: its cron expression is none.
            NoSuchRef: there is no branch of that name to publish onto.
            BranchNotOpen: it was published or thrown away.
        """
        name = name or f"{Path(project).name}/{pipeline}"
        if within is None:
            with self._database.writing() as tx:
                return self.put(
                    timing, project=project, pipeline=pipeline, name=name, release=release, onto=onto, owner=owner,
                    terms=terms, within=tx,
                )  # fmt: skip
        commits.living(commits.branch_row(within, onto))
        within.announce("schedules")
        now = self._ledger.now()
        before = within.execute(SQL["schedule_by_name"], name=name)
        earlier = _schedule(before[0]) if before else None
        same = earlier is not None and earlier.timing == timing
        # A pause by hand outlives a deploy; one that the contract said does not, when the contract no longer says it.
        by_hand = earlier is not None and earlier.paused and not earlier.timing.paused
        first = next_after(timing, now, cron_times)
        within.execute(
            SQL["put_schedule"], name=name, project=project, pipeline=pipeline, release_id=release, onto=onto, owner=owner,
            timing=json.dumps(as_stored(timing)), terms=json.dumps((terms or Terms()).as_stored()), kind="after" if isinstance(timing.trigger, After | OnChange) else "at",
            paused=int(timing.paused or by_hand), seen=commits.time_text(earlier.seen if same and earlier else now),
            since=commits.time_text(now),
            # One that did not change goes on where it was: a deploy at noon does not skip what noon brings.
            due=before[0][9] if same else _text(first),
            taken=before[0][10] if earlier and same and earlier.onto == onto else json.dumps(self._standing(within, timing, onto)),
        )  # fmt: skip
        return name

    def put_all(self, wanted: Mapping[str, Mapping[str, Any]], *, project: str, within: Session) -> None:
        """Have these schedules of a project and no others: name -> what ``put`` takes."""
        for row in within.execute(SQL["list_schedules"], project=project):
            if row[0] not in wanted:
                within.execute(SQL["remove_schedule"], name=row[0])
        for name, facts in wanted.items():
            self.put(**facts, name=name, project=project, within=within)

    def remove(self, name: str) -> None:
        """Forget a schedule.

        Raises:
            NoSuchSchedule: there is none of that name.
        """
        with self._database.writing() as tx:
            if not tx.execute(SQL["remove_schedule"], name=name):
                raise self._unknown(tx, name)

    def drop(self, name: str, *, within: Session) -> None:
        """Forget a schedule where there is one of that name."""
        within.execute(SQL["remove_schedule"], name=name)

    def pause(self, name: str, *, paused: bool) -> Schedule:
        """Pause a schedule, or let it go on from now: what would have been due meanwhile is left out.

        Raises:
            NoSuchSchedule: there is none of that name.
        """
        with self._database.writing() as tx:
            found = self._one(tx, name)
            now = self._ledger.now()
            following = next_after(found.timing, now, cron_times)
            tx.execute(
                SQL["pause_schedule"], name=name, paused=int(paused), seen=commits.time_text(now), due=_text(following)
            )
            tx.announce("schedules")
            if not paused:
                taken = json.dumps(self._standing(tx, found.timing, found.onto))
                tx.execute(SQL["took"], name=name, seen=commits.time_text(now), taken=taken)
            return self._one(tx, name)

    def schedule(self, name: str) -> Schedule:
        """One schedule.

        Raises:
            NoSuchSchedule: there is none of that name.
        """
        with self._database.reading() as tx:
            return self._one(tx, name)

    def list(self, project: str = "") -> tuple[Schedule, ...]:
        """All of them, by name."""
        with self._database.reading() as tx:
            return tuple(_schedule(row) for row in tx.execute(SQL["list_schedules"], project=project))

    def latency(self, schedule: Schedule) -> Latency:
        """How long changes waited for a worker, of a schedule that waits for tables."""
        with self._database.reading() as tx:
            now = self._ledger.now()
            return latency_of(tx, schedule.name, schedule.timing, now, owner=schedule.owner)

    def latencies(self) -> tuple[Latency, ...]:
        """The same of all schedules that wait for tables, by name."""
        with self._database.reading() as tx:
            return latencies(tx, self._ledger.now())

    def orders(self, name: str, limit: int = 5) -> tuple[Order, ...]:
        """The last orders of a schedule, newest first."""
        return self._ledger.orders(schedule=name, limit=limit)

    # -- what is due ---------------------------------------------------------------------------------------------------

    def order_due(self) -> tuple[OrderNumber, ...]:
        """Submit orders for all that is due by the database's clock; a batch in one transaction each."""
        submitted: list[OrderNumber] = []
        while True:
            with self._database.reading() as tx:
                now = self._ledger.now()
                if not tx.execute(SQL["due_schedules"], now=commits.time_text(now), most=1):
                    break
            with self._database.writing() as tx:
                now = self._ledger.now()
                rows = tx.execute(SQL["due_schedules"], now=commits.time_text(now), most=_AT_ONCE)
                for schedule in map(_schedule, rows):
                    submitted += self._order(tx, schedule, now)
            if len(rows) < _AT_ONCE:
                break
        with self._database.reading() as tx:
            branches = [row[0] for row in tx.execute(SQL["waited_for"])]
            moved = [onto for onto in branches if self._moved(tx, onto)]
        for onto in moved:
            with self._database.writing() as tx:
                submitted += self._order_waiting(tx, onto, self._ledger.now())
        return tuple(submitted)

    def first_due(self) -> datetime | None:
        """When the next one is due; None where none is."""
        with self._database.reading() as tx:
            ((first,),) = tx.execute(SQL["first_due"])
        return datetime.fromisoformat(first) if first else None

    def next_due(self) -> timedelta | None:
        """In how long the next one is due; None where none is."""
        with self._database.reading():
            first = self.first_due()
            return first - self._ledger.now() if first else None

    def bell(self) -> Bell:
        """Rings when schedules were set, or tables published that some may wait for."""
        return self._database.bell("schedules", "commits")

    def _order(self, tx: Session, schedule: Schedule, now: datetime) -> list[OrderNumber]:
        ticks = due(schedule.timing, schedule.seen, now, cron_times)
        found: list[OrderNumber] = []
        for tick in ticks:
            at = tick.put_off(schedule.name, schedule.timing.jitter)
            number, new = self._submit(tx, schedule, tick.id, "schedule", at)
            found += [number] if new else []
        following = next_after(schedule.timing, now, cron_times)
        tx.execute(SQL["looked_at"], name=schedule.name, seen=commits.time_text(now), due=_text(following))
        return found

    def _order_waiting(self, tx: Session, onto: str, now: datetime) -> list[OrderNumber]:
        states = _states(tx, onto)
        found: list[OrderNumber] = []
        for row in tx.execute(SQL["waiting_schedules"], onto=onto):
            schedule, taken = _schedule(row), json.loads(row[10])
            trigger = schedule.timing.trigger
            if not isinstance(trigger, After | OnChange):
                continue
            new = {
                str(each): states[each] for each in trigger.tables if states.get(each, -1) > taken.get(str(each), -1)
            }
            if not new or (isinstance(trigger, After) and len(new) < len(trigger.tables) and not trigger.any):
                continue
            published = _first_of(tx, onto, taken, new, now)
            at = now + timedelta(seconds=schedule.timing.jitter)
            if isinstance(trigger, OnChange):
                at = max(now, published + trigger.gathers)
            number, more = self._submit(tx, schedule, f"commit {max(new.values())}", "after", at)
            found += [number] if more else []
            self._ledger.note(
                number, "change", within=tx, published=commits.time_text(published), tables=sorted(new), onto=onto
            )
            tx.execute(SQL["took"], name=schedule.name, seen=commits.time_text(now), taken=json.dumps(taken | new))
        tx.execute(SQL["look_at_branch"], onto=onto, seq=_head(tx, onto))
        return found

    def _submit(
        self, tx: Session, schedule: Schedule, what: str, origin: Any, at: datetime
    ) -> tuple[OrderNumber, bool]:
        most = schedule.timing.catch_up if schedule.timing.misfire == "all" else 1
        return self._ledger.submit_next(
            Ask(
                id=f"{schedule.name}@{what}",
                pipeline=schedule.pipeline,
                project=schedule.project,
                release=schedule.release,
                onto=schedule.onto,
                due=at,
                origin=origin,
                schedule=schedule.name,
                owner=schedule.owner,
                attempts=schedule.terms.tries,
                timeout=schedule.terms.timeout,
                priority=schedule.terms.priority,
                key=schedule.terms.key,
            ),
            most,
            within=tx,
        )

    def _moved(self, tx: Session, onto: str) -> bool:
        rows = tx.execute(SQL["branch_looked"], onto=onto)
        try:
            return not rows or rows[0][0] != _head(tx, onto)
        except NoSuchRef:
            # The branch went away under its schedules; those of others are looked at all the same.
            return False

    @staticmethod
    def _standing(tx: Session, timing: Timing, onto: str) -> dict[str, int]:
        """What is published now of the tables that a schedule waits for: that alone is nothing new."""
        if not isinstance(timing.trigger, After | OnChange):
            return {}
        states = _states(tx, onto)
        return {str(each): states[each] for each in timing.trigger.tables if each in states}

    def _one(self, tx: Session, name: str) -> Schedule:
        rows = tx.execute(SQL["schedule_by_name"], name=name)
        if not rows:
            raise self._unknown(tx, name)
        return _schedule(rows[0])

    @staticmethod
    def _unknown(tx: Session, name: str) -> NoSuchSchedule:
        names = [row[0] for row in tx.execute(SQL["list_schedules"], project="")]
        return NoSuchSchedule(
            f"there is no schedule {name!r}.{did_you_mean(name, names)}", try_next="pilotline schedule", schedule=name
        )


class Scheduler:
    """Looks at the schedules until it is stopped. Several may, one is enough.

    Args:
        schedules: that are looked at.
        heard: is told of orders that were submitted, and where the database does not answer.
    """

    def __init__(
        self, schedules: Schedules, heard: Callable[[Sequence[OrderNumber] | PilotlineError], None] = lambda _: None
    ) -> None:
        self._schedules = schedules
        self._heard = heard

    def run(self, stopped: threading.Event) -> None:
        """Go on until ``stopped`` is set."""
        wait = _LOOK
        bell = self._schedules.bell()
        while not stopped.is_set():
            began, rings = time.monotonic(), True
            try:
                orders = self._schedules.order_due()
                due = self._schedules.next_due()
                wait = _SLOW if due is None else min(_SLOW, max(due.total_seconds(), 0.0))
            except PilotlineError as error:
                self._heard(error)
                wait, rings = min(max(wait, _LOOK) * 2, _LONGEST), False
            except Exception as error:  # whatever it is, tomorrow's runs must not be lost for it
                self._heard(FactoryError(f"{type(error).__name__}: {error}", try_next="pilotline factory, once more"))
                wait, rings = min(max(wait, _LOOK) * 2, _LONGEST), False
            else:
                if orders:
                    self._heard(orders)
            # Whatever rings, it looks no more often than this.
            stopped.wait(_LEAST)
            while not stopped.is_set() and (left := wait - (time.monotonic() - began)) > 0:
                if not rings:
                    stopped.wait(left)
                elif bell.wait(min(left, _SLICE)):
                    break
        bell.close()


def schedules_of(release: Release) -> dict[str, dict[str, Any]]:
    """The schedules that a release's contracts say, as ``put_all`` takes them."""
    return {
        f"{release.project}/{each.name}": {
            "timing": timing_of(each.timing),
            "pipeline": each.name,
            "release": release.id,
            "owner": each.owner,
            "terms": Terms.of_stored(each.terms),
        }
        for each in release.pipelines
        if each.timing
    }


def _states(tx: Session, onto: str) -> dict[TableName, int]:
    """Table -> the number of the branch's commit that made it what it is."""
    row = commits.branch_row(tx, onto)
    return {
        pointer.table: int(pointer.from_seq)
        for pointer in commits.pointers_at(tx, commits.head_of(tx, row))
        if pointer.metadata_location is not None
    }


def _first_of(tx: Session, onto: str, taken: Mapping[str, int], new: Mapping[str, int], now: datetime) -> datetime:
    """When the first of the changes since those that were taken was published; now, where nobody can tell."""
    branch, first = commits.branch_row(tx, onto), now
    for table in new:
        namespace, _, name = table.partition(".")
        rows = tx.execute(
            commits.SQL["pointers_since"], branch_id=branch.id, namespace=namespace, name=name, seq=taken.get(table, -1)
        )
        first = min(first, *(datetime.fromisoformat(row[11]) for row in rows[:1]), now)
    return first


def _head(tx: Session, onto: str) -> int:
    return int(commits.branch_row(tx, onto).head_seq)


def _schedule(row: Sequence[Any]) -> Schedule:
    return Schedule(
        name=row[0], project=row[1], pipeline=row[2], release=row[3], onto=row[4], owner=row[5],
        timing=timing_of(json.loads(row[6])), terms=Terms.of_stored(json.loads(row[12])), paused=bool(row[7]), seen=datetime.fromisoformat(row[8]),
        due=datetime.fromisoformat(row[9]) if row[9] else None, since=datetime.fromisoformat(row[11]),
    )  # fmt: skip


def _text(at: datetime | None) -> str | None:
    return None if at is None else commits.time_text(at.astimezone(UTC))
