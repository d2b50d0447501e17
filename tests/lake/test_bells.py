"""Who waits for something hears of it at once, whatever the database is; a word that is lost costs a while and no more."""

from __future__ import annotations

import os
import resource
import threading
import time
from contextlib import suppress

import pyarrow as pa
import pytest

from pilotline.domain.tables import Replace, TableName
from pilotline.lake.lake import open_lake
from pilotline.lake.postgres import PostgresDatabase

ORDERS = TableName("sales", "orders")


@pytest.fixture
def lake(url, tmp_path):
    made = open_lake(tmp_path, database=url)
    made.branches()
    yield made
    made.database.close()


@pytest.fixture
def bell(lake):
    found = lake.database.bell("commits")
    yield found
    found.close()


def publish(lake) -> None:
    name = f"b{len(lake.branches(every=True))}"
    lake.create_branch(name)
    lake.write(name, ORDERS, pa.table({"n": [1]}), Replace())
    lake.publish(name, require_checked=False)
    lake.database.close()


def later(what, seconds: float = 0.3) -> threading.Thread:
    def do() -> None:
        time.sleep(seconds)
        what()

    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_it_rings_when_something_is_published_and_not_before(lake, bell):
    # Nobody knows what was announced before it listened.
    assert bell.wait(20)
    assert not bell.wait(0.4)
    thread = later(lambda: publish(lake))
    assert bell.wait(20)
    thread.join()


def test_what_was_announced_while_nobody_waited_is_heard(lake, bell):
    assert bell.wait(20)
    thread = later(lambda: publish(lake), 0)
    thread.join()
    assert bell.wait(20)
    bell.close()
    assert bell.wait(20)


@pytest.fixture
def many_open_files():
    """More than the 1 024 that `select` can count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield opened
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_with_many_open_files_hears_too(lake, bell, many_open_files):
    assert len(many_open_files) > 1024
    assert bell.wait(20)
    assert not bell.wait(0.1)
    thread = later(lambda: publish(lake), 0)
    thread.join()
    assert bell.wait(20)


def test_what_is_not_kept_is_not_announced(lake, bell):
    bell.wait(5)
    with suppress(ZeroDivisionError), lake.database.writing() as tx:
        tx.announce("commits")
        raise ZeroDivisionError
    assert not bell.wait(0.4)


def test_postgres_tells_topics_apart_and_private_branches_concern_nobody(postgres, tmp_path):
    lake = open_lake(tmp_path, database=postgres.database())
    lake.create_branch("mine")
    bell = lake.database.bell("commits", "schedules")
    assert bell.wait(20)
    lake.write("mine", ORDERS, pa.table({"n": [1]}), Replace())
    with lake.database.writing() as tx:
        tx.announce("orders")
    assert not bell.wait(0.4)
    lake.publish("mine", require_checked=False)
    assert bell.wait(20)
    bell.close()
    lake.database.close()


def test_a_bell_rings_when_its_connection_is_lost_and_listens_again(postgres, tmp_path):
    url = postgres.database()
    database = PostgresDatabase(url)
    bell = database.bell("orders")
    assert bell.wait(20)
    with database.writing() as tx:
        rows = tx.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND left(query, 6) = 'LISTEN'"
        )
    assert rows == [(True,)]
    assert bell.wait(20)
    # It listens again, which rings for what may have been announced meanwhile; and then hears.
    assert bell.wait(20)
    assert not bell.wait(0.3)
    with database.writing() as tx:
        tx.announce("orders")
    assert bell.wait(20)
    bell.close()
    database.close()


def test_a_bell_of_a_server_that_is_away_waits_and_rings_for_nothing(tmp_path):
    bell = PostgresDatabase(f"postgresql://nobody@/none?host={tmp_path}").bell("orders")
    began = time.monotonic()
    assert bell.wait(0.3) is False
    assert bell.wait(0.3) is False
    assert time.monotonic() - began >= 0.6
    bell.close()
