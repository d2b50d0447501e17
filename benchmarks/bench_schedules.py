"""How long a look at ten thousand schedules takes."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measuring import Result, Spread

from pilotline.domain.schedules import timing_of
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.lake.lake import open_lake

NAME = "schedules"
GOAL = "10 000 schedules, of which a hundred are due: evaluated, and their orders submitted, in at most a second"

_LIMIT = 1.0
_COUNT = 10_000
_RUNS = 11


def measure() -> Result:
    """Seconds of one look on SQLite; and of one at which all of them are due."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-schedules-") as home:
        lake = open_lake(Path(home))
        ledger = Ledger(lake.database, clock=lambda: now)
        schedules = Schedules(lake.database, ledger)
        with lake.database.writing() as tx:
            for number in range(_COUNT):
                # A hundred for each minute of a hundred minutes.
                hour, minute = divmod(number % 100, 60)
                # With all, each time has an order of its own: without a worker, others become one.
                cron = f"{minute} {hour} * * *"
                timing = timing_of({"cron": cron, "timezone": "Europe/Berlin", "misfire": "all"})
                schedules.put(timing, project="/shop", pipeline=f"p{number}", within=tx)
        now = datetime(2026, 3, 1, 23, 0, tzinfo=UTC) - timedelta(seconds=1)
        schedules.order_due()
        for _ in range(_RUNS):
            now += timedelta(minutes=1)
            began = time.perf_counter()
            orders = schedules.order_due()
            seconds.append(time.perf_counter() - began)
            assert len(orders) == _COUNT // 100, len(orders)
        began = time.perf_counter()
        assert schedules.order_due() == ()
        nothing = time.perf_counter() - began
        now += timedelta(days=1)
        began = time.perf_counter()
        assert len(schedules.order_due()) == _COUNT
        everything = time.perf_counter() - began
        lake.database.close()
    spread = Spread.of(seconds)
    return Result(
        figure=spread.median,
        unit="s",
        goal=_LIMIT,
        peer="the limit, s",
        peer_figure=_LIMIT,
        ok=spread.high <= _LIMIT,
        command="Schedules.order_due()",
        data={"hundred due": spread.as_data(), "none due": nothing, "all due": everything, "schedules": _COUNT},
    )
