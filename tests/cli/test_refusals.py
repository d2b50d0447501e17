"""Whatever is wrong with a notebook is said by a code, with the place and the next command; nothing is written."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class Case:
    """A file, how it is lifted, and what is said of it."""

    name: str
    #: Sources of code cells, or the bytes of the file.
    content: list[str] | bytes
    code: str
    #: Parts of what is said.
    says: tuple[str, ...]
    status: int = 1
    args: tuple[str, ...] = ()
    #: Files beside it.
    files: dict[str, str] = field(default_factory=dict)


BARE = "try:\n    rate = {}\nexcept:\n    rate = 1.0"
HIDDEN_NETWORK = "import socket\n" + BARE.format("socket.create_connection(('192.0.2.1', 80))")
HIDDEN_DATABASE = "import sqlite3\n" + BARE.format("sqlite3.connect('/opt/none.db').total_changes")
THREAD = """import socket, threading
rate = 1.0
def ask():
    global rate; socket.create_connection(("192.0.2.1", 80)); rate = 2.0
threading.excepthook = lambda arguments: None
thread = threading.Thread(target=ask); thread.start(); thread.join()"""
FORKED = """import os, socket
child = os.fork()
if child == 0:
    try:
        socket.create_connection(("192.0.2.1", 80))
    finally:
        os._exit(0)
rate = 1.0 + os.waitpid(child, 0)[1]"""
MODULE = """import socket

def get():
    try:
        socket.create_connection(("192.0.2.1", 80))
    except:
        return 1.0
