"""Writers are killed at random moments; what readers see then is counted."""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import Result, from_tests

from pilotline.domain.access import Scope
from pilotline.domain.tables import TableName
from pilotline.lake.inspecting import inspect_lake

if TYPE_CHECKING:
    from pilotline.lake.lake import Lake

NAME = "faults"
GOAL = (
    "1 000 writers killed at random moments, and 8 that write at once for two minutes, each on SQLite and a folder and on"
    " Postgres and S3: no commit is half visible, none that was reported is lost, no file is missing"
)

#: ``PILOTLINE_BENCH_KILLS`` takes fewer for a quick look, ``PILOTLINE_BENCH_SECONDS`` lets the many write for less long.
_KILLS = int(os.environ.get("PILOTLINE_BENCH_KILLS", "1000"))
_SECONDS = int(os.environ.get("PILOTLINE_BENCH_SECONDS", "120"))
_MANY = range(8)
_OWNER = Scope.everything("the owner")
_TABLES = tuple(TableName("shop", name) for name in ("t0", "t1", "t2"))


def measure() -> Result:
    """Kills after which something was wrong, and updates that were reported and are not there."""
    found = {"folder": _faults(None), "services": _with_services()}
    faults = sum(len(each["wrong"]) for each in found.values())
    return Result(
        figure=faults,
        unit="faults",
        goal=0,
        peer="kills",
        peer_figure=2 * _KILLS,
        ratio=faults / (2 * _KILLS),
        ok=not faults and all(each["publishes"] > 0 and each["by_many"] > 0 for each in found.values()),
        command="publish three tables again and again, kill -9 after 0 to 0.3 s (0.8 s with services), read; then eight writers at once",
        data=found,
    )


def _with_services() -> dict[str, Any]:
    services = from_tests("services", "services.py")
    postgres, bucket = services.Postgres(safe=True), services.Bucket()
    try:
        return _faults((postgres.database(), bucket.new(), bucket.variables()))
    finally:
        postgres.close()
        bucket.close()


def _faults(lies: tuple[str, str, dict[str, str]] | None) -> dict[str, Any]:
    """What went wrong in one place: a folder, or a database and a bucket."""
    module = from_tests("lake_writers", "lake/writers.py")
    writers = module.Writers()
    chance = random.Random(11)  # noqa: S311 - moments, no secrets
    wrong: list[str] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as home:
        if lies is not None:
            (Path(home) / "database").write_text(lies[0])
            (Path(home) / "tables").write_text(json.dumps(lies[1:]))
        lake: Lake = module.open_here(home)
        last = 0
        for _ in range(_KILLS):
            process = writers.start("publish_generations", home, 1000)
            time.sleep(chance.uniform(0.0, 0.3 if lies is None else 0.8))
            os.kill(process, signal.SIGKILL)
            writers.wait(process)
            now, said = _seen(lake)
            if now < last:
                said = f"generation {last} was seen, {now} is there"
            if said:
                wrong.append(said)
            last = max(last, now)
        killing = time.perf_counter() - began
        writing = [writers.start("publish_busily", home, who, _SECONDS) for who in _MANY]
        ended = [writers.wait(process) for process in writing]
        wrong += [f"a writer ended with {status}" for status in ended if status]
        counts, lost = module.wrong_after_many(home, lake, _MANY)
        wrong += lost + [each.what for each in inspect_lake(lake).problems]
        lake.database.close()
    writers.close()
    return {"wrong": wrong[:5], "publishes": last, "by_many": sum(counts.values()), "kinds": dict(counts),
            "seconds": round(killing), "seconds_of_many": _SECONDS}  # fmt: skip


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
