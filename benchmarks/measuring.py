"""What every benchmark uses: a result, and CPU seconds of other processes.

CPU seconds, not wall time: they say the same on a machine that does something else as well.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure beside its goal and beside a peer, or the limit, measured in the same run."""

    figure: float
    unit: str
    goal: float
    peer: str
    peer_figure: float
    #: Whether the goal is met.
    ok: bool
    #: How to get the same figure by hand.
    command: str
    #: Figure by peer unless said otherwise.
    ratio: float | None = None
    #: What else was seen: spreads, sizes, parts of the figure.
    data: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.ratio is None:
            object.__setattr__(self, "ratio", self.figure / self.peer_figure if self.peer_figure else float("inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of repeated measurements, and how far they lie apart."""

    median: float
    low: float  # a quarter of the runs lies below
    high: float  # a quarter of the runs lies above
    runs: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """The spread of figures of one thing, two at least."""
        low, middle, high = quantiles(figures, n=4, method="inclusive")
        return cls(median=middle, low=low, high=high, runs=len(figures))

    def as_data(self) -> dict[str, float]:
        """For ``Result.data``."""
        return {"median": self.median, "low": self.low, "high": self.high, "runs": self.runs}


def cpu_seconds(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> float:
    """CPU seconds, user and system, of one process and all that it waited for.

    Bytecode is kept, as it is wherever something is installed and used, whatever the shell of the benchmark says.

    Raises:
        CalledProcessError: it failed; its stderr is shown.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = {name: value for name, value in (env or os.environ).items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(command, cwd=cwd, env=own, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.stderr.buffer.write(ended.stderr)
        ended.check_returncode()
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def in_turns(measurements: Mapping[str, Callable[[], float]], *, runs: int) -> dict[str, Spread]:
    """Measure several things in turns, so that a machine that slows down slows all of them.

    Args:
        measurements: name -> one measurement; each is made once before, uncounted.
        runs: how often each counts.
    """
    for measure in measurements.values():
        measure()
    figures: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(runs):
        for name, measure in measurements.items():
            figures[name].append(measure())
    return {name: Spread.of(seen) for name, seen in figures.items()}


def from_tests(name: str, path: str) -> Any:
    """A module of the tests', such as the services that they start: under a name, by its path among them."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "tests" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
