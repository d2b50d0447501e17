"""Lift every notebook of a corpus, call what was lifted, and compare its values with fingerprints taken before.

A corpus is a manifest (JSON: ``notebooks``, each with ``id``, ``path``, ``env`` and ``outputs``: ``name``, ``fp``,
``deterministic``), a folder ``ID/PATH`` with the notebooks and their data, and a ``fingerprint.py`` that made the
fingerprints. The notebooks are other people's and no part of this project.

    python benchmarks/corpus.py MANIFEST FOLDER FINGERPRINT --env new=venv/bin/python --out results.jsonl

Each notebook is lifted twice: with all its deterministic outputs wanted, and with the primary one only. A value counts
as *right* where the module, imported by a plain interpreter, returns it with the manifest's fingerprint, or with the
one of its values rounded to six digits. One line a lift goes to ``--out``; what is there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_CALL = """
import importlib.util, json, sys
module, fingerprint, answer = sys.argv[1:]
sys.path.insert(0, '')
spec = importlib.util.spec_from_file_location('lifted', module)
lifted = importlib.util.module_from_spec(spec)
sys.modules['lifted'] = lifted
spec.loader.exec_module(lifted)
made = lifted.pipeline()
from pathlib import Path
names = {key.replace('-', '_'): value for key, value in made.items()}
space = {}
exec(compile(open(fingerprint).read(), 'fingerprint.py', 'exec'), space)
space['_nbc_fingerprint'](names, answer)
"""


def main() -> int:
    """Lift what is asked for and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("fingerprint", type=Path)
    parser.add_argument("--env", action="append", default=[], help="NAME=PYTHON")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--split", default="open")
    parser.add_argument("--ids", nargs="*", default=[])
    parser.add_argument("--mode", choices=["all", "primary", "both"], default="both")
    parser.add_argument("--keep", type=Path, help="keep the lifted modules here")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only print the table of what is in --out")
    options = parser.parse_args()
    if options.table:
        print(table([json.loads(line) for line in options.out.read_text().splitlines()]))
        return 0
    pythons = dict(one.split("=", 1) for one in options.env)
    manifest = json.loads(options.manifest.read_text())["notebooks"]
    books = [
        one
        for one in manifest
        if one["split"] == options.split and (not options.ids or any(part in one["id"] for part in options.ids))
    ]
    done = set()
    if options.out.exists():
        done = {(row["id"], row["mode"]) for row in map(json.loads, options.out.read_text().splitlines())}
    modes = ["primary", "all"] if options.mode == "both" else [options.mode]
    jobs = [(book, mode) for book in books for mode in modes if (book["id"], mode) not in done]

    def work(job: tuple[dict[str, Any], str]) -> None:
        book, mode = job
        row = measure(book, mode, Path(pythons[book["env"]]), options)
        if row is not None:
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(said(row), flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, jobs))
    return 0


