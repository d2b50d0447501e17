"""Another catalog is told of runs as they begin and end, whatever it answers, and whoever is killed; no run waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilotline.factory.ledger import Ledger
from pilotline.factory.metrics import metrics
from pilotline.run import emitting
from pilotline.run.emitting import MIGRATIONS, Emitter, Target, target_of, waiting_by_project
from pilotline.run.errors import BadSettings, StepFailed
from pilotline.run.opening import open_lake_here
from pilotline.run.projects import Project

MODULE = """
    import time
    from pathlib import Path

    import pandas as pd


    def load(n: int, seconds: float) -> pd.DataFrame:
        time.sleep(seconds)
        if n < 0:
            raise ValueError("less than nothing")
        return pd.DataFrame({"n": range(n)})


    def pipeline(*, n: int = 5, seconds: float = 0.0):
        loaded = load(n, seconds)
        return {"loaded": loaded}
"""


class Catalog:
    """Takes events, or answers as it is told; ``stop`` and ``start`` as if it were away."""

    def __init__(self) -> None:
        self.seen: list[dict] = []
        self.taken: list[tuple[str, str]] = []
        self.status = lambda _: 201
        self.keys: set[str | None] = set()
        self.port = 0
        self.start()

    def start(self) -> None:
        catalog = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                catalog.seen.append(event)
                catalog.keys.add(self.headers["Authorization"])
                status = catalog.status(event)
                if 200 <= status < 300:
                    catalog.taken.append((event["run"]["runId"], event["eventType"]))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/lineage"

    def kinds(self) -> list[str]:
        return [kind for _, kind in self.taken]


@pytest.fixture
def catalog(monkeypatch):
    made = Catalog()
    monkeypatch.setenv("PILOTLINE_OPENLINEAGE_URL", made.url)
    yield made
    made.stop()


@pytest.fixture
def shop(project, lies, monkeypatch):
    # What others left is told without waiting for those that may still tell it, or for a server that was away.
    for name in ("_OWN", "_WAIT"):
        monkeypatch.setattr(emitting, name, emitting._OWN * 0)
    project.write("explore.py", MODULE)
    return project


def troubles(project) -> list[str]:
    return [event["because"] for event in project.events if event["event"] == "no openlineage"]


def test_a_run_tells_that_it_begins_and_what_became_of_it(shop, catalog, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret-key")
    shop.run(parameters={"n": "5"})
    assert catalog.kinds() == ["START", "COMPLETE"]
    start, end = catalog.seen
    assert start["run"]["runId"] == end["run"]["runId"]
    assert (end["job"]["name"], [each["name"].rpartition(".")[2] for each in end["outputs"]]) == ("explore", ["loaded"])
    assert catalog.keys == {"Bearer secret-key"}
    with pytest.raises(StepFailed):
        shop.run(parameters={"n": "-1"})
    assert catalog.kinds()[2:] == ["START", "FAIL"]
    assert len({run for run, _ in catalog.taken}) == 2
    assert troubles(shop) == []


def test_the_start_is_told_while_the_run_goes_on(shop, catalog):
    told = []
    catalog.status = lambda event: told.append((event["eventType"], time.monotonic())) or 201
    shop.run(parameters={"seconds": "2"})
    (_, start), (_, end) = told
    assert end - start > 1.5


def test_what_is_not_taken_fails_no_run_and_is_told_by_the_next_one(shop, catalog):
    catalog.status = lambda _: 500
    first = shop.run(parameters={"n": "1"})
    assert first.state == "published"
    (said,) = troubles(shop)
    assert said == "127.0.0.1 did not take an event: HTTP 500; it is told later"
    catalog.stop()
    assert shop.run(parameters={"n": "2"}).state == "published"
    assert "did not take an event" in troubles(shop)[0]
    lake, _ = open_lake_here(shop.folder)
    lake.database.register("openlineage", MIGRATIONS)
    (name,) = waiting_by_project(lake.database)
    assert f'pilotline_openlineage_waiting{{project="{name}"}} 2\n' in metrics(lake)
    catalog.status = lambda _: 200
    catalog.start()
    shop.run(parameters={"n": "3"})
    # Its own first, then what was left.
    assert catalog.kinds() == ["START", "COMPLETE"] * 3
    assert len({run for run, _ in catalog.taken}) == 3
    assert waiting_by_project(lake.database) == {name: 0}
    lake.database.close()


def test_a_catalog_that_hangs_holds_up_one_run_for_a_moment_and_the_next_not_at_all(shop, catalog, monkeypatch):
    shop.run(parameters={"n": "1"})
    monkeypatch.setattr(emitting, "_WAIT", emitting._LONGEST)
    hangs = threading.Event()
    catalog.status = lambda _: hangs.wait(60) and 200
    began = time.monotonic()
    assert shop.run(parameters={"n": "2"}).state == "published"
    first = time.monotonic() - began
    began = time.monotonic()
    assert shop.run(parameters={"n": "3"}).state == "published"
    second = time.monotonic() - began
    hangs.set()
    assert first - second < emitting._LIMIT + 1.5
    assert troubles(shop) == ["the other side did not answer a moment ago; it is told later"]
    # The first one's start was asked of it, and nothing more.
    assert len(catalog.seen) == 3


def test_an_event_that_is_refused_is_not_told_for_ever(shop, catalog):
    catalog.status = lambda event: 422 if event["eventType"] == "COMPLETE" else 200
    shop.run(parameters={"n": "1"})
    shop.run(parameters={"n": "2"})
    assert [event["eventType"] for event in catalog.seen] == ["START", "COMPLETE"] * 2


def test_only_one_tells_what_others_left(shop, catalog):
    catalog.status = lambda _: 503
    for n in range(3):
        shop.run(parameters={"n": str(n)})
    catalog.status = lambda _: time.sleep(0.05) or 200
    lake, _ = open_lake_here(shop.folder)
    lake.database.register("openlineage", MIGRATIONS)
    (name,) = waiting_by_project(lake.database)
    told = []

    def catch_up() -> None:
        own, _ = open_lake_here(shop.folder)
        told.append(Emitter(Target(kind="http", where=catalog.url), own.database, own, name).catch_up().events)
        own.database.close()

    threads = [threading.Thread(target=catch_up) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(told) == 6
    assert sorted(catalog.kinds()) == ["COMPLETE"] * 3 + ["START"] * 3
    lake.database.close()


def test_events_go_into_a_file(shop, monkeypatch):
    monkeypatch.setenv("PILOTLINE_OPENLINEAGE_URL", "events.jsonl")
    shop.run(parameters={"n": "1"})
    lines = (shop.folder / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]


def begun(shop, catalog) -> subprocess.Popen:
    """A run of a minute that has told that it began."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "run", "explore", "--set", "seconds=60"],
        cwd=shop.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while catalog.kinds() != ["START"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


def test_a_run_that_is_stopped_was_aborted(shop, catalog):
    process = begun(shop, catalog)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert catalog.kinds() == ["START", "ABORT"]


def test_a_run_that_is_killed_is_told_of_by_the_next_one(shop, catalog):
    process = begun(shop, catalog)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shop.run(parameters={"n": "2"})
    killed = catalog.taken[0][0]
    # An event may come twice, where its process was killed before it could note that it was taken.
    assert list(dict.fromkeys(kind for run, kind in catalog.taken if run == killed)) == ["START", "FAIL"]
    assert [kind for run, kind in catalog.taken if run != killed] == ["START", "COMPLETE"]


def test_a_factory_tells_what_could_not_be_told_when_the_catalog_is_there_again(shop, catalog):
    catalog.stop()
    (shop.folder / "pilotline.toml").touch()
    (shop.folder / "explore.toml").write_text('schedule = "every 1s"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--lease", "3", "--grace", "2"],
        cwd=shop.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    lake, records = open_lake_here(shop.folder)
    try:
        ledger, end = Ledger(lake.database), time.monotonic() + 120
        while len(ledger.orders(state="done")) < 2:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        (shop.folder / "explore.toml").write_text("")
        catalog.start()
        catalog.taken.clear()

        def published() -> set[int]:
            return {run.number for run in records.runs() if run.state == "published"}

        while len(catalog.taken) < 2 or not any(published()):
            assert time.monotonic() < end
            time.sleep(0.1)
        # A run whose worker is killed with all that it started is told of by the factory.
        said = subprocess.run(
            [sys.executable, "-m", "pilotline", "submit", "explore", "--set", "seconds=300", "--priority", "9", "--json"],
            cwd=shop.folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        number = json.loads(said.stdout)["order"]
        while not (order := ledger.order(number)).worker or not (kept := records.runs_kept(order.name)):
            assert time.monotonic() < end
            time.sleep(0.1)
        (worker,) = {int(order.worker.split(":")[1])}
        os.kill(worker, signal.SIGKILL)
        lost = kept[0].number
        while records.run(lost).state != "failed":
            assert time.monotonic() < end
            time.sleep(0.1)
        while ("FAIL") not in catalog.kinds():
            assert time.monotonic() < end
            time.sleep(0.1)
        ledger.cancel(number, "ann")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        lake.database.close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"PILOTLINE_OPENLINEAGE_URL": "https://a.example/x"}, ("http", "https://a.example/x", "")),
        ({"PILOTLINE_OPENLINEAGE_URL": "file:///var/events.jsonl"}, ("file", "/var/events.jsonl", "")),
        (
            {"OPENLINEAGE_URL": "http://m:5000", "OPENLINEAGE_API_KEY": "k"},
            ("http", "http://m:5000/api/v1/lineage", "k"),
        ),
        ({"OPENLINEAGE_URL": "http://m:5000/", "OPENLINEAGE_ENDPOINT": "/other"}, ("http", "http://m:5000/other", "")),
        (
            {
                "OPENLINEAGE__TRANSPORT__TYPE": "http",
                "OPENLINEAGE__TRANSPORT__URL": "http://m:5000",
                "OPENLINEAGE__TRANSPORT__ENDPOINT": "e",
                "OPENLINEAGE__TRANSPORT__AUTH": '{"type": "api_key", "apiKey": "k"}',
            },
            ("http", "http://m:5000/e", "k"),
        ),
        (
            {"OPENLINEAGE__TRANSPORT__TYPE": "file", "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": "/var/events.jsonl"},
            ("file", "/var/events.jsonl", ""),
        ),
        ({"OPENLINEAGE_URL": "http://m:5000", "OPENLINEAGE_DISABLED": "true"}, None),
    ],
)
def test_where_events_go(tmp_path, environ, expected):
    found = target_of(Project(folder=tmp_path), environ)
    assert (found and (found.kind, found.where, found.bearer)) == expected
    assert "k" not in repr(found).partition("where")[2].partition("timeout")[0] or not found or not found.bearer


def test_the_settings_say_it_and_variables_say_more(tmp_path):
    (tmp_path / "pilotline.toml").write_text('[openlineage]\nurl = "http://settings:5000/x"\n')
    project = Project(folder=tmp_path)
    assert target_of(project, {"OPENLINEAGE_URL": "http://m:5000"}).where == "http://settings:5000/x"
    assert target_of(project, {"PILOTLINE_OPENLINEAGE_URL": "http://own/x"}).where == "http://own/x"


@pytest.mark.parametrize(
    "environ",
    [
        {"PILOTLINE_OPENLINEAGE_URL": "ftp://user:secret@a.example/x"},
        {"OPENLINEAGE__TRANSPORT__TYPE": "kafka"},
        {"OPENLINEAGE__TRANSPORT__TYPE": "http"},
    ],
)
def test_what_cannot_be_understood_is_said_without_secrets_and_fails_no_run(shop, environ, monkeypatch):
    with pytest.raises(BadSettings) as caught:
        target_of(Project(folder=shop.folder), environ)
    assert "secret" not in caught.value.message
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert shop.run(parameters={"n": "1"}).state == "published"
    assert len(troubles(shop)) == 1
