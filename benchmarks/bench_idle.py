"""What a factory takes that has nothing to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Result

NAME = "idle"
GOAL = "a factory on SQLite and a folder is ready in under 3 s, and idles in 2 processes of 150 MB together"

_LIMIT = 150.0
_PROCESSES = 2
_READY = 3.0
_SECONDS = 20.0


def measure() -> Result:
    """Megabytes (proportional set size) of all its processes, after a while of doing nothing."""
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as home:
        folder = Path(home) / "shop"
        folder.mkdir()
        (folder / "daily.py").write_text(
            "def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
        )
        (folder / "daily.toml").write_text('schedule = "0 6 * * *"\n')
        ready: list[float] = []
        for last in (False, False, True):
            began = time.perf_counter()
            with (folder / "said").open("w") as said:
                factory = subprocess.Popen(
                    [sys.executable, "-m", "pilotline", "factory", "--port", "0"], cwd=folder, stdout=said, stderr=said
                )
            while "runs:" not in (folder / "said").read_text() and factory.poll() is None:
                time.sleep(0.005)
            ready.append(time.perf_counter() - began)
            if last:
                time.sleep(3)
                before = _cpu(factory.pid)
                time.sleep(_SECONDS)
                tree = _tree(factory.pid)
                megabytes = sum(_pss(pid) for pid in tree)
                cpu = (_cpu(factory.pid) - before) / _SECONDS
            factory.send_signal(signal.SIGTERM)
            assert factory.wait(60) == 0
    return Result(
        figure=megabytes,
        unit="MB",
        goal=_LIMIT,
        peer="the limit, MB",
        peer_figure=_LIMIT,
        ok=megabytes <= _LIMIT and len(tree) <= _PROCESSES and sorted(ready)[1] < _READY,
        command="pilotline factory",
        data={"processes": len(tree), "ready_seconds": ready, "cpu_share": cpu},
    )


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _pss(pid: int) -> float:
    """Megabytes of a process, what it shares divided among those that do."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    total = 0
    for each in _tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
