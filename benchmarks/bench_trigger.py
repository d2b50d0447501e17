"""From `submit` to the first line of the user's code, by a worker that waits."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Result, Spread

from pilotline.domain.orders import Ask
from pilotline.factory.ledger import Ledger
from pilotline.lake.lake import open_lake

NAME = "trigger"
GOAL = "from submit to the user's code p50 under 0.3 s beyond the start of the interpreter"

_RUNS = 21
_MODULE = '''
"""Says when it was reached."""
import time
from pathlib import Path


def first(place: str, number: int) -> int:
    Path(place).write_text(repr(time.time()))
    return number


def pipeline(*, place: str = "", number: int = 0):
    value = first(place, number)
    return {"value": value}
'''


def measure() -> Result:
    """Seconds, less those of a bare interpreter, the peer."""
    with tempfile.TemporaryDirectory(prefix="bench-trigger-") as home:
        folder = Path(home) / "project"
        folder.mkdir()
        (folder / "pilotline.toml").touch()
        (folder / "many.py").write_text(_MODULE)
        ledger = Ledger(open_lake(folder).database)
        worker = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "worker"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            figures = [_once(ledger, folder, Path(home) / f"at{number}", number) for number in range(_RUNS + 2)][2:]
        finally:
            worker.terminate()
            worker.communicate()
            ledger.close()
    bare = Spread.of([_bare() for _ in range(_RUNS)])
    spread = Spread.of(figures)
    figure = spread.median - bare.median
    return Result(
        figure=figure,
        unit="s",
        goal=0.3,
        peer="python -c pass, s",
        peer_figure=bare.median,
        ok=figure <= 0.3,
        command="pilotline worker; pilotline submit many",
        data={"trigger": spread.as_data(), "bare": bare.as_data()},
    )


def _once(ledger: Ledger, folder: Path, place: Path, number: int) -> float:
    began = time.time()
    order = ledger.submit(
        Ask(pipeline="many", project=str(folder), parameters={"place": str(place), "number": str(number)}, fresh=True)
    )
    while (found := ledger.order(order)).state in {"waiting", "running"}:
        time.sleep(0.02)
    assert found.state == "done", found.because
    return float(place.read_text()) - began


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began
