"""What landing asks of git: a commit on a branch of its own, whatever the user's index and working tree are at."""

from __future__ import annotations

import io
import os
import posixpath
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.errors import FactoryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["GitFailed", "NoRepository", "OnThatBranch", "Repository"]


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
class Repository:
    """A git repository with a working tree."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that a folder is in.

        Raises:
            NoRepository: there is none, or no git.
        """
        try:
            done = subprocess.run(
                ["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, encoding="utf-8", check=False
            )
        except OSError:
            raise NoRepository("there is no git here", try_next="install git") from None
        if done.returncode:
            raise NoRepository(f"{folder} is in no git repository", try_next=f"git init {folder}", folder=str(folder))
        return cls(root=Path(done.stdout.strip()))

    def ask(self, *words: str, stdin: bytes | None = None, index: str | None = None) -> str:
        """What a git command prints.

        Raises:
            GitFailed: it failed.
        """
        done = self._run(words, stdin, index)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            hint = "git config user.email YOU@EXAMPLE.ORG; git config user.name NAME" if "user.email" in said else ""
            raise GitFailed(
                f"git {words[0]} failed: {said}", try_next=hint or f"see why in {self.root}: git status", said=said
            )
        return done.stdout.decode(errors="surrogateescape").rstrip()

    def maybe(self, *words: str, stdin: bytes | None = None) -> str | None:
        """The same; None where it fails."""
        done = self._run(words, stdin, None)
        return None if done.returncode else done.stdout.decode(errors="surrogateescape").strip()

    def _run(self, words: Sequence[str], stdin: bytes | None, index: str | None) -> subprocess.CompletedProcess[bytes]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_INDEX")}
        if index is not None:
            env["GIT_INDEX_FILE"] = index
        return subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, check=False, input=stdin or b"", env=env
        )

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

    def tracked(self, path: str) -> bool:
        """Whether the commit that is checked out has a file."""
        return bool(self.head and self.maybe("cat-file", "-e", f"HEAD:{path}") is not None)

    def files(self, commit: str, under: str = "") -> dict[str, bytes]:
        """The files of a commit in a folder of it: path from there -> content.

        Raises:
            GitFailed: there is no such commit, or no such folder in it.
        """
        words = ("archive", "--format=tar", f"{commit}:{under}" if under else commit)
        done = self._run(words, None, None)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise GitFailed(f"git archive failed: {said}", try_next="git log", said=said)
        found: dict[str, bytes] = {}
        links: dict[str, str] = {}
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            for member in archive.getmembers():
                if member.issym():
                    links[member.name] = posixpath.normpath(
                        posixpath.join(posixpath.dirname(member.name), member.linkname)
                    )
                elif member.isfile() and (file := archive.extractfile(member)) is not None:
                    found[member.name] = file.read()
        # A link is what it points to, in this commit; one that leads out of it has nothing to give elsewhere.
        for _ in links:
            for name, target in links.items():
                within = {path for path in found if path.startswith(f"{target}/")}
                found |= {f"{name}{path.removeprefix(target)}": found[path] for path in within}
                if target in found:
                    found[name] = found[target]
        return found

    def commit(self, branch: str, files: Mapping[str, bytes], message: str) -> tuple[str, bool]:
        """Commit files to a branch that is not checked out, on top of what is there; nothing else is touched.

        Args:
            branch: made where it is not there, from the commit that is checked out.
            files: path from the root -> content.
            message: of the commit.

        Returns:
            The commit, and whether it is new: it is not where the branch has these very files already.

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
        head, tip = self.head, self.maybe("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
        ahead = tip is not None and (head is None or self.maybe("merge-base", "--is-ancestor", head, tip) is not None)
        base = tip if ahead else head
        parents = [tip] if ahead and tip else [each for each in (tip, head) if each]
        with tempfile.TemporaryDirectory(prefix="pilotline-git-") as scratch:
            index = str(Path(scratch) / "index")
            if base:
                self.ask("read-tree", base, index=index)
            for path, content in files.items():
                # With its path, so that line ends and large files become what git's attributes say.
                blob = self.ask("hash-object", "-w", "--stdin", "--path", path, stdin=content)
                mode = "100755" if os.access(self.root / path, os.X_OK) else "100644"
                self.ask("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", index=index)
            tree = self.ask("write-tree", index=index)
        if tip is not None and ahead and self.ask("rev-parse", f"{tip}^{{tree}}") == tree:
            return tip, False
        words = [word for parent in parents for word in ("-p", parent)]
        commit = self.ask("commit-tree", tree, *words, "-F", "-", stdin=message.encode())
        self.ask("update-ref", f"refs/heads/{branch}", commit, tip or "")
        return commit, True
