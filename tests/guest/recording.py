"""Run cells as a guest does, in a process of their own, and look at what it saw."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

GUEST = Path(__file__).parents[2] / "src/pilotline/guest/boot.py"


class Seen:
    """An answer, and its statements by the text they begin with."""

    def __init__(self, answer: dict, cells: list[str], stdout: str, stderr: str, folder: Path):
        self.answer = answer
        self.error = answer["error"]
        self.stdout = stdout
        self.stderr = stderr
        self.folder = folder
        self._by_place = {}
        for number, cell in enumerate(cells, 1):
            for line, text in enumerate(cell.split("\n"), 1):
                self._by_place[number, line] = text

    def at(self, text: str) -> dict:
        """The one statement whose first line begins so."""
        found = [
            one
            for one in self.answer["statements"]
            if self._by_place.get((one["cell"], one["line"]), "").startswith(text)
        ]
        assert len(found) == 1, f"{text!r} is the beginning of {len(found)} statements"
        return found[0]

    def shown(self, cell: int) -> dict | None:
        """What a cell showed."""
        found = [one["shown"] for one in self.answer["statements"] if one["cell"] == cell and one["shown"]]
        return found[0] if found else None


def see(*cells: str, folder: Path | None = None, kind: str = "record", python: str = sys.executable, **request) -> Seen:
    """Run these cells in a scratch folder and give what was seen."""
    with tempfile.TemporaryDirectory() as own:
        folder = folder or Path(own) / "scratch"
        folder.mkdir(exist_ok=True)
        (Path(own) / "out").mkdir()
        paths = {name: str(Path(own) / "out" / name) for name in ("result", "events", "stdout", "stderr")}
        quiet = request.pop("quiet", ())
        asked = {
            "protocol": 1,
            "kind": kind,
            "cells": [
                {"number": number, "source": source, "quiet": number in quiet} for number, source in enumerate(cells, 1)
            ],
            "folder": str(folder),
            "seed": 0,
            "allow": [],
            "capture": [],
            "values": str(Path(own) / "values"),
            "timeout": 100,
            **paths,
            **request,
        }
        (Path(own) / "request.json").write_text(json.dumps(asked))
        environment = {name: value for name, value in os.environ.items() if not re.match(r"PYTHON|COVERAGE", name)}
        done = subprocess.run(
            [python, "-B", str(GUEST), str(Path(own) / "request.json")],
            cwd=folder,
            env={**environment, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"},
            timeout=120,
            check=False,
            capture_output=True,
        )
        stderr = Path(paths["stderr"]).read_text() if Path(paths["stderr"]).exists() else ""
        assert Path(paths["result"]).exists(), f"the guest died with {done.returncode}: {stderr} {done.stderr!r}"
        assert (done.stdout, done.stderr) == (b"", b"")
        answer = json.loads(Path(paths["result"]).read_text())
        return Seen(answer, list(cells), Path(paths["stdout"]).read_text(), stderr, folder)
