"""The working folder of a run: a mirror of the project made of links.

A run finds what its code names, and nothing that it writes stays in the project.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["mirror"]

_LEFT_OUT: Final = frozenset({
    ".git", ".pilotline", "__pycache__", ".ipynb_checkpoints", "node_modules", ".venv", "venv", ".tox", ".mypy_cache",
    ".ruff_cache", ".pytest_cache",
})  # fmt: skip
#: Folders beyond these are linked whole: what is written into them is then written into the project.
_MOST_FILES: Final = 20_000


def mirror(project: Path, work: Path) -> None:
    """Make ``work`` look like ``project``: real folders, each file a link."""
    count = 0
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
            _link(os.path.join(root, name), here / name)  # noqa: PTH118


def _link(target: str, link: Path) -> None:
    try:
        link.symlink_to(os.path.realpath(target))
    except FileExistsError:
        return
