"""The files for CI are what the services' own schemas allow, and never written over somebody's edits."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from pilotline.lab.ci_files import KINDS, EditedFile, files_for, kinds_of, write_files

SCHEMAS = Path(__file__).parent.parent / "schemas"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "explore.py").write_text("def pipeline():\n    return {}\n")
    (tmp_path / "explore.toml").write_text('[secrets]\nORDERS_PASSWORD = "of the orders database"\n')
    (tmp_path / "uv.lock").write_text("")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("there", "kinds"),
    [
        ((), ("github", "docker")),
        (("Jenkinsfile",), ("jenkins", "docker")),
        ((".circleci/config.yml",), ("circleci", "docker")),
        ((".github/CODEOWNERS", "Jenkinsfile"), ("github", "jenkins", "docker")),
    ],
)
def test_what_the_project_uses_decides_which_files(folder, there, kinds):
    for name in there:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    assert kinds_of(folder) == kinds


def test_a_remote_at_github_counts_as_github(folder):
    (folder / "Jenkinsfile").write_text("")
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", "git@github.com:somebody/shop.git")
    assert kinds_of(folder) == ("github", "jenkins", "docker")


def workflow(folder: Path, kind: str) -> tuple[str, str]:
    ((path, text),) = files_for(folder, kinds=[kind]).items()
    return path, text


@pytest.mark.parametrize(
    ("kind", "path", "schema"),
    [
        ("github", ".github/workflows/pilotline.yml", "github-workflow.json"),
        ("circleci", ".circleci/config.yml", "circleci.json"),
    ],
)
def test_a_workflow_is_valid_by_the_published_schema(folder, kind, path, schema):
    written, text = workflow(folder, kind)
    # YAML 1.1 takes the key `on` for true; the services do not.
    document = yaml.load(re.sub(r"^on:", "'on':", text, flags=re.MULTILINE), Loader=yaml.SafeLoader)
    jsonschema.Draft7Validator(json.loads((SCHEMAS / schema).read_text())).validate(document)
    assert written == path
    assert len(text.splitlines()) <= 45


def test_the_schema_would_find_a_mistake(folder):
    _, text = workflow(folder, "github")
    document = yaml.load(re.sub(r"^on:", "'on':", text, flags=re.MULTILINE), Loader=yaml.SafeLoader)
    del document["jobs"]["pilotline"]["runs-on"]
    validator = jsonschema.Draft7Validator(json.loads((SCHEMAS / "github-workflow.json").read_text()))
    assert not validator.is_valid(document)


@pytest.mark.parametrize("kind", ["github", "jenkins", "circleci"])
def test_every_file_installs_checks_and_after_the_merge_deploys(folder, kind):
    _, text = workflow(folder, kind)
    body = text.partition("\n")[2]
    places = [body.index(part) for part in ("uv tool install", "uv sync --frozen", "pilotline ci", "pilotline deploy")]
    assert places == sorted(places)


@pytest.mark.parametrize("kind", ["github", "jenkins"])
def test_credentials_are_named_as_secrets_of_the_service(folder, kind):
    _, text = workflow(folder, kind)
    said = {
        "github": "ORDERS_PASSWORD: ${{ secrets.ORDERS_PASSWORD }}",
        "jenkins": "ORDERS_PASSWORD = credentials('ORDERS_PASSWORD')",
    }
    assert said[kind] in text


# Jenkins says what a declarative pipeline may be in Groovy alone. Checked here: quotes and braces close, every block is one
# of those that Jenkins documents, inside the one that it belongs into, and those that must be there are.
BLOCKS = {
    "": {"pipeline"},
    "pipeline": {"environment", "stages", "post", "options"},
    "stages": {"stage"},
    "stage": {"steps", "when", "post"},
    "post": {"always", "success", "failure"},
    "environment": set(),
    "steps": set(),
    "always": set(),
    "when": set(),
}


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Each block with the one around it."""
    code = re.sub(r"^//.*$", "", text, flags=re.MULTILINE)
    inside: list[str] = [""]
    found: list[tuple[str, str]] = []
    word = ""
    for sign in re.findall(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_]\w*|[{}()]|\S", code):
        assert sign not in {"'", '"'}, "a quote that does not close"
        if sign == "{":
            found.append((word, inside[-1]))
            inside.append(word)
        elif sign == "}":
            inside.pop()
            assert inside, "a brace too many"
        elif re.match(r"[A-Za-z_]", sign):
            word = sign
    assert inside == [""], "a brace that does not close"
    return found


