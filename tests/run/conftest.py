from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pilotline.run.carrying import Outcome, carry_out
from pilotline.run.opening import Opened, open_pipeline
from pilotline.run.planning import Asked, plan

if TYPE_CHECKING:
    from pathlib import Path

    from pilotline.domain.plans import Plan


@dataclass
class Project:
    """A project in a folder of its own, run in this process with this process's interpreter."""

    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        # What was changed in the last 50 ms is not trusted to stay as it is, and read again: not what is tested here.
        before = time.time() - 5
        os.utime(path, (before, before))

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def open(self, module: str = "explore") -> Opened:
        return open_pipeline(module, self.folder, python=sys.executable)

    def plan(self, module: str = "explore", **asked: Any) -> Plan:
        opened = self.open(module)
        return plan(opened.reading, opened.lake, Asked(**asked), opened.around)

    def run(self, module: str = "explore", **asked: Any) -> Outcome:
        opened = self.open(module)
        made = plan(opened.reading, opened.lake, Asked(**asked), opened.around)
        self.events.clear()
        outcome = carry_out(
            made,
            opened.lake,
            opened.around,
            lambda event: self.events.append(dict(event)),
            fresh=asked.get("fresh", False),
        )
        assert [event for event in self.events if event["event"] == "no report"] == []
        return outcome

    def why(self, **asked: Any) -> dict[str, str]:
        """Step -> why it would be computed; steps that would be reused are left out."""
        return {stage.step: stage.why for stage in self.plan(**asked).steps if not stage.reuse}

    def artifact(self, outcome: Outcome, output: str) -> Any:
        import pickle

        made = next(one for one in outcome.made if one.output == output)
        path = self.folder / ".pilotline" / "artifacts" / made.where[:2] / made.where
        return path.read_bytes() if made.kind == "file" else pickle.loads(path.read_bytes())


def metrics(outcome: Outcome) -> dict[str, float | None]:
    return {one.output: one.value for one in outcome.made if one.kind == "metric"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "shop").mkdir()
    return Project(tmp_path / "shop")
