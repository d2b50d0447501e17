"""Give runs to another catalog, as OpenLineage events, in a file or over HTTP."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilotline.factory.alerting import NotDelivered
from pilotline.factory.channels import deliver
from pilotline.run.openlineage import as_lines, events_of

if TYPE_CHECKING:
    from pilotline.lake.catalog import CatalogReader
    from pilotline.run.records import Records

__all__ = ["Told", "tell_runs"]

_OVER: Final = frozenset({"published", "unchanged", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was given."""

    runs: int
    events: int
    #: The last run before the first that still goes on: where the next call begins.
    last: int


def tell_runs(records: Records, lake: CatalogReader, namespace: str, to: str, *, since: int = 0) -> Told:
    """Give the events of runs that have ended, in order, up to the first that still goes on.

    Args:
        records: the rows of runs.
        lake: for the columns of tables.
        namespace: of the project.
        to: an ``http://`` or ``https://`` address, which gets each event by POST; else a file, to which lines are added.
        since: runs after this one. Events are the same each time they are made, so some may be given twice.

    Raises:
        NotDelivered: the address did not take one; those before it were given.
    """
    runs, count, last = 0, 0, since
    variables = {name: os.environ.get(name, "") for name in ("OPENLINEAGE_API_KEY",)}
    while some := records.after(last):
        for run in some:
            if run.state not in _OVER:
                return Told(runs=runs, events=count, last=last)
            events = events_of(run, records, lake, namespace)
            if to.startswith(("http://", "https://")):
                try:
                    for event in events:
                        deliver(to, event, bearer=variables["OPENLINEAGE_API_KEY"])
                except NotDelivered as error:
                    raise NotDelivered(
                        f"{error.message}; {runs} runs were told before",
                        try_next=f"pilotline lineage --openlineage ADDRESS --since {last}", last=last, runs=runs, **error.facts,
                    ) from error  # fmt: skip
            else:
                with Path(to).open("a", encoding="utf-8") as file:
                    file.write(as_lines(events))
            runs, count, last = runs + 1, count + len(events), run.number
    return Told(runs=runs, events=count, last=last)
