"""A diff as a page: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Final

from pilotline.domain.numbers import amount, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.lake.diff import ColumnDiff, Diff, Spread, TableDiff

__all__ = ["WIDE", "diff_page", "framed", "sections", "wide", "without_rows"]

_CUT: Final = 60
#: Fewer numbers than these have no shape that would not tell one of them.
_MANY: Final = 20
_WIDTH: Final = 240
_HEIGHT: Final = 56
#: What is wider than the page scrolls by itself; a shade lies on the edge behind which there is more, and goes at the end.
WIDE: Final = """
.wide{overflow-x:auto;background:
linear-gradient(90deg,var(--card) 50%,transparent) 0 0/56px 100% no-repeat local,
linear-gradient(270deg,var(--card) 50%,transparent) 100% 0/56px 100% no-repeat local,
linear-gradient(90deg,rgba(70,95,125,.55),transparent) 0 0/20px 100% no-repeat scroll,
linear-gradient(270deg,rgba(70,95,125,.55),transparent) 100% 0/20px 100% no-repeat scroll}
@media print{.wide{background:none}}
"""
_STYLE: Final = """
:root{--ground:#f6f7f9;--card:#fff;--ink:#18222d;--dim:#66758a;--line:#dfe5ec;--old:#b3372b;--new:#2563a8;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--ground:#12171e;--card:#1a212b;--ink:#e5ebf2;--dim:#93a1b3;--line:#2c3644;--old:#f08b80;--new:#74b0f2}}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1100px;margin:0 auto;padding:36px 22px;display:flex;flex-direction:column;gap:18px}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:0 0 8px}h3{font-size:13px;color:var(--dim);margin:16px 0 6px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;min-width:0}
p{margin:0;color:var(--dim)}b.old,.old{color:var(--old)}b.new,.new{color:var(--new)}
table{border-collapse:collapse}th{font-size:12px;font-weight:500;color:var(--dim);text-align:left}
th,td{padding:4px 16px 4px 0;border-bottom:1px solid var(--line);vertical-align:middle;white-space:nowrap}
td.many{white-space:normal;min-width:230px}
@media (max-width:600px){main{padding:20px 12px}section{padding:14px}td:first-child{white-space:normal}th,td{padding-right:10px}}
.share{display:inline-block;width:120px;height:8px;border-radius:4px;background:var(--line);overflow:hidden;margin-right:8px}
.share i{display:block;height:100%;background:var(--new)}
"""


def diff_page(found: Diff) -> str:
    """The page of a diff, its values escaped."""
    title = f"{found.before.branch} {found.before.id[:8]} → {found.after.branch} {found.after.id[:8]}"
    head = f'<h1>{escape(title)}</h1><p><b class="old">before</b> and <b class="new">after</b>, table by table</p>'
    return framed(title, head, sections(found.tables))


def framed(title: str, head: str, body: str, *, style: str = "") -> str:
    """A page in the house's colours, by day and by night, that needs nothing else.

    Args:
        title: as text.
        head: as HTML, above all.
        body: as HTML: sections.
        style: rules of its own.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{WIDE}{style}</style></head>'
        f"<body><main><header>{head}</header>{body}</main></body></html>"
    )


def wide(body: str) -> str:
    """A table or picture, as HTML, that may be wider than the page; it can be scrolled by the keyboard, too."""
    return f'<div class="wide" tabindex="0">{body}</div>'


def sections(tables: Iterable[TableDiff]) -> str:
    """A section for each table, for a page with the same style."""
    return "".join(map(_table, tables)) or "<section><p>no table differs</p></section>"


def without_rows(one: TableDiff) -> TableDiff:
    """The same without any row, cell or single value of the data: counts, and the shapes of many numbers, are left."""
    columns = tuple(
        replace(each, before=_shape(each.before), after=_shape(each.after))
        for each in one.columns
        if min(each.before.rows, each.after.rows) >= _MANY
    )
    return replace(one, added=(), removed=(), worst=(), columns=columns)


def _shape(spread: Spread) -> Spread:
    return replace(spread, frequent=(), marks=None, mean=None)


