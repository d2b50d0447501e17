"""The true values are true: each notebook, run by IPython as its user did, gives what `values.py` works out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .cases import HAZARDS, HERE, SIXTEEN, Hazard
from .compare import same
from .make_hazards import files
from .staging import Sessions, executed, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: One would install a package, the other knock at a port.
OUTSIDE = {"installs", "network_fallback"}
COMPUTING = [hazard for hazard in HAZARDS if hazard.value is not None and hazard.name not in OUTSIDE]


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    with Sessions() as running:
        yield running


@pytest.mark.parametrize("hazard", COMPUTING, ids=lambda hazard: hazard.name)
def test_a_notebook_run_as_its_user_did_gives_the_value_that_was_worked_out(
    hazard: Hazard, sessions: Sessions, tmp_path: Path
) -> None:
    folder = tmp_path / "there" / "project"
    unpack(hazard, folder)
    assert hazard.value is not None
    truth = hazard.value(folder)
    assert set(truth) == set(hazard.wanted)
    found = sessions.run(executed(hazard), list(hazard.wanted), folder=folder, scratch=tmp_path)
    wrong = {want: (got, truth[want]) for want, got in found.items() if not same(got, truth[want])}
    assert wrong == {}


def test_the_notebooks_on_disk_are_what_make_hazards_writes() -> None:
    for relative, text in files().items():
        assert (HERE / relative).read_text(encoding="utf-8") == text, f"run make_hazards.py: {relative} is out of date"


def test_every_notebook_on_disk_is_in_the_table_once() -> None:
    on_disk = sorted(path.name for path in (HERE / "notebooks").iterdir() if path.suffix in {".py", ".ipynb"})
    assert sorted(hazard.path for hazard in HAZARDS) == on_disk
    assert len(SIXTEEN) == 16
    assert len(HAZARDS) >= 16 + 20
