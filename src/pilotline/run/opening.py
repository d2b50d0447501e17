"""Open what a plan and a run need: the project, its interpreter, the pipeline, the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.lake.lake import open_lake
from pilotline.run.digests import Digests
from pilotline.run.environment import choose_python, environment_of
from pilotline.run.planning import Around
from pilotline.run.projects import find_module, project_of
from pilotline.run.reading import Reading, read_pipeline
from pilotline.run.records import Records

if TYPE_CHECKING:
    from pathlib import Path

    from pilotline.lake.lake import Lake
    from pilotline.run.projects import Project

__all__ = ["Opened", "lake_of", "open_lake_here", "open_pipeline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A pipeline and all around it."""

    reading: Reading
    lake: Lake
    around: Around


def open_pipeline(
    module: str | None, here: Path, *, python: str | None = None, project: Project | None = None
) -> Opened:
    """Open the pipeline that somebody names, from a folder.

    Args:
        module: its name or path; None: the only one.
        here: the folder.
        python: the interpreter of its steps, if it is not to be found.
        project: that it belongs to, if it is not to be found.

    Raises:
        NoPipeline: there is none, or there are several and none was named.
        BadPipeline: it is more than a straight line of calls.
        BadContract: its contract cannot be understood.
        NoEnvironment: the interpreter asked for cannot be started.
    """
    path = find_module(module, here)
    project = project or project_of(path.parent)
    cache = project.own / "cache"
    environment = environment_of(choose_python(path.parent, python), cache)
    lake = lake_of(project)
    around = Around(
        project=project,
        environment=environment,
        digests=Digests(cache / "files.json"),
        records=Records(lake.database, project=project.namespace),
    )
    _ignored_by_git(project.own)
    return Opened(reading=read_pipeline(path, project, environment), lake=lake, around=around)


def lake_of(project: Project) -> Lake:
    """The lake of a project, its catalog and its tables where the settings say.

    Raises:
        BadSettings: they cannot be understood.
        BadStorage: they name no place for tables.
    """
    return open_lake(project.own.parent, database=project.database, tables=project.tables)


def open_lake_here(here: Path) -> tuple[Lake, Records]:
    """The lake and the runs of the project that a folder belongs to."""
    project = project_of(here)
    lake = lake_of(project)
    return lake, Records(lake.database, project=project.namespace)


def _ignored_by_git(own: Path) -> None:
    ignored = own / ".gitignore"
    if own.is_dir() and not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
