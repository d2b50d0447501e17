"""A sweep removes what nothing needs, and nothing else; an inspection finds what is missing."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from pilotline.domain.access import Scope
from pilotline.domain.tables import Append, Replace, TableName
from pilotline.lake import ledger, sweeping
from pilotline.lake.database import Session
from pilotline.lake.errors import Expired, LakeDamaged, SweptMeanwhile
from pilotline.lake.inspecting import inspect_lake
from pilotline.lake.lake import open_lake
from pilotline.lake.states import states
from pilotline.lake.storage import s3_place
from pilotline.lake.sweeping import sweep

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")
DAYS = TableName("sales", "days")
NOW = timedelta(0)
LONG = timedelta(days=400)
_PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["folder", "services"])
def lake(request, tmp_path):
    url = tables = None
    if request.param == "services":
        url = request.getfixturevalue("postgres").database()
        tables = s3_place(request.getfixturevalue("bucket"))
    made = open_lake(tmp_path, author="somebody", database=url, tables=tables)
    yield made
    made.database.close()


def later(days=0.0):
    return datetime.now(UTC) + timedelta(days=days, seconds=5)


def land(lake, number, mode=None, name=ORDERS):
    branch = f"b{number}-{name.name}"
    lake.create_branch(branch)
    lake.write(branch, name, pa.table({"n": [number]}), mode or Replace())
    return lake.publish(branch, require_checked=False).commit


def numbers(lake, at="main", name=ORDERS):
    return lake.scan(name, OWNER, at).read_all().column("n").to_pylist()


def data_files(lake):
    return [each.path for each in lake.storage.files() if each.path.endswith(".parquet")]


def test_a_look_changes_nothing_and_says_what_would_go(lake):
    for number in range(3):
        land(lake, number)
    found = sweep(lake, keep=NOW, grace=NOW, now=later())
    assert (found.done, len({each.location for each in found.given_up})) == (False, 2)
    assert sum(each.path.endswith(".parquet") for each in found.files) == 2
    assert found.size > 0
    assert len(data_files(lake)) == 3
    assert numbers(lake, "main~1") == [1]


def test_states_that_nothing_needs_go_after_their_time_and_then_their_files(lake):
    for number in range(3):
        land(lake, number)
    kept = sweep(lake, keep=timedelta(days=30), now=later(29), do=True)
    assert (kept.given_up, kept.files) == ((), ())
    first = sweep(lake, keep=timedelta(days=30), grace=timedelta(days=1), now=later(31), do=True)
    assert len({each.location for each in first.given_up}) == 2
    assert first.files == ()
    with pytest.raises(Expired, match="given up by a sweep") as caught:
        numbers(lake, "main~1")
    assert caught.value.code == "PL244"
    second = sweep(lake, keep=timedelta(days=30), grace=timedelta(days=1), now=later(33), do=True)
    assert sum(each.path.endswith(".parquet") for each in second.files) == 2
    assert len(data_files(lake)) == 1
    assert numbers(lake) == [2]
    assert len(lake.log()) == 4
    assert inspect_lake(lake, deep=True).problems == ()


def test_what_branches_bases_and_tags_see_stays(lake):
    land(lake, 1)
    lake.tag("year_end", "main")
    land(lake, 2)
    lake.create_branch("mine")
    land(lake, 3)
    lake.write("mine", DAYS, pa.table({"n": [7]}), Replace())
    lake.create_branch("failed")
    lake.write("failed", ORDERS, pa.table({"n": [8]}), Replace())
    lake.mark_failed("failed", "to be looked at")
    lake.create_branch("thrown")
    lake.write("thrown", ORDERS, pa.table({"n": [9]}), Replace())
    lake.discard("thrown")
    sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert [numbers(lake, at) for at in ("year_end", "mine", "main", "failed")] == [[1], [2], [3], [8]]
    assert numbers(lake, "mine", DAYS) == [7]
    assert len(data_files(lake)) == 5
    lake.publish("mine", require_checked=False)


def test_files_that_states_share_stay_as_long_as_one_needs_them(lake):
    land(lake, 1)
    land(lake, 2, Append())
    land(lake, 3, Append())
    sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert numbers(lake) == [1, 2, 3]
    assert len(data_files(lake)) == 3


def test_files_of_a_writer_that_died_go_after_a_while(lake):
    land(lake, 1)
    with lake.storage.io(()).new_output(f"{lake.storage.root}/tables/sales/orphan.parquet").create() as file:
        file.write(b"left behind")
    assert sweep(lake, now=later(0.5), do=True).files == ()
    assert [each.path for each in sweep(lake, now=later(2), do=True).files] == ["tables/sales/orphan.parquet"]
    assert numbers(lake) == [1]


class WrongClock:
    """A host's clock that is wrong by so much."""

    def __init__(self, wrong):
        self.wrong = wrong

    def now(self, zone):
        return datetime.now(zone) + self.wrong

    def fromisoformat(self, text):
        return datetime.fromisoformat(text)


