from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.domain.plans import CreateBranch, KeepArtifact, Publish, RunCheck, RunStep, WriteTable
from pilotline.domain.tables import Append, Replace, TableName
from pilotline.run.explaining import explain, mermaid, plan_as_json

if TYPE_CHECKING:
    from tests.run.conftest import Project

MODULE = """
    '''Sums of numbers.'''
    from pathlib import Path

    FACTOR = 2


    def load(numbers: Path) -> list:
        return [int(line) for line in numbers.read_text().split()]


    def scale(loaded, *, by: int) -> list:
        return [number * by * FACTOR for number in loaded]


    def total(scaled) -> int:
        return sum(scaled)


    def count(loaded) -> int:
        return len(loaded)


    def pipeline(*, numbers: Path = Path("data/numbers.txt"), by: int = 1):
        loaded = load(numbers)
        scaled = scale(loaded, by=by)
        answer = total(scaled)
        many = count(loaded)
        return {"answer": answer, "many": many, "scaled": scaled}
"""


@pytest.fixture
def sums(project: Project) -> Project:
    project.write("explore.py", MODULE)
    project.write("data/numbers.txt", "1 2 3")
    return project


def test_a_plan_names_every_stage_before_anything_is_done(sums: Project):
    sums.write("explore.toml", "[tables.answer]\nmode = 'append'\nchecks = [{row_count = [1, 2]}]\n")
    made = sums.plan()
    answer = TableName("shop", "answer")
    assert [type(stage) for stage in made.stages] == [
        CreateBranch, RunStep, RunStep, RunStep, RunStep, WriteTable, KeepArtifact, KeepArtifact, RunCheck, Publish,
    ]  # fmt: skip
    assert made.stages[5:8] == (
        WriteTable(output="answer", table=answer, mode=Append()),
        KeepArtifact(output="many", kind="metric"),
        KeepArtifact(output="scaled", kind="artifact"),
    )
    assert sums.why() == dict.fromkeys(["load", "scale", "total", "count"], "it was never run")
    assert not (sums.folder / ".pilotline" / "runs").exists()
    assert not (sums.folder / ".pilotline" / "store").exists()


def test_nothing_is_to_be_done_again_after_a_run(sums: Project):
    sums.run()
    made = sums.plan()
    assert made.stages == ()
    assert made.nothing is not None
    assert made.nothing.run == "run-1"
    assert "Nothing to do: run-1 published the same" in explain(made)


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("explore.py", "sum(scaled)", "sum(scaled, 0)", {"total": "its code changed"}),
        (
            "explore.py", "FACTOR = 2", "FACTOR = 3",
            {"scale": "its code changed", "total": "scale is computed again"},
        ),
        (
            "data/numbers.txt", "3", "4",
            {
                "load": "data/numbers.txt changed",
                "scale": "load is computed again",
                "total": "scale is computed again",
                "count": "load is computed again",
            },
        ),
        ("explore.py", "    return len(loaded)", "    # how many\n    return len(loaded)", {}),
    ],
)  # fmt: skip
def test_a_change_computes_again_only_what_depends_on_it_and_says_why(
    sums: Project, file: str, old: str, new: str, why: dict[str, str]
):
    sums.run()
    sums.replace(file, old, new)
    assert sums.why() == why


def test_a_parameter_computes_again_only_what_reads_it(sums: Project):
    sums.run()
    assert sums.why(parameters={"by": "5"}) == {"scale": "by changed from 1 to 5", "total": "scale is computed again"}


def test_what_was_computed_once_is_reused_when_a_change_is_taken_back(sums: Project):
    sums.run()
    sums.run(parameters={"by": "5"})
    assert sums.why() == {}
    assert sums.plan().nothing is None, "main has what by=5 gave"
    assert sums.run().steps == dict.fromkeys(["load", "scale", "total", "count"], "reused")


def test_the_same_text_in_another_file_is_another_input(sums: Project):
    sums.run()
    sums.write("data/others.txt", "1 2 3")
    assert sums.why(parameters={"numbers": "data/others.txt"})["load"] == "numbers is now data/others.txt"


