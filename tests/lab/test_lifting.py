"""Lift small notebooks for real: what is proven is right, what cannot be proven is refused by code."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.lab import lifting
from pilotline.lab.lifting import Options, lift_notebook
from pilotline.lab.placing import WouldOverwrite, module_name
from pilotline.lab.proving import Prover
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for


def notebook(folder: Path, *cells: str) -> Path:
    raw = [
        {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None} for cell in cells
    ]
    path = folder / "explore_v2.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return path


def lifted(path: Path, *wants: str, **options: object):
    return lift_notebook(path, Options(wants=wants, python=sys.executable, **options), lambda _: None)


def returned(module: str) -> dict:
    """What the module's pipeline gives in a fresh process."""
    code = f"import json, sys; sys.path.insert(0, {str(Path(module).parent)!r}); import {Path(module).stem} as m; print(json.dumps(m.pipeline()))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=Path(module).parent, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


CELLS = (
    "import csv",
    'with open("sales.csv") as file:\n    rows = list(csv.DictReader(file))',
    'rows[0]["state"] = "Puerto Rico"',
    "print(len(rows))",
    'total = {}\nfor row in rows:\n    total[row["state"]] = total.get(row["state"], 0) + int(row["amount"])',
)
SALES = "state,amount\nPR,1\n" + "".join(f"CA,{number}\n" for number in range(2, 12))


def test_a_notebook_becomes_steps_that_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    path = notebook(tmp_path, *CELLS)
    before = path.read_bytes()
    receipt = lifted(path, "total")
    assert (receipt.status, receipt.rung) == ("proven", "steps")
    assert len(receipt.steps) >= 2
    assert returned(receipt.module) == {"total": {"Puerto Rico": 1, "CA": sum(range(2, 12))}}
    assert any("changed inputs" in line for line in receipt.proofs)
    assert path.read_bytes() == before
    assert {one.name for one in tmp_path.iterdir()} == {
        ".pilotline", "explore.py", "explore.toml", "explore_v2.ipynb", "sales.csv", "test_explore.py", "test_explore_data",
    }  # fmt: skip


def test_the_tests_beside_a_lifted_module_pass(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    receipt = lifted(notebook(tmp_path, *CELLS), "total", proof="once")
    assert receipt.status == "proven"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_explore.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("int(row[", "1 + int(row["),  # another number
        ('rows[0]["state"] = "Puerto Rico"', "pass"),  # a repair that is lost
        ('total.get(row["state"], 0) + int(row["amount"])', "1 if row['state'] == 'Puerto Rico' else 65"),  # remembered
    ],
)
def test_a_pipeline_that_computes_something_else_is_never_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    genuine = lifting.lift

    def tampered(*given, **options):
        made = genuine(*given, **options)
        assert right in made.source
        return replace(made, source=made.source.replace(right, wrong))

    monkeypatch.setattr(lifting, "lift", tampered)
    receipt = lifted(notebook(tmp_path, *CELLS), "total")
    assert receipt.status == "refused"
    assert [one.verdict for one in receipt.outputs] == ["different"]
    told = next(one.message for one in receipt.diagnostics if one.code == "PL151")
    # Remembered values differ only where inputs do: step by step they are what the notebook's are.
    assert ("they part in step" in told) == ("on changed inputs" not in told)
    assert not (tmp_path / "explore.py").exists()


def test_what_differs_between_two_runs_of_the_notebook_is_refused_as_such(tmp_path: Path) -> None:
    receipt = lifted(notebook(tmp_path, "import time", "now = time.time()"), "now")
    assert receipt.status == "refused"
    assert [one.verdict for one in receipt.outputs] == ["not_deterministic"]
    assert "clock" in receipt.outputs[0].why


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("import urllib.request\nurllib.request.urlopen('http://192.0.2.1/')", "PL120"),
        ("import subprocess\nsubprocess.run(['curl', '--version'])", "PL121"),
        ("open('/pilotline-was-here', 'w')", "PL122"),
        ("1 / 0", "PL110"),
        ("import a_package_that_is_not_there", "PL113"),
        ("open('not-there.csv')", "PL114"),
        ("input('how many?')", "PL116"),
    ],
)
def test_what_a_notebook_must_not_do_refuses_it_by_code_and_line(tmp_path: Path, cell: str, code: str) -> None:
    receipt = lifted(notebook(tmp_path, "a = 1", cell, "b = a"), "b")
    assert receipt.status == "refused"
    assert [(one.code, one.cell) for one in receipt.diagnostics] == [(code, 2)]