def let_clocks_be_wrong(lake, monkeypatch, host, database, storage):
    """Each of the three by so many days; the storage's also for what was written."""
    monkeypatch.setattr(sweeping, "datetime", WrongClock(timedelta(days=host)))
    now, files = Session.now, lake.storage.files
    monkeypatch.setattr(Session, "now", lambda tx: now(tx) + timedelta(days=database))
    monkeypatch.setattr(
        lake.storage,
        "files",
        lambda under="tables": [
            replace(each, modified=each.modified + timedelta(days=storage)) for each in files(under)
        ],
    )


@pytest.mark.parametrize("wrong", [(1, 0, 0), (0, 1, 0)])
def test_without_any_grace_what_is_given_up_goes_at_once_though_clocks_differ(lake, monkeypatch, wrong):
    land(lake, 1)
    land(lake, 2)
    # A bucket tells the time in whole seconds.
    time.sleep(1.0)
    let_clocks_be_wrong(lake, monkeypatch, *wrong)
    assert len(sweep(lake, keep=NOW, grace=NOW, do=True).given_up) == 1
    assert (len(data_files(lake)), numbers(lake)) == (1, [2])


@pytest.mark.parametrize("wrong", [(400, 0, 0), (0, 400, 0), (-400, 0, 0), (0, -400, 0), (0, 0, -400), (400, 400, 0)])
def test_a_clock_that_is_wrong_lets_nothing_go_that_is_young_by_another(lake, monkeypatch, wrong):
    land(lake, 1)
    land(lake, 2)
    with lake.storage.io(()).new_output(f"{lake.storage.root}/tables/sales/being-written.parquet").create() as file:
        file.write(b"in a moment it has a name")
    there = {each.path for each in lake.storage.files()}
    with monkeypatch.context() as wrongly:
        let_clocks_be_wrong(lake, wrongly, *wrong)
        for _ in range(2):
            swept = sweep(lake, keep=timedelta(days=30), grace=timedelta(days=1), do=True)
            assert (swept.given_up, swept.files) == ((), ())
            assert swept.clocks_apart > timedelta(days=399)
    assert {each.path for each in lake.storage.files()} == there
    assert numbers(lake, "main~1") == [1]


def test_what_is_given_up_while_a_clock_is_behind_has_its_grace_when_it_is_right_again(lake, monkeypatch):
    land(lake, 1)
    land(lake, 2)
    with monkeypatch.context() as wrongly:
        let_clocks_be_wrong(lake, wrongly, 0, -400, 0)
        assert len(sweep(lake, keep=timedelta(days=-500), do=True).given_up) == 1
    assert sweep(lake, keep=NOW, grace=timedelta(hours=23), now=later(0.9), do=True).files == ()
    assert sum(each.path.endswith(".parquet") for each in sweep(lake, keep=NOW, now=later(1.1), do=True).files) == 1


def test_asking_the_storage_for_its_time_leaves_nothing(lake):
    land(lake, 1)
    before = {each.path for each in lake.storage.files()}
    assert sweep(lake, do=True).clocks_apart < timedelta(minutes=1)
    assert {each.path for each in lake.storage.files()} == before


