"""The graph of a pipeline as SVG: inputs, steps and outputs in columns from left to right.

Within a column boxes are sorted by where the boxes before them stand, which leaves few lines crossing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pilotline.domain.pipelines import FromParameter, FromResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.domain.pipelines import Pipeline

__all__ = ["Graph", "Node", "graph_of", "svg"]

Kind: TypeAlias = Literal["input", "step", "output"]

_HEIGHT: Final = 44
_ROW: Final = 64
_GAP: Final = 40
_LETTER: Final = 7.4
_MARGIN: Final = 12
#: How far above the boxes a line bends that would be hidden behind one.
_BOW: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box."""

    id: str
    kind: Kind
    title: str
    #: A second, smaller line.
    below: str = ""
    #: computed, reused, failed: how it is drawn.
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Boxes and arrows."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Placed:
    node: Node
    column: int
    width: float
    x: float = 0.0
    y: float = 0.0
    before: list[str] = field(default_factory=list[str])


def graph_of(pipeline: Pipeline, parameters: Mapping[str, object], below: Mapping[str, tuple[str, str]]) -> Graph:
    """The graph of a pipeline.

    Args:
        pipeline: whose steps are drawn.
        parameters: values, by name.
        below: step or output -> (state, second line).
    """
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    shown = {each.name for each in pipeline.parameters if each.kind != "value"}
    for each in pipeline.parameters:
        if each.name in shown:
            value = parameters.get(each.name)
            nodes.append(Node(id=f"in:{each.name}", kind="input", title=str(value or each.name), below=each.kind))
    for step in pipeline.steps:
        state, text = below.get(step.name, ("", ""))
        nodes.append(Node(id=f"step:{step.name}", kind="step", title=step.name, below=text, state=state))
        for argument in step.arguments.values():
            if isinstance(argument, FromResult):
                edges.append((f"step:{argument.step}", f"step:{step.name}"))
            elif isinstance(argument, FromParameter) and argument.name in shown:
                edges.append((f"in:{argument.name}", f"step:{step.name}"))
    for output in pipeline.outputs:
        state, text = below.get(f"output {output.name}", ("", ""))
        nodes.append(Node(id=f"out:{output.name}", kind="output", title=output.name, below=text, state=state))
        if isinstance(output.value, FromResult):
            edges.append((f"step:{output.value.step}", f"out:{output.name}"))
        elif output.value.name in shown:
            edges.append((f"in:{output.value.name}", f"out:{output.name}"))
    used = {end for edge in edges for end in edge}
    kept = tuple(node for node in nodes if node.kind == "step" or node.id in used)
    return Graph(nodes=kept, edges=tuple(dict.fromkeys(edges)))


def svg(graph: Graph, *, styled: bool = True) -> str:
    """The graph as one SVG element.

    Args:
        graph: what to draw.
        styled: with a style of its own; else the page around it has one.
    """
    placed = _place(graph)
    width = max((one.x + one.width for one in placed.values()), default=0) + _MARGIN
    height = max((one.y + _HEIGHT for one in placed.values()), default=0) + _MARGIN
    joined = [(placed[start], placed[end]) for start, end in graph.edges if start in placed and end in placed]
    bowed = [_hidden(start, end, placed.values()) for start, end in joined]
    top = _BOW if any(bowed) else 0
    lines = [
        f'<svg class="graph" xmlns="http://www.w3.org/2000/svg" viewBox="0 {-top} {width:.0f} {height + top:.0f}"',
        # A page that is narrower shrinks it, as long as it can be read.
        f' width="{width:.0f}" height="{height + top:.0f}" style="min-width:{width * 0.68:.0f}px"',
        ' role="img" aria-label="the steps of the pipeline">',
    ]
    if styled:
        lines.append(f"<style>{_STYLE}</style>")
    lines += [_edge(start, end, bow=bow) for (start, end), bow in zip(joined, bowed, strict=True)]
    lines += [_box(one) for one in placed.values()]
    return "\n".join([*lines, "</svg>"])


