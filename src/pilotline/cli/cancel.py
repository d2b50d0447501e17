"""Cancel an order: a waiting one ends at once, a running one is stopped by its worker. It cannot publish from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "cancel"
HELP = "cancel what is queued or running"


def add_arguments(parser: ArgumentParser) -> None:
    """Which order."""
    parser.add_argument("order", metavar="ORDER", help="its number, or its id")


def run(args: Namespace, out: Out) -> int:
    """Cancel it."""
    from pilotline.cli.orders import find_order, open_ledger, order_json
    from pilotline.run.nothing import somebody

    ledger = open_ledger()
    order = find_order(ledger, args.order)
    state = ledger.cancel(order.number, somebody())
    out.say(
        f"{order.name}  {order.ask.pipeline}  {'cancelled' if state == 'cancelled' else 'is being stopped; it will not publish'}"
    )
    out.document(order_json(ledger.order(order.number)))
    return 0
