"""What a lifted pipeline is called and how it is laid out: cells in, names and text out. Nothing is proven here."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilotline.lift.lifting import Lifted, lift
from pilotline.lift.wanted import asked_for

_SPEC = importlib.util.spec_from_file_location("recorded", Path(__file__).parent / "recorded.py")
recorded = importlib.util.module_from_spec(_SPEC)
sys.modules["recorded"] = recorded
_SPEC.loader.exec_module(recorded)

ORDERS = "id,customer,amount\n1,ann,5\n2,bob,7\n3,ann,9\n4,eve,1\n"
CUSTOMERS = "customer,city\nann,Oslo\nbob,Bergen\neve,Oslo\n"


@dataclass(frozen=True)
class Case:
    """Cells, a wanted name, and the steps that should come of it: name -> docstring."""

    name: str
    cells: tuple[str, ...]
    want: str
    steps: dict[str, str]


CASES = [
    Case(
        "a frame called df is named after what was joined",
        (
            "import pandas as pd",
            "orders = pd.read_csv('orders.csv')\norders = orders.dropna()",
            "customers = pd.read_csv('customers.csv')\ndf = orders.merge(customers, on='customer')",
            "total = df.groupby('city')['amount'].sum()\ntotal = total.sort_index()\ntotal = total * 2",
        ),
        "total",
        {
            "join_orders_customers": "Join orders.csv and customers.csv into df (cells 2-3).",
            "summarise_total": "Summarise df as total (cell 4).",
        },
    ),
    Case(
        "a short heading names the step that stands below it",
        (
            "import pandas as pd",
            "md:## Orders by city",
            "orders = pd.read_csv('orders.csv')\norders['big'] = orders['amount'] > 5\nby_size = orders.groupby('big').size()",
        ),
        "by_size",
        {
            "orders_by_city": "Orders by city (cell 2).",
            "summarise_by_size": "Summarise orders as by_size (cell 2).",
        },
    ),
    Case(
        "a heading that talks to its reader names nothing",
        (
            "import pandas as pd",
            "md:## Let's look at it!",
            "orders = pd.read_csv('orders.csv')",
        ),
        "orders",
        {"read_orders": "Let's look at it! (cell 2)."},
    ),
]


def lifted(folder: Path, cells: tuple[str, ...], want: str) -> Lifted:
    (folder / "orders.csv").write_text(ORDERS)
    (folder / "customers.csv").write_text(CUSTOMERS)
    notebook = recorded.notebook_of(list(cells), folder)
    parts = recorded.parts_from(notebook)
    return lift(notebook, parts, asked_for(parts, [want]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_steps_are_named_and_described_as_a_reader_would(case: Case, tmp_path: Path) -> None:
    made = lifted(tmp_path, case.cells, case.want)
    assert {step.name: step.docstring for step in made.steps} == case.steps


def test_a_dict_that_is_filled_later_stands_where_it_is_filled(tmp_path: Path) -> None:
    cells = (
        "regions = {'Oslo': 'east'}",
        "a = [1]\na.append(2)\nb = sum(a)",
        "regions['Bergen'] = 'west'\nn = len(regions) + b",
    )
    made = lifted(tmp_path, cells, "n")
    assert '    regions = {"Oslo": "east"}\n    regions["Bergen"]' in made.source
    assert all("regions" not in step.inputs for step in made.steps)


def test_the_folder_of_a_written_file_follows_its_parameter(tmp_path: Path) -> None:
    cells = ("import os", "os.makedirs('out', exist_ok=True)", "open('out/note.txt', 'w').write('hello')")
    made = lifted(tmp_path, cells, "out/note.txt")
    assert "makedirs" not in made.source
    assert "note_txt.parent.mkdir(parents=True, exist_ok=True)" in made.source