def at_point(monkeypatch, point, do):
    """Do something when a change gets to a point of its way, once."""
    left = [do]

    def reached(found):
        if found == point and left:
            left.pop()()

    for module in ("lake", "files"):
        monkeypatch.setattr(f"pilotline.lake.{module}.reached", reached)


def swept_by_another(lake):
    """A sweep without any grace, in a thread of its own: it has a connection of its own."""

    def do():
        thread = threading.Thread(target=lambda: (sweep(lake, grace=NOW, do=True), lake.database.close()))
        thread.start()
        thread.join()

    return do


@pytest.mark.parametrize("point", ["data-written", "manifests-written", "metadata-written"])
@pytest.mark.parametrize("mode", [Replace(), Append()])
def test_a_write_whose_files_a_sweep_took_is_refused(lake, monkeypatch, point, mode):
    land(lake, 1)
    lake.create_branch("mine")
    # On S3 a file is as old as the second in which it was written.
    at_point(monkeypatch, point, lambda: (time.sleep(1.1), swept_by_another(lake)()))
    with pytest.raises(SweptMeanwhile) as caught:
        lake.write("mine", ORDERS, pa.table({"n": [2]}), mode)
    assert caught.value.code == "PL347"
    assert numbers(lake, "mine") == [1]
    lake.write("mine", ORDERS, pa.table({"n": [3]}), Replace())
    assert numbers(lake, "mine") == [3]
    assert inspect_lake(lake, deep=True).problems == ()


def test_a_rebase_whose_files_a_sweep_took_is_refused(lake, monkeypatch):
    land(lake, 1)
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"n": [2]}), Append())
    land(lake, 3, Append())
    at_point(monkeypatch, "rebase-files-written", lambda: (time.sleep(1.1), swept_by_another(lake)()))
    with pytest.raises(SweptMeanwhile):
        lake.rebase("mine")
    assert numbers(lake, "mine") == [1, 2]
    lake.rebase("mine")
    assert numbers(lake, "mine") == [1, 3, 2]


def test_a_write_beside_a_sweep_that_took_others_files_is_done(lake, monkeypatch):
    with lake.storage.io(()).new_output(f"{lake.storage.root}/tables/sales/orphan.parquet").create() as file:
        file.write(b"left behind")
    lake.create_branch("mine")
    swept = []
    at_point(
        monkeypatch,
        "metadata-written",
        lambda: swept.append(ledger_notes(lake, ["tables/sales/orphan.parquet"])),
    )
    lake.write("mine", ORDERS, pa.table({"n": [2]}), Replace())
    assert (swept, numbers(lake, "mine")) == ([None], [2])


def ledger_notes(lake, paths):
    with lake.transaction() as tx:
        ledger.note_sweep(tx, tx.now(), paths)


def test_a_write_that_outlasts_what_is_known_of_sweeps_is_refused(lake, monkeypatch):
    lake.create_branch("mine")
    at_point(monkeypatch, "metadata-written", lambda: [ledger_notes(lake, []) for _ in range(31)])
    with pytest.raises(SweptMeanwhile):
        lake.write("mine", ORDERS, pa.table({"n": [2]}), Replace())
    with lake.database.reading() as tx:
        assert tx.execute("SELECT count(*), max(id) FROM sweep") == [(30, 31)]


def test_what_was_named_while_a_sweep_looked_stays(lake, monkeypatch):
    land(lake, 1)
    lake.create_branch("mine")
    files = lake.storage.files

    def listed(under="tables"):
        found = list(files(under))
        if under == "tables" and "mine" not in done:
            done.append("mine")
            lake.write("mine", ORDERS, pa.table({"n": [2]}), Append())
            found = [replace(each, modified=_PAST) for each in files(under)]
        return found

    done = []
    monkeypatch.setattr(lake.storage, "files", listed)
    swept = sweep(lake, do=True)
    assert (done, swept.files) == (["mine"], ())
    assert numbers(lake, "mine") == [1, 2]


def reads(lake, monkeypatch):
    """Counts how often each file is opened from now on."""
    counted = Counter()
    new_input = lake.files.io.new_input
    monkeypatch.setattr(
        lake.files.io, "new_input", lambda location: (counted.update([location]), new_input(location))[1]
    )
    return counted


