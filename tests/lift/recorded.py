"""Record a few cells as a notebook, in a process of their own, and slice them."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.recordings import Recording
from pilotline.lift.guestcall import Guest
from pilotline.lift.parts import Parts, parts_of
from pilotline.lift.reading import read

if TYPE_CHECKING:
    from pilotline.domain.notebooks import Notebook


def notebook_of(cells: list[str], folder: Path, name: str = "explore.ipynb") -> Notebook:
    """An .ipynb file with these code cells; one that begins with ``md:`` is Markdown."""
    raw = [
        {"cell_type": "markdown", "metadata": {}, "source": cell[3:]}
        if cell.startswith("md:")
        else {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for cell in cells
    ]
    path = folder / name
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return read(path)


def record(notebook: Notebook, **request: object) -> dict:
    """What the recorder saw of a notebook, run where its file lies."""
    with tempfile.TemporaryDirectory() as own:
        asked = {
            "kind": "record",
            "cells": [{"number": one.number, "source": one.python, "quiet": one.quiet} for one in notebook.code],
            "folder": str(notebook.path.parent),
            "seed": 0,
            "allow": [],
            "capture": [],
            "values": str(Path(own) / "values"),
            "timeout": 120,
            **request,
        }
        guest = Guest(Path(sys.executable), asked, cwd=notebook.path.parent, own=Path(own), seconds=120)
        return guest.wait()


def parts_from(notebook: Notebook) -> Parts:
    """The recorded parts of a notebook that runs."""
    answer = record(notebook)
    assert answer["error"] is None, answer["error"]
    return parts_of(notebook.code, Recording.of(answer))
