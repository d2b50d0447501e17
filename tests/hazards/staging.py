"""Lay a hazard out in a folder, and run it there as its user did."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from .cases import FILES, HERE, Hazard
from .make_hazards import read_cells

if TYPE_CHECKING:
    from pathlib import Path


def unpack(hazard: Hazard, folder: Path) -> Path:
    """Copy the notebook and its files into a new folder; the notebook's path there."""
    folder.mkdir(parents=True)
    for relative in hazard.files:
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / relative, folder / relative)
    shutil.copy(hazard.notebook, folder / hazard.path)
    return folder / hazard.path


def executed(hazard: Hazard) -> list[str]:
    """The sources of the cells, in the order in which they were executed."""
    source = hazard.session or hazard.notebook
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".ipynb":
        raw = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        return [one for one in ("".join(cell["source"]) for cell in raw) if one]
    return [cell.source for cell in read_cells(text) if cell.kind == "code" and cell.source]


class Sessions:
    """Notebook sessions, each in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "session.py")]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, cells: list[str], wanted: list[str], *, folder: Path, scratch: Path) -> dict[str, Any]:
        """Execute the cells in a folder; what each wanted name or ``cell:N`` then is."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        question, answer = scratch / "cells.json", scratch / "answer.pickle"
        question.write_text(json.dumps({"cells": cells, "wanted": wanted}))
        self._server.stdin.write(f"{folder}\t{question}\t{answer}\n")
        self._server.stdin.flush()
        ended = self._server.stdout.readline().strip()
        assert ended == "0", answer.read_text(encoding="utf-8") if answer.exists() else f"ended with {ended}"
        return pickle.loads(answer.read_bytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()