def test_each_manifest_is_read_once_however_many_commits_share_it(lake, monkeypatch):
    commits = 40
    lake.create_branch("mine")
    for number in range(commits):
        lake.write("mine", ORDERS, pa.table({"n": [number]}), Append())
    lake.files._load.cache_clear()
    manifests = [each.path for each in lake.storage.files() if each.path.endswith("-m0.avro")]
    assert commits <= len(manifests) <= commits + 2
    for look in (lambda: sweep(lake, do=True), lambda: inspect_lake(lake)):
        with monkeypatch.context() as counting:
            counted = reads(lake, counting)
            look()
        assert max(counted.values()) == 1
        assert sum(location.endswith("-m0.avro") for location in counted) == len(manifests)
        # Besides, of each commit its metadata and its list of manifests, where these were not read before.
        assert sum(counted.values()) <= len(manifests) + 2 * commits


def test_a_state_that_was_given_up_can_neither_be_branched_from_nor_come_back(lake):
    first = land(lake, 1)
    land(lake, 2)
    undone = lake.resolve("main")
    sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    lake.create_branch("old", first.id)
    with pytest.raises(Expired):
        numbers(lake, "old")
    with pytest.raises(Expired):
        lake.write("old", ORDERS, pa.table({"n": [3]}), Append())
    with pytest.raises(Expired):
        lake.undo(undone.id)
    assert numbers(lake) == [2]


def test_a_reader_that_had_begun_reads_to_the_end(lake):
    land(lake, 1)
    reader = lake.scan(ORDERS, OWNER, "main")
    land(lake, 2)
    sweep(lake, keep=NOW, grace=timedelta(days=1), now=later(), do=True)
    assert reader.read_all().column("n").to_pylist() == [1]


def test_nothing_is_removed_where_a_needed_state_cannot_be_read(lake):
    land(lake, 1)
    land(lake, 2)
    location = lake.pointer(ORDERS, "main").metadata_location
    lake.storage.remove([location])
    lake.files._load.cache_clear()
    with pytest.raises(LakeDamaged):
        sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert len(data_files(lake)) == 2


def test_an_inspection_names_what_is_missing_and_what_would_mend_it(lake):
    land(lake, 1)
    land(lake, 2)
    land(lake, 3, name=DAYS)
    sound = inspect_lake(lake, deep=True)
    assert (sound.problems, sound.unnamed) == ((), ())
    assert sound.states == 3
    first, second = (
        next(part.path for part in lake.files.parts(lake.pointer(ORDERS, at).metadata_location) if part.rows)
        for at in ("main~2", "main")
    )
    lake.storage.remove([first])
    with lake.storage.io(()).new_output(f"{lake.storage.root}/{second}").create(overwrite=True) as file:
        file.write(b"nothing")
    with lake.storage.io(()).new_output(f"{lake.storage.root}/tables/left").create() as file:
        file.write(b"left behind")
    lake.storage.remove([lake.pointer(DAYS, "main").metadata_location])
    found = {(one.table, one.path): one for one in inspect_lake(lake).problems}
    assert len(found) == 3
    assert "is gone" in found["sales.orders", first].what
    assert "only an earlier state" in found["sales.orders", first].mend
    assert "has 7 bytes and should have" in found["sales.orders", second].what
    assert "pilotline undo" in found["sales.orders", second].mend
    assert "says what sales.days was" in next(one for one in found.values() if one.table == "sales.days").what


def made_of(lake, at="main"):
    """One file of each kind that a state of orders is made of."""
    location = lake.pointer(ORDERS, at).metadata_location
    paths = [location, *(part.path for part in lake.files.parts(location))]
    ends = {"metadata": ".json", "list": "0-", "manifest": "-m0.avro", "data": ".parquet"}
    return {
        kind: next(path for path in paths if path.endswith(end) or ("/snap-" in path and end == "0-"))
        for kind, end in ends.items()
    }


