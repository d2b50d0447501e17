"""A commit gives the same files on every machine, all of them, or says which it cannot give."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.factory.committed import File, committed_files, submodule_files
from pilotline.factory.git import Repository
from pilotline.factory.releases import pack

if TYPE_CHECKING:
    from pathlib import Path


class Tree:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Zoë")
        self.git("config", "user.email", "zoe@example.org")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, content: bytes = b"x\n") -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "-qm", "all")
        return self.git("rev-parse", "HEAD")

    def files(self, under: str = "", commit: str = "HEAD") -> dict[str, File]:
        return committed_files(Repository.around(self.folder), self.git("rev-parse", commit), under)


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path / "a place with spaces" / "dépôt")


def test_names_and_bits_are_as_they_were_committed(tree):
    names = ["plain.py", "ärger 日本.csv", 'a "quoted" name.txt', "with\ttab", "with\nline", "deep/er/one.py"]
    for name in names:
        tree.write(name, name.encode())
    tree.write("run.sh", b"#!/bin/sh\n").chmod(0o755)
    tree.commit()
    found = tree.files()
    assert found == {
        **{name: File(content=name.encode()) for name in names}, "run.sh": File(content=b"#!/bin/sh\n", executable=True),
    }  # fmt: skip
    assert tree.files("deep/er") == {"one.py": File(content=b"deep/er/one.py")}


def test_line_ends_are_those_of_the_commit_whatever_is_set_on_a_machine(tree):
    tree.write("unix.py", b"a\nb\n")
    tree.write("windows.txt", b"a\r\nb\r\n")
    tree.write(".gitattributes", b"wanted.bat text eol=crlf\n*.csv export-ignore\n*.py text=auto\n")
    tree.write("wanted.bat", b"a\r\nb\r\n")
    tree.write("data.csv", b"1\n")
    tree.commit()
    before = tree.files()
    assert before["unix.py"].content == b"a\nb\n"
    assert before["windows.txt"].content == b"a\r\nb\r\n"
    assert before["wanted.bat"].content == b"a\r\nb\r\n"
    # Only an archive for others would leave it out.
    assert before["data.csv"].content == b"1\n"
    tree.git("config", "core.autocrlf", "true")
    tree.git("config", "core.eol", "crlf")
    tree.write(".gitattributes", b"* text eol=crlf\n")
    assert tree.files() == before
    assert pack(tree.files()) == pack(before)


def test_a_link_is_what_it_leads_to(tree):
    tree.write("common/lib/names.py", b"ONE = 1\n")
    tree.write("common/data.csv", b"1\n").chmod(0o755)
    project = tree.folder / "project"
    project.mkdir()
    (project / "lib").symlink_to("../common/lib")
    (project / "again").symlink_to("lib")
    (project / "data.csv").symlink_to("../common/data.csv")
    (project / "twice.csv").symlink_to("data.csv")
    (project / "inside.csv").symlink_to("../common/./lib/../data.csv")
    tree.commit()
    names, data = File(content=b"ONE = 1\n"), File(content=b"1\n", executable=True)
    assert tree.files("project") == {
        "lib/names.py": names, "again/names.py": names, "data.csv": data, "twice.csv": data, "inside.csv": data,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/hostname", "out of the repository"),
        ("../../outside", "out of the repository"),
        ("gone.csv", "not in the commit"),
        ("link", "in a circle"),
        (".", "in a circle"),
        ("../other", "in a circle"),
    ],
)
def test_a_link_that_leads_nowhere_elsewhere_is_refused_by_name(tree, target, said):
    tree.write("project/file")
    (tree.folder / "project" / "link").symlink_to(target)
    if target == "../other":
        (tree.folder / "other").mkdir()
        (tree.folder / "other" / "back").symlink_to("../project")
    tree.commit()
    with pytest.raises(PilotlineError) as caught:
        tree.files("project")
    assert (caught.value.code, caught.value.facts["path"]) == ("PL566", "project/link")
    assert said in caught.value.message


def test_files_of_submodules_are_in_it_as_they_are_pinned(tree, tmp_path):
    inner = Tree(tmp_path / "inner")
    inner.write("deepest.py", b"deepest\n")
    inner.commit()
    other = Tree(tmp_path / "other")
    other.write("theirs.py", b"ONE = 1\n")
    other.git("submodule", "--quiet", "add", str(inner.folder), "within")
    other.commit()
    tree.write("ours.py")
    tree.git("submodule", "--quiet", "add", str(other.folder), "vendor/other")
    tree.git("submodule", "--quiet", "update", "--init", "--recursive")
    commit = tree.commit()
    pinned = {
        "vendor/other/theirs.py": b"ONE = 1\n", "vendor/other/within/deepest.py": b"deepest\n", "ours.py": b"x\n",
    }  # fmt: skip
    found = {path: file.content for path, file in tree.files().items() if ".gitmodules" not in path}
    assert found == pinned
    # Neither what is checked out there nor what is written there counts.
    (tree.folder / "vendor/other/theirs.py").write_bytes(b"ONE = 2\n")
    assert {path: file.content for path, file in tree.files().items() if ".gitmodules" not in path} == pinned
    repository = Repository.around(tree.folder)
    assert submodule_files(repository, commit, ["ours.py", "vendor/other/theirs.py", "vendor/other/none.py"]) == {
        "vendor/other/theirs.py": b"ONE = 1\n", "vendor/other/none.py": None,
    }  # fmt: skip
    # Who clones without them is told, and not given an empty folder.
    clone = Tree(tmp_path / "clone")
    clone.git("pull", "-q", str(tree.folder), "main")
    with pytest.raises(PilotlineError) as caught:
        clone.files()
    assert (caught.value.code, caught.value.facts["files"]) == ("PL565", ["vendor/other"])
    clone.git("submodule", "--quiet", "update", "--init", "--recursive")
    assert {path: file.content for path, file in clone.files().items() if ".gitmodules" not in path} == pinned


def test_what_git_lfs_keeps_is_not_taken_for_the_file(tree):
    tree.write("model.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    tree.commit()
    with pytest.raises(PilotlineError) as caught:
        tree.files()
    assert (caught.value.code, caught.value.facts["files"]) == ("PL565", ["model.bin"])


def test_files_that_a_filter_keeps_elsewhere_come_as_they_are_checked_out(tree):
    tree.git("config", "filter.upside.clean", "tr ab ba")
    tree.git("config", "filter.upside.smudge", "tr ab ba")
    tree.write(".gitattributes", b"*.up filter=upside\n")
    tree.write("one.up", b"aab\n")
    tree.commit()
    assert tree.git("cat-file", "blob", "HEAD:one.up") == "bba"
    assert tree.files()["one.up"].content == b"aab\n"


def test_a_folder_that_a_commit_does_not_have_is_said_so(tree):
    tree.write("one")
    tree.commit()
    with pytest.raises(PilotlineError) as caught:
        tree.files("none")
    assert caught.value.code == "PL555"


# -- committing --------------------------------------------------------------------------------------------------------


def test_a_commit_is_made_as_the_repository_is_set_and_asks_nobody(tree):
    tree.write("first")
    first = tree.commit()
    for hook in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit"):
        path = tree.folder / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch '{tree.folder}/called-{hook}'\nexit 1\n")
        path.chmod(0o755)
    tree.git("config", "i18n.commitEncoding", "iso-8859-1")
    tree.git("config", "core.safecrlf", "true")
    tree.git("config", "core.autocrlf", "true")
    repository = Repository.around(tree.folder)
    made = repository.commit("land/été", {"ärger.lock": b"a\nb\n"}, "Land été\n\nZoë\n")
    assert (made.new, made.unsigned) == (True, "")
    assert not list(tree.folder.glob("called-*"))
    assert tree.git("-c", "i18n.logOutputEncoding=UTF-8", "log", "-1", "--format=%s %an", "land/été") == "Land été Zoë"
    assert tree.git("rev-parse", "land/été~1") == first
    assert tree.git("status", "--porcelain") == ""
    assert repository.commit("land/été", {"ärger.lock": b"a\r\nb\r\n"}, "again") == type(made)(id=made.id, new=False)


def test_a_commit_that_cannot_be_signed_is_made_and_said_to_be_unsigned(tree):
    tree.write("first")
    tree.commit()
    tree.git("config", "commit.gpgSign", "true")
    tree.git("config", "user.signingKey", "nobody")
    began = time.monotonic()
    made = Repository.around(tree.folder).commit("land/x", {"one": b"1\n"}, "Land x\n")
    assert time.monotonic() - began < 30
    assert made.new
    assert made.unsigned
    assert "gpgsig" not in tree.git("cat-file", "commit", made.id)


def test_a_commit_is_signed_where_git_is_set_to_sign_and_can(tree, tmp_path):
    key = tmp_path / "key"
    if subprocess.run(["which", "ssh-keygen"], capture_output=True, check=False).returncode:
        pytest.skip("there is no ssh-keygen here")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    tree.write("first")
    tree.commit()
    for name, value in (("commit.gpgSign", "yes"), ("gpg.format", "ssh"), ("user.signingKey", str(key))):
        tree.git("config", name, value)
    made = Repository.around(tree.folder).commit("land/x", {"one": b"1\n"}, "Land x\n")
    assert (made.new, made.unsigned) == (True, "")
    assert "gpgsig" in tree.git("cat-file", "commit", made.id)


def test_a_lock_of_a_git_that_was_killed_is_in_nobodys_way_for_long(tree):
    tree.write("first")
    tree.commit()
    lock = tree.write(".git/refs/heads/land/x.lock", b"")
    repository = Repository.around(tree.folder)
    with pytest.raises(PilotlineError) as caught:
        repository.commit("land/x", {"one": b"1\n"}, "Land x\n")
    assert caught.value.code == "PL555"
    os.utime(lock, (time.time() - 3600, time.time() - 3600))
    assert repository.commit("land/x", {"one": b"1\n"}, "Land x\n").new


def test_the_repository_of_the_folder_is_meant_whatever_a_hook_was_told(tree, tmp_path, monkeypatch):
    tree.write("sub/first")
    tree.commit()
    other = Tree(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    repository = Repository.around(tree.folder / "sub")
    assert repository.root.resolve() == tree.folder.resolve()
    assert repository.commit("land/x", {"one": b"1\n"}, "Land x\n").new
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert tree.git("ls-tree", "-r", "--name-only", "land/x").split() == ["one", "sub/first"]
    assert other.git("for-each-ref") == ""


def test_two_who_commit_to_one_branch_at_once_both_get_there(tree):
    from concurrent.futures import ThreadPoolExecutor

    tree.write("first")
    tree.commit()
    repository = Repository.around(tree.folder)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: repository.commit("land/x", {f"file{n}": b"1\n"}, f"Land {n}\n"), range(4)))
    assert all(each.new for each in made)
    assert set(tree.git("ls-tree", "--name-only", "land/x").split()) == {"first", "file0", "file1", "file2", "file3"}
    assert tree.git("rev-list", "--count", "main..land/x") == "4"


def test_a_repository_of_somebody_else_is_called_so(tree, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(PilotlineError) as caught:
        Repository.around(tree.folder)
    assert (caught.value.code, caught.value.try_next[:30]) == ("PL555", "git config --global --add safe")


def test_a_branch_that_parted_from_what_is_checked_out_keeps_what_it_has(tree):
    tree.write("first")
    tree.commit()
    repository = Repository.around(tree.folder)
    repository.commit("land/x", {"x.py": b"1\n", "data.csv": b"1\n"}, "Land x\n")
    tree.write("meanwhile")
    head = tree.commit()
    made = repository.commit("land/x", {"x.py": b"2\n"}, "Land x again\n")
    assert set(tree.git("ls-tree", "--name-only", "land/x").split()) == {"first", "meanwhile", "x.py", "data.csv"}
    assert tree.git("show", "land/x:x.py") == "2"
    assert repository.within(head, made.id)
    # Merged as it is, there is nothing more to do; gone on from, there is.
    tree.git("merge", "-q", "--ff-only", "land/x")
    assert repository.commit("land/x", {"x.py": b"2\n"}, "Land x\n") == type(made)(id=made.id, new=False)
    tree.write("later")
    tree.commit()
    assert repository.commit("land/x", {"x.py": b"3\n"}, "Land x\n").new
    # Where both changed one file, what is checked out counts, and what is landed in any case.
    tree.write("data.csv", b"here\n")
    tree.commit()
    repository.commit("land/x", {"data.csv": b"3\n", "x.py": b"4\n"}, "Land x\n")
    tree.write("data.csv", b"here again\n")
    head = tree.commit()
    made = repository.commit("land/x", {"x.py": b"5\n"}, "Land x\n")
    assert (tree.git("show", "land/x:data.csv"), tree.git("show", "land/x:x.py")) == ("here again", "5")
    assert repository.within(head, made.id)
