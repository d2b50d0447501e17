"""Named points at which a test can kill the process, to show that what is on disk is then the old state or the new."""

from __future__ import annotations

import os
import signal
from typing import Literal, TypeAlias

__all__ = ["POINTS", "CrashPoint", "reached"]

CrashPoint: TypeAlias = Literal[
    "data-written",
    "manifests-written",
    "metadata-written",
    "write-inside-transaction",
    "write-committed",
    "publish-commit-added",
    "publish-pointer-moved",
    "publish-before-commit",
    "publish-committed",
    "rebase-files-written",
    "rebase-before-commit",
    "undo-before-commit",
    "sweep-given-up",
    "sweep-removed",
]

POINTS: tuple[CrashPoint, ...] = CrashPoint.__args__  # pyright: ignore[reportAttributeAccessIssue] - a Literal's own words


def reached(point: CrashPoint) -> None:
    """End the process as ``kill -9`` would, where ``PILOTLINE_CRASH_AT`` names this point."""
    if point == os.environ.get("PILOTLINE_CRASH_AT"):
        os.kill(os.getpid(), signal.SIGKILL)