@pytest.mark.parametrize("kind", ["metadata", "list", "manifest", "data"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda _: b"",
        lambda content: bytes(len(content)),
        lambda content: random.Random(1).randbytes(len(content)),
        lambda _: b"{}",
    ],
    ids=["half", "empty", "zeros", "noise", "another"],
)
def test_a_damaged_file_is_named_by_a_check_a_read_and_a_sweep(lake, kind, damage):
    land(lake, 1)
    lake.tag("first", "main")
    land(lake, 2, Append())
    path = made_of(lake)[kind]
    whole = lake.storage.read(path)
    there = {each.path for each in lake.storage.files()}
    lake.storage.write(path, damage(whole))
    lake.files._load.cache_clear()
    assert path in {one.path for one in inspect_lake(lake, deep=True).problems}
    with pytest.raises(LakeDamaged):
        numbers(lake)
    if kind == "data":
        assert sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True).files == ()
    else:
        with pytest.raises(LakeDamaged):
            sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert {each.path for each in lake.storage.files()} == there
    lake.storage.write(path, whole)
    lake.files._load.cache_clear()
    assert numbers(lake) == [1, 2]
    assert inspect_lake(lake, deep=True).problems == ()


@pytest.mark.parametrize("kind", ["metadata", "manifest"])
def test_a_list_that_does_not_fit_what_is_there_lets_no_file_of_its_table_go(lake, kind):
    land(lake, 1)
    lake.create_branch("twice")
    lake.write("twice", ORDERS, pa.table({"n": [2, 2]}), Append())
    lake.publish("twice", require_checked=False)
    land(lake, 3, Append())
    land(lake, 4, name=DAYS)
    land(lake, 5, name=DAYS)
    other, mine = made_of(lake, "main~4")[kind], lake.pointer(ORDERS, "main").metadata_location
    if kind == "manifest":
        mine = [part.path for part in lake.files.parts(mine) if part.path.endswith("-m0.avro")][1]
    lake.storage.write(mine, lake.storage.read(other))
    lake.files._load.cache_clear()
    before = data_files(lake)
    swept = sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert swept.damaged == (ORDERS,)
    gone = set(before) - set(data_files(lake))
    assert [path.split("/")[2].partition("-")[0] for path in gone] == ["days"]
    assert {one.table for one in inspect_lake(lake).problems} == {str(ORDERS)}


def test_a_file_that_is_lost_does_not_keep_other_tables_from_being_swept(lake):
    land(lake, 1)
    lake.tag("for_ever", "main")
    land(lake, 2, name=DAYS)
    land(lake, 3, name=DAYS)
    lake.storage.remove([made_of(lake)["data"]])
    swept = sweep(lake, keep=NOW, grace=NOW, now=later(400), do=True)
    assert (swept.damaged, len(swept.given_up)) == ((ORDERS,), 1)
    assert [path.split("/")[2].partition("-")[0] for path in data_files(lake)] == ["days"]


def test_a_sweep_with_a_longer_grace_goes_on_after_one_with_a_shorter(lake):
    land(lake, 1)
    land(lake, 2)
    land(lake, 3)
    sweep(lake, keep=NOW, grace=NOW, now=later(), do=True)
    lake.files._load.cache_clear()
    assert sweep(lake, keep=NOW, grace=timedelta(days=1), now=later(), do=True).damaged == ()
    assert numbers(lake) == [3]


def test_an_inspection_finds_rows_that_do_not_fit_together(lake):
    land(lake, 1)
    with lake.transaction() as tx:
        tx.execute("UPDATE pointer SET row_count = 5 WHERE branch_id = 1")
    (problem,) = inspect_lake(lake).problems
    assert "have 1 rows, the catalog says 5" in problem.what
    with lake.transaction() as tx:
        tx.execute("UPDATE branch SET head_seq = 9 WHERE id = 1")
        tx.execute("UPDATE pointer SET from_seq = 5, row_count = 1 WHERE branch_id = 1")
    said = [one.what for one in inspect_lake(lake).problems]
    assert any("has no commit 9" in one for one in said)
    assert any("belongs to commit 5" in one for one in said)


