"""Change what a table is called, what is said of it, how it lies, or which rows it has.

pilotline table rename orders sold
pilotline table drop orders
pilotline table undrop orders
pilotline table describe orders --comment "what was sold" --owner ann
pilotline table describe orders --column amount --comment "in euro"
pilotline table layout orders --partition-by "day(ordered_at)" --sort-by customer
pilotline table delete orders --where "ordered_at < '2020-01-01'"
pilotline table compact orders

It is done on a branch of its own and published at once; `pilotline undo` takes it back. With --branch it is done there, and
published when that branch is.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import UsageError
from pilotline.domain.tables import MAIN

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import TableChange, TableInfo, TableName
    from pilotline.lake.lake import Lake

NAME = "table"
HELP = "rename, drop, describe, lay out, delete from or compact a table"
_ACTIONS = ("rename", "drop", "undrop", "describe", "layout", "delete", "compact")
#: A table at which others write while it is changed is tried so often.
_TRIES = 5


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, with which table, and what that needs."""
    parser.add_argument("action", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument("table", metavar="TABLE", help="namespace.table, or table alone where one namespace has it")
    parser.add_argument("to", nargs="?", metavar="NAME", help="rename: the new name")
    parser.add_argument("--branch", metavar="NAME", help="on this branch, without publishing it")
    parser.add_argument("--column", metavar="NAME", help="describe: a column instead of the table")
    parser.add_argument("--comment", metavar="TEXT", help="describe: what it is")
    parser.add_argument("--owner", metavar="NAME", help="describe: who is asked about it")
    parser.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="describe: a property; without VALUE it goes",
    )
    parser.add_argument(
        "--partition-by", action="append", default=[], metavar="TERM",
        help="layout: a column, or year(c), month(c), day(c), hour(c), bucket(16, c), truncate(4, c); repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--sort-by", action="append", default=[], metavar="TERM", help="layout: a column, or 'c desc'; repeatable"
    )
    parser.add_argument("--where", metavar="SQL", help="delete: which rows, such as \"id > 3 AND city = 'Bonn'\"")
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="why, for the log")


def run(args: Namespace, out: Out) -> int:
    """Change the table, and say what it is now."""
    from pilotline.cli.lakes import open_here

    lake, _ = open_here()
    change = _change(args, lake)
    if args.branch:
        said = change(args.branch)
        told: dict[str, object] = {"branch": args.branch, "commit": lake.resolve(args.branch).id}
    else:
        said, commit = _published(lake, change, args.message or f"{args.action} {args.table}")
        told = {"branch": MAIN, "commit": commit}
    out.say(said["text"])
    out.say("  next: pilotline log" if args.branch is None else f"  next: pilotline diff {args.branch}")
    out.document({"action": args.action, **{name: value for name, value in said.items() if name != "text"}, **told})
    return 0


def _published(lake: Lake, change: Callable[[str], dict[str, Any]], message: str) -> tuple[dict[str, Any], str]:
    """Do it on a branch of its own and publish that; again where the table changed meanwhile."""
    from pilotline.lake.errors import PublishConflict

    for attempt in range(_TRIES):
        name = f"table-{secrets.token_hex(4)}x"
        lake.create_branch(name)
        try:
            said = change(name)
            lake.mark_checked(name, lake.branch(name).head)
            return said, lake.publish(name, message=message).commit.id
        except PublishConflict:
            lake.discard(name)
            if attempt == _TRIES - 1:
                raise
        except BaseException:
            lake.discard(name)
            raise
    raise AssertionError("unreachable")


