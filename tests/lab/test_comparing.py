"""Two states of a project in git: what is another one, and what would be computed again, without running anything."""

from __future__ import annotations

import json
import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pilotline.cli.main import main
from pilotline.lab.comparing import Changed, compare, locked

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
    from pathlib import Path

    import pandas as pd
    from rates import rate


    def read_orders(orders_csv: Path) -> pd.DataFrame:
        return pd.read_csv(orders_csv)


    def converted(orders: pd.DataFrame, *, by: float) -> pd.DataFrame:
        return orders.assign(amount=orders["amount"] * by * rate())


    def total(converted: pd.DataFrame) -> float:
        return sum(converted["amount"])


    def count(orders) -> int:
        return len(orders)


    def pipeline(*, orders_csv: Path = Path("orders.csv"), by: float = 1.0):
        orders = read_orders(orders_csv)
        converted_orders = converted(orders, by=by)
        answer = total(converted_orders)
        many = count(orders)
        return {"orders": converted_orders, "answer": answer, "many": many}
"""
LOCK = """\
version = 1

[[package]]
name = "pandas"
version = "2.2.0"

[[package]]
name = "ruff"
version = "13.0.0"
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text).lstrip("\n"))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def commit(self, tag: str) -> None:
        for words in (["add", "."], ["commit", "--quiet", "--allow-empty", "-m", tag], ["tag", tag]):
            who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
            subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(params=[".", "teams/shop"])
def project(tmp_path, monkeypatch, request) -> Project:
    """A project at the top of its repository, or in a folder below."""
    folder = tmp_path / "repository" / request.param
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "repository")], check=True)
    monkeypatch.chdir(folder)
    made = Project(folder)
    made.write("pilotline.toml", 'namespace = "shop"\n')
    made.write(".gitignore", ".pilotline\n__pycache__\n")
    made.write("explore.py", MODULE)
    made.write("explore.toml", 'schedule = "0 6 * * *"\n\n[tables.orders]\nchecks = [{not_null = ["amount"]}]\n')
    made.write("rates.py", "def rate():\n    return 2\n")
    made.write("orders.csv", "id,amount\n1,10\n")
    made.write("uv.lock", LOCK)
    made.commit("one")
    return made


def recomputed(project: Project, before: str = "one", after: str = "") -> dict[str, str]:
    return {step: why for each in compare(project.folder, before, after).pipelines for step, why in each.recomputed}


def test_nothing_differs_where_nothing_was_changed(project):
    found = compare(project.folder, "one")
    assert (found.same, found.packages, found.pipelines) == (True, (), ())
    project.edit("explore.py", "return len(orders)", "return len(orders)  # all of them")
    assert compare(project.folder, "one").same


def test_a_changed_step_is_computed_again_and_all_that_takes_its_result(project):
    project.edit("explore.py", "* by * rate()", "* by / rate()")
    assert recomputed(project) == {"converted": "its code changed", "total": "converted is computed again"}
    project.commit("two")
    project.edit("explore.py", "return len(orders)", "return len(orders) + 1")
    assert recomputed(project, "two") == {"count": "its code changed"}
    assert recomputed(project, "one", "two") == {
        "converted": "its code changed",
        "total": "converted is computed again",
    }
    assert recomputed(project, "two", "one") == recomputed(project, "one", "two")


def test_code_that_a_step_imports_from_the_project_counts(project):
    project.edit("rates.py", "return 2", "return 3")
    assert recomputed(project) == {"converted": "its code changed", "total": "converted is computed again"}


