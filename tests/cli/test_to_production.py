"""From a notebook to a table that a factory publishes: two commands, a merge, and a factory that has no checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from pilotline.domain.tables import TableName
from pilotline.factory.environments import find_uv
from pilotline.run.opening import open_lake_here
from pilotline.run.planning import WHOLE

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOK = """\
# %%
import iniconfig
import pandas as pd

# %%
sold = pd.DataFrame({"region": ["west", "east", "west"], "amount": [2.5, 4.0, 1.5]})
sold.loc[sold["region"] == "east", "region"] = "East"
by_region = sold.groupby("region", as_index=False)["amount"].sum()
by_region["of"] = iniconfig.__name__

# %%
by_region
"""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_notebook_goes_to_production(tmp_path, lies, monkeypatch):
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "environments"))
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "remote")], check=True)
    lab = tmp_path / "shop"
    subprocess.run(["git", "clone", "-q", str(tmp_path / "remote"), str(lab)], check=True, capture_output=True)
    git(lab, "config", "user.name", "ann")
    git(lab, "config", "user.email", "ann@example.org")
    (lab / "pilotline.toml").write_text('namespace = "shop"\n')
    (lab / "explore.py").write_text(NOTEBOOK)
    git(lab, "checkout", "-qb", "main")
    git(lab, "add", "pilotline.toml")
    git(lab, "commit", "-qm", "first")
    git(lab, "push", "-q", "origin", "main")
    env = tmp_path / "analyst"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(env)], check=True)
    python = env / "bin" / "python"
    subprocess.run(
        [find_uv(), "pip", "install", "-q", "--python", python, "pandas==2.3.3", "iniconfig==1.1.1"], check=True
    )

    def call(*words: str, cwd: Path = lab):
        done = subprocess.run(
            [sys.executable, "-m", "pilotline", *words, "--json"], cwd=cwd, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    # Two commands.
    assert (
        call("lift", "explore.py", "--want", "by_region", "--name", "regions", "--python", str(python))["status"]
        == "proven"
    )
    landed = call("land", "regions", "--every", "1s", "--owner", "ann", "--push")
    assert landed["pushed"] == "origin"
    assert landed["lock"]["packages"]["pandas"] == "2.3.3"
    assert landed["proof"]["outputs"] == {"by_region": "equal"}
    # A colleague merges it, and CI deploys what was merged.
    ci = tmp_path / "ci"
    subprocess.run(["git", "clone", "-q", str(tmp_path / "remote"), str(ci)], check=True)
    git(
        ci,
        "-c",
        "user.name=bob",
        "-c",
        "user.email=bob@example.org",
        "merge",
        "-q",
        "--no-ff",
        "-m",
        "merge",
        "origin/land/regions",
    )
    git(ci, "push", "-q")
    # The analyst has it by what the landing said.
    git(lab, "add", "-f", *landed["to_add"])
    git(lab, "pull", "-q", "--ff-only")
    assert git(lab, "diff", "--name-only", "origin/main") == ""
    # In a folder the lake is where the factory is; in Postgres and S3 it is everywhere.
    home = tmp_path / "factory"
    if lies == "folder":
        (ci / ".pilotline").mkdir(exist_ok=True)
        home = ci
    else:
        home.mkdir()
        (home / "pilotline.toml").write_text('namespace = "elsewhere"\n')
    deployed = call("deploy", cwd=ci)
    assert [each["proof"] for each in deployed["pipelines"]] == ["proven"]
    # The factory has no checkout, no notebook, and none of the analyst's environment.
    with (tmp_path / "said").open("w") as said:
        factory = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "factory", "--port", "0", "--grace", "5"],
            cwd=home,
            stdout=said,
            stderr=said,
        )
    try:
        end = time.monotonic() + 120
        while "done" not in (tmp_path / "said").read_text():
            assert time.monotonic() < end, (tmp_path / "said").read_text()
            assert factory.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.1)
    finally:
        factory.send_signal(signal.SIGTERM)
        assert factory.wait(60) == 0
    lake, records = open_lake_here(home)
    rows = lake.scan(TableName("shop", "by_region"), WHOLE, "main").read_all().to_pylist()
    assert sorted((row["region"], row["amount"]) for row in rows) == [("East", 4.0), ("west", 4.0)]
    (run,) = [each for each in records.runs() if each.state == "published"]
    assert (run.pipeline, run.author) == ("regions", "ann")
    lake.database.close()
    assert os.path.realpath(run.module).startswith(os.path.realpath(home))