def measure(book: dict[str, Any], mode: str, python: Path, options: argparse.Namespace) -> dict[str, Any] | None:
    """Lift one notebook and compare; None where nothing of it is deterministic."""
    outputs = {one["name"]: one for one in book["outputs"] if one["deterministic"]}
    if mode == "primary":
        outputs = {name: one for name, one in outputs.items() if name == book["primary_output"]}
    if not outputs:
        return None
    wants = [f"cell:{name[4:-1]}" if name.startswith("Out[") else name for name in outputs]
    home = Path(tempfile.mkdtemp(prefix="corpus-"))
    try:
        shutil.copytree(options.folder / book["id"], home / "w")
        notebook = home / "w" / book["path"]
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", HOME=str(home), MPLBACKEND="agg")
        environment.pop("VIRTUAL_ENV", None)
        command = [sys.executable, "-m", "pilotline", "lift", notebook.name, "--json", "--python", str(python)]
        for one in wants:
            command += ["--want", one]
        began = time.perf_counter()
        printed, errors, cpu = _run(command, notebook.parent, environment, home)
        row: dict[str, Any] = {
            "id": book["id"], "mode": mode, "env": book["env"], "wants": len(wants),
            "seconds": round(time.perf_counter() - began, 1), "cpu": round(cpu, 1),
            "notebook_cpu": book["cpu_s"], "deterministic": book["deterministic"],
        }  # fmt: skip
        try:
            receipt = json.loads(printed)
        except ValueError:
            return {**row, "status": "crashed", "why": (errors or printed)[-500:]}
        row.update(
            status=receipt.get("status", "error"), rung=receipt.get("rung"), lines=receipt.get("lines"),
            cells=receipt.get("cells"), steps=len(receipt.get("steps") or ()),
            codes=[one["code"] for one in receipt.get("diagnostics") or ()],
            why=[one["message"][:300] for one in receipt.get("diagnostics") or ()] or receipt,
            not_proven=receipt.get("not_proven"),
        )  # fmt: skip
        if row["status"] != "proven":
            return row
        row["why"] = []
        row["right"], row["wrong"] = _values(outputs, receipt, notebook, python, options, home, environment)
        if options.keep:
            kept = options.keep / mode
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(receipt["module"], kept / f"{book['id']}.py")
        return row
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _values(
    outputs: dict[str, Any], receipt: dict[str, Any], notebook: Path, python: Path,
    options: argparse.Namespace, home: Path, environment: dict[str, str],
) -> tuple[list[str], dict[str, str]]:  # fmt: skip
    answer = home / "answer.json"
    command = [str(python), "-c", _CALL, receipt["module"], str(options.fingerprint.resolve()), str(answer)]
    ended = subprocess.run(
        command, cwd=notebook.parent, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    if ended.returncode or not answer.exists():
        return [], dict.fromkeys(outputs, (ended.stderr or "no answer")[-300:])
    found = json.loads(answer.read_text())["vars"]
    right: list[str] = []
    wrong: dict[str, str] = {}
    for name, one in outputs.items():
        number = int(name[4:-1]) if name.startswith("Out[") else None
        keys = [
            told["name"] for told in receipt["outputs"]
            if (told["cell"] == number if number is not None else told["of"] == name or told["name"] == name)
        ]  # fmt: skip
        seen = [found[key] for key in keys if key in found]
        if any(
            value.get("fp") == one["fp"]
            or (one.get("fp_r6") and value.get("fp_r6") == one["fp_r6"])
            or (one.get("predict") and value.get("predict") == one["predict"])
            for value in seen
        ):
            right.append(name)
        else:
            wrong[name] = json.dumps([keys, seen, one])[:600]
    return right, wrong


def said(row: dict[str, Any]) -> str:
    """One row in words."""
    what = f"{len(row.get('right', ()))}/{row['wants']} right" if row["status"] == "proven" else str(row["why"])[:200]
    lines = row.get("lines") or {}
    return f"{row['mode']:7} {row['status']:8} {row.get('rung') or '-':6} {row['cpu']:6} CPU-s {lines.get('kept')}/{lines.get('total')} {row['id']}: {what}"


def table(rows: list[dict[str, Any]]) -> str:
    """What came of all of them."""
    told: list[str] = []
    for mode in ("primary", "all"):
        of = [row for row in rows if row["mode"] == mode]
        if not of:
            continue
        proven = [row for row in of if row["status"] == "proven"]
        steps = [row for row in proven if row["rung"] == "steps" and not row["wrong"]]
        lines = [row["lines"]["kept"] / row["lines"]["total"] for row in proven]
        times = [row["cpu"] / max(row["notebook_cpu"], 0.1) for row in of]
        outputs = sum(row["wants"] for row in of)
        right = sum(len(row.get("right", ())) for row in of)
        told.append(
            f"{mode}: {len(of)} notebooks, {len(proven)} proven, {len(steps)} in isolated steps with every value right"
            f" ({100 * len(steps) / len(of):.0f} %), {right} of {outputs} outputs right, "
            f"{sum(len(row.get('wrong', ())) for row in of)} wrong; lines kept {100 * statistics.median(lines):.0f} % at "
            f"the median; CPU of the lift by the notebook's {statistics.median(times):.1f} at the median"
        )
        told += [
            f"  {row['id']}: {row['status']} {row.get('rung')} {row.get('codes')} {row.get('wrong') or row['why']}"[
                :400
            ]
            for row in of
            if row not in steps
        ]
    return "\n".join(told)


def _run(command: list[str], folder: Path, environment: dict[str, str], home: Path) -> tuple[str, str, float]:
    """What a command printed, and its CPU seconds with those of all that it waited for."""
    with (home / "stdout").open("w+") as out, (home / "stderr").open("w+") as err:
        started = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        _, _, used = os.wait4(started.pid, 0)
        out.seek(0)
        err.seek(0)
        return out.read(), err.read(), used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
