"""How long changes wait until a worker begins on them, and whether that is what their schedule promises.

Nothing is counted up: each order says in its own history which publish it was asked for, and when it was claimed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.schedules import OnChange, span_said, timing_of
from pilotline.lake.database import named_statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.domain.schedules import Timing
    from pilotline.lake.database import Session

__all__ = ["Latency", "latencies", "latency_of"]

SQL: Final = named_statements(Path(__file__).parent / "sql" / "schedules.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the changes that a schedule waits for took, from their publish to the claim of their order."""

    schedule: str
    owner: str
    #: What is promised; None: nothing.
    within: timedelta | None
    #: Of the last changes that were taken; None: none were.
    last: timedelta | None
    #: For how long changes wait now; None: none do.
    waiting: timedelta | None
    #: The tables that were published, of the ones that wait or were taken last.
    tables: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """Whether the promise is broken: by what waits, or by what was taken last."""
        if self.within is None:
            return False
        return any(each is not None and each > self.within for each in (self.waiting, self.last))

    @property
    def because(self) -> str:
        """What was missed, in a few words."""
        promised = f"promised within {span_said(round(self.within.total_seconds()))}" if self.within else ""
        what = ", ".join(self.tables)
        if self.waiting is not None and (self.within is None or self.waiting > self.within):
            return f"{what} changed {self.waiting.total_seconds():.1f} s ago and nobody has begun on it, {promised}"
        taken = self.last.total_seconds() if self.last else 0.0
        return f"it was begun {taken:.1f} s after {what} changed, {promised}"


def latencies(tx: Session, now: datetime) -> tuple[Latency, ...]:
    """Those of all schedules that wait for tables, by name."""
    return tuple(
        latency_of(tx, row[0], timing_of(json.loads(row[6])), now, owner=row[5])
        for row in tx.execute(SQL["schedules_after"])
    )


def latency_of(tx: Session, schedule: str, timing: Timing, now: datetime, *, owner: str = "") -> Latency:
    """That of one schedule, from its last orders."""
    pending: dict[int, tuple[datetime, tuple[str, ...]]] = {}
    states: dict[int, str] = {}
    last: tuple[timedelta, tuple[str, ...]] | None = None
    for order, state, at, kind, facts in tx.execute(SQL["changes_of_schedule"], schedule=schedule):
        states[order] = state
        if kind == "change":
            said: Mapping[str, Any] = json.loads(facts)
            published = datetime.fromisoformat(said["published"])
            before, tables = pending.get(order, (published, ()))
            pending[order] = min(before, published), tuple(sorted({*tables, *said["tables"]}))
        elif order in pending:
            published, tables = pending.pop(order)
            last = datetime.fromisoformat(at) - published, tables
    # What was cancelled before anybody began on it is waited for no more.
    first = min((each for order, each in pending.items() if states[order] == "waiting"), default=None)
    trigger = timing.trigger
    within = trigger.within if isinstance(trigger, OnChange) else None
    return Latency(
        schedule=schedule,
        owner=owner,
        within=timedelta(seconds=within) if within else None,
        last=last[0] if last else None,
        waiting=now - first[0] if first else None,
        tables=first[1] if first else last[1] if last else (),
    )
