from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def oldest_python() -> str:
    """The oldest Python that guests promise to run on."""
    places = [shutil.which("python3.9"), *sorted((Path.home() / ".pyenv/versions").glob("3.9.*/bin/python"))]
    for place in places:
        if place and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(place)
    pytest.skip("there is no Python 3.9 here")
