"""What watching a notebook costs: CPU seconds of a recording beside those of the same notebook run unwatched.

The notebooks are the example's and those of the tests that are proven; with ``PILOTLINE_BENCH_NOTEBOOKS=FOLDER``, a
folder with one folder a notebook, the notebooks there instead, in the interpreter ``PILOTLINE_BENCH_PYTHON``.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import Result

from pilotline.domain.errors import PilotlineError
from pilotline.lift.guestcall import Guest
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for

NAME = "record"
GOAL = "recording costs at most 2 times the notebook's own CPU time at the median"

ROOT = Path(__file__).parent.parent
_LIMIT = 2.0
_RUNS = 3
_OF_THE_TESTS = (
    "h01_clean", "h02_inplace_df", "h03_fit", "h04_alias", "h06_class", "h08_messy", "h11_reassign", "h13_random",
    "repaired_merge", "categories", "multi_index", "custom_pipeline", "callback_side_effects", "containers_of_frames",
)  # fmt: skip


def measure() -> Result:
    """The median over the notebooks of recorded by plain CPU seconds; the peer is the plain run of all of them."""
    python = Path(os.environ.get("PILOTLINE_BENCH_PYTHON", sys.executable))
    ratios: dict[str, float] = {}
    watched, plain = 0.0, 0.0
    with tempfile.TemporaryDirectory(prefix="bench-record-") as home:
        for notebook in _notebooks(Path(home)):
            try:
                figures = [(_cpu(notebook, "record", python), _cpu(notebook, "replay", python)) for _ in range(_RUNS)]
            except PilotlineError as error:
                sys.stderr.write(f"{notebook.name}: {error}\n")
                continue
            record, replay = (statistics.median(one) for one in zip(*figures, strict=True))
            ratios[notebook.stem] = round(record / replay, 3)
            watched, plain = watched + record, plain + replay
    ordered = sorted(ratios.values())
    figure = statistics.median(ordered)
    return Result(
        figure=figure,
        unit="times the notebook's own CPU",
        goal=_LIMIT,
        peer=f"plain run of {len(ratios)} notebooks, CPU-s",
        peer_figure=plain,
        ratio=watched / plain,
        ok=figure <= _LIMIT,
        command="pilotline lift NOTEBOOK --list",
        data={"worst": dict(sorted(ratios.items(), key=lambda one: -one[1])[:5]), "recorded": watched, "runs": _RUNS},
    )


def _notebooks(home: Path) -> list[Path]:
    own = os.environ.get("PILOTLINE_BENCH_NOTEBOOKS")
    if own:
        return sorted(Path(own).rglob("*.ipynb"))
    shop = home / "shop"
    shutil.copytree(ROOT / "examples" / "shop", shop)
    subprocess.run([sys.executable, "make_data.py", "data"], cwd=shop, check=True, stdout=subprocess.DEVNULL)
    found = [shop / "explore_v15.ipynb"]
    hazards = ROOT / "tests" / "hazards"
    for name in _OF_THE_TESTS:
        folder = home / name
        shutil.copytree(hazards / "files", folder)
        source = next((hazards / "notebooks").glob(f"{name}.*"))
        found.append(Path(shutil.copy(source, folder)))
    return found


def _cpu(notebook: Path, kind: str, python: Path) -> float:
    """CPU seconds of one run in an interpreter of its own, its imports included, the start of Python not."""
    book = read(notebook)
    with scratch_for(book) as scratch:
        request: dict[str, Any] = {
            "kind": kind,
            "cells": [{"number": one.number, "source": one.python, "quiet": one.quiet} for one in book.code],
            "folder": str(scratch.root),
            "original": str(scratch.original),
            "seed": 0,
            "allow": [],
            "capture": [],
            "values": str(scratch.own / "values"),
            "timeout": 600,
        }
        answer = Guest(python, request, cwd=scratch.folder, own=scratch.own, seconds=600.0).wait()
    if answer.get("error"):
        raise PilotlineError(str(answer["error"].get("message"))[:200])
    return float(answer["cpu"])
