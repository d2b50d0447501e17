"""What a project's files ask for is read and compared with what is there, which is what counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from pilotline.factory.declared import BadDeclaration, Declared, build_from_script, declared_for, script_block
from pilotline.factory.environments import BuildFailed, NoEqual, NotLockable, find_uv, lock_for
from pilotline.run.environment import environment_of

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "iniconfig==1.1.1",
# ]
# ///
"""


class Conda:
    """An environment as conda leaves it: its notes in ``conda-meta``, and distributions that pip installed are passed off as its own."""

    def __init__(self, folder: Path, *wanted: str) -> None:
        self.folder = folder
        subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        self.python = folder / "bin" / "python"
        if wanted:
            # Files of its own, not the cache's, for they are changed.
            subprocess.run(
                [find_uv(), "pip", "install", "-q", "--link-mode", "copy", "--python", self.python, *wanted], check=True
            )
        (self.site,) = folder.glob("lib/python3.*/site-packages")
        (folder / "conda-meta").mkdir()

    def note(self, name: str, version: str, *, files: tuple[str, ...] = (), channel: str = "", **more: object) -> None:
        """What conda writes down of a package that it installed."""
        inside = self.site.relative_to(self.folder).as_posix()
        told = {
            "name": name, "version": version, "build": "py311_0", "build_number": 0, "depends": [], "license": "MIT",
            "channel": channel or "https://conda.anaconda.org/conda-forge/linux-64",
            "files": [f"bin/{name}", *(f"{inside}/{one}" for one in files)], **more,
        }  # fmt: skip
        (self.folder / "conda-meta" / f"{name}-{version}-py311_0.json").write_text(json.dumps(told))

    def give(self, distribution: str, name: str, version: str, **more: object) -> None:
        """Have a distribution be of a package of conda's."""
        (metadata,) = self.site.glob(f"{distribution.replace('-', '_')}-*.dist-info")
        (metadata / "INSTALLER").write_text("conda")
        files = [path.relative_to(self.site).as_posix() for path in metadata.rglob("*") if path.is_file()]
        modules = [
            path.relative_to(self.site).as_posix()
            for path in (self.site / distribution.replace("-", "_")).rglob("*.py")
        ]
        self.note(name, version, files=(*files, *modules), **more)

    def called(self, distribution: str, version: str) -> None:
        """Have the metadata of a distribution say another version."""
        (metadata,) = self.site.glob(f"{distribution}-*.dist-info")
        text = (metadata / "METADATA").read_text()
        before = next(line for line in text.splitlines() if line.startswith("Version: "))
        (metadata / "METADATA").write_text(text.replace(before, f"Version: {version}"))
        metadata.rename(metadata.with_name(f"{distribution}-{version}.dist-info"))

    def environment(self, tmp_path: Path):
        return environment_of(self.python, tmp_path / "facts")


