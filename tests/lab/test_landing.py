"""A landed pipeline is proven and tested in the environment of its lock, and committed without touching anything else."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from pilotline.cli.main import main
from pilotline.domain.errors import PilotlineError
from pilotline.factory.environments import find_uv
from pilotline.lab.evidence import read_evidence
from pilotline.lab.landing import Wishes, land
from pilotline.lab.lifting import Options, lift_notebook

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOK = """\
# %%
import iniconfig

# %%
prices = [2.5, 4.0, 1.5]
kept = [price for price in prices if price > 2]
total = sum(kept) + len(iniconfig.IniConfig.__name__)

# %%
print("a dead end")

# %%
total
"""


@pytest.fixture(scope="session")
def python(tmp_path_factory) -> Path:
    """The interpreter that the analyst works with."""
    folder = tmp_path_factory.mktemp("analyst") / "env"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([find_uv(), "pip", "install", "-q", "--python", python, "iniconfig==1.1.1"], check=True)
    return python


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("environments")


class Shop:
    """A repository with a lifted pipeline that nobody has committed."""

    def __init__(self, folder: Path, python: Path, within: str = "") -> None:
        self.root = folder / "repository"
        self.folder = self.root / within
        self.folder.mkdir(parents=True)
        self.python = python
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "ann")
        self.git("config", "user.email", "ann@example.org")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def lift(self) -> None:
        (self.folder / "explore.py").write_text(NOTEBOOK)
        receipt = lift_notebook(
            self.folder / "explore.py", Options(wants=("total",), python=str(self.python), name="sums"), lambda _: None
        )
        assert receipt.status == "proven", receipt.as_text()

    def land(self, **wishes: object):
        return land("sums", self.folder, Wishes(**wishes), lambda _: None)

    def files(self, branch: str = "land/sums") -> set[str]:
        return set(self.git("ls-tree", "-r", "--name-only", branch).splitlines())

    def refused(self, **wishes: object) -> PilotlineError:
        before = self.git("for-each-ref")
        with pytest.raises(PilotlineError) as caught:
            self.land(**wishes)
        assert self.git("for-each-ref") == before
        return caught.value


@pytest.fixture
def shop(tmp_path, python, environments, monkeypatch) -> Shop:
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(environments))
    made = Shop(tmp_path, python)
    (made.root / "README").write_text("ours\n")
    made.git("add", "README")
    made.git("commit", "-qm", "first")
    made.lift()
    return made


def test_what_is_landed_is_the_pipeline_with_all_that_it_needs_and_nothing_else(shop):
    (shop.root / "README").write_text("changed\n")
    (shop.root / "staged").write_text("by hand\n")
    shop.git("add", "staged")
    before = shop.git("status", "--porcelain", "--", "README", "staged"), shop.git("rev-parse", "HEAD")
    landing = shop.land(schedule="0 6 * * *", owner="ann")
    assert landing.new
    assert shop.files() == {
        "README", "sums.py", "sums.toml", "sums.lock", "sums.proof.json", "test_sums.py", ".github/workflows/pilotline.yml",
        "Dockerfile", ".dockerignore",
    }  # fmt: skip
    assert shop.git("show", "land/sums:README") == "ours"
    assert (shop.git("status", "--porcelain", "--", "README", "staged"), shop.git("rev-parse", "HEAD")) == before
    assert shop.git("branch", "--show-current") == "main"
    contract = shop.git("show", "land/sums:sums.toml")
    assert 'schedule = "0 6 * * *"' in contract.splitlines()
    assert 'owner = "ann"' in contract.splitlines()
    assert "iniconfig==1.1.1" in shop.git("show", "land/sums:sums.lock")
    told = json.loads(shop.git("show", "land/sums:sums.proof.json"))
    assert (told["notebook"], told["outputs"]) == ("explore.py", {"total": "equal"})
    assert landing.tests.passed > 0
    assert read_evidence(shop.folder / "sums.py").stands(shop.folder / "sums.py")
    again = shop.land()
    assert (again.new, again.commit) == (False, landing.commit)


def test_landing_again_goes_on_from_what_is_there(shop):
    first = shop.land()
    with (shop.folder / "sums.py").open("a") as module:
        module.write("\n# A remark.\n")
    (shop.root / "more").write_text("meanwhile\n")
    shop.git("add", "more")
    shop.git("commit", "-qm", "second")
    second = shop.land()
    assert second.new
    assert shop.git("merge-base", first.commit, second.commit) == first.commit
    assert "more" in shop.files()
    assert "# A remark." in shop.git("show", "land/sums:sums.py")


def test_a_module_that_gives_something_else_is_not_landed(shop):
    text = (shop.folder / "sums.py").read_text()
    assert "> 2" in text
    (shop.folder / "sums.py").write_text(text.replace("> 2", "> 3"))
    error = shop.refused()
    assert error.code == "PL557"
    assert "total differs" in error.message


def test_a_module_that_its_tests_refuse_is_not_landed(shop):
    with (shop.folder / "test_sums.py").open("a") as tests:
        tests.write("\n\ndef test_of_mine():\n    assert False\n")
    error = shop.refused()
    assert (error.code, error.facts["failed"]) == ("PL558", ["test_of_mine"])
    (shop.folder / "test_sums.py").unlink()
    assert shop.refused().code == "PL558"


def test_a_credential_is_not_committed(shop):
    with (shop.folder / "sums.toml").open("a") as contract:
        contract.write('# password = "hunter2-Zq81xPl0w"\n# postgresql://ann:hunter2Zq81xPl0w@db/orders\n')
    error = shop.refused()
    assert error.code == "PL559"
    assert "hunter2" not in error.message


def test_a_pipeline_written_by_hand_is_tested_and_says_that_there_was_nothing_to_prove(shop):
    (shop.folder / "hand.py").write_text(
        '"""By hand."""\n\n\ndef one() -> int:\n    return 1\n\n\ndef pipeline():\n    number = one()\n    return {"number": number}\n'
    )
    (shop.folder / "test_hand.py").write_text("import hand\n\n\ndef test_one():\n    assert hand.one() == 1\n")
    landing = land("hand", shop.folder, Wishes(python=str(shop.python)), lambda _: None)
    assert landing.evidence.notebook == ""
    assert "written by hand" in landing.evidence.not_proven[0]
    assert landing.lock.versions == {}
    assert {"hand.py", "hand.lock", "test_hand.py"} <= shop.files("land/hand")
    assert "sums.py" not in shop.files("land/hand")


def test_a_project_in_a_subfolder_of_a_repository_without_commits(tmp_path, python, environments, monkeypatch):
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(environments))
    shop = Shop(tmp_path, python, within="analysis/shop")
    shop.lift()
    landing = shop.land()
    assert landing.new
    assert shop.files() == {
        f"analysis/shop/{name}" for name in ("sums.py", "sums.toml", "sums.lock", "sums.proof.json", "test_sums.py")
    }


def test_it_is_pushed_to_a_bare_repository(shop, tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    shop.git("remote", "add", "origin", str(tmp_path / "bare"))
    landing = shop.land(push="origin")
    assert shop.git("ls-remote", "origin", "land/sums").split()[0] == landing.commit


def test_what_stands_in_the_way_is_said_by_code(shop, tmp_path):
    shop.git("checkout", "-qb", "land/sums")
    assert shop.refused().code == "PL556"
    shop.git("checkout", "-q", "main")
    (shop.folder / "explore.py").unlink()
    assert shop.refused().code == "PL560"
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "hand.py").write_text(
        "def one():\n    return 1\n\n\ndef pipeline():\n    a = one()\n    return {'a': a}\n"
    )
    with pytest.raises(PilotlineError) as caught:
        land("hand", alone, Wishes(), lambda _: None)
    assert (caught.value.code, caught.value.try_next) == ("PL554", f"git init {alone}")


@pytest.mark.parametrize(
    "content", [b"def pipeline(:\n", b"# Erl\xf6se\ndef pipeline():\n    return {}\n", b"<!doctype html>"]
)
def test_a_module_that_is_no_python_is_refused_by_code(tmp_path, content):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "explore.py").write_bytes(content)
    with pytest.raises(PilotlineError) as caught:
        land("explore.py", tmp_path, Wishes(), lambda _: None)
    assert caught.value.code == "PL302"


def test_the_branch_is_left_alone_where_another_working_tree_has_it(shop, tmp_path):
    shop.land()
    shop.git("worktree", "add", "-q", str(tmp_path / "beside"), "land/sums")
    with (shop.folder / "sums.py").open("a") as module:
        module.write("\n# A remark.\n")
    error = shop.refused()
    assert (error.code, str(tmp_path / "beside") in error.message) == ("PL556", True)


def test_what_was_landed_can_be_merged_where_it_was_landed_as_it_says(shop, capsys, monkeypatch):
    monkeypatch.chdir(shop.folder)
    assert main(["land", "sums", "--no-ci", "--schedule", "every 5m"]) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "or here: " in line]
    merge = said.partition("or here: ")[2].removesuffix(" && pilotline deploy")
    subprocess.run(["bash", "-ec", merge], cwd=shop.folder, check=True)
    assert shop.git("rev-parse", "HEAD") == shop.git("rev-parse", "land/sums")
    assert shop.git("status", "--porcelain", "--untracked-files=no") == ""


def test_what_was_landed_twice_with_its_ci_and_its_data_can_be_merged_as_it_says(shop, capsys, monkeypatch):
    monkeypatch.chdir(shop.folder)
    (shop.folder / "my data").mkdir()
    (shop.folder / "my data" / "prices.csv").write_text("price\n1\n")
    assert main(["land", "sums"]) == 0
    assert main(["land", "sums", "--with", "my data", "--owner", "ann"]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines()[::-1] if "or here: " in line)
    merge = said.partition("or here: ")[2].removesuffix(" && pilotline deploy")
    assert {":/.github", ":/my data"} <= set(shlex.split(merge))
    subprocess.run(["bash", "-ec", merge], cwd=shop.folder, check=True)
    assert shop.git("rev-parse", "HEAD") == shop.git("rev-parse", "land/sums")
    assert {"Dockerfile", ".github/workflows/pilotline.yml", "my data/prices.csv"} <= shop.files()


def test_a_file_that_it_reads_and_git_has_not_is_named_and_one_that_it_writes_is_not(shop, capsys, monkeypatch):
    monkeypatch.chdir(shop.folder)
    (shop.folder / "hand.py").write_text(
        "from pathlib import Path\n\n\n"
        "def read(numbers: Path) -> int:\n    return len(numbers.read_text())\n\n\n"
        "def write(number: int, *, said: Path) -> Path:\n    said.write_text(str(number))\n    return said\n\n\n"
        'def pipeline(*, numbers: Path = Path("in.txt"), said: Path = Path("out.txt")) -> dict[str, object]:\n'
        "    number = read(numbers)\n    said = write(number, said=said)\n"
        '    return {"said": said}\n'
    )
    (shop.folder / "test_hand.py").write_text("def test_it():\n    assert True\n")
    for name in ("in.txt", "out.txt"):
        (shop.folder / name).write_text("7")
    assert main(["land", "hand", "--no-ci", "--python", str(shop.python)]) == 0
    said = capsys.readouterr().out
    assert "reads what is not in git: in.txt\n" in said
    assert "pilotline land hand --with in.txt\n" in said
    assert "out.txt" not in said


def test_an_owner_may_have_any_name(shop):
    shop.land(owner='Zoë "Z" \\ Ångström', ci=False)
    contract = tomllib.loads(shop.git("show", "land/sums:sums.toml"))
    assert contract["owner"] == 'Zoë "Z" \\ Ångström'


def test_line_ends_and_modes_are_committed_as_git_would(shop):
    shop.git("config", "core.autocrlf", "true")
    module = shop.folder / "sums.py"
    module.write_bytes(module.read_bytes().replace(b"\n", b"\r\n"))
    module.chmod(0o755)
    landing = shop.land(ci=False)
    raw = subprocess.run(
        ["git", "show", "land/sums:sums.py"], cwd=shop.root, capture_output=True, check=True
    ).stdout  # fmt: skip
    assert b"\r" not in raw
    assert shop.git("ls-tree", "land/sums", "sums.py").startswith("100755")
    (shop.root / "elsewhere.py").write_bytes(raw)
    assert landing.evidence.stands(shop.root / "elsewhere.py")


def test_a_bad_schedule_is_said_before_anything_is_built(shop):
    said: list[str] = []
    with pytest.raises(PilotlineError) as caught:
        land("sums", shop.folder, Wishes(schedule="0 99 * * *"), said.append)
    assert (caught.value.code, said) == ("PL530", [])


def test_an_import_that_lies_outside_of_the_project_is_refused_by_name(shop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs.py").write_text("ONE = 1\n")
    (shop.folder / "theirs.py").symlink_to(elsewhere / "theirs.py")
    (shop.folder / "hand.py").write_text(
        "from theirs import ONE\n\n\ndef one() -> int:\n    return ONE\n\n\ndef pipeline():\n    number = one()\n    return {'number': number}\n"
    )
    (shop.folder / "test_hand.py").write_text("import hand\n\n\ndef test_one():\n    assert hand.one() == 1\n")
    landing = land("hand", shop.folder, Wishes(python=str(shop.python), ci=False), lambda _: None)
    # The file itself, for elsewhere the link would lead nowhere.
    assert "theirs.py" in landing.files
    assert shop.git("show", "land/hand:theirs.py") == "ONE = 1"


def test_a_notebook_may_have_a_name_with_spaces(shop):
    module = shop.folder / "spaced.py"
    module.write_text(
        '"""Sums.\n\nLifted from my notes: v2.ipynb: 3 of 4 cells.\n"""\n\n\ndef pipeline():\n    return {}\n'
    )
    with pytest.raises(PilotlineError, match=r"my notes: v2\.ipynb") as caught:
        land("spaced", shop.folder, Wishes(python=str(shop.python)), lambda _: None)
    assert caught.value.code == "PL560"


HAND = (
    '"""By hand."""\n\nfrom vendor.names import ONE\n\n\ndef one() -> int:\n    return ONE\n\n\n'
    'def pipeline():\n    number = one()\n    return {"number": number}\n'
)


def by_hand(shop: Shop) -> None:
    (shop.folder / "hand.py").write_text(HAND)
    (shop.folder / "test_hand.py").write_text("import hand\n\n\ndef test_one():\n    assert hand.one() == 1\n")


def land_by_hand(shop: Shop, **wishes: object):
    return land("hand", shop.folder, Wishes(python=str(shop.python), ci=False, **wishes), lambda _: None)


@pytest.fixture
def bare(tmp_path, python, environments, monkeypatch) -> Shop:
    """A repository with one commit, and a pipeline written by hand that is not in it."""
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(environments))
    made = Shop(tmp_path, python)
    (made.root / ".gitignore").write_text(".pilotline/\n__pycache__/\n")
    made.git("add", ".gitignore")
    made.git("commit", "-qm", "first")
    (made.root / "vendor").mkdir()
    (made.root / "vendor" / "names.py").write_text("ONE = 1\n")
    by_hand(made)
    return made


def test_a_contract_keeps_its_line_ends_its_permissions_and_its_link(bare):
    elsewhere = bare.root / "contracts" / "of_hand.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b'namespace = "shop"\r\nowner = "bob"\r\n')
    elsewhere.chmod(0o640)
    (bare.folder / "hand.toml").symlink_to("contracts/of_hand.toml")
    land_by_hand(bare, owner="ann", schedule="0 6 * * *")
    wanted = b'namespace = "shop"\r\nowner = "ann"\r\nschedule = "0 6 * * *"\r\n'
    assert elsewhere.read_bytes() == wanted
    assert (bare.folder / "hand.toml").is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o640
    assert not land_by_hand(bare).new


def test_hooks_of_commits_are_not_called_and_one_of_pushes_is(bare, tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "remote")], check=True)
    bare.git("remote", "add", "origin", str(tmp_path / "remote"))
    for hook in ("pre-commit", "commit-msg", "pre-push"):
        path = bare.root / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\necho 'not by {hook}' >&2\nexit 1\n")
        path.chmod(0o755)
    assert land_by_hand(bare).new
    with pytest.raises(PilotlineError) as caught:
        land_by_hand(bare, push="origin")
    assert caught.value.code == "PL555"
    assert "not by pre-push" in caught.value.message
    (bare.root / ".git" / "hooks" / "pre-push").unlink()
    landing = land_by_hand(bare, push="origin")
    assert (landing.new, landing.pushed) == (False, "origin")
    assert bare.git("ls-remote", "origin", "land/hand").split()[0] == landing.commit


def test_a_shallow_clone_with_nothing_but_a_commit_checked_out_will_do(bare, tmp_path):
    bare.git("add", "--all")
    for number in range(3):
        bare.git("commit", "-qm", f"number {number}", "--allow-empty")
    clone = Shop.__new__(Shop)
    clone.root = clone.folder = tmp_path / "clone"
    clone.python = bare.python
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{bare.root}", str(clone.root)], check=True)
    clone.git("config", "user.name", "ann")
    clone.git("config", "user.email", "ann@example.org")
    clone.git("checkout", "-q", "--detach")
    landing = land_by_hand(clone, push="origin")
    assert clone.git("rev-parse", "--is-shallow-repository") == "true"
    assert clone.git("rev-parse", "land/hand~1") == bare.git("rev-parse", "HEAD")
    assert bare.git("rev-parse", "land/hand") == landing.commit
    assert clone.git("branch", "--show-current") == ""


def test_what_a_submodule_has_stays_there_and_must_be_what_is_pinned(bare, tmp_path):
    other = Shop(tmp_path / "other", bare.python)
    (other.root / "names.py").write_text("ONE = 1\n")
    other.git("add", ".")
    other.git("commit", "-qm", "theirs")
    (bare.root / "vendor" / "names.py").unlink()
    (bare.root / "vendor").rmdir()
    bare.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "vendor")
    bare.git("commit", "-qm", "vendor")
    landing = land_by_hand(bare)
    assert "vendor/names.py" not in landing.files
    assert bare.git("ls-tree", "land/hand", "vendor").startswith("160000")
    (bare.root / "vendor" / "names.py").write_text("ONE = 1  # and a remark\n")
    with pytest.raises(PilotlineError) as caught:
        land_by_hand(bare)
    assert (caught.value.code, caught.value.facts["files"]) == ("PL567", ["vendor/names.py"])


def test_what_nobody_can_sign_is_landed_and_said_to_be_unsigned(bare, capsys, monkeypatch):
    bare.git("config", "commit.gpgSign", "true")
    bare.git("config", "user.signingKey", "nobody")
    monkeypatch.chdir(bare.folder)
    assert main(["land", "hand", "--no-ci", "--python", str(bare.python)]) == 0
    said = capsys.readouterr().out
    assert "not signed: " in said
    assert "git switch land/hand && git commit --amend --no-edit -S" in said


def test_a_script_that_says_what_it_needs_is_recorded_and_landed_in_just_that(
    tmp_path, environments, monkeypatch, capsys
):
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(environments))
    shop = Shop(tmp_path, tmp_path)
    (shop.folder / "pilotline.toml").touch()
    # Toolz is imported nowhere: what is asked for may load it.
    block = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["iniconfig<2", "toolz==1.0.0"]\n# ///\n'
    (shop.folder / "explore.py").write_text(block + NOTEBOOK)
    (shop.folder / "environment.yml").write_text("dependencies: [r-base]\n")
    monkeypatch.chdir(shop.folder)
    assert main(["lift", "explore.py", "--want", "total", "--name", "sums"]) == 0
    said = capsys.readouterr().out
    assert "built by uv from the notebook's own block" in said
    assert "pilotline run sums --python " in said
    assert main(["land", "sums", "--no-ci"]) == 0
    said = capsys.readouterr().out
    assert "asked    explore.py: python >=3.11, iniconfig<2, toolz==1.0.0" in said
    lock = shop.git("show", "land/sums:sums.lock")
    assert "# Asked for by explore.py: python >=3.11, iniconfig<2, toolz==1.0.0" in lock.splitlines()
    assert {"iniconfig==1.1.1 \\", "toolz==1.0.0 \\"} <= set(lock.splitlines())
    assert main(["land", "sums", "--no-ci", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["new"], told["asked"]["index"], told["asked"]["unmet"]) == (False, ["iniconfig<2", "toolz==1.0.0"], [])


def test_what_condas_file_asks_for_is_shown_beside_what_was_there(bare, capsys, monkeypatch):
    (bare.folder / "environment.yml").write_text("channels: [conda-forge]\ndependencies: [python=3.7, pandas]\n")
    monkeypatch.chdir(bare.folder)
    assert main(["land", "hand", "--no-ci", "--python", str(bare.python)]) == 0
    said = capsys.readouterr().out
    assert "asked    environment.yml (conda-forge): python 3.7, pandas" in said
    assert "python 3.7 is asked for, and 3." in said


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"more": ("/etc/hostname",)}, "no file of the project"),
        ({"branch": "a b"}, "cannot be the name of a branch"),
        ({"push": "nowhere"}, "no remote 'nowhere'"),
    ],
)
def test_what_can_be_told_at_once_is_told_before_anything_is_built(shop, monkeypatch, wishes, said):
    monkeypatch.setattr("pilotline.lab.landing.lock_for", lambda *_: pytest.fail("it was locked"))
    assert said in shop.refused(**wishes).message


def test_what_somebody_else_pushed_to_the_branch_is_gone_on_from(bare, tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "remote")], check=True)
    bare.git("remote", "add", "origin", str(tmp_path / "remote"))
    first = land_by_hand(bare, push="origin")
    # A colleague adds to it, and here the branch is gone.
    subprocess.run(
        ["git", "clone", "-q", "-b", "land/hand", str(tmp_path / "remote"), str(tmp_path / "clone")], check=True
    )
    (tmp_path / "clone" / "REVIEW").write_text("looks good\n")
    for words in (("add", "REVIEW"), ("commit", "-qm", "review"), ("push", "-q")):
        subprocess.run(
            ["git", "-c", "user.name=bob", "-c", "user.email=bob@example.org", *words],
            cwd=tmp_path / "clone",
            check=True,
        )
    bare.git("branch", "-qD", "land/hand")
    again = land_by_hand(bare, push="origin")
    assert not again.new
    assert "REVIEW" in bare.files("land/hand")
    bare.git("update-ref", "refs/heads/land/hand", first.commit)
    with (bare.folder / "hand.py").open("a") as module:
        module.write("\n# A remark.\n")
    third = land_by_hand(bare, push="origin")
    assert third.new
    assert bare.git("rev-parse", "land/hand~1") == again.commit
    assert bare.git("ls-remote", "origin", "land/hand").split()[0] == third.commit
    # Two lines that know nothing of each other come together.
    bare.git("update-ref", "refs/heads/land/hand", first.commit)
    with (bare.folder / "hand.py").open("a") as module:
        module.write("# Another one.\n")
    land_by_hand(bare)
    fourth = land_by_hand(bare, push="origin")
    assert bare.git("ls-remote", "origin", "land/hand").split()[0] == fourth.commit
    assert "# Another one." in bare.git("show", "land/hand:hand.py")
    assert "REVIEW" in bare.files("land/hand")
