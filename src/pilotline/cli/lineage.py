"""Show what a table or column was made of, and what is made of it; or give the runs to another catalog as OpenLineage events.

pilotline lineage shop.totals --html totals.html
pilotline lineage shop.totals.amount
pilotline lineage --openlineage https://marquez.example.org/api/v1/lineage --since 120

It is what the last published run of each pipeline read and wrote.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole
from pilotline.cli.errors import NotWritten
from pilotline.domain.errors import UsageError
from pilotline.domain.tables import BadTableName, NoSuchTable

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import TableInfo
    from pilotline.lake.lake import Lake
    from pilotline.run.columns.asking import Asked, ColumnTree
    from pilotline.run.columns.edges import Gap, Lineage
    from pilotline.run.lineage import Made, Tree
    from pilotline.run.records import Records

NAME = "lineage"
HELP = "show what a table or column was made of, and what is made of it"


def add_arguments(parser: ArgumentParser) -> None:
    """The table or column, or where events go."""
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="namespace.table, or the table alone; namespace.table.column for a column",
    )
    parser.add_argument("--columns", action="store_true", help="what each column of the table was made of")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with a picture")
    parser.add_argument(
        "--openlineage", metavar="TO", help="write runs as OpenLineage events to a file, or to an http address"
    )
    parser.add_argument("--since", type=whole(), default=0, metavar="N", help="with --openlineage: runs after run-N")


def run(args: Namespace, out: Out) -> int:
    """Print the trees, or send the events.

    Raises:
        UsageError: neither a table nor a place for events is named, or what was asked does not go together.
        NoSuchTable: there is no such table.
        NoColumn: the table has no such column.
        NotDelivered: the events did not get through.
    """
    from pilotline.cli.lakes import open_here
    from pilotline.run.lineage import downstream, lineage_page, made_of, upstream

    if args.openlineage:
        return _events(args, out)
    if not args.table:
        raise UsageError("name a table, or a place for events", try_next="pilotline lineage TABLE")
    lake, records = open_here()
    info, column = _meant(lake, args.table)
    table, made = str(info.table), made_of(records)
    if column or args.columns:
        return _columns(args, out, info, column, made, records)
    above, below = upstream(table, made), downstream(table, made)
    out.say(out.styled(table, "bold"))
    for head, tree, word in (("made of", above, "by"), ("read for", below, "by")):
        out.say(f"  {head}" + ("" if tree.by else ": nothing that is recorded"))
        _print(tree, out, "    ", word)
    if args.html:
        out.write(args.html, lineage_page(table, above, below))
    out.document({"table": table, "upstream": above.as_json()["by"], "downstream": below.as_json()["by"]})
    return 0


def _meant(lake: Lake, text: str) -> tuple[TableInfo, str]:
    """The table that is named, and the column; a name that can be both is the table's."""
    from pilotline.cli.lakes import find_table

    at = lake.resolve("main")
    try:
        return find_table(lake, text, at), ""
    except (NoSuchTable, BadTableName) as error:
        parts = text.split(".")
        for size in (2, 1):
            if len(parts) > size:
                try:
                    return find_table(lake, ".".join(parts[:size]), at), ".".join(parts[size:])
                except (NoSuchTable, BadTableName):
                    continue
        raise error from None


def _print(tree: Tree, out: Out, indent: str, word: str) -> None:
    for made, trees in tree.by:
        out.say(f"{indent}{word} " + _told(made, out))
        for each in trees:
            said = each.name + (" (file)" if each.kind == "file" else "") + (" (see above)" if each.again else "")
            out.say(f"{indent}  {said}")
            _print(each, out, indent + "    ", word)


def _told(made: Made, out: Out) -> str:
    when = f"{made.run}, {made.at:%Y-%m-%d %H:%M} UTC"
    return f"{out.styled(made.pipeline, 'cyan')} " + out.styled(f"({when})", "dim")


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns(args: Namespace, out: Out, info: TableInfo, column: str, made: tuple[Made, ...], records: Records) -> int:
    from pilotline.run.columns.asking import Asked, NoColumn
    from pilotline.run.columns.keeping import Columns

    asked = Asked.of(made, Columns(records.database))
    names = [each.name for each in info.columns]
    if not column:
        if args.html:
            raise UsageError(
                "the page is of one column, or of the table",
                try_next=f"pilotline lineage {info.table}.{names[0]} --html FILE",
            )
        return _each_column(out, str(info.table), names, asked)
    if column not in names:
        raise NoColumn(str(info.table), column, names)
    return _one_column(args, out, str(info.table), column, asked)


