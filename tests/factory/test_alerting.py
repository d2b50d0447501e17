"""What is wrong is told to its owner: once, not a flood, by any of the channels, and once more when it is over."""

from __future__ import annotations

import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.pipelines import BadContract, contract_of, toml_of_contract
from pilotline.factory.alerting import Alert, Alerting, News, NotDelivered, Promise, promises_of
from pilotline.factory.channels import Mail, Slack, Webhook, channels_of
from pilotline.lake.lake import open_lake
from pilotline.run.errors import BadSettings
from pilotline.run.projects import Project
from pilotline.run.records import Records

if TYPE_CHECKING:
    from pathlib import Path


class Heard:
    """A channel that remembers."""

    def __init__(self, name: str = "heard") -> None:
        self.name = name
        self.messages: list[list[str]] = []
        self.broken = False

    def send(self, news: list[News]) -> None:
        if self.broken:
            raise NotDelivered("nobody listens")
        self.messages.append([each.text for each in news])


class Past:
    """Runs as they would have been left."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.database = open_lake(folder, database=url).database
        Records(self.database)
        self.alerting = Alerting(self.database)
        self.heard = Heard()

    def run(
        self, pipeline: str, state: str, *, ago: timedelta = timedelta(0), took: timedelta = timedelta(seconds=10),
        because: str = "", makes: str = "", publishes: bool = True,
    ) -> int:  # fmt: skip
        ended = datetime.now(UTC) - ago
        with self.database.writing() as tx:
            ((number,),) = tx.execute(
                "INSERT INTO run (pipeline, module, state, onto, base, outcome, parameters, recipes, environment, author,"
                " began, ended, host, pid, pid_began, because)"
                " VALUES (:pipeline, 'm', :state, 'main', 'b', '', '{}', '{}', '', 'ada@example.org', :began, :ended,"
                " 'h', 1, '', :because) RETURNING number",
                pipeline=pipeline, state=state, because=because, began=(ended - took).isoformat(),
                ended=None if state == "running" else ended.isoformat(),
            )  # fmt: skip
            tx.execute(
                "INSERT INTO run_event (run, seq, at, kind, facts) VALUES (:run, 1, '', 'branch', :facts)",
                run=number, facts=json.dumps({"publishes": publishes}),
            )  # fmt: skip
            if makes:
                tx.execute(
                    "INSERT INTO lineage (run, direction, kind, name, state) VALUES (:run, 'out', 'table', :name, 's')",
                    run=number, name=makes,
                )  # fmt: skip
        return number

    def end(self, number: int, state: str) -> None:
        with self.database.writing() as tx:
            tx.execute(
                "UPDATE run SET state = :state, ended = :now WHERE number = :number",
                state=state, now=datetime.now(UTC).isoformat(), number=number,
            )  # fmt: skip

    def told(self, *promises: Promise) -> list[list[str]]:
        """The messages of one look."""
        self.heard.messages.clear()
        self.alerting.look(promises, [self.heard])
        self.alerting.deliver([self.heard])
        return [*self.heard.messages]


@pytest.fixture(params=["sqlite", "postgres"])
def past(tmp_path, request) -> Past:
    url = request.getfixturevalue("postgres").database() if request.param == "postgres" else None
    return Past(tmp_path, url)


def test_a_failure_is_told_once_and_once_more_when_it_is_over(past):
    past.run("explore", "published")
    assert past.told() == []
    past.run("explore", "failed", because="PL310: step read raised ValueError\n  more")
    assert past.told() == [["explore failed (run-2): PL310: step read raised ValueError"]]
    past.run("explore", "failed", because="PL310: again")
    assert past.told() == []
    past.run("explore", "published")
    assert past.told() == [["explore runs again"]]
    assert past.told() == []
    past.run("explore", "failed", because="PL312: died")
    assert past.told() == [["explore failed (run-5): PL312: died"]]


def test_many_failures_at_once_are_one_message(past):
    for number in range(30):
        past.run(f"pipeline_{number:02}", "failed", because="PL312: died")
    [message] = past.told()
    assert len(message) == 30
    assert past.told() == []


def test_what_nobody_waits_for_is_no_alert(past):
    past.run("explore", "published")
    past.run("explore", "failed", because="PL320: a check of a change", publishes=False)
    past.run("explore", "unchanged", because="not asked to publish")
    past.run("explore", "cancelled", because="stopped by the user")
    assert past.told() == []
    past.run("weekly", "failed", because="PL312: died")
    past.run("weekly", "unchanged", because="not asked to publish")
    assert past.told() == [["weekly failed (run-5): PL312: died"]], "a check of a change is no recovery"


def test_a_table_older_than_promised_is_late_until_it_is_made_or_found_up_to_date(past):
    promise = Promise(table="shop.totals", owner="bob@example.org", fresh=timedelta(hours=24))
    assert past.told(promise) == [], "never made: nobody reads it yet"
    past.run("explore", "published", ago=timedelta(hours=23), makes="shop.totals")
    assert past.told(promise) == []
    late = Promise(table="shop.totals", owner="bob@example.org", fresh=timedelta(hours=22))
    assert past.told(late) == [["shop.totals is late: made 23 h ago by explore, promised every 22 h"]]
    assert past.alerting.open()[0].owner == "bob@example.org"
    assert past.told(late) == []
    past.run("explore", "unchanged", because="run-1 published the same")
    assert past.told(late) == [["shop.totals is up to date again"]]


def test_a_run_that_takes_longer_than_usual_is_told_while_it_runs(past):
    for _ in range(3):
        past.run("explore", "published", took=timedelta(minutes=5))
    past.run("explore", "running", took=timedelta(minutes=14))
    assert past.told() == []
    slow = past.run("explore", "running", took=timedelta(minutes=16))
    assert past.told() == [["run-5 takes longer than usual: explore has been running for 16 min, it takes 5 min else"]]
    assert past.told() == []
    past.end(slow, "published")
    assert past.told() == [["run-5 has ended"]]


def test_a_message_that_does_not_get_through_is_sent_later_and_by_the_other_channel_once(past, monkeypatch):
    past.run("explore", "failed", because="PL312: died")
    other = Heard("other")
    past.heard.broken = True
    past.alerting.look((), [past.heard, other])
    for _ in range(3):
        past.alerting.deliver([past.heard, other])
    assert (past.heard.messages, len(other.messages)) == ([], 1)
    [(_, _, due, attempts, done, because), _] = past.alerting.deliveries(1)
    assert (attempts, done, because) == (1, None, "nobody listens"), "not before its time"
    with past.database.writing() as tx:
        tx.execute(
            "UPDATE delivery SET due = :now WHERE done IS NULL", now=datetime(2020, 1, 1, tzinfo=UTC).isoformat()
        )
    past.heard.broken = False
    past.alerting.deliver([past.heard, other])
    assert (past.heard.messages, len(other.messages)) == ([["explore failed (run-1): PL312: died"]], 1)
    assert due > datetime.now(UTC).isoformat()


def test_what_was_over_before_anybody_was_told_needs_no_message(past):
    past.run("explore", "failed", because="PL312: died")
    past.alerting.look((), [past.heard])
    past.run("explore", "published")
    assert past.told() == []
    assert [alert.closed is not None for alert in past.alerting.lately()] == [True]


def order(
    past: Past, pipeline: str, state: str, *, run: int | None = None, because: str = "", partition: str = ""
) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    with past.database.writing() as tx:
        tx.execute(
            "INSERT INTO factory_order (id, pipeline, project, release_id, onto, parameters, partition_value, key, priority,"
            " due, origin, schedule, attempts, owner, fresh, state, submitted, ended, run, because)"
            " VALUES (:id, :pipeline, 'p', '', 'main', '{}', :partition, '', 0, :now, 'person', '', 3, 'bob', 0, :state, :now,"
            " :ended, :run, :because)",
            id=now, pipeline=pipeline, state=state, now=now, ended=None if state == "waiting" else now, run=run,
            because=because, partition=partition,
        )  # fmt: skip


def test_a_partition_that_failed_is_told_though_the_next_ones_were_made(past):
    def backfilled(partition: str, state: str) -> int:
        because = "" if state == "done" else "PL310: step read raised KeyError"
        run = past.run("daily", "published" if state == "done" else "failed", because=because)
        order(past, "daily", state, run=run, because=because, partition=partition)
        return run

    backfilled("2026-01-01", "done")
    backfilled("2026-01-02", "failed")
    assert past.told() == [["daily failed (run-2): PL310: step read raised KeyError"]]
    backfilled("2026-01-03", "dead")
    backfilled("2026-01-04", "done")
    (told,) = past.told()
    assert sorted(told) == [
        (
            "daily (partitions) failed: 2026-01-02 and 1 more, by order-2: PL310: step read raised KeyError;"
            " pilotline backfill daily --failed makes them again"
        ),
        "daily runs again",
    ]
    # Once and not a flood: more of the same is no news, nor is one of several that was made.
    backfilled("2026-01-05", "failed")
    backfilled("2026-01-06", "done")
    backfilled("2026-01-02", "done")
    assert past.told() == []
    # By hand, with the partition as a parameter, is as good as by an order; another partition is not.
    for value in ("2026-01-05", "2026-01-04", "2026-01-03"):
        assert past.told() == []
        number = past.run("daily", "published")
        with past.database.writing() as tx:
            tx.execute(
                "UPDATE run SET parameters = :told WHERE number = :run", told=json.dumps({"day": value}), run=number
            )
    assert past.told() == [["daily (partitions) runs again"]]


def test_a_run_that_is_tried_again_is_no_alert_and_no_recovery(past):
    past.run("explore", "published")
    order(past, "explore", "waiting", run=past.run("explore", "failed", because="PL312: died"))
    assert past.told() == []
    past.run("weekly", "failed", because="PL310: no")
    assert past.told() == [["weekly failed (run-3): PL310: no"]]
    order(past, "weekly", "waiting", run=past.run("weekly", "failed", because="PL312: died"))
    assert past.told() == []
    with past.database.writing() as tx:
        tx.execute("UPDATE factory_order SET state = 'failed', ended = submitted WHERE state = 'waiting'")
    assert past.told() == [["explore failed (run-2): PL312: died"]]


def test_an_order_that_came_to_no_run_is_told_until_one_does(past):
    past.run("explore", "published", ago=timedelta(minutes=5))
    order(past, "explore", "dead", because="PL552: the environment cannot be built\nmore")
    assert past.told() == [["explore failed: PL552: the environment cannot be built"]]
    assert past.told() == []
    order(past, "explore", "done", run=past.run("explore", "published"))
    assert past.told() == [["explore runs again"]]


LOOKING = """
import sys
from pathlib import Path
from pilotline.factory.alerting import Alerting
from pilotline.lake.lake import open_lake

