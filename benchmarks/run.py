"""Run the benchmarks, or those named; exit 1 where a goal is missed.

A benchmark is a module ``bench_*.py`` beside this one with

- ``NAME``, one word;
- ``GOAL``, its goal in words;
- ``measure() -> Result``.

Each prints one line and appends one to ``results.jsonl``, with the machine and the versions it was measured on.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import import_module, metadata
from pathlib import Path
from traceback import print_exc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from measuring import Result

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
VERSIONED = ("pilotline", "pandas", "numpy", "pyarrow", "duckdb", "pyiceberg", "sqlalchemy", "scikit-learn", "ipython")


def discover(folder: Path = HERE) -> dict[str, ModuleType]:
    """Name -> module of every benchmark."""
    modules = [import_module(path.stem) for path in sorted(folder.glob("bench_*.py"))]
    return {module.NAME: module for module in modules}


def line_of(name: str, result: Result) -> str:
    """``startup: 0.031 CPU-s (goal 0.15; peer bare Python: 0.012; ratio 2.6)``."""
    return (
        f"{name}: {result.figure:.4g} {result.unit} (goal {result.goal:g}; "
        f"peer {result.peer}: {result.peer_figure:.4g}; ratio {result.ratio:.3g})"
    )


def machine() -> dict[str, object]:
    """What the figures depend on, besides the code."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The commit, and the versions of what is measured or compared with."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    found = {"commit": commit.stdout.strip() or "unknown"}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(name: str, goal: str, result: Result, path: Path = RESULTS) -> None:
    """Append one line to the results."""
    row = {
        "name": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "goal_text": goal,
        **asdict(result),
        "machine": machine(),
        "versions": versions(),
    }
    with path.open("a", encoding="utf-8") as results:
        results.write(json.dumps(row, ensure_ascii=False) + "\n")


def main(wanted: list[str]) -> int:
    """Run what is wanted, all if nothing is, and return the exit status."""
    known = discover()
    if unknown := [name for name in wanted if name not in known]:
        near = get_close_matches(unknown[0], known, n=1)
        sys.stderr.write(
            f"no benchmark {unknown[0]!r}; " + (f"did you mean {near[0]}?" if near else "known: " + ", ".join(known))
        )
        sys.stderr.write("\n")
        return 2
    missed: list[str] = []
    for name in wanted or known:
        try:
            result: Result = known[name].measure()
        except Exception:  # the other benchmarks are to be seen all the same
            print_exc()
            missed.append(name)
            continue
        sys.stdout.write(line_of(name, result) + "\n")
        sys.stdout.flush()
        record(name, known[name].GOAL, result)
        if not result.ok:
            missed.append(name)
            sys.stderr.write(f"{name} misses its goal: {known[name].GOAL}\n")
    return 1 if missed else 0


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
