"""Where a pipeline left off that is fed by changes: the last publish of its own that still stands.

A parameter that the contract names under ``changes`` is read as the rows that came to its table since the state that this
publish read. So the position is no row of its own that could disagree with the data: it moves in the transaction that
publishes what was made of the rows, and goes back when that is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.domain.pipelines import BadContract, FromParameter, FromResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.domain.pipelines import Pipeline
    from pilotline.domain.tables import Commit, TableName
    from pilotline.lake.catalog import CatalogReader
    from pilotline.run.records import PastRun, Records

__all__ = ["left_off", "made_of_changes", "replaces_by_changes", "undo_of", "undone_in"]

#: How many commits are looked at first for one that undid the last publish.
_LOOKED_AT: Final = 64


def left_off(records: Records, lake: CatalogReader, pipeline: Pipeline, onto: str) -> PastRun | None:
    """The last run of a pipeline whose publish onto a branch stands; None: what it reads is all new.

    Several projects may share a catalog, and have pipelines of one name, and a project may be given another name: a run is
    this pipeline's if it wrote one of its tables. Where the tables are others than before, nothing was made for them yet.
    """
    tables = {str(pipeline.contract.table_of(output)) for output in made_of_changes(pipeline)}
    records = records.of("")
    past = records.last_published(pipeline.name, onto)
    while past is not None:
        wrote = {row[0] for row in records.rows_of("tables", past.number)}
        if not wrote or wrote & tables:
            log = _log_until(lake, onto, past.commit)
            if any(each.id == past.commit for each in log) and undo_of(past.commit, log) is None:
                return past
        past = records.published_before(pipeline.name, onto, past.number)
    return None


def _log_until(lake: CatalogReader, onto: str, commit: str) -> tuple[Commit, ...]:
    """The newest commits of a branch, as many as it takes to see one of them, if it is there."""
    limit = _LOOKED_AT
    while True:
        log = lake.log(onto, limit=limit)
        if len(log) < limit or any(each.id == commit for each in log):
            return log
        limit *= 8


def undo_of(commit: str, log: tuple[Commit, ...]) -> Commit | None:
    """The commit that took another one back, unless that was taken back in turn.

    Args:
        commit: the one that may have been taken back.
        log: newest first, as far back as it.
    """
    return undone_in(log).get(commit)


def undone_in(log: tuple[Commit, ...]) -> Mapping[str, Commit]:
    """The commits that are taken back, each with the one that did it; an undo that was undone itself took nothing back.

    Args:
        log: newest first.
    """
    found: dict[str, Commit] = {}
    for each in log:
        if each.undoes and str(each.id) not in found:
            found.setdefault(str(each.undoes), each)
    return found


def made_of_changes(pipeline: Pipeline) -> frozenset[str]:
    """The outputs that are made from what a parameter of ``changes`` gives, directly or through steps."""
    changes = set(pipeline.contract.changes)
    reached: set[str] = set()

    def takes(value: object) -> bool:
        match value:
            case FromParameter(name=name):
                return name in changes
            case FromResult(step=step):
                return step in reached
            case _:
                return False

    for step in pipeline.steps:
        if any(map(takes, step.arguments.values())):
            reached.add(step.name)
    return frozenset(output.name for output in pipeline.outputs if takes(output.value))


def replaces_by_changes(pipeline: str, output: str, table: TableName) -> BadContract:
    """The refusal of a table that would be replaced by what was made of the last changes alone."""
    return BadContract(
        f"{pipeline}.toml: {output} is made of changes alone, and would replace all of {table}",
        try_next=f'say mode = "append", or "merge(KEY)", in [tables.{output}]',
        path=f"{pipeline}.toml",
    )
