"""An environment is locked to what was installed, and built from the lock once, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pilotline.factory.environments import BadLock, BuildFailed, Environments, Lock, NotLockable, find_uv, lock_for
from pilotline.run.environment import Environment, environment_of

if TYPE_CHECKING:
    from pathlib import Path

#: A distribution of one module that needs nothing.
SMALL = "iniconfig"


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Interpreters of environments with one small distribution, by version."""
    made: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp("small") / "env"
            subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(folder)], check=True)
            made[version] = folder / "bin" / "python"
            subprocess.run(
                [find_uv(), "pip", "install", "-q", "--python", made[version], f"{SMALL}=={version}"], check=True
            )
        return made[version]

    return make


def locked(python: Path, tmp_path: Path, modules=(SMALL,)) -> Lock:
    return lock_for(environment_of(python, tmp_path / "facts"), modules)


def said(python: Path) -> str:
    code = f"from importlib.metadata import version; import {SMALL}; print(version('{SMALL}'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_a_lock_pins_what_was_installed_and_each_lock_has_its_environment(small, tmp_path):
    old, new = locked(small("1.1.1"), tmp_path), locked(small("2.0.0"), tmp_path)
    assert (old.versions, new.versions) == ({SMALL: "1.1.1"}, {SMALL: "2.0.0"})
    assert old.python == ".".join(map(str, sys.version_info[:3]))
    assert old.key != new.key
    assert "--hash=sha256:" in old.text
    assert "http" not in old.text
    environments = Environments(tmp_path / "environments")
    assert [said(environments.python_for(lock)) for lock in (old, new)] == ["1.1.1", "2.0.0"]
    assert Lock(text=old.text + "# a remark\n").key == old.key


def test_an_environment_is_built_once_and_then_needs_nobody(small, tmp_path, monkeypatch):
    environments = Environments(tmp_path / "environments")
    lock = locked(small("2.0.0"), tmp_path)
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(environments.python_for, [lock] * 3))
    (python,) = found
    made = python.parent.stat().st_mtime_ns
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("pilotline.factory.environments.find_uv", lambda: pytest.fail("uv was asked"))
    assert environments.python_for(lock) == python
    assert python.parent.stat().st_mtime_ns == made


def test_an_environment_that_somebody_changed_is_built_again_from_its_lock(small, tmp_path):
    environments = Environments(tmp_path / "environments")
    lock = locked(small("2.0.0"), tmp_path)
    python = environments.python_for(lock)
    install = [find_uv(), "pip", "install", "-q", "--python", python, f"{SMALL}==1.1.1"]
    subprocess.run(install, check=True)
    assert said(python) == "1.1.1"
    assert said(environments.python_for(lock)) == "2.0.0"
    subprocess.run([find_uv(), "pip", "uninstall", "-q", "--python", python, SMALL], check=True)
    assert said(environments.python_for(lock)) == "2.0.0"


def test_what_was_left_half_built_is_built_again(small, tmp_path):
    lock = locked(small("2.0.0"), tmp_path)
    (tmp_path / "lock").write_text(lock.text)
    code = (
        "import sys; from pathlib import Path; from pilotline.factory.environments import Environments, Lock;"
        f"Environments(Path({str(tmp_path / 'environments')!r})).python_for(Lock(text=Path({str(tmp_path / 'lock')!r}).read_text()))"
    )
    building = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    place = tmp_path / "environments" / lock.key
    end = time.monotonic() + 60
    while not place.exists() and time.monotonic() < end:
        time.sleep(0.002)
    os.killpg(building.pid, signal.SIGKILL)
    building.wait()
    assert said(Environments(tmp_path / "environments").python_for(lock)) == "2.0.0"


def test_what_no_index_has_is_refused_by_name(small, tmp_path):
    project = tmp_path / "ours"
    (project / "ours").mkdir(parents=True)
    (project / "ours" / "__init__.py").write_text("")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "ours"\nversion = "1"\n[tool.setuptools]\npackages = ["ours"]\n'
    )
    folder = tmp_path / "env"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([find_uv(), "pip", "install", "-q", "--python", python, "-e", str(project)], check=True)
    with pytest.raises(NotLockable) as caught:
        locked(python, tmp_path, ("ours",))
    assert caught.value.facts["packages"] == ["ours"]
    assert "ours from file://" in caught.value.message


