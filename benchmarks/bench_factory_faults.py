"""Workers, runs, users' processes, schedulers and the database are killed at random moments; what becomes of the orders is counted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measuring import Result, from_tests

from pilotline.domain.errors import PilotlineError
from pilotline.domain.schedules import Once, Timing
from pilotline.factory.scheduling import Schedules
from pilotline.lake.inspecting import inspect_lake

NAME = "factory-faults"
GOAL = (
    "200 orders of 10 steps with 3 workers and 2 schedulers, on SQLite and a folder and on Postgres and S3: whatever is killed or"
    " stopped when, each order is published once or has failed with its reason, no recorded step is computed again, and a free"
    " worker takes over within the lease (3 s) and 10 s"
)

#: ``PILOTLINE_BENCH_ORDERS`` takes fewer for a quick look, ``PILOTLINE_BENCH_PLACES`` only one of the places.
_ORDERS = int(os.environ.get("PILOTLINE_BENCH_ORDERS", "200"))
_PLACES = os.environ.get("PILOTLINE_BENCH_PLACES", "folder,services").split(",")
_STEPS = 10
_LEASE = 3.0
_LATE = 10.0
#: What a step takes at least, in seconds.
_PAUSE = 0.05
#: Seconds between two kills, at least and at most.
_APART = (1.5, 9.0)
#: How often each is chosen, in proportion. The worker is stopped alone, or with all that it started.
_HOW = {"worker": 6, "run": 4, "steps": 4, "scheduler": 3, "stop worker": 1, "stop all": 1}
_DATABASE_KILLS = 5
#: Nobody waits for longer than this for one place, in seconds.
_PATIENCE = 60 + 30 * _ORDERS
_PIPELINE = '''
"""Counts to ten, a step at a time."""
import time

import pandas as pd


def first(start: int) -> pd.DataFrame:
    time.sleep({pause})
    return pd.DataFrame({{"number": [start]}})

{functions}

def pipeline(*, start: int = 1):
    step0 = first(start)
{calls}
    return {{"{name}": step{last}}}
'''
_STEP = """
def more{n}(before) -> pd.DataFrame:
    time.sleep({pause})
    return before + 1
"""
_SCHEDULER = """
import sys, threading
from pathlib import Path
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Scheduler, Schedules
from pilotline.run.opening import open_lake_here