def _one_column(args: Namespace, out: Out, table: str, column: str, asked: Asked) -> int:
    from pilotline.run.columns.asking import downstream_of, upstream_of
    from pilotline.run.columns.picture import columns_page

    above, below = upstream_of(asked, table, column), downstream_of(asked, table, column)
    out.say(out.styled(f"{table}.{column}", "bold"))
    for head, tree, none in (("made of", above, "nothing that is recorded"), ("in", below, "nothing that is recorded")):
        out.say(f"  {head}" + ("" if tree.by else f": {none}"))
        _print_columns(tree, out, "    ")
    if args.html:
        out.write(args.html, columns_page(above, below))
    out.document(
        {"table": table, "column": column, "upstream": above.as_json()["by"], "downstream": below.as_json()["by"]}
    )
    return 0


def _print_columns(tree: ColumnTree, out: Out, indent: str) -> None:
    for branch in tree.by:
        out.say(f"{indent}by " + _told(branch.made, out))
        if not branch.links and not branch.not_shown:
            out.say(f"{indent}  no column of a table or file")
        for link in branch.links:
            to = link.to
            said = f"{to.source.name}: {'all columns' if to.column == '*' else to.column}"
            again = " (see above)" if to.again else ""
            out.say(f"{indent}  {said}  " + out.styled(_words(link.kinds), "dim") + again)
            _print_columns(to, out, indent + "    ")
        for name, gap in branch.not_shown:
            out.say(
                f"{indent}  " + out.styled("not shown", "yellow") + (f", {name}" if name else "") + f": {_why(gap)}"
            )


def _words(kinds: tuple[str, ...]) -> str:
    return ", ".join(kinds).lower().replace("_", " ")


def _why(gap: Gap) -> str:
    where = ", ".join([*([f"step {gap.step}"] if gap.step else []), *([f"line {gap.line}"] if gap.line else [])])
    return gap.why + (f" ({where})" if where else "")


def _each_column(out: Out, table: str, names: list[str], asked: Asked) -> int:
    from pilotline.run.columns.asking import columns_made

    told: list[dict[str, object]] = []
    out.say(out.styled(table, "bold"))
    makers = columns_made(asked, table)
    if not makers:
        out.say("  made of nothing that is recorded")
    for made, kept in makers:
        out.say("  by " + _told(made, out))
        columns: list[dict[str, object]] = []
        if kept is None:
            out.say("    not shown: the run was before the lineage of columns was kept")
        else:
            columns = [_column(out, name, kept.columns[name]) for name in names if name in kept.columns]
            columns.append(_column(out, "", kept.rows))
        told.append({"pipeline": made.pipeline, "run": made.run, "at": made.at, "columns": columns})
    out.document({"table": table, "made": told})
    return 0


def _column(out: Out, name: str, lineage: Lineage) -> dict[str, object]:
    """Print what one column was made of, or what decided about the rows; and give it as data."""
    from pilotline.run.columns.edges import Edge, gaps

    edges = sorted(each for each in lineage if isinstance(each, Edge))
    hidden = gaps(lineage)
    out.say("    " + (out.styled(name, "bold") if name else "which rows there are, and their order"))
    for edge in edges:
        out.say(f"      {edge.source.name}: {edge.column}  " + out.styled(_words((edge.kind,)), "dim"))
    for gap in hidden:
        out.say("      " + out.styled("not shown", "yellow") + f": {_why(gap)}")
    if not edges and not hidden:
        out.say("      no column of a table or file" + ("" if name else " decides"))
    of = [
        {
            "kind": each.source.kind,
            "name": each.source.name,
            "column": each.column,
            "by": each.kind,
            "masked": each.masked,
        }
        for each in edges
    ]
    not_shown = [{"step": gap.step, "line": gap.line, "because": gap.why} for gap in hidden]
    return {"column": name or None, "of": of, "not_shown": not_shown}


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
