"""A release is a commit with its locks: kept in the lake, opened by whoever has no git, never changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pilotline.cli.main import main
from pilotline.domain.errors import PilotlineError
from pilotline.factory.environments import find_uv
from pilotline.factory.releases import Releases, open_released
from pilotline.lab.deploying import deploy
from pilotline.lab.landing import Wishes, land
from pilotline.run.carrying import carry_out
from pilotline.run.opening import open_lake_here
from pilotline.run.planning import Asked, plan

if TYPE_CHECKING:
    from pathlib import Path

MODULE = '''"""The version of a library, as a table."""

import iniconfig
from importlib.metadata import version


def rows(factor: int) -> list:
    return [{{"version": version("iniconfig"), "name": iniconfig.IniConfig.__name__, "n": {n} * factor}}]


def pipeline(*, factor: int = 1):
    found = rows(factor)
    number = found_number(found)
    return {{"number": number}}


def found_number(found: list) -> int:
    return found[0]["n"] + int(found[0]["version"].split(".")[0])
'''


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "ann")
        self.git("config", "user.email", "ann@example.org")
        (folder / "pilotline.toml").write_text('namespace = "versions"\n')
        (folder / ".gitignore").write_text(".pilotline/\nenv-*/\n__pycache__/\n")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def land(self, name: str, version: str, n: int = 1) -> None:
        """Write, land and merge a pipeline that was developed with a version of a library."""
        env = self.folder / f"env-{version}"
        if not env.exists():
            subprocess.run([find_uv(), "venv", "-q", str(env)], check=True)
            subprocess.run(
                [find_uv(), "pip", "install", "-q", "--python", str(env / "bin" / "python"), f"iniconfig=={version}"],
                check=True,
            )
        (self.folder / f"{name}.py").write_text(MODULE.format(n=n))
        (self.folder / f"test_{name}.py").write_text(
            f"import {name}\n\n\ndef test_rows():\n    assert {name}.rows(2)[0]['n'] == {2 * n}\n"
        )
        land(name, self.folder, Wishes(python=str(env / "bin" / "python"), ci=False), lambda _: None)
        self.git("add", "pilotline.toml", ".gitignore")
        if not self.git("for-each-ref", "refs/heads/main"):
            self.git("commit", "-qm", "first")
            land(name, self.folder, Wishes(python=str(env / "bin" / "python"), ci=False), lambda _: None)
        for path in self.git("ls-tree", "-r", "--name-only", f"land/{name}").splitlines():
            self.git("add", "--force", path)
        self.git("commit", "-qm", f"merge {name}")


@pytest.fixture
def project(tmp_path, lies, monkeypatch, tmp_path_factory) -> Project:
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path_factory.getbasetemp() / "environments"))
    return Project(tmp_path / "project")


def run(kept: Path, home: Path, release: str, pipeline: str) -> float | None:
    lake, _ = open_lake_here(home)
    opened = open_released(Releases(lake.database, lake.storage), release, pipeline, kept)
    made = plan(opened.reading, opened.lake, Asked(), opened.around)
    outcome = carry_out(made, opened.lake, opened.around, lambda _: None)
    (number,) = [one.value for one in outcome.made if one.output == "number"]
    return number


def test_pipelines_of_one_release_run_in_environments_that_do_not_go_together(project):
    project.land("older", "1.1.1")
    project.land("newer", "2.0.0")
    deployed = deploy(project.folder, lambda _: None)
    assert deployed.new
    assert {each.name: each.proof for each in deployed.release.pipelines} == {"newer": "by hand", "older": "by hand"}
    again = deploy(project.folder, lambda _: None)
    assert (again.new, again.release.id) == (False, deployed.release.id)
    # On another machine, as it were: with nothing of the repository.
    kept = project.folder / ".pilotline"
    for path in project.folder.iterdir():
        if path.name not in {".pilotline", "pilotline.toml"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run(kept, project.folder, deployed.release.id, "older") == 2.0
    assert run(kept, project.folder, deployed.release.id, "newer") == 3.0


def test_an_order_keeps_its_release_and_one_can_go_back(project):
    project.land("sums", "2.0.0", n=1)
    first = deploy(project.folder, lambda _: None).release
    project.land("sums", "2.0.0", n=5)
    second = deploy(project.folder, lambda _: None).release
    lake, _ = open_lake_here(project.folder)
    releases = Releases(lake.database, lake.storage)
    assert releases.current("versions") == second
    kept = project.folder / ".pilotline"
    assert [run(kept, project.folder, each.id, "sums") for each in (second, first)] == [7.0, 3.0]
    with lake.database.writing() as tx:
        releases.use(first, author="ann", within=tx)
    assert releases.current("versions") == first
    assert [(one.id, current) for one, current in releases.list()] == [(second.id, False), (first.id, True)]


def test_what_was_left_half_unpacked_is_unpacked_again_and_what_is_damaged_is_said_so(project):
    project.land("sums", "2.0.0")
    release = deploy(project.folder, lambda _: None).release
    lake, _ = open_lake_here(project.folder)
    releases = Releases(lake.database, lake.storage)
    places = project.folder / ".pilotline" / "releases"
    half = places / f"versions-{release.id}"
    half.mkdir(parents=True)
    (half / "sums.py").write_text("half")
    assert (releases.unpack(release, places) / "sums.py").read_text() == MODULE.format(n=1)
    lake.storage.write(release.archive, b"nothing of it")
    shutil.rmtree(half)
    for broken in (release, replace(release, archive="releases/none.tar.gz")):
        with pytest.raises(PilotlineError) as caught:
            releases.unpack(broken, places)
        assert caught.value.code == "PL562"


def test_what_is_not_committed_or_not_landed_is_not_deployed(project):
    (project.folder / "hand.py").write_text(
        "def one():\n    return 1\n\n\ndef pipeline():\n    a = one()\n    return {'a': a}\n"
    )
    project.git("add", ".")
    project.git("commit", "-qm", "by hand")
    with pytest.raises(PilotlineError) as caught:
        deploy(project.folder, lambda _: None)
    assert caught.value.code == "PL564"
    project.land("sums", "2.0.0")
    (project.folder / "sums.py").write_text("changed\n")
    with pytest.raises(PilotlineError) as caught:
        deploy(project.folder, lambda _: None)
    assert (caught.value.code, caught.value.facts["files"]) == ("PL563", ["sums.py"])
    deployed = deploy(project.folder, lambda _: None, ref="HEAD")
    assert deployed.without_lock == ("hand",)
    lake, _ = open_lake_here(project.folder)
    releases = Releases(lake.database, lake.storage)
    for ask in (
        lambda: releases.release("none"),
        lambda: releases.current("none"),
        lambda: deployed.release.pipeline("sumz"),
    ):
        with pytest.raises(PilotlineError) as caught:
            ask()
        assert caught.value.code == "PL561"
    with pytest.raises(PilotlineError) as caught:
        deploy(project.folder, lambda _: None, ref="none")
    assert caught.value.code == "PL555"


def test_nothing_of_a_release_is_swept_away(project):
    from datetime import UTC, datetime, timedelta

    from pilotline.lake.sweeping import sweep

    project.land("sums", "2.0.0")
    release = deploy(project.folder, lambda _: None).release
    lake, _ = open_lake_here(project.folder)
    sweep(lake, now=datetime.now(UTC) + timedelta(days=900), do=True)
    assert lake.storage.read(release.archive)


def test_pipelines_of_one_name_are_not_deployed_together(tmp_path):
    folder = tmp_path / "shop"
    for place in ("north", "south"):
        (folder / place).mkdir(parents=True)
        (folder / place / "daily.py").write_text(
            "def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
        )
        (folder / place / "daily.lock").write_text("# Python 3.12.0\n")
    (folder / "pilotline.toml").write_text("")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    with pytest.raises(PilotlineError) as caught:
        deploy(folder, lambda _: None)
    assert (caught.value.code, caught.value.facts["paths"]) == ("PL590", ["north/daily.py", "south/daily.py"])


def test_the_schedule_of_a_release_takes_the_place_of_the_folders(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "My-shop 2"
    folder.mkdir()
    (folder / "daily.py").write_text(
        "def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
    )
    (folder / "daily.toml").write_text('schedule = "0 6 * * *"\n')
    (folder / "daily.lock").write_text("# Python 3.12.0\n")
    (folder / "pilotline.toml").write_text("")
    monkeypatch.chdir(folder)
    assert main(["schedule", "set", "daily"]) == 0
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    release = deploy(folder, lambda _: None).release
    capsys.readouterr()
    assert main(["schedule", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["schedules"]
    assert (one["schedule"], one["release"]) == ("my_shop_2/daily", release.id)
    assert main(["schedule", "set", "daily"]) != 0
    assert "was deployed" in capsys.readouterr().err
