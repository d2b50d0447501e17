"""Pipelines of many small steps, written for the benchmarks of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = '''"""A pipeline of {count} small steps."""

from pathlib import Path

import pandas as pd


def read(table_csv: Path) -> pd.DataFrame:
    """The first frame."""
    return pd.read_csv(table_csv)

'''
_STEP = '''
def step_{number}(frame: pd.DataFrame) -> pd.DataFrame:
    """One more column's worth of work."""
    return frame.assign(amount=frame["amount"] + {number})

'''


def write(folder: Path, count: int, rows: int = 1000) -> Path:
    """A module with ``count`` steps, each a frame of ``rows`` rows, and its data, in a folder of its own."""
    folder.mkdir(parents=True)
    lines = [f"{number},{number % 7},{number * 0.5},name {number}" for number in range(rows)]
    (folder / "table.csv").write_text("id,shop,amount,name\n" + "\n".join(lines) + "\n")
    text = _HEAD.format(count=count) + "".join(_STEP.format(number=number) for number in range(1, count))
    text += '\ndef pipeline(*, table_csv: Path = Path("table.csv")) -> dict[str, object]:\n    """Step by step."""\n'
    text += "    frame_0 = read(table_csv)\n"
    text += "".join(f"    frame_{number} = step_{number}(frame_{number - 1})\n" for number in range(1, count))
    text += f'    return {{"frame": frame_{count - 1}}}\n'
    path = folder / "many.py"
    path.write_text(text)
    return path
