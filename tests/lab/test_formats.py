"""Every form in which people keep notebooks, lifted for real: the same work gives the same pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilotline.lab.lifting import Options, lift_notebook

SALES = "city,amount\n" + "".join(f"{'Oslo' if n % 3 else 'Bergen'},{n}\n" for n in range(12))
EXPECTED = {"Bergen": 0 + 3 + 6 + 9, "Oslo": sum(range(12)) - 18}
READ = 'import csv\n\nrows = list(csv.DictReader(open("sales.csv")))'
LOOK = "len(rows)"
SUM = 'total = {}\nfor row in rows:\n    total[row["city"]] = total.get(row["city"], 0) + int(row["amount"])'
LAST = "total"


def code(source: str, count: int | None) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": count}


def text(kind: str, source: str) -> dict[str, object]:
    return {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}


def nbformat_4() -> str:
    cells = [text("markdown", "# Sales by city"), text("raw", "---\ntitle: x\n---"), code(READ, 1), code("", None)]
    cells += [code(LOOK, 2), text("markdown", "## Totals by city"), code(SUM, 3), code(LAST, 4)]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def nbformat_3() -> str:
    def old(source: str, count: int) -> dict[str, object]:
        lines = source.splitlines(keepends=True)
        return {"cell_type": "code", "input": lines, "outputs": [], "prompt_number": count, "language": "python"}

    cells = [
        {"cell_type": "heading", "level": 1, "source": ["Sales by city"]},
        old(READ, 1),
        old(LOOK, 2),
        {"cell_type": "heading", "level": 2, "source": ["Totals by city"]},
        old(SUM, 3),
        old(LAST, 4),
    ]
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]})


def out_of_order() -> str:
    """Saved after the summing cell had been moved to the top: only the order of execution runs."""
    cells = [text("markdown", "# Sales by city"), code(SUM, 3), code(READ, 1), code(LOOK, 2), code(LAST, 4)]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


PERCENT = f"""# ---
# jupyter:
#   kernelspec:
#     name: python3
# ---

# %% [markdown]
# # Sales by city

# %%
{READ}

# %% a title
{LOOK}

# %% [raw]
# not code

# %%
# %matplotlib inline
{SUM}

# %%
{LAST}
"""
SCRIPT = f'''"""Sales by city."""
{READ}

print({LOOK})

# Totals by city
{SUM}

if __name__ == "__main__":
    print(total)
'''


def indented(source: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in source.splitlines())


MARIMO = f"""import marimo

__generated_with = "0.13.0"
app = marimo.App()


@app.cell
def _(total):
    total
    return


@app.cell
def _(rows):
{indented(SUM)}    return (total,)


@app.cell
def _(rows):
    len(rows)
    return


@app.cell(hide_code=True)
def _():
{indented(READ)}    return csv, rows


if __name__ == "__main__":
    app.run()
"""
FORMS = {
    "nbformat 4 with raw, empty and Markdown cells": ("explore.ipynb", nbformat_4()),
    "nbformat 3": ("explore.ipynb", nbformat_3()),
    "cells out of order": ("explore.ipynb", out_of_order()),
    "percent format": ("explore.py", PERCENT),
    "a plain script": ("explore.py", SCRIPT),
    "marimo, cells in any order": ("explore.py", MARIMO),
}


@pytest.mark.parametrize(("name", "content"), FORMS.values(), ids=FORMS)
def test_every_form_becomes_the_same_pipeline(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / name).write_text(content, encoding="utf-8")
    receipt = lift_notebook(
        tmp_path / name, Options(wants=("total",), python=sys.executable, proof="full"), lambda _: None
    )
    assert receipt.status == "proven", receipt.as_text()
    assert receipt.rung == "steps"
    module = Path(receipt.module)
    assert module.read_text().splitlines()[0] == ('"""Explore.' if "marimo" in content else '"""Sales by city.')
    run = f"import json, {module.stem} as m; print(json.dumps(m.pipeline()))"
    done = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"total": EXPECTED}
    assert (tmp_path / name).read_text(encoding="utf-8") == content