"""

CASES = [
    Case("broken JSON", b'{"cells": [', "PL101", ("is not a notebook", "Jupyter"), 2),
    Case("an empty file", b"", "PL101", ("is not a notebook",), 2),
    Case("not text at all", bytes(range(256)), "PL101", ("is not a notebook",), 2),
    Case("JSON of something else", b"[1, 2]", "PL101", ("no nbformat",), 2),
    Case("a cell that is not Python", ["x = 1", "y = 2\nfor in x"], "PL112", ("Cell 2", "line 2: for in x"), 2),
    Case("an exception", ["def f(y):\n    return y['a']", "f({})"], "PL110", ("KeyError: 'a'", "return y['a']")),
    Case("sys.exit", ["import sys\nsys.exit(0)"], "PL110", ("SystemExit",)),
    Case("a loop without end", ["while True: pass"], "PL111", ("took too long", "--timeout"), 1, ("--timeout", "2")),
    Case("a package that is missing", ["import no_such_package"], "PL113", ("no_such_package", "--python")),
    Case("a file that is missing", ["open('data/none.csv')"], "PL114", ("data/none.csv",)),
    Case("more memory than there is", ["x = bytearray(10**15)"], "PL115", ("out of memory",)),
    Case("the interpreter ends", ["import os\nos._exit(3)"], "PL115", ("ended with status 3 in cell 1",)),
    Case("the interpreter crashes", ["import ctypes\nctypes.string_at(0)"], "PL115", ("killed by signal 11",)),
    Case("a question", ["n = input('how many? ')"], "PL116", ("how many? ",)),
    Case("the network", ["import socket\nsocket.create_connection(('192.0.2.1', 80), 1)"], "PL120", ("--allow network",)),
    Case("a program", ["import subprocess\nsubprocess.run(['curl', 'x'])"], "PL121", ("curl", "--allow subprocess")),
    Case("a write elsewhere", ["open('/opt/none.txt', 'w')"], "PL122", ("/opt/none.txt", "--allow write")),
    Case("the network, hidden by a bare except", [HIDDEN_NETWORK], "PL120", ("line 3 of cell 1",), 1, ("--want", "rate")),
    Case("the network, in a thread that nobody asks", [THREAD], "PL120", ("line 4 of cell 1",), 1, ("--want", "rate")),
    Case("the network, in a process that nobody asks", [FORKED], "PL120", ("192.0.2.1:80",), 1, ("--want", "rate")),
    Case("a program, hidden by suppress", ["import subprocess, contextlib\nrate = 1.0\nwith contextlib.suppress(BaseException):\n    rate = float(subprocess.check_output(['curl', 'x']))"], "PL121", ("line 4 of cell 1",), 1, ("--want", "rate")),
    Case("a write elsewhere, hidden by a return", ["def keep(rate):\n    try:\n        open('/opt/none.txt', 'w')\n    finally:\n        return rate\nrate = keep(1.0)"], "PL122", ("line 3 of cell 1",), 1, ("--want", "rate")),
    Case("a database, hidden by a bare except", [HIDDEN_DATABASE], "PL123", ("/opt/none.db",), 1, ("--want", "rate")),
    Case("a question, hidden by a bare except", [BARE.format("float(input())")], "PL116", ("line 2 of cell 1",), 1, ("--want", "rate")),
    Case("the network, in a module beside it", ["import rates\nrate = rates.get()"], "PL120", ("192.0.2.1:80",), 1, ("--want", "rate"), {"rates.py": MODULE}),
    Case("a name that is not there", ["total = 1"], "PL141", ("Did you mean total?", "--list"), 2, ("--want", "totl")),
    Case("a cell that is not there", ["total = 1\ntotal"], "PL141", ("has 1 code cells",), 2, ("--want", "cell:9")),
    Case("nothing in it", ["# nothing"], "PL144", ("--want NAME",)),
    Case("no such interpreter", ["x = 1"], "PL130", ("/none is no Python",), 2, ("--python", "/none")),
    Case("what no two runs give", ["import time\nnow = time.time()"], "PL152", ("clock",), 1, ("--want", "now")),
    Case("what cannot be compared", ["import threading\nlock = threading.Lock()"], "PL153", ("lock",), 1, ("--want", "lock")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_notebook_that_cannot_be_lifted_is_refused_by_code(pilotline, tmp_path, case):
    path = tmp_path / "explore.ipynb"
    if isinstance(case.content, bytes):
        path.write_bytes(case.content)
    else:
        cells = [{"cell_type": "code", "metadata": {}, "source": one, "outputs": []} for one in case.content]
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    for name, text in case.files.items():
        (tmp_path / name).write_text(text)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    said = pilotline("lift", "explore.ipynb", *case.args)
    text = said.stdout + said.stderr
    assert said.returncode == case.status, text
    assert case.code in text
    assert f"explain {case.code}" in text or "next: " in text
    assert [part for part in case.says if part not in text] == [], text
    assert "Traceback" not in text
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_cell_that_may_fail_is_no_way_around_what_is_not_allowed(pilotline, tmp_path):
    tagged = {"cell_type": "code", "metadata": {"tags": ["raises-exception"]}, "source": HIDDEN_NETWORK, "outputs": []}
    cells = [tagged, {"cell_type": "code", "metadata": {}, "source": "total = 2 * rate", "outputs": []}]
    (tmp_path / "explore.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    )
    said = pilotline("lift", "explore.ipynb", "--want", "total")
    assert (said.returncode, "PL120" in said.stdout) == (1, True), said.stdout + said.stderr


def test_what_is_allowed_is_what_the_pipeline_gives_and_changed_inputs_are_said_to_be_unproven(pilotline, tmp_path):
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Rates(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"1.25")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Rates)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (tmp_path / "units.csv").write_text("units\n40\n60\n")
        call = f"float(urllib.request.urlopen('http://127.0.0.1:{server.server_port}/').read())"
        cells = [
            "import urllib.request\nimport pandas as pd",
            BARE.format(call),
            "total = pd.read_csv('units.csv')['units'].sum() * rate",
        ]
        cells = [{"cell_type": "code", "metadata": {}, "source": one, "outputs": []} for one in cells]
        (tmp_path / "explore.ipynb").write_text(
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
        )
        said = pilotline("lift", "explore.ipynb", "--want", "total", "--allow", "network", "--json")
        told = json.loads(said.stdout)
        assert told["status"] == "proven", said.stdout
        assert "changed inputs" in json.dumps(told), said.stdout
        code = "import explore; print(explore.pipeline()['total'])"
        ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.stdout.strip() == "125.0", ran.stderr
    finally:
        server.shutdown()
        server.server_close()


def test_a_folder_and_a_missing_file_name_the_notebooks_that_are_there(pilotline, tmp_path):
    (tmp_path / "explore.ipynb").write_text("{}")
    for word in (".", "exlpore.ipynb"):
        said = pilotline("lift", word)
        assert (said.returncode, "PL101" in said.stderr, "explore.ipynb" in said.stderr) == (2, True, True)


def test_a_notebook_with_200_megabytes_of_outputs_and_one_with_1000_cells_are_read(pilotline, tmp_path):
    shown = [{"output_type": "stream", "name": "stdout", "text": "x" * 1000 + "\n"}] * 200_000
    large = [{"cell_type": "code", "metadata": {}, "source": "total = 1", "outputs": shown, "execution_count": 1}]
    many = [
        {"cell_type": "code", "metadata": {}, "source": f"value_{number} = {number}", "outputs": []}
        for number in range(1000)
    ]
    for name, cells in (("large", large), ("many", many)):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        want = "total" if name == "large" else "value_999"
        said = pilotline("lift", path.name, "--want", want, "--proof", "once", "--json")
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout)["status"] == "proven"
