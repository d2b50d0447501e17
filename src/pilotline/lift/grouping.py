"""Group the pieces of a slice into steps with few names between them.

The pieces keep their order, so a grouping is a set of cuts. Each range of pieces has a price: the names it takes and
gives, and how far it is from a readable size; cuts at headings and between cells are cheaper than inside a cell. The
cheapest set of cuts is found by dynamic programming. A cut is forbidden where a value would have to cross that
cannot travel, or two values that one later statement changes together.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.guest.names import is_builtin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.recordings import Info
    from pilotline.lift.layout import Layout, Piece
    from pilotline.lift.parts import Part, Parts

_WINDOW = 80
_READABLE = 8
_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The pieces of one step and the names that it takes and gives."""

    pieces: tuple[Piece, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    #: Inputs that it changes in place: the step works on a copy.
    copies: tuple[str, ...]
    #: Definitions that are repeated in it.
    definitions: tuple[str, ...]
    parameters: tuple[str, ...]

    @property
    def lines(self) -> int:
        """Lines of code of its pieces."""
        return sum(piece.part.code_lines for piece in self.pieces)

    @property
    def cells(self) -> tuple[int, ...]:
        """Numbers of the cells that it comes from."""
        return tuple(sorted({piece.part.cell for piece in self.pieces}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    uses: frozenset[str]
    makes: frozenset[str]
    renews: frozenset[str]


def group(
    layout: Layout, parts: Parts, wanted: frozenset[str], headings: Mapping[int, str], *, merged: frozenset[int]
) -> list[Group]:
    """Steps for the body of a layout.

    Args:
        layout: what is left for steps.
        parts: of the notebook.
        wanted: names that have to come out at the end.
        headings: cell number -> heading that stands right above it.
        merged: indexes of pieces before which no cut may be made (an earlier try went wrong there).
    """
    pieces = layout.body
    if not pieces:
        return []
    flows = [_flow(layout, piece) for piece in pieces]
    live = _live(flows, wanted)
    made = _made(flows)
    count = len(pieces)
    allowed = [
        position == 0
        or (position not in merged and _may_cut(layout, parts, pieces, live[position] & made[position], position))
        for position in range(count)
    ]
    if any(one.part.seen.settings and _sets(one.part) for one in pieces):
        first = next(i for i, one in enumerate(pieces) if _sets(one.part))
        allowed[first + 1 :] = [False] * (count - first - 1)
    ends = _cheapest(layout, pieces, flows, live, made, allowed, headings)
    groups: list[Group] = []
    start = 0
    for end in ends:
        groups.append(_group(layout, parts, pieces[start:end], flows[start:end], live[end], made[start]))
        start = end
    return groups


def _sets(part: Part) -> bool:
    return any(name.startswith("setting:") for name in part.makes)


def _flow(layout: Layout, piece: Piece) -> _Flow:
    local = set(layout.local_definitions)
    own = {piece.shown_as} if piece.shown_as else set[str]()
    own |= set(piece.writes)
    return _Flow(
        uses=frozenset(piece.uses - local),
        makes=frozenset((piece.makes - local) | own),
        renews=frozenset((piece.renews - local) | own),
    )


def _live(flows: Sequence[_Flow], wanted: frozenset[str]) -> list[set[str]]:
    """``live[i]``: names needed by piece i and what follows."""
    live: list[set[str]] = [set(wanted)]
    for flow in reversed(flows):
        live.append((live[-1] - flow.renews) | flow.uses)
    live.reverse()
    return live


def _made(flows: Sequence[_Flow]) -> list[set[str]]:
    """``made[i]``: names made by the pieces before i."""
    made: list[set[str]] = [set()]
    for flow in flows:
        made.append(made[-1] | flow.makes)
    return made


def _may_cut(layout: Layout, parts: Parts, pieces: Sequence[Piece], crossing: set[str], at: int) -> bool:
    before = pieces[at].part.position
    infos = {name: parts.info(name, before) for name in crossing}
    if any(not _travels(layout, info) for info in infos.values() if info is not None):
        return False
    pairs = {
        frozenset({name, other})
        for name, info in infos.items()
        if info is not None
        for other in info.shares
        if other in crossing
    }
    if pairs:
        for piece in pieces[at:]:
            changed = set(piece.part.seen.changes)
            if isinstance(piece.part.node, ast.AugAssign):
                changed |= piece.part.seen.binds
            if any(pair <= changed for pair in pairs):
                return False
    written = {path for piece in pieces[:at] for path in piece.part.seen.writes_files}
    read = {path for piece in pieces[at:] for path in (*piece.part.seen.reads_files, *piece.part.seen.removes_files)}
    return not written & read


def _travels(layout: Layout, info: Info) -> bool:
    if info.holds or info.type == "module":
        return False
    fixed = layout.module_names
    return all(name in fixed for name in (*info.functions, *info.classes))


def _cheapest(
    layout: Layout,
    pieces: Sequence[Piece],
    flows: Sequence[_Flow],
    live: Sequence[set[str]],
    made: Sequence[set[str]],
    allowed: Sequence[bool],
    headings: Mapping[int, str],
) -> list[int]:
    """End positions of the steps of the cheapest grouping."""
    count = len(pieces)
    best: list[tuple[float, int]] = [(0.0, -1)] + [(_NEVER, -1)] * count
    for end in range(1, count + 1):
        if end < count and not allowed[end]:
            continue
        needs: set[str] = set(live[end])
        defined: set[str] = set()
        inside: set[str] = set()
        lines = 0
        for start in range(end - 1, -1, -1):
            flow = flows[start]
            lines += pieces[start].part.code_lines
            defined |= flow.makes
            inside = (inside - flow.renews) | flow.uses
            needs = inside
            if end - start > _WINDOW and allowed[start] and best[end][0] < _NEVER:
                break
            if not allowed[start] or best[start][0] == _NEVER:
                continue
            inputs = len(needs & made[start])
            outputs = len(defined & live[end])
            if start == 0 and end == count and count > 1 and any(allowed[1:]):
                continue
            price = best[start][0] + _price(inputs, outputs, lines, end - start)
            if start > 0:
                price += _cut_price(pieces[start - 1], pieces[start], headings)
            if _shadows(layout, pieces[start:end], needs & made[start]):
                price += 1000.0
            if price < best[end][0]:
                best[end] = (price, start)
    ends: list[int] = []
    position = count
    while position > 0:
        ends.append(position)
        position = best[position][1]
    ends.reverse()
    return ends


def _price(inputs: int, outputs: int, lines: int, pieces: int) -> float:
    price = 1.4 + 0.7 * inputs + 0.9 * outputs + 0.6 * max(0, inputs - 3) ** 1.5 + 0.8 * max(0, outputs - 1) ** 1.5
    price += 0.1 * max(0, lines - _READABLE) ** 1.6
    if outputs == 0:
        price += 4.0
    return price + (0.7 if pieces == 1 and lines <= 1 else 0.0)


def _cut_price(before: Piece, after: Piece, headings: Mapping[int, str]) -> float:
    if before.part.cell == after.part.cell:
        return 1.2
    between = range(min(before.part.cell, after.part.cell) + 1, max(before.part.cell, after.part.cell) + 1)
    return -1.2 if any(cell in headings for cell in between) else 0.0


def _shadows(layout: Layout, pieces: Sequence[Piece], inputs: set[str]) -> bool:
    """A name that the step binds is one of Python's or the module's, and is read before: it would be local."""
    bound: set[str] = set(inputs)
    every = {name for piece in pieces for name in piece.part.names.binds}
    suspects = {name for name in every if is_builtin(name) or name in layout.fixed}
    if not suspects:
        return False
    for piece in pieces:
        if any(name in suspects and name not in bound for name in piece.part.names.reads):
            return True
        bound |= piece.part.names.binds
    return False


def _group(
    layout: Layout,
    parts: Parts,
    pieces: Sequence[Piece],
    flows: Sequence[_Flow],
    live_after: set[str],
    made_before: set[str],
) -> Group:
    needs = set[str]()
    order: list[str] = []
    defined: list[str] = []
    for flow in reversed(flows):
        needs = (needs - flow.renews) | flow.uses
    # A name bound only on some paths, or only changed, keeps the value that came in on the others.
    bound = set[str]()
    for flow in flows:
        for name in sorted(flow.uses):
            if name in needs and name in made_before and name not in order:
                order.append(name)
        for name in sorted(flow.makes):
            if name in live_after and name not in defined:
                defined.append(name)
            if (
                name in live_after
                and name not in flow.renews
                and name not in bound
                and name in made_before
                and name not in order
            ):
                order.append(name)
        bound |= flow.renews
    copies = _copies(parts, pieces, flows, set(order))
    definitions: list[str] = []
    for piece in pieces:
        for name in sorted(piece.uses | piece.part.names.reads):
            _add_definition(layout, name, definitions)
    parameters = list(dict.fromkeys(name for piece in pieces for name in piece.parameters))
    for name in definitions:
        parameters += [one for one in layout.local_definitions[name].parameters if one not in parameters]
    return Group(
        pieces=tuple(pieces),
        inputs=tuple(order),
        outputs=tuple(defined),
        copies=tuple(copies),
        definitions=tuple(definitions),
        parameters=tuple(parameters),
    )


def _add_definition(layout: Layout, name: str, into: list[str]) -> None:
    piece = layout.local_definitions.get(name)
    if piece is None or name in into:
        return
    into.append(name)
    from pilotline.lift.parts import free_in

    for other in sorted(free_in(piece.part)):
        _add_definition(layout, other, into)


def _copies(parts: Parts, pieces: Sequence[Piece], flows: Sequence[_Flow], inputs: set[str]) -> list[str]:
    """Inputs that the pieces change in place while they still are the caller's object."""
    found: list[str] = []
    theirs = set(inputs)
    for piece, flow in zip(pieces, flows, strict=True):
        changed = set(piece.part.seen.changes) | (set(piece.part.seen.unsure) & set(piece.part.seen.reads))
        node = piece.part.node
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            info = parts.info(node.target.id, piece.part.position)
            if info is None or info.mutable:
                changed.add(node.target.id)
        for name in sorted(changed & theirs):
            if name not in found:
                found.append(name)
        theirs -= flow.renews
    return found
