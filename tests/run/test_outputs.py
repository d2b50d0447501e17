"""What becomes of what a pipeline returns: tables by the contract's mode, artifacts, numbers; and how it is told."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.run.conftest import metrics

from pilotline.domain.errors import PilotlineError
from pilotline.domain.plans import RunStep
from pilotline.domain.tables import TableName
from pilotline.run.checking import WHOLE
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from tests.run.conftest import Project


def rows_of(project: Project, table: str, at: str = "main") -> list[dict[str, object]]:
    lake, _ = open_lake_here(project.folder)
    rows = lake.scan(TableName("shop", table), WHOLE, at).read_all().to_pylist()
    return sorted(rows, key=lambda row: json.dumps(row, default=str))


def published_tables(project: Project) -> list[str]:
    return sorted(str(info.table) for info in open_lake_here(project.folder)[0].tables("main"))


def pipeline_of(project: Project, body: str, head: str = "import pandas as pd\nimport numpy as np") -> None:
    (project.folder / "explore.py").write_text(
        f"{head}\n\n\ndef make(*, day: int):\n    {body}\n\n\n"
        "def pipeline(*, day: int = 1):\n    made = make(day=day)\n    return {'made': made}\n"
    )


DAYS = "return pd.DataFrame({'day': [day, day + 1], 'amount': [10 * day, 10 * day + 10]})"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("replace", [(2, 20), (3, 30)]),
        ("append", [(1, 10), (2, 20), (2, 20), (3, 30)]),
        ("partition(day)", [(1, 10), (2, 20), (3, 30)]),
        ("merge(day)", [(1, 10), (2, 20), (3, 30)]),
    ],
)
def test_a_table_is_written_as_the_contract_says(project: Project, mode: str, expected: list[tuple[int, int]]):
    pipeline_of(project, DAYS)
    project.write("explore.toml", f'[tables.made]\nmode = "{mode}"\n')
    project.run()
    project.run(parameters={"day": "2"})
    assert sorted((row["day"], row["amount"]) for row in rows_of(project, "made")) == expected
    assert project.run(parameters={"day": "2"}).state == "unchanged"


def test_an_unknown_mode_is_refused_before_anything_is_run(project: Project):
    pipeline_of(project, DAYS)
    project.write("explore.toml", '[tables.made]\nmode = "apend"\n')
    with pytest.raises(PilotlineError) as caught:
        project.plan()
    assert "append" in caught.value.message


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("return pd.DataFrame({'a': pd.Series(dtype='int64'), 'b': pd.Series(dtype='object')})", []),
        ("return pd.DataFrame()", []),
        ("return pd.DataFrame({'a': [1]})[lambda one: one['a'] > 5]", []),
        ("return pd.Series([1, 2], name='x')", [{"x": 1}, {"x": 2}]),
        ("return np.array([[1, 2], [3, 4]])", [{"c0": 1, "c1": 2}, {"c0": 3, "c1": 4}]),
        ("return pd.DataFrame({('a', 'b'): [1], ('a', 'c'): [2]})", None),
    ],
    ids=["no rows", "no columns", "nothing left", "series", "array", "columns of two levels"],
)
def test_frames_series_and_arrays_are_tables(project: Project, body: str, rows: list[dict[str, object]] | None):
    pipeline_of(project, body)
    outcome = project.run()
    assert [(one.output, one.kind) for one in outcome.made] == [("made", "table")]
    found = rows_of(project, "made")
    assert [list(row.values()) for row in found] == (
        [list(row.values()) for row in rows] if rows is not None else [[1, 2]]
    )


def test_a_frame_of_sets_is_a_table_and_is_read_back_as_it_was(project: Project, monkeypatch):
    import pilotline

    pipeline_of(project, "return pd.DataFrame({'a': [{1, 2}, {3}], 'b': [1, 2]})")
    (made,) = project.run().made
    assert (made.kind, made.rows) == ("table", 2)
    assert "object (set)" in made.notes[0]
    monkeypatch.chdir(project.folder)
    assert pilotline.read("shop.made")["a"].tolist() == [{1, 2}, {3}]


def test_a_frame_that_can_be_no_table_is_an_artifact_with_the_reason(project: Project):
    pipeline_of(project, "return pd.DataFrame({'a': [object, print]})")
    outcome = project.run()
    (made,) = outcome.made
    assert (made.kind, published_tables(project)) == ("object", [])
    assert made.notes
    assert made.notes[0]
    assert type(project.artifact(outcome, "made")).__name__ == "DataFrame"


def test_what_can_neither_be_a_table_nor_be_stored_is_refused_with_the_reason(project: Project):
    pipeline_of(project, "return (one for one in range(day))")
    with pytest.raises(PilotlineError) as caught:
        project.run()
    assert caught.value.code == "PL313"
    assert "generator" in caught.value.message
    assert published_tables(project) == []


@pytest.mark.parametrize(("value", "said"), [("float('nan')", "nan"), ("np.float32(0.5)", "0.5"), ("True", "True")])
def test_numbers_are_metrics(project: Project, value: str, said: str):
    pipeline_of(project, f"return {value}")
    (made,) = project.run().made
    assert (made.kind, made.where) == ("metric", said)


def test_a_pipeline_without_steps_publishes_nothing_and_then_has_nothing_to_do(project: Project):
    project.write("explore.py", "def pipeline():\n    return {}\n")
    outcome = project.run()
    assert (outcome.steps, outcome.made) == ({}, ())
    assert published_tables(project) == []
    assert project.run().state == "unchanged"


def test_an_output_whose_name_can_be_no_table_is_refused_by_name(project: Project):
    project.write(
        "explore.py",
        """
        import pandas as pd


        def make():
            return pd.DataFrame({"a": [1]})


        def pipeline():
            made = make()
            return {"by day!": made}
        """,
    )
    with pytest.raises(PilotlineError, match="by day!"):
        project.run()


# The plan


def test_planning_changes_nothing_but_what_it_remembers(project: Project):
    pipeline_of(project, DAYS)
    project.run()
    own = project.folder / ".pilotline"

    def state() -> dict[str, bytes]:
        return {
            str(path.relative_to(own)): path.read_bytes()
            for path in sorted(own.rglob("*"))
            if path.is_file() and path.parent.name != "cache" and not path.name.endswith(("-wal", "-shm"))
        }

    before = state()
    project.plan(parameters={"day": "7"})
    project.plan(fresh=True)
    assert state() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda project: None,
        lambda project: project.replace("explore.py", "10 * day", "11 * day"),
        lambda project: project.replace("explore.py", "len(made)", "len(made) + 1"),
        lambda project: project.write("numbers.txt", "3 4"),
        lambda project: project.replace("explore.py", "LIMIT = 2", "LIMIT = 3"),
    ],
    ids=["nothing", "first", "last", "file", "constant"],
)
@pytest.mark.parametrize("parameters", [{}, {"day": "2"}], ids=["default", "other day"])
def test_what_the_plan_says_is_what_is_done(project: Project, change, parameters: dict[str, str]):
    project.write("numbers.txt", "1 2")
    project.write(
        "explore.py",
        """
        import random
        from pathlib import Path

        import pandas as pd

        LIMIT = 2


        def make(*, day: int):
            return pd.DataFrame({"day": [day], "amount": [10 * day]})


        def read(numbers: Path):
            return [int(one) for one in numbers.read_text().split()][:LIMIT]


        def draw(numbers):
            return random.random() + len(numbers)


        def total(made, drawn) -> float:
            return len(made) + drawn


        def pipeline(*, day: int = 1, numbers: Path = Path("numbers.txt")):
            made = make(day=day)
            found = read(numbers)
            drawn = draw(found)
            sum_ = total(made, drawn)
            return {"made": made, "sum_": sum_}
        """,
    )
    project.run()
    change(project)
    made = project.plan(parameters=parameters)
    outcome = project.run(parameters=parameters)
    if made.nothing:
        assert outcome.state == "unchanged"
        return
    said = {stage.step: "reused" if stage.reuse else "computed" for stage in made.stages if isinstance(stage, RunStep)}
    assert outcome.steps == said
    keys = {event["step"]: event["key"] for event in project.events if event["event"] == "step"}
    assert keys == {stage.step: stage.key for stage in made.steps}


# How it is told


def run_here(project: Project, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pilotline", *words],
        cwd=project.folder, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "NO_COLOR": "1", **variables},
    )  # fmt: skip


def test_in_a_pipe_a_run_says_what_came_of_it_and_nothing_on_the_way(project: Project):
    pipeline_of(project, DAYS)
    done = run_here(project, "run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"published onto main by run-1, commit \w{8} \(1 computed, 0 reused, \d+\.\d s\)", lines[0])
    assert lines[1:] == ["  shop.made  table, 2 rows", "  next: pilotline show shop.made"]


def test_under_json_a_run_gives_one_document(project: Project):
    pipeline_of(project, DAYS)
    done = run_here(project, "run", "--json")
    told = json.loads(done.stdout)
    assert {name: told[name] for name in ("run", "state", "pipeline", "onto", "branch", "steps", "metrics", "checks")} == {
        "run": "run-1", "state": "published", "pipeline": "explore", "onto": "main", "branch": "run-1",
        "steps": [{"step": "make", "outcome": "computed"}], "metrics": {}, "checks": [],
    }  # fmt: skip
    assert [(one["table"], one["rows"]) for one in told["tables"]] == [("shop.made", 2)]
    again = json.loads(run_here(project, "run", "--json").stdout)
    assert (again["state"], again["because"]) == ("unchanged", "run-1 published the same")
    pipeline_of(project, "raise ValueError('no such day')")
    failed = run_here(project, "run", "--json")
    error = json.loads(failed.stdout)["error"]
    assert (failed.returncode, error["code"]) == (1, "PL310")
    assert "no such day" in error["message"]


def _has_more(waiting, milliseconds: int) -> bool:
    return any(event & select.POLLIN for _, event in waiting.poll(milliseconds))


def test_on_a_terminal_each_step_is_told_when_it_is_done(project: Project):
    pipeline_of(project, DAYS)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "run"], cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    # Not select: the many tests of one process may hold more files than it can name.
    waiting = select.poll()
    waiting.register(ours, select.POLLIN)
    while process.poll() is None or _has_more(waiting, 0):
        if _has_more(waiting, 200):
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"^\s*make\s+\d+\.\d s\s+made 2 x 2\s*$", text.replace("\r", "\n"), re.MULTILINE)
    assert "published onto main by run-1" in text


def test_a_run_with_nothing_to_do_starts_no_interpreter(project: Project):
    pipeline_of(project, DAYS)
    environment = project.folder.parent / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("")
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\n[ -e "{environment}/closed" ] && exit 99\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    variables = {"VIRTUAL_ENV": str(environment)}
    assert run_here(project, "run", **variables).returncode == 0
    (environment / "closed").touch()
    done = run_here(project, "run", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nothing to do: run-1 published the same on ")
    failed = run_here(project, "run", "--set", "day=5", **variables)
    assert failed.returncode != 0, "this interpreter does not start"


@pytest.mark.parametrize("given", ["named in code", "parameter"])
def test_a_file_that_appears_is_noticed_by_a_run_that_had_nothing_to_do(project: Project, given: str):
    project.write(
        "explore.py",
        """
        from pathlib import Path


        def look(more: Path) -> int:
            return int(more.exists()) + 10 * int(Path("beside.txt").exists())


        def pipeline(*, more: Path = Path("more.txt")):
            seen = look(more)
            return {"seen": seen}
        """,
    )
    assert run_here(project, "run").stdout.startswith("published")
    assert run_here(project, "run").stdout.startswith("nothing to do")
    project.write("beside.txt" if given == "named in code" else "more.txt", "1")
    told = json.loads(run_here(project, "run", "--json").stdout)
    assert told["metrics"] == {"seen": 10 if given == "named in code" else 1}


def test_the_report_shows_what_differs_and_needs_nothing_from_elsewhere(project: Project):
    project.write(
        "explore.py",
        """
        import pandas as pd


        def make(*, day: int):
            return pd.DataFrame({"day": [1, day], "name": ["<b>", "x"]})


        def total(made) -> int:
            return int(made["day"].sum())


        def pipeline(*, day: int = 2):
            made = make(day=day)
            sum_ = total(made)
            return {"made": made, "sum_": sum_}
        """,
    )
    project.write(
        "explore.toml",
        "[tables.made]\nchecks = [{not_null = ['day']}, {between = [0, 4], column = 'day', severity = 'warn'}]\n",
    )
    project.run()
    project.run(parameters={"day": "5"})
    page = (project.folder / ".pilotline" / "runs" / "run-2" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.+?)</h2>", page) == [
        "Steps",
        "Tables",
        "Numbers",
        "Checks",
        "Time",
        "Figures",
        "Parameters",
        "Environment",
    ]
    assert "was 3 in run-1" in page
    assert "<td><b class=plus>+</b></td><td>5</td><td>x</td>" in page
    assert "<td><b class=minus>-</b></td><td>2</td><td>x</td>" in page
    assert "1 row" in page
    assert not re.search(r"<(script|link|img|iframe)\b|url\(|@import|src=|href=", page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert metrics(project.run(parameters={"day": "5"})) == {}


FRAMES = """
    import pandas as pd
    import polars as pl
    import pyarrow as pa


    def frames() -> tuple[pl.DataFrame, pl.LazyFrame, pa.Table, pd.Series]:
        columns = {"n": [1, 2, 3]}
        return pl.DataFrame(columns), pl.LazyFrame(columns), pa.table(columns), pd.Series([1, 2, 3], name="n")


    def pipeline():
        eager, lazy, arrow, series = frames()
        return {"eager": eager, "arrow": arrow, "series": series}
"""


def test_frames_of_every_library_are_published_as_tables(project: Project):
    project.write("explore.py", FRAMES)
    outcome = project.run()
    assert {one.output: (one.kind, one.rows) for one in outcome.made} == {
        "eager": ("table", 3), "arrow": ("table", 3), "series": ("table", 3)
    }  # fmt: skip
    lake, _ = open_lake_here(project.folder)
    for name in ("eager", "arrow", "series"):
        rows = lake.scan(TableName("shop", name), WHOLE, "main").read_all().column("n").to_pylist()
        assert rows == [1, 2, 3], name


def test_what_is_borrowed_is_all_that_there_is():
    from pathlib import Path

    from pilotline.guest import borrowing

    house = Path(borrowing.__file__).parent.parent
    assert set(borrowing._FRAMES) == {path.stem for path in (house / "lake" / "frames").glob("*.py")} - {"__init__"}
    assert borrowing.borrow(str(house), "pilotline.lake.frames.coerce", "to_table") is not None
