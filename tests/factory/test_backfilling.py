"""Partitions are filled where a run that published them stands; a backfill orders what is not, once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotline.factory.backfilling import BadRange, Filled, as_page, as_text, values_between
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

MODULE = '''"""A number of a day."""

import pandas as pd


def made(day: str) -> pd.DataFrame:
    if day == "2026-01-03":
        raise ValueError("a day that cannot be made")
    return pd.DataFrame({"day": [day], "n": [int(day[-2:])]})


def pipeline(*, day: str = "2026-01-01"):
    takings = made(day)
    return {"takings": takings}
'''
CONTRACT = 'partition = "day"\n[tables.takings]\nmode = "partition(day)"\n'


@pytest.fixture
def project(lies, tmp_path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "daily.py").write_text(MODULE)
    (folder / "daily.toml").write_text(CONTRACT)
    return folder


def call(folder: Path, *words: str, status: int = 0):
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def states(told) -> dict[str, str]:
    return {one["value"][-2:]: one["state"] for one in told["partitions"]}


def test_what_is_missing_is_filled_once_and_what_failed_again(project):
    month = ("--from", "2026-01-01", "--to", "2026-01-04")
    call(project, "run", "daily", "--set", "day=2026-01-02")
    assert states(call(project, "backfill", *month, "--dry-run")) == {
        "01": "missing", "02": "filled", "03": "missing", "04": "missing"
    }  # fmt: skip
    told = call(project, "backfill", *month, "--parallel", "2")
    assert [one["value"][-2:] for one in told["ordered"]] == ["01", "03", "04"]
    assert call(project, "backfill", *month)["ordered"] == []
    call(project, "worker", "--drain")
    assert states(call(project, "backfill", *month, "--dry-run")) == {
        "01": "filled", "02": "filled", "03": "failed", "04": "filled"
    }  # fmt: skip
    (project / "daily.py").write_text(MODULE.replace('"2026-01-03"', '"never"'))
    told = call(project, "backfill", *month, "--failed")
    assert [one["value"][-2:] for one in told["ordered"]] == ["03"]
    call(project, "worker", "--drain")
    assert set(states(call(project, "backfill", *month, "--dry-run")).values()) == {"filled"}
    lake, _ = open_lake_here(project)
    from pilotline.domain.tables import TableName
    from pilotline.run.planning import WHOLE

    rows = lake.scan(TableName("shop", "takings"), WHOLE, "main").read_all().to_pylist()
    assert sorted(row["n"] for row in rows) == [1, 2, 3, 4]
    lake.undo(lake.resolve("main").id)
    assert states(call(project, "backfill", *month, "--dry-run"))["03"] == "undone"
    told = call(project, "backfill", *month)
    assert [one["value"][-2:] for one in told["ordered"]] == ["03"]
    call(project, "worker", "--drain")
    assert states(call(project, "backfill", *month, "--dry-run"))["03"] == "filled"
    lake.database.close()


def test_what_is_no_range_is_refused(project):
    assert "PL532" in call(project, "backfill", "--from", "2026-01-01", "--to", "2026-02", status=2)
    assert "PL532" in call(project, "backfill", status=2)
    (project / "daily.toml").write_text("")
    assert "does not say which parameter" in call(project, "backfill", "--value", "x", status=2)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2023", "2025", ("2023", "2024", "2025")),
        ("2025-11", "2026-02", ("2025-11", "2025-12", "2026-01", "2026-02")),
        ("2028-02-28", "2028-03-01", ("2028-02-28", "2028-02-29", "2028-03-01")),
        ("2026-01-01T22", "2026-01-02T01", ("2026-01-01T22", "2026-01-01T23", "2026-01-02T00", "2026-01-02T01")),
    ],
)
def test_a_range_has_both_its_ends(first, last, expected):
    assert values_between(first, last) == expected


@pytest.mark.parametrize(
    ("first", "last"), [("2026-02-30", "2026-03-01"), ("2026-02-01", "2026-01-01"), ("now", "then")]
)
def test_a_range_that_is_none_is_refused(first, last):
    with pytest.raises(BadRange):
        values_between(first, last)


@given(st.dates(), st.integers(0, 800))
def test_the_days_of_a_range_follow_each_other(first, more):
    from datetime import date, timedelta

    if first.year < 1000 or first + timedelta(days=0) > date(9990, 1, 1):
        return
    last = first + timedelta(days=more)
    found = values_between(str(first), str(last))
    assert (found[0], found[-1], len(found)) == (str(first), str(last), more + 1)


def test_the_picture_shows_each_partition_and_escapes_why_it_failed():
    partitions = [
        Filled(value="2026-01-31", state="filled", by="run-1"),
        Filled(value="2026-02-01", state="failed", by="order-2", because="<script>alert(1)</script>"),
        Filled(value="2026-02-02", state="missing"),
    ]
    assert as_text(partitions).splitlines() == ["2026-01  ■", "2026-02  ✗·", "", "■ 1 filled  · 1 missing  ✗ 1 failed"]
    page = as_page("daily", partitions)
    assert page.count("<rect") == 3
    assert "<script>" not in page
    assert "http" not in page
    assert "prefers-color-scheme:dark" in page


def test_partitions_that_are_no_times_are_shown_by_their_names():
    regions = [Filled(value="north-east", state="filled"), Filled(value="north-west", state="missing")]
    assert as_text(regions).splitlines()[:2] == ["north-east  ■", "north-west  ·"]
    assert ">north-west<" in as_page("daily", regions)


def test_a_pipeline_in_a_folder_below_is_filled_too(tmp_path):
    folder = tmp_path / "shop"
    (folder / "below").mkdir(parents=True)
    (folder / "pilotline.toml").write_text('namespace = "shop"\n')
    (folder / "below" / "daily.py").write_text(MODULE)
    (folder / "below" / "daily.toml").write_text(CONTRACT)
    days = ("backfill", "below/daily.py", "--from", "2026-01-01", "--to", "2026-01-02")
    assert len(call(folder, *days)["ordered"]) == 2
    call(folder, "worker", "--drain")
    assert states(call(folder, *days, "--dry-run")) == {"01": "filled", "02": "filled"}
