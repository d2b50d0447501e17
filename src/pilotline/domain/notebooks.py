"""A notebook as a value: ordered cells with their source and what they showed when last saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

NotebookKind = Literal["ipynb", "percent", "marimo", "script"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a notebook."""

    kind: Literal["code", "markdown", "raw"]
    #: As the user wrote it.
    source: str
    #: Plain Python that does the same (magics and shell lines turned into calls); empty for other kinds.
    python: str = ""
    #: Position among the code cells that are not empty, from 1; what ``cell:7`` means. 0 for all others.
    number: int = 0
    #: Position in the file, from 0.
    position: int = 0
    #: The execution count that was saved with it.
    count: int | None = None
    #: Texts of the results that were saved with it.
    shown: tuple[str, ...] = ()
    #: The cell ends in ``;`` and so shows nothing.
    quiet: bool = False
    #: First line of the cell in a .py file, from 1.
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """Ordered cells with their source and saved outputs."""

    path: Path
    kind: NotebookKind
    cells: tuple[Cell, ...]
    #: The kernel that the notebook names, if any.
    kernel: str | None = None
    #: Python version that it was saved under, if it says.
    saved_python: str | None = None

    @property
    def code(self) -> tuple[Cell, ...]:
        """The code cells that are not empty, in the order of the file."""
        return tuple(cell for cell in self.cells if cell.number)

    @property
    def executed_order(self) -> tuple[Cell, ...] | None:
        """The code cells by execution count, where all have one, all differ and the order is not the file's."""
        counts = [cell.count for cell in self.code]
        numbers = [count for count in counts if count is not None]
        if len(numbers) != len(counts) or len(set(numbers)) != len(numbers) or numbers == sorted(numbers):
            return None
        return tuple(sorted(self.code, key=lambda cell: cell.count or 0))
