"""No secret travels: lifts of notebooks with credentials in them, and everything that they write and say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pilotline.domain.errors import PilotlineError
from pilotline.lab.lifting import Options, lift_notebook, list_wanted

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "Tr0ub4dor&3-Zx"  # noqa: S105 (planted)


def notebook(folder: Path, *cells: str) -> Path:
    raw = [
        {"cell_type": "markdown", "metadata": {}, "source": cell[3:]}
        if cell.startswith("md:")
        else {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for cell in cells
    ]
    path = folder / "explore.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return path


def lifted(path: Path, *wants: str):
    return lift_notebook(path, Options(wants=wants, python=sys.executable, proof="once"), lambda _: None)


def all_texts(folder: Path, receipt) -> str:
    """Everything that a lift left behind and said, the notebook itself aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    told = [json.dumps(receipt.as_json()), receipt.as_text(), *(path.name for path in files)]
    return "\n".join([*told, *(path.read_text(encoding="utf-8", errors="replace") for path in files)])


def test_a_credential_is_read_from_the_environment_and_stands_nowhere(tmp_path: Path) -> None:
    path = notebook(
        tmp_path,
        f"md:# Orders\nThe password is {SECRET}.",
        f'password = "{SECRET}"  # {SECRET}',
        "n = len(password)\nn",
        f'print("unused", "{SECRET}")',
    )
    before = path.read_bytes()
    receipt = lifted(path, "n")
    assert receipt.status == "proven"
    assert SECRET not in all_texts(tmp_path, receipt)
    assert [(one.code, one.cell) for one in receipt.diagnostics] == [("PL177", 1)]
    assert receipt.secrets == ("EXPLORE_PASSWORD",)
    assert (
        '[secrets]\nEXPLORE_PASSWORD = "password, in cell 1 of the notebook"' in (tmp_path / "explore.toml").read_text()
    )
    assert path.read_bytes() == before
    run = [sys.executable, "-c", "import explore; print(explore.pipeline())"]
    done = subprocess.run(
        run, cwd=tmp_path, env={**os.environ, "EXPLORE_PASSWORD": "four"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'n': 4}\n"


def test_a_credential_never_goes_from_step_to_step(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    receipt = lifted(
        notebook(
            tmp_path,
            "import csv",
            f'token = "{SECRET}"\nhost = "h"\nheader = {{"auth": "x " + token + host}}',
            "rows = list(csv.DictReader(open('a.csv')))\nrows.append({'n': 3})\ntotal = sum(int(r['n']) for r in rows)",
            "total = total + len(header['auth'])\nmore = total * 2\nmore += 1",
        ),
        "more",
    )
    assert receipt.status == "proven"
    assert not {"token", "header"} & {name for step in receipt.steps for name in step.outputs}
    assert SECRET not in all_texts(tmp_path, receipt)


@pytest.mark.parametrize(
    ("cells", "want", "code"),
    [
        ((f'password = "{SECRET}"', "conf = {'p': [password]}"), "conf", "PL176"),
        ((f'password = "{SECRET}"', "with open('out.txt', 'w') as f:\n    f.write(password)"), "out.txt", "PL176"),
        ((f'match 1:\n    case "ghp_{"a1B2" * 9}":\n        pass', "x = 1"), "x", "PL175"),
        ((f'password = "{SECRET}"', "raise ValueError('wrong: ' + password)"), "password", "PL110"),
    ],
)
def test_what_cannot_be_without_it_is_refused_and_tells_nothing(
    tmp_path: Path, cells: tuple[str, ...], want: str, code: str
) -> None:
    receipt = lifted(notebook(tmp_path, *cells), want)
    assert (receipt.status, [one.code for one in receipt.diagnostics]) == ("refused", [code])
    assert SECRET not in all_texts(tmp_path, receipt)
    assert not (tmp_path / "explore.py").exists()


def test_an_error_of_a_broken_cell_tells_no_credential(tmp_path: Path) -> None:
    path = notebook(tmp_path, f'x = = "postgres://app:{SECRET}@h/orders"')
    for work in (lambda: lifted(path), lambda: list_wanted(path, Options(), lambda _: None)):
        with pytest.raises(PilotlineError) as raised:
            work()
        assert SECRET not in str(raised.value) + json.dumps(raised.value.as_json())


def test_a_run_without_the_credential_is_refused_by_name(tmp_path: Path) -> None:
    receipt = lifted(notebook(tmp_path, f'password = "{SECRET}"', "n = len(password)"), "n")
    assert receipt.status == "proven"
    command = [sys.executable, "-m", "pilotline", "run", "explore"]
    bare = {key: value for key, value in os.environ.items() if key != "EXPLORE_PASSWORD"}
    refused = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "PL178" in refused.stderr
    assert "EXPLORE_PASSWORD" in refused.stderr
    done = subprocess.run(
        command, cwd=tmp_path, env={**bare, "EXPLORE_PASSWORD": SECRET}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    left = [path for path in (tmp_path / ".pilotline").rglob("*") if path.is_file()]
    assert [path for path in left if SECRET.encode() in path.read_bytes()] == []


def test_what_a_run_prints_and_raises_tells_no_credential(tmp_path: Path) -> None:
    (tmp_path / "explore.py").write_text(
        "import os\n\n\ndef ask():\n    word = os.environ['DB_PASSWORD']\n    print('with', word)\n"
        "    raise ValueError(f'no access with {word}')\n\n\ndef pipeline():\n    a = ask()\n    return {'a': a}\n"
    )
    (tmp_path / "explore.toml").write_text('[secrets]\nDB_PASSWORD = "of the database"\n')
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "run", "explore"],
        cwd=tmp_path, env={**os.environ, "DB_PASSWORD": SECRET}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no access with <DB_PASSWORD>" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if SECRET.encode() in path.read_bytes()] == []


PLACES = (
    "token = {0!r}\nn = len(token)",
    "# the token is {0}\nurl = 'postgres://app:{0}@h/orders'\nn = len(url)",
    "conf = {{'api_key': {0!r}}}\nprint(conf)\nn = len(conf['api_key'])",
    "import os\nos.environ['API_KEY'] = {0!r}\nn = len(os.environ['API_KEY'])",
    "def f(password={0!r}):\n    '''Password: {0}.'''\n    return len(password)\nn = f()",
    "%env API_TOKEN={0}\nimport os\nn = len(os.environ['API_TOKEN'])",
)


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    place=st.sampled_from(PLACES),
    secret=st.from_regex(r"[A-Za-z]{5}[0-9]{4}[A-Za-z_~.-]{5,20}[0-9]", fullmatch=True),
)
def test_a_planted_credential_is_in_nothing_that_a_lift_writes_or_says(place: str, secret: str, tmp_path: Path) -> None:
    folder = tmp_path / "n"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    receipt = lifted(notebook(folder, place.format(secret), "m = n + 1"), "m")
    assert secret not in all_texts(folder, receipt)
    assert (receipt.status, receipt.secrets) != ("proven", ()) or secret not in place
