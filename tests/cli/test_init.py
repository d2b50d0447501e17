from __future__ import annotations

import json
import shlex
import stat
import tomllib

import pytest

from pilotline.cli.main import main
from pilotline.run.errors import BadSettings
from pilotline.run.projects import project_of


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_empty_folder_gets_settings_of_its_own(pilotline, tmp_path):
    said = pilotline("init", "Shop 2")
    assert (said.returncode, said.stderr) == (0, "")
    assert files_in(tmp_path / "Shop 2") == {
        ".pilotline/.gitignore": "*\n",
        "pilotline.toml": (
            "# Published tables are named shop_2.TABLE, unless a pipeline's own contract says otherwise.\n"
            'namespace = "shop_2"\n'
        ),
    }


def test_a_python_project_gets_a_table_at_the_end_of_its_pyproject(pilotline, tmp_path):
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('# mine\n[project]\nname = "x"')
    pyproject.chmod(0o640)
    assert pilotline("init", "--namespace", "sales").returncode == 0
    assert not (tmp_path / "pilotline.toml").exists()
    assert pyproject.read_text().startswith('# mine\n[project]\nname = "x"\n\n[tool.pilotline]\n')
    assert tomllib.loads(pyproject.read_text())["tool"] == {"pilotline": {"namespace": "sales"}}
    assert stat.S_IMODE(pyproject.stat().st_mode) == 0o640


def test_the_result_as_json_says_where_the_settings_are(pilotline, tmp_path):
    document = json.loads(pilotline("init", "--namespace", "sales", "--json").stdout)
    assert document == {
        "folder": str(tmp_path),
        "settings": str(tmp_path / "pilotline.toml"),
        "namespace": "sales",
    }


@pytest.mark.parametrize(
    ("name", "text"), [("pilotline.toml", "# mine\n"), ("pyproject.toml", "[tool.pilotline]\n# mine\n")]
)
def test_what_is_there_is_never_overwritten(pilotline, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    said = pilotline("init")
    assert (said.returncode, said.stderr.partition(":")[0]) == (2, "PL004")
    assert files_in(tmp_path) == {name: text}


def test_a_broken_pyproject_is_left_alone(pilotline, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool\n")
    said = pilotline("init")
    assert (said.returncode, said.stderr.partition(":")[0]) == (2, "PL006")
    assert files_in(tmp_path) == {"pyproject.toml": "[tool\n"}


def test_a_namespace_that_no_table_can_have_is_refused_with_one_that_works(pilotline, tmp_path):
    said = pilotline("init", "--namespace", "my-shop")
    assert said.returncode == 2
    assert said.stderr == (
        "PL006: 'my-shop' cannot be the first part of a table's name: letters, digits and _ only.\n"
        "  next: pilotline init --namespace my_shop\n"
    )
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("folder", ["notes.txt", "notes.txt/shop", "x" * 300])
def test_a_folder_that_cannot_be_made_is_said_by_code(pilotline, tmp_path, folder):
    (tmp_path / "notes.txt").write_text("none of a project")
    said = pilotline("init", folder, "--namespace", "shop")
    assert (said.returncode, said.stderr.partition(":")[0]) == (2, "PL360")
    assert files_in(tmp_path) == {"notes.txt": "none of a project"}


@pytest.mark.parametrize(
    ("file", "text", "namespace"),
    [
        ("pilotline.toml", 'namespace = "sales"\n', "sales"),
        ("pyproject.toml", '[tool.pilotline]\nnamespace = "sales"\n', "sales"),
        ("pyproject.toml", '[project]\nname = "x"\n', "my_shop"),
    ],
)
def test_tables_go_into_the_namespace_that_the_settings_name(tmp_path, file, text, namespace):
    folder = tmp_path / "My Shop"
    folder.mkdir()
    (folder / file).write_text(text)
    (folder / ".pilotline").mkdir()
    (folder / "inner").mkdir()
    assert project_of(folder / "inner").namespace == namespace


@pytest.mark.parametrize("text", ['namespace = "two words"', "namespace = 3", "namespace = "])
def test_settings_that_cannot_be_understood_are_refused(tmp_path, text):
    (tmp_path / "pilotline.toml").write_text(text)
    with pytest.raises(BadSettings) as caught:
        _ = project_of(tmp_path).namespace
    assert caught.value.code == "PL308"
    assert "pilotline.toml" in caught.value.message


LOOKING = """
alerts; branch; cancel 1; diff main; lake check; limit; lineage x.y; log; log --runs; logs x; ls; namespace; queue; queue --all; queue 1; releases;
releases --use x; schedule; schedule next x; schedule pause x; show x.y; sql 'select 1'; table drop x.y; tag; undo; usage
""".replace("\n", " ").split("; ")


@pytest.mark.parametrize("command", LOOKING)
def test_who_only_looks_leaves_nothing_in_a_folder_that_is_no_project(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) in {0, 1, 2}
    assert files_in(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["branch try", "tag first", "limit 3", "namespace shop --owner ann"])
def test_what_is_said_of_a_new_project_is_kept(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 0
    capsys.readouterr()
    assert main([command.split()[0]]) == 0
    assert command.split()[1] in capsys.readouterr().out
