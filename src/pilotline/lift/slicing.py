"""Backward slices: which statements a wanted value needs, and why the others were left behind.

Walking back from the end, ``live`` holds what is still needed. A part is kept when it makes something live; what it
renews wholly is needed no longer, what it uses is needed from there on. A name that is changed through an alias is
made by the part that changed it, because the recorder names every alias.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.lift.parts import Part, Parts
    from pilotline.lift.wanted import Wanted

Rung = Literal["steps", "cells", "prefix"]

_DRAWS = (
    "plt.",
    "sns.",
    ".plot(",
    ".plot.",
    ".hist(",
    ".boxplot(",
    ".scatter(",
    "ax.",
    "fig.",
    "px.",
    ".show()",
    ".savefig(",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One part of a slice."""

    part: Part
    #: What was needed of what it makes.
    needed: frozenset[str]
    #: It showed a wanted value.
    shows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """A cell, or lines of one, that nothing wanted needs."""

    cell: int
    lines: int
    whole: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The parts that the wanted values need, in order of execution."""

    kept: tuple[Kept, ...]
    left_behind: tuple[LeftBehind, ...]
    #: Needed names that nothing in the notebook makes.
    missing: frozenset[str] = frozenset()


def slice_for(parts: Parts, wanted: Sequence[Wanted], rung: Rung) -> Slice:
    """The slice for some wanted values.

    Args:
        parts: of the recorded notebook.
        wanted: names at the end, values shown by cells, files written.
        rung: ``steps`` keeps single statements, ``cells`` whole cells, ``prefix`` all cells up to the last one needed.
    """
    shown_by = {one.position for one in wanted if one.position is not None}
    forced: set[int] = set()
    kept = _walk(parts, wanted, shown_by, forced)
    if rung != "steps":
        while True:
            cells = {one.part.cell for one in kept}
            if rung == "prefix":
                last = max((one.part.position for one in kept), default=-1)
                now = {part.position for part in parts.all if part.position <= last}
            else:
                now = {part.position for part in parts.all if part.cell in cells}
            now = {position for position in now if not _is_plain_magic(parts.all[position])}
            if now <= forced:
                break
            forced |= now
            kept = _walk(parts, wanted, shown_by, forced)
    made = {name for part in parts.all for name in part.makes}
    missing = {name for one in wanted for name in one.resources if name not in made}
    return Slice(kept=tuple(kept), left_behind=tuple(_left_behind(parts, kept)), missing=frozenset(missing))


def _walk(parts: Parts, wanted: Sequence[Wanted], shown_by: set[int], forced: set[int]) -> list[Kept]:
    live: set[str] = {name for one in wanted if one.position is None for name in one.resources}
    kept: list[Kept] = []
    settings = False
    for part in reversed(parts.all):
        needed = {name for name in part.makes if name in live}
        if settings:
            needed |= {name for name in part.makes if name.startswith("setting:")}
        if part.is_import and _is_for_its_effect(part.node) and kept:
            needed.add("setting:import")
        shows = part.position in shown_by
        if not needed and not shows and part.position not in forced:
            continue
        live -= part.renews
        uses = part.uses
        if not isinstance(part.node, ast.Import | ast.ImportFrom):
            settings = True
        live |= uses
        kept.append(Kept(part=part, needed=frozenset(needed), shows=shows))
    kept.reverse()
    return kept


def _is_for_its_effect(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and ".experimental" in (node.module or "")


def _is_plain_magic(part: Part) -> bool:
    """A magic or shell line that binds nothing: there is nothing in it that a pipeline could do."""
    return "get_ipython()" in part.text and not part.makes


def _left_behind(parts: Parts, kept: Sequence[Kept]) -> list[LeftBehind]:
    positions = {one.part.position for one in kept}
    by_cell: dict[int, list[Part]] = {}
    for part in parts.all:
        by_cell.setdefault(part.cell, []).append(part)
    readers = _readers(parts, positions)
    found: list[LeftBehind] = []
    for number, members in by_cell.items():
        lost = [part for part in members if part.position not in positions]
        if not lost:
            continue
        reasons: list[str] = []
        for part in lost:
            reason = _reason(parts, part, readers)
            if reason not in reasons:
                reasons.append(reason)
        found.append(
            LeftBehind(
                cell=number,
                lines=sum(part.code_lines for part in lost),
                whole=len(lost) == len(members),
                reason="; ".join(reasons[:3]),
            )
        )
    return found


def _readers(parts: Parts, positions: set[int]) -> Mapping[int, str]:
    """For each part left behind that binds names: what became of them."""
    fates: dict[int, str] = {}
    for part in parts.all:
        if part.position in positions:
            continue
        names = {name for name in part.makes if ":" not in name}
        if not names:
            continue
        fate = ""
        for later in parts.all[part.position + 1 :]:
            if names & later.uses:
                fate = f"only used by what was left behind (cell {later.cell})"
                break
            hidden = sorted(names & later.renews)
            if hidden and not names - later.renews:
                fate = f"{hidden[0]} is overwritten in cell {later.cell}"
                break
        fates[part.position] = fate or "never used"
    return fates


def _reason(parts: Parts, part: Part, fates: Mapping[int, str]) -> str:
    text = part.text
    if part.is_import:
        return "import not needed"
    if part.seen.installs:
        return "installs a package: that is a dependency now"
    if "get_ipython()" in text:
        return "magic or shell line"
    if any(parts.is_figure(name, part.position + 1) for name in part.makes | part.uses) or any(
        mark in text for mark in _DRAWS
    ):
        return "only draws"
    if part.position in fates:
        return fates[part.position]
    if part.seen.settings:
        return "only sets how things look"
    if part.seen.shown is not None or isinstance(part.node, ast.Expr):
        return "only shows a value"
    return "not needed"