database = open_lake_here(Path(sys.argv[1]))[0].database
Scheduler(Schedules(database, Ledger(database))).run(threading.Event())
"""


def measure() -> Result:
    """What went wrong, of all orders in all places."""
    # Each place in a process of its own, at the same time: while one waits for a lease, the other one works.
    began = {
        place: subprocess.Popen([sys.executable, __file__, place], stdout=subprocess.PIPE, text=True)
        for place in _PLACES
    }
    found = {}
    for place, process in began.items():
        said, _ = process.communicate()
        assert process.returncode == 0, f"{place}: the benchmark itself failed"
        found[place] = json.loads(said)
    faults = sum(each["faults"] for each in found.values())
    orders = _ORDERS * len(_PLACES)
    return Result(
        figure=faults,
        unit="faults",
        goal=0,
        peer="orders",
        peer_figure=orders,
        ratio=faults / orders,
        ok=not faults and all(each["kills"] for each in found.values()),
        command="kill -9 and SIGSTOP at random moments beside 3 `pilotline worker --lease 3` and 2 schedulers",
        data=found,
    )


def _in_place(place: str) -> dict[str, Any]:
    workers = from_tests("factory_workers", "factory/workers.py")
    # Bytecode is kept, as it is wherever something is installed and used, whatever the shell of the benchmark says.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bench-factory-faults-") as home:
        if place == "folder":
            return _Factory(workers, Path(home), None).go()
        services = from_tests("services", "services.py")
        postgres, bucket = services.Postgres(safe=True), services.Bucket()
        try:
            os.environ |= {
                "PILOTLINE_DATABASE": postgres.database(), "PILOTLINE_TABLES": bucket.new(), **bucket.variables(),
            }  # fmt: skip
            return _Factory(workers, Path(home), postgres).go()
        finally:
            postgres.close()
            bucket.close()


class _Factory:
    """Workers and schedulers on one project, and who kills them."""

    def __init__(self, module: Any, home: Path, postgres: Any) -> None:
        self._module = module
        self._postgres = postgres
        self._shop = module.Shop(home / "shop", home / "marks")
        self._schedules = Schedules(self._shop.lake.database, self._shop.ledger)
        self._chance = random.Random(5)  # noqa: S311 - moments, no secrets
        self._wrong: list[str] = []
        self._kills: Counter[str] = Counter()
        self._workers: list[subprocess.Popen[str]] = []
        self._schedulers: list[subprocess.Popen[bytes]] = []
        #: Who was stopped, and when each is woken.
        self._stopped: list[tuple[float, list[int]]] = []
        #: Order and token -> when its worker was killed or stopped, and for how long since somebody was free for it.
        self._left: dict[tuple[int, int], tuple[float, float]] = {}
        self._took: list[float] = []

    def go(self) -> dict[str, Any]:
        """Make all orders amid the kills, then judge."""
        shop, began = self._shop, time.monotonic()
        by_hand, planned = _ORDERS // 2, _ORDERS - _ORDERS // 2
        names = [f"p{number}" for number in range(10)]
        for name in names + [f"q{number}" for number in range(planned)]:
            self._write(name)
        # The way of an order that was asked for by hand, and of one that a scheduler has to think of in time.
        for number in range(by_hand):
            shop.submit(names[number % len(names)], parameters={"start": str(1000 * number)})
        soon = shop.ledger.now()
        for number in range(planned):
            at = soon + timedelta(seconds=5 + self._chance.uniform(0, 1.5 * planned))
            self._schedules.put(Timing(trigger=Once(at=at)), project=str(shop.folder), pipeline=f"q{number}")
        self._workers = [shop.worker(lease=_LEASE) for _ in range(3)]
        self._schedulers = [self._scheduler(), self._scheduler()]
        try:
            self._until_all_ended(began + _PATIENCE)
            self._wake(time.monotonic() + 1e9)
            self._refuse_those_that_ended()
        finally:
            for each in self._schedulers:
                each.kill()
                each.wait()
        orders = self._judge(planned)
        seconds = time.monotonic() - began
        shop.close()
        _say(f"{len(orders)} orders judged, wrong: {self._wrong}")
        return {
            "faults": len(self._wrong), "wrong": self._wrong[:10], "orders": len(orders),
            "states": dict(Counter(order.state for order in orders)),
            "kills": dict(self._kills), "take_overs": sum(order.take_overs for order in orders),
            "reasons": [order.because[:300] for order in orders if order.state != "done"][:5],
            "tries": sum(order.token for order in orders),
            "failures": dict(sum((Counter(order.failures) for order in orders), Counter())),
            "longest_take_over_seconds": round(max(self._took, default=0), 1), "seconds": round(seconds),
        }  # fmt: skip

    def _write(self, name: str) -> None:
        functions = "\n".join(_STEP.format(n=n, pause=_PAUSE) for n in range(1, _STEPS))
        calls = "\n".join(f"    step{n} = more{n}(step{n - 1})" for n in range(1, _STEPS))
        text = _PIPELINE.format(pause=_PAUSE, functions=functions, calls=calls, name=name, last=_STEPS - 1)
        self._shop.write(f"{name}.py", text)
        steps = ["first", *(f"more{n}" for n in range(1, _STEPS))]
        self._shop.write(f"{name}.toml", "[repeatable]\n" + "".join(f'{step} = ["clock"]\n' for step in steps))

    # -- killing

    def _until_all_ended(self, end: float) -> None:
        next_kill, looked, said = time.monotonic() + 3, time.monotonic(), 0.0
        ended = 0
        while True:
            now = time.monotonic()
            self._wake(now)
            try:
                open_orders = self._shop.ledger.orders(state="running"), self._shop.ledger.counts()
                ended = _ORDERS - self._to_come() - sum(open_orders[1].values())
            except PilotlineError as error:
                # The database starts; what is asked then is asked again.
                if error.code != "PL241":
                    raise
                time.sleep(0.1)
                looked = time.monotonic()
                continue
            self._watch(open_orders[0], now, now - looked)
            looked = now
            if ended == _ORDERS:
                return
            if now > end:
                self._wrong.append(f"{_ORDERS - ended} orders had no end after {_PATIENCE} s")
                return
            if now > said + 30:
                said = now
                _say(f"{ended} of {_ORDERS} ended, {dict(self._kills)}, wrong: {self._wrong}")
            if now > next_kill:
                next_kill = now + self._chance.uniform(*_APART)
                self._kill(ended)
            time.sleep(0.1)

    def _to_come(self) -> int:
        """Schedules whose order was not submitted yet."""
        return sum(each.due is not None for each in self._schedules.list())

    def _kill(self, ended: int) -> None:
        self._refuse_those_that_ended()
        if self._postgres is not None and ended * (_DATABASE_KILLS + 1) > (self._kills["database"] + 1) * _ORDERS:
            self._postgres.kill()
            time.sleep(self._chance.uniform(0, 1.5 * _LEASE))
            self._postgres.start()
            self._kills["database"] += 1
            return
        (how,) = self._chance.choices(list(_HOW), list(_HOW.values()))
        place = self._chance.randrange(3)
        if how == "scheduler":
            place = place % 2
            self._schedulers[place].kill()
            self._schedulers[place].wait()
            self._schedulers[place] = self._scheduler()
            self._kills[how] += 1
            return
        worker = self._workers[place]
        family = self._module.family(worker.pid)
        if worker.pid in self._stopped_pids():
            return
        match how:
            case "worker":
                self._leave(worker.pid)
                worker.kill()
                self._workers[place] = self._shop.worker(lease=_LEASE)
            case "run" if len(family) > 1:
                _signal(family[1], signal.SIGKILL)
            case "steps" if len(family) > 2:
                _signal(family[-1], signal.SIGKILL)
            case "stop worker" | "stop all" if len(family) > 1:
                self._leave(worker.pid)
                pids = family if how == "stop all" else family[:1]
                for pid in pids:
                    _signal(pid, signal.SIGSTOP)
                self._stopped.append((time.monotonic() + 2 * _LEASE + 0.5, pids))
            case _:
                return
        self._kills[how] += 1

    def _leave(self, pid: int) -> None:
        """Note what a worker holds that is killed or stopped now."""
        for order in self._shop.ledger.orders(state="running"):
            if _pid_of(order.worker) == pid:
                self._left[order.number, order.token] = (time.monotonic(), 0.0)

    def _wake(self, now: float) -> None:
        for _, pids in [each for each in self._stopped if each[0] <= now]:
            for pid in reversed(pids):
                _signal(pid, signal.SIGCONT)
        self._stopped = [each for each in self._stopped if each[0] > now]

    def _stopped_pids(self) -> set[int]:
        return {pid for _, pids in self._stopped for pid in pids}

    def _refuse_those_that_ended(self) -> None:
        """Nobody but the killer ends a worker or a scheduler."""
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self._wrong.append(f"a worker ended by itself: {worker.communicate()[1][-2000:]}")
                self._workers[place] = self._shop.worker(lease=_LEASE)
        for place, scheduler in enumerate(self._schedulers):
            if scheduler.poll() is not None:
                self._wrong.append(f"a scheduler ended by itself with {scheduler.returncode}")
                self._schedulers[place] = self._scheduler()

    def _scheduler(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _SCHEDULER, str(self._shop.folder)], cwd=self._shop.folder)

    # -- judging

    def _watch(self, running: Any, now: float, passed: float) -> None:
        """How long what a worker left is left, and whether somebody was free for it."""
        busy = {_pid_of(order.worker) for order in running} | self._stopped_pids()
        free = any(worker.pid not in busy for worker in self._workers)
        for (number, token), (since, waited) in list(self._left.items()):
            order = self._shop.ledger.order(number)
            if (order.state == "running" and order.token == token) or order.state == "waiting":
                if free and now - since > _LEASE and order.due <= datetime.now(UTC):
                    self._left[number, token] = (since, waited + passed)
                continue
            del self._left[number, token]
            if order.token > token:
                self._took.append(now - since)
            if waited > _LATE:
                self._wrong.append(f"{order.name} was left for {now - since:.1f} s while a worker was free")

    def _judge(self, planned: int) -> list[Any]:
        shop, wrong = self._shop, self._wrong
        orders = list(shop.ledger.orders(limit=10 * _ORDERS))
        if len(orders) != _ORDERS:
            wrong.append(f"{len(orders)} orders instead of {_ORDERS}")
        scheduled = Counter(order.ask.pipeline for order in orders if order.ask.schedule)
        if scheduled != Counter(f"q{number}" for number in range(planned)):
            wrong.append(f"not one order a schedule: {scheduled.most_common(3)}")
        log = Counter(each.run for each in shop.lake.log("main", limit=100_000))
        for order in orders:
            runs = shop.records.runs_kept(order.name)
            published = [run for run in runs if run.state == "published"]
            commits = sum(log.pop(run.name, 0) for run in runs)
            if not (order.state == "done" or (order.state in {"failed", "dead"} and order.because)):
                wrong.append(f"{order.name} is {order.state}, because {order.because!r}")
            if odd := set(order.failures) - {"died", "infrastructure"}:
                wrong.append(f"{order.name} failed as if it were to blame, {odd}: {order.because}")
            if not len(published) == commits == (order.state == "done"):
                wrong.append(
                    f"{order.name} is {order.state}, {len(published)} runs published, {commits} commits on main"
                )
            if again := shop.computed_twice(order.number):
                wrong.append(f"{order.name} computed again what was recorded: {again}")
        wrong += [f"a run is left open: {number}" for number in shop.open_runs()]
        wrong += [problem.what for problem in inspect_lake(shop.lake).problems]
        if strange := [run for run in log if run]:
            wrong.append(f"commits of nobody's: {strange[:3]}")
        return orders


def _pid_of(worker: str) -> int:
    return int(worker.split(":")[1])


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {sys.argv[1]}: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_in_place(sys.argv[1])) + "\n")
