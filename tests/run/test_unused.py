"""Results that nothing uses are let go after a while; what is used stays, and what went is computed again."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pilotline.run.errors import BadSettings
from pilotline.run.unused import let_go_of_unused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import Project

MONTH = timedelta(days=30)
MODULE = """
    '''Numbers.'''
    import random
    import pandas as pd
    import pyarrow as pa


    def drawn() -> pd.DataFrame:
        return pd.DataFrame({"n": [random.randint(0, 0)]})


    def streamed(numbers: pd.DataFrame):
        table = pa.Table.from_pandas(numbers)
        return pa.RecordBatchReader.from_batches(table.schema, table.to_batches())


    def more(stream) -> pd.DataFrame:
        return stream.read_pandas() + 1


    def pipeline():
        numbers = drawn()
        stream = streamed(numbers)
        more_numbers = more(stream)
        return {"more_numbers": more_numbers}
"""


@pytest.fixture
def numbers(project: Project) -> Project:
    project.write("explore.py", MODULE)
    return project


def store_of(project: Project) -> Path:
    return project.folder / ".pilotline" / "store"


def files_of(project: Project) -> set[str]:
    return {file.name for file in store_of(project).rglob("*") if file.is_file() and file.name != "looked"}


def let_days_pass(project: Project, days: float) -> None:
    """All that is there becomes older."""
    for file in store_of(project).rglob("*"):
        before = file.stat().st_mtime - days * 86_400
        os.utime(file, (before, before))


def test_what_no_run_uses_goes_and_what_one_uses_stays(numbers: Project):
    numbers.run()
    first = files_of(numbers)
    assert any(".stream" in name for name in first)
    assert any(name.endswith(".facts") for name in first)
    let_days_pass(numbers, 20)
    # Other code for the last step: the others' results are used, its own old one is not.
    numbers.replace("explore.py", "+ 1", "+ 2")
    numbers.run()
    both = files_of(numbers)
    assert first < both
    let_days_pass(numbers, 15)
    assert let_go_of_unused(store_of(numbers), MONTH) == len(both) - len(files_of(numbers)) > 0
    stayed = files_of(numbers)
    assert both - stayed < first
    numbers.replace("explore.py", "+ 2", "+ 3")
    assert {step: how for step, how in numbers.run().steps.items() if how == "reused"} == {
        "drawn": "reused",
        "streamed": "reused",
    }


def test_what_went_is_computed_again(numbers: Project):
    numbers.run()
    let_days_pass(numbers, 31)
    assert let_go_of_unused(store_of(numbers), MONTH) > 0
    assert files_of(numbers) == set()
    numbers.replace("explore.py", "+ 1", "+ 2")
    outcome = numbers.run()
    assert (outcome.state, set(outcome.steps.values())) == ("published", {"computed"})


def test_a_run_looks_itself_once_a_day_and_as_long_as_the_settings_say(numbers: Project):
    numbers.run()
    old = store_of(numbers) / "ab" / "abcdef"
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"old")
    long_ago = time.time() - 40 * 86_400
    os.utime(old, (long_ago, long_ago))
    numbers.replace("explore.py", "+ 1", "+ 2")
    numbers.run()
    assert old.exists(), "it was looked a moment ago"
    looked = store_of(numbers) / "looked"
    os.utime(looked, (long_ago, long_ago))
    (numbers.folder / "pilotline.toml").write_text('namespace = "shop"\n[factory]\nkeep_results = "forever"\n')
    numbers.replace("explore.py", "+ 2", "+ 3")
    numbers.run()
    assert old.exists(), "for ever"
    (numbers.folder / "pilotline.toml").write_text('namespace = "shop"\n')
    numbers.replace("explore.py", "+ 3", "+ 4")
    numbers.run()
    assert not old.exists()


def test_a_time_that_is_none_is_refused_before_anything_runs(numbers: Project):
    (numbers.folder / "pilotline.toml").write_text('namespace = "shop"\n[factory]\nkeep_results = "a while"\n')
    with pytest.raises(BadSettings, match="keep_results"):
        numbers.run()
    assert not store_of(numbers).exists()


def test_without_results_there_is_nothing_to_do(tmp_path):
    assert let_go_of_unused(tmp_path / "none", MONTH) == 0
    assert list(tmp_path.iterdir()) == []
