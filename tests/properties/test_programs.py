"""Random notebooks are lifted: what is proven is what they give when they are executed.

The truth comes from executing the program in a process that knows nothing of Pilotline, and from importing the lifted
module in another. ``PILOTLINE_PROPERTIES=2000`` tries that many new programs instead of the same few.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings

from pilotline.domain.errors import LiftError
from pilotline.domain.recordings import Recording
from pilotline.lab.proving import Prover
from pilotline.lift.guestcall import environment_for
from pilotline.lift.lifting import lift
from pilotline.lift.parts import parts_of
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for
from pilotline.lift.wanted import asked_for
from pilotline.lift.warming import Warm

HERE = Path(__file__).parent
MANY = int(os.environ.get("PILOTLINE_PROPERTIES", "0"))


def _module(name: str):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


programs = _module("programs")
Program = programs.Program


class Truth:
    """A process that executes programs and modules, each in a child of its own."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "truth.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip

    def of(self, how: str, path: Path, names: list[str]) -> dict[str, object]:
        self._process.stdin.write(json.dumps({"how": how, "path": str(path), "names": names}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def truth():
    made = Truth()
    yield made
    made.close()


@pytest.fixture(scope="module")
def warmed():
    with tempfile.TemporaryDirectory() as own:
        python = Path(sys.executable)
        made = Warm(python, ("numpy", "pandas"), Path(own) / "warm", environment_for(python))
        yield {("numpy", "pandas"): made, ("pandas",): made, ("numpy",): made, ("pandas", "numpy"): made}
        made.close()


@example(Program(cells=[programs.HEAD, "list_1 = [1]\nlist_2 = list_1", "list_2.append(4)"], wanted=["list_1"]))
@given(programs.programs())
@settings(
    max_examples=MANY or 60, deadline=None, derandomize=not MANY, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_what_is_lifted_from_a_program_gives_what_the_program_gives(truth, warmed, program) -> None:
    with tempfile.TemporaryDirectory(prefix="properties-") as home:
        folder = Path(home) / "project"
        folder.mkdir()
        (folder / "program.py").write_text(program.text)
        expected = truth.of("program", folder / "program.py", program.wanted)
        assert "error" not in expected, expected
        raw = [{"cell_type": "code", "metadata": {}, "source": one, "outputs": []} for one in program.cells]
        book = read_book(folder, raw)
        with scratch_for(book) as scratch, prover_with(warmed, book.code, scratch) as prover:
            answer, _ = prover.record(tuple(program.wanted))
            assert answer["error"] is None, answer["error"]
            prover.was_recorded(tuple(program.wanted), answer)
            parts = parts_of(book.code, Recording.of(answer))
            try:
                lifted = lift(book, parts, asked_for(parts, tuple(program.wanted)))
            except LiftError as error:
                event(f"refused by {error.code}")
                return
            proof = prover.prove(lifted, full=False, sources=())
            path = folder / "lifted.py"
            path.write_text(lifted.source)
            found = truth.of("module", path, program.wanted)
        event("proven" if proof.holds else "not proven at once")
        if proof.holds:
            assert found == expected, lifted.source
        else:
            # Its steps cannot be taken apart, or the slice itself was wrong; the proof said so. The second is looked
            # for when many are tried.
            assert proof.isolated_only or found != expected, (proof.problem, [str(one) for one in proof.outputs])
            event(f"because {proof.problem[:60] or proof.outputs[0].why[:60]}")
            if MANY and not proof.isolated_only:
                pytest.fail(f"{proof.problem} {[one.why for one in proof.outputs]}\n{lifted.source}")


@contextmanager
def prover_with(warmed, cells, scratch):
    """A prover that begins with processes that others warmed, and leaves those to them."""
    prover = Prover(
        cells=cells, python=Path(sys.executable), scratch=scratch, allow=(), timeout=60.0, progress=lambda _: None
    )
    prover._warmed.update(warmed)
    try:
        yield prover
    finally:
        for key in warmed:
            del prover._warmed[key]
        prover.close()


def read_book(folder: Path, raw: list[dict]):
    path = folder / "program.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}))
    book = read(path)
    (folder / "program.py").unlink()
    return book
