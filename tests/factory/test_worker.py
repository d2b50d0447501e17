"""Workers, really killed, really stopped, on SQLite and a folder and on Postgres and S3."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.factory.workers import Shop, family, lives, settled, stop_between_writes, until

from pilotline.factory.fulfilling import fulfil

if TYPE_CHECKING:
    from pathlib import Path

LEASE = 3.0


@pytest.fixture(params=["folder", "services"])
def shop(request, tmp_path: Path, monkeypatch) -> Shop:
    if request.param == "services":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
        monkeypatch.setenv("PILOTLINE_TABLES", request.getfixturevalue("bucket"))
    made = Shop(tmp_path / "shop", tmp_path / "marks")
    yield made
    made.close()


def test_a_worker_carries_out_what_is_due_and_says_how_it_ended(shop: Shop):
    shop.pipeline("good")
    shop.pipeline("bad")
    shop.write("bad.py", (shop.folder / "bad.py").read_text().replace("before + 1", "before + missing"))
    good, bad, unknown = shop.submit("good"), shop.submit("bad"), shop.submit("nothing")
    later = shop.submit("good", due=shop.ledger.now() + timedelta(hours=1))
    told = settled(shop.worker("--drain", "--json"))
    assert [(each["order"], each["state"]) for each in told] == [(good, "done"), (bad, "failed"), (unknown, "failed")]
    assert (shop.state(later), shop.publishes("good"), shop.publishes("bad")) == ("waiting", 1, 0)
    assert "NameError" in shop.ledger.order(bad).because
    assert shop.ledger.order(unknown).because.startswith("PL301")
    assert shop.ledger.order(good).run == shop.records.runs_kept(f"order-{good}")[0].number
    again = shop.submit("good")
    assert [each["state"] for each in settled(shop.worker("--once", "--json"))] == ["done"]
    assert (shop.ledger.order(again).result, shop.publishes("good")) == ("unchanged", 1)


def test_a_killed_worker_is_taken_over_within_a_lease_and_ten_seconds_behind_the_recorded_step(shop: Shop):
    shop.pipeline("slow")
    shop.pause(0)
    number = shop.submit("slow")
    (shop.marks / "pause").write_text("0.5")
    first = shop.worker(lease=LEASE)
    until(lambda: len(shop.marked("slow")) >= 3, 60)
    pids = family(first.pid)
    assert len(pids) == 3, "worker, run, steps"
    second = shop.worker("--json", lease=LEASE)
    os.kill(first.pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: not any(lives(pid) for pid in pids[1:]), 60, "the run outlived its worker")
    until(lambda: shop.ledger.order(number).token == 2, LEASE + 10)
    assert time.monotonic() - killed < LEASE + 10
    until(lambda: shop.state(number) == "done", 60, lambda: shop.ledger.events(number))
    assert shop.computed_twice(number) == {}
    assert shop.marked("slow").count("load") == 1
    assert [run.state for run in shop.records.runs_kept(f"order-{number}")] == ["failed", "published"]
    assert (shop.publishes("slow"), shop.ledger.order(number).take_overs) == (1, 1)
    second.send_signal(signal.SIGTERM)
    assert [each["state"] for each in settled(second)] == ["done"]


@pytest.mark.parametrize("meanwhile", ["nobody", "another"])
@pytest.mark.parametrize("who", ["all", "worker"])
def test_a_worker_that_is_stopped_for_two_leases_and_woken_publishes_nothing(shop: Shop, who: str, meanwhile: str):
    shop.pipeline("slow", 3)
    number = shop.submit("slow")
    # The step that goes on then takes longer than what is left of the lease.
    shop.pause(2.5)
    first = shop.worker("--once", "--json", lease=2)
    until(lambda: len(shop.marked("slow")) >= 2)
    stopped = family(first.pid) if who == "all" else [first.pid]
    stop_between_writes(shop, stopped)
    shop.pause(0)
    if meanwhile == "another":
        shop.worker(lease=30)
    time.sleep(2 * 2 + 0.5)
    if meanwhile == "another":
        until(lambda: shop.state(number) == "done", what=lambda: shop.ledger.events(number))
    for pid in reversed(stopped):
        os.kill(pid, signal.SIGCONT)
    assert [each["state"] for each in settled(first)] == ["lost"]
    runs = shop.records.runs_kept(f"order-{number}")
    if meanwhile == "nobody":
        assert shop.publishes("slow") == 0
        assert [each["state"] for each in settled(shop.worker("--drain", "--json"))] == ["done"]
        runs = shop.records.runs_kept(f"order-{number}")
    assert [run.state for run in runs] == ["failed", "published"]
    assert (shop.publishes("slow"), shop.ledger.order(number).token) == (1, 2)


def test_who_lost_an_order_records_nothing_more_of_it(shop: Shop):
    shop.pipeline("good")
    shop.submit("good")
    claim = shop.ledger.claim("late", timedelta(seconds=1))
    until(lambda: shop.ledger.standing(claim) == "lost")
    assert fulfil(shop.ledger, claim).how == "lost"
    assert (shop.records.runs(), shop.marked("good")) == ((), [])


def test_a_cancelled_order_is_stopped_with_all_that_it_started(shop: Shop):
    shop.pipeline("slow")
    number = shop.submit("slow")
    shop.pause(300)
    worker = shop.worker("--once", "--json", lease=60)
    until(lambda: shop.marked("slow") == ["load"])
    started = family(worker.pid)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "cancel", str(number)],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [each["state"] for each in settled(worker)] == ["cancelled"]
    until(lambda: not any(lives(pid) for pid in started))
    assert (shop.state(number), shop.publishes("slow"), shop.open_runs()) == ("cancelled", 0, [])


def test_an_order_that_takes_too_long_has_failed_and_its_processes_are_gone(shop: Shop):
    shop.pipeline("slow")
    number = shop.submit("slow", timeout=timedelta(seconds=12))
    shop.pause(300)
    worker = shop.worker("--once", "--json", lease=60)
    until(lambda: len(family(worker.pid)) == 3)
    started = family(worker.pid)[1:]
    assert [each["state"] for each in settled(worker)] == ["failed"]
    until(lambda: not any(lives(pid) for pid in started))
    assert shop.ledger.order(number).because.startswith("PL338")


STUBBORN = """
import subprocess, sys, time
from pathlib import Path

