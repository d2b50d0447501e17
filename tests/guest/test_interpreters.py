"""What runs in the user's interpreter runs in every Python from 3.9 on that is on this machine, with nothing installed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from pilotline.lift.guestcall import Guest

GUEST = Path(__file__).parents[2] / "src/pilotline/guest"
CELLS = [
    "import csv, random, collections\nrandom.seed(3)",
    "with open('sales.csv') as file:\n    rows = list(csv.DictReader(file))",
    "alias = rows\nalias[0]['state'] = 'Puerto Rico'",
    "def amount(row, factor=2):\n    return int(row['amount']) * factor",
    "class Total:\n    def __init__(self):\n        self.by = collections.Counter()\n    def add(self, row):\n        self.by[row['state']] += amount(row)",
    "total = Total()\nfor row in rows:\n    total.add(row)",
    "dead = [len(rows)]\nsample = random.sample(range(100), 5)",
    "sum(total.by.values())",
]
MODULE = """
import csv
from pathlib import Path

def read(sales_csv: Path) -> list:
    with open(sales_csv) as file:
        return list(csv.DictReader(file))

def add(rows, *, factor: int) -> int:
    return sum(int(row["amount"]) * factor for row in rows)

def pipeline(*, sales_csv: Path = Path("sales.csv"), factor: int = 2):
    rows = read(sales_csv)
    total = add(rows, factor=factor)
    return {"rows": rows, "total": total}
"""


@cache
def interpreters() -> dict[str, Path]:
    """Version -> an interpreter of it: this one, and those that version managers and the system have."""
    found = {".".join(map(str, sys.version_info[:2])): Path(sys.executable)}
    homes = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python", Path("/opt")]
    paths = [one for home in homes for one in map(str, home.glob("*/bin/python3"))]
    paths += [path for minor in range(9, 15) if (path := shutil.which(f"python3.{minor}"))]
    for path in paths:
        asked = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        version = done.stdout.strip()
        if done.returncode == 0 and re.fullmatch(r"3\.(9|1\d)", version):
            found.setdefault(version, Path(os.path.realpath(path)))
    return found


def test_it_is_written_in_the_language_of_the_oldest_python():
    paths = sorted(GUEST.glob("*.py"))
    assert len(paths) > 30
    for path in paths:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


@pytest.fixture(params=sorted(interpreters(), key=lambda version: int(version[2:])))
def python(request) -> Path:
    return interpreters()[request.param]


def ask(python: Path, folder: Path, request: dict) -> dict:
    (folder / "w").mkdir(exist_ok=True)
    (folder / "w" / "sales.csv").write_text("state,amount\nPR,1\nCA,2\nCA,3\n")
    asked = {"folder": str(folder / "w"), "seed": 0, "values": str(folder / "values"), "timeout": 60, **request}
    return Guest(python, asked, cwd=folder / "w", own=folder / "own", seconds=60.0).wait()


def test_a_notebook_is_recorded_alike_in_every_interpreter(python, tmp_path):
    cells = [{"number": number, "source": source} for number, source in enumerate(CELLS, 1)]
    capture = [{"cell": 8}, {"name": "total"}]
    answer = ask(python, tmp_path, {"kind": "record", "cells": cells, "capture": capture})
    assert answer["error"] is None
    told = ("cell", "index", "binds", "changes", "reads_files", "draws", "seeds")
    seen = [{key: one[key] for key in told if one[key]} for one in answer["statements"]]
    assert json.loads(json.dumps(seen)) == [
        {"cell": 1, "binds": ["collections", "csv", "random"]},
        {"cell": 1, "index": 1, "seeds": ["random"]},
        {"cell": 2, "binds": ["file", "rows"], "reads_files": ["sales.csv"]},
        {"cell": 3, "binds": ["alias"]},
        {"cell": 3, "index": 1, "changes": ["alias", "rows"]},
        {"cell": 4, "binds": ["amount"]},
        {"cell": 5, "binds": ["Total"]},
        {"cell": 6, "binds": ["total"]},
        {"cell": 6, "index": 1, "binds": ["row"], "changes": ["total"]},
        {"cell": 7, "binds": ["dead"]},
        {"cell": 7, "index": 1, "binds": ["sample"], "draws": ["random"]},
        {"cell": 8},
    ]
    assert answer["statements"][-1]["shown"]["text"] == "12"
    assert all(one.get("path") for one in answer["captured"])


def test_a_pipeline_is_taken_apart_alike_in_every_interpreter(python, tmp_path):
    module = tmp_path / "explore.py"
    module.write_text(MODULE)
    request = {"kind": "pipeline", "module": str(module), "mode": "isolated", "describe": True}
    answer = ask(python, tmp_path, request)
    assert answer["error"] is None
    assert [(one["name"], one["changed_arguments"]) for one in answer["steps"]] == [("read", []), ("add", [])]
    assert [one["name"] for one in answer["outputs"]] == ["rows", "total"]
    assert answer["steps"][1]["describe"]["total"]["value"] == 12
