"""A step that is tried again when it raises, as its contract says."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run.conftest import Project, metrics

from pilotline.cli.main import main
from pilotline.domain.orders import Terms
from pilotline.domain.pipelines import BadContract, Contract, Tries, contract_of, toml_of_contract
from pilotline.run.errors import ChangedArguments, ChangedModule, StepFailed

#: Fails so often, and counts in a place that no key covers.
MODULE = """
    import os
    import random
    from pathlib import Path

    import pandas as pd

    COUNT = Path(os.environ["TRIED"])
    SEEN = []

    def rows() -> pd.DataFrame:
        return pd.DataFrame({{"n": [1, 2, 3]}})

    def fetch(frame: pd.DataFrame, *, left: int) -> float:
        drawn = random.random()
        times = int(COUNT.read_text()) + 1
        COUNT.write_text(str(times))
        if times <= left:
            {harm}
            raise {error}
        return drawn + len(frame)

    def pipeline(*, left: int = 2):
        frame = rows()
        fetched = fetch(frame, left=left)
        return {{"fetched": fetched}}
"""


@pytest.fixture
def tried(project: Project, tmp_path_factory, monkeypatch):
    count = tmp_path_factory.mktemp("count") / "times"
    monkeypatch.setenv("TRIED", str(count))

    def make(contract: str, *, error: str = "ConnectionResetError('gone')", harm: str = "pass") -> None:
        count.write_text("0")
        project.write("explore.py", MODULE.format(error=error, harm=harm))
        project.write("explore.toml", f'namespace = "shop"\n{contract}')

    make.times = lambda: int(count.read_text())
    return make


def test_a_step_is_called_again_until_it_succeeds_and_draws_as_if_it_had_succeeded_at_once(project: Project, tried):
    tried('[tries]\nfetch = { times = 3, wait = "1s" }')
    outcome = project.run()
    assert tried.times() == 3
    again = [event for event in project.events if event["event"] == "again"]
    assert [(event["step"], event["times"], event["of"], event["because"]) for event in again] == [
        ("fetch", 1, 3, "ConnectionResetError: gone"),
        ("fetch", 2, 3, "ConnectionResetError: gone"),
    ]
    assert 0.5 <= again[0]["wait"] <= 1.5
    assert 1.0 <= again[1]["wait"] <= 3.0
    tried("")
    assert metrics(project.run(parameters={"left": "0"})) == metrics(outcome)


def test_so_often_and_no_more(project: Project, tried):
    tried('[tries]\nfetch = { times = 2, wait = "1s" }')
    with pytest.raises(StepFailed, match="step fetch raised ConnectionResetError, at the last of 2 tries: gone"):
        project.run()
    assert tried.times() == 2
    # What did not fail is kept, and a run afterwards has all its tries again.
    project.run()
    assert tried.times() == 3
    assert [event["outcome"] for event in project.events if event["event"] == "step"] == ["reused", "computed"]


@pytest.mark.parametrize(
    ("on", "times"),
    [("ConnectionError", 3), ("OSError", 3), ("builtins.ConnectionResetError", 3), ("TimeoutError", 1)],
)
def test_only_after_what_the_contract_names(project: Project, tried, on: str, times: int):
    tried(f'[tries]\nfetch = {{ times = 3, wait = "1s", on = ["{on}"] }}')
    if times == 1:
        with pytest.raises(StepFailed, match="raised ConnectionResetError: gone"):
            project.run()
    else:
        project.run()
    assert tried.times() == times


def test_an_exit_is_not_tried_again(project: Project, tried):
    tried("[tries]\nfetch = 3", error="SystemExit(3)")
    with pytest.raises(StepFailed, match="raised SystemExit: 3"):
        project.run()
    assert tried.times() == 1


def test_a_failed_try_that_left_something_behind_is_not_gone_on_from(project: Project, tried):
    tried("[tries]\nfetch = 3", harm="frame.loc[0, 'n'] = 9")
    with pytest.raises(ChangedArguments):
        project.run()
    assert tried.times() == 1
    tried("[tries]\nfetch = 3", harm="SEEN.append(1)")
    with pytest.raises(ChangedModule):
        project.run()
    assert tried.times() == 1


def test_the_tries_are_seen_while_they_happen_and_afterwards(project: Project, tried, monkeypatch, capsys):
    import sys

    tried('[tries]\nfetch = { times = 2, wait = "1s" }')
    monkeypatch.chdir(project.folder)
    assert main(["run", "--set", "left=1", "--python", sys.executable, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert main(["logs", run]) == 0
    assert "step fetch raised ConnectionResetError: gone; try 2 of 2 in " in capsys.readouterr().out
    page = (project.folder / ".pilotline" / "runs" / run / "report.html").read_text(encoding="utf-8")
    assert "fetch, try 1" in page


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[tries]\nfetch = 0", "fetch in \\[tries\\]: times is a whole number from 1 to 1000"),
        ("[tries]\nfetch = true", "times is a whole number"),
        ("[tries]\nfetch = { time = 3 }", "'time' is no word of fetch in \\[tries\\]. Did you mean times"),
        ('[tries]\nfetch = { times = 3, wait = "soon" }', "wait is a span such as 90s"),
        ("[orders]\ntries = 1.5", "\\[orders\\]: tries is a whole number"),
        ('[orders]\ntimeout = "0m"', "timeout is a span"),
        ("[orders]\npriorty = 1", "'priorty' is no word of \\[orders\\]. Did you mean priority"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_said(said: str, why: str):
    with pytest.raises(BadContract, match=why):
        contract_of(tomllib.loads(said), namespace="shop", path="explore.toml")


def test_a_step_that_is_not_there_is_named_by_its_nearest(project: Project, tried):
    tried("[tries]\nfetsch = 3")
    with pytest.raises(BadContract, match=r"fetsch in \[tries\] names nothing that the pipeline has a step.* fetch"):
        project.open()


TRIES = st.builds(
    Tries,
    times=st.integers(1, 1000),
    wait=st.integers(1, 86400).map(float),
    on=st.lists(st.sampled_from(["OSError", "requests.exceptions.Timeout"]), unique=True, max_size=2).map(tuple),
)
TERMS = st.builds(
    Terms,
    tries=st.integers(1, 1000),
    timeout=st.none() | st.timedeltas().filter(lambda span: span.total_seconds() >= 1).map(
        lambda span: span - span % type(span)(seconds=1)
    ),
    priority=st.integers(-1000, 1000),
    key=st.none() | st.sampled_from(["", "warehouse", "the one"]),
)  # fmt: skip


@given(TRIES, TERMS)
def test_a_contract_is_read_back_as_it_was(tries: Tries, terms: Terms):
    contract = Contract(namespace="shop", tries={"fetch": tries}, terms=terms)
    assert contract_of(tomllib.loads(toml_of_contract(contract)), namespace="x", path="x.toml") == contract
    assert Terms.of_stored(json.loads(json.dumps(terms.as_stored()))) == terms
