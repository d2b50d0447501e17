"""List namespaces, or say what one is for and who is asked about it.

pilotline namespace                          the namespaces there are
pilotline namespace sales --comment "what was sold" --owner ann
pilotline namespace sales --forget           take back what was said

What is said holds for all branches at once. Tables stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain import tables

NAME = "namespace"
HELP = "list namespaces, or say what one is for and who owns it"


def add_arguments(parser: ArgumentParser) -> None:
    """The name, and what is said."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the first part of the names of tables")
    parser.add_argument("--comment", metavar="TEXT", help="what it is for")
    parser.add_argument("--owner", metavar="NAME", help="who is asked about it")
    parser.add_argument(
        "--property", action="append", default=[], metavar="NAME=VALUE", help="any other property; repeatable"
    )
    parser.add_argument("--forget", action="store_true", help="take back what was said; only where it has no tables")
    parser.add_argument("--branch", metavar="NAME", help="list: whose tables are counted (main)")


def run(args: Namespace, out: Out) -> int:
    """List, or say."""
    from dataclasses import replace

    from pilotline.cli.lakes import open_here
    from pilotline.domain import tables
    from pilotline.domain.errors import UsageError

    lake, _ = open_here(making=bool(args.name) and not args.forget)
    if args.name is None:
        commit = lake.resolve(args.branch or "main")
        counts: dict[str, int] = {}
        for info in lake.tables(commit):
            counts[info.table.namespace] = counts.get(info.table.namespace, 0) + 1
        found = lake.namespaces(commit)
        rows = [[one.name, str(counts.get(one.name, 0)), one.owner or "-", one.comment] for one in found]
        out.table(["namespace", "tables", "owner", "what"], rows)
        out.document({"namespaces": [{**_as_json(one), "tables": counts.get(one.name, 0)} for one in found]})
        return 0
    if args.forget:
        lake.remove_namespace(args.name)
        out.say(f"nothing is said of {args.name} any more")
        out.document({"namespace": args.name, "forgotten": True})
        return 0
    given = [each.partition("=") for each in args.property]
    if any(not name or not equals for name, equals, _ in given):
        raise UsageError(
            "a property is given as NAME=VALUE", try_next=f"pilotline namespace {args.name} --property team=sales"
        )
    known = {one.name: one for one in lake.namespaces()}
    before = known.get(args.name, tables.Namespace(name=args.name))
    after = replace(
        before,
        comment=before.comment if args.comment is None else args.comment,
        owner=before.owner if args.owner is None else args.owner,
        properties={**before.properties, **{name: value for name, _, value in given}},
    )
    if after != before:
        lake.put_namespace(after)
    out.say(f"{out.styled(after.name, 'bold')}  {after.comment}".rstrip())
    if after.owner:
        out.say(f"ask {after.owner}")
    for name, value in after.properties.items():
        out.say(f"  {name} = {value}")
    out.document(_as_json(after))
    return 0


def _as_json(namespace: tables.Namespace) -> dict[str, Any]:
    return {
        "namespace": namespace.name,
        "comment": namespace.comment,
        "owner": namespace.owner,
        "properties": dict(namespace.properties),
    }
