"""Say how many orders may run at once: of all, of a pipeline, of a key; or list what was said.

pilotline limit                        what there is
pilotline limit 8                      of all orders
pilotline limit 2 --pipeline takings   of one pipeline, in each project that has it
pilotline limit 3 --key warehouse      of those that share a key (1, where nothing is said)
pilotline limit none --key warehouse   as if nothing had been said

It holds for all workers of the catalog's database at once, from the next order on that one takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.factory.ledger import Ledger, LimitKind

NAME = "limit"
HELP = "say how many orders may run at once"


def add_arguments(parser: ArgumentParser) -> None:
    """How many, of what."""
    parser.add_argument("most", nargs="?", metavar="N", help="so many at once; none: no such limit")
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--pipeline", metavar="NAME", help="of this pipeline")
    of.add_argument("--key", metavar="TEXT", help="of the orders with this key")


def run(args: Namespace, out: Out) -> int:
    """Set it, or list.

    Raises:
        UsageError: no number is given where something is named, or it is none.
    """
    from pilotline.cli.orders import open_ledger

    ledger = open_ledger(making=args.most is not None)
    if args.most is None:
        if args.pipeline is not None or args.key is not None:
            raise UsageError("how many? 2, or none", try_next="pilotline limit --help")
        return _list(ledger, out)
    kind, name = _what(args)
    most = _most(args.most)
    ledger.limit(kind, name, most)
    if most is None:
        out.say(f"{_said(kind, name)}: {'one at once again' if kind == 'key' else 'no limit any more'}")
    else:
        out.say(f"{_said(kind, name)}: {most} at once")
    if kind == "pipeline" and not ledger.orders(pipeline=name, limit=1):
        out.say(f"  no order of {name} was seen yet; pilotline queue --all shows how pipelines are called")
    out.document({"kind": kind, "name": name or None, "most": most})
    return 0


def _what(args: Namespace) -> tuple[LimitKind, str]:
    for kind, name in (("pipeline", args.pipeline), ("key", args.key)):
        if name == "":
            raise UsageError(f"--{kind} needs a name", try_next="pilotline limit --help")
    if args.pipeline is not None:
        return "pipeline", args.pipeline
    return ("all", "") if args.key is None else ("key", args.key)


def _most(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise UsageError(
            f"{text!r} is no limit: 1 to 100000, or none",
            try_next="pilotline limit 2, or pilotline schedule pause to let nothing run",
        )
    return int(text)


def _said(kind: LimitKind, name: str) -> str:
    return "all orders" if kind == "all" else f"orders of {kind} {name}"


def _list(ledger: Ledger, out: Out) -> int:
    found = ledger.limits()
    running = ledger.orders(state="running", limit=100_000)
    rows: list[tuple[LimitKind, str, int, int]] = [
        (
            kind,
            name,
            most,
            sum(
                kind == "all" or name == (each.ask.pipeline if kind == "pipeline" else each.ask.key) for each in running
            ),
        )
        for (kind, name), most in found.items()
    ]
    if rows:
        out.table(
            ["orders", "at once", "running"],
            [[_said(kind, name), str(most), str(count)] for kind, name, most, count in rows],
            right=["at once", "running"],
        )
    else:
        out.say("no limits: as many orders run at once as there are workers, one of each pipeline and branch")
    out.document(
        {
            "limits": [
                {"kind": kind, "name": name or None, "most": most, "running": count} for kind, name, most, count in rows
            ]
        }
    )
    return 0
