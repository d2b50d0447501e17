"""Queue a pipeline for the workers of this project's factory; see `pilotline worker` and `pilotline queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.cli.arguments import seconds, whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from datetime import datetime

    from pilotline.cli.terminal import Out

NAME = "submit"
HELP = "queue a pipeline for the workers"


def add_arguments(parser: ArgumentParser) -> None:
    """The pipeline, its parameters, when and how."""
    parser.add_argument("module", nargs="?", metavar="MODULE", help="name or path; may be left out where there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="give a parameter another value; repeatable"
    )
    parser.add_argument("--partition", default="", metavar="VALUE", help="which partition to make")
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="the branch to publish onto (main)")
    parser.add_argument(
        "--priority", type=whole(-1_000_000, 1_000_000), metavar="N", help="higher goes first (its contract's, else 0)"
    )
    parser.add_argument("--due", metavar="TIME", help="not before: 2026-11-27T06:00Z, or in so long: 90s, 15m, 2h")
    parser.add_argument(
        "--id", default="", metavar="TEXT", help="the same id is the same order, however often submitted"
    )
    parser.add_argument(
        "--key",
        metavar="TEXT",
        help="orders of one key run one at a time (of one pipeline and branch); '' for no limit",
    )
    parser.add_argument(
        "--attempts", type=whole(1), metavar="N", help="try failing code so often (as its contract says, else 1)"
    )
    parser.add_argument(
        "--timeout", type=seconds(0.001), metavar="SECONDS", help="stop the steps when they take longer"
    )
    parser.add_argument("--release", default="", metavar="RELEASE", help="from this release (the folder as it is)")
    parser.add_argument("--fresh", action="store_true", help="compute every step again, release what is held")


def run(args: Namespace, out: Out) -> int:
    """Queue it."""
    from datetime import timedelta
    from pathlib import Path

    from pilotline.cli.lakes import open_here
    from pilotline.cli.orders import order_json
    from pilotline.domain.orders import Ask
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases
    from pilotline.run.nothing import somebody
    from pilotline.run.parameters import assignments, settle, with_partition
    from pilotline.run.projects import find_module, project_of
    from pilotline.run.reading import read_contract, read_parameters

    path = find_module(args.module, Path.cwd())
    project = project_of(path.parent)
    contract, given = read_contract(path, project), assignments(args.set)
    terms = contract.terms
    if not args.release:
        # What the worker would refuse tomorrow can be said today.
        settle(read_parameters(path), with_partition(given, args.partition, contract, name=path.stem))
    lake, _ = open_here(making=True)
    if args.release:
        Releases(lake.database, lake.storage).release(args.release).pipeline(path.stem)
    lake.branch(args.onto)
    ledger = Ledger(lake.database)
    number = ledger.submit(
        Ask(
            id=args.id,
            pipeline=project.name_of(path),
            project=str(project.folder),
            release=args.release,
            onto=args.onto,
            parameters=given,
            partition=args.partition,
            key=terms.key if args.key is None else args.key,
            priority=terms.priority if args.priority is None else args.priority,
            due=_instant(args.due, ledger.now) if args.due else None,
            timeout=terms.timeout if args.timeout is None else timedelta(seconds=args.timeout),
            attempts=terms.tries if args.attempts is None else args.attempts,
            owner=somebody(),
            fresh=args.fresh,
        )
    )
    order = ledger.order(number)
    out.say(f"{order.name}  {order.ask.pipeline}  {order.state}")
    out.say(f"  next: pilotline queue {number}, and pilotline worker where none runs")
    out.document(order_json(order))
    return 0


def _instant(text: str, now: Callable[[], datetime]) -> datetime:
    """``2026-11-27T06:00Z``, or a span from the database's now on."""
    import re
    from datetime import datetime, timedelta

    from pilotline.factory.errors import BadOrder

    span = re.fullmatch(r"\+?(\d+(?:\.\d+)?)([smhd])", text)
    try:
        if span is not None:
            unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}[span[2]]
            return now() + timedelta(seconds=float(span[1]) * unit)
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadOrder(
            f"--due {text} is no time", try_next="pilotline submit --due 2026-11-27T06:00Z, or --due 15m", due=text
        ) from None
