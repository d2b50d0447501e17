"""A scratch copy of the notebook's folder: every run of a notebook happens in one of its own.

Files are cloned where the file system can (FICLONE), else copied. A folder above the notebook's own comes along
where the notebook names a path there (``../data/orders.csv``).
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
    #: Where the tool keeps what belongs to this run: requests, answers, values.
    own: Path
    #: The user's folder that was copied.
    original: Path

    def copy(self, name: str) -> Scratch:
        """Another scratch with what this one holds now; it goes with this one."""
        home = self.root.parent.parent / name
        _copy_tree(self.root, home / "w")
        (home / "own").mkdir()
        return Scratch(
            root=home / "w",
            folder=home / "w" / self.folder.relative_to(self.root),
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
    home = Path(tempfile.mkdtemp(prefix="pilotline-"))
    try:
        top = top_folder(notebook)
        target = home / "first" / "w"
        _copy_tree(top, target)
        own = home / "first" / "own"
        own.mkdir()
        folder = target / notebook.path.resolve().parent.relative_to(top)
        yield Scratch(root=target, folder=folder, own=own, original=top)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def top_folder(notebook: Notebook) -> Path:
    """The highest folder that the notebook names a path in: its own, or one above it."""
    folder = notebook.path.resolve().parent
    up = 0
    for cell in notebook.code:
        for path in re.findall(r"""["']((?:\.\./)+[^"'\n]*)["']""", cell.source):
            rises = path.count("../")
            if (folder / path).exists() or (folder / path).parent.exists():
                up = max(up, rises)
        if re.search(r"""["']\.\.["']|["']\.\./?["']|%cd\s+\.\.""", cell.source):
            up = max(up, 1)
    home = Path.home().resolve()
    top = folder
    for _ in range(up):
        if top.parent in {home, Path(top.anchor)}:
            break
        top = top.parent
    return top


def _copy_tree(source: Path, target: Path) -> None:
    total = 0
    target.mkdir(parents=True)
    for root, folders, files in os.walk(source):
        folders[:] = [one for one in folders if one not in _LEFT_OUT and not (Path(root) / one / "pyvenv.cfg").exists()]
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
                total += path.stat().st_size
            except OSError:
                continue
            if total > _MOST_BYTES:
                raise TooLarge(
                    f"There are more than {_MOST_BYTES >> 30} GiB in {source}; notebooks are run in a copy of their folder.",
                    try_next="move the notebook into a folder with just the data that it needs",
                )
            clone(path, here / one)


def clone(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can; times are kept, so that nothing looks changed."""
    done = False
    if sys.platform.startswith("linux"):
        import fcntl

        try:
            with source.open("rb") as old, target.open("wb") as new:
                fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            done = True
        except OSError:
            done = False
    if not done:
        shutil.copyfile(source, target)
    shutil.copystat(source, target)
    target.chmod(target.stat().st_mode | 0o200)
