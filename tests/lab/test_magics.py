"""What IPython adds to Python, one notebook each: it works in the pipeline, or is refused by a code that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilotline.lab.lifting import Options, lift_notebook


@dataclass(frozen=True)
class Case:
    """Cells, the value that is wanted of them, or the code by which they are refused."""

    name: str
    cells: tuple[str, ...]
    #: What ``pipeline()`` gives for ``n``.
    value: object = None
    #: Refused by this code.
    code: str = ""
    #: A part of the message.
    says: str = ""
    files: dict[str, str] = field(default_factory=dict)
    #: Not in the module.
    without: str = ""


HELPER = json.dumps(
    {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{"cell_type": "code", "metadata": {}, "source": "rate = 3", "outputs": [], "execution_count": 1}],
    }
)
WORKS = [
    Case("%time is left out", ("%time n = 2 + 3",), 5, without="time"),
    Case("%%time is left out", ("%%time\nn = 2 + 3",), 5, without="time"),
    Case("%timeit does not bind", ("n = 5\n%timeit m = n * 2\nn += 1",), 6),
    Case("%%timeit is dropped", ("n = 5", "%%timeit\nn * 2"), 5),
    Case("%%capture keeps what the cell computes", ("%%capture out\nn = 5\nprint(n)",), 5, without="capture"),
    Case("%matplotlib is dropped", ("%matplotlib inline\nn = 5",), 5, without="matplotlib"),
    Case("%load_ext and %autoreload are dropped", ("%load_ext autoreload\n%autoreload 2\nn = 5",), 5),
    Case("a trailing ? is dropped", ("n = len([1, 2])\nlen?\n?n\nn??",), 2),
    Case("%%html is dropped", ("n = 5", "%%html\n<b>bold</b>"), 5),
    Case("!ls and !pwd only look", ("n = 5\n!ls -l\n!pwd",), 5, without="ls"),
    Case("x = %pwd", ("import os\nhere = %pwd\nn = int(os.path.isdir(here))",), 1),
    Case("%cd goes along", ("%cd data\nn = int(open('a.txt').read())",), 7, files={"data/a.txt": "7"}),
    Case("%env sets a variable", ("import os\n%env RATE=3\nn = int(os.environ['RATE'])",), 3),
    Case("%env with a blank", ("import os\n%env RATE 3\nn = int(os.environ['RATE'])",), 3),
    Case("%set_env", ("import os\n%set_env RATE=4\nn = int(os.environ['RATE'])",), 4),
    Case("display shows and does no more", ("from IPython.display import display\nn = 5\ndisplay(n)",), 5),
    Case("top-level await", ("import asyncio\nasync def f():\n    return 5\nn = await f()",), 5),
    Case("%%writefile of data that is read", ("%%writefile a.txt\n12\n", "n = int(open('a.txt').read())"), 12),
    Case("%run of a script", ("%run setup.py\nn = rate * 2",), 6, files={"setup.py": "rate = 3\n"}),
    Case("%load that was executed is a comment", ("# %load setup.py\nrate = 3\nn = rate * 2",), 6),
    Case("%store of one's own variable", ("n = 5\n%store n\n%store -r n\nn += 1",), 6),
    Case(
        "%config and %precision are dropped",
        ("%config InlineBackend.figure_format = 'retina'\n%precision 3\nn = 5",),
        5,
    ),
    Case("%%bash that only looks", ("n = 5", "%%bash\nls\necho hello"), 5),
    Case("%who and %whos are dropped", ("n = 5\n%who\n%whos",), 5),
    Case("%reset -f forgets", ("m = 1", "%reset -f", "n = 5"), 5),
    Case("%%prun and %prun run once", ("n = 0", "%prun n = 5", "n += 1"), 6),
]
REFUSED = [
    Case("x = !cmd until it is allowed", ("lines = !cat a.txt", "n = len(lines)"), code="PL121", says="cat a.txt"),
    Case("%run of a notebook", ("%run other.ipynb\nn = rate * 2",), code="PL142", files={"other.ipynb": HELPER}),
    Case(
        "%%writefile of a module that is imported",
        ("%%writefile rates.py\nRATE = 3\n", "import rates\nn = rates.RATE * 2"),
        code="PL142",
    ),
    Case("%store -r of another notebook", ("%store -r rate", "n = rate"), code="PL117", says="another notebook"),
    Case("%run of a file that is not there", ("%run nowhere.py", "n = 1"), code="PL114", says="nowhere.py"),
    Case(
        "%%bash that does work before a file is read",
        ("%%bash\nmake all", "n = len(open('a.txt').read())"),
        code="PL121",
        says="make",
        files={"a.txt": "a"},
    ),
    Case("!wget of what is read", ("!wget https://example.org/a.csv", "n = open('a.csv').read()"), code="PL121"),
    Case("%%ruby", ("%%ruby\nputs 1", "n = 1"), code="PL121", says="ruby"),
    Case("a magic that nobody knows", ("%frobnicate 3", "n = 1"), code="PL110", says="frobnicate"),
]
INSTALLS = [
    ("!pip install -q humanize==4.9", "humanize==4.9"),
    ("%pip install humanize", "humanize"),
    ("%conda install -y -c conda-forge humanize", "humanize"),
    ("!python -m pip install 'humanize>=4'", "humanize>=4"),
    ("import sys\n!{sys.executable} -m pip install humanize", "humanize"),
    ("!uv pip install humanize", "humanize"),
    ("import pip\npip.main(['install', 'humanize'])", "humanize"),
    ("from pip._internal import main\nmain(['install', 'humanize'])", "humanize"),
    (
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'humanize'])",
        "humanize",
    ),
    ("import os\nos.system('pip install humanize')", "humanize"),
    ("get_ipython().system('pip install humanize')", "humanize"),
    ("%%bash\npip install humanize", "humanize"),
]


def notebook(folder: Path, *cells: str) -> Path:
    raw = [
        {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None} for cell in cells
    ]
    path = folder / "explore.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return path


def lifted(path: Path):
    return lift_notebook(path, Options(wants=("n",), python=sys.executable, proof="once"), lambda _: None)


def returned(module: str) -> object:
    """What the pipeline gives in a fresh process, in a folder of its own files."""
    code = "import json, sys; sys.path.insert(0, '.'); import explore as m; print(json.dumps(m.pipeline()['n']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(module).parent, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def prepared(folder: Path, case: Case) -> Path:
    for name, text in case.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return notebook(folder, *case.cells)


@pytest.mark.parametrize("case", WORKS, ids=lambda case: case.name)
def test_it_works_in_the_pipeline(tmp_path: Path, case: Case) -> None:
    receipt = lifted(prepared(tmp_path, case))
    assert receipt.status == "proven", receipt.as_text()
    source = Path(receipt.module).read_text()
    assert "get_ipython" not in source
    assert not case.without or case.without not in source.partition('"""\n')[2].partition("def pipeline")[0]
    assert returned(receipt.module) == case.value


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_it_is_refused_by_a_code_that_says_what_to_do(tmp_path: Path, case: Case) -> None:
    receipt = lifted(prepared(tmp_path, case))
    assert (receipt.status, [one.code for one in receipt.diagnostics]) == ("refused", [case.code])
    assert case.says in receipt.diagnostics[0].message
    assert receipt.try_next


@pytest.mark.parametrize(("cell", "package"), INSTALLS, ids=[cell for cell, _ in INSTALLS])
def test_an_installation_is_never_run_and_becomes_a_dependency(tmp_path: Path, cell: str, package: str) -> None:
    for name in ("pip", "pip/_internal"):
        # An environment may have no pip; one that really ran would leave its mark.
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("def main(args):\n    raise SystemExit('installed')\n")
    receipt = lifted(notebook(tmp_path, cell, "n = 5"))
    assert receipt.status == "proven", receipt.as_text()
    assert [one.code for one in receipt.diagnostics] == ["PL160"]
    assert package in receipt.diagnostics[0].message
    source = Path(receipt.module).read_text()
    assert f'#     "{package}",' in source
    assert "install" not in source
