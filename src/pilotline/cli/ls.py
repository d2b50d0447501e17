"""List the tables of a branch, or of any commit: rows, columns, who changed them last and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "ls"
HELP = "list the tables of a branch"


def add_arguments(parser: ArgumentParser) -> None:
    """Which state, which tables."""
    parser.add_argument("match", nargs="?", metavar="TEXT", help="only tables whose name contains this")
    parser.add_argument("--branch", metavar="NAME", help="of this branch (main)")
    parser.add_argument("--at", metavar="COMMIT", help="at a commit, a tag or a time, such as main~2 or 2026-11-24")


def run(args: Namespace, out: Out) -> int:
    """Look, and print."""
    from pilotline.cli.lakes import age, open_here, ref_of

    lake, _ = open_here()
    commit = lake.resolve(ref_of(args.branch, args.at))
    tables = [info for info in lake.tables(commit) if not args.match or args.match in str(info.table)]
    if not tables:
        what = f"no table whose name contains '{args.match}'" if args.match else "no tables yet"
        out.say(f"{what} on {commit.branch}")
        if not args.match:
            out.say("  next: pilotline run")
    else:
        rows = [
            [
                str(info.table),
                info.rows,
                len(info.columns),
                info.commit[:8],
                age(info.at),
                info.author,
            ]
            for info in tables
        ]
        heads = ["table", "rows", "columns", "commit", "changed", "by"]
        out.table(heads, rows)
    out.document(
        {
            "branch": commit.branch,
            "commit": commit.id,
            "tables": [
                {
                    "table": str(info.table),
                    "rows": info.rows,
                    "columns": len(info.columns),
                    "snapshot": info.snapshot,
                    "commit": info.commit,
                    "author": info.author,
                    "at": info.at,
                }
                for info in tables
            ],
        }
    )
    return 0
