"""Write the hazard notebooks in .ipynb form, and the small files that they read.

    python tests/hazards/make_hazards.py

Hazards that are plain Python stand in `notebooks/` as percent-format .py, as they are. Those that need what only
an .ipynb has (IPython syntax, execution counts, saved outputs, raw cells) are written in `sources/NAME.cells`:

    # %%                            a code cell; its execution count is the next number
    # %% [4] shows 44.0             a code cell with that count, and the result that was saved with it
    # %% [markdown]   # %% [raw]    what they say

`sources/NAME.session` is what was really executed, where that is not what the notebook still shows: cells that
were run again, edited afterwards or deleted. It is read for the true value only, never by the tool.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
_MARK = re.compile(r"^# %%(?: \[(?P<tag>\w+)\])?(?: shows (?P<shown>.*))?$")
_STORES = ("Nord", "Süd", "West", "PR")
_PRODUCTS = ("tea", "coffee", "cocoa")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCell:
    """One cell as it is written in a `.cells` file."""

    kind: str
    source: str
    count: int | None = None
    shown: str | None = None


def read_cells(text: str) -> list[SourceCell]:
    """The cells of a `.cells`, `.session` or percent-format text, in its order."""
    cells: list[SourceCell] = []
    count = 0
    for mark, lines in _blocks(text):
        source = "\n".join(lines).strip("\n")
        if mark["tag"] in {"markdown", "raw"}:
            cells.append(SourceCell(kind=mark["tag"], source=re.sub(r"^# ?", "", source, flags=re.MULTILINE)))
            continue
        count = int(mark["tag"]) if mark["tag"] else count + bool(source)
        cells.append(SourceCell(kind="code", source=source, count=count if source else None, shown=mark["shown"]))
    return cells


def _blocks(text: str) -> list[tuple[dict[str, str | None], list[str]]]:
    blocks: list[tuple[dict[str, str | None], list[str]]] = [({"tag": None, "shown": None}, [])]
    for line in text.splitlines():
        match = _MARK.match(line)
        if match:
            blocks.append((match.groupdict(), []))
        elif line.startswith("# %% "):  # a titled cell
            blocks.append(({"tag": None, "shown": None}, []))
        else:
            blocks[-1][1].append(line)
    head, *rest = blocks
    return [head, *rest] if any(line.strip() for line in head[1]) else rest


def as_ipynb(cells: list[SourceCell]) -> str:
    """The text of an .ipynb file with these cells."""
    notebook = {
        "cells": [_ipynb_cell(position, cell) for position, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _ipynb_cell(position: int, cell: SourceCell) -> dict[str, object]:
    written: dict[str, object] = {"cell_type": cell.kind}
    if cell.kind == "code":
        written["execution_count"] = cell.count
    written |= {"id": f"cell-{position:02d}", "metadata": {}}
    if cell.kind == "code":
        written["outputs"] = [] if cell.shown is None else [_result(cell.count, cell.shown)]
    written["source"] = cell.source.splitlines(keepends=True)
    return written


def _result(count: int | None, shown: str) -> dict[str, object]:
    return {
        "data": {"text/plain": [shown]},
        "execution_count": count,
        "metadata": {},
        "output_type": "execute_result",
    }


def sales_lines() -> list[str]:
    """64 sales; every 15th has no price."""
    lines = ["day,store,product,units,price"]
    for i in range(64):
        price = "" if i % 15 == 7 else f"{2.5 + (i * 11 % 23) * 0.35:.2f}"
        lines.append(
            f"2026-{1 + i // 28:02d}-{1 + i % 28:02d},{_STORES[i * 7 % 4]},{_PRODUCTS[i * 5 % 3]},{i * 13 % 17 + 1},{price}"
        )
    return lines


def files() -> dict[str, str]:
    """Path under this folder, and text, of everything that is generated."""
    tables = {
        "sales": sales_lines(),
        "areas": ["state,area", "Ohio,44828", "Texas,268601", "Alaska,656425", "Puerto Rico,3515"],
        "names": ["state,abbreviation", "Ohio,OH", "Texas,TX", "Alaska,AK"],
        "people": [
            "region,year,people",
            *(
                f"{region},{year},{people + 1000 * (year - 2009)}"
                for region, people in _PEOPLE
                for year in (2009, 2010)
            ),
        ],
    }
    made = {f"files/data/{name}.csv": "\n".join(lines) + "\n" for name, lines in tables.items()}
    for source in sorted((HERE / "sources").glob("*.cells")):
        made[f"notebooks/{source.stem}.ipynb"] = as_ipynb(read_cells(source.read_text(encoding="utf-8")))
    return made


_PEOPLE = (("OH", 11_530_000), ("TX", 25_140_000), ("AK", 710_000), ("PR", 3_720_000), ("USA", 308_700_000))


if __name__ == "__main__":
    for relative, text in files().items():
        path = HERE / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
