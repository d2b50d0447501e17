"""Run the cells of notebooks as their users did, each in a process of its own, and say what the wanted values are.

    python session.py        then on standard input, a line each: FOLDER CELLS.json ANSWER.pickle (tab-separated)

CELLS.json holds {"cells": [source, ...], "wanted": [...]}. Answers `0`, or `1` with the traceback in the answer
file. This is the tests' own way of running a notebook, independent of the tool's recorder: IPython's shell, one cell
after the other, in a child forked from a process that did nothing but import what is slow to import.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import sys
import traceback
from importlib import import_module
from pathlib import Path

_SLOW_TO_IMPORT = (
    "IPython.terminal.interactiveshell",
    "matplotlib.pyplot",
    "pandas",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.pipeline",
)


def serve() -> None:
    """Answer questions until there are no more."""
    os.environ["MPLBACKEND"] = "agg"
    for module in _SLOW_TO_IMPORT:
        import_module(module)
    for line in sys.stdin:
        folder, question, answer = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            os._exit(_answer(folder, question, answer))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _answer(folder: str, question: str, answer: str) -> int:
    output = io.StringIO()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # the shell lines of a notebook write there
        os.dup2(nothing, stream)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            os.chdir(folder)
            asked = json.loads(Path(question).read_text(encoding="utf-8"))
            found = pickle.dumps(_run(asked["cells"], asked["wanted"]))
    except BaseException:
        Path(answer).write_text(output.getvalue()[-2000:] + traceback.format_exc(), encoding="utf-8")
        return 1
    Path(answer).write_bytes(found)
    return 0


def _run(cells: list[str], wanted: list[str]) -> dict[str, object]:
    from IPython.terminal.interactiveshell import TerminalInteractiveShell

    sys.argv = ["notebook"]
    sys.path.insert(0, "")
    shell = TerminalInteractiveShell.instance()
    shell.history_manager.enabled = False
    shown: dict[str, object] = {}
    for number, source in enumerate(cells, start=1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            outcome = shell.run_cell(source, store_history=True)
        outcome.raise_error()
        shown[f"cell:{number}"] = printed.getvalue().strip() if outcome.result is None else outcome.result
    return {want: shown[want] if want.startswith("cell:") else shell.user_ns[want] for want in wanted}


if __name__ == "__main__":
    serve()
