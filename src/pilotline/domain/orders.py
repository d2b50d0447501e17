"""Orders: what the factory is asked to make, who works on it, and when it is tried again after a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NewType, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "Ask",
    "Claim",
    "Failure",
    "Order",
    "OrderNumber",
    "OrderState",
    "Origin",
    "Terms",
    "delay",
    "order_name",
    "tries",
]

OrderNumber = NewType("OrderNumber", int)

#: waiting (also between two tries), running, then one of done, failed, cancelled, dead (its workers kept dying).
OrderState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled", "dead"]

Origin: TypeAlias = Literal["hand", "schedule", "after", "backfill", "retry"]

#: What went wrong: the user's code or data; the process ended without an answer; database, storage or other runs were
#: in the way; it cannot work however often it is tried.
Failure: TypeAlias = Literal["code", "died", "infrastructure", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the orders of a pipeline are queued, as its contract says."""

    #: How often the user's code may be tried.
    tries: int = 1
    #: What its steps may take.
    timeout: timedelta | None = None
    #: Higher is claimed first.
    priority: int = 0
    #: As an order's; None: one order at a time of a pipeline and a branch.
    key: str | None = None

    def as_stored(self) -> dict[str, object]:
        """What was said, as the contract's words have it."""
        found: dict[str, object] = {"tries": self.tries, "priority": self.priority}
        found = {word: value for word, value in found.items() if value != getattr(_USUAL, word)}
        if self.timeout is not None:
            found["timeout"] = f"{self.timeout.total_seconds():.0f}s"
        return found if self.key is None else {**found, "key": self.key}

    @staticmethod
    def of_stored(raw: Mapping[str, Any]) -> Terms:
        """What ``as_stored`` gave."""
        timeout = raw.get("timeout")
        return Terms(
            tries=raw.get("tries", 1), timeout=timedelta(seconds=int(timeout[:-1])) if timeout else None,
            priority=raw.get("priority", 0), key=raw.get("key"),
        )  # fmt: skip


_USUAL: Final = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Make this pipeline, with these parameters, onto this branch, when due."""

    #: As ``pilotline run`` takes it: the module's name, or its path in the project.
    pipeline: str
    #: The project's folder, or the name of its repository where there is a release.
    project: str
    #: The same id is the same order, however often it is submitted: ``daily@2026-11-27T06:00Z``. Empty: always a new one.
    id: str = ""
    #: Empty: the project's folder as it is when the order is carried out.
    release: str = ""
    onto: str = "main"
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    #: The value of the parameter that the contract names as its partition; empty: its default.
    partition: str = ""
    #: At most so many orders of one key run at once as its limit says (1). None: one at a time of a pipeline and a branch.
    #: Empty: no such limit.
    key: str | None = None
    #: Higher is claimed first.
    priority: int = 0
    #: None: at once.
    due: datetime | None = None
    origin: Origin = "hand"
    #: The name of the schedule that asked.
    schedule: str = ""
    #: What its steps may take.
    timeout: timedelta | None = None
    #: How often the user's code may be tried.
    attempts: int = 1
    owner: str = ""
    #: Compute every step again, and publish also what was held.
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the ledger has it."""

    number: OrderNumber
    ask: Ask
    state: OrderState
    submitted: datetime
    #: When it may be claimed; between two tries, when the next one may begin.
    due: datetime
    #: How often it was claimed; the fencing token of the last claim.
    token: int
    worker: str
    #: When it was claimed last.
    began: datetime | None
    #: Until when its worker holds it.
    until: datetime | None
    ended: datetime | None
    #: How often each kind of failure ended a try.
    failures: Mapping[Failure, int]
    #: How often its worker went away.
    take_overs: int
    #: Who asked that a running order be cancelled; empty: nobody.
    cancelled_by: str
    #: The run that fulfilled it.
    run: int | None
    #: Of an order that is done: whether its run published, or had nothing to do.
    result: str
    because: str

    @property
    def name(self) -> str:
        """``order-12``."""
        return order_name(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's hold on an order. Whatever is written for it says the token, and counts only while it is the last one."""

    order: Order
    token: int
    worker: str
    lease: timedelta


def order_name(number: int) -> str:
    """What an order is called."""
    return f"order-{number}"


#: First and longest wait after a failure.
_WAITS: Final[Mapping[Failure, tuple[timedelta, timedelta]]] = {
    "code": (timedelta(seconds=30), timedelta(hours=1)),
    "died": (timedelta(seconds=5), timedelta(minutes=10)),
    "infrastructure": (timedelta(seconds=2), timedelta(minutes=10)),
    "refused": (timedelta(0), timedelta(0)),
}


def tries(kind: Failure, asked: int) -> int:
    """How often an order may fail in one way before it has failed for good.

    What the user's code did is tried as often as was asked; what was not its doing is tried again all the same.
    """
    match kind:
        case "code":
            return max(asked, 1)
        case "died":
            return max(asked, 3)
        case "infrastructure":
            return max(asked, 20)
        case "refused":
            return 1


def delay(kind: Failure, times: int, chance: float) -> timedelta:
    """How long to wait before the next try: twice as long each time, spread so that those who met do not meet again.

    Args:
        kind: what went wrong.
        times: how often it has by now, from 1.
        chance: from 0 to 1.
    """
    first, longest = _WAITS[kind]
    return min(first * 2 ** min(times - 1, 30), longest) * (0.5 + chance)