def test_a_version_that_the_index_does_not_have_is_refused_by_name(small, tmp_path):
    python = small("1.1.1")
    environment = environment_of(python, tmp_path / "facts")
    environment.versions[SMALL] = "0.0.77"
    with pytest.raises(NotLockable) as caught:
        lock_for(environment, (SMALL,))
    assert caught.value.facts["packages"] == [SMALL]
    assert f"{SMALL} 0.0.77" in caught.value.message


def test_a_pipeline_that_needs_nothing_has_an_environment_of_python_alone(small, tmp_path):
    lock = locked(small("2.0.0"), tmp_path, ("json", "module_of_the_project"))
    assert lock.versions == {}
    python = Environments(tmp_path / "environments").python_for(lock)
    assert subprocess.run([python, "-c", "import json"], check=False).returncode == 0


def test_a_lock_that_is_none_is_said_so():
    with pytest.raises(BadLock):
        _ = Lock(text="pandas==1.5\n").key


def test_what_cannot_be_built_says_why_and_leaves_nothing(tmp_path):
    text = f"# Python {'.'.join(map(str, sys.version_info[:3]))}\n{SMALL}==2.0.0 \\\n    --hash=sha256:{'0' * 64}\n"
    environments = Environments(tmp_path / "environments")
    with pytest.raises(BuildFailed) as caught:
        environments.python_for(Lock(text=text))
    assert SMALL in caught.value.message
    assert not (environments.folder / Lock(text=text).key).exists()


def test_what_conda_installed_is_locked_where_the_index_has_it_and_refused_by_name_where_not(tmp_path):
    folder = tmp_path / "env"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([find_uv(), "pip", "install", "-q", "--python", python, f"{SMALL}==2.0.0"], check=True)
    (notes,) = folder.glob(f"lib/*/site-packages/{SMALL}-*.dist-info")
    (folder / "conda-meta").mkdir()
    (folder / "conda-meta" / f"{SMALL}-2.0.0-pyhd8ed1ab_0.json").write_text(
        f'{{"name": "{SMALL}", "version": "2.0.0", "channel": "https://conda.anaconda.org/conda-forge/noarch"}}'
    )
    (notes / "INSTALLER").write_text("conda\n")
    (notes / "direct_url.json").write_text('{"dir_info": {}, "url": "file:///home/conda/feedstock_root/work"}')
    assert locked(python, tmp_path).versions == {SMALL: "2.0.0"}
    # A new file: the old one may be the very file that is in the cache of the one who installed it.
    text = (notes / "METADATA").read_text().replace("Version: 2.0.0", "Version: 0.0.77")
    (notes / "METADATA").unlink()
    (notes / "METADATA").write_text(text)
    with pytest.raises(NotLockable) as caught:
        lock_for(environment_of(python, tmp_path / "again"), (SMALL,))
    assert caught.value.facts["packages"] == [SMALL]
    assert f"{SMALL} 0.0.77 (installed by conda)" in caught.value.message
    assert f"pip install {SMALL}" in caught.value.try_next


def test_an_environment_whose_python_was_removed_is_built_again(small, tmp_path):
    environments = Environments(tmp_path / "environments")
    lock = locked(small("2.0.0"), tmp_path)
    python = environments.python_for(lock)
    python.unlink()
    assert said(environments.python_for(lock)) == "2.0.0"


def test_what_a_library_makes_use_of_where_it_is_there_counts_for_what_is_stored():
    # What pandas stores with pyarrow beside it, nothing without pyarrow can read.
    facts = {
        "python": "python", "version": "cpython 3.11.7", "requires": {}, "standard": frozenset(), "places": (),
        "modules": {"pandas": ("pandas",), "toolz": ("toolz",)}, "optional": {"pandas": ("pyarrow", "openpyxl")},
    }  # fmt: skip
    alone = Environment(versions={"pandas": "3.0.0", "toolz": "1.0"}, **facts)
    beside = Environment(versions={"pandas": "3.0.0", "toolz": "1.0", "pyarrow": "22"}, **facts)
    more = Environment(versions={"pandas": "3.0.0", "toolz": "1.0", "black": "26"}, **facts)
    assert alone.fingerprint(["pandas"]) != beside.fingerprint(["pandas"])
    assert alone.fingerprint(["toolz"]) == beside.fingerprint(["toolz"])
    assert alone.fingerprint(["pandas"]) == more.fingerprint(["pandas"])
    assert set(beside.needed(["pandas"])) == {"pandas", "pyarrow"}
