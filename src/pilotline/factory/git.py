"""What landing asks of git: a commit on a branch of its own, whatever the user's index and working tree are at."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import FactoryError, UsageError
from pilotline.lift.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["Committed", "GitFailed", "NoRepository", "OnThatBranch", "Repository"]

#: What git tells its hooks about the repository that it was called in, and what a caller may have set: another one is meant.
_OF_A_REPOSITORY: Final = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE",
})  # fmt: skip
#: Git holds the lock of a branch for milliseconds; whoever left one this old is gone.
_STALE_SECONDS: Final = 300
#: Somebody else may move the branch meanwhile, and again.
_ATTEMPTS: Final = 5
_SIGNING_SECONDS: Final = 60


class NoRepository(UsageError):
    """There is no git here, or no repository."""

    code = "PL554"


class GitFailed(FactoryError):
    """Git refused."""

    code = "PL555"


class OnThatBranch(UsageError):
    """The branch that would be committed to is checked out."""

    code = "PL556"


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What came of a commit."""

    id: str
    #: It is not where the branch has these very files already.
    new: bool
    #: Why it is not signed, where git is set to sign.
    unsigned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A git repository with a working tree."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that a folder is in.

        Raises:
            NoRepository: there is none, or no git.
            GitFailed: it is somebody else's, and git does not trust it.
        """
        try:
            done = subprocess.run(
                ["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, encoding="utf-8", check=False,
                errors="surrogateescape", env=_surroundings(), stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            raise NoRepository("there is no git here", try_next="install git") from None
        if "dubious ownership" in done.stderr:
            said = done.stderr.strip()
            trusted = re.search(r"git config --global --add safe\.directory .*", said)
            raise GitFailed(
                f"git does not trust the repository, which belongs to somebody else: {said.splitlines()[0]}",
                try_next=trusted[0] if trusted else "see whose it is: ls -ld",
                said=said,
            )
        if done.returncode:
            raise NoRepository(f"{folder} is in no git repository", try_next=f"git init {folder}", folder=str(folder))
        return cls(root=Path(done.stdout.removesuffix("\n")))

    def ask(self, *words: str, stdin: bytes | None = None, index: str | None = None, tree: str | None = None) -> str:
        """What a git command prints.

        Args:
            words: of the command.
            stdin: what it reads.
            index: the file of another index than the user's.
            tree: another working tree than the user's.

        Raises:
            GitFailed: it failed.
        """
        done = self._run(words, stdin, index, tree)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            hint = "git config user.email YOU@EXAMPLE.ORG; git config user.name NAME" if "user.email" in said else ""
            raise GitFailed(
                f"git {_command(words)} failed: {said}",
                try_next=hint or f"see why in {self.root}: git status",
                said=said,
            )
        return done.stdout.decode(errors="surrogateescape").rstrip()

    def maybe(self, *words: str, stdin: bytes | None = None) -> str | None:
        """The same; None where it fails."""
        done = self._run(words, stdin, None, None)
        return None if done.returncode else done.stdout.decode(errors="surrogateescape").strip()

    def _run(
        self, words: Sequence[str], stdin: bytes | None, index: str | None, tree: str | None
    ) -> subprocess.CompletedProcess[bytes]:
        env = _surroundings()
        if tree is not None:
            env["GIT_WORK_TREE"] = tree
        if index is not None:
            env["GIT_INDEX_FILE"] = index
        return subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, check=False, input=stdin or b"", env=env
        )

    def _set(self, key: str) -> bool:
        """Whether a switch of git's configuration is on."""
        return self.maybe("config", "--type=bool", "--get", key) == "true"

    @property
    def head(self) -> str | None:
        """The commit that is checked out; None in a repository without any."""
        return self.maybe("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    @property
    def branch(self) -> str | None:
        """The branch that is checked out."""
        return self.maybe("symbolic-ref", "--quiet", "--short", "HEAD")

    def _checked_out(self, branch: str) -> Path | None:
        """The working tree, of those that share the repository, that has a branch."""
        where: Path | None = None
        for line in self.ask("worktree", "list", "--porcelain").splitlines():
            word, _, rest = line.partition(" ")
            if word == "worktree":
                where = Path(rest).resolve()
            elif word == "branch" and rest == f"refs/heads/{branch}":
                return where
        return None

    def in_the_way(self, commit: str) -> tuple[str, ...]:
        """What git would not merge a commit over, since the one that is checked out does not have it as it stands there.

        A folder with nothing else in it stands for its files.
        """
        head = self.head
        listed = (
            self.ask("diff", "--name-only", "-z", "--no-renames", head, commit)
            if head
            else self.ask("ls-tree", "-r", "--name-only", "-z", commit)
        )
        known = {path for path in listed.split("\0") if path and os.path.lexists(self.root / path)}
        found: dict[str, None] = {}
        for path in sorted(known):
            folders = [each.as_posix() for each in Path(path).parents][-2::-1]
            found[next((each for each in folders if self._only(each, known)), path)] = None
        return tuple(found)

    def _only(self, folder: str, known: AbstractSet[str]) -> bool:
        """Whether a folder has these files only."""
        return all(
            (Path(place) / name).relative_to(self.root).as_posix() in known
            for place, _, names in os.walk(self.root / folder)
            for name in names
        )

    def changed(self, under: str) -> tuple[str, ...]:
        """Files that git knows and that differ from the commit that is checked out, in the index or beside it."""
        words = ["status", "--porcelain", "-z", "--untracked-files=no", "--no-renames", "--", f":(literal){under}"]
        return tuple(line[3:] for line in self.ask(*words).split("\0") if line)

    def tracked(self, path: str) -> bool:
        """Whether the commit that is checked out has a file."""
        return bool(self.head and self.maybe("cat-file", "-e", f"HEAD:{path}") is not None)

    def theirs(self, remote: str, branch: str) -> str | None:
        """The commit of a branch as a remote has it, fetched; None where it has no such branch.

        Raises:
            GitFailed: the remote does not answer.
        """
        said = self.ask("ls-remote", "--heads", remote, f"refs/heads/{branch}").split()
        if not said:
            return None
        if self.maybe("cat-file", "-e", f"{said[0]}^{{commit}}") is None:
            # Under no name, so that nothing of the user's is moved; it is found by the id that the remote said.
            self.ask("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, f"refs/heads/{branch}")
        return said[0]

    def commit(self, branch: str, files: Mapping[str, bytes], message: str, *, theirs: str | None = None) -> Committed:
        """Commit files to a branch that is not checked out, on top of what is there; nothing else is touched.

        Hooks that look at a commit being made look at the index and the working tree. These are not what is committed, so
        such hooks are not called. A commit is signed where git is set to, and can without asking.

        Args:
            branch: made where it is not there, from the commit that is checked out.
            files: path from the root -> content.
            message: of the commit.
            theirs: a commit that it builds on, too: of the same branch elsewhere, so that it can be pushed there.

        Raises:
            OnThatBranch: it is checked out, so that the working tree would no longer fit.
            GitFailed: git refused.
        """
        if self.head is not None and (where := self._checked_out(branch)):
            here = "here" if where == self.root.resolve() else f"in {where}"
            raise OnThatBranch(
                f"the branch {branch} is checked out {here}",
                try_next="git switch main" if here == "here" else f"git -C {where} switch --detach",
                branch=branch,
            )
        self._break_stale_lock(branch)
        for attempt in range(1, _ATTEMPTS + 1):
            head, here = self.head, self.maybe("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
            known = [each for each in (head, here, theirs) if each]
            base = self._together(known, files)
            whole = base is not None and all(self.within(each, base) for each in known)
            tree = self._tree(base, files)
            commit, new, unsigned = base or "", False, ""
            # The branch has it, here or there; that the commit which is checked out has it is not enough for a branch.
            if not whole or base not in {here, theirs} or self.ask("rev-parse", f"{base}^{{tree}}") != tree:
                parents = [base] if whole and base in known else [here, head, theirs]
                commit, unsigned = self._commit_of(tree, list(filter(None, dict.fromkeys(parents))), message.encode())
                new = True
            try:
                if commit != here:
                    self.ask("update-ref", "-m", "pilotline land", f"refs/heads/{branch}", commit, here or "")
            except GitFailed:
                now = self.maybe("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
                if now == here or attempt == _ATTEMPTS:
                    raise
                continue
            return Committed(id=commit, new=new, unsigned=unsigned)
        raise AssertionError("the last attempt returns or raises")

    def within(self, earlier: str, later: str) -> bool:
        """Whether a commit is among those that another one builds on; no where one of the two is not here."""
        return self.maybe("merge-base", "--is-ancestor", earlier, later) is not None

    def _together(self, commits: Sequence[str], files: Mapping[str, bytes]) -> str | None:
        """A commit with what all of some have, but for some files; where two cannot be merged, with what the earlier has."""
        base: str | None = None
        for other in commits:
            if base is None or self.within(base, other):
                base = other
            elif not self.within(other, base):
                done = self._run(["merge-tree", "--write-tree", "--name-only", "-z", base, other], None, None, None)
                merged, *rest = done.stdout.decode(errors="surrogateescape").split("\0")
                conflicts = rest[: rest.index("")] if "" in rest else []
                if done.returncode == 0 or (done.returncode == 1 and set(conflicts) <= set(files)):
                    base = self.ask("commit-tree", merged, "-p", base, "-p", other, "-m", "together")
        return base

    def _tree(self, base: str | None, files: Mapping[str, bytes]) -> str:
        """A tree of a commit's files and these."""
        modes = self._set("core.fileMode") or self.maybe("config", "--get", "core.fileMode") is None
        with temporary_folder("git") as scratch:
            index = str(scratch / "index")
            if base:
                self.ask("read-tree", base, index=index)
            listed = self.ask("ls-files", "--stage", "-z", index=index).split("\0")
            before = {path: facts[:6] for facts, _, path in (line.partition("\t") for line in listed if line)}
            lines: list[str] = []
            for path, content in files.items():
                # With its path, so that line ends and large files become what git's attributes say.
                words = ("-c", "core.safecrlf=false", "hash-object", "-w", "--stdin", "--path", path)
                blob = self.ask(*words, stdin=content, index=index)
                if modes:
                    mode = "100755" if os.access(self.root / path, os.X_OK) else "100644"
                else:
                    mode = "100755" if before.get(path) == "100755" else "100644"
                lines.append(f"{mode} {blob}\t{path}\0")
            said = "".join(lines).encode(errors="surrogateescape")
            self.ask("update-index", "--add", "--replace", "-z", "--index-info", stdin=said, index=index)
            return self.ask("write-tree", index=index)

    def _commit_of(self, tree: str, parents: Sequence[str], message: bytes) -> tuple[str, str]:
        """A commit, and why it is not signed where it should be."""
        words = [word for parent in parents for word in ("-p", parent)]
        plain = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", tree, *words, "-F", "-"]
        if not self._set("commit.gpgSign"):
            return self.ask(*plain, stdin=message), ""
        # Away from the terminal, where a question for a passphrase would wait behind what is shown there.
        try:
            done = subprocess.run(
                ["git", *plain, "-S"], cwd=self.root, capture_output=True, check=False, input=message, start_new_session=True,
                env={**_surroundings(), "SSH_ASKPASS_REQUIRE": "never"}, timeout=_SIGNING_SECONDS,
            )  # fmt: skip
            if done.returncode == 0:
                return done.stdout.decode().strip(), ""
            said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            why = said[0] if said else "git does not say why"
        except subprocess.TimeoutExpired:
            why = f"git waited longer than {_SIGNING_SECONDS} s for a passphrase"
        return self.ask(*plain, stdin=message), why

    def _break_stale_lock(self, branch: str) -> None:
        """Remove the lock that a git which was killed left on a branch."""
        place = self.maybe("rev-parse", "--git-path", f"refs/heads/{branch}.lock")
        if place is None:
            return
        lock = self.root / place
        try:
            if time.time() - lock.stat().st_mtime > _STALE_SECONDS:
                lock.unlink()
        except FileNotFoundError:
            return


def _command(words: Sequence[str]) -> str:
    """The git command among words that settings may stand before."""
    at = 0
    while words[at] == "-c":
        at += 2
    return words[at]


def _surroundings() -> dict[str, str]:
    """The environment variables, without those that name another repository than the one of the folder."""
    return {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}