def test_a_module_of_the_project_belongs_to_the_steps_that_import_it(sums: Project):
    sums.write("rules/__init__.py", "")
    sums.write("rules/weights.py", "from rules.base import BASE\n\n\ndef weigh(x):\n    return x * BASE\n")
    sums.write("rules/base.py", "BASE = 10\n")
    sums.replace("explore.py", "return sum(scaled)", "from rules.weights import weigh\n    return weigh(sum(scaled))")
    sums.run()
    sums.replace("rules/base.py", "10", "20")
    assert sums.why() == {"total": "its code changed"}


def test_a_file_that_hides_a_module_is_noticed(sums: Project):
    sums.replace("explore.py", "return len(loaded)", "import statistics\n    return len(loaded)")
    sums.run()
    sums.write("statistics.py", "def mean(x): return 0\n")
    assert sums.why() == {"count": "its code changed"}


def test_an_environment_variable_that_the_code_names_belongs_to_the_key(sums: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODE", "one")
    sums.replace("explore.py", "return len(loaded)", "import os\n    return len(loaded) + len(os.environ['MODE'])")
    sums.run()
    assert sums.plan().nothing is not None
    monkeypatch.setenv("MODE", "three")
    assert list(sums.why()) == ["count"]


def test_a_file_named_in_the_code_belongs_to_the_key(sums: Project):
    sums.write("data/more.txt", "7")
    sums.replace("explore.py", "return len(loaded)", "return len(loaded) + int(Path('data/more.txt').read_text())")
    assert metrics_of(sums.run()) == {"answer": 12.0, "many": 10.0}
    sums.replace("data/more.txt", "7", "8")
    assert sums.why() == {"count": "data/more.txt changed"}
    assert metrics_of(sums.run()) == {"answer": 12.0, "many": 11.0}


def metrics_of(outcome) -> dict[str, float]:
    return {one.output: one.value for one in outcome.made if one.kind == "metric"}


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"bye": "3"}, "PL303", "the pipeline has no parameter 'bye'. Did you mean by?"),
        ({"by": "three"}, "PL303", "'three' is no value for by, which takes int"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(sums: Project, asked: dict[str, str], code: str, message: str):
    with pytest.raises(PilotlineError) as caught:
        sums.plan(parameters=asked)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("many = count(loaded)", "many = count(loaded) + 1", "PL302"),
        ("def pipeline", "def pipe", "PL302"),
        ("many = count(loaded)", "many = len(loaded)", "PL302"),
    ],
)
def test_a_pipeline_that_is_no_straight_line_is_refused_with_its_line(sums: Project, old: str, new: str, code: str):
    sums.replace("explore.py", old, new)
    with pytest.raises(PilotlineError) as caught:
        sums.plan()
    assert caught.value.code == code
    assert "explore.py, line " in caught.value.message
    assert caught.value.try_next


def test_explain_says_what_will_be_done(sums: Project):
    sums.run()
    text = explain(sums.plan(parameters={"by": "5"}))
    assert text.splitlines()[2:9] == [
        "  reuse    load   (numbers=data/numbers.txt)",
        "  compute  scale  (loaded from load, by=5)    by changed from 1 to 5",
        "  compute  total  (scaled from scale)         scale is computed again",
        "  reuse    count  (loaded from load)",
        "",
        "  2 of 4 steps to compute.",
        "",
    ]
    assert text.endswith("  publish onto main, all at once")


def test_a_plan_is_drawn_as_mermaid_and_told_as_json(sums: Project):
    made = sums.plan()
    drawn = mermaid(made)
    assert drawn.startswith("flowchart LR\n")
    assert "    load --> scale" in drawn.splitlines()
    told = plan_as_json(made)
    assert told["pipeline"] == "explore"
    assert told["inputs"] == [
        {
            "kind": "file",
            "path": "data/numbers.txt",
            "sha256": sha256(b"1 2 3").hexdigest(),
            "parameter": "numbers",
        }
    ]


def test_replace_is_the_mode_where_no_contract_says_otherwise(sums: Project):
    assert sums.plan().pipeline.contract.mode_of("answer") == Replace()
