"""One command runs what is scheduled, and keeps doing so whatever happens to its worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilotline.factory.ledger import Ledger
from pilotline.run.opening import open_lake_here

MODULE = """
import time


def count(seconds: float) -> int:
    time.sleep(seconds)
    return 1


def pipeline(*, seconds: float = 0.0):
    number = count(seconds)
    return {"number": number}
"""


class Factory:
    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--lease", "3", "--grace", "2", *words]
        with (folder / "said").open("w") as said, (folder / "wrong").open("w") as wrong:
            self.process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=wrong, start_new_session=True)
        self.wait_for(lambda: "runs:" in self.said)

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def wait_for(self, what, seconds: float = 60.0):
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f"{self.said}\n{(self.folder / 'wrong').read_text()}"
            assert self.process.poll() is None, (self.folder / "wrong").read_text()
            time.sleep(0.05)
        return found

    def orders(self, state: str | None = None):
        lake, _ = open_lake_here(self.folder)
        try:
            return Ledger(lake.database).orders(state=state)
        finally:
            lake.database.close()

    @property
    def workers(self) -> list[int]:
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            found += [int(one) for one in (task / "children").read_text().split()]
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def shop(lies, tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "counting.py").write_text(MODULE)
    started = []

    def start(schedule: str, *words: str) -> Factory:
        (folder / "counting.toml").write_text(f'schedule = "{schedule}"\n')
        started.append(Factory(folder, *words))
        return started[-1]

    yield start
    for each in started:
        for pid in (*each.workers, each.process.pid) if each.process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        each.process.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_scheduled_is_carried_out_and_all_of_it_ends_with_the_command(shop):
    factory = shop("every 1s")
    factory.wait_for(lambda: len(factory.orders("done")) >= 2)
    assert factory.orders("failed") == ()
    workers = factory.workers
    assert len(workers) == 1
    assert factory.stop() == 0
    assert factory.said.splitlines()[-1] == "stopped"
    assert not any(map(alive, workers))


def test_a_worker_that_is_killed_is_replaced_and_its_order_is_taken_over(shop):
    factory = shop("every 365d")
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "submit", "counting", "--set", "seconds=4", "--json"],
        cwd=factory.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["state"] == "waiting"
    factory.wait_for(lambda: factory.orders("running"))
    (worker,) = factory.workers
    os.kill(worker, signal.SIGKILL)
    (order,) = factory.wait_for(lambda: factory.orders("done"))
    assert (order.take_overs, order.token, order.result) == (1, 2, "published")
    assert worker not in factory.workers
    assert "a worker was killed by SIGKILL" in (factory.folder / "wrong").read_text()
    assert factory.stop() == 0


def test_it_can_be_stopped_as_soon_as_it_says_that_it_runs_and_twice_when_one_is_in_a_hurry(shop):
    for _ in range(3):
        assert shop("every 365d").stop() == 0
    factory = shop("every 365d", "--grace", "300")
    subprocess.run(
        [sys.executable, "-m", "pilotline", "submit", "counting", "--set", "seconds=200"],
        cwd=factory.folder, capture_output=True, check=True,
    )  # fmt: skip
    factory.wait_for(lambda: factory.orders("running"))
    factory.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert factory.process.poll() is None
    assert factory.stop() == 0
    (order,) = factory.orders("waiting")
    assert order.take_overs == 0


def test_workers_end_with_a_factory_that_is_killed(shop):
    factory = shop("every 365d")
    factory.wait_for(lambda: len(factory.workers) == 1 and "worker " in factory.said)
    (worker,) = factory.workers
    os.kill(factory.process.pid, signal.SIGKILL)
    factory.process.wait()
    end = time.monotonic() + 30
    while alive(worker):
        assert time.monotonic() < end
        time.sleep(0.05)
