"""A process that is killed anywhere leaves the lake at the commit before or the commit after, and usable."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import time
from functools import cache
from pathlib import Path

import pytest

from pilotline.domain.access import Scope
from pilotline.domain.tables import TableName
from pilotline.lake.crash import POINTS
from pilotline.lake.errors import DatabaseUnreachable
from pilotline.lake.inspecting import inspect_lake
from pilotline.lake.lake import open_lake
from pilotline.lake.storage import s3_place

OWNER = Scope.everything("the owner")
TABLES = tuple(TableName("shop", name) for name in ("t0", "t1", "t2"))
#: Reached only by what comes after a publish.
LATER = ("rebase", "undo", "publish-committed", "sweep")


@cache
def writers_module():
    place = Path(__file__).with_name("writers.py")
    spec = importlib.util.spec_from_file_location("lake_writers", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def writers():
    started = writers_module().Writers()
    yield started
    started.close()


@pytest.fixture(params=["folder", "services"])
def lake(request, tmp_path):
    """A lake whose writers find in files beside it where its rows and its tables are."""
    url = tables = None
    if request.param == "services":
        url = request.getfixturevalue("postgres").database()
        (tmp_path / "database").write_text(url)
        bucket = request.getfixturevalue("bucket")
        server = request.getfixturevalue("bucket_server")
        (tmp_path / "tables").write_text(json.dumps([bucket, server.variables()]))
        tables = s3_place(bucket)
    made = open_lake(tmp_path, database=url, tables=tables)
    yield made
    made.database.close()


def whole(lake):
    """The generation that main is at, after asserting that all three tables and others' rows are of one publish."""
    with lake.database.reading() as tx:  # one state, though others write
        commit = lake.resolve("main")
        infos = lake.tables(commit)
        done = tx.execute("SELECT max(generation) FROM done") if infos else []
    held = {}
    for info in infos:
        column = lake.scan(info.table, OWNER, commit).read_all().column("generation").to_pylist()
        assert info.rows == len(column)
        held[info.table] = set(column)
    if not held:
        return 0
    assert tuple(held) == TABLES
    (generation,) = set.union(*held.values())
    assert done == [(generation,)]
    return generation


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_at_a_named_point_leaves_the_old_commit_or_the_new_one(tmp_path, lake, writers, point):
    later = point.startswith(LATER)
    assert writers.wait(writers.start("publish_generations", str(tmp_path), 1)) == 0
    assert whole(lake) == 1
    killed = writers.start("publish_generations", str(tmp_path), 1, point, later)
    assert writers.wait(killed) == -signal.SIGKILL
    before = whole(lake)
    assert before == (2 if later else 1)
    assert writers.wait(writers.start("publish_generations", str(tmp_path), 1)) == 0
    assert whole(lake) > before


def test_a_process_killed_at_any_moment_leaves_whole_publishes(tmp_path, lake, writers):
    chance = random.Random(7)
    seen = [whole(lake)]
    for _ in range(8):
        process = writers.start("publish_generations", str(tmp_path), 1000)
        deadline = time.monotonic() + 60
        while whole(lake) <= seen[-1] and time.monotonic() < deadline:  # until it is at work
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        os.kill(process, signal.SIGKILL)
        assert writers.wait(process) == -signal.SIGKILL
        seen.append(whole(lake))
    assert seen == sorted(set(seen))


def test_appends_of_many_processes_to_one_branch_are_all_kept(tmp_path, lake, writers):
    lake.create_branch("shared")
    processes = [writers.start("append_rows", str(tmp_path), who, 5) for who in range(4)]
    assert [writers.wait(process) for process in processes] == [0] * 4
    rows = lake.scan(TABLES[0], OWNER, "shared").read_all().to_pylist()
    assert sorted((row["who"], row["n"]) for row in rows) == [(who, n) for who in range(4) for n in range(5)]
    assert lake.table(TABLES[0], "shared").rows == 20


def test_a_database_that_is_killed_and_started_again_holds_whole_publishes(tmp_path, writers, safe_postgres):
    url = safe_postgres.database()
    (tmp_path / "database").write_text(url)
    lake = open_lake(tmp_path, database=url)
    seen = [whole(lake)]
    for _ in range(3):
        process = writers.start("publish_generations", str(tmp_path), 1000)
        deadline = time.monotonic() + 60
        while whole(lake) <= seen[-1] and time.monotonic() < deadline:
            time.sleep(0.01)
        safe_postgres.kill()
        with pytest.raises(DatabaseUnreachable) as caught:
            whole(lake)
        assert caught.value.code == "PL241"
        assert writers.wait(process) not in {0, -signal.SIGKILL}  # it was told, and ended by itself
        safe_postgres.start()
        seen.append(whole(lake))
    lake.database.close()
    assert seen == sorted(set(seen))


def test_a_database_that_is_not_there_is_said_so_without_its_password(tmp_path):
    lake = open_lake(tmp_path, database=f"postgresql://me:secret@/none?host={tmp_path}")
    with pytest.raises(DatabaseUnreachable) as caught:
        lake.branches()
    assert "postgresql://me@/none" in caught.value.message
    assert "secret" not in str(caught.value)


def test_of_many_writers_no_update_is_lost_and_none_is_seen_twice(tmp_path, lake, writers):
    many = range(8)
    processes = [writers.start("publish_busily", str(tmp_path), who, 6) for who in many]
    assert [writers.wait(process) for process in processes] == [0] * len(many)
    publishes, wrong = writers_module().wrong_after_many(tmp_path, lake, many)
    assert wrong == []
    assert set(publishes) == {"append", "count", "merge", "own"}
    assert inspect_lake(lake).problems == ()


@pytest.mark.parametrize("room", [0, 500, 3_000, 20_000, 100_000])
def test_a_writer_without_room_is_told_so_and_nothing_is_half_there(tmp_path, writers, room):
    lake = open_lake(tmp_path)
    assert writers.wait(writers.start("publish_generations", str(tmp_path), 1)) == 0
    lake.database.close()
    # A limit on the size of files stands for a full disk.
    assert writers.wait(writers.start("publish_without_room", str(tmp_path), room)) == 3
    before = whole(lake)
    assert before >= 1
    assert writers.wait(writers.start("publish_generations", str(tmp_path), 1)) == 0
    assert whole(lake) > before
    assert inspect_lake(lake).problems == ()
    lake.database.close()


def test_a_clock_that_jumps_leaves_the_order_of_commits_as_it_was(tmp_path, lake, writers):
    for hours in (0, 48, -48, 24 * 400, 0):
        assert writers.wait(writers.start("publish_at_another_time", str(tmp_path), 2, hours)) == 0
    assert whole(lake) == 10
    log = lake.log()
    times = [commit.at for commit in log]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)
    # As of a time, one sees what was there according to the order of the commits.
    seen = [lake.resolve(commit.at.isoformat()).id for commit in log if commit.kind == "publish"]
    assert seen == [commit.id for commit in log if commit.kind == "publish"]
    assert inspect_lake(lake).problems == ()
