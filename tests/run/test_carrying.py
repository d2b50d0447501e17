"""What a run does, in real processes: what is kept, what is computed again, what is never published."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.domain.tables import TableName
from pilotline.run.checking import WHOLE
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import Project

#: All of this holds wherever the catalog and the tables are.
pytestmark = pytest.mark.usefixtures("lies")

MODULE = """
    '''Sums of numbers.'''
    from pathlib import Path

    import pandas as pd

    FACTOR = 2


    def bigger(number):
        return number * FACTOR


    def load(numbers: Path) -> pd.DataFrame:
        return pd.read_csv(numbers)


    def scale(loaded, *, by: int) -> pd.DataFrame:
        return loaded.assign(amount=loaded["amount"] * by).map(bigger)


    def total(scaled) -> int:
        return int(scaled["amount"].sum())


    def count(loaded) -> int:
        return len(loaded)


    def pipeline(*, numbers: Path = Path("numbers.csv"), by: int = 1):
        loaded = load(numbers)
        scaled = scale(loaded, by=by)
        answer = total(scaled)
        many = count(loaded)
        return {"answer": answer, "many": many, "scaled": scaled}
"""


@pytest.fixture
def sums(project: Project) -> Project:
    project.write("explore.py", MODULE)
    project.write("numbers.csv", "id,amount\n1,10\n2,20\n3,30\n")
    return project


def metrics(outcome) -> dict[str, float | None]:
    return {one.output: one.value for one in outcome.made if one.kind == "metric"}


def computed(project: Project, **asked: object) -> set[str]:
    outcome = project.run(**asked)
    return {step for step, how in outcome.steps.items() if how == "computed"}


def published(project: Project, table: str, branch: str = "main") -> list[dict]:
    lake, _ = open_lake_here(project.folder)
    return lake.scan(TableName("shop", table), WHOLE, branch).read_all().to_pylist()


def test_a_second_run_with_nothing_changed_does_nothing(sums: Project):
    assert computed(sums) == {"load", "scale", "total", "count"}
    again = sums.run()
    assert (again.state, again.steps, again.commit) == ("unchanged", {}, None)


def test_a_changed_parameter_recomputes_only_what_reads_it(sums: Project):
    first = sums.run()
    assert metrics(first) == {"answer": 120.0, "many": 3.0}
    outcome = sums.run(parameters={"by": "2"})
    assert {step for step, how in outcome.steps.items() if how == "computed"} == {"scale", "total"}
    assert metrics(outcome) == {"answer": 240.0, "many": 3.0}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("FACTOR = 2", "FACTOR = 3", {"scale", "total"}),
        ("return number * FACTOR", "return number * FACTOR + 0", {"scale", "total"}),
        ("return len(loaded)", "return len(loaded) + 1", {"count"}),
        ("'''Sums of numbers.'''", "'''Sums of other numbers.'''", set()),
        ("def count(loaded) -> int:", "def count(loaded) -> int:\n    # a remark", set()),
    ],
)
def test_changed_code_recomputes_only_what_can_reach_it(sums: Project, old, new, expected):
    sums.run()
    sums.replace("explore.py", old, new)
    assert computed(sums) == expected


def test_a_changed_file_recomputes_what_comes_of_it(sums: Project):
    sums.run()
    sums.write("numbers.csv", "id,amount\n1,10\n")
    outcome = sums.run()
    assert set(outcome.steps.values()) == {"computed"}
    assert metrics(outcome) == {"answer": 20.0, "many": 1.0}


def test_results_that_come_out_equal_stop_the_recomputing(sums: Project):
    sums.run()
    sums.replace("explore.py", "return pd.read_csv(numbers)", "return pd.read_csv(numbers).copy()")
    assert "load" in computed(sums)


def test_what_chance_gave_is_kept_with_the_state_it_left(project: Project):
    project.write(
        "explore.py",
        """
        import random


        def first() -> float:
            return random.random()


        def second(start, *, plus: int) -> float:
            return random.random() + plus


        def pipeline(*, plus: int = 0):
            start = first()
            end = second(start, plus=plus)
            return {"start": start, "end": end}
        """,
    )
    once = metrics(project.run())
    outcome = project.run(parameters={"plus": "1"})
    assert outcome.steps == {"first": "reused", "second": "computed"}
    assert metrics(outcome) == {"start": once["start"], "end": once["end"] + 1}


@pytest.mark.parametrize(
    "body",
    ["import time\n    return time.time()", "import os\n    return len(os.listdir('.'))", "return undeclared()"],
)
def test_a_step_that_looked_elsewhere_is_not_reused(project: Project, body):
    project.write("beside.txt", "5")
    project.write(
        "explore.py",
        f"""
from pathlib import Path


def undeclared():
    return int(Path("beside.txt").read_text())


def look() -> float:
    {body}


def pipeline():
    seen = look()
    return {{"seen": seen}}
