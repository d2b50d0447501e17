"""A project whose steps leave marks, and real workers on it, to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from threading import Thread

from pilotline.domain.orders import Ask
from pilotline.factory.ledger import Ledger
from pilotline.run.opening import open_lake_here

MODULE = '''
"""Steps that say that they were computed, and how often."""
import time
from pathlib import Path

import pandas as pd

MARKS = Path("{marks}")


def _mark(name: str) -> None:
    with (MARKS / "{name}").open("a") as file:
        file.write(name + "\\n")
    time.sleep(float((MARKS / "pause").read_text()))


def load(start: int) -> pd.DataFrame:
    _mark("load")
    return pd.DataFrame({{"number": [start]}})

{functions}

def pipeline(*, start: int = 1):
    step0 = load(start)
{calls}
    return {{"{name}": step{last}}}
'''


class Shop:
    """A project with pipelines of several steps, and its ledger."""

    def __init__(self, folder: Path, marks: Path) -> None:
        self.folder, self.marks = folder, marks
        folder.mkdir()
        marks.mkdir()
        (folder / "pilotline.toml").touch()
        self.pause(0)
        self.lake, self.records = open_lake_here(folder)
        self.ledger = Ledger(self.lake.database)
        self.workers: list[subprocess.Popen] = []

    def pause(self, seconds: float) -> None:
        half = self.marks / "half"
        half.write_text(str(seconds))
        half.replace(self.marks / "pause")

    def pipeline(self, name: str, steps: int = 4) -> None:
        functions = "\n".join(
            f'\ndef more{n}(before) -> pd.DataFrame:\n    _mark("more{n}")\n    return before + 1\n'
            for n in range(1, steps)
        )
        calls = "\n".join(f"    step{n} = more{n}(step{n - 1})" for n in range(1, steps))
        text = MODULE.format(marks=self.marks, name=name, functions=functions, calls=calls, last=steps - 1)
        self.write(f"{name}.py", text)
        repeatable = "\n".join(
            f'{one} = ["files", "clock"]' for one in ["load", *(f"more{n}" for n in range(1, steps))]
        )
        self.write(f"{name}.toml", f"[repeatable]\n{repeatable}\n")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(dedent(text).lstrip("\n"))
        before = time.time() - 5
        os.utime(path, (before, before))

    def submit(self, name: str, **more) -> int:
        return self.ledger.submit(Ask(pipeline=name, project=str(self.folder), **more))

    def worker(self, *words: str, lease: float = 3) -> subprocess.Popen:
        one = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "worker", "--lease", str(lease), *words],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.workers.append(one)
        return one

    def close(self) -> None:
        for one in self.workers:
            for pid in family(one.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            one.communicate()
        self.lake.database.close()

    # -- what came of it

    def state(self, number: int) -> str:
        return self.ledger.order(number).state

    def marked(self, name: str) -> list[str]:
        path = self.marks / name
        return path.read_text().split() if path.exists() else []

    def publishes(self, name: str) -> int:
        """How many runs of a pipeline published, told by the log of main and by the runs: both must say the same."""
        log = [each.run for each in self.lake.log("main", limit=10_000) if each.message.startswith(f"{name} (")]
        runs = [each.name for each in self.records.runs(10_000) if each.pipeline == name and each.state == "published"]
        assert sorted(log) == sorted(runs)
        return len(runs)

    def computed_twice(self, order: int) -> dict[str, int]:
        """Steps whose result was recorded, and that were computed again for the same order."""
        counts = Counter(
            step.step
            for run in self.records.runs_kept(f"order-{order}")
            for step in self.records.steps(run.number)
            if step.outcome == "computed"
        )
        return {step: count for step, count in counts.items() if count > 1}

    def open_runs(self) -> list[int]:
        return [number for number, _, _ in self.records.unfinished()]

    def events(self, order: int) -> list[str]:
        return [kind for _, kind, _ in self.ledger.events(order)]


def family(pid: int) -> list[int]:
    """A process and all that descend from it, itself first."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop(0)
        found.append(one)
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(each) for each in (task / "children").read_text().split()]
    return found


def stop_between_writes(shop: Shop, pids: list[int]) -> None:
    """Stop processes as a starved machine does. Who is stopped within a transaction holds up all others, so not there."""
    while True:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        writer = Thread(target=_write_nothing, args=(shop,))
        writer.start()
        writer.join(1)
        if not writer.is_alive():
            return
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        writer.join()


def _write_nothing(shop: Shop) -> None:
    with shop.lake.database.writing():
        pass
    shop.lake.database.close()


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true, seconds: float = 60.0, what: object = "") -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.05)


def settled(worker: subprocess.Popen) -> list[dict]:
    """What a worker that was called with --json says that it did."""
    said, wrong = worker.communicate(timeout=60)
    assert worker.returncode == 0, wrong
    return json.loads(said)["orders"]