def _table(one: TableDiff) -> str:
    if one.change != "changed":
        rows = one.rows_after or one.rows_before
        return f"<section><h2>{escape(str(one.table))}</h2><p>{one.change}, {plural(rows, 'row')}</p></section>"
    counts = [
        f'<b class="new">{amount(one.rows_added)} added</b>',
        f'<b class="old">{amount(one.rows_removed)} removed</b>',
    ]
    if one.rows_changed is not None:
        counts.append(f"<b>{amount(one.rows_changed)} changed</b>")
    parts = [
        f"<h2>{escape(str(one.table))}</h2><p>{amount(one.rows_before)} → {plural(one.rows_after, 'row')}: {', '.join(counts)}</p>",
        "".join(f"<p>{escape(change)}</p>" for change in one.schema_changes),
    ]
    if one.equal:
        parts.append(
            "<h3>Share of rows with equal values</h3>"
            + wide(f"<table>{''.join(map(_share, one.equal.items()))}</table>")
        )
    if one.columns:
        marked = any(side.marks is not None for each in one.columns for side in (each.before, each.after))
        head = "<tr><th>column</th><th>before and after</th><th></th><th>NULL</th><th>different</th>"
        head += "<th>smallest … middle … greatest</th></tr>" if marked else "</tr>"
        lines = "".join(_column(each, marked=marked) for each in one.columns)
        parts.append(f"<h3>Values of the rows that differ</h3>{wide(f'<table>{head}{lines}</table>')}")
    if one.worst:
        cells = [
            f"<tr><td>{_said(cell.key)}</td><td>{escape(cell.column)}</td>"
            f'<td class="old">{_value(cell.before)}</td><td class="new">{_value(cell.after)}</td></tr>'
            for cell in one.worst
        ]
        parts.append("<h3>Cells that changed</h3>" + wide(f"<table>{''.join(cells)}</table>"))
    parts += [_rows("removed", "old", one.removed), _rows("added", "new", one.added)]
    return f"<section>{''.join(parts)}</section>"


def _share(item: tuple[str, float]) -> str:
    name, share = item
    return (
        f'<tr><td>{escape(name)}</td><td><span class="share"><i style="width:{share * 100:.2f}%"></i></span>'
        f"{share * 100:.4g} %</td></tr>"
    )


def _column(one: ColumnDiff, *, marked: bool) -> str:
    picture = _bars(one) if one.low is not None else _frequent(one)
    sides = ((one.before, "old"), (one.after, "new"))

    def both(values: Sequence[str]) -> str:
        return "<br>".join(
            f'<span class="{side}">{value}</span>' for value, (_, side) in zip(values, sides, strict=True)
        )

    return (
        f"<tr><td>{escape(one.name)}</td><td class='many'>{picture}</td><td>{both([plural(each.rows, 'row') for each, _ in sides])}</td>"
        f"<td>{both([amount(each.nulls) for each, _ in sides])}</td><td>{both([f'≈ {amount(each.distinct)}' for each, _ in sides])}</td>"
        + (f"<td>{both([_marks(each) for each, _ in sides])}</td></tr>" if marked else "</tr>")
    )


def _marks(spread: Spread) -> str:
    if spread.marks is None:
        return "-"
    low, _, middle, _, high = spread.marks
    return f"{low:.6g} … {middle:.6g} … {high:.6g}"


def _bars(one: ColumnDiff) -> str:
    """Both histograms over each other, on the same bins and the same scale."""
    most = max((*one.before.bars, *one.after.bars, 1))
    shapes: list[str] = []
    for bars, colour in ((one.before.bars, "var(--old)"), (one.after.bars, "var(--new)")):
        width = _WIDTH / max(len(bars), 1)
        shapes += [
            f'<rect x="{place * width:.1f}" y="{_HEIGHT - count / most * _HEIGHT:.1f}" width="{width - 1:.1f}"'
            f' height="{count / most * _HEIGHT:.1f}" fill="{colour}" opacity="0.55"/>'
            for place, count in enumerate(bars)
            if count
        ]
    told = f" from {one.low:.6g} to {one.high:.6g}" if one.before.marks or one.after.marks else ""
    label = f"{escape(one.name)}{told}, before and after"
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}">{"".join(shapes)}</svg>'


def _frequent(one: ColumnDiff) -> str:
    lines = [
        f'<span class="{side}">{", ".join(f"{_value(value)} ({amount(count)})" for value, count in spread.frequent) or "-"}</span>'
        for spread, side in ((one.before, "old"), (one.after, "new"))
    ]
    return "<br>".join(lines)


def _rows(what: str, side: str, rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f'<td class="{side}">{_value(value)}</td>' for value in row.values()) + "</tr>" for row in rows
    )
    return f"<h3>Some rows that were {what}</h3>" + wide(f"<table><tr>{head}</tr>{body}</table>")


def _said(key: Mapping[str, object]) -> str:
    return ", ".join(f"{escape(name)} {_value(value)}" for name, value in key.items())


def _value(value: object) -> str:
    text = "NULL" if value is None else str(value)
    if isinstance(value, datetime):
        text = text.removesuffix(" 00:00:00")
    return escape(text if len(text) <= _CUT else f"{text[:_CUT]}…")