def _place(graph: Graph) -> dict[str, _Placed]:
    before: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for start, end in graph.edges:
        if start in before and end in before:
            before[end].append(start)
    columns: dict[str, int] = {}
    for node in graph.nodes:  # they come in an order in which all that a node needs stands before it
        columns[node.id] = max(
            (columns[each] + 1 for each in before[node.id]), default=0 if node.kind == "input" else 1
        )
    last = max(columns.values(), default=0)
    for node in graph.nodes:
        if node.kind == "output":
            columns[node.id] = last
        elif node.kind == "input":
            after = [columns[end] for start, end in graph.edges if start == node.id and end in columns]
            columns[node.id] = min(after, default=1) - 1
    placed = {
        node.id: _Placed(node=node, column=columns[node.id], width=_width(node), before=before[node.id])
        for node in graph.nodes
    }
    x = float(_MARGIN)
    rows: dict[str, float] = {}
    for column in range(last + 1):
        inside = [one for one in placed.values() if one.column == column]
        inside.sort(key=lambda one: _centre(one.before, rows))
        wide = max((one.width for one in inside), default=0)
        for row, one in enumerate(inside):
            rows[one.node.id] = row
            one.x, one.y = x, _MARGIN + row * _ROW
            one.width = wide
        x += wide + _GAP if inside else 0
    tallest = max((rows[one] for one in rows), default=0)
    for column in range(last + 1):
        inside = [one for one in placed.values() if one.column == column]
        for one in inside:
            one.y += (tallest + 1 - len(inside)) * _ROW / 2
    return placed


def _centre(before: Sequence[str], rows: Mapping[str, float]) -> float:
    known = [rows[each] for each in before if each in rows]
    return sum(known) / len(known) if known else 0.0


def _width(node: Node) -> float:
    return min(max(len(_cut(node.title, 34)) * _LETTER, len(_cut(node.below, 40)) * _LETTER * 0.82, 60) + 26, 300)


def _hidden(start: _Placed, end: _Placed, placed: Iterable[_Placed]) -> bool:
    """Whether a straight line between two boxes would run behind another one."""
    if abs(start.y - end.y) > 1:
        return False
    return any(start.column < one.column < end.column and abs(one.y - start.y) < _HEIGHT for one in placed)


def _edge(start: _Placed, end: _Placed, *, bow: bool) -> str:
    x1, y1 = start.x + start.width, start.y + _HEIGHT / 2
    x2, y2 = end.x, end.y + _HEIGHT / 2
    if bow:
        over = y1 - _HEIGHT / 2 - _BOW
        return f'<path class="edge" d="M{x1:.0f},{y1:.0f} C{x1 + _GAP:.0f},{over:.0f} {x2 - _GAP:.0f},{over:.0f} {x2:.0f},{y2:.0f}"/>'
    middle = (x1 + x2) / 2
    return f'<path class="edge" d="M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"/>'


def _box(one: _Placed) -> str:
    node = one.node
    round_ = {"input": 4, "step": 8, "output": _HEIGHT / 2}[node.kind]
    title_y = one.y + (_HEIGHT / 2 + 5 if not node.below else 19)
    parts = [
        f'<g class="node {node.kind} {escape(node.state)}"><title>{escape(node.title)} {escape(node.below)}</title>',
        f'<rect x="{one.x:.0f}" y="{one.y:.0f}" width="{one.width:.0f}" height="{_HEIGHT}" rx="{round_:.0f}"/>',
        f'<text x="{one.x + one.width / 2:.0f}" y="{title_y:.0f}">{escape(_cut(node.title, 34))}</text>',
    ]
    if node.below:
        text = escape(_cut(node.below, 40))
        parts.append(f'<text class="below" x="{one.x + one.width / 2:.0f}" y="{one.y + 35:.0f}">{text}</text>')
    return "".join([*parts, "</g>"])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else "..." + text[-most + 3 :]


_STYLE: Final = """
.graph{font:13px ui-sans-serif,system-ui,sans-serif}.graph text{text-anchor:middle;fill:#1b2733}
.graph .below{font-size:11px;fill:#5c6b7a}.graph rect{fill:#fff;stroke:#8fa3b5;stroke-width:1.2}
.graph .input rect{fill:#f3f6f9}.graph .output rect{fill:#eaf4ee;stroke:#5b9b74}
.graph .computed rect{stroke:#2467b3;stroke-width:1.8}.graph .reused rect{stroke-dasharray:4 3}
.graph .failed rect{fill:#fdecea;stroke:#c0392b;stroke-width:1.8}.graph .edge{fill:none;stroke:#a9b8c6;stroke-width:1.4}
"""
