"""What a commit holds, to the last file: with what its links point to and what its submodules pin.

Files come as git would check them out, with line ends as they are in the commit. So a commit gives the same files on every
machine, whatever is set there. What is named in a commit and not to be had from it is refused: a release that silently
lacked it would do something else than what was proven.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import FactoryError
from pilotline.factory.git import GitFailed, Repository
from pilotline.lift.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["File", "LeadsOut", "NotInCommit", "committed_files", "submodule_files"]

_LINK: Final = "120000"
_SUBMODULE: Final = "160000"
_EXECUTABLE: Final = "100755"
#: The first line of what git keeps in place of a file that Git LFS holds.
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
#: As many links lead to one file at most, as in Linux.
_MOST_LINKS: Final = 40


class NotInCommit(FactoryError):
    """A commit names a file whose content is not to be had here: of a submodule, or of Git LFS."""

    code = "PL565"


class LeadsOut(FactoryError):
    """A symbolic link of a commit leads to what the commit does not have."""

    code = "PL566"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file as it is checked out."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: str
    name: str
    repository: Path
    commit: str
    #: From the root of that repository.
    path: str


def committed_files(repository: Repository, commit: str, under: str = "") -> dict[str, File]:
    """The files of a commit in a folder of it: path from there -> file.

    Raises:
        GitFailed: there is no such commit, or no such folder in it.
        NotInCommit: it names files that are not here.
        LeadsOut: a link leads out of it.
    """
    entries = _entries(repository.root, commit)
    inside = f"{under}/" if under else ""
    if under and not any(path.startswith(inside) for path in entries):
        raise GitFailed(f"commit {commit[:8]} has no folder {under}", try_next="git log -- " + under, said="")
    entries = _with_submodules(entries, inside)
    wanted = [path for path in entries if path.startswith(inside)]
    links: dict[str, str] = {}
    if any(entries[path].mode == _LINK for path in wanted):
        leading = {path: entry for path, entry in entries.items() if entry.mode == _LINK}
        said = _contents(leading.values())
        links = {path: said[entry].decode(errors="surrogateescape") for path, entry in leading.items()}
    found: dict[str, _Entry] = {}
    for path in wanted:
        found |= _behind(path, entries, links) if path in links else {path: entries[path]}
    contents = _contents(found.values())
    files = {
        path.removeprefix(inside): File(content=contents[entry], executable=entry.mode == _EXECUTABLE)
        for path, entry in found.items()
    }
    if pointers := [path for path, file in files.items() if file.content.startswith(_POINTER)]:
        raise NotInCommit(
            f"git keeps what is in {', '.join(pointers[:5])} elsewhere, with Git LFS, and it is not on this machine",
            try_next="git lfs install && git lfs pull",
            files=pointers,
        )
    return files


def submodule_files(repository: Repository, commit: str | None, paths: Iterable[str]) -> dict[str, bytes | None]:
    """Of some paths, those that a submodule of a commit holds: path -> content there, None where it has no such file.

    Raises:
        NotInCommit: a submodule is not here.
    """
    wanted = list(paths)
    entries = _entries(repository.root, commit) if commit else {}
    modules = [path for path, entry in entries.items() if entry.mode == _SUBMODULE]
    within = [path for path in wanted if any(path.startswith(f"{module}/") for module in modules)]
    if not within:
        return {}
    whole = _with_submodules(entries, "")
    there = {path: whole[path] for path in within if path in whole}
    contents = _contents(there.values())
    return {path: contents[there[path]] if path in there else None for path in within}


def _entries(root: Path, commit: str, at: str = "") -> dict[str, _Entry]:
    listed = Repository(root=root).ask("ls-tree", "-r", "-z", "--full-tree", commit)
    found: dict[str, _Entry] = {}
    for line in listed.split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            mode, _, name = facts.split(" ")
            found[f"{at}{path}"] = _Entry(mode=mode, name=name, repository=root, commit=commit, path=path)
    return found


def _with_submodules(entries: Mapping[str, _Entry], inside: str) -> dict[str, _Entry]:
    """The same, with the files of submodules in their places."""
    found = dict(entries)
    waiting = [path for path, entry in found.items() if entry.mode == _SUBMODULE and f"{path}/".startswith(inside)]
    while waiting:
        path = waiting.pop()
        entry = found.pop(path)
        root = entry.repository / entry.path
        if (
            not (root / ".git").exists()
            or Repository(root=root).maybe("cat-file", "-e", f"{entry.name}^{{commit}}") is None
        ):
            raise NotInCommit(
                f"{path} is a submodule at {entry.name[:8]}, and that is not on this machine",
                try_next="git submodule update --init --recursive",
                files=[path],
            )
        more = _entries(root, entry.name, f"{path}/")
        found |= more
        waiting += [each for each, one in more.items() if one.mode == _SUBMODULE]
    return found


# -- links -------------------------------------------------------------------------------------------------------------


def _behind(link: str, entries: Mapping[str, _Entry], links: Mapping[str, str]) -> dict[str, _Entry]:
    """What is found where a link is: the file, or all files of the folder, that it leads to.

    Raises:
        LeadsOut: it leads to none of the commit.
    """
    found: dict[str, _Entry] = {}
    #: Where something is to be found, what leads there, and through which folders one came.
    waiting: list[tuple[str, str, frozenset[str]]] = [(link, link, frozenset())]
    while waiting:
        place, path, through = waiting.pop()
        end = _end_of(path, entries, links)
        if end in entries:
            if entries[end].mode == _SUBMODULE:
                raise _leads(link, f"to the submodule {end}, which is not of this project")
            found[place] = entries[end]
            continue
        folder = f"{end}/" if end else ""
        if end in through or f"{path}/".startswith(folder):
            raise _leads(link, "in a circle")
        for each, entry in entries.items():
            if each.startswith(folder):
                below = f"{place}/{each.removeprefix(folder)}"
                if each in links:
                    waiting.append((below, each, through | {end}))
                else:
                    found[below] = entry
    return found


def _end_of(link: str, entries: Mapping[str, _Entry], links: Mapping[str, str]) -> str:
    """The file or folder that a link leads to at last.

    Raises:
        LeadsOut: to none of the commit.
    """
    done: list[str] = []
    todo = link.split("/")
    followed = 0
    while todo:
        part = todo.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            if not done:
                raise _leads(link, "out of the repository")
            done.pop()
            continue
        target = links.get("/".join([*done, part]))
        if target is None:
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_LINKS:
            raise _leads(link, "in a circle")
        if posixpath.isabs(target):
            raise _leads(link, f"to {target}, out of the repository")
        todo = [*target.split("/"), *todo]
    end = "/".join(done)
    if end and end not in entries and not any(path.startswith(f"{end}/") for path in entries):
        raise _leads(link, f"to {end}, which is not in the commit")
    return end


def _leads(link: str, where: str) -> LeadsOut:
    return LeadsOut(
        f"{link} is a symbolic link that leads {where}: on another machine nothing would be there",
        try_next=f"git rm --cached {link}, or commit the file itself in its place",
        path=link,
    )


# -- contents ----------------------------------------------------------------------------------------------------------


def _contents(entries: Iterable[_Entry]) -> dict[_Entry, bytes]:
    """What files are as git checks them out, and where links lead.

    With nothing but the commit's own attributes: neither what is checked out counts nor how line ends are on this machine.
    """
    by_tree: dict[tuple[Path, str], list[_Entry]] = {}
    for entry in dict.fromkeys(entries):
        by_tree.setdefault((entry.repository, entry.commit), []).append(entry)
    found: dict[_Entry, bytes] = {}
    for (root, commit), wanted in by_tree.items():
        repository = Repository(root=root)
        with temporary_folder("git") as scratch:
            index, place, nowhere = str(scratch / "index"), scratch / "files", scratch / "nowhere"
            nowhere.mkdir()
            repository.ask("read-tree", commit, index=index)
            repository.ask(
                "-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.symlinks=false",
                "checkout-index", "--quiet", "-z", "--stdin", f"--prefix={place}/",
                stdin="".join(f"{one.path}\0" for one in wanted).encode(errors="surrogateescape"), index=index, tree=str(nowhere),
            )  # fmt: skip
            found |= {one: (place / one.path).read_bytes() for one in wanted}
    return found