def test_an_endless_loop_is_stopped_and_named(tmp_path: Path) -> None:
    receipt = lifted(notebook(tmp_path, "a = 1", "while True:\n    a += 1"), "a", timeout=2.0)
    assert [(one.code, one.cell) for one in receipt.diagnostics] == [("PL111", 2)]


def test_a_hand_edited_module_is_not_written_over(tmp_path: Path) -> None:
    path = notebook(tmp_path, "a = [1]", "b = [n + 1 for n in a]")
    lifted(path, "b", proof="once")
    module = tmp_path / "explore.py"
    module.write_text(module.read_text() + "\n# mine\n")
    receipt = lifted(path, "b", proof="once")
    assert (receipt.status, [one.code for one in receipt.diagnostics]) == ("refused", ["PL150"])
    assert module.read_text().endswith("# mine\n")
    assert lifted(path, "b", proof="once", force=True).status == "proven"
    assert not module.read_text().endswith("# mine\n")


@pytest.mark.parametrize("name", ["explore.py", "explore.toml", "test_explore.py", "test_explore_data/sales.csv"])
def test_no_hand_edited_file_is_written_over_and_the_difference_is_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    path = notebook(tmp_path, *CELLS)
    lifted(path, "total", proof="once")
    files = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file() and one.suffix != ".ipynb"}
    edited = tmp_path / name
    edited.write_text(edited.read_text() + "# mine\n")
    receipt = lifted(path, "total", proof="once")
    assert (receipt.status, [one.code for one in receipt.diagnostics]) == ("refused", ["PL150"])
    message = receipt.diagnostics[0].message
    assert "was edited since it was lifted" in message
    assert f"--- {name} (as it is)" in message
    assert "\n-# mine" in message
    assert {one: one.read_bytes() for one in files} == {**files, edited: files[edited] + b"# mine\n"}
    forced = lifted(path, "total", proof="once", force=True)
    assert list(forced.changed) == [name]
    assert "\n-# mine" in forced.as_text()
    assert {one: one.read_bytes() for one in files if one.name != "lifted.json"} == {
        one: data for one, data in files.items() if one.name != "lifted.json"
    }


def test_a_file_that_no_lift_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "explore.py").write_text("# by hand\n")
    receipt = lifted(notebook(tmp_path, "a = [1]", "b = [n + 1 for n in a]"), "b", proof="once")
    assert [one.code for one in receipt.diagnostics] == ["PL150"]
    assert "is there already and was not lifted" in receipt.diagnostics[0].message
    assert [one.name for one in tmp_path.iterdir() if one.suffix in {".toml", ".py"}] == ["explore.py"]


def test_a_wanted_name_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(PilotlineError) as raised:
        lifted(notebook(tmp_path, "revenue = 1"), "revenu")
    assert (raised.value.code, raised.value.exit_status) == ("PL141", 2)
    assert "revenue" in raised.value.message


def test_a_module_never_hides_one_that_the_notebook_imports() -> None:
    assert module_name(Path("random.ipynb")) == "random_pipeline"
    assert module_name(Path("explore_v15.ipynb")) == "explore"
    assert module_name(Path("mine.ipynb"), frozenset({"mine"})) == "mine_pipeline"
    assert issubclass(WouldOverwrite, PilotlineError)
    assert Prover.__doc__


