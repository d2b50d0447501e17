from __future__ import annotations

import importlib.util
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


@pytest.fixture(scope="session")
def see():
    """Run cells as a guest does and give what it saw: ``see(*cells, **request)``."""
    spec = importlib.util.spec_from_file_location("guest_recording", Path(__file__).parent / "recording.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.see
