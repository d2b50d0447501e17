"""What the server and a client do when the other one vanishes without a word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest

from pilotline.lake import ledger
from pilotline.lake.errors import DatabaseUnreachable
from pilotline.lake.postgres import PostgresDatabase

WRITER = """
import sys
from pilotline.lake.errors import DatabaseUnreachable
from pilotline.lake.postgres import PostgresDatabase

database = PostgresDatabase(sys.argv[1], idle=1)
try:
    with database.writing() as tx:
        tx.execute("INSERT INTO said VALUES (1)")
        print("holds", flush=True)
        sys.stdin.readline()
        tx.execute("INSERT INTO said VALUES (2)")
except DatabaseUnreachable as error:
    print(error.code, flush=True)
with database.writing() as tx:
    tx.execute("INSERT INTO said VALUES (3)")
"""


@pytest.fixture
def url(postgres) -> str:
    return postgres.database()


def settings_of(database: PostgresDatabase) -> dict[str, str]:
    with database.reading() as tx:
        return {
            name: tx.execute("SELECT current_setting(:name)", name=name)[0][0]
            for name in ("idle_in_transaction_session_timeout", "tcp_keepalives_idle")
        }


def test_a_writer_that_stopped_in_the_middle_does_not_hold_up_the_others_for_ever(url):
    database = PostgresDatabase(url, wait=30)
    with database.writing() as tx:
        tx.execute("CREATE TABLE said (number BIGINT)")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "holds\n"
        os.kill(writer.pid, signal.SIGSTOP)
        began = time.monotonic()
        with database.writing() as tx:
            tx.execute("INSERT INTO said VALUES (10)")
        assert time.monotonic() - began < 20
        os.kill(writer.pid, signal.SIGCONT)
        told, _ = writer.communicate("\n", timeout=30)
    finally:
        writer.kill()
        writer.wait()
    assert told == "PL241\n"
    assert writer.returncode == 0, "it goes on with a new connection"
    with database.reading() as tx:
        assert tx.execute("SELECT number FROM said ORDER BY number") == [(3,), (10,)]
    database.close()


def test_whoever_asks_for_nothing_has_minutes_and_may_say_so_in_another_way(url):
    database = PostgresDatabase(url)
    assert settings_of(database)["idle_in_transaction_session_timeout"] == "10min"
    database.close()
    shorter = PostgresDatabase(url, idle=90)
    assert settings_of(shorter)["idle_in_transaction_session_timeout"] == "90s"
    shorter.close()


class Relay:
    """A server on TCP before one on a socket in a folder."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._behind)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(1 << 16):
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.close()


@pytest.mark.parametrize(("said", "idle"), [("", 30), ("?keepalives_idle=7", 7)])
def test_a_server_that_vanished_is_missed_in_about_a_minute_unless_the_url_says_otherwise(url, said: str, idle: int):
    parts = urlsplit(url)
    relay = Relay(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    database = PostgresDatabase(f"postgresql://pilotline@127.0.0.1:{relay.port}{parts.path}{said}")
    with database.reading() as tx:
        assert tx.execute("SELECT 1") == [(1,)]
    ((_, connection),) = database._opened
    ours = socket.socket(fileno=os.dup(connection.fileno()))
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [idle, 10, 3, 60_000]
    ours.close()
    database.close()
    relay.close()


def test_a_url_that_is_none_is_refused_as_a_database_that_does_not_answer(tmp_path):
    database = PostgresDatabase(f"postgresql://pilotline@/none?host={tmp_path}&nothing=1")
    with pytest.raises(DatabaseUnreachable), database.reading():
        pass


@pytest.mark.parametrize("block", ["reading", "writing"])
def test_who_is_interrupted_in_the_middle_of_a_command_goes_on_with_another_connection(postgres, block):
    database = PostgresDatabase(postgres.database())
    database.register("lake", ledger.MIGRATIONS)

    def asking() -> None:
        while True:
            with getattr(database, block)() as tx:
                tx.execute("SELECT pg_sleep(0.05)")

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for moment in (0.001, 0.01, 0.1):
            with database.reading() as tx:
                tx.execute("SELECT 1")
            signal.setitimer(signal.ITIMER_REAL, moment)
            with pytest.raises(KeyboardInterrupt):
                asking()
            with database.writing() as tx:
                assert tx.execute("SELECT count(*) FROM branch") == [(1,)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        database.close()
