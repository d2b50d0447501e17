"""Runs that are forked from a process which has imported their libraries."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilotline.lift.guestcall import Guest, environment_for
from pilotline.lift.warming import Warm, imports_of

PYTHON = Path(sys.executable)
FOUND = {
    "plain imports": ("import numpy as np\nfrom sklearn.linear_model import Ridge", ("numpy", "sklearn.linear_model")),
    "only libraries without effects": ("import numpy\nimport requests\nimport polars", ("numpy",)),
    "not what is meant to have an effect": (
        "import sklearn\nfrom sklearn.experimental import enable_iterative_imputer",
        ("sklearn",),
    ),
    "only at top level": ("def f():\n    import scipy\nimport pandas", ("pandas",)),
    "not relative ones": ("from .pandas import x\nfrom . import numpy", ()),
    "nothing before the environment is set": ("import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport numpy", ()),
    "nothing before paths are set": ("import sys\nsys.path.insert(0, 'lib')\nimport pandas", ()),
    "nothing before a backend is chosen": ("import matplotlib\nmatplotlib.use('TkAgg')\nimport numpy", ()),
    "a style is not a backend": ("import matplotlib.pyplot as plt\nplt.style.use('ggplot')", ("matplotlib.pyplot",)),
    "figures inline are what we draw anyway": (
        "get_ipython().run_line_magic('matplotlib', 'inline')\nimport numpy",
        ("numpy",),
    ),
    "nothing from what does not parse": ("import numpy\nfor", ()),
}


@pytest.mark.parametrize("name", FOUND)
def test_only_harmless_imports_are_made_before(name, tmp_path):
    source, expected = FOUND[name]
    assert imports_of([source], tmp_path) == expected


@pytest.mark.parametrize("name", ["numpy.py", "lib/numpy/__init__.py"])
def test_a_library_that_the_folder_shadows_is_left_to_the_notebook(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert imports_of(["import numpy"], tmp_path) == ()


@pytest.fixture
def warm(tmp_path):
    made = Warm(PYTHON, ("json", "numpy"), tmp_path / "warm", environment_for(PYTHON))
    yield made
    made.close()


def replay(source, tmp_path, name, **capture):
    (tmp_path / name / "w").mkdir(parents=True)
    return {
        "kind": "replay",
        "cells": [{"number": 1, "source": source}],
        "folder": str(tmp_path / name / "w"),
        "seed": 0,
        "timeout": 60,
        "values": str(tmp_path / name / "values"),
        **capture,
    }


def ask(source, tmp_path, name, warm):
    request = replay(source, tmp_path, name)
    where = {"cwd": tmp_path / name / "w", "own": tmp_path / name, "seconds": 60.0}
    answer = Guest(PYTHON, request, warm=warm, **where).wait()
    return answer, (tmp_path / name / "stdout").read_text()


def test_a_forked_run_sees_what_a_started_one_sees(tmp_path, warm):
    source = (
        "import os, random, sys, uuid\nimport numpy as np\n"
        "print(np.random.rand(), random.random(), np.random.default_rng().random(), hash('a'))\n"
        "print(__name__, os.path.basename(os.getcwd()), sys.argv, sys.path[0], sys.stdin.read(), os.getpgid(0) == os.getpid())\n"
        "print(sys.dont_write_bytecode, os.environ['PYTHONHASHSEED'], os.environ['PATH'])"
    )
    forked, said = ask(source, tmp_path, "forked", warm)
    started, said_there = ask(source, tmp_path, "started", None)
    assert said == said_there
    assert "error" in forked
    assert forked["error"] == started["error"] is None
    assert forked["python"] == started["python"]


def test_one_run_leaves_nothing_to_the_next(tmp_path, warm):
    ask("import numpy as np\nnp.left_behind = 1\nimport random\nrandom.seed(5)", tmp_path, "first", warm)
    answer, said = ask("import numpy as np\nprint(hasattr(np, 'left_behind'))", tmp_path, "second", warm)
    assert (answer["error"], said) == (None, "False\n")


def test_a_run_that_dies_is_told_from_one_that_ends(tmp_path, warm):
    request = replay("import os\nos._exit(7)", tmp_path, "dead")
    guest = Guest(PYTHON, request, cwd=tmp_path, own=tmp_path / "dead", seconds=60.0, warm=warm)
    with pytest.raises(Exception, match="ended with status 7") as caught:
        guest.wait()
    assert caught.value.code == "PL115"


def test_a_library_that_starts_a_thread_is_not_forked(tmp_path):
    library = tmp_path / "threaded.py"
    library.write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
    environment = {**environment_for(PYTHON), "PYTHONPATH": str(tmp_path)}
    made = Warm(PYTHON, ("threaded",), tmp_path / "warm", environment)
    try:
        assert made.start(tmp_path / "none", tmp_path) is None
        _, said = ask("print(1)", tmp_path, "plain", made)
        assert said == "1\n"
    finally:
        made.close()


_TOOL = """
import json, sys, time
from pathlib import Path
from pilotline.lift.guestcall import Guest, environment_for
from pilotline.lift.warming import Warm
python, request, folder = Path(sys.executable), json.loads(sys.argv[1]), Path(sys.argv[2])
warm = Warm(python, ("json",), folder / "warm", environment_for(python))
guest = Guest(python, request, cwd=folder, own=folder / "own", seconds=600.0, warm=warm)
print(warm._process.pid, guest._process.pid, flush=True)
time.sleep(600)
"""


def test_when_the_tool_is_killed_nothing_of_it_goes_on(tmp_path):
    request = replay("import time\ntime.sleep(600)", tmp_path, "own")
    command = [sys.executable, "-c", _TOOL, json.dumps(request), str(tmp_path)]
    tool = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pids = [int(one) for one in tool.stdout.readline().split()]
    assert all(_lives(one) for one in pids)
    os.kill(tool.pid, signal.SIGKILL)
    tool.wait()
    tool.stdout.close()
    until = time.monotonic() + 20
    while any(_lives(one) for one in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert [one for one in pids if _lives(one)] == []


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
