"""Let go of what is too old to be of use: orders that ended, and what runs printed. Runs, tables and lineage stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pilotline.domain.schedules import BadSchedule, span_of
from pilotline.run.errors import BadSettings

if TYPE_CHECKING:
    from pilotline.factory.ledger import Ledger
    from pilotline.run.logs import Logs
    from pilotline.run.projects import Project

__all__ = ["FOREVER", "Kept", "forget", "kept_of"]

#: What a setting says so that nothing is let go.
FOREVER: Final = "forever"
_ORDERS: Final = "90d"
_LOGS: Final = "30d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long things are kept; None: for ever."""

    orders: timedelta | None
    logs: timedelta | None


def kept_of(project: Project) -> Kept:
    """What ``[factory]`` in the settings of a project says.

    Raises:
        BadSettings: they cannot be understood.
    """
    return Kept(orders=_span(project, "keep_orders", _ORDERS), logs=_span(project, "keep_logs", _LOGS))


def _span(project: Project, name: str, default: str) -> timedelta | None:
    said = project.factory_setting(name) or default
    if said == FOREVER:
        return None
    try:
        return timedelta(seconds=span_of(said))
    except (BadSchedule, OverflowError):
        raise BadSettings(
            f'{name} is {said!r}: a span is written 12h, 30d, or "{FOREVER}"',
            try_next=f'{name} = "{default}" in [factory]',
            setting=name,
        ) from None


def forget(kept: Kept, ledger: Ledger, logs: Logs) -> tuple[int, int]:
    """Let go of what is older, by the database's clock; gives of how many orders, and of how many runs the lines."""
    now = ledger.now()
    orders = ledger.forget(now - kept.orders) if kept.orders is not None else 0
    runs = logs.forget_before(now - kept.logs) if kept.logs is not None else 0
    return orders, runs
