"""What it costs to keep the result of a step, beside calling the step alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pipelines
from measuring import Result, cpu_seconds, in_turns

NAME = "step"
GOAL = "a durable step with a frame of 1000 rows costs at most 3 ms CPU beyond the bare call"

_LIMIT = 3.0
_RUNS = 7
_FEW, _MANY = 10, 110


def measure() -> Result:
    """CPU milliseconds a step: a run of 110 steps less one of 10, and the same of the module alone, the peer."""
    with tempfile.TemporaryDirectory(prefix="bench-step-") as home:
        folders = {count: Path(home) / f"of_{count}" for count in (_FEW, _MANY)}
        for count, folder in folders.items():
            pipelines.write(folder, count)
        durable = [sys.executable, "-m", "pilotline", "run", "many", "--fresh"]
        bare = [sys.executable, "-c", "import many; many.pipeline()"]
        spreads = in_turns(
            {
                f"{name} {count}": lambda command=command, folder=folder: cpu_seconds(command, cwd=folder)
                for name, command in {"durable": durable, "bare": bare}.items()
                for count, folder in folders.items()
            },
            runs=_RUNS,
        )
    a_step = {
        name: 1000 * (spreads[f"{name} {_MANY}"].median - spreads[f"{name} {_FEW}"].median) / (_MANY - _FEW)
        for name in ("durable", "bare")
    }
    figure = a_step["durable"] - a_step["bare"]
    return Result(
        figure=figure,
        unit="CPU-ms a step",
        goal=_LIMIT,
        peer="the bare call",
        peer_figure=a_step["bare"],
        ok=figure <= _LIMIT,
        command="pilotline run many --fresh",
        data={name: spread.as_data() for name, spread in spreads.items()},
    )
