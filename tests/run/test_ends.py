"""Runs that end in the middle, that meet, or that run elsewhere: really killed, really at once, in other interpreters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.run.conftest import metrics

from pilotline.domain.errors import PilotlineError
from pilotline.lake.crash import POINTS
from pilotline.run.checking import WHOLE
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from tests.run.conftest import Project

TWO_TABLES = """
    import pandas as pd


    def first(*, by: int):
        return pd.DataFrame({"a": [by, 2 * by]})


    def second(one):
        return one.assign(b=one["a"] + 1)


    def count(two) -> int:
        return len(two)


    def pipeline(*, by: int = 1):
        one = first(by=by)
        two = second(one)
        rows = count(two)
        return {"one": one, "two": two, "rows": rows}
"""


def run_here(project: Project, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pilotline", "run", *words],
        cwd=project.folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def tables_on_main(project: Project) -> dict[str, list[dict[str, int]]]:
    lake, _ = open_lake_here(project.folder)
    at = lake.resolve("main")
    return {info.table.name: lake.scan(info.table, WHOLE, at).read_all().to_pylist() for info in lake.tables(at)}


def made_by(by: int) -> dict[str, list[dict[str, int]]]:
    return {
        "one": [{"a": by}, {"a": 2 * by}],
        "two": [{"a": by, "b": by + 1}, {"a": 2 * by, "b": 2 * by + 1}],
    }


#: A run publishes in its own transaction, so what comes after a commit is not the lake's.
BEFORE_THE_END = [point for point in POINTS if not point.startswith(("rebase", "undo", "publish-committed", "sweep"))]


@pytest.mark.parametrize("point", BEFORE_THE_END)
def test_killed_while_it_writes_or_publishes_a_run_publishes_nothing_and_is_taken_up(project: Project, point: str):
    project.write("explore.py", TWO_TABLES)
    assert run_here(project).returncode == 0
    killed = run_here(project, "--set", "by=5", PILOTLINE_CRASH_AT=point)
    assert killed.returncode == -signal.SIGKILL
    _, records = open_lake_here(project.folder)
    assert tables_on_main(project) == made_by(1)
    assert records.run(2).state == "running", "nobody has looked yet"
    outcome = project.run(parameters={"by": "5"})
    assert (set(outcome.steps.values()), metrics(outcome)) == ({"reused"}, {"rows": 2.0})
    assert (tables_on_main(project), records.run(2).state) == (made_by(5), "failed")


def test_two_runs_at_once_publish_one_after_the_other_or_say_that_they_met(project: Project):
    project.write("explore.py", TWO_TABLES)
    assert run_here(project).returncode == 0
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "pilotline", "run", "--set", f"by={by}"],
            cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for by in (3, 4)
    ]  # fmt: skip
    said = [one.communicate(timeout=300)[1] for one in both]
    assert 0 in {one.returncode for one in both}
    for one, text in zip(both, said, strict=True):
        if one.returncode:
            assert text.startswith("PL210: "), text
    found = tables_on_main(project)
    assert found in (made_by(3), made_by(4)), "never one table of each"


def test_the_same_run_twice_at_once_gives_what_it_gives_alone(project: Project):
    project.write("explore.py", TWO_TABLES)
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "pilotline", "run"],
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=300)[1] for one in both]
    assert 0 in {one.returncode for one in both}, said
    assert all(not one.returncode or text.startswith(b"PL210: ") for one, text in zip(both, said, strict=True)), said
    assert tables_on_main(project) == made_by(1)
    assert project.run().state == "unchanged"


def test_a_run_that_takes_too_long_ends_with_all_that_it_started_and_is_taken_up(project: Project, tmp_path: Path):
    mark = tmp_path / "child"
    project.write(
        "explore.py",
        f"""
        import subprocess
        import time


        def first() -> int:
            return 4


        def second(four, *, wait: float) -> int:
            if wait:
                child = subprocess.Popen(["sleep", "600"])
                with open("{mark}", "w") as file:
                    file.write(str(child.pid))
                time.sleep(wait)
            return four


        def pipeline(*, wait: float = 0.0):
            four = first()
            same = second(four, wait=wait)
            return {{"same": same}}
        """,
    )
    began = time.monotonic()
    done = run_here(project, "--set", "wait=600", "--timeout", "6")
    assert done.returncode == 1
    assert done.stderr.startswith("PL338: the steps took longer than 6 s; nothing was published")
    assert time.monotonic() - began < 200
    child = int(mark.read_text())
    until = time.monotonic() + 30
    while (
        Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    ):
        assert time.monotonic() < until, "what the step started is still there"
        time.sleep(0.05)
    assert project.run().steps == {"first": "reused", "second": "computed"}


def test_a_published_table_that_is_an_input_is_read_at_one_commit_and_counts_in_keys(project: Project):
    project.write("prices.py", TWO_TABLES)
    project.run("prices")
    project.write(
        "explore.py",
        """
        import pilotline


        def load(prices: str):
            return pilotline.read(prices)


        def total(loaded) -> int:
            return int(loaded["a"].sum())


        def pipeline(*, prices: str = "shop.one"):
            loaded = load(prices)
            sum_ = total(loaded)
            return {"sum_": sum_}
        """,
    )
    assert metrics(project.run()) == {"sum_": 3.0}
    assert project.run().state == "unchanged"
    project.run("prices", parameters={"by": "10"})
    assert project.why() == {"load": "shop.one changed", "total": "load is computed again"}
    assert metrics(project.run()) == {"sum_": 30.0}


def test_a_check_sees_the_branch_and_not_what_is_published(project: Project):
    project.write("explore.py", TWO_TABLES)
    project.run()
    project.write("explore.toml", "[tables.one]\nchecks = [{sql = 'select * from one where a > 5', name = 'small'}]\n")
    with pytest.raises(PilotlineError) as caught:
        project.run(parameters={"by": "5"})
    assert caught.value.code == "PL320"
    assert caught.value.message.splitlines()[-2:] == ["      a", "      10"]
    assert tables_on_main(project) == made_by(1)


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of another Python with other libraries, and nothing of the tool's."""
    pythons = sorted((Path.home() / ".pyenv/versions").glob("3.9.*/bin/python")) + sorted(
        Path("/usr/bin").glob("python3.9")
    )
    python = pythons[0] if pythons else Path(sys.executable)
    place = tmp_path_factory.mktemp("older") / "environment"
    subprocess.run([python, "-m", "venv", place], check=True)
    return place


