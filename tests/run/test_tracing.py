"""A run is one trace of OpenTelemetry's, sent where its variables say, and only there."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.run.opening import open_lake_here
from pilotline.run.tracing import endpoint, spans_of

if TYPE_CHECKING:
    from tests.run.conftest import Project

MODULE = """
    import time

    import pandas as pd


    def load(n: int) -> pd.DataFrame:
        time.sleep(0.05)
        return pd.DataFrame({"n": range(n)})


    def total(loaded) -> int:
        return int(loaded["n"].sum())


    def pipeline(*, n: int = 5):
        loaded = load(n)
        answer = total(loaded)
        return {"loaded": loaded, "answer": answer}
"""


@pytest.fixture
def collector():
    """Takes what is sent to it; answers with ``status``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(
                (self.path, dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            )
            self.send_response(got.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Got(list):
        status = 200

    got = Got()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield got
    server.shutdown()
    server.server_close()


def spans(collector) -> list[dict]:
    ((_, _, document),) = collector
    return document["resourceSpans"][0]["scopeSpans"][0]["spans"]


def attributes(span) -> dict:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_run_is_sent_as_one_trace(project: Project, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=se%20cret")
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    project.write("explore.py", MODULE)
    project.write("explore.toml", "[tables.loaded]\nchecks = [{ not_null = ['n'] }]\n")
    project.run()
    ((path, headers, _),) = collector
    assert path == "/v1/traces"
    assert {name.lower(): value for name, value in headers.items()}["x-key"] == "se cret"
    run, *inside = spans(collector)
    assert (run["name"], run["traceId"], run["parentSpanId"]) == ("run explore", "ab" * 16, "cd" * 8)
    assert attributes(run)["pilotline.state"] == "published"
    assert [each["name"] for each in inside] == ["step load", "step total", "write shop.loaded", "check shop.loaded"]
    assert {each["parentSpanId"] for each in inside} == {run["spanId"]}
    assert len({each["spanId"] for each in (run, *inside)}) == 5
    load = inside[0]
    assert int(load["endTimeUnixNano"]) - int(load["startTimeUnixNano"]) >= 50_000_000
    for each in inside:
        assert int(run["startTimeUnixNano"]) <= int(each["startTimeUnixNano"]) <= int(each["endTimeUnixNano"])
        assert int(each["endTimeUnixNano"]) <= int(run["endTimeUnixNano"])
    assert attributes(inside[2]) == {"pilotline.table": "shop.loaded", "pilotline.rows": "5"}


def test_a_run_that_fails_says_so_in_its_trace(project: Project, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/mine")
    project.write("explore.py", MODULE)
    project.write("explore.toml", "[tables.loaded]\nchecks = [{ between = [0, 2], column = 'n' }]\n")
    with pytest.raises(PilotlineError):
        project.run()
    assert collector[0][0] == "/mine"
    run, *inside = spans(collector)
    assert run["status"]["code"] == 2
    assert "PL320" in run["status"]["message"]
    assert inside[-1]["status"]["code"] == 2


def test_who_collects_may_be_away_and_nothing_is_sent_unasked(project: Project, collector, monkeypatch):
    project.write("explore.py", MODULE)
    assert project.run().state == "published"
    assert collector == []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    collector.status = 500
    assert project.run(parameters={"n": "6"}).state == "published"
    assert [each["event"] for each in project.events][-1] == "no trace"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert project.run(parameters={"n": "7"}).state == "published"


def test_the_same_run_has_the_same_ids(project: Project):
    project.write("explore.py", MODULE)
    project.run()
    _, records = open_lake_here(project.folder)
    run = records.run(1)
    assert spans_of(run, records) == spans_of(run, records)
    assert "parentSpanId" not in spans_of(run, records)[0]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318/"}, "http://a:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x"}, "http://b/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "file:///etc"}, None),
    ],
)
def test_where_traces_go(environ, expected):
    assert endpoint(environ) == expected
