"""What ``import pilotline`` and ``pilotline --help`` cost beyond a bare Python."""

from __future__ import annotations

import sys

from measuring import Result, cpu_seconds, in_turns

NAME = "startup"
GOAL = "import pilotline, and pilotline --help, each cost under 0.15 CPU-seconds beyond bare Python"

_LIMIT = 0.15
_RUNS = 21


def measure() -> Result:
    """The dearer of the two, less the median of a bare Python; the peer is that bare Python."""
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import pilotline"],
        "help": [sys.executable, "-m", "pilotline", "--help"],
    }
    spreads = in_turns(
        {name: lambda command=command: cpu_seconds(command) for name, command in commands.items()}, runs=_RUNS
    )
    bare = spreads["bare"].median
    figure = max(spreads["import"].median, spreads["help"].median) - bare
    return Result(
        figure=figure,
        unit="CPU-s",
        goal=_LIMIT,
        peer="bare Python",
        peer_figure=bare,
        ok=figure < _LIMIT,
        command="python -m pilotline --help",
        data={name: spread.as_data() for name, spread in spreads.items()},
    )
