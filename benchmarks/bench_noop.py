"""What a run costs that has nothing to do, beyond the start of the command itself."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pipelines
from measuring import Result, cpu_seconds, in_turns

NAME = "noop"
GOAL = "a no-change run of a 10-step pipeline costs at most 10 ms CPU beyond process start"

_LIMIT = 10.0
_RUNS = 31


def measure() -> Result:
    """CPU milliseconds of ``pilotline run`` less those of ``pilotline --version``, the peer."""
    with tempfile.TemporaryDirectory(prefix="bench-noop-") as home:
        folder = Path(home) / "project"
        pipelines.write(folder, 10)
        # The project's interpreter is one that says so when it is started.
        told = Path(home) / "started"
        python = Path(home) / "environment" / "bin" / "python"
        python.parent.mkdir(parents=True)
        (python.parent.parent / "pyvenv.cfg").write_text("")
        python.write_text(f'#!/bin/sh\necho started >> {told}\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        environment = dict(os.environ, VIRTUAL_ENV=str(python.parent.parent))
        own = [sys.executable, "-m", "pilotline"]
        for _ in range(2):
            cpu_seconds([*own, "run", "many"], cwd=folder, env=environment)
        assert told.exists(), "the first run starts the project's interpreter"
        told.unlink()
        spreads = in_turns(
            {
                "start": lambda: cpu_seconds([*own, "--version"], cwd=folder, env=environment),
                "noop": lambda: cpu_seconds([*own, "run", "many"], cwd=folder, env=environment),
            },
            runs=_RUNS,
        )
        assert not told.exists(), "a run with nothing to do starts no interpreter"
    figure = 1000 * (spreads["noop"].median - spreads["start"].median)
    return Result(
        figure=figure,
        unit="CPU-ms",
        goal=_LIMIT,
        peer="pilotline --version, CPU-ms",
        peer_figure=1000 * spreads["start"].median,
        ok=figure <= _LIMIT,
        command="pilotline run many",
        data={name: spread.as_data() for name, spread in spreads.items()},
    )
