"""A scratch copy of the notebook's folder: every run of a notebook happens in one of its own.

Files are cloned where the file system can (FICLONE), else copied. What lies above the notebook's folder comes along
where the notebook names it (``../data/orders.csv``), and nothing else of what is there.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.errors import LiftError
from pilotline.lift.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Generator

    from pilotline.domain.notebooks import Notebook

_LEFT_OUT = frozenset(
    {
        ".git",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".ipynb_checkpoints",
        ".pilotline",
        ".tox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    }
)
_MOST_BYTES = 8 << 30
_FICLONE = 0x40049409


class TooLarge(LiftError):
    """The notebook's folder is too large to be copied."""

    code = "PL132"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A copy of the part of the file system that a notebook works in."""

    #: Root of the copy.
    root: Path
    #: The notebook's folder in it.
    folder: Path
    #: Folders in it that the notebook may write to: its own, and those above it that it names.
    writable: tuple[Path, ...]
    #: Where the tool keeps what belongs to this run: requests, answers, values.
    own: Path
    #: The user's folder that was copied.
    original: Path

    def copy(self, name: str) -> Scratch:
        """Another scratch with what this one holds now; it goes with this one."""
        home = self.root.parent.parent / name
        _copy_tree(self.root, home / "w", _Budget(self.original))
        (home / "own").mkdir()
        return Scratch(
            root=home / "w",
            folder=home / "w" / self.folder.relative_to(self.root),
            writable=tuple(home / "w" / one.relative_to(self.root) for one in self.writable),
            own=home / "own",
            original=self.original,
        )

    def empty(self) -> None:
        """Give back the room of the copy; what the tool keeps of the run stays."""
        shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def scratch_for(notebook: Notebook) -> Generator[Scratch]:
    """A scratch copy for a notebook, removed afterwards.

    Raises:
        TooLarge: there is more than 8 GiB in the folder.
    """
    with temporary_folder("lift") as home:
        folder = notebook.path.resolve().parent
        beside = named_above(notebook)
        top = min([folder, *(one.parent for one in beside)], key=lambda path: len(path.parts))
        target = home / "first" / "w"
        here = target / folder.relative_to(top)
        budget = _Budget(folder)
        _copy_tree(folder, here, budget)
        writable = [here]
        for one in beside:
            to = target / one.relative_to(top)
            if one.is_dir():
                _copy_tree(one, to, budget)
                writable.append(to)
            else:
                budget.spend(one)
                to.parent.mkdir(parents=True, exist_ok=True)
                clone(one, to)
        own = home / "first" / "own"
        own.mkdir()
        yield Scratch(root=target, folder=here, writable=tuple(writable), own=own, original=top)


def named_above(notebook: Notebook) -> list[Path]:
    """Files and folders outside of the notebook's folder that it names by a path that goes up.

    ``../data/orders.csv`` names the folder ``../data``. Where a notebook puts such a path together, as in
    ``Path("..") / "data"``, what is there under any word in quotes is meant; where it adds ``..`` to the path of
    imports, the modules there are.
    """
    folder = notebook.path.resolve().parent
    text = "\n".join(cell.source for cell in notebook.code)
    found: dict[Path, None] = {}
    for path in re.findall(r"""["']((?:\.\./)+[^"'\n]*)["']""", text):
        rises = path.count("../")
        base = folder.joinpath(*[".."] * rises).resolve()
        first = path[3 * rises :].split("/")[0]
        if first and (base / first).exists():
            found[base / first] = None
        elif any(mark in first for mark in "*?["):
            found.update(dict.fromkeys(one for one in base.glob(first) if one.is_file()))
    if re.search(r"""["']\.\.(/\.\.)*/?["']|%cd\s+\.\.|\.parent\b|pardir""", text):
        words = set(re.findall(r"""["']([\w.][\w .-]*)["'/]""", text))
        for base in (folder.parent, folder.parent.parent):
            found.update(dict.fromkeys(base / word for word in words if word.strip(".") and (base / word).exists()))
        imports = set(re.findall(r"^\s*(?:from|import)\s+(\w+)", text, re.MULTILINE))
        for base in (folder.parent, folder.parent.parent):
            for name in imports:
                found.update(dict.fromkeys(one for one in (base / name, base / f"{name}.py") if one.exists()))
    places = {Path.home().resolve(), Path(folder.anchor), Path(tempfile.gettempdir()).resolve()}
    return [one for one in found if one not in places and not folder.is_relative_to(one) and not one.is_symlink()]


class _Budget:
    """Counts what is copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._total = 0

    def spend(self, path: Path) -> None:
        """Count a file.

        Raises:
            TooLarge: it is one too many.
        """
        self._total += path.stat().st_size
        if self._total > _MOST_BYTES:
            raise TooLarge(
                f"There are more than {_MOST_BYTES >> 30} GiB in {self._folder}; notebooks are run in a copy of their folder.",
                try_next="move the notebook into a folder with just the data that it needs",
            )


def _copy_tree(source: Path, target: Path, budget: _Budget) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for root, folders, files in os.walk(source):
        folders[:] = [one for one in folders if _is_copied(Path(root) / one, target)]
        here = target / Path(root).relative_to(source)
        for one in list(folders):
            path = Path(root) / one
            if path.is_symlink():
                folders.remove(one)
                (here / one).symlink_to(path.resolve())
            else:
                (here / one).mkdir(exist_ok=True)
        for one in files:
            path = Path(root) / one
            try:
                if not path.is_file():
                    continue
                budget.spend(path)
            except OSError:
                continue
            clone(path, here / one)


def _is_copied(folder: Path, target: Path) -> bool:
    """Neither something that no notebook reads, nor where copies go."""
    left_out = folder.name in _LEFT_OUT or (folder / "pyvenv.cfg").exists() or folder.name.startswith("pilotline-")
    return not left_out and not target.is_relative_to(folder)


def clone(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can; times are kept, so that nothing looks changed."""
    if not share_blocks(source, target):
        shutil.copyfile(source, target)
        _as_the_user_could(source, target)


def share_blocks(source: Path, target: Path) -> bool:
    """Make a file of the same blocks, which takes no room and no time. False, and no file, where that is not possible."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        with source.open("rb") as old, target.open("wb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        return False
    _as_the_user_could(source, target)
    return True


def _as_the_user_could(source: Path, target: Path) -> None:
    shutil.copystat(source, target)
    target.chmod(target.stat().st_mode | 0o200)