CODE = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN);"
    " open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
)


def start() -> int:
    child = subprocess.Popen([sys.executable, "-c", CODE, "{pid}"])
    child.wait()
    return 1


def pipeline():
    number = start()
    return {{"number": number}}
"""


@pytest.mark.parametrize("how", ["cancelled", "too long", "worker killed", "run killed", "steps killed"])
def test_what_a_step_started_goes_with_it_even_if_it_will_not_listen(shop: Shop, how: str):
    pid = shop.marks / "pid"
    shop.write("stubborn.py", STUBBORN.format(pid=pid))
    number = shop.submit("stubborn", timeout=timedelta(seconds=15) if how == "too long" else None)
    worker = shop.worker("--once", "--json", lease=60)
    until(lambda: pid.exists() and pid.read_text())
    grandchild = int(pid.read_text())
    _, run, steps, last = family(worker.pid)
    assert last == grandchild
    match how:
        case "cancelled":
            shop.ledger.cancel(number, "ann")
        case "worker killed":
            worker.kill()
        case "run killed":
            os.kill(run, signal.SIGKILL)
        case "steps killed":
            os.kill(steps, signal.SIGKILL)
        case _:
            pass
    until(lambda: not any(lives(each) for each in (run, steps, grandchild)), 60)
    assert shop.publishes("stubborn") == 0


@pytest.mark.parametrize(("grace", "state"), [("30", "done"), ("0", "waiting")])
def test_a_worker_that_is_told_to_stop_ends_its_order_or_gives_it_back(shop: Shop, grace: str, state: str):
    shop.pipeline("slow")
    number, other = shop.submit("slow"), shop.submit("slow")
    shop.pause(1)
    worker = shop.worker("--grace", grace, "--json", lease=60)
    until(lambda: len(shop.marked("slow")) >= 2)
    worker.send_signal(signal.SIGTERM)
    assert [each["state"] for each in settled(worker)] == [state]
    assert (shop.state(number), shop.state(other)) == (state, "waiting")
    shop.pause(0)
    settled(shop.worker("--drain", "--json"))
    assert (shop.state(number), shop.state(other), shop.publishes("slow")) == ("done", "done", 1)
    assert shop.computed_twice(number) == {}
    assert shop.ledger.order(number).take_overs == 0


def test_steps_that_are_killed_are_tried_again_without_being_asked(shop: Shop):
    shop.pipeline("slow")
    number = shop.submit("slow")
    shop.pause(1)
    worker = shop.worker("--once", "--json", lease=60)
    until(lambda: len(shop.marked("slow")) >= 2)
    os.kill(family(worker.pid)[-1], signal.SIGKILL)
    assert [each["state"] for each in settled(worker)] == ["waiting"]
    shop.pause(0)
    order = shop.ledger.order(number)
    assert order.failures == {"died": 1}
    assert "PL312" in order.because
    until(lambda: shop.ledger.now() > order.due)
    settled(shop.worker("--once", "--json"))
    assert (shop.state(number), shop.publishes("slow"), shop.computed_twice(number)) == ("done", 1, {})


def test_an_interpreter_that_is_killed_while_it_is_asked_what_is_installed_is_asked_again(shop: Shop):
    shop.pipeline("good")
    (shop.folder / ".venv" / "bin").mkdir(parents=True)
    python = shop.folder / ".venv" / "bin" / "python"
    once = shop.folder / "killed"
    python.write_text(f'#!/bin/sh\nif [ ! -e {once} ]; then touch {once}; kill -9 $$; fi\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    number = shop.submit("good")
    worker = shop.worker("--json")
    until(lambda: shop.state(number) in {"done", "failed"}, 60, lambda: shop.ledger.events(number))
    worker.send_signal(signal.SIGTERM)
    settled(worker)
    order = shop.ledger.order(number)
    assert (order.state, dict(order.failures), once.exists()) == ("done", {"died": 1}, True)


@pytest.mark.parametrize("point", ["publish-pointer-moved", "publish-before-commit", "publish-committed"])
def test_killed_at_any_point_of_its_publish_an_order_is_done_exactly_once(shop: Shop, monkeypatch, point: str):
    shop.pipeline("good", 2)
    number = shop.submit("good")
    monkeypatch.setenv("PILOTLINE_CRASH_AT", point)
    worker = shop.worker("--once", "--json")
    monkeypatch.delenv("PILOTLINE_CRASH_AT")
    (told,) = settled(worker)
    committed = point == "publish-committed"
    assert told["state"] == ("done" if committed else "waiting")
    assert shop.publishes("good") == int(committed)
    until(lambda: shop.ledger.now() > shop.ledger.order(number).due)
    settled(shop.worker("--drain", "--json"))
    assert (shop.state(number), shop.publishes("good"), shop.open_runs()) == ("done", 1, [])


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_killed_at_random_leave_every_order_published_once_or_failed_with_a_reason(shop: Shop, seed: int):
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(5)]
    for name in names:
        shop.pipeline(name, 5)
    shop.pause(0.15)
    orders = {shop.submit(name): name for name in names}
    running = [shop.worker(lease=LEASE) for _ in range(3)]
    end = time.monotonic() + 150
    kills = 0
    while shop.ledger.orders(state="waiting") or shop.ledger.orders(state="running"):
        assert time.monotonic() < end, [(each.name, each.state, each.because) for each in shop.ledger.orders()]
        if kills < 14:
            time.sleep(chance.uniform(0.2, 1.5))
            place = chance.randrange(3)
            # The worker, or the last of what it has started: the run, or its steps.
            victim = chance.choice(family(running[place].pid))
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                kills += 1
            if victim == running[place].pid:
                running[place] = shop.worker(lease=LEASE)
        else:
            time.sleep(0.2)
    assert kills >= 3
    for number, name in orders.items():
        order = shop.ledger.order(number)
        assert shop.publishes(name) == int(order.state == "done"), shop.ledger.events(number)
        assert order.state == "done" or (order.state in {"failed", "dead"} and order.because)
        assert shop.computed_twice(number) == {}, shop.ledger.events(number)
    assert shop.open_runs() == []
