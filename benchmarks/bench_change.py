"""From a publish to the claim of the order that it makes, and to the user's code; and whether a promise holds under many publishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from measuring import Result, Spread, from_tests

from pilotline.domain.tables import Append, TableName
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.lake.lake import Lake, open_lake

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "change"
GOAL = "from a publish to the claim p50 under 0.5 s, on SQLite and on Postgres; of publishes five times a second with a promise of 2 s none is missed"

_RUNS = 15
_LIMIT = 0.5
_PROMISE = 2
_SECONDS = 20.0
ORDERS = TableName("sales", "orders")
_MODULE = '''
"""Says when it was reached."""
import time
from pathlib import Path


def first(orders: str, place: str) -> float:
    at = time.time()
    with Path(place).open("a") as file:
        print(at, file=file)
    return at


def pipeline(*, orders: str = "sales.orders", place: str = "PLACE"):
    at = first(orders, place)
    return {"at": at}
'''


def measure() -> Result:
    """Seconds by the database's clock, from what the orders' histories say."""
    parts = {"sqlite": _measure(None)}
    postgres = from_tests("services", "services.py").Postgres()
    try:
        parts["postgres"] = _measure(postgres.database())
    finally:
        postgres.close()
    slower = max(parts.values(), key=lambda each: each["publish to claim, s"]["median"])
    figure = slower["publish to claim, s"]["median"]
    kept = all(each["missed"] == 0 for each in parts.values())
    return Result(
        figure=figure,
        unit="s",
        goal=_LIMIT,
        peer="the limit, s",
        peer_figure=_LIMIT,
        ok=figure <= _LIMIT and kept,
        command="pilotline factory, with schedule = 'on change'",
        data=parts,
    )


def _measure(url: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-change-") as home:
        folder = Path(home) / "shop"
        folder.mkdir()
        (folder / "pilotline.toml").touch()
        (folder / "daily.py").write_text(_MODULE.replace("PLACE", str(Path(home) / "reached")))
        environ = dict(os.environ, **({"PILOTLINE_DATABASE": url} if url else {}))
        lake = open_lake(folder, database=url)
        _publish(lake, 0)
        try:
            with _factory(folder, environ, "on change"):
                claims, code = _one_by_one(lake, Path(home) / "reached")
            with _factory(folder, environ, f"on change within {_PROMISE}s"):
                told = _many(lake)
        finally:
            lake.database.close()
    return {"publish to claim, s": claims.as_data(), "publish to code, s": code.as_data(), **told}


class _factory:  # noqa: N801 - it is used as a function
    def __init__(self, folder: Path, environ: dict[str, str], schedule: str) -> None:
        (folder / "daily.toml").write_text(f'schedule = "{schedule}"\n')
        self._said = folder / "said"
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pilotline", "factory", "--port", "0"],
                cwd=folder,
                env=environ,
                stdout=said,
                stderr=said,
            )

    def __enter__(self) -> None:
        while "runs:" not in self._said.read_text() or "worker " not in self._said.read_text():
            assert self._process.poll() is None, self._said.read_text()
            time.sleep(0.05)
        time.sleep(2)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0


def _publish(lake: Lake, number: int) -> float:
    name = f"b{number}-{time.monotonic_ns()}"
    lake.create_branch(name)
    lake.write(name, ORDERS, pa.table({"n": [number]}), Append())
    published = lake.publish(name, require_checked=False)
    return published.commit.at.timestamp()


def _one_by_one(lake: Lake, reached: Path) -> tuple[Spread, Spread]:
    ledger, code = Ledger(lake.database), []
    before = len(ledger.orders(limit=1000))
    for number in range(_RUNS):
        published = _publish(lake, number)
        while len(orders := ledger.orders(limit=1000)) < before + number + 1 or orders[0].state in {
            "waiting",
            "running",
        }:
            time.sleep(0.05)
        assert orders[0].state == "done", orders[0].because
        code.append(float(reached.read_text().splitlines()[-1]) - published)
        time.sleep(0.3)
    return Spread.of(list(_latencies(ledger))), Spread.of(code)


def _latencies(ledger: Ledger, since: int = 0) -> Iterator[float]:
    """From the first publish that each order was made for until its claim."""
    for order in ledger.orders(limit=1000):
        events = ledger.events(order.number)
        changes = [facts["published"] for _, kind, facts in events if kind == "change"]
        claimed = [at for at, kind, _ in events if kind == "claimed"]
        if changes and claimed and order.number > since:
            yield claimed[0].timestamp() - _instant(min(changes))


def _instant(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _many(lake: Lake) -> dict[str, Any]:
    ledger = Ledger(lake.database)
    since = ledger.orders(limit=1)[0].number
    end, count = time.monotonic() + _SECONDS, 0
    while time.monotonic() < end:
        _publish(lake, count)
        count += 1
        time.sleep(0.2)
    schedules = Schedules(lake.database, ledger)
    (name,) = [each.name for each in schedules.list()]
    while schedules.latency(schedules.schedule(name)).waiting is not None:
        time.sleep(0.1)
    seen = list(_latencies(ledger, since))
    missed = sum(each > timedelta(seconds=_PROMISE).total_seconds() for each in seen)
    return {
        "publishes": count,
        "orders": len(seen),
        "missed": missed,
        "with a promise of 2 s, s": Spread.of(seen).as_data(),
    }