class Sweeping(RuleBasedStateMachine):
    """Whatever is done, a sweep leaves all that it must leave: judged by what every commit held."""

    branches = Bundle("branches")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pl-sweep-"))
        self.lake = open_lake(self.folder, author="somebody")
        self.count = 0
        #: commit -> table -> rows, for each commit that must be readable.
        self.held = {self.lake.resolve("main").id: {}}
        self.tags = {}

    def teardown(self):
        self.all_that_must_be_is_readable()
        self.lake.database.close()
        shutil.rmtree(self.folder)

    def note(self, commit):
        self.held[commit.id] = {
            str(info.table): self.lake.scan(info.table, OWNER, commit).read_all().column("n").to_pylist()
            for info in self.lake.tables(commit)
        }

    def next(self):
        self.count += 1
        return self.count

    @rule(target=branches, parent=st.one_of(st.just("main"), branches))
    def open(self, parent):
        if self.lake.branch(parent).state not in {"open", "checked"}:
            parent = "main"
        name = f"b{self.next()}"
        self.lake.create_branch(name, parent)
        return name

    @rule(branch=branches, append=st.booleans(), table=st.sampled_from([ORDERS, DAYS]))
    def write(self, branch, append, table):
        if self.lake.branch(branch).state == "open":
            data = pa.table({"n": [self.next()]})
            self.note(self.lake.write(branch, table, data, Append() if append else Replace()).commit)

    @rule(branch=consumes(branches), fate=st.sampled_from(["publish", "publish", "discard", "fail"]))
    def end(self, branch, fate):
        row = self.lake.branch(branch)
        if row.state != "open":
            return
        if fate == "publish" and row.parent == "main":
            try:
                self.note(self.lake.publish(branch, require_checked=False).commit)
            except Exception:
                self.lake.discard(branch)
        elif fate == "fail":
            self.lake.mark_failed(branch, "a test")
        else:
            self.lake.discard(branch)

    @rule()
    def tag(self):
        name = f"t{self.next()}"
        self.tags[name] = self.lake.tag(name, "main")

    @rule(branch=branches, table=st.sampled_from([ORDERS, DAYS]))
    def compact(self, branch, table):
        if self.lake.branch(branch).state == "open" and any(one.table == table for one in self.lake.tables(branch)):
            self.lake.compact(branch, table)
            self.note(self.lake.resolve(branch))

    @rule(keep=st.sampled_from([NOW, LONG]), grace=st.sampled_from([NOW, timedelta(days=1)]), days=st.integers(0, 3))
    def sweep(self, keep, grace, days):
        sweep(self.lake, keep=keep, grace=grace, now=later(days), do=True)
        if keep == NOW:
            needed = {self.lake.resolve(branch.name).id for branch in self.lake.branches()}
            needed |= {branch.base for branch in self.lake.branches()} | set(self.tags.values())
            self.held = {commit: rows for commit, rows in self.held.items() if commit in needed}
        self.all_that_must_be_is_readable()
        self.nothing_is_damaged()

    @rule(right=st.integers(0, 2), others=st.tuples(st.integers(-400, 400), st.integers(-400, 400)))
    def sweep_while_one_clock_is_right(self, right, others):
        # A storage that is ahead is so for its files too, and these are young.
        wrong = [*others[:right], 0, *others[right:]]
        with pytest.MonkeyPatch.context() as wrongly:
            let_clocks_be_wrong(self.lake, wrongly, *wrong)
            sweep(self.lake, keep=timedelta(days=30), do=True)
        self.all_that_must_be_is_readable()
        self.nothing_is_damaged()

    def all_that_must_be_is_readable(self):
        for commit, tables in self.held.items():
            for name, rows in tables.items():
                assert numbers(self.lake, commit, TableName.parse(name)) == rows

    def nothing_is_damaged(self):
        with self.lake.database.reading() as tx:
            locations = {each.location for each in states(tx) if each.expired is None}
        there = {each.path for each in self.lake.storage.files()}
        assert locations <= there
        assert {part.path for location in locations for part in self.lake.files.parts(location)} <= there


TestSweeping = Sweeping.TestCase
TestSweeping.settings = settings(
    max_examples=20, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
)
