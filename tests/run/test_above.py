"""A project in a folder of its own may read what lies beside it, as notebooks in ``notebooks`` read ``../data``."""

from __future__ import annotations

import json

import pytest

from pilotline.cli.main import main

MODULE = """
from pathlib import Path


def count(orders: Path) -> int:
    return len(orders.read_text())


def note(number: int, *, log: Path) -> int:
    log.write_text(str(number))
    return number


def pipeline(*, orders: Path = Path("../data/orders.csv"), log: Path = Path("../data/log.txt")):
    number = count(orders)
    noted = note(number, log=log)
    return {"noted": noted}
"""


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    folder = tmp_path / "repository" / "notebooks"
    data = tmp_path / "repository" / "data"
    folder.mkdir(parents=True)
    data.mkdir()
    (data / "orders.csv").write_text("12345")
    (data / "log.txt").write_text("as it was")
    (folder / "counting.py").write_text(MODULE)
    monkeypatch.chdir(folder)
    return folder


def run(capsys, *words: str):
    status = main(["run", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_what_lies_beside_the_project_is_read_and_counts_and_is_not_written_to(notebooks, capsys):
    data = notebooks.parent / "data"
    status, told = run(capsys)
    assert (status, told["state"]) == (0, "published"), told
    assert (data / "log.txt").read_text() == "as it was"
    assert run(capsys)[1]["state"] == "unchanged"
    (data / "orders.csv").write_text("1234567")
    assert run(capsys)[1]["state"] == "published"
    assert sorted(each.name for each in notebooks.parent.iterdir()) == ["data", "notebooks"]


def test_a_folder_around_the_project_is_no_way_back_into_it(notebooks, capsys):
    (notebooks / "counting.py").write_text(
        MODULE.replace('Path("../data/orders.csv")', 'Path("..")').replace(
            "len(orders.read_text())", "len(str(orders))"
        )
    )
    before = {each: each.stat().st_mtime_ns for each in notebooks.parent.rglob("*.*") if ".pilotline" not in str(each)}
    status, told = run(capsys)
    assert (status, told.get("state")) == (0, "published"), told
    after = {each: each.stat().st_mtime_ns for each in notebooks.parent.rglob("*.*") if ".pilotline" not in str(each)}
    assert after == before