def test_packages_schedule_checks_parameters_tables_and_files_are_told(project):
    project.edit("uv.lock", "2.2.0", "3.0.1")
    project.edit("explore.toml", "0 6 * * *", "0 7 * * *")
    project.edit("explore.toml", 'not_null = ["amount"]', 'unique = ["id"]')
    project.edit("explore.toml", "[tables.orders]", '[tables.orders]\nmode = "append"')
    project.edit("explore.py", "by: float = 1.0", "by: float = 1.5")
    project.edit("orders.csv", "10", "11")
    found = compare(project.folder, "one")
    assert found.packages == (Changed(kind="environment", name="pandas", before="2.2.0", after="3.0.1"),)
    [one] = found.pipelines
    assert {(each.kind, each.name, each.before, each.after) for each in one.changes if each.kind != "file"} == {
        ("parameter", "by", "1.0", "1.5"),
        ("schedule", "schedule", "0 6 * * *", "0 7 * * *"),
        ("check", 'shop.orders {not_null = ["amount"]}', "error", None),
        ("check", 'shop.orders {unique = ["id"]}', None, "error"),
        ("table", "orders", "shop.orders (replace)", "shop.orders (append)"),
    }
    assert [each.name for each in one.changes if each.kind == "file"] == ["orders.csv"]
    assert dict(one.recomputed)["read_orders"] == "orders.csv is another one, its packages changed"
    assert "by is another one" in dict(one.recomputed)["converted"]
    assert len(one.recomputed) == 4


def test_a_package_that_a_pipeline_does_not_use_computes_nothing_again(project):
    project.edit("uv.lock", "13.0.0", "14.0.0")
    found = compare(project.folder, "one")
    assert [each.name for each in found.packages] == ["ruff"]
    assert found.pipelines == ()


def test_new_gone_and_unreadable_pipelines_are_told(project):
    project.write(
        "other.py", "def made():\n    return 1\n\n\ndef pipeline():\n    one = made()\n    return {'one': one}\n"
    )
    [one] = compare(project.folder, "one").pipelines
    assert (one.name, one.change, one.recomputed) == ("other", "new", (("made", "the pipeline is new"),))
    project.commit("two")
    (project.folder / "other.py").unlink()
    [one] = compare(project.folder, "two").pipelines
    assert (one.name, one.change) == ("other", "gone")
    project.write("other.py", "def pipeline():\n    for each in ():\n        pass\n    return {}\n")
    [one] = compare(project.folder, "two").pipelines
    assert (one.change, one.error[:6]) == ("broken", "PL302:")


@pytest.mark.parametrize(
    ("name", "text", "versions"),
    [
        ("uv.lock", LOCK, {"pandas": "2.2.0", "ruff": "13.0.0"}),
        ("pylock.toml", '[[packages]]\nname = "Pandas"\nversion = "2.2.0"\n', {"pandas": "2.2.0"}),
        (
            "requirements.txt",
            "pandas==2.2.0 ; python_version > '3.9' \\\n    --hash=sha256:0\nscikit_learn[all]==1.6\nloose>=1\n",
            {"pandas": "2.2.0", "scikit-learn": "1.6"},
        ),
        ("README", "", {}),
    ],
)
def test_a_lock_is_read_in_its_three_forms(tmp_path, name, text, versions):
    (tmp_path / name).write_text(text)
    assert locked(tmp_path) == versions


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    status = main(["plan", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_the_command_says_by_its_exit_status_whether_anything_differs(project, capsys):
    assert call(capsys, "--against", "one", "--exit-code")[0] == 0
    project.edit("explore.py", "return len(orders)", "return len(orders) + 1")
    status, said = call(capsys, "--against", "one", "--exit-code")
    assert (status, said["same"], said["pipelines"][0]["recomputed"]) == (2, False, [["count", "its code changed"]])
    assert call(capsys, "--against", "one")[0] == 0
    assert call(capsys, "rates", "--against", "one")[1]["same"] is True
    assert main(["plan", "--against", "one"]) == 0
    assert "1 of 4 steps are computed again\n    count: its code changed" in capsys.readouterr().out


def test_what_git_does_not_know_is_refused(project, capsys):
    status, said = call(capsys, "--against", "nowhere")
    assert (status, said["error"]["code"]) == (2, "PL571")
    assert call(capsys, "--exit-code")[1]["error"]["code"] == "PL001"


def test_the_lock_of_a_pipeline_says_which_packages_it_has(project):
    project.write("explore.lock", "# Python 3.11.7\npandas==2.2.0\nrich==13.0.0\n")
    project.commit("two")
    project.write("explore.lock", "# Python 3.11.7\npandas==3.0.1\nrich==13.0.0\n")
    found = compare(project.folder, "two")
    [one] = found.pipelines
    assert found.packages == ()
    assert one.changes == (Changed(kind="environment", name="pandas", before="2.2.0", after="3.0.1"),)
    assert dict(one.recomputed)["read_orders"] == "its packages changed"
