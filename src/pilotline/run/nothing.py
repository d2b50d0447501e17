"""A plan with nothing to do: say so and note it, without any of the machinery of a run."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.domain.plans import Held
from pilotline.run.errors import OutcomeHeld
from pilotline.run.records import run_name

if TYPE_CHECKING:
    from pilotline.domain.plans import Plan
    from pilotline.run.planning import Around

__all__ = ["Noted", "note_nothing", "somebody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A run that had nothing to do."""

    run: str
    because: str


def note_nothing(plan: Plan, around: Around) -> Noted:
    """Note that there was nothing to do.

    Raises:
        OutcomeHeld: because what would be done was undone, and waits to be released.
        ValueError: there is something to do.
    """
    nothing = plan.nothing
    if nothing is None:
        raise ValueError("there is something to do")
    if isinstance(nothing, Held):
        raise OutcomeHeld(
            f"nothing to do: what this run would publish was published by {nothing.run} and undone by"
            f" {nothing.undone_by} on {nothing.at.astimezone():%Y-%m-%d %H:%M}; it is held",
            try_next=f"pilotline run {plan.pipeline.name} --fresh",
            run=nothing.run,
        )
    because = f"{nothing.run} published the same"
    author = plan.pipeline.contract.owner or somebody()
    return Noted(run=run_name(around.records.unchanged(plan, author=author, because=because)), because=because)


def somebody() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
