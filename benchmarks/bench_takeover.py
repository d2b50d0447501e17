"""How long an order stands still when its worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Result, Spread

from pilotline.domain.orders import Ask
from pilotline.factory.ledger import Ledger
from pilotline.lake.lake import open_lake

NAME = "takeover"
GOAL = "a killed worker's order is another's within the lease (3 s here) and 10 s"

_LEASE = 3
_RUNS = 5
_MODULE = '''
"""Sleeps."""
import time


def first(number: int) -> int:
    time.sleep(300)
    return number


def pipeline(*, number: int = 0):
    value = first(number)
    return {"value": value}
'''


def measure() -> Result:
    """Seconds from kill -9 to the next claim, the longest of several; the peer is the lease."""
    with tempfile.TemporaryDirectory(prefix="bench-takeover-") as home:
        folder = Path(home) / "project"
        folder.mkdir()
        (folder / "pilotline.toml").touch()
        (folder / "slow.py").write_text(_MODULE)
        ledger = Ledger(open_lake(folder).database)
        command = [sys.executable, "-m", "pilotline", "worker", "--lease", str(_LEASE), "--grace", "0"]
        workers = [subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) for _ in range(2)]
        try:
            figures = [_once(ledger, folder, workers, command, number) for number in range(_RUNS)]
        finally:
            for each in workers:
                each.kill()
                each.wait()
            ledger.close()
    figure = max(figures)
    return Result(
        figure=figure,
        unit="s",
        goal=_LEASE + 10,
        peer="lease, s",
        peer_figure=_LEASE,
        ok=figure <= _LEASE + 10,
        command="kill -9 a worker that has an order, beside one that has none",
        data=Spread.of(figures).as_data(),
    )


def _once(
    ledger: Ledger, folder: Path, workers: list[subprocess.Popen[bytes]], command: list[str], number: int
) -> float:
    order = ledger.submit(Ask(pipeline="slow", project=str(folder), parameters={"number": str(number)}))
    while (found := ledger.order(order)).state != "running":
        time.sleep(0.02)
    time.sleep(1)
    pid = int(found.worker.split(":")[1])
    place = next(place for place, each in enumerate(workers) if each.pid == pid)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    while ledger.order(order).token < 2:
        time.sleep(0.02)
    took = time.monotonic() - killed
    ledger.cancel(order, "bench")
    workers[place].wait()
    workers[place] = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    while ledger.order(order).state == "running":
        time.sleep(0.02)
    return took
