"""Ask the tables of a branch, or of any commit, a question in SQL (DuckDB's). Only looks; nothing can be changed by it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.access import Scope
    from pilotline.domain.tables import TableName

NAME = "sql"
HELP = "ask the tables of a branch a question in SQL"

#: More rows are not printed on a terminal.
_MOST = 200


def add_arguments(parser: ArgumentParser) -> None:
    """The question, and of which state."""
    parser.add_argument("query", metavar="SELECT", help="one query in quotes; - reads it from the standard input")
    parser.add_argument("--branch", metavar="NAME", help="of this branch (main)")
    parser.add_argument("--at", metavar="COMMIT", help="at a commit, a tag or a time, such as main~2 or 2026-11-24")
    parser.add_argument("--csv", action="store_true", help="print all rows as CSV")


def run(args: Namespace, out: Out) -> int:
    """Ask, and print the answer."""
    from pilotline.cli.lakes import open_here, ref_of, rows_as_json, shown, whole
    from pilotline.domain.numbers import plural
    from pilotline.lake.reading import sql
    from pilotline.run.nothing import somebody
    from pilotline.run.usage import Usage

    lake, _ = open_here()
    query = sys.stdin.read() if args.query == "-" else args.query
    read: dict[str, None] = {}

    def noted(table: TableName) -> Scope:
        read[str(table)] = None
        return whole(table)

    found = sql(lake, query, ref_of(args.branch, args.at), noted)
    for table in read:
        Usage(lake.database).count(table, somebody(), "sql")
    names: list[str] = found.column_names
    if args.csv:
        _print_csv(found, out)
    elif found.num_rows == 0:
        out.say(f"no rows ({', '.join(names)})")
    else:
        few = found if out.width is None else found.slice(0, _MOST)
        # Two columns may have one name, so rows are made by place.
        values = [column.to_pylist() for column in few.columns]
        out.table(names, [[shown(value) for value in row] for row in zip(*values, strict=True)])
        if few.num_rows < found.num_rows:
            out.say(out.styled(f"... {plural(found.num_rows - few.num_rows, 'more row')}", "dim"))
    if out.json:
        kinds = [{"name": name, "type": str(kind)} for name, kind in zip(names, found.schema.types, strict=True)]
        out.document({"columns": kinds, "rows": rows_as_json(found.to_pylist())})
    return 0


def _print_csv(found: object, out: Out) -> None:
    import io

    import pyarrow.csv

    sink = io.BytesIO()
    pyarrow.csv.write_csv(found, sink)
    out.say(sink.getvalue().decode().rstrip("\n"))
