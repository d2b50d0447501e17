"""One command runs what is scheduled, and keeps doing so whatever happens to its worker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import pytest

import services
from pilotline.domain.orders import Ask
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


def wrong(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pilotline", "factory", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_a_factory_that_cannot_serve_says_so_before_it_begins_anything(tmp_path):
    (tmp_path / "pilotline.toml").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = wrong(tmp_path, "--port", str(port))
        assert (done.returncode, "PL501" in done.stderr) == (1, True), done.stderr
        # Whether its database answers or not.
        (tmp_path / "pilotline.toml").write_text(f'[lake]\ndatabase = "postgresql://nobody@/none?host={tmp_path}"\n')
        assert "PL501" in wrong(tmp_path, "--port", str(port)).stderr
    done = wrong(tmp_path, "--port", "70000")
    assert (done.returncode, "'70000' is no whole number from 0 to 65535" in done.stderr) == (2, True), done.stderr
    # As where only the small install is there.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'uvicorn' else find(name, *more)\n"
    )
    command = [sys.executable, "-m", "pilotline", "factory"]
    environ = dict(os.environ, PYTHONPATH=str(tmp_path))
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "what serves over HTTP is not installed" in done.stderr) == (2, True), done.stderr


def test_a_factory_that_starts_before_its_database_waits_says_so_and_goes_on(tmp_path):
    postgres = services.Postgres()
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "counting.py").write_text(MODULE)
    (folder / "counting.toml").write_text('schedule = "every 1s"\n')
    (folder / "pilotline.toml").write_text(f'[lake]\ndatabase = "{postgres.database()}"\n')
    postgres.kill()
    command = [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--lease", "3", "--grace", "2"]
    with (folder / "said").open("w") as out, (folder / "wrong").open("w") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while "it is tried again" not in (folder / "wrong").read_text():
            assert process.poll() is None, (folder / "wrong").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        # Said once, however often it is tried.
        time.sleep(5)
        assert (folder / "wrong").read_text().count("it is tried again") == 1
        assert "runs:" not in (folder / "said").read_text()
        postgres.start()
        lake, _ = open_lake_here(folder)
        ledger, end = Ledger(lake.database), time.monotonic() + 90
        while not ledger.orders(state="done"):
            assert process.poll() is None, (folder / "wrong").read_text()
            assert time.monotonic() < end, (folder / "wrong").read_text()
            time.sleep(0.2)
        lake.database.close()
        assert "runs: 1 schedule, 1 worker" in (folder / "said").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        postgres.close()


def test_what_is_too_old_is_let_go_every_hour_whatever_went_wrong_before(lies, tmp_path, monkeypatch):
    from pilotline.cli import factory as command
    from pilotline.factory import forgetting

    (tmp_path / "pilotline.toml").touch()
    lake, _ = open_lake_here(tmp_path)
    ledger = Ledger(lake.database)
    monkeypatch.setattr(command, "_HOUSE", 0.3)
    real, tried, warned = forgetting.forget, [], []

    def forget(*given):
        tried.append(time.monotonic())
        if len(tried) == 2:
            raise OSError("the disk is away")
        return real(*given)

    class Teller:
        def warn(self, text: str) -> None:
            warned.append(text)

    def old(name: str) -> None:
        number = ledger.submit(Ask(id=name, pipeline="p", project="/shop"))
        ledger.cancel(number, "somebody")

    monkeypatch.setattr(forgetting, "forget", forget)
    kept = forgetting.Kept(orders=timedelta(0), logs=None)
    stopped = Event()
    old("first")

    def keep_house() -> None:
        command._forget(kept, lake, stopped, Teller())
        lake.database.close()

    house = Thread(target=keep_house)
    house.start()
    end = time.monotonic() + 30
    for name in ("first", "second"):
        while name in [order.ask.id for order in ledger.orders()]:
            assert time.monotonic() < end
            time.sleep(0.05)
        if name == "first":
            old("second")
    stopped.set()
    house.join(60)
    assert not house.is_alive()
    assert len(tried) >= 3
    assert all(later - before >= 0.3 for before, later in pairwise(tried))
    assert warned == ["OSError: the disk is away; what is too old is let go later"]
    assert ledger.orders() == ()
    lake.database.close()
