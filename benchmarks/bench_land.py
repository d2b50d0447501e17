"""From a proven lift to a run that a factory published by its schedule: land, merge, deploy, wait."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Result, from_tests

from pilotline.factory.environments import find_uv
from pilotline.run.opening import open_lake_here

NAME = "land"
GOAL = "from a proven lift to the first scheduled run that is published: two commands and a merge, under a minute"

_GOAL = 60.0
_PLACES = os.environ.get("PILOTLINE_BENCH_PLACES", "folder,services").split(",")
_SHOP = Path(__file__).parents[1] / "examples" / "shop"
_NEEDS = ("pandas>=2.2", "scikit-learn>=1.6", "matplotlib>=3.9")


def measure() -> Result:
    """Wall seconds of the slower place; the peer is the minute that is promised."""
    found = {place: _on(place) for place in _PLACES}
    figure = max(one["seconds"] for one in found.values())
    return Result(
        figure=figure,
        unit="s",
        goal=_GOAL,
        peer="a minute",
        peer_figure=_GOAL,
        ok=figure < _GOAL,
        command='pilotline land explore --every 1s --with data --push; git merge; pilotline deploy, with "pilotline factory" running',
        data=found,
    )


def _on(place: str) -> dict[str, Any]:
    if place == "folder":
        return _measured({}, shared=True)
    services = from_tests("services", "services.py")
    postgres, bucket = services.Postgres(safe=True), services.Bucket()
    try:
        where = {"PILOTLINE_DATABASE": postgres.database(), "PILOTLINE_TABLES": bucket.new()}
        return _measured(where | bucket.variables(), shared=False)
    finally:
        postgres.close()
        bucket.close()


def _measured(where: dict[str, str], *, shared: bool) -> dict[str, Any]:
    """What one way takes.

    Args:
        where: variables that say where catalog and tables are; none: in the folder of the project.
        shared: the factory has the folder in which CI deploys, as on one machine; else one of its own.
    """
    with tempfile.TemporaryDirectory(prefix="bench-land-") as home:
        bench = _Bench(Path(home), where)
        bench.prepare()
        factory = bench.factory(bench.ci if shared else bench.away)
        try:
            return bench.timed(bench.ci if shared else bench.away)
        finally:
            factory.send_signal(signal.SIGTERM)
            factory.wait(60)


class _Bench:
    def __init__(self, home: Path, where: dict[str, str]) -> None:
        self.home, self.lab, self.ci, self.away = home, home / "lab", home / "ci", home / "away"
        left_out = {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "CONDA_PREFIX"}
        self.env = {name: value for name, value in os.environ.items() if name not in left_out} | where
        self.env["PILOTLINE_ENVIRONMENTS"] = str(home / "environments")
        os.environ.update(where)

    def run(self, *words: str, cwd: Path) -> str:
        done = subprocess.run(words, cwd=cwd, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def pilotline(self, *words: str, cwd: Path) -> dict[str, Any]:
        return json.loads(self.run(sys.executable, "-m", "pilotline", *words, "--json", cwd=cwd))

    def prepare(self) -> None:
        """A remote, an analyst's clone with a proven lift in it, and a clone where CI deploys."""
        self.run("git", "init", "-q", "--bare", "-b", "main", str(self.home / "remote"), cwd=self.home)
        self.run("git", "clone", "-q", str(self.home / "remote"), str(self.lab), cwd=self.home)
        for name in ("explore_v15.ipynb", "make_data.py"):
            shutil.copy(_SHOP / name, self.lab / name)
        (self.lab / "pilotline.toml").write_text('namespace = "shop"\n')
        (self.lab / ".gitignore").write_text(".pilotline/\n__pycache__/\nout/\n")
        self.run(sys.executable, "make_data.py", cwd=self.lab)
        self._as("ann", self.lab)
        self.run("git", "checkout", "-qb", "main", cwd=self.lab)
        self.run("git", "add", "pilotline.toml", ".gitignore", "make_data.py", cwd=self.lab)
        self.run("git", "commit", "-qm", "first", cwd=self.lab)
        self.run("git", "push", "-q", "origin", "main", cwd=self.lab)
        python = self.home / "analyst" / "bin" / "python"
        self.run(find_uv(), "venv", "-q", "--python", sys.executable, str(self.home / "analyst"), cwd=self.home)
        self.run(find_uv(), "pip", "install", "-q", "--python", str(python), *_NEEDS, cwd=self.home)
        lifted = self.pilotline("lift", "explore_v15.ipynb", "--python", str(python), cwd=self.lab)
        if lifted["status"] != "proven":
            raise RuntimeError(f"the example is not proven: {lifted}")
        self.run("git", "clone", "-q", str(self.home / "remote"), str(self.ci), cwd=self.home)
        self._as("bob", self.ci)
        self.away.mkdir()
        (self.away / "pilotline.toml").write_text('namespace = "elsewhere"\n')

    def _as(self, name: str, folder: Path) -> None:
        self.run("git", "config", "user.name", name, cwd=folder)
        self.run("git", "config", "user.email", f"{name}@example.org", cwd=folder)

    def factory(self, folder: Path) -> subprocess.Popen[bytes]:
        """A factory that runs, whose environments are not those of the lab: it might be on another machine."""
        with (self.home / "said").open("wb") as said:
            factory = subprocess.Popen(
                [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--grace", "5"], cwd=folder, stdout=said,
                stderr=said, env=self.env | {"PILOTLINE_ENVIRONMENTS": str(self.home / "factory-environments")},
            )  # fmt: skip
        end = time.monotonic() + 60
        while b"http" not in (self.home / "said").read_bytes():
            if factory.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.home / "said").read_text())
            time.sleep(0.05)
        return factory

    def timed(self, home: Path) -> dict[str, Any]:
        """Land, merge, deploy, and wait for the first run that is published."""
        lake, records = open_lake_here(home)
        cpu, began = _cpu(), time.perf_counter()
        landed = self.pilotline(
            "land", "explore", "--every", "1s", "--owner", "ann", "--with", "data", "--push", cwd=self.lab
        )  # fmt: skip
        at_landed, cpu_landed = time.perf_counter(), _cpu()
        self.run("git", "fetch", "-q", "origin", cwd=self.ci)
        self.run("git", "merge", "-q", "--no-ff", "-m", "merge", "origin/land/explore", cwd=self.ci)
        self.run("git", "push", "-q", "origin", "main", cwd=self.ci)
        at_merged = time.perf_counter()
        self.pilotline("deploy", cwd=self.ci)
        at_deployed, cpu_deployed = time.perf_counter(), _cpu()
        while not [run for run in records.runs() if run.state == "published"]:
            if time.perf_counter() - at_deployed > 300:
                raise RuntimeError((self.home / "said").read_text())
            time.sleep(0.02)
        ended = time.perf_counter()
        lake.database.close()
        return {
            "seconds": ended - began,
            "load": os.getloadavg()[0],
            "land": at_landed - began,
            "land parts": landed["took"],
            "merge": at_merged - at_landed,
            "deploy": at_deployed - at_merged,
            # The worker builds the environment too, as on another machine.
            "run": ended - at_deployed,
            "cpu seconds": {"land": cpu_landed - cpu, "merge and deploy": cpu_deployed - cpu_landed},
        }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