def _change(args: Namespace, lake: Lake) -> Callable[[str], dict[str, Any]]:
    """What is to be done on a branch; it says what it did."""
    match args.action:
        case "rename":
            if not args.to:
                raise UsageError("pilotline table rename: the new name is missing.", try_next="pilotline table --help")
            return lambda branch: _rename(lake, branch, args.table, args.to)
        case "drop":
            return lambda branch: _drop(lake, branch, args.table)
        case "undrop":
            return lambda branch: _undrop(lake, branch, args.table)
        case "describe" | "layout":
            changes = _said(args) if args.action == "describe" else _laid(args)
            return lambda branch: _alter(lake, branch, args.table, changes)
        case "delete":
            if not args.where:
                raise UsageError(
                    "pilotline table delete: --where is missing; to take all of a table away, drop it.",
                    try_next="pilotline table --help",
                )
            from pilotline.lake.where import filter_from_sql

            where = filter_from_sql(args.where)
            return lambda branch: _delete(lake, branch, args.table, where)
        case _:
            return lambda branch: _compact(lake, branch, args.table)


def _info(lake: Lake, branch: str, text: str) -> TableInfo:
    from pilotline.cli.lakes import find_table

    return find_table(lake, text, lake.resolve(branch))


def _named(text: str, like: TableName | None = None) -> TableName:
    from pilotline.cli.lakes import namespace_here
    from pilotline.domain.tables import TableName

    return TableName.parse(text, namespace=like.namespace if like else namespace_here())


def _rename(lake: Lake, branch: str, text: str, to: str) -> dict[str, Any]:
    table = _info(lake, branch, text).table
    name = _named(to, table)
    lake.rename(branch, table, name)
    return {"table": str(name), "was": str(table), "text": f"{table} is now {name}"}


def _drop(lake: Lake, branch: str, text: str) -> dict[str, Any]:
    info = _info(lake, branch, text)
    lake.drop(branch, info.table)
    return {
        "table": str(info.table),
        "rows": info.rows,
        "text": f"{info.table} is dropped; pilotline table undrop brings it back",
    }


def _undrop(lake: Lake, branch: str, text: str) -> dict[str, Any]:
    from pilotline.domain.numbers import plural

    table = _named(text)
    lake.undrop(branch, table)
    rows = lake.table(table, branch).rows
    return {"table": str(table), "rows": rows, "text": f"{table} is back with {plural(rows, 'row')}"}


def _alter(lake: Lake, branch: str, text: str, changes: list[TableChange]) -> dict[str, Any]:
    table = _info(lake, branch, text).table
    lake.alter(branch, table, changes)
    return {"table": str(table), "text": f"{table} is changed; its rows are the same"}


def _delete(lake: Lake, branch: str, text: str, where: Any) -> dict[str, Any]:
    from pilotline.domain.numbers import plural

    table = _info(lake, branch, text).table
    gone = lake.delete(branch, table, where)
    return {"table": str(table), "rows_deleted": gone, "text": f"{plural(gone, 'row')} of {table} deleted"}


def _compact(lake: Lake, branch: str, text: str) -> dict[str, Any]:
    from pilotline.domain.numbers import plural

    table = _info(lake, branch, text).table
    done = lake.compact(branch, table)
    joined = f"{plural(done.files_before, 'file')} became {done.files_after}"
    words = joined if done.files_before != done.files_after else "there was nothing to join"
    return {
        "table": str(table),
        "files_before": done.files_before,
        "files_after": done.files_after,
        "text": f"{table}: {words}",
    }


def _said(args: Namespace) -> list[TableChange]:
    from pilotline.domain.tables import SetComment, SetOwner, SetProperty

    changes: list[TableChange] = []
    if args.comment is not None:
        changes.append(SetComment(text=args.comment, column=args.column))
    if args.owner is not None:
        changes.append(SetOwner(owner=args.owner, column=args.column))
    for text in args.property:
        name, sign, value = text.partition("=")
        changes.append(SetProperty(name=name, value=value if sign else None))
    if not changes:
        raise UsageError(
            "pilotline table describe: say something with --comment, --owner or --property.",
            try_next="pilotline table --help",
        )
    return changes


def _laid(args: Namespace) -> list[TableChange]:
    from pilotline.domain.tables import SetLayout

    return [SetLayout(partition_by=tuple(args.partition_by), sort_by=tuple(args.sort_by))]
