"""Old and new code on one database: what only adds is run at once, what takes away waits until no older code is at work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from pilotline.lake.attending import Attendance, attending
from pilotline.lake.database import SqliteDatabase
from pilotline.lake.errors import LakeTooNew, UpgradeWaits
from pilotline.lake.migrating import processes
from pilotline.lake.postgres import PostgresDatabase

FIRST = "CREATE TABLE thing (name TEXT NOT NULL, old TEXT NOT NULL DEFAULT '');\n"
#: What only adds; it takes long enough to be killed in the middle.
ADDS = """
ALTER TABLE thing ADD COLUMN new TEXT NOT NULL DEFAULT '';
INSERT INTO thing (name, new)
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {rows}) SELECT 'row ' || n, 'made' FROM number;
"""
TAKES_AWAY = "ALTER TABLE thing DROP COLUMN old;\n"
OPEN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_upgrading import opened
print("begins", flush=True)
with opened(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])).reading() as tx:
    print(tx.execute("SELECT count(*) FROM thing WHERE new = 'made'")[0][0], flush=True)
"""


def opened(where, folder, versions):
    """The database as code opens it that knows so many scripts of the component "thing"."""
    made = PostgresDatabase(where) if where.startswith("postgresql") else SqliteDatabase(folder / "some.sqlite")
    made.register("thing", sorted(folder.glob("thing_*.sql"))[:versions])
    return made


