"""A plan with nothing to do: say so and note it, without any of the machinery of a run."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.domain.plans import FileInput, Held, Unchanged
from pilotline.run import standing
from pilotline.run.environment import neighbours
from pilotline.run.errors import OutcomeHeld
from pilotline.run.planning import plan
from pilotline.run.records import run_name
from pilotline.run.redacting import plan_without_secrets

if TYPE_CHECKING:
    from pilotline.domain.plans import Plan
    from pilotline.run.opening import Opened
    from pilotline.run.planning import Around, Asked

__all__ = ["Noted", "note_nothing", "note_standing", "refuse_held", "somebody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A run that had nothing to do."""

    run: str
    because: str


def note_nothing(made: Plan, around: Around) -> Noted:
    """Note that there was nothing to do.

    Raises:
        OutcomeHeld: because what would be done was undone, and waits to be released.
        ValueError: there is something to do.
    """
    nothing = made.nothing
    if nothing is None:
        raise ValueError("there is something to do")
    refuse_held(made)
    because = nothing.because if isinstance(nothing, Unchanged) else ""
    author = made.pipeline.contract.owner or somebody()
    return Noted(
        run=run_name(around.records.unchanged(plan_without_secrets(made), author=author, because=because)),
        because=because,
    )


def refuse_held(made: Plan) -> None:
    """Stop where what would be published was undone.

    Raises:
        OutcomeHeld: it was, and waits to be released.
    """
    if isinstance(made.nothing, Held):
        held = made.nothing
        raise OutcomeHeld(
            f"nothing to do: what this run would publish was published by {held.run} and undone by"
            f" {held.undone_by} on {held.at.astimezone():%Y-%m-%d %H:%M}; it is held",
            try_next=f"pilotline run {made.pipeline.name} --fresh",
            run=held.run,
        )


def note_standing(opened: Opened, asked: Asked, question: str) -> dict[str, str] | None:
    """Note that there is nothing to do, if so, in a form that tells it again from marks of files alone.

    Returns:
        What to say of it; None where there is something to do.
    """
    own = str(opened.around.project.own)
    # Only when nobody here has the catalog open are its files as they will be found.
    opened.lake.database.close()
    catalog = standing.catalog_marks(own)
    made = plan(opened.reading, opened.lake, asked, opened.around)
    opened.lake.database.close()
    if not isinstance(made.nothing, Unchanged):
        return None
    found = {
        "pipeline": made.pipeline.name,
        "because": made.nothing.because,
        "at": f"{made.nothing.at.astimezone():%Y-%m-%d %H:%M}",
    }
    folder, project = made.pipeline.folder, opened.around.project.folder
    if opened.around.project.database is not None:
        # What others do to a catalog on another host shows on no file here.
        return found
    files = [str(folder / each.path) for each in made.inputs if isinstance(each, FileInput)]
    # What is named and not there would be an input if it were made.
    named = {text for code in opened.reading.code.values() for text in code.texts}
    named |= {str(one) for each in made.pipeline.parameters if each.kind == "file"
              for value in [made.parameters[each.name]] for one in (value if isinstance(value, list) else [value])}  # fmt: skip
    files += [str(folder / text) for text in sorted(named) if not (folder / text).is_dir()]
    files += [str(path) for path in (*folder.glob("*.py"), *neighbours(folder))]
    files += [str(project / name) for name in ("pilotline.toml", "pyproject.toml")]
    standing.note(question, opened, catalog, found, files)
    return found


def somebody() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
