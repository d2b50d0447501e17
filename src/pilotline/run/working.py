"""The working folder of a run: a mirror of the project.

A run finds what its code names, and nothing that it writes stays in the project. Files are cloned where the file system
can, small ones copied; large ones are links, each replaced by a file of the run's own before Python writes to it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["beside", "mirror"]

_LEFT_OUT: Final = frozenset({
    ".git", ".pilotline", "__pycache__", ".ipynb_checkpoints", "node_modules", ".venv", "venv", ".tox", ".mypy_cache",
    ".ruff_cache", ".pytest_cache",
})  # fmt: skip
#: Folders beyond these are linked whole: what is written into them is then written into the project.
_MOST_FILES: Final = 20_000
#: Bytes of a file that is copied where it cannot be cloned, and of all of them together.
_COPIED: Final = 16 << 20
_COPIED_IN_ALL: Final = 256 << 20


def mirror(project: Path, work: Path) -> None:
    """Make ``work`` look like ``project``."""
    from pilotline.lift.scratch import clone, share_blocks

    count, room = 0, _COPIED_IN_ALL
    work.mkdir(parents=True, exist_ok=True)
    for root, folders, files in os.walk(project):
        here = work / os.path.relpath(root, project)
        kept: list[str] = []
        for name in folders:
            path = os.path.join(root, name)  # noqa: PTH118 - thousands of them
            if name in _LEFT_OUT or os.path.exists(os.path.join(path, "pyvenv.cfg")):  # noqa: PTH110, PTH118
                continue
            if os.path.islink(path) or count > _MOST_FILES:  # noqa: PTH114
                _link(path, here / name)
                continue
            (here / name).mkdir(exist_ok=True)
            kept.append(name)
        folders[:] = kept
        for name in files:
            count += 1
            path = os.path.join(root, name)  # noqa: PTH118
            size = _size(path)
            if size is not None and size <= min(_COPIED, room):
                room -= size
                clone(Path(path), here / name)
            elif size is None or not share_blocks(Path(path), here / name):
                _link(path, here / name)


def beside(project: Path, inputs: Iterable[Path], top: Path) -> Path:
    """Where the mirror of a project belongs below ``top``, so that paths which lead out of it lead to what they name.

    What is named there stands there as a link.

    Args:
        project: the project's folder.
        inputs: what the run reads, of the project or not.
        top: a folder of the run.
    """
    project = Path(os.path.normpath(project))
    named = {Path(os.path.normpath(each)) for each in inputs}
    # A link to a folder around the project would lead from its mirror back into it. Folders before what is in them.
    outside = [each for each in named if not each.is_relative_to(project) and not project.is_relative_to(each)]
    outside.sort(key=lambda each: len(each.parts))
    root = Path(os.path.commonpath([project, *(each.parent for each in outside)]))
    work = top / project.relative_to(root)
    for each in outside:
        link = top / each.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        _link(str(each), link)
    return work


def _size(path: str) -> int | None:
    """Bytes of a file that can be read; None for anything else."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) and os.access(path, os.R_OK) else None


def _link(target: str, link: Path) -> None:
    try:
        link.symlink_to(os.path.realpath(target))
    except FileExistsError:
        return
