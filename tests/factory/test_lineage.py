"""What was made of what, from what runs left; and runs as OpenLineage tells them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pilotline.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

PIPELINES = {
    "explore": """
        from pathlib import Path
        import pandas as pd

        def read(csv: Path) -> pd.DataFrame:
            return pd.read_csv(csv)

        def total(orders: pd.DataFrame) -> pd.DataFrame:
            return orders.groupby("region", as_index=False)["amount"].sum()

        def pipeline(*, csv: Path = Path("orders.csv")):
            orders = read(csv)
            totals = total(orders)
            return {"orders": orders, "totals": totals}
    """,
    "weekly": """
        import pandas as pd
        import pilotline

        def read(totals: str) -> pd.DataFrame:
            return pilotline.read(totals)

        def pipeline(*, totals: str = "shop.totals"):
            weekly = read(totals)
            return {"weekly": weekly}
    """,
    "both": """
        import pandas as pd
        import pilotline

        def read(totals: str, weekly: str) -> pd.DataFrame:
            return pd.concat([pilotline.read(totals), pilotline.read(weekly)], ignore_index=True)

        def pipeline(*, totals: str = "shop.totals", weekly: str = "shop.weekly"):
            joined = read(totals, weekly)
            return {"joined": joined}
    """,
}


@pytest.fixture(params=["sqlite", "postgres"])
def shop(tmp_path, monkeypatch, request, capsys) -> Path:
    if request.param == "postgres":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pilotline.toml").write_text('namespace = "shop"\n')
    (folder / "orders.csv").write_text("region,amount\nnorth,1\nsouth,2\nnorth,3\n")
    for name, text in PIPELINES.items():
        (folder / f"{name}.py").write_text(dedent(text).lstrip("\n"))
        done = subprocess.run(
            [sys.executable, "-m", "pilotline", "run", name], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder


def call(capsys: Any, *words: str) -> tuple[int, Any]:
    status = main(["lineage", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def flat(by: list[dict[str, Any]]) -> list[Any]:
    return [
        (one["pipeline"], one["run"], [(each["kind"], each["name"], flat(each["by"])) for each in one["tables"]])
        for one in by
    ]


def test_lineage_goes_up_to_the_files_and_down_to_the_last_table(shop, capsys):
    status, said = call(capsys, "weekly")
    assert status == 0
    assert said["table"] == "shop.weekly"
    explore = ("explore", "run-1", [("file", "orders.csv", [])])
    assert flat(said["upstream"]) == [("weekly", "run-2", [("table", "shop.totals", [explore])])]
    assert flat(said["downstream"]) == [("both", "run-3", [("table", "shop.joined", [])])]
    _, joined = call(capsys, "shop.joined")
    # What stands in the tree already is not told twice.
    assert flat(joined["upstream"]) == [
        (
            "both",
            "run-3",
            [
                ("table", "shop.totals", [explore]),
                ("table", "shop.weekly", [("weekly", "run-2", [("table", "shop.totals", [])])]),
            ],
        )
    ]
    assert main(["lineage", "totals", "--html", "totals.html"]) == 0
    text = capsys.readouterr().out
    assert "    by explore (run-1, " in text
    assert "      orders.csv (file)\n" in text
    page = (shop / "totals.html").read_text()
    assert [page.count(f">{name}<") for name in ("orders.csv", "explore", "shop.totals", "shop.joined")] == [1, 1, 1, 1]
    assert main(["lineage", "nothing"]) != 0
    assert main(["lineage"]) == 2


def test_a_pipeline_that_reads_its_own_table_is_shown_once(shop, capsys):
    (shop / "loop.py").write_text(dedent(PIPELINES["weekly"]).replace("shop.totals", "shop.weekly"))
    (shop / "loop.toml").write_text('[tables.weekly]\nmode = "append"\n')
    assert main(["run", "loop"]) == 0
    capsys.readouterr()
    status, said = call(capsys, "shop.weekly", "--html", "loop.html")
    assert (status, {one["pipeline"] for one in said["upstream"]}) == (0, {"weekly", "loop"})
    assert (shop / "loop.html").read_text().count(">loop<") == 1


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_is_two_events_that_other_catalogs_understand(shop, capsys, tmp_path):
    (shop / "explore.py").write_text(
        "def read():\n    raise ValueError('no')\n\ndef pipeline():\n    one = read()\n    return {'one': one}\n"
    )
    assert main(["run", "explore"]) == 1
    capsys.readouterr()
    to = tmp_path / "events.jsonl"
    status, said = call(capsys, "--openlineage", str(to))
    assert (status, said) == (0, {"runs": 4, "events": 8, "last": 4})
    told = events(to)
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"] * 3 + ["START", "FAIL"]
    for event in told:
        assert uuid.UUID(event["run"]["runId"])
        assert datetime.fromisoformat(event["eventTime"]).utcoffset() is not None
        assert event["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
        facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
        facets += [facet for each in event["inputs"] + event["outputs"] for facet in each["facets"].values()]
        assert all({"_producer", "_schemaURL"} <= facet.keys() for facet in facets)
    assert len({event["run"]["runId"] for event in told}) == 4
    _, weekly = told[2:4]
    assert weekly["job"]["name"] == "weekly"
    [table] = weekly["inputs"]
    assert (table["namespace"], table["name"]) == ("shop:table", "shop.totals")
    assert [field["name"] for field in table["facets"]["schema"]["fields"]] == ["region", "amount"]
    [made] = weekly["outputs"]
    assert (made["name"], made["outputFacets"]["outputStatistics"]["rowCount"]) == ("shop.weekly", 2)
    assert [(each["namespace"], each["name"]) for each in told[1]["inputs"]] == [("shop:file", "orders.csv")]
    assert "ValueError" in told[-1]["run"]["facets"]["errorMessage"]["message"]
    assert call(capsys, "--openlineage", str(to), "--since", "4")[1] == {"runs": 0, "events": 0, "last": 4}


def test_events_are_posted_one_by_one_with_the_token(shop, capsys, monkeypatch):
    received: list[tuple[str, str]] = []

    class Receives(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append((self.headers["Authorization"], body["eventType"]))
            self.send_response(201 if len(received) < 5 else 503)
            self.end_headers()

        def log_message(self, *words):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receives)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
    status, said = call(capsys, "--openlineage", f"http://127.0.0.1:{server.server_address[1]}/api/v1/lineage")
    server.shutdown()
    server.server_close()
    assert (status, said["error"]["code"]) == (1, "PL573")
    assert received == [("Bearer k3y", "START"), ("Bearer k3y", "COMPLETE")] * 2 + [("Bearer k3y", "START")]
