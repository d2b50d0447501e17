from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_QUIET = {"NO_COLOR", "FORCE_COLOR", "PILOTLINE_DEBUG", "COLUMNS"}


@pytest.fixture
def pilotline(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command in an empty folder."""

    def call(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if key not in _QUIET}
        return subprocess.run(
            [sys.executable, "-m", "pilotline", *words],
            cwd=tmp_path,
            env=clean | environ,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    return call