class Channel:
    name = "file"
    def send(self, news):
        with open(sys.argv[2], "a") as file:
            file.write("".join(each.text + "\\n" for each in news))

alerting = Alerting(open_lake(Path(sys.argv[1]), database=sys.argv[3] or None).database)
for _ in range(20):
    alerting.look((), [Channel()])
    alerting.deliver([Channel()])
"""


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_several_processes_that_look_at_once_tell_once(tmp_path, request, where):
    url = request.getfixturevalue("postgres").database() if where == "postgres" else ""
    past = Past(tmp_path, url or None)
    for number in range(5):
        past.run(f"pipeline_{number}", "failed", because="PL312: died")
    told = tmp_path / "told"
    processes = [subprocess.Popen([sys.executable, "-c", LOOKING, str(tmp_path), str(told), url]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert sorted(told.read_text().splitlines()) == [
        f"pipeline_{n} failed (run-{n + 1}): PL312: died" for n in range(5)
    ]


def test_a_sender_that_dies_on_the_way_is_taken_over(past):
    past.run("explore", "failed", because="PL312: died")

    class Dying(Heard):
        def send(self, news):
            raise KeyboardInterrupt

    past.alerting.look((), [past.heard])
    with pytest.raises(KeyboardInterrupt):
        past.alerting.deliver([Dying()])
    past.alerting.deliver([past.heard])
    assert past.heard.messages == [], "claimed: it may still be on its way"
    with past.database.writing() as tx:
        tx.execute("UPDATE delivery SET claimed_until = :past", past=datetime(2020, 1, 1, tzinfo=UTC).isoformat())
    past.alerting.deliver([past.heard])
    assert past.heard.messages == [["explore failed (run-1): PL312: died"]]


# Channels, to servers of this test's own.


class _Receives(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words):
        return


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receives)
    server.received, server.status = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class _TakesMail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        data = False
        lines: list[str] = []
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if data:
                if line == ".":
                    data = False
                    self.server.received.append((self.to, "\n".join(lines)))
                    lines = []
                    self.wfile.write(b"250 taken\r\n")
                else:
                    lines.append(line)
                continue
            word = line.split(" ")[0].upper()
            if word == "RCPT":
                self.to = line.partition("<")[2].partition(">")[0]
            if word == "DATA":
                data = True
                self.wfile.write(b"354 go on\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")
            if word == "QUIT":
                return


@pytest.fixture
def post():
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), _TakesMail)
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_all_there_is_to_know_and_slack_a_text(past, web):
    past.run("explore", "failed", because="PL310: a < b & c")
    address = f"http://127.0.0.1:{web.server_address[1]}"
    channels = [Webhook(url=f"{address}/hook"), Slack(url=f"{address}/services/T0/B0/secret")]
    past.alerting.look((), channels)
    assert past.alerting.deliver(channels) == 2
    (hook, kind, document), (services, _, slack) = web.received
    assert (hook, kind, services) == ("/hook", "application/json", "/services/T0/B0/secret")
    [alert] = document["alerts"]
    assert (alert["news"], alert["kind"], alert["subject"], alert["owner"], alert["run"]) == (
        "opened", "failed", "explore", "ada@example.org", "run-1",
    )  # fmt: skip
    assert slack == {"text": ":red_circle: explore failed (run-1): PL310: a &lt; b &amp; c"}


def test_a_webhook_that_refuses_is_tried_again_and_its_address_is_not_said(past, web):
    web.status = 500
    past.run("explore", "failed", because="PL312: died")
    channels = [Slack(url=f"http://127.0.0.1:{web.server_address[1]}/services/secret")]
    past.alerting.look((), channels)
    assert past.alerting.deliver(channels) == 0
    [(_, _, _, attempts, done, because)] = past.alerting.deliveries(1)
    assert (attempts, done, because) == (1, None, "127.0.0.1 did not take a message: HTTP 500")
    assert "secret" not in repr(channels)


def test_mail_goes_to_each_owner_and_else_to_one_for_all(past, post):
    past.run("explore", "published", ago=timedelta(days=3), makes="shop.totals")
    past.run("weekly", "failed", because="PL312: died of ä")
    channels = [
        Mail(server=f"smtp://127.0.0.1:{post.server_address[1]}", sender="p@example.org", to="team@example.org")
    ]
    past.alerting.look([Promise(table="shop.totals", owner="nobody", fresh=timedelta(days=1))], channels)
    assert past.alerting.deliver(channels) == 1
    said = dict(post.received)
    assert sorted(said) == ["ada@example.org", "team@example.org"]
    assert "Subject: Pilotline: shop.totals is late: made 3 days ago" in said["team@example.org"]
    # Without these a message is no mail to many a server.
    assert re.search(r"^Date: \w{3}, \d{2} ", said["team@example.org"], re.MULTILINE)
    assert re.search(r"^Message-ID: <[^>]+@example.org>", said["team@example.org"], re.MULTILINE)
    assert "pilotline logs run-2" in said["ada@example.org"]


def test_a_mail_server_that_is_not_there_is_said(past):
    past.run("explore", "failed", because="PL312: died")
    channels = [Mail(server="smtp://127.0.0.1:1", sender="p@example.org", to="team@example.org")]
    past.alerting.look((), channels)
    assert past.alerting.deliver(channels) == 0
    assert past.alerting.deliveries(1)[0][5].startswith("127.0.0.1 did not take a message: ConnectionRefusedError")


# Settings, promises, the command.


def test_channels_and_promises_come_from_settings_variables_and_contracts(tmp_path):
    (tmp_path / "pilotline.toml").write_text(
        'namespace = "shop"\n[alerts]\nwebhook = "https://example.org/hook"\nsmtp = "smtp://mail.example.org"\nto = "t@example.org"\n'
    )
    (tmp_path / "explore.py").write_text("def pipeline():\n    return {}\n")
    (tmp_path / "explore.toml").write_text('owner = "ada"\n[tables.totals]\nfresh = "24h"\n[tables.others]\n')
    project = Project(folder=tmp_path)
    assert channels_of(project, {"PILOTLINE_ALERT_SLACK": "https://hooks.example.org/x"}) == (
        Webhook(url="https://example.org/hook"),
        Slack(url="https://hooks.example.org/x"),
        Mail(server="smtp://mail.example.org", sender="pilotline@localhost", to="t@example.org"),
    )
    assert promises_of(project) == (Promise(table="shop.totals", owner="ada", fresh=timedelta(hours=24)),)
    with pytest.raises(BadSettings):
        channels_of(project, {"PILOTLINE_ALERT_WEBHOOK": "file:///etc/passwd"})


def test_the_command_looks_sends_and_lists(tmp_path, web):
    past = Past(tmp_path, None)
    (tmp_path / "pilotline.toml").write_text(
        f'namespace = "shop"\n[alerts]\nwebhook = "http://127.0.0.1:{web.server_address[1]}/hook"\n'
    )
    past.run("explore", "failed", because="PL312: died")

    def call(*words: str) -> tuple[int, dict]:
        done = subprocess.run(
            [sys.executable, "-m", "pilotline", "alerts", *words, "--json"], cwd=tmp_path, capture_output=True,
            env={**os.environ, "PILOTLINE_DEBUG": "1"}, encoding="utf-8", check=False, timeout=60,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    status, said = call("--send")
    assert (status, said["sent"], [one["subject"] for one in said["alerts"]]) == (0, 1, ["explore"])
    assert call("--send")[1]["sent"] == 0
    assert call("--test")[0] == 0
    web.status = 404
    assert call("--test")[1]["failed"][0]["code"] == "PL573"
    assert [path for path, _, _ in web.received] == ["/hook"] * 3


@pytest.mark.parametrize("said", ["90m", "24h", "7d"])
def test_a_promise_is_written_back_as_it_was_read(said):
    contract = contract_of({"tables": {"totals": {"fresh": said}}}, namespace="shop", path="explore.toml")
    assert f'fresh = "{said}"' in toml_of_contract(contract)


@pytest.mark.parametrize("said", ["0h", "soon", "24", "-1d"])
def test_a_promise_that_is_none_is_refused(said):
    with pytest.raises(BadContract, match="fresh is"):
        contract_of({"tables": {"totals": {"fresh": said}}}, namespace="shop", path="explore.toml")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_goes_on_looking_until_it_is_stopped(tmp_path, web, how):
    past = Past(tmp_path, None)
    (tmp_path / "pilotline.toml").write_text(
        f'namespace = "shop"\n[alerts]\nwebhook = "http://127.0.0.1:{web.server_address[1]}/hook"\n'
    )
    looking = subprocess.Popen([sys.executable, "-m", "pilotline", "alerts", "--send", "--every", "1"], cwd=tmp_path)
    try:
        for pipeline, count in (("explore", 1), ("weekly", 2)):
            past.run(pipeline, "failed", because="PL312: died")
            until = time.monotonic() + 60
            while len(web.received) < count:
                assert time.monotonic() < until
                time.sleep(0.05)
    finally:
        looking.send_signal(how)
    assert looking.wait(30) == 0
    assert [document["alerts"][0]["subject"] for _, _, document in web.received] == ["explore", "weekly"]


def test_mail_that_would_reach_nobody_is_said_and_not_taken_for_sent():
    now = datetime.now(UTC)
    alert = Alert(id=1, kind="late", subject="t", owner="ann", because="late", run=None, opened=now, closed=None)
    with pytest.raises(NotDelivered, match="nobody to write to"):
        Mail(server="smtp://127.0.0.1:1", sender="a@example.org").send([News(alert=alert, word="opened")])


@pytest.mark.parametrize(
    ("name", "address"),
    [("SMTP", "smtp://mail:abc"), ("SMTP", "smtp://"), ("WEBHOOK", "https://"), ("SLACK", "http://[")],
)
def test_an_address_without_host_or_with_a_port_that_is_none_is_refused_before_anything_is_sent(
    tmp_path, name, address
):
    with pytest.raises(BadSettings):
        channels_of(Project(folder=tmp_path), {f"PILOTLINE_ALERT_{name}": address})
