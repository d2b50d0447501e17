from __future__ import annotations

import json

import pytest

PIPELINE = """
import pandas as pd


def make(*, count: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(count)})


def pipeline(*, count: int = 2):
    numbers = make(count=count)
    return {"numbers": numbers}
"""


@pytest.fixture
def published(pilotline, tmp_path):
    """A table of two rows on main, tagged, then one of three rows."""
    (tmp_path / "counting.py").write_text(PIPELINE)
    assert pilotline("init", "--namespace", "shop").returncode == 0
    assert pilotline("run", "counting").returncode == 0
    said = pilotline("tag", "two_rows")
    assert (said.returncode, "is two_rows, for ever" in said.stdout) == (0, True)
    assert pilotline("run", "counting", "--set", "count=3").returncode == 0


def test_a_tagged_state_can_be_read_after_others_were_published(published, pilotline):
    counted = {
        at: json.loads(pilotline("sql", "select count(*) as n from shop.numbers", "--at", at, "--json").stdout)["rows"]
        for at in ("two_rows", "main")
    }
    assert counted == {"two_rows": [{"n": 2}], "main": [{"n": 3}]}


def test_tags_are_listed_and_a_name_is_given_once(published, pilotline):
    listed = json.loads(pilotline("tag", "--json").stdout)["tags"]
    assert [one["tag"] for one in listed] == ["two_rows"]
    again = pilotline("tag", "two_rows")
    assert (again.returncode, again.stderr.partition(":")[0]) == (2, "PL204")
    of_nothing = pilotline("tag", "other", "--at", "none")
    assert (of_nothing.returncode, of_nothing.stderr.partition(":")[0]) == (2, "PL203")
