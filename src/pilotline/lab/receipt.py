"""The receipt of a lift: what was needed, what was left behind, what is proven and what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pilotline.lift.naming import cells_said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pilotline.lift.slicing import LeftBehind, Rung
    from pilotline.lift.writing import WrittenStep

Verdict = Literal["equal", "different", "not_deterministic", "not_compared"]
#: Which cell it was that used it: of interest for one cell, not for a list of them.
_WHERE = re.compile(r" \(cell \d+\)$")
_MARKS: Mapping[str, str] = {"equal": "=", "different": "≠", "not_deterministic": "~", "not_compared": "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptOutput:
    """One wanted value and what the proof says of it."""

    name: str
    of: str
    cell: int
    verdict: Verdict
    why: str = ""

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {"name": self.name, "of": self.of, "cell": self.cell, "verdict": self.verdict, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """Something that the user should know of, with a code that has a page."""

    code: str
    message: str
    cell: int | None = None
    line: int | None = None

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {"code": self.code, "message": self.message, "cell": self.cell, "line": self.line}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All that a lift has to say."""

    notebook: str
    status: Literal["proven", "refused"]
    rung: Rung | None
    module: str | None
    files: tuple[str, ...] = ()
    outputs: tuple[ReceiptOutput, ...] = ()
    lines_total: int = 0
    lines_kept: int = 0
    cells_total: int = 0
    cells_kept: int = 0
    steps: tuple[WrittenStep, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    seconds: float = 0.0
    #: What was compared with what.
    proofs: tuple[str, ...] = ()
    #: What could not be compared, and why.
    not_proven: tuple[str, ...] = ()
    interpreter: str = ""
    order: str = ""
    #: What was written over, as a difference.
    changed: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Environment variables that the pipeline reads its credentials from.
    secrets: tuple[str, ...] = ()
    try_next: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The object that ``lift --json`` prints; documented in docs/reference/lift-json.md."""
        return {
            "status": self.status,
            "notebook": self.notebook,
            "rung": self.rung,
            "module": self.module,
            "files": list(self.files),
            "outputs": [one.as_json() for one in self.outputs],
            "lines": {"total": self.lines_total, "kept": self.lines_kept},
            "cells": {"total": self.cells_total, "kept": self.cells_kept},
            "steps": [
                {"name": one.name, "inputs": list(one.inputs), "outputs": list(one.outputs), "cells": list(one.cells)}
                for one in self.steps
            ],
            "left_behind": [
                {"cell": one.cell, "lines": one.lines, "whole": one.whole, "reason": one.reason}
                for one in self.left_behind
            ],
            "diagnostics": [one.as_json() for one in self.diagnostics],
            "proofs": list(self.proofs),
            "not_proven": list(self.not_proven),
            "secrets": list(self.secrets),
            "interpreter": self.interpreter,
            "order": self.order,
            "seconds": round(self.seconds, 3),
        }

    def as_text(self) -> str:
        """What the terminal shows."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        kept = f"{self.cells_kept} of {self.cells_total} cells, {self.lines_kept} of {self.lines_total} lines"
        if self.status == "proven":
            how = {"steps": "", "cells": ", whole cells", "prefix": ", everything up to the last cell needed"}
            yield f"{self.notebook} -> {self.module}   ({kept}{how[self.rung or 'steps']})"
        else:
            yield f"{self.notebook}: refused, nothing was written"
        yield f"ran with {self.interpreter}" + (f"; {self.order}" if self.order else "")
        if self.steps and self.status == "proven":
            yield from self._steps()
        if self.outputs:
            yield ""
            yield "Proof"
            width = max(len(one.name) for one in self.outputs)
            for one in self.outputs:
                why = f"   {one.why}" if one.why else ""
                what = one.verdict.replace("_", " ")
                yield f"  {_MARKS[one.verdict]} {one.name:<{width}}  {what:<17} cell {one.cell}: {_cut(one.of, 60)}{why}"
            yield from (f"  {line}" for line in self.proofs)
            yield from (f"  not proven: {line}" for line in self.not_proven)
        if self.left_behind and self.status == "proven":
            yield ""
            yield "Left behind"
            for reason, cells in self._reasons():
                yield f"  {_cut(reason, 90)}: {cells}"
        for one in self.diagnostics:
            where = f" (cell {one.cell}" + (f", line {one.line})" if one.line else ")") if one.cell else ""
            where = "" if f"Cell {one.cell}, line" in one.message else where
            yield ""
            yield f"{one.code}{where}: {one.message}"
        for path, change in self.changed.items():
            yield ""
            yield f"{path} was there before; this changed:"
            yield change
        if self.try_next:
            yield ""
            yield "Next"
            yield from (f"  {line}" for line in self.try_next)

    def _steps(self) -> Iterator[str]:
        yield ""
        yield "Steps"
        width = max(len(one.name) for one in self.steps)
        for one in self.steps:
            flow = f"{', '.join(one.inputs) or '-'} -> {', '.join(one.outputs) or '-'}"
            yield f"  {one.name:<{width}}  {flow}   ({cells_said(one.cells)})"

    def _reasons(self) -> list[tuple[str, str]]:
        """Whole cells by their first reason; of the others only that something was left out."""
        by_reason: dict[str, list[int]] = {}
        for one in self.left_behind:
            if one.whole:
                reason = _WHERE.sub("", one.reason.split("; ")[0])
                by_reason.setdefault(reason, []).append(one.cell)
        parts = [one.cell for one in self.left_behind if not one.whole]
        rows = [(reason, cells_said(cells)) for reason, cells in by_reason.items()]
        return rows + ([("some lines", cells_said(parts))] if parts else [])


def _cut(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 3] + "..."