def saved(folder: Path, *cells: tuple[str, str]) -> Path:
    """A notebook whose cells showed something when it was saved."""
    path = notebook(folder, *(source for source, _ in cells))
    raw = json.loads(path.read_text())
    for cell, (_, text) in zip(raw["cells"], cells, strict=True):
        data = {"text/plain": [text]}
        cell["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}]
    path.write_text(json.dumps(raw))
    return path


def test_a_cell_that_no_longer_shows_what_was_saved_is_pointed_out(tmp_path: Path) -> None:
    path = saved(tmp_path, ("factor = 5\nfactor", "2"), ("final = 7 * factor\nfinal", "14"), ("'dead'", "'end'"))
    receipt = lifted(path, "final", proof="once")
    assert receipt.status == "proven"
    assert [(one.code, one.cell) for one in receipt.diagnostics] == [("PL154", 1), ("PL154", 2)]
    assert "it showed 14 when the notebook was saved, and shows 35 now" in receipt.diagnostics[1].message


def test_numbers_that_are_laid_out_otherwise_are_the_same(tmp_path: Path) -> None:
    receipt = lifted(saved(tmp_path, ("final = 0.1 + 0.2\nfinal", "0.3")), "final", proof="once")
    assert receipt.diagnostics == ()


@pytest.mark.parametrize(
    ("cells", "refused"),
    [
        (("total = 1", "!make report"), False),
        (("!make report", "total = 1"), False),
        (("!make report", "total = len(open('data.csv').read())"), True),
        (("lines = !ls", "total = len(lines)"), True),
        (("!ls", "total = len(open('data.csv').read())"), False),
    ],
)
def test_a_shell_line_is_left_out_where_nothing_can_depend_on_it(tmp_path: Path, cells, refused) -> None:
    (tmp_path / "data.csv").write_text("abc")
    receipt = lifted(notebook(tmp_path, *cells), "total", proof="once")
    assert (receipt.status == "refused") == refused
    told = [one.code for one in receipt.diagnostics]
    assert told == ([] if "!ls" in cells else ["PL121"])


def test_what_lies_above_the_folder_comes_along_only_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text("1\n2\n")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "salaries.csv").write_text("9\n")
    (tmp_path / "books").mkdir()
    path = notebook(tmp_path / "books", "total = sum(int(x) for x in open('../data/sales.csv'))")
    with scratch_for(read(path)) as scratch:
        copied = sorted(one.relative_to(scratch.root).as_posix() for one in scratch.root.rglob("*"))
    assert copied == ["books", "books/explore_v2.ipynb", "data", "data/sales.csv"]
    receipt = lifted(path, "total", proof="once")
    assert receipt.status == "proven"
    assert returned(receipt.module) == {"total": 3}
    assert 'Path("../data/sales.csv")' in Path(receipt.module).read_text()


@pytest.mark.parametrize(
    ("path", "refused"), [("'../beside.txt'", True), ("'../out/a.txt'", False), ("'../../up.txt'", True)]
)
def test_a_notebook_writes_above_its_folder_only_into_folders_that_it_names(tmp_path: Path, path, refused) -> None:
    (tmp_path / "project" / "out").mkdir(parents=True)
    (tmp_path / "project" / "books").mkdir()
    cells = (f"with open({path}, 'w') as file:\n    file.write('x')", "total = 1")
    receipt = lifted(notebook(tmp_path / "project" / "books", *cells), "total", proof="once")
    assert (receipt.status, [one.code for one in receipt.diagnostics]) == (
        ("refused", ["PL122"]) if refused else ("proven", [])
    )
    assert sorted(one.name for one in tmp_path.rglob("*.txt")) == []


MARIMO = """\
import marimo

app = marimo.App()


@app.cell
def _(rows):
    total = sum(rows)
    return (total,)


@app.cell
def _():
    rows = [1, 2]
    rows.append(3)
    return (rows,)


@app.function
def never_called(x):
    return x


if __name__ == "__main__":
    app.run()
"""


def test_marimo_cells_run_after_those_that_give_what_they_take(tmp_path: Path) -> None:
    path = tmp_path / "board.py"
    path.write_text(MARIMO)
    receipt = lifted(path, "total", proof="once")
    assert receipt.status == "proven"
    assert returned(receipt.module) == {"total": 6}


def test_a_variable_of_the_environment_is_set_in_plain_python(tmp_path: Path) -> None:
    path = notebook(tmp_path, "%env FACTOR=3", "import os\ntotal = int(os.environ['FACTOR']) * 2")
    receipt = lifted(path, "total", proof="once")
    assert receipt.status == "proven"
    assert 'os.environ["FACTOR"] = "3"' in Path(receipt.module).read_text()
    assert returned(receipt.module) == {"total": 6}


def test_a_module_is_never_named_by_a_word_of_python() -> None:
    assert module_name(Path("await.ipynb")) == "await_pipeline"
