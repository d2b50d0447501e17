"""Writers are killed at random moments; what readers see then is counted."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Result

from pilotline.domain.access import Scope
from pilotline.domain.tables import TableName
from pilotline.lake.inspecting import inspect_lake
from pilotline.lake.lake import Lake, open_lake

NAME = "faults"
GOAL = (
    "1 000 writers killed at random moments: no commit is half visible, none that was seen is lost, no file is missing"
)

#: ``PILOTLINE_BENCH_KILLS`` takes fewer for a quick look.
_KILLS = int(os.environ.get("PILOTLINE_BENCH_KILLS", "1000"))
_OWNER = Scope.everything("the owner")
_TABLES = tuple(TableName("shop", name) for name in ("t0", "t1", "t2"))


def measure() -> Result:
    """Kills after which something was wrong."""
    writers = _writers()
    chance = random.Random(11)  # noqa: S311 - moments, no secrets
    wrong: list[str] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as home:
        lake = open_lake(Path(home), author="bench")
        lake.tables("main")
        last = 0
        for _ in range(_KILLS):
            process = writers.start("publish_generations", home, 1000)
            time.sleep(chance.uniform(0.0, 0.3))
            os.kill(process, signal.SIGKILL)
            writers.wait(process)
            now, said = _seen(lake)
            if now < last:
                said = f"generation {last} was seen, {now} is there"
            if said:
                wrong.append(said)
            last = max(last, now)
        problems = [each.what for each in inspect_lake(lake).problems]
        lake.database.close()
    writers.close()
    return Result(
        figure=len(wrong) + len(problems),
        unit="faults",
        goal=0,
        peer="kills",
        peer_figure=_KILLS,
        ratio=(len(wrong) + len(problems)) / _KILLS,
        ok=not wrong and not problems and last > 0,
        command="publish three tables again and again, kill -9 after 0 to 0.3 s, read",
        data={"wrong": wrong[:5], "problems": problems[:5], "publishes": last, "seconds": time.perf_counter() - began},
    )


def _writers() -> Any:
    place = Path(__file__).parents[1] / "tests" / "lake" / "writers.py"
    spec = importlib.util.spec_from_file_location("lake_writers", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lake_writers"] = module
    spec.loader.exec_module(module)
    return module.Writers()


def _seen(lake: Lake) -> tuple[int, str]:
    """The generation that main is at, and what is wrong with it."""
    with lake.database.reading() as tx:
        commit = lake.resolve("main")
        infos = lake.tables(commit)
        done = tx.execute("SELECT max(generation) FROM done")[0][0] if infos else 0
    if not infos:
        return 0, ""
    held = {
        value
        for info in infos
        for value in lake.scan(info.table, _OWNER, commit).read_all().column("generation").to_pylist()
    }
    if {info.table for info in infos} != set(_TABLES) or held != {done}:
        return int(done), f"tables of generations {sorted(held)} beside the row of {done}"
    return int(done), ""
