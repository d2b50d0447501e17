"""The lineage of a column as a page: tables as boxes with the columns that take part, lines between columns."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from pilotline.lake.diff_page import framed, wide
from pilotline.run.columns.edges import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pilotline.run.columns.asking import ColumnTree, Link
    from pilotline.run.columns.edges import Source

__all__ = ["columns_page"]

_ROW: Final = 24
_HEAD: Final = 30
_GAP_X: Final = 110
_GAP_Y: Final = 26
_LETTER: Final = 7.2
_STYLE: Final = """
main{max-width:1400px}
svg{font:13px ui-sans-serif,system-ui,sans-serif}svg text{fill:var(--ink)}svg .kind{fill:var(--dim);font-size:11px}
svg rect{fill:var(--card);stroke:var(--dim);stroke-width:1.2}svg .table rect{stroke:#5b9b74;stroke-width:1.6}
svg .asked{font-weight:700;fill:#2467b3}svg path{fill:none;stroke:#2467b3;stroke-width:1.5}
svg path.indirect{stroke:var(--dim);stroke-dasharray:5 4;stroke-width:1.1}li{margin:2px 0}
"""


def columns_page(above: ColumnTree, below: ColumnTree) -> str:
    """One HTML file that needs nothing else.

    Args:
        above: what the column was made of.
        below: what was made of it.
    """
    title = f"Lineage of {above.source.name}.{above.column}"
    edges: dict[tuple[tuple[Source, str], tuple[Source, str]], tuple[str, ...]] = {}
    for tree, link in _links(above):
        edges[(link.to.source, link.to.column), (tree.source, tree.column)] = link.kinds
    for tree, link in _links(below):
        edges[(tree.source, tree.column), (link.to.source, link.to.column)] = link.kinds
    hidden = [*_hidden(above), *_hidden(below)]
    listed = "".join(f"<li>{escape(each)}</li>" for each in dict.fromkeys(hidden))
    said = f"<section><h2>Not shown</h2><ul>{listed}</ul></section>" if listed else ""
    head = (
        f"<h1>{escape(title)}</h1><p>What it was made of, left; what is made of it, right. Lines: values went along;"
        f" dashed: it decided something, such as which rows there are.</p>"
    )
    return framed(
        title, head, f"<section>{wide(_svg((above.source, above.column), edges))}</section>{said}", style=_STYLE
    )


def _links(tree: ColumnTree) -> Iterator[tuple[ColumnTree, Link]]:
    for branch in tree.by:
        for link in branch.links:
            yield tree, link
            yield from _links(link.to)


def _hidden(tree: ColumnTree) -> Iterator[str]:
    for branch in tree.by:
        for column, gap in branch.not_shown:
            where = f"{branch.made.pipeline}, step {gap.step}, line {gap.line}" if gap.step else branch.made.pipeline
            yield f"{column or f'{tree.source.name}.{tree.column}'}: {gap.why} ({where})"
        for link in branch.links:
            yield from _hidden(link.to)


def _svg(
    asked: tuple[Source, str], edges: Mapping[tuple[tuple[Source, str], tuple[Source, str]], Sequence[str]]
) -> str:
    columns: dict[Source, list[str]] = {asked[0]: [asked[1]]}
    for ends in edges:
        for source, column in ends:
            held = columns.setdefault(source, [])
            if column not in held:
                held.append(column)
    layers = _layers(columns, [(start[0], end[0]) for start, end in edges])
    places: dict[tuple[Source, str], tuple[float, float, float]] = {}
    boxes: list[str] = []
    x, height = 12.0, 0.0
    for layer in range(max(layers.values()) + 1):
        y, width = 12.0, 0.0
        here = sorted((source for source, at in layers.items() if at == layer), key=lambda source: source.name)
        for source in here:
            texts = [source.name, *map(_said, columns[source])]
            width = max(width, 28 + _LETTER * max(map(len, texts)))
        for source in here:
            tall = _HEAD + _ROW * len(columns[source])
            boxes.append(f'<g class="{source.kind}"><rect x="{x}" y="{y}" width="{width:.0f}" height="{tall}" rx="8"/>')
            boxes.append(f'<text x="{x + 12}" y="{y + 20}">{escape(source.name)}</text>')
            for number, column in enumerate(columns[source]):
                line = y + _HEAD + _ROW * number
                mark = "asked" if (source, column) == asked else "kind"
                boxes.append(f'<text class="{mark}" x="{x + 12}" y="{line + 15}">{escape(_said(column))}</text>')
                places[source, column] = (x, line + 11, x + width)
            boxes.append("</g>")
            y += tall + _GAP_Y
        height = max(height, y)
        x += width + _GAP_X
    lines = [_line(places[start], places[end], kinds) for (start, end), kinds in edges.items()]
    wide = x - _GAP_X + 12
    return f'<svg width="{wide:.0f}" height="{height:.0f}" viewBox="0 0 {wide:.0f} {height:.0f}">{"".join(lines + boxes)}</svg>'


def _said(column: str) -> str:
    return "all columns" if column == ANY else column


def _line(start: tuple[float, float, float], end: tuple[float, float, float], kinds: Sequence[str]) -> str:
    x, y, to_x, to_y = start[2], start[1], end[0], end[1]
    middle = (x + to_x) / 2
    mark = "" if kinds[0] in {"IDENTITY", "TRANSFORMATION", "AGGREGATION"} else ' class="indirect"'
    words = escape(", ".join(kinds).lower().replace("_", " "))
    return f'<path{mark} d="M{x:.0f} {y:.0f}C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"><title>{words}</title></path>'


def _layers(columns: Mapping[Source, Sequence[str]], pairs: Sequence[tuple[Source, Source]]) -> dict[Source, int]:
    """How far from the left each table stands: behind all that it was made of; a circle ends where it would go on."""
    layers = dict.fromkeys(columns, 0)
    for _ in range(len(columns)):
        for start, end in pairs:
            if start != end and layers[end] <= layers[start] < len(columns):
                layers[end] = layers[start] + 1
    return layers
