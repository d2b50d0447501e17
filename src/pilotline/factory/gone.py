"""Schedules whose pipeline, or branch, is there no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.errors import FactoryError, did_you_mean
from pilotline.factory.releases import NoSuchRelease
from pilotline.lake.errors import BranchNotOpen, NoSuchRef
from pilotline.lake.ledger import branch_row, living

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.factory.releases import Releases
    from pilotline.factory.scheduling import Schedule
    from pilotline.lake.database import Database

__all__ = ["PipelineGone", "gone_of", "left_behind"]


class PipelineGone(FactoryError):
    """A schedule's pipeline was removed or renamed. Said, and not raised: a deploy is not refused for it."""

    code = "PL517"


def gone_of(schedule: Schedule, releases: Releases, database: Database) -> str:
    """What a schedule orders for nothing, in a few words; empty where all is there, or this machine cannot know."""
    try:
        with database.reading() as tx:
            living(branch_row(tx, schedule.onto))
    except (NoSuchRef, BranchNotOpen):
        return f"no branch {schedule.onto}"
    if schedule.release:
        try:
            releases.release(schedule.release).pipeline(schedule.pipeline)
        except NoSuchRelease:
            return f"no pipeline {schedule.pipeline} in its release"
        return ""
    folder = Path(schedule.project)
    if folder.is_dir() and not (folder / schedule.pipeline).with_suffix(".py").is_file():
        return f"no pipeline {schedule.pipeline} in its folder"
    return ""


def left_behind(
    project: str, before: Sequence[Schedule], after: Sequence[str], pipelines: Sequence[str], modules: Sequence[str]
) -> tuple[PipelineGone, ...]:
    """The schedules of a project whose pipeline a deploy finds no more.

    Args:
        project: its name.
        before: all schedules as they were, those of other projects too.
        after: the names of those that the release has.
        pipelines: of the release.
        modules: of the commit, landed or not, as schedules of a folder name them.
    """
    known = {*pipelines, *modules}
    had = {each.pipeline for each in before}
    found: list[PipelineGone] = []
    for each in before:
        if not each.name.startswith(f"{project}/") or each.name in after or each.pipeline in known:
            continue
        # What was renamed is most likely one that nobody knew before.
        fresh = [name for name in pipelines if name not in had]
        found.append(
            PipelineGone(
                f"{each.pipeline} is no pipeline of {project} any more: its schedule {each.name}, {each.words}, was removed."
                f"{did_you_mean(each.pipeline, fresh)}",
                try_next="give the new one a schedule in its contract, if it was renamed",
                schedule=each.name,
                pipeline=each.pipeline,
            )
        )
    return tuple(found)
