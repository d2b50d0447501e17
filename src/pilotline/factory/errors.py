"""What can go wrong in the factory.

FactoryError                 PL500
├── NoSuchOrder              PL510  no order of that number or id
├── ClaimLost                PL511  another worker has the order, or may have it
├── OrderCancelled           PL512  somebody cancelled the order that was being carried out
├── OrderEnded               PL513  it has ended and cannot be cancelled
├── BadOrder                 PL514  what was asked cannot be an order
├── NotHere                  PL515  the project's folder is not on the worker's machine
└── DamagedRelease           PL562  the archive of a release is gone, or not what was put there
"""

from __future__ import annotations

from pilotline.domain.errors import FactoryError, UsageError

__all__ = ["BadOrder", "ClaimLost", "DamagedRelease", "NoSuchOrder", "NotHere", "OrderCancelled", "OrderEnded"]


class NoSuchOrder(UsageError):
    """No order of that number or id."""

    code = "PL510"


class ClaimLost(FactoryError):
    """A worker's lease ran out before it was done; another worker has the order, or may have it."""

    code = "PL511"


class OrderCancelled(FactoryError):
    """Somebody cancelled the order while it was being carried out; nothing was published."""

    code = "PL512"


class OrderEnded(FactoryError):
    """An order that has ended cannot be cancelled."""

    code = "PL513"


class BadOrder(UsageError):
    """What was asked cannot be an order."""

    code = "PL514"


class NotHere(FactoryError):
    """The project's folder is not on this worker's machine."""

    code = "PL515"


class DamagedRelease(FactoryError):
    """The archive of a release is not there, or is not what was put there."""

    code = "PL562"
