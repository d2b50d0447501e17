"""Cron expressions, evaluated by cronsim: right where clocks are put forward or back.

A time that the clocks skip is taken at the first instant after the gap; one that comes twice is taken once, but for
expressions that run every hour or more often, which go by real time (as Debian's cron does).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pilotline.domain.schedules import BadSchedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

__all__ = ["cron_times"]


def cron_times(expression: str, zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """The times of an expression after an instant, in UTC, ever later ones.

    Raises:
        BadSchedule: it is no cron expression.
    """
    from cronsim import CronSim, CronSimError

    try:
        for at in CronSim(expression, since.astimezone(zone)):
            yield at.astimezone(UTC)
    except CronSimError as error:
        raise BadSchedule(
            f"{expression!r} is no cron expression: {error}", try_next="pilotline explain PL530", said=expression
        ) from error
