from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pilotline.guest.flow import read_flow
from pilotline.lab.proving import Proof, Prover
from pilotline.lift.lifting import Lifted
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for
from pilotline.lift.wanted import Wanted
from pilotline.lift.writing import WrittenStep

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = "day,state,amount\n" + "".join(
    f"2024-01-{1 + number % 28:02d},{'PR' if number % 3 else 'TX'},{number * 7 % 50}.5\n" for number in range(120)
)


@dataclass
class Case:
    """A notebook, a module by hand, and what is wanted."""

    cells: list[str]
    module: str
    wants: list[str]
    #: For each step, the cell and the index of its last statement.
    ends: list[tuple[int, int]] = field(default_factory=list)
    draws: frozenset[str] = frozenset()
    files: dict[str, str] = field(default_factory=lambda: {"orders.csv": ORDERS})
    sources: list[str] = field(default_factory=lambda: ["orders.csv"])
    allow: tuple[str, ...] = ()


def lifted_of(case: Case) -> Lifted:
    flow = read_flow(case.module)
    steps = tuple(
        WrittenStep(
            name=one.name, inputs=tuple(a.name or "" for a in one.arguments), outputs=one.results, cells=(), lines=1,
            docstring="",
        )
        for one in flow.steps
    )  # fmt: skip
    wanted = tuple(
        Wanted(name=key, of=want, kind="frame", cell=1, asked=True, path=want if "." in want else None)  # pyright: ignore[reportArgumentType]
        if not want.startswith("cell:")
        else Wanted(name=key, of=want, kind="frame", cell=int(want[5:]), position=0, asked=True)  # pyright: ignore[reportArgumentType]
        for key, want in zip(flow.returns, case.wants, strict=True)
    )
    ends = case.ends or [(len(case.cells), 0)] * len(steps)
    return Lifted(
        source=case.module, rung="steps", steps=steps, wanted=wanted, parameters=(), left_behind=(), lines_total=1,
        lines_kept=1, cells_total=1, cells_kept=1, step_ends=tuple(ends), step_starts=tuple(range(len(steps))),
        draws=case.draws,
    )  # fmt: skip


@contextmanager
def prover_of(case: Case, folder: Path) -> Iterator[Prover]:
    for name, content in case.files.items():
        (folder / name).write_text(content)
    raw = [
        {"cell_type": "code", "metadata": {}, "source": one, "outputs": [], "execution_count": None}
        for one in case.cells
    ]
    path = folder / "explore.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}))
    notebook = read(path)
    with scratch_for(notebook) as scratch:
        prover = Prover(
            cells=notebook.code, python=Path(sys.executable), scratch=scratch, allow=case.allow, timeout=120,
            progress=lambda _: None,
        )  # fmt: skip
        try:
            yield prover
        finally:
            prover.close()


def prove(case: Case, folder: Path, *, full: bool = True) -> Proof:
    with prover_of(case, folder) as prover:
        return prover.prove(lifted_of(case), full=full, sources=case.sources)


def words(proof: Proof) -> dict[str, tuple[str, str]]:
    return {one.name: (one.verdict, one.why) for one in proof.outputs}


READ = """
import csv
rows = list(csv.DictReader(open("orders.csv")))
""".strip()
READ_STEP = """
import csv

def read_rows():
    with open("orders.csv") as file:
        return list(csv.DictReader(file))
"""
TOTALS = [
    READ,
    "for row in rows:\n    row['amount'] = float(row['amount'])",
    "total = sum(row['amount'] for row in rows)",
]


def totals(read: str = READ_STEP, clean: str = "", total: str = "sum(row['amount'] for row in rows)") -> str:
    clean = clean or "    return [dict(row, amount=float(row['amount'])) for row in rows]"
    return f"""{read}
def clean(rows):
{clean}

def add(rows):
    return {total}

def pipeline():
    raw = read_rows()
    rows = clean(raw)
    total = add(rows)
    return {{"rows": rows, "total": total}}
"""


