"""Carry out one claimed order, in a process of its own that its worker started and watches.

The run is kept by the claim: every transaction that writes for it asks the ledger whether the claim still holds, and the one
that publishes also ends the order. So an order is done if and only if what it made is published, whatever dies when.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pilotline.domain.errors import LakeError, PilotlineError, UsageError
from pilotline.factory.environments import BuildFailed
from pilotline.factory.errors import ClaimLost, DamagedRelease, NotHere, OrderCancelled
from pilotline.lake.errors import (
    DatabaseUnreachable,
    LakeBusy,
    NoRoom,
    PublishConflict,
    StaleBranch,
    StorageUnreachable,
)
from pilotline.run.carrying import PublishingNeverEnds, carry_out
from pilotline.run.errors import (
    CannotKeep,
    MissingSecret,
    NotStored,
    OutcomeHeld,
    ProcessDied,
    RunCancelled,
    TakenMeanwhile,
)
from pilotline.run.opening import open_pipeline
from pilotline.run.parameters import with_partition
from pilotline.run.planning import Asked, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from pilotline.domain.orders import Claim, Failure, Order
    from pilotline.factory.ledger import Ledger
    from pilotline.lake.catalog import Transaction
    from pilotline.run.opening import Opened
    from pilotline.run.records import RunState

__all__ = ["End", "Opening", "fulfil", "open_folder"]

#: How the pipeline of an order is opened.
Opening: TypeAlias = "Callable[[Order], Opened]"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a try to fulfil an order ended, as its process tells its worker."""

    how: Literal["done", "failed", "stopped", "cancelled", "lost"]
    #: What went wrong, where it failed.
    kind: Failure = "code"
    because: str = ""


#: The database, the storage or another run was in the way: the same again may well succeed.
_IN_THE_WAY = (
    DatabaseUnreachable, LakeBusy, NoRoom, NotStored, PublishConflict, StaleBranch, PublishingNeverEnds, TakenMeanwhile, OSError,
)  # fmt: skip
#: However often it is tried, it ends in the same way until somebody does something.
_REFUSED = (UsageError, OutcomeHeld, MissingSecret, CannotKeep, NotHere, DamagedRelease)


def open_folder(order: Order) -> Opened:
    """The pipeline of an order in its project's folder as it is.

    Raises:
        NotHere: there is no such folder here, or the order is for a release.
        NoPipeline: the folder has no such pipeline.
        BadPipeline: it is more than a straight line of calls.
        BadContract: its contract cannot be understood.
        NoEnvironment: its interpreter cannot be started.
    """
    folder = Path(order.ask.project)
    if order.ask.release:
        raise NotHere(
            f"{order.name} is for the release {order.ask.release} of {order.ask.project}, and this worker has folders only",
            try_next="pilotline submit, without --release",
            release=order.ask.release,
        )
    if not folder.is_dir():
        raise NotHere(
            f"{order.name} is for the project in {folder}, and there is no such folder on this machine",
            try_next=f"pilotline worker, in {folder}",
            project=str(folder),
        )
    return open_pipeline(order.ask.pipeline, folder)


def fulfil(ledger: Ledger, claim: Claim, opening: Opening = open_folder) -> End:
    """Carry an order out; whatever goes wrong is told and not raised.

    Args:
        ledger: where the claim is from.
        claim: of the order.
        opening: opens its pipeline.
    """
    ask = claim.order.ask
    try:
        opened = opening(claim.order)
        _refuse_other_catalog(opened, ledger, ask.project)
        pipeline = opened.reading.pipeline
        parameters = with_partition(ask.parameters, ask.partition, pipeline.contract, name=pipeline.name)
        asked = Asked(onto=ask.onto, parameters=parameters, fresh=ask.fresh)
        made = plan(opened.reading, opened.lake, asked, opened.around)
        carry_out(
            made, opened.lake, opened.around, lambda _: None, fresh=ask.fresh,
            timeout=ask.timeout.total_seconds() if ask.timeout else None, keeper=_Keeper(ledger, claim),
        )  # fmt: skip
    except ClaimLost as error:
        return End(how="lost", because=error.message)
    except OrderCancelled as error:
        return End(how="cancelled", because=error.message)
    except (RunCancelled, KeyboardInterrupt):
        return End(how="stopped", because="its worker stopped it")
    except Exception as error:
        return End(how="failed", kind=_kind(error), because=_said(error))
    return End(how="done")


def _refuse_other_catalog(opened: Opened, ledger: Ledger, project: str) -> None:
    """A claim counts only in the transactions of its own database."""
    where = opened.lake.database.where
    if where != ledger.where:
        raise NotHere(
            f"the project in {project} has its catalog in {where}, this factory is in {ledger.where}",
            try_next="mend [lake] database in pilotline.toml",
            project=project,
        )


class _Keeper:
    """A claim as the run knows it."""

    def __init__(self, ledger: Ledger, claim: Claim) -> None:
        self._ledger = ledger
        self._claim = claim

    @property
    def name(self) -> str:
        return self._claim.order.name

    def hold(self, within: Transaction) -> None:
        self._ledger.hold(self._claim, within)

    def done(self, within: Transaction, number: int, state: RunState) -> None:
        self._ledger.finish(self._claim, number, state, within=within)


def _kind(error: Exception) -> Failure:
    match error:
        case ProcessDied() | BuildFailed():
            # An index that is away for a moment looks like one that will never have it.
            return "died"
        case StorageUnreachable() if not error.refused:
            return "infrastructure"
        case _ if isinstance(error, _IN_THE_WAY):
            return "infrastructure"
        case _ if isinstance(error, _REFUSED):
            return "refused"
        case PilotlineError() if not isinstance(error, LakeError):
            return "code"
        case _:
            # Of the lake's own errors, and of those that nobody thought of, it is not known that they would come again.
            return "died"


def _said(error: Exception) -> str:
    if isinstance(error, PilotlineError):
        return f"{error.code}: {error.message}"
    return f"{type(error).__name__}: {error}"