class Place:
    def __init__(self, where, folder):
        self.where, self.folder, self.opened = where, folder, []
        self.write("thing_001.sql", FIRST)
        self.write("thing_002.sql", ADDS.format(rows=3))
        self.write("thing_003.after.sql", TAKES_AWAY)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def code(self, versions):
        self.opened.append(opened(self.where, self.folder, versions))
        return self.opened[-1]

    def attendance(self, database, name, versions, seconds=60.0):
        scripts = sorted(self.folder.glob("thing_*.sql"))[:versions]
        return Attendance(database, name, {"thing": scripts}, lease=timedelta(seconds=seconds))

    def process(self, versions):
        code = OPEN.format(tests=str(Path(__file__).parent))
        return subprocess.Popen(
            [sys.executable, "-c", code, self.where, str(self.folder), str(versions)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    where = request.getfixturevalue("postgres").database() if request.param == "postgres" else ""
    made = Place(where, tmp_path)
    yield made
    for one in made.opened:
        one.close()


def version(database):
    return database.versions()["thing"]


def add(database, name):
    with database.writing() as tx:
        tx.execute("INSERT INTO thing (name) VALUES (:name)", name=name)


def names(database, column="name"):
    with database.reading() as tx:
        return [row[0] for row in tx.execute(f"SELECT {column} FROM thing ORDER BY name")]


def test_old_code_goes_on_beside_new_code_until_it_leaves(place):
    old = place.code(1)
    here = place.attendance(old, "old", 1)
    here.look()
    add(old, "a")
    new = place.code(3)
    there = place.attendance(new, "new", 3)
    assert [each.name for each in there.look()] == ["old"]
    assert version(new) == 2
    add(old, "b")
    add(new, "c")
    assert names(old) == names(new) == ["a", "b", "c", "row 1", "row 2", "row 3"]
    # Also code that is started afresh.
    assert names(place.code(1), "old") == [""] * 6
    here.leave()
    assert new.finish_upgrade() == ()
    assert version(new) == 3
    with pytest.raises(LakeTooNew, match="serve Pilotline from their version 3 on, this one knows 1") as refused:
        add(old, "d")
    assert refused.value.code == "PL218"
    with pytest.raises(LakeTooNew):
        names(place.code(1))
    with pytest.raises(LakeTooNew):
        place.attendance(old, "old", 1).look()
    assert "d" not in names(new)


def test_who_says_nothing_for_a_lease_is_taken_for_gone(place):
    old = place.code(1)
    place.attendance(old, "old", 1, seconds=1).look()
    new = place.code(3)
    assert version(new) == 2
    end = time.monotonic() + 30
    # Where it goes in the very moment between two looks, the next call finishes.
    while new.finish_upgrade() or version(new) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    place.attendance(new, "new", 3).look()
    with new.reading() as tx:
        assert [each.name for each in processes(tx)] == ["new"]
    with pytest.raises(LakeTooNew):
        names(old)


def test_new_code_that_is_taken_away_again_leaves_old_code_as_it_was(place):
    old = place.code(1)
    here = place.attendance(old, "old", 1)
    here.look()
    assert version(place.code(3)) == 2
    add(old, "a")
    old.close()
    again = place.code(1)
    add(again, "b")
    assert names(again)[:2] == ["a", "b"]
    here.leave()
    assert version(place.code(3)) == 3


def test_code_that_only_has_what_was_added_needs_nothing_to_be_taken_away(place):
    old = place.code(1)
    place.attendance(old, "old", 1).look()
    between = place.code(2)
    add(between, "a")
    assert version(place.code(3)) == 2
    place.attendance(between, "between", 2).look()
    assert {each.name for each in place.code(3).finish_upgrade()} == {"old", "between"}


def test_what_adds_behind_what_takes_away_waits_with_a_code_and_changes_nothing(place):
    old = place.code(1)
    here = place.attendance(old, "old", 1)
    here.look()
    place.write("thing_004.sql", "ALTER TABLE thing ADD COLUMN newest TEXT;\n")
    with pytest.raises(UpgradeWaits, match=r"waits for what an older Pilotline still does there: old \(") as waits:
        names(place.code(4))
    assert waits.value.code == "PL591"
    assert version(old) == 1
    here.leave()
    assert version(place.code(4)) == 4


def test_an_empty_database_is_made_in_one_go(place):
    assert version(place.code(3)) == 3


def test_going_back_lets_older_code_in_again(place):
    place.write("thing_003.after.down.sql", "ALTER TABLE thing ADD COLUMN old TEXT NOT NULL DEFAULT '';\n")
    scripts = [place.folder / name for name in ("thing_001.sql", "thing_002.sql", "thing_003.after.sql")]
    new = PostgresDatabase(place.where) if place.where else SqliteDatabase(place.folder / "some.sqlite")
    place.opened.append(new)
    new.register("thing", scripts)
    assert version(new) == 3
    (place.folder / "thing_003.after.down.sql").rename(place.folder / "kept.sql")
    with pytest.raises(LakeTooNew):
        names(place.code(1))
    (place.folder / "kept.sql").rename(place.folder / "thing_003.after.down.sql")
    new.step_back("thing", 2)
    (place.folder / "thing_003.after.down.sql").rename(place.folder / "kept.sql")
    assert names(place.code(1), "old") == [""] * 3


def test_two_that_begin_at_once_upgrade_once(place):
    place.code(1).versions()
    place.write("thing_002.sql", ADDS.format(rows=20_000))
    two = [place.process(3), place.process(3)]
    assert [each.communicate(timeout=120)[0] for each in two] == ["begins\n20000\n"] * 2


def test_an_upgrade_that_is_killed_in_the_middle_leaves_nothing_and_goes_on_next_time(place):
    old = place.code(1)
    add(old, "a")
    place.write("thing_002.sql", ADDS.format(rows=50_000_000))
    one = place.process(3)
    assert one.stdout.readline() == "begins\n"
    time.sleep(0.5)
    one.send_signal(signal.SIGKILL)
    assert "50000000" not in one.communicate()[0], "it was not killed in the middle"
    assert version(old) == 1
    assert names(old) == ["a"]
    with pytest.raises(Exception, match="new"):
        names(old, "new")
    add(old, "b")
    place.write("thing_002.sql", ADDS.format(rows=7))
    said, wrong = place.process(3).communicate(timeout=120)
    assert said == "begins\n7\n", wrong
    assert version(place.code(3)) == 3


def test_a_process_says_that_it_is_here_for_as_long_as_its_work_takes(place):
    database = place.code(1)
    scripts = {"thing": sorted(place.folder.glob("thing_*.sql"))[:1]}

    def here():
        with database.reading() as tx:
            return [each.name.partition(" ")[0] for each in processes(tx)]

    with attending(database, "serve", scripts):
        end = time.monotonic() + 30
        while here() != ["serve"]:
            assert time.monotonic() < end
            time.sleep(0.02)
        with attending(database, "run", scripts, after=60):
            assert here() == ["serve"]
    assert here() == []


def test_a_process_whose_code_was_left_behind_is_told(place):
    old = place.code(1)
    old.versions()
    assert version(place.code(3)) == 3
    told = []
    with attending(old, "factory", {"thing": [place.folder / "thing_001.sql"]}, too_new=told.append):
        end = time.monotonic() + 30
        while not told:
            assert time.monotonic() < end
            time.sleep(0.02)
    assert [each.code for each in told] == ["PL218"]
