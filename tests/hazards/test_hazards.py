"""A lift of a notebook that is hard to lift is right or refused by code; it is never a proof of something else."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from .cases import HAZARDS, HERE, SIXTEEN, Hazard
from .compare import same
from .staging import unpack

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What `pilotline lift` did to a hazard."""

    exit_status: int
    document: dict[str, Any]
    printed: str
    folder: Path

    @property
    def proven(self) -> bool:
        return self.document.get("status") == "proven"

    @property
    def codes(self) -> list[str]:
        found = [one["code"] for one in self.document.get("diagnostics", [])]
        error = self.document.get("error")
        return [*found, error["code"]] if error else found


def lift(hazard: Hazard, folder: Path) -> Lift:
    notebook = unpack(hazard, folder)
    wants = [word for want in hazard.wanted for word in ("--want", want)]
    command = [sys.executable, "-m", "pilotline", "lift", notebook.name, *wants, *hazard.args]
    command += ["--json", "--python", sys.executable]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=570, check=False)
    try:
        document = json.loads(ran.stdout)
    except ValueError:
        pytest.fail(f"--json printed no JSON; exit status {ran.returncode}\n{ran.stdout[-2000:]}{ran.stderr[-4000:]}")
    return Lift(exit_status=ran.returncode, document=document, printed=ran.stdout + ran.stderr, folder=folder)


def pipeline_results(lifted: Lift, names: list[str], scratch: Path, variables: dict[str, str]) -> dict[str, Any]:
    """What `pipeline()` of the lifted module returns in a fresh process and a fresh copy of the folder."""
    copy, answer = scratch / "fresh", scratch / "results.pickle"
    shutil.copytree(lifted.folder, copy, ignore=shutil.ignore_patterns(".pilotline", "*.ipynb"))
    module = copy / (lifted.folder / lifted.document["module"]).relative_to(lifted.folder)
    command = [sys.executable, str(HERE / "call_pipeline.py"), str(module), str(answer), *names]
    environment = {**os.environ, **variables}
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, module.read_text(encoding="utf-8") + ran.stdout[-2000:] + ran.stderr[-4000:]
    return pickle.loads(answer.read_bytes())


def key_of(want: str, outputs: list[dict[str, Any]]) -> str:
    """The key, in what `pipeline()` returns, of what was asked for as ``--want``."""
    keys = [
        one["name"] for one in outputs if (f"cell:{one['cell']}" if want.startswith("cell:") else one["of"]) == want
    ]
    assert len(keys) == 1, f"{want} is not one of the outputs: {outputs}"
    return keys[0]


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".pilotline" not in path.parts]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_a_hazard_is_proven_with_the_true_value_or_refused_by_code(hazard: Hazard, tmp_path: Path) -> None:
    unpack(hazard, tmp_path / "before")
    lifted = lift(hazard, tmp_path / "there" / "project")
    assert_nothing_else_was_touched(hazard, lifted, before=digests(tmp_path / "before"))
    if not lifted.proven:
        assert_refused_by_an_expected_code(hazard, lifted)
        return
    assert_the_proof_is_of_the_true_value(hazard, lifted, tmp_path)
    assert hazard.expect != "refused", f"proven, but it cannot be: {lifted.document}"
    assert lifted.document["rung"] in allowed_rungs(hazard)
    if hazard.keeps_at_most:
        assert lifted.document["cells"]["kept"] <= hazard.keeps_at_most


def allowed_rungs(hazard: Hazard) -> set[str]:
    if hazard.sixteen:
        return {"steps"}
    return {"steps", "cells"} if hazard.expect == "proven" else {"steps", "cells", "prefix"}


def assert_refused_by_an_expected_code(hazard: Hazard, lifted: Lift) -> None:
    assert lifted.exit_status in {1, 2}, lifted.printed[-3000:]
    assert [code for code in lifted.codes if code.startswith(hazard.codes)], (
        f"refused by {lifted.codes}, not by {hazard.codes}: {lifted.printed[-3000:]}"
    )
    assert hazard.expect != "proven", f"refused: {lifted.printed[-3000:]}"


def assert_the_proof_is_of_the_true_value(hazard: Hazard, lifted: Lift, scratch: Path) -> None:
    assert lifted.exit_status == 0
    outputs = lifted.document["outputs"]
    assert [one["verdict"] for one in outputs] == ["equal"] * len(hazard.wanted)
    assert hazard.value is not None, f"there is nothing to compute, and yet it is proven: {lifted.document}"
    truth = hazard.value(scratch / "before")
    keys = {want: key_of(want, outputs) for want in hazard.wanted}
    results = pipeline_results(
        lifted, list(keys.values()), scratch, dict(zip(hazard.variables, hazard.secrets, strict=False))
    )
    if hazard.replayed and same(results[keys["final"]], hazard.replayed[1]):
        told = [one for one in lifted.document["diagnostics"] if one["cell"] == hazard.replayed[0]]
        assert told, "PROVEN, AND NOT A WORD THAT THE SAVED RESULT IS ANOTHER"
        return
    wrong = {want: (results[key], truth[want]) for want, key in keys.items() if not same(results[key], truth[want])}
    assert wrong == {}, "PROVEN, AND WRONG"


def assert_nothing_else_was_touched(hazard: Hazard, lifted: Lift, *, before: dict[str, str]) -> None:
    after = digests(lifted.folder)
    written = [str((lifted.folder / file).relative_to(lifted.folder)) for file in lifted.document.get("files", [])]
    assert {path: digest for path, digest in after.items() if path not in written} == before
    assert [path.name for path in lifted.folder.parent.iterdir()] == [lifted.folder.name]
    for secret in hazard.secrets:
        assert secret not in lifted.printed
        others = [path for path in lifted.folder.rglob("*") if path.is_file() and path.name != hazard.path]
        assert [path for path in others if secret.encode() in path.read_bytes()] == []


def test_at_least_fourteen_of_the_sixteen_must_be_proven() -> None:
    assert sum(hazard.expect == "proven" for hazard in SIXTEEN) >= 14


def test_a_module_that_returns_something_else_is_caught(tmp_path: Path) -> None:
    hazard = next(one for one in HAZARDS if one.name == "h02_inplace_df")
    folder = tmp_path / "there"
    unpack(hazard, folder)
    unpack(hazard, tmp_path / "before")
    (folder / "wrong.py").write_text("def pipeline():\n    return {'final': 1.0}\n")
    outputs = [{"name": "final", "of": "final", "cell": 6, "verdict": "equal", "why": ""}]
    document = {"status": "proven", "rung": "steps", "module": "wrong.py", "outputs": outputs}
    lifted = Lift(exit_status=0, document=document, printed="", folder=folder)
    with pytest.raises(AssertionError, match="PROVEN, AND WRONG"):
        assert_the_proof_is_of_the_true_value(hazard, lifted, tmp_path)
