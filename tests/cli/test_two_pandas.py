"""A pipeline that pins pandas 1.5 and one with pandas 3 run in the same factory at the same time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pilotline.domain.tables import TableName
from pilotline.factory.environments import find_uv
from pilotline.run.opening import open_lake_here
from pilotline.run.planning import WHOLE

MODULE = '''"""The version of pandas, as a table."""

import time

import pandas as pd


def made(wait: float) -> pd.DataFrame:
    time.sleep(wait)
    return pd.DataFrame({"version": [pd.__version__], "n": [1]})


def pipeline(*, wait: float = 4.0):
    NAME_table = made(wait)
    return {"NAME_table": NAME_table}
'''


@pytest.mark.timeout(600)
def test_environments_that_exclude_each_other_run_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "environments"))
    folder = tmp_path / "shop"
    folder.mkdir()

    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=ann", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True
        )

    def call(*words: str):
        done = subprocess.run(
            [sys.executable, "-m", "pilotline", *words, "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    git("init", "-q", "-b", "main")
    for key, value in (("user.name", "ann"), ("user.email", "ann@example.org")):
        git("config", key, value)
    (folder / ".gitignore").write_text(".pilotline/\n__pycache__/\n")
    git("add", ".")
    git("commit", "-qm", "first")
    for name, wanted in (("older", ("pandas==1.5.3", "numpy==1.26.4")), ("newer", ("pandas>=3,<4",))):
        (folder / f"{name}.py").write_text(MODULE.replace("NAME", name))
        (folder / f"test_{name}.py").write_text(
            f"import {name}\n\n\ndef test_one():\n    assert len({name}.made(0.0)) == 1\n"
        )
        env = tmp_path / f"env-{name}"
        subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(env)], check=True)
        subprocess.run(
            [find_uv(), "pip", "install", "-q", "--python", str(env / "bin" / "python"), *wanted], check=True
        )
        call("land", name, "--python", str(env / "bin" / "python"), "--no-ci")
        git("add", ".")
        git("commit", "-qm", name)
    release = call("deploy", "--build")["release"]
    for name in ("older", "newer"):
        call("submit", name, "--release", release)
    workers = [
        subprocess.Popen([sys.executable, "-m", "pilotline", "worker", "--once"], cwd=folder, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [worker.wait(240) for worker in workers] == [0, 0]
    lake, records = open_lake_here(folder)
    versions = {
        name: lake.scan(TableName("shop", f"{name}_table"), WHOLE, "main").read_all().column("version")[0].as_py()
        for name in ("older", "newer")
    }
    assert versions["older"] == "1.5.3"
    assert versions["newer"].startswith("3.")
    first, second = sorted(records.runs(), key=lambda run: run.began)
    assert {first.state, second.state} == {"published"}
    assert second.began < first.ended
    lake.database.close()
