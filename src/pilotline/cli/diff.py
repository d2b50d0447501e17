"""Compare two branches or commits: tables, columns, rows, and with --key also cells.

pilotline diff                  what the last commit of main changed
pilotline diff run-7            what a branch changed, against the commit that it was opened on
pilotline diff main~3 main      two commits
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import UsageError
from pilotline.domain.tables import MAIN

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from pilotline.cli.terminal import Out
    from pilotline.lake.diff import Diff, Spread, TableDiff
    from pilotline.lake.lake import Lake

NAME = "diff"
_BLOCKS = " ▁▂▃▄▅▆▇█"
HELP = "compare two branches or commits, table by table, row by row"


def add_arguments(parser: ArgumentParser) -> None:
    """What against what, and which table."""
    parser.add_argument("before", nargs="?", metavar="A", help="a branch, commit, tag or time")
    parser.add_argument(
        "after", nargs="?", metavar="B", help="another; without it, A is compared with what it began on"
    )
    parser.add_argument("--table", metavar="TABLE", help="only this table")
    parser.add_argument("--key", action="append", default=[], metavar="COLUMN", help="what makes a row the same row")
    parser.add_argument(
        "--rtol", type=float, default=0.0, metavar="X", help="numbers this much apart, by their size, are equal"
    )
    parser.add_argument("--atol", type=float, default=0.0, metavar="X", help="numbers this far apart are equal")
    parser.add_argument("--spread", action="store_true", help="how the columns of rows that differ are spread")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with pictures")


def run(args: Namespace, out: Out) -> int:
    """Compare, and print."""
    from pilotline.cli.lakes import find_table, open_here, whole
    from pilotline.lake.diff import Tolerance, diff

    if (args.rtol or args.atol) and not args.key:
        raise UsageError(
            "pilotline diff: a tolerance needs --key, which says which rows are to be near each other.",
            try_next="pilotline diff --help",
        )
    lake, _ = open_here()
    before, after = _ends(lake, args.before, args.after)
    only = None
    if args.table:
        from pilotline.domain.tables import NoSuchTable

        try:
            only = [find_table(lake, args.table, lake.resolve(after)).table]
        except NoSuchTable:
            only = [find_table(lake, args.table, lake.resolve(before)).table]
    asked: list[str] = args.key or []
    keys = dict.fromkeys(only, asked) if only and asked else _keys(lake, before, after, args.key)
    found = diff(
        lake, before, after, whole, only=only, keys=keys, tolerance=Tolerance(relative=args.rtol, absolute=args.atol),
        spreads=args.spread or args.html is not None,
    )  # fmt: skip
    _print(found, out)
    if args.html is not None:
        from pilotline.lake.diff_page import diff_page

        out.write(args.html, diff_page(found))
    out.document(_as_json(found))
    return 0


def _ends(lake: Lake, before: str | None, after: str | None) -> tuple[str, str]:
    if before and after:
        return before, after
    if before is None:
        head = lake.resolve(MAIN)
        return (head.parent or head.id, head.id)
    commit = lake.resolve(before)
    if commit.branch != MAIN or any(
        branch.name == before for branch in lake.branches(every=True) if branch.name != MAIN
    ):
        return lake.branch(before).base, before
    return commit.parent or commit.id, commit.id


def _keys(lake: Lake, before: str, after: str, keys: Sequence[str]) -> Mapping[Any, Sequence[str]] | None:
    """The keys for every table that has them on both sides."""
    if not keys:
        return None
    sides = [{info.table: {each.name for each in info.columns} for info in lake.tables(ref)} for ref in (before, after)]
    return {table: keys for table, columns in sides[0].items()
            if set(keys) <= columns and set(keys) <= sides[1].get(table, set())}  # fmt: skip


def _print(found: Diff, out: Out) -> None:
    out.say(f"{found.before.id[:8]} ({found.before.branch})  →  {found.after.id[:8]} ({found.after.branch})")
    if not found.tables:
        out.say("no table differs")
    for one in found.tables:
        out.say()
        _print_table(one, out)


def _print_table(one: TableDiff, out: Out) -> None:
    from pilotline.domain.numbers import amount, plural

    name = out.styled(str(one.table), "bold")
    if one.change == "new":
        out.say(f"{name}  {out.styled('new', 'green')}, {plural(one.rows_after, 'row')}")
        return
    if one.change == "gone":
        out.say(f"{name}  {out.styled('gone', 'red')}, it had {plural(one.rows_before, 'row')}")
        return
    parts = [
        out.styled(f"+{amount(one.rows_added)}", "green") if one.rows_added else "",
        out.styled(f"-{amount(one.rows_removed)}", "red") if one.rows_removed else "",
        out.styled(f"~{amount(one.rows_changed)}", "yellow") if one.rows_changed else "",
    ]
    counted = " ".join(part for part in parts if part) or "the same rows"
    out.say(f"{name}  {counted}  ({amount(one.rows_before)} → {plural(one.rows_after, 'row')})")
    for change in one.schema_changes:
        out.say(f"  {change}")
    for mark, rows, count in (
        (out.styled("-", "red"), one.removed, one.rows_removed),
        (out.styled("+", "green"), one.added, one.rows_added),
    ):
        for row in rows:
            out.say(f"  {mark} {_row(row)}")
        if count > len(rows) > 0:
            out.say(f"  {mark} ... {plural(count - len(rows), 'more row')}")
    for column in one.columns:
        out.say(f"  {column.name}: {_spread(column.before)}  →  {_spread(column.after)}")
    for cell in one.worst:
        out.say(f"  ~ {_row(cell.key)}: {cell.column} {_value(cell.before)} → {_value(cell.after)}")


def _spread(spread: Spread) -> str:
    """One side of a column: the shape of its numbers, or its most frequent values."""
    nulls = f", {spread.nulls} NULL" if spread.nulls else ""
    if spread.marks is not None and spread.bars:
        most = max(spread.bars) or 1
        shape = "".join(_BLOCKS[round(count / most * (len(_BLOCKS) - 1))] for count in spread.bars)
        return f"{shape} {spread.marks[0]:.4g}…{spread.marks[4]:.4g}, mean {spread.mean:.4g}{nulls}"
    return (", ".join(f"{_value(value)} ({count})" for value, count in spread.frequent[:3]) or "no value") + nulls


def _row(row: Mapping[str, object]) -> str:
    return "  ".join(f"{name}={_value(value)}" for name, value in row.items())


def _value(value: object) -> str:
    from pilotline.cli.lakes import shown

    text = "NULL" if value is None else str(shown(value))
    return text if len(text) <= 40 else text[:37] + "..."


def _as_json(found: Diff) -> dict[str, object]:
    return {
        "before": found.before.id,
        "after": found.after.id,
        "tables": [
            {
                "table": str(one.table),
                "change": one.change,
                "rows_before": one.rows_before,
                "rows_after": one.rows_after,
                "rows_added": one.rows_added,
                "rows_removed": one.rows_removed,
                "rows_changed": one.rows_changed,
                "schema_changes": list(one.schema_changes),
                "added": [dict(row) for row in one.added],
                "removed": [dict(row) for row in one.removed],
                "equal": dict(one.equal) if one.equal else None,
                "worst": [
                    {"key": dict(cell.key), "column": cell.column, "before": cell.before, "after": cell.after}
                    for cell in one.worst
                ],
                "columns": [
                    {
                        "column": each.name,
                        "type": each.type,
                        "low": each.low,
                        "high": each.high,
                        "before": asdict(each.before),
                        "after": asdict(each.after),
                    }
                    for each in one.columns
                ],
            }
            for one in found.tables
        ],
    }
