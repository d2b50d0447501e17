"""Show what each table costs to make and who still reads it, and which could be retired.

What it costs is what the steps of its pipeline took, in all runs of the last days. Read by: pipelines, as their runs noted it;
and everybody who read it as a frame, by a command, or with another engine.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.run.usage import TableUse

NAME = "usage"
HELP = "show what each table costs to make, and who still reads it"


def add_arguments(parser: ArgumentParser) -> None:
    """How far back."""
    parser.add_argument("--days", type=whole(1, 36_500), default=30, metavar="N", help="so far back is looked (30)")
    parser.add_argument("--unread", action="store_true", help="only tables that nobody read in that time")


def run(args: Namespace, out: Out) -> int:
    """Print a line a table, the dearest first."""
    from pilotline.cli.lakes import age, open_here
    from pilotline.run.usage import use_of_tables

    lake, _ = open_here()
    found = sorted(use_of_tables(lake, days=args.days), key=lambda one: (-one.cpu, one.table))
    shown = [one for one in found if one.unread] if args.unread else found
    if shown:
        out.table(
            ["table", "rows", "made by", "runs", "seconds", "CPU s", "read by", "last read"],
            [
                [
                    one.table, one.rows, one.made_by, one.runs, round(one.seconds, 1), round(one.cpu, 1), _readers(one),
                    age(one.last_read) if one.last_read else None,
                ]
                for one in shown
            ],
        )  # fmt: skip
    else:
        out.say("no table" + (" is unread" if args.unread else " is published"))
    unread = [one for one in found if one.unread]
    if unread:
        out.say(f"nobody read these for {args.days} days: {', '.join(one.table for one in unread)}")
        out.say(
            f"  next: pilotline lineage {unread[0].table}, ask its owner, then pilotline table drop {unread[0].table}"
        )
    out.document({"days": args.days, "tables": [asdict(one) for one in shown]})
    return 0


def _readers(one: TableUse) -> str:
    people = dict.fromkeys(f"{each.principal} ({each.via})" for each in one.readers)
    return ", ".join([*one.pipelines, *people]) or "nobody"
