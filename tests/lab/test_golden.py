"""What lifts write, whole, beside what was read and found good: module, contract and tests of some notebooks.

After a change that is meant, `PILOTLINE_WRITE_GOLDEN=1 pytest tests/lab/test_golden.py` writes the files anew; then read
them, as the reviewer of a colleague's work would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilotline.lab.lifting import Options, lift_notebook

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
HAZARDS = ROOT / "tests" / "hazards"


@dataclass(frozen=True)
class Book:
    """A notebook, what is wanted of it, and the files that it needs."""

    name: str
    path: Path
    wants: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def hazard(path: str, *wants: str, files: tuple[str, ...] = ("data/sales.csv",)) -> Book:
    return Book(Path(path).stem, HAZARDS / "notebooks" / path, wants, files)


BOOKS = [
    Book("shop", ROOT / "examples" / "shop" / "explore_v15.ipynb"),
    hazard("h02_inplace_df.ipynb", "final"),
    hazard("h12_files.ipynb", "final"),
    hazard("h13_random.ipynb", "final"),
    hazard("repaired_merge.py", "density_sum", files=("data/areas.csv", "data/people.csv", "data/names.csv")),
    hazard("multi_index.py", "final", "table"),
    hazard("secret_literal.ipynb", "final"),
    hazard("installs.ipynb", "final"),
]


def lifted(book: Book, folder: Path) -> dict[str, str]:
    """The texts that a lift of a copy writes, samples of data aside."""
    folder.mkdir()
    shutil.copy(book.path, folder)
    if book.name == "shop":
        make = [sys.executable, str(book.path.parent / "make_data.py"), str(folder / "data")]
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
    for name in book.files:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(HAZARDS / "files" / name, folder / name)
    options = Options(wants=book.wants, python=sys.executable, proof="once")
    receipt = lift_notebook(folder / book.path.name, options, lambda _: None)
    assert receipt.status == "proven", receipt.as_text()
    files = [Path(one) for one in receipt.files]
    return {one.name: one.read_text(encoding="utf-8") for one in files if one.parent == folder}


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_a_lift_writes_what_was_found_good(book: Book, tmp_path: Path) -> None:
    made = lifted(book, tmp_path / book.name)
    kept = GOLDEN / book.name
    if os.environ.get("PILOTLINE_WRITE_GOLDEN"):
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for name, text in made.items():
            # A suffix of their own: they are texts to compare, no code of this house.
            (kept / f"{name}.txt").write_text(text, encoding="utf-8")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "-rs"]
    tested = subprocess.run(run, cwd=tmp_path / book.name, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert made == {path.name.removesuffix(".txt"): path.read_text(encoding="utf-8") for path in kept.iterdir()}