def test_a_jenkinsfile_is_built_as_a_declarative_pipeline(folder):
    path, text = workflow(folder, "jenkins")
    found = blocks_of(text)
    assert path == "Jenkinsfile"
    assert [(block, around) for block, around in found if block not in BLOCKS[around]] == []
    assert [block for block, _ in found].count("stage") == 3
    assert re.search(r"^    agent any$", text, re.MULTILINE)
    assert [block for block, around in found if around == "pipeline"] == ["environment", "stages"]


@pytest.mark.parametrize("broken", ["pipeline { stages { }", "pipeline { } }", "pipeline { sh 'open }"])
def test_the_check_of_a_jenkinsfile_finds_what_does_not_close(broken):
    with pytest.raises(AssertionError):
        blocks_of(broken)


def test_a_dockerfile_has_known_instructions_alone_and_does_not_run_as_the_superuser(folder):
    files = files_for(folder, kinds=["docker"])
    lines = [line for line in files["Dockerfile"].splitlines() if not line.startswith("#")]
    words = [line.partition(" ")[0] for line in lines]
    assert set(words) == {"FROM", "ENV", "RUN", "USER", "WORKDIR", "COPY", "ENTRYPOINT", "CMD"}
    assert words[0] == "FROM"
    assert words.index("USER") < words.index("COPY")
    # What lies in the lake and in the environment of this machine stays here.
    assert {".pilotline", "**/.venv", ".git"} < set(files[".dockerignore"].splitlines())


def test_what_somebody_wrote_for_jenkins_and_circleci_is_left_alone(folder):
    (folder / "Jenkinsfile").write_text("pipeline {}\n")
    (folder / ".circleci").mkdir()
    (folder / ".circleci" / "config.yml").write_text("version: 2.1\n")
    assert [*files_for(folder, kinds=["jenkins", "circleci"])] == ["Jenkinsfile.pilotline", ".circleci/pilotline.yml"]


def test_files_are_written_once_and_again_when_they_change_but_never_over_an_edit(folder):
    files = files_for(folder, kinds=KINDS)
    assert write_files(folder, files) == tuple(files)
    assert write_files(folder, files_for(folder, kinds=KINDS)) == ()
    (folder / "uv.lock").unlink()
    (folder / "requirements.txt").write_text("pandas\n")
    again = files_for(folder, kinds=KINDS)
    assert write_files(folder, again) == tuple(path for path in again if path != ".dockerignore")
    edited = folder / ".github" / "workflows" / "pilotline.yml"
    edited.write_text(edited.read_text() + "# mine\n")
    (folder / "requirements.txt").unlink()
    with pytest.raises(EditedFile, match=r"pilotline\.yml is there and edited by hand"):
        write_files(folder, files_for(folder, kinds=KINDS))
    assert edited.read_text().endswith("# mine\n")
    assert "requirements.txt" in (folder / "Dockerfile").read_text(), "all or none"
    assert write_files(folder, files_for(folder, kinds=KINDS), force=True)
    assert "# mine" not in edited.read_text()


def test_submodules_are_fetched_where_there_are_any(folder):
    kinds = ("github", "jenkins", "circleci")
    assert not [text for text in files_for(folder, kinds=kinds).values() if "submodule" in text]
    (folder / ".gitmodules").touch()
    files = files_for(folder, kinds=kinds)
    assert all("submodule" in text for text in files.values())
    workflow = yaml.safe_load(files[".github/workflows/pilotline.yml"])
    assert workflow["jobs"]["pilotline"]["steps"][0]["with"]["submodules"] == "recursive"