def test_a_run_in_an_environment_that_has_nothing_is_carried_out(project: Project, older: Path):
    project.write(
        "explore.py",
        """
        import sys


        def version() -> list:
            return list(sys.version_info[:2])


        def total(found) -> int:
            return 100 * found[0] + found[1]


        def pipeline():
            found = version()
            number = total(found)
            return {"number": number, "found": found}
        """,
    )
    done = run_here(project, "--python", str(older))
    assert done.returncode == 0, done.stderr
    told = subprocess.run(
        [older / "bin" / "python", "-c", "import sys; print(100 * sys.version_info[0] + sys.version_info[1])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"number  {told.stdout.strip()}" in done.stdout


@pytest.mark.parametrize("room", [0, 40_000, 400_000])
def test_without_room_a_run_is_refused_by_code_and_takes_up_when_there_is_some(project: Project, room: int):
    project.write("explore.py", TWO_TABLES)
    assert run_here(project).returncode == 0
    # A limit on the size of files, which every process of the run inherits, stands for a full disk.
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
    limited += "import sys; from pilotline.cli.main import main; sys.exit(main(['run', '--set', 'by=5']))"
    done = subprocess.run(
        [sys.executable, "-c", limited], cwd=project.folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert tables_on_main(project) == made_by(5 if done.returncode == 0 else 1)
    if done.returncode:
        assert (done.returncode, done.stderr.partition(":")[0]) == (1, "PL334"), done.stderr
    assert done.returncode == 1 or room > 100_000
    project.run(parameters={"by": "5"})
    assert tables_on_main(project) == made_by(5)


def test_a_project_that_may_not_be_written_is_refused_by_code(project: Project):
    project.write("explore.py", TWO_TABLES)
    (project.folder / ".pilotline").write_text("in the way")
    done = run_here(project)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "PL334"), done.stderr
