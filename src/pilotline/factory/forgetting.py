"""Let go of what is too old to be of use: orders that ended, and what runs printed. Runs, tables and lineage stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

    from pilotline.factory.ledger import Ledger
    from pilotline.run.logs import Logs
    from pilotline.run.projects import Project

__all__ = ["Kept", "forget", "kept_of"]

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
    return Kept(orders=project.kept_for("keep_orders", _ORDERS), logs=project.kept_for("keep_logs", _LOGS))


def forget(kept: Kept, ledger: Ledger, logs: Logs) -> tuple[int, int]:
    """Let go of what is older, by the database's clock; gives of how many orders, and of how many runs the lines."""
    now = ledger.now()
    orders = ledger.forget(now - kept.orders) if kept.orders is not None else 0
    runs = logs.forget_before(now - kept.logs) if kept.logs is not None else 0
    return orders, runs
