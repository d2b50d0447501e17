"""What each step of a run took and gave."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from pilotline.cli.main import main
from pilotline.guest import memory

if TYPE_CHECKING:
    from tests.run.conftest import Project

MODULE = """
    import numpy as np
    import pandas as pd

    def rows(count: int) -> pd.DataFrame:
        return pd.DataFrame({"n": np.arange(count)})

    def heavy(frame: pd.DataFrame) -> pd.DataFrame:
        held = np.ones(40_000_000)
        return frame[frame["n"] < held.sum()].head(10)

    def light(few: pd.DataFrame) -> int:
        return len(few)

    def pipeline(*, count: int = 1000):
        frame = rows(count)
        few = heavy(frame)
        number = light(few)
        return {"few": few, "number": number}
"""


def test_a_run_tells_of_each_step_what_it_took_and_gave(project: Project, monkeypatch, capsys):
    project.write("explore.py", MODULE)
    monkeypatch.chdir(project.folder)
    assert main(["run", "--python", sys.executable, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert main(["logs", run, "--steps", "--json"]) == 0
    steps = {each["step"]: each for each in json.loads(capsys.readouterr().out)["steps"]}
    assert list(steps) == ["rows", "heavy", "light"]
    assert {name: (each["outcome"], each["rows_in"], each["rows_out"]) for name, each in steps.items()} == {
        "rows": ("computed", None, 1000),
        "heavy": ("computed", 1000, 10),
        "light": ("computed", 10, None),
    }
    assert steps["rows"]["bytes"] > 8000
    # 320 MB were held by the step in between, and by no other one.
    assert steps["heavy"]["memory"] - steps["rows"]["memory"] > 300e6
    if sys.platform.startswith("linux"):
        assert steps["heavy"]["memory"] - steps["light"]["memory"] > 300e6
    assert main(["logs", run, "--steps"]) == 0
    said = capsys.readouterr().out
    assert "most memory" in said
    assert "1 000" in said
    page = (project.folder / ".pilotline" / "runs" / run / "report.html").read_text(encoding="utf-8")
    assert "<h2>Figures</h2>" in page
    assert "<th>rows in</th>" in page
    project.write("explore.py", MODULE.replace("return len(few)", "return len(few) + 1"))
    assert main(["run", "--python", sys.executable, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert main(["logs", run, "--steps", "--json"]) == 0
    found = {each["step"]: each for each in json.loads(capsys.readouterr().out)["steps"]}
    assert (found["heavy"]["outcome"], found["heavy"]["rows_out"], found["light"]["outcome"]) == (
        "reused",
        10,
        "computed",
    )
    assert main(["logs", "run-99", "--steps"]) == 2


def test_where_the_mark_cannot_be_set_back_only_a_rise_is_told(monkeypatch):
    marks = iter([500, 500, 500, 900])
    monkeypatch.setattr(memory, "_mark", lambda: next(marks))
    monkeypatch.setattr(sys, "platform", "other")
    assert memory.most(memory.begin()) is None
    assert memory.most(memory.begin()) == 900
