"""CPU seconds of ten small steps beside Airflow, Dagster, Metaflow and Prefect, each in an environment of its own.

Environments are kept in ``~/.cache/pilotline-bench-peers``; remove that folder for newer versions of the peers.
All systems are measured at the same time, so that what else the machine does slows all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench_idle import _cpu, _pss, _tree  # pyright: ignore[reportPrivateUsage]
from measuring import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "peers"
GOAL = "a chain of 10 small steps takes no more CPU seconds than the best of four peers in its default way"

_CACHE = Path.home() / ".cache" / "pilotline-bench-peers"
_ROOT = Path(__file__).parents[1]
_LIMIT = 360
_PORT = 4287
_COUNT = 10
#: What each environment holds. The one of Pilotline's project has nothing of Pilotline in it.
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "pilotline": (f"{_ROOT}[tool]",),
    "project": ("pandas",),
    "airflow": ("apache-airflow", "pandas", "pyarrow"),
    "dagster": ("dagster", "pandas"),
    "metaflow": ("metaflow", "pandas"),
    # A later fastapi breaks this server.
    "prefect": ("prefect<3.9", "fastapi<0.150", "pandas"),
}
_FIRST = 'pd.DataFrame({"k": range(1000), "v": range(1000)})'
#: Runs a command, adopts and waits for all that it leaves behind, and prints the CPU seconds of all, and the seconds.
_WAITER = """
import ctypes, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
began = time.monotonic()
code = subprocess.call(sys.argv[2:], stdout=open(sys.argv[1], "a"), stderr=subprocess.STDOUT)
took = time.monotonic() - began
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, took)
"""


class _Used(NamedTuple):
    """What one run took."""

    cpu: float
    wall: float


class _Place(NamedTuple):
    """A folder to run in, its variables, and what is said there."""

    folder: Path
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Bytecode is kept, as it is wherever something is installed and used."""
        left = {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONPATH"}
        return {name: value for name, value in os.environ.items() if name not in left} | dict(self.variables)

    def run(self, *commands: list[str], ends_with: str) -> _Used:
        """Run commands one after the other; what they say must have ``ends_with`` in it."""
        cpu = wall = 0.0
        said = self.folder / f"said-{time.monotonic_ns()}"
        for command in commands:
            waiter = subprocess.Popen(
                [sys.executable, "-c", _WAITER, str(said), *command],
                cwd=self.folder, env=self.environment(), stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
            try:
                out, _ = waiter.communicate(timeout=_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(waiter.pid, signal.SIGKILL)
                waiter.wait()
                raise
            code, used, took = out.split()
            assert code == "0", said.read_text()[-2000:]
            cpu, wall = cpu + float(used), wall + float(took)
        assert ends_with in said.read_text(), said.read_text()[-2000:]
        return _Used(cpu=cpu, wall=wall)


def measure() -> Result:
    """Ours by those of the best peer: `submit` and a worker that is started for it, against what each does by default."""
    about = {name: _environment(name) for name in _PACKAGES}
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as home, ThreadPoolExecutor() as pool:
        ways = (_pilotline, _airflow, _dagster, _dagster_in_process, _metaflow, _prefect)
        waits = {way.__name__.strip("_"): pool.submit(way, _folder(Path(home), way.__name__)) for way in ways}
        found: dict[str, dict[str, float]] = {}
        missed: dict[str, str] = {}
        for name, wait in waits.items():
            try:
                found[name] = wait.result()
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                missed[name] = f"{type(error).__name__}: {str(error)[-300:]}"
    peers = {name: each["cpu"] for name, each in found.items() if name not in {"pilotline", "dagster_in_process"}}
    best = min(peers, key=lambda name: peers[name])
    ours = found["pilotline"]["cpu"]
    return Result(
        figure=ours,
        unit="CPU-s",
        goal=peers[best],
        peer=f"{best}, CPU-s",
        peer_figure=peers[best],
        ok=ours <= peers[best],
        command="pilotline submit work --fresh; pilotline worker --once",
        data={"runs": found, "not measured": missed, "environments": about},
    )


def _pilotline(folder: Path) -> dict[str, float]:
    (folder / "pilotline.toml").touch()
    _write(folder / "work.py", "", "\n\ndef pipeline():\n" + _calls() + f'    return {{"frame": frame_{_COUNT - 1}}}\n')
    place = _Place(folder=folder, variables={"VIRTUAL_ENV": str(_CACHE / "project")})
    own = _program("pilotline", "pilotline")
    worker = [own, "worker", "--once"]
    return _several(
        lambda: place.run([own, "submit", "work", "--fresh"], worker, ends_with="done ("),
        5,
        lambda: place.run([own, "submit", "work"], worker, ends_with="done ("),
    )


def _airflow(folder: Path) -> dict[str, float]:
    (folder / "dags").mkdir()
    _write(
        folder / "dags" / "work.py",
        "@task\n",
        "\n\n@dag(schedule=None, catchup=False)\ndef work():\n" + _calls() + "\n\nwork()\n",
        "from airflow.sdk import dag, task\n",
    )
    variables = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
    }
    place = _Place(folder=folder, variables=variables)
    own = _program("airflow", "airflow")
    place.run([own, "db", "migrate"], ends_with="migration done")
    return _several(lambda: place.run([own, "dags", "test", "work"], ends_with="state=success"), 2)


def _dagster(folder: Path) -> dict[str, float]:
    return _dagster_with(folder)


def _dagster_in_process(folder: Path) -> dict[str, float]:
    (folder / "in_process.yaml").write_text("execution:\n  config:\n    in_process: {}\n")
    return _dagster_with(folder, "-c", "in_process.yaml")


def _dagster_with(folder: Path, *options: str) -> dict[str, float]:
    _write(folder / "work.py", "@op\n", "\n\n@job\ndef work():\n" + _calls(), "from dagster import job, op\n")
    place = _Place(folder=folder, variables={"DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"})
    command = [_program("dagster", "dagster"), "job", "execute", "-f", "work.py", "-j", "work", *options]
    return _several(lambda: place.run(command, ends_with="RUN_SUCCESS"), 5 if options else 2)


def _metaflow(folder: Path) -> dict[str, float]:
    names = ["start", *(f"step_{number}" for number in range(1, _COUNT - 1)), "end"]
    text = "import pandas as pd\nfrom metaflow import FlowSpec, step\n\n\nclass Work(FlowSpec):\n"
    for number, name in enumerate(names):
        text += f"    @step\n    def {name}(self):\n"
        text += _check("self.frame", "        ") if name == "end" else ""
        text += f"        self.frame = {_next('self.frame') if number else _FIRST}\n"
        text += f"        self.next(self.{names[number + 1]})\n" if name != "end" else ""
    (folder / "work.py").write_text(text + '\n\nif __name__ == "__main__":\n    Work()\n')
    place = _Place(folder=folder, variables={"METAFLOW_USER": "bench", "METAFLOW_HOME": str(folder)})
    command = [_program("metaflow", "python"), "work.py", "run"]
    return _several(lambda: place.run(command, ends_with="Done!"), 3)


def _prefect(folder: Path) -> dict[str, float]:
    """Its server runs already, as ours would not; what it takes meanwhile counts."""
    after = "\n\n@flow\ndef work():\n" + _calls() + '\n\nif __name__ == "__main__":\n    work()\n'
    _write(folder / "work.py", "@task\n", after, "from prefect import flow, task\n")
    address = f"http://127.0.0.1:{_PORT}/api"
    place = _Place(
        folder=folder, variables={"PREFECT_HOME": str(folder), "DO_NOT_TRACK": "1", "PREFECT_API_URL": address}
    )
    server = subprocess.Popen(
        [_program("prefect", "prefect"), "server", "start", "--port", str(_PORT)],
        cwd=folder, env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(_LIMIT):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310
                break
            except OSError:
                time.sleep(1)
        time.sleep(5)
        tree = _tree(server.pid)
        idle = {"idle_processes": float(len(tree)), "idle_mb": sum(_pss(pid) for pid in tree)}

        def run() -> _Used:
            before = _cpu(server.pid)
            used = place.run([_program("prefect", "python"), "work.py"], ends_with="Completed")
            return _Used(cpu=used.cpu + _cpu(server.pid) - before, wall=used.wall)

        return _several(run, 5) | idle
    finally:
        server.terminate()
        server.wait()


def _several(run: Callable[[], _Used], times: int, again: Callable[[], _Used] | None = None) -> dict[str, float]:
    """The median of some runs; where a rerun with nothing changed is not one more of these, its own figures."""
    all_of = sorted((run() for _ in range(times)), key=lambda used: used.cpu)
    middle = all_of[(times - 1) // 2]
    found = {"cpu": middle.cpu, "wall": middle.wall, "low": all_of[0].cpu, "high": all_of[-1].cpu, "runs": float(times)}
    unchanged = again() if again else middle
    return found | {"again_cpu": unchanged.cpu, "again_wall": unchanged.wall}


def _calls() -> str:
    lines = ["frame_0 = first()", *(f"frame_{n} = step_{n}(frame_{n - 1})" for n in range(1, _COUNT))]
    return "".join(f"    {line}\n" for line in lines)


def _next(name: str) -> str:
    return f'{name}.assign(v={name}["v"] + 1)'


def _check(name: str, indent: str) -> str:
    return f'{indent}assert {name}["v"].sum() == {sum(range(1000)) + 1000 * (_COUNT - 2)}\n'


def _write(path: Path, decorator: str, after: str, imports: str = "") -> None:
    """The ten steps, each with a decorator, and what calls them."""
    text = "import pandas as pd\n" + imports + f"\n\n{decorator}def first() -> pd.DataFrame:\n    return {_FIRST}\n"
    for number in range(1, _COUNT):
        text += f"\n\n{decorator}def step_{number}(frame: pd.DataFrame) -> pd.DataFrame:\n"
        text += _check("frame", "    ") if number == _COUNT - 1 else ""
        text += f"    return {_next('frame')}\n"
    path.write_text(text + after)


def _folder(home: Path, name: str) -> Path:
    folder = home / name.strip("_")
    folder.mkdir()
    return folder


def _program(environment: str, name: str) -> str:
    return str(_CACHE / environment / "bin" / name)


def _environment(name: str) -> dict[str, object]:
    """Make an environment where there is none: its packages, its megabytes without bytecode, and the versions asked for."""
    uv = shutil.which("uv") or str(_ROOT / ".venv-uv" / "bin" / "uv")
    python = _program(name, "python")
    fresh = not (_CACHE / name / "ready").exists()
    if fresh:
        subprocess.run([uv, "venv", "--quiet", "--clear", str(_CACHE / name)], check=True)
    if fresh or name == "pilotline":
        renewed = ["--reinstall-package", "pilotline"] if name == "pilotline" else []
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", *renewed, "--python", python]
        subprocess.run([*command, *_PACKAGES[name]], check=True)
        (_CACHE / name / "ready").touch()
    asked = [uv, "pip", "list", "--quiet", "--format", "json", "--python", python]
    listed = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
    size = subprocess.run(
        ["du", "-sm", "--exclude=__pycache__", str(_CACHE / name)], check=True, capture_output=True, text=True
    ).stdout
    heads = {"pilotline", "pandas", "apache-airflow", "dagster", "metaflow", "prefect", "fastapi"}
    return {
        "packages": len(listed),
        "mb": int(size.split()[0]),
        "versions": [f"{each['name']} {each['version']}" for each in listed if each["name"] in heads],
    }
