"""What the commands about orders share: the ledger, orders as somebody names them, an order as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotline.domain.orders import Order
    from pilotline.factory.ledger import Ledger


def open_ledger(*, making: bool = False) -> Ledger:
    """The ledger of the factory that the working folder's project belongs to; see ``open_here``."""
    from pilotline.cli.lakes import open_here
    from pilotline.factory.ledger import Ledger

    lake, _ = open_here(making=making)
    return Ledger(lake.database)


def find_order(ledger: Ledger, text: str) -> Order:
    """The order that somebody means: ``12``, ``order-12``, or its id.

    Raises:
        NoSuchOrder: there is none.
    """
    from pilotline.cli.arguments import is_number

    number = text.removeprefix("order-")
    return ledger.order(int(number)) if is_number(number) else ledger.find(text)


def order_json(order: Order) -> dict[str, Any]:
    """An order for programs."""
    ask = order.ask
    return {
        "order": order.number,
        "id": ask.id,
        "pipeline": ask.pipeline,
        "project": ask.project,
        "release": ask.release,
        "onto": ask.onto,
        "parameters": dict(ask.parameters),
        "partition": ask.partition,
        "key": ask.key,
        "priority": ask.priority,
        "origin": ask.origin,
        "schedule": ask.schedule,
        "timeout": ask.timeout.total_seconds() if ask.timeout else None,
        "attempts": ask.attempts,
        "owner": ask.owner,
        "fresh": ask.fresh,
        "state": order.state,
        "submitted": order.submitted,
        "due": order.due,
        "began": order.began,
        "until": order.until,
        "ended": order.ended,
        "worker": order.worker,
        "token": order.token,
        "failures": dict(order.failures),
        "take_overs": order.take_overs,
        "cancelled_by": order.cancelled_by,
        "run": f"run-{order.run}" if order.run is not None else None,
        "result": order.result,
        "because": order.because,
    }