def test_a_pipeline_that_computes_the_same_is_proven_on_changed_inputs_too(tmp_path: Path):
    proof = prove(Case(TOTALS, totals(), ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert words(proof) == {"rows": ("equal", ""), "total": ("equal", "")}
    assert proof.holds
    assert proof.done == (
        "notebook and pipeline, plain and with isolated steps: compared value by value",
        "again on changed inputs (orders.csv with rows left out)",
    )
    assert proof.not_proven == ()


WRONG = {
    "a constant remembered": (
        totals(total="2950.0"),
        {"rows": ("equal", ""), "total": ("different", "on changed inputs: total: ")},
    ),
    "rows in another order": (
        totals(clean="    return sorted((dict(row, amount=float(row['amount'])) for row in rows), key=lambda r: r['day'])"),
        {"rows": ("different", "rows["), "total": ("equal", "")},
    ),
    "a column left as text": (
        totals(clean="    return [dict(row) for row in rows]", total="sum(float(row['amount']) for row in rows)"),
        {"rows": ("different", "rows[0]['amount']: 0.5 != '0.5'"), "total": ("equal", "")},
    ),
    "a row lost": (
        totals(clean="    return [dict(row, amount=float(row['amount'])) for row in rows[1:]]"),
        {"rows": ("different", "rows: 120 parts != 119 parts"), "total": ("different", "total: ")},
    ),
    "a rule that only fits these rows": (
        totals(total="sum(row['amount'] for row in rows[:120]) if len(rows) == 120 else 0.0"),
        {"rows": ("equal", ""), "total": ("different", "on changed inputs: total: ")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("module", list(WRONG))
def test_a_pipeline_that_is_subtly_wrong_is_found_out(module: str, tmp_path: Path):
    source, expected = WRONG[module]
    total = sum(number * 7 % 50 + 0.5 for number in range(120))
    source = source.replace("2950.0", repr(total))
    proof = prove(Case(TOTALS, source, ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert not proof.holds
    for name, (verdict, why) in expected.items():
        assert words(proof)[name][0] == verdict
        assert words(proof)[name][1].startswith(why)


def test_a_step_that_changes_its_argument_is_refused_by_name(tmp_path: Path):
    source = totals(clean="    for row in rows:\n        row['amount'] = float(row['amount'])\n    return rows")
    proof = prove(Case(TOTALS, source, ["rows", "total"]), tmp_path)
    assert (proof.holds, proof.step, proof.problem) == (False, "clean", "clean changes its argument rows")


ALIAS = ["import array\nall_ = [0, 0, 0]\nfirst = all_", "first[0] = 5", "total = sum(all_)"]
ALIAS_MODULE = """
def make():
    return [0, 0, 0]

def change(first):
    return [5, *first[1:]]

def add(values):
    return sum(values)

def pipeline():
    values = make()
    first = change(values)
    total = add(values)
    return {"first": first, "total": total}
"""


def test_a_lost_alias_is_found(tmp_path: Path):
    proof = prove(Case(ALIAS, ALIAS_MODULE, ["first", "total"], sources=[]), tmp_path)
    assert words(proof) == {"first": ("equal", ""), "total": ("different", "total: 5 != 0")}


SHARED_MODULE = """
SEEN = []

def make():
    SEEN.append(5)
    return 0

def add(start):
    return start + sum(SEEN)

def pipeline():
    start = make()
    total = add(start)
    return {"total": total}
"""


def test_a_pipeline_that_only_works_in_one_process_is_found(tmp_path: Path):
    proof = prove(Case(["total = 5"], SHARED_MODULE, ["total"], sources=[]), tmp_path)
    assert words(proof) == {"total": ("different", "with isolated steps: total: 5 != 0")}
    assert proof.isolated_only


RANDOM = ["import random", "noise = random.random()", "sample = [random.random() for _ in range(3)]"]
RANDOM_MODULE = """
import random

def draw_noise():
    return random.random()

def draw():
    return [random.random() for _ in range(3)]

def pipeline():
    noise = draw_noise()
    sample = draw()
    return {"sample": sample}
"""


def test_the_random_draws_of_left_out_statements_are_missed(tmp_path: Path):
    case = Case(RANDOM, RANDOM_MODULE, ["sample"], draws=frozenset({"random"}), sources=[], ends=[(2, 0), (3, 0)])
    proof = prove(case, tmp_path)
    assert words(proof) == {"sample": ("equal", "equal under the proof's seeds")}
    assert proof.done[1:] == ("again on changed inputs (another seed)",)
    shifted = RANDOM_MODULE.replace("    noise = draw_noise()\n", "")
    case = Case(RANDOM, shifted, ["sample"], draws=frozenset({"random"}), sources=[])
    assert words(prove(case, tmp_path))["sample"][0] == "different"


def test_remembered_draws_are_found_by_another_seed(tmp_path: Path):
    import random

    generator = random.Random(0)
    generator.random()
    drawn = [generator.random() for _ in range(3)]
    module = (
        f"def draw():\n    return {drawn!r}\n\ndef pipeline():\n    sample = draw()\n    return {{'sample': sample}}\n"
    )
    case = Case(RANDOM, module, ["sample"], draws=frozenset({"random"}), sources=[])
    proof = prove(case, tmp_path)
    verdict, why = words(proof)["sample"]
    assert (verdict, why.partition(": ")[0]) == ("different", "on changed inputs")


def test_what_differs_between_two_runs_of_the_notebook_is_not_held_against_the_pipeline(tmp_path: Path):
    cells = ["import time", "now = time.time_ns()", "n = 3"]
    module = "import time\ndef clock(): return time.time_ns()\ndef three(): return 3\ndef pipeline():\n    now = clock()\n    n = three()\n    return {'now': now, 'n': n}\n"
    proof = prove(Case(cells, module, ["now", "n"], sources=[]), tmp_path)
    assert (words(proof)["now"][0], words(proof)["n"][0]) == ("not_deterministic", "equal")
    assert words(proof)["now"][1].startswith("two runs of the notebook differ: now: ")


def test_what_cannot_be_looked_into_is_not_compared(tmp_path: Path):
    cells = ["numbers = (i for i in range(3))"]
    module = "def make(): return iter([1])\ndef pipeline():\n    numbers = make()\n    return {'numbers': numbers}\n"
    proof = prove(Case(cells, module, ["numbers"], sources=[]), tmp_path)
    assert words(proof)["numbers"][0] == "not_compared"
    assert not proof.holds


def test_a_shown_value_and_a_written_file_are_outputs(tmp_path: Path):
    cells = [READ, "len(rows)", "with open('out.csv', 'w') as file:\n    file.write(f'n\\n{len(rows)}\\n')"]
    module = f"""{READ_STEP}
from pathlib import Path

def count(rows):
    return len(rows)

def write(n):
    Path("out.csv").write_text(f"n\\n{{n}}\\n")
    return Path("out.csv")

def pipeline():
    rows = read_rows()
    n = count(rows)
    out = write(n)
    return {{"n": n, "out": out}}
"""
    proof = prove(Case(cells, module, ["cell:2", "out.csv"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert words(proof) == {"n": ("equal", ""), "out": ("equal", "")}
    assert len(proof.done) == 2
    wrong = module.replace("{n}", "{n - 1}")
    proof = prove(Case(cells, wrong, ["cell:2", "out.csv"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert words(proof) == {"n": ("equal", ""), "out": ("different", "out['n'] line 2: 120 != 119")}


def test_values_made_before_the_notebook_stops_on_changed_inputs_are_compared(tmp_path: Path):
    cells = [*TOTALS, "assert len(rows) == 120", "last = 1"]
    good = prove(Case(cells, totals(), ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert good.holds
    assert good.done[1:] == ("again on changed inputs (orders.csv with rows left out)",)
    total = sum(number * 7 % 50 + 0.5 for number in range(120))
    bad = prove(Case(cells, totals(total=repr(total)), ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert words(bad)["total"][0] == "different"


def test_a_condition_that_only_other_inputs_meet_is_found(tmp_path: Path):
    cells = [*TOTALS, "if len(rows) < 120:\n    total = -1"]
    proof = prove(Case(cells, totals(), ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)]), tmp_path)
    assert words(proof)["total"][0] == "different"
    assert words(proof)["total"][1].startswith("on changed inputs: total: -1 != ")


def test_where_the_notebook_does_not_run_on_changed_inputs_it_is_said_and_no_refusal(tmp_path: Path):
    cells = [TOTALS[0], "assert len(rows) == 120", *TOTALS[1:]]
    proof = prove(Case(cells, totals(), ["rows", "total"], ends=[(1, 1), (3, 0), (4, 0)]), tmp_path)
    assert proof.holds
    assert proof.done == ("notebook and pipeline, plain and with isolated steps: compared value by value",)
    assert proof.not_proven == (
        "on changed inputs: the notebook does not run on them (AssertionError in cell 2: )",
    )  # fmt: skip


def test_what_comes_out_the_same_on_changed_inputs_is_said(tmp_path: Path):
    cells = [*TOTALS, "names = sorted(rows[0])"]
    module = totals().replace(
        'return {"rows": rows, "total": total}', 'names = name(rows)\n    return {"names": names}'
    )
    module += "\ndef name(rows):\n    return ['amount', 'day', 'state']\n"
    proof = prove(Case(cells, module, ["names"], ends=[(1, 1), (2, 0), (3, 0), (4, 0)]), tmp_path)
    assert proof.holds
    assert proof.not_proven == ("names on changed inputs: it comes out the same on them",)


def test_changed_inputs_never_get_outside(tmp_path: Path):
    cells = [
        READ,
        "import subprocess, sys\nn = int(subprocess.check_output([sys.executable, '-c', f'print({len(rows)})']))",
    ]
    module = f"""{READ_STEP}
import subprocess, sys

def count(rows):
    return int(subprocess.check_output([sys.executable, "-c", f"print({{len(rows)}})"]))

def pipeline():
    rows = read_rows()
    n = count(rows)
    return {{"n": n}}
"""
    proof = prove(Case(cells, module, ["n"], ends=[(1, 1), (2, 1)], allow=("subprocess",)), tmp_path)
    assert proof.holds
    assert len(proof.done) == 1
    assert proof.not_proven[0].startswith("on changed inputs: the notebook does not run on them (Stopped in cell 2")


def test_once_leaves_changed_inputs_out(tmp_path: Path):
    proof = prove(Case(TOTALS, totals(), ["rows", "total"]), tmp_path, full=False)
    assert proof.holds
    assert proof.done == ("notebook and pipeline, plain and with isolated steps: compared value by value",)


def test_the_first_value_that_differs_is_found_step_by_step(tmp_path: Path):
    source = totals(
        clean="    return [dict(row, amount=float(row['amount']) + (row['day'] > '2024-01-27')) for row in rows]"
    )
    case = Case(TOTALS, source, ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)])
    with prover_of(case, tmp_path) as prover:
        assert not prover.prove(lifted_of(case), full=True, sources=case.sources).holds
        found = prover.first_divergence(lifted_of(case))
    assert found is not None
    assert (found.step, found.variable) == ("clean", "rows")
    assert str(found) == f"they part in step clean: rows {found.what}"


def test_a_pipeline_that_raises_is_refused_with_the_line(tmp_path: Path):
    proof = prove(Case(TOTALS, totals(total="sum(rows)"), ["rows", "total"]), tmp_path)
    assert not proof.holds
    assert proof.problem == (
        "the pipeline raised TypeError: unsupported operand type(s) for +: 'int' and 'dict' (return sum(rows))"
    )


def test_a_dtype_that_changed_and_a_row_order_that_changed_are_found_in_frames(tmp_path: Path):
    cells = [
        "import pandas as pd\norders = pd.read_csv('orders.csv')",
        "by = orders.groupby('state')['amount'].sum()",
        "ids = orders.index.to_series().astype('int64')",
    ]
    module = """
import pandas as pd

def read_orders():
    return pd.read_csv("orders.csv")

def group(orders):
    return orders.groupby("state")["amount"].sum()

def number(orders):
    return orders.index.to_series().astype("int64")

def pipeline():
    orders = read_orders()
    by = group(orders)
    ids = number(orders)
    return {"orders": orders, "by": by, "ids": ids}
"""  # fmt: skip
    ends = [(1, 1), (2, 0), (3, 0)]
    good = prove(Case(cells, module, ["orders", "by", "ids"], ends=ends), tmp_path)
    assert (good.holds, len(good.done)) == (True, 2)
    wrong = module.replace('"int64"', '"int32"').replace(".sum()", ".sum().sort_index(ascending=False)")
    bad = words(prove(Case(cells, wrong, ["orders", "by", "ids"], ends=ends), tmp_path))
    assert bad["orders"] == ("equal", "")
    assert bad["ids"] == ("different", "ids: dtype int64 != int32")
    assert bad["by"][0] == "different"


def test_a_proof_that_would_take_too_long_says_what_it_left_out(tmp_path: Path):
    case = Case(TOTALS, totals(), ["rows", "total"], ends=[(1, 1), (2, 0), (3, 0)])
    with prover_of(case, tmp_path) as prover:
        # As if the notebook had taken ten minutes, and all before this moment five times as long.
        prover.notebook_seconds, prover.spent = 600.0, 3000.0
        proof = prover.prove(lifted_of(case), full=True, sources=case.sources)
    assert proof.holds
    assert proof.not_proven == ("on changed inputs: it would have taken more than five times the notebook's own time",)


def test_a_proof_that_takes_long_says_how_long(tmp_path: Path):
    case = Case(TOTALS, totals(), ["rows", "total"])
    said: list[str] = []
    with prover_of(case, tmp_path) as prover:
        prover.progress = said.append
        prover.prove(lifted_of(case), full=True, sources=case.sources)
        prover.notebook_seconds = 60.0
        prover.prove(lifted_of(case), full=True, sources=case.sources)
    assert [", about" in one for one in said] == [False, False, True, True]
