"""List what the workers are to do and doing, newest first; with --all also what has ended; or tell all about one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.orders import Order
    from pilotline.factory.ledger import Ledger

NAME = "queue"
HELP = "list what the workers are to do, are doing, and did"
_STATES = ("waiting", "running", "done", "failed", "cancelled", "dead")


def add_arguments(parser: ArgumentParser) -> None:
    """Which orders."""
    parser.add_argument("order", nargs="?", metavar="ORDER", help="tell all about this one: its number, or its id")
    parser.add_argument("--all", action="store_true", help="also those that have ended")
    parser.add_argument("--state", choices=_STATES, help="only those of this state")
    parser.add_argument("--pipeline", metavar="NAME", help="only those of this pipeline, ended ones too")
    parser.add_argument("--before", type=whole(1), metavar="NUMBER", help="only smaller numbers: the next page")
    parser.add_argument("-n", "--limit", type=whole(1), default=50, metavar="N", help="so many (50)")


def run(args: Namespace, out: Out) -> int:
    """Look, and print."""
    from pilotline.cli.orders import find_order, open_ledger, order_json

    ledger = open_ledger()
    if args.order:
        return _one(ledger, find_order(ledger, args.order), out)
    found = _found(ledger, args)
    _print(found, out, ended=bool(args.all or args.state or args.pipeline))
    if len(found) == args.limit and args.order is None:
        out.say(f"  next: pilotline queue --before {found[-1].number}{' --all' if args.all else ''}")
    out.document({"orders": [order_json(each) for each in found], **ledger.counts()})
    return 0


def _found(ledger: Ledger, args: Namespace) -> tuple[Order, ...]:
    if args.state:
        found = ledger.orders(state=args.state, before=args.before, limit=args.limit)
        return tuple(each for each in found if args.pipeline in {None, each.ask.pipeline})
    if args.pipeline:
        return ledger.orders(pipeline=args.pipeline, before=args.before, limit=args.limit)
    if args.all:
        return ledger.orders(before=args.before, limit=args.limit)
    both = [*ledger.orders(state="running", before=args.before, limit=args.limit)]
    both += ledger.orders(state="waiting", before=args.before, limit=args.limit)
    return tuple(sorted(both, key=lambda each: -each.number)[: args.limit])


def _print(found: tuple[Order, ...], out: Out, *, ended: bool) -> None:
    if not found:
        out.say("no such orders" if ended else "nothing is queued")
        out.say("  next: pilotline submit")
        return
    from pilotline.cli.lakes import age, moment

    rows = [
        [
            str(each.number),
            each.ask.pipeline,
            _state(each),
            str(each.ask.priority or "-"),
            moment(each.due) if each.state == "waiting" else age(each.began or each.submitted),
            each.worker if each.state == "running" else each.ask.schedule or each.ask.origin,
            f"run-{each.run}" if each.run is not None else "-",
            each.because.partition("\n")[0],
        ]
        for each in found
    ]
    out.table(
        ["order", "pipeline", "state", "priority", "due or begun", "by", "run", "why"],
        rows,
        right=["order", "priority"],
    )


def _state(order: Order) -> str:
    if order.state == "running" and order.cancelled_by:
        return "stopping"
    return f"done, {order.result}" if order.state == "done" else order.state


def _fact(key: str, value: object) -> str:
    from datetime import datetime

    from pilotline.cli.lakes import moment

    text = str(value).partition("\n")[0]
    if key != "again":
        return text
    at = datetime.fromisoformat(text)
    return f"{moment(at)}:{at:%S}"


def _one(ledger: Ledger, order: Order, out: Out) -> int:
    from pilotline.cli.lakes import moment, open_here
    from pilotline.cli.orders import order_json

    _, records = open_here()
    ask, events, runs = order.ask, ledger.events(order.number), records.runs_kept(order.name)
    out.say(f"{out.styled(order.name, 'bold')}  {ask.pipeline} onto {ask.onto}  {_state(order)}")
    out.say(f"  id        {ask.id}")
    for name, value in (
        ("project", ask.project + (f" at {ask.release}" if ask.release else "")),
        ("set", ", ".join(f"{key}={value}" for key, value in ask.parameters.items())),
        ("partition", ask.partition),
        ("key", ask.key),
        ("schedule", ask.schedule),
        ("runs", ", ".join(f"{each.name} {each.state}" for each in runs)),
        ("why", order.because),
    ):
        if value:
            out.say(f"  {name:<8}  {value}")
    for at, kind, facts in events:
        told = ", ".join(f"{key} {_fact(key, value)}" for key, value in facts.items() if value not in {"", None})
        out.say(f"  {moment(at)}:{at:%S}  {kind:<12}  {told}".rstrip())
    out.document(
        {
            **order_json(order),
            "runs": [{"run": each.name, "state": each.state, "because": each.because} for each in runs],
            "events": [{"at": at, "event": kind, **facts} for at, kind, facts in events],
        }
    )
    return 0