""",
    )
    assert computed(project) == {"look"}
    project.write("beside.txt", "6")
    assert computed(project) == {"look"}


def test_a_step_that_changes_its_argument_is_refused(sums: Project):
    sums.replace("explore.py", "return len(loaded)", "loaded['amount'] = 0\n    return len(loaded)")
    with pytest.raises(PilotlineError) as caught:
        sums.run()
    assert "count" in caught.value.message
    assert "loaded" in caught.value.message
    assert not open_lake_here(sums.folder)[0].tables("main")


def test_a_failed_check_publishes_nothing_and_shows_the_rows(sums: Project):
    sums.write("explore.toml", '[tables.scaled]\nchecks = [{between = [0, 50], column = "amount"}]\n')
    with pytest.raises(PilotlineError) as caught:
        sums.run()
    assert "60" in str(caught.value)
    assert not open_lake_here(sums.folder)[0].tables("main")
    failed = published(sums, "scaled", caught.value.facts["branch"])
    assert [row["amount"] for row in failed] == [20, 40, 60]


def test_a_check_that_only_warns_lets_it_pass(sums: Project):
    sums.write(
        "explore.toml",
        '[tables.scaled]\nchecks = [{between = [0, 50], column = "amount", severity = "warn"}]\n',
    )
    outcome = sums.run()
    assert outcome.state == "published"
    assert [verdict.outcome for verdict in outcome.verdicts] == ["failed"]


def test_what_was_undone_is_held_until_it_is_released(sums: Project):
    sums.run()
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "undo"], cwd=sums.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(PilotlineError, match="held") as caught:
        sums.run()
    assert caught.value.code == "PL321"
    assert sums.run(fresh=True).state == "published"


@pytest.mark.parametrize(
    ("text", "message"),
    [("bie=2", "by"), ("by=two", "by"), ("numbers=none.csv", "none.csv")],
)
def test_a_wrong_parameter_is_refused_by_name(sums: Project, text, message):
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "run", "explore", "--set", text],
        cwd=sums.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {1, 2}, done.stderr
    assert message in done.stderr.partition("next:")[0]


def test_the_users_own_lines_come_first_when_a_step_fails(sums: Project):
    sums.replace("explore.py", 'int(scaled["amount"].sum())', 'int(scaled["amuont"].sum())')
    with pytest.raises(PilotlineError) as caught:
        sums.run()
    text = str(caught.value)
    assert "KeyError" in text
    assert 'scaled["amuont"]' in text
    assert text.count("site-packages") <= 1
    assert not open_lake_here(sums.folder)[0].tables("main")


SLOW = """
    '''Slow.'''
    import os
    import time
    from pathlib import Path

    import pandas as pd


    def first() -> pd.DataFrame:
        Path("{folder}/first").open("a").write("x")
        return pd.DataFrame({{"a": [1]}})


    def second(one) -> pd.DataFrame:
        Path("{folder}/second").open("a").write("x")
        time.sleep(float(Path("{folder}/pause").read_text()))
        return one.assign(b=2)


    def pipeline():
        one = first()
        two = second(one)
        return {{"one": one, "two": two}}
"""


@pytest.mark.parametrize("victim", ["tool", "steps"])
def test_after_a_kill_nothing_is_published_and_the_next_run_takes_up(project: Project, tmp_path: Path, victim):
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "pause").write_text("300")
    project.write("explore.py", SLOW.format(folder=marks))
    project.write("explore.toml", '[repeatable]\nfirst = ["files"]\n')
    command = [sys.executable, "-m", "pilotline", "run", "explore", "--python", sys.executable]
    tool = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _until((marks / "second").exists)
    own = _children(tool.pid)
    assert own
    os.kill(tool.pid if victim == "tool" else own[0], signal.SIGKILL)
    _, said = tool.communicate(timeout=60)
    _until(lambda: not any(_lives(pid) for pid in own))
    if victim == "steps":
        assert b"PL" in said
    lake, _ = open_lake_here(project.folder)
    assert not lake.tables("main")
    (marks / "pause").write_text("0")
    outcome = project.run()
    assert outcome.state == "published"
    assert outcome.steps["second"] == "computed"
    assert published(project, "two") == [{"a": 1, "b": 2}]


def test_stopping_a_run_ends_all_that_it_started(project: Project, tmp_path: Path):
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "pause").write_text("300")
    project.write("explore.py", SLOW.format(folder=marks))
    command = [sys.executable, "-m", "pilotline", "run", "explore", "--python", sys.executable]
    tool = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _until((marks / "second").exists)
    own = _children(tool.pid)
    tool.send_signal(signal.SIGTERM)
    _, said = tool.communicate(timeout=60)
    assert tool.returncode not in {0, -signal.SIGTERM}
    assert "nothing was published" in said
    _until(lambda: not any(_lives(pid) for pid in own))
    assert not open_lake_here(project.folder)[0].tables("main")


def _until(true, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    from pathlib import Path

    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found


def _lives(pid: int) -> bool:
    from pathlib import Path

    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
