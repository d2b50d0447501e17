"""Show what a table was made of, and what is made of it; or give the runs to another catalog as OpenLineage events.

pilotline lineage shop.totals --html totals.html
pilotline lineage --openlineage https://marquez.example.org/api/v1/lineage --since 120

It is what the last published run of each pipeline read and wrote.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole
from pilotline.cli.errors import NotWritten
from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.run.lineage import Tree

NAME = "lineage"
HELP = "show what a table was made of, and what is made of it"


def add_arguments(parser: ArgumentParser) -> None:
    """The table, or where events go."""
    parser.add_argument("table", nargs="?", metavar="TABLE", help="namespace.table, or the table alone")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with a picture")
    parser.add_argument(
        "--openlineage", metavar="TO", help="write runs as OpenLineage events to a file, or to an http address"
    )
    parser.add_argument("--since", type=whole(), default=0, metavar="N", help="with --openlineage: runs after run-N")


def run(args: Namespace, out: Out) -> int:
    """Print the trees, or send the events.

    Raises:
        UsageError: neither a table nor a place for events is named.
        NoSuchTable: there is no such table.
        NotDelivered: the events did not get through.
    """
    from pilotline.cli.lakes import find_table, open_here
    from pilotline.run.lineage import downstream, lineage_page, made_of, upstream

    if args.openlineage:
        return _events(args, out)
    if not args.table:
        raise UsageError("name a table, or a place for events", try_next="pilotline lineage TABLE")
    lake, records = open_here()
    table = str(find_table(lake, args.table, lake.resolve("main")).table)
    made = made_of(records)
    above, below = upstream(table, made), downstream(table, made)
    out.say(out.styled(table, "bold"))
    for head, tree, word in (("made of", above, "by"), ("read for", below, "by")):
        out.say(f"  {head}" + ("" if tree.by else ": nothing that is recorded"))
        _print(tree, out, "    ", word)
    if args.html:
        out.write(args.html, lineage_page(table, above, below))
    out.document({"table": table, "upstream": above.as_json()["by"], "downstream": below.as_json()["by"]})
    return 0


def _print(tree: Tree, out: Out, indent: str, word: str) -> None:
    for made, trees in tree.by:
        when = f"{made.run}, {made.at:%Y-%m-%d %H:%M} UTC"
        out.say(f"{indent}{word} {out.styled(made.pipeline, 'cyan')} " + out.styled(f"({when})", "dim"))
        for each in trees:
            said = each.name + (" (file)" if each.kind == "file" else "") + (" (see above)" if each.again else "")
            out.say(f"{indent}  {said}")
            _print(each, out, indent + "    ", word)


def _events(args: Namespace, out: Out) -> int:
    from pilotline.cli.lakes import namespace_here, open_here
    from pilotline.factory.telling import tell_runs

    if "://" in args.openlineage and not args.openlineage.startswith(("http://", "https://")):
        raise UsageError(
            f"{args.openlineage} is no http:// or https:// address",
            try_next="pilotline lineage --openlineage runs.jsonl",
        )
    lake, records = open_here()
    try:
        told = tell_runs(records, lake, namespace_here(), args.openlineage, since=args.since)
    except OSError as error:
        raise NotWritten(args.openlineage, error) from None
    out.say(
        f"{told.events} events of {told.runs} runs, up to run-{told.last}" if told.runs else "no run has ended since"
    )
    out.document({"runs": told.runs, "events": told.events, "last": told.last})
    return 0