def test_a_package_that_conda_calls_otherwise_is_locked_by_the_name_that_python_has_for_it(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    conda.give("iniconfig", "py-ini-reader", "2.0.0")
    environment = conda.environment(tmp_path)
    assert environment.conda_package_of("iniconfig") == "py-ini-reader"
    assert lock_for(environment, ["iniconfig"]).versions == {"iniconfig": "2.0.0"}


@pytest.mark.parametrize("said", ["2.0.0.post301", "2.0.0+cpu", "0.0.0"])
def test_what_conda_puts_behind_a_version_is_left_away(tmp_path, said):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    conda.called("iniconfig", said)
    conda.give("iniconfig", "iniconfig", "2.0.0")
    assert lock_for(conda.environment(tmp_path), ["iniconfig"]).versions == {"iniconfig": "2.0.0"}


def test_a_version_that_no_index_has_is_refused_by_both_names_and_all_are_named(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0", "toolz==1.0.0", "six==1.16.0")
    conda.called("iniconfig", "0.0.77")
    conda.give("iniconfig", "py-ini-reader", "0.0.77")
    conda.called("toolz", "0.0.78")
    conda.give("toolz", "toolz", "0.0.78", channel="https://repo.anaconda.com/pkgs/main/noarch")
    with pytest.raises(NoEqual) as caught:
        lock_for(conda.environment(tmp_path), ["iniconfig", "toolz", "six"])
    error = caught.value
    assert (error.code, sorted(error.facts["packages"])) == ("PL575", ["iniconfig", "toolz"])
    assert "iniconfig 0.0.77 (installed by conda as py-ini-reader 0.0.77 of conda-forge)" in error.message
    assert "toolz 0.0.78 (installed by conda as toolz 0.0.78 of main)" in error.message
    assert error.try_next.startswith("pip install iniconfig toolz,")


def test_a_module_without_metadata_is_taken_from_the_index_where_conda_notes_what_it_is_there(tmp_path):
    conda = Conda(tmp_path / "env")
    for module in ("iniconfig", "graphs"):
        (conda.site / module).mkdir()
        (conda.site / module / "__init__.py").touch()
    conda.note("ini", "9", files=("iniconfig/__init__.py",), purls=["pkg:pypi/iniconfig@2.0.0?source=hash-mapping"])
    conda.note("graph-tool-base", "2.45", files=("graphs/__init__.py",))
    environment = conda.environment(tmp_path)
    assert lock_for(environment, ["iniconfig"]).versions == {"iniconfig": "2.0.0"}
    with pytest.raises(NoEqual) as caught:
        lock_for(environment, ["iniconfig", "graphs"])
    assert caught.value.facts["packages"] == ["graph-tool-base"]
    assert "graphs comes with graph-tool-base 2.45 of conda-forge" in caught.value.message
    # Whatever is in no environment at all is the project's own.
    assert lock_for(environment, ["helpers"]).versions == {}


def test_what_pip_put_over_it_counts_as_pips(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    conda.note("iniconfig", "1.1.1", files=("iniconfig-1.1.1.dist-info/METADATA", "iniconfig/__init__.py"))
    environment = conda.environment(tmp_path)
    assert environment.conda == frozenset()
    assert lock_for(environment, ["iniconfig"]).versions == {"iniconfig": "2.0.0"}


def test_notes_that_are_damaged_stop_nobody(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    (conda.folder / "conda-meta" / "half-1-0.json").write_text('{"name": "half", "ver')
    (conda.folder / "conda-meta" / "list-1-0.json").write_text("[]")
    (conda.folder / "conda-meta" / "history").write_text("==> 2026 <==")
    assert conda.environment(tmp_path).packages == {}


# -- environment.yml ---------------------------------------------------------------------------------------------------


def conda_file(folder: Path, text: str) -> Declared | None:
    (folder / "environment.yml").write_text(dedent(text))
    (folder / "explore.py").write_text("# %%\n1\n")
    return declared_for(folder / "explore.py", folder)


def test_condas_file_is_read_with_channels_python_and_what_pip_installs(tmp_path):
    found = conda_file(
        tmp_path,
        """\
        name: shop
        channels:
          - conda-forge
          - https://conda.anaconda.org/t/tk-0123456789/mine
        dependencies:
          - python=3.11
          - pandas=2.1
          - pytorch::pytorch >=2,<3
          - pip
          - pip:
              - --extra-index-url https://ann:hunter2@index.example.org/simple
              - iniconfig==1.1.1
              - -r more.txt
        """,
    )
    assert found == Declared(
        kind="conda", file="environment.yml", python="3.11", conda=("pandas=2.1", "pytorch::pytorch >=2,<3"),
        index=("iniconfig==1.1.1",), channels=("conda-forge", "mine"), name="shop",
    )  # fmt: skip
    assert found.said == (
        "environment.yml (conda-forge, mine): python 3.11, pandas=2.1, pytorch::pytorch >=2,<3, iniconfig==1.1.1"
    )


@pytest.mark.parametrize(
    ("asked", "there", "met"),
    [
        ("six", "1.16.0", True),
        ("six=1.16", "1.16.0", True),
        ("six=1.16", "1.17.0", False),
        ("six=1.1", "1.16.0", False),
        ("six==1.16.0", "1.16.0", True),
        ("six=1.16.0=py311_0", "1.16.0", True),
        ("six 1.16.*", "1.16.0", True),
        ("six 1.16.0 py311_0", "1.16.0", True),
        ("six>=1.17", "1.16.0", False),
        ("conda-forge::six >=1.10, <1.17", "1.16.0", True),
        ("six[version='>=1.17']", "1.16.0", False),
        ("six !=1.16.0", "1.16.0", False),
        ("six 1.15.0|1.16.0", "1.16.0", True),
    ],
)
def test_requests_of_conda_are_understood(tmp_path, asked, there, met):
    conda = Conda(tmp_path / "env")
    conda.note("six", there)
    found = conda_file(tmp_path, f'dependencies:\n  - "{asked}"\n')
    assert found.unmet(conda.environment(tmp_path)) == (() if met else (f"{asked} is asked for, and {there} is there",))


def test_what_is_otherwise_than_it_is_asked_for_is_said(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    found = conda_file(
        tmp_path, "dependencies:\n  - python=3.7\n  - nodejs\n  - pip:\n    - iniconfig<2\n    - toolz\n"
    )
    conda.note("six", "1.16.0")
    version = ".".join(map(str, sys.version_info[:3]))
    assert found.unmet(conda.environment(tmp_path)) == (
        f"python 3.7 is asked for, and {version} is there",
        "nodejs is asked for, and is not there",
        "iniconfig<2 is asked for, and 2.0.0 is there",
        "toolz is asked for, and is not there",
    )
    # Where nothing is conda's, nobody knows what of conda is there.
    shutil.rmtree(conda.folder / "conda-meta")
    assert "nodejs is asked for, and is not there" not in found.unmet(environment_of(conda.python, tmp_path / "again"))


@pytest.mark.parametrize("text", ["a: [", "- pandas\n", "dependencies: pandas\n", "dependencies:\n  - 1\n", "\t"])
def test_a_file_that_cannot_be_understood_is_said_so(tmp_path, text):
    with pytest.raises(BadDeclaration) as caught:
        conda_file(tmp_path, text)
    assert (caught.value.code, caught.value.try_next) == ("PL574", "mend environment.yml")


def test_the_nearest_file_within_the_project_counts(tmp_path):
    project = tmp_path / "project"
    (project / "deep" / "er").mkdir(parents=True)
    (tmp_path / "environment.yml").write_text("name: outside\n")
    notebook = project / "deep" / "er" / "explore.py"
    notebook.write_text("1\n")
    assert declared_for(notebook, project) is None
    (project / "environment.yaml").write_text("name: inside\n")
    assert declared_for(notebook, project).name == "inside"


# -- PEP 723 -----------------------------------------------------------------------------------------------------------


def test_the_block_of_a_script_is_read_and_of_a_notebooks_cell_too(tmp_path):
    script, notebook = tmp_path / "explore.py", tmp_path / "explore.ipynb"
    script.write_bytes((BLOCK + "# %%\nimport iniconfig\n").replace("\n", "\r\n").encode())
    cells = [{"cell_type": "code", "source": [*BLOCK.splitlines(keepends=True), "import iniconfig\n"], "outputs": []}]
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    for path in (script, notebook):
        found = declared_for(path, tmp_path)
        assert found == Declared(kind="script", file=path.name, python=">=3.11", index=("iniconfig==1.1.1",))
        python = build_from_script(path, tmp_path / "kept")
        assert environment_of(python, tmp_path / "facts").versions == {"iniconfig": "1.1.1"}
    (tmp_path / "plain.py").write_text("# /// script\nimport os\n")
    assert script_block(tmp_path / "plain.py") is None


@pytest.mark.parametrize(
    "block",
    [
        BLOCK + "#\n" + BLOCK,
        BLOCK.replace("[", "{"),
        BLOCK.replace('">=3.11"', "3.11"),
        '# /// script\n# dependencies = "pandas"\n# ///\n',
    ],
)
def test_a_block_that_cannot_be_understood_is_said_so(tmp_path, block):
    (tmp_path / "explore.py").write_text(block)
    with pytest.raises(BadDeclaration) as caught:
        declared_for(tmp_path / "explore.py", tmp_path)
    assert caught.value.code == "PL574"


def test_a_block_that_nothing_fulfils_says_what_uv_said(tmp_path):
    (tmp_path / "explore.py").write_text(BLOCK.replace("1.1.1", "0.0.77"))
    with pytest.raises(BuildFailed, match=r"0\.0\.77") as caught:
        build_from_script(tmp_path / "explore.py", tmp_path)
    assert caught.value.code == "PL552"


def test_what_is_installed_from_elsewhere_is_still_refused(tmp_path):
    conda = Conda(tmp_path / "env", "iniconfig==2.0.0")
    (metadata,) = conda.site.glob("iniconfig-*.dist-info")
    (metadata / "direct_url.json").write_text('{"url": "file:///home/ann/iniconfig", "dir_info": {}}')
    with pytest.raises(NotLockable) as caught:
        lock_for(conda.environment(tmp_path), ["iniconfig"])
    assert caught.value.code == "PL551"
