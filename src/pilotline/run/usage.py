"""What each table costs to make, and who still reads it.

Reads are counted where a table is handed to somebody: as a frame, by a command, by the catalog for other engines. What
pipelines read stands in their lineage. A count that cannot be kept is no reason to refuse a read.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pilotline.domain.errors import PilotlineError
from pilotline.lake.database import named_statements
from pilotline.lake.errors import NoSuchRef
from pilotline.run.lineage import made_of
from pilotline.run.records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.lake.database import Database
    from pilotline.lake.lake import Lake
    from pilotline.run.records import PipelineOf

__all__ = ["Buffered", "Reader", "TableUse", "Usage", "use_of_tables"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "usage.sql")
MIGRATIONS: Final = (_SQL / "usage_001.sql",)

Via: TypeAlias = Literal["read", "show", "sql", "catalog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who read a table."""

    principal: str
    via: Via
    reads: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """One table: what it costs, and who reads it."""

    table: str
    rows: int
    #: The pipeline that made it last, if one did.
    made_by: str | None
    #: Runs of that pipeline in the time looked at, and what its steps took: for all of its tables together.
    runs: int
    seconds: float
    cpu: float
    #: How many tables that pipeline makes.
    shared: int
    #: Pipelines that read it, but for those that make it.
    pipelines: tuple[str, ...]
    readers: tuple[Reader, ...]
    #: Column -> how often it was asked for by name.
    columns: Mapping[str, int]
    last_read: datetime | None
    #: Nobody read it for as long as was looked at, and it is older than that.
    unread: bool


class Usage:
    """The counts of reads.

    Args:
        database: the catalog's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.register("usage", MIGRATIONS)

    def count(self, table: str, principal: str, via: Via, columns: Sequence[str] = (), *, reads: int = 1) -> None:
        """Count that somebody read a table, and the columns that were asked for by name."""
        now = datetime.now(UTC)
        with suppress(PilotlineError), self._database.writing() as tx:
            for column in ("", *dict.fromkeys(columns)):
                tx.execute(
                    SQL["count_read"], name=table, column_name=column, day=now.date().isoformat(), principal=principal,
                    via=via, reads=reads, last=now.isoformat(),
                )  # fmt: skip

    def since(self, day: str) -> list[tuple[str, str, str, Via, int, datetime]]:
        """Table, column, reader, way, number and last instant of the reads since a day."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["reads_since"], day=day)
        return [
            (name, column, who, via, int(reads), datetime.fromisoformat(last))
            for name, column, who, via, reads, last in rows
        ]

    def ever(self) -> Mapping[str, tuple[int, datetime]]:
        """How often and when last each table was read, since reads are counted."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["reads_ever"])
        return {name: (int(reads), datetime.fromisoformat(last)) for name, reads, last in rows}


class Buffered:
    """Counts many reads with few writes, for a server.

    Args:
        usage: where the counts go.
        principal: who reads.
        every: seconds between two writes, at least.
    """

    def __init__(self, usage: Usage, principal: str, *, every: float = 5.0) -> None:
        self._usage = usage
        self._principal = principal
        self._every = every
        self._lock = threading.Lock()
        self._waiting: dict[str, int] = {}
        self._written = time.monotonic()

    def count(self, table: str) -> None:
        """Count one read."""
        with self._lock:
            self._waiting[table] = self._waiting.get(table, 0) + 1
            due = time.monotonic() - self._written > self._every
        if due:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._written = time.monotonic()
        for table, reads in waiting.items():
            self._usage.count(table, self._principal, "catalog", reads=reads)


def use_of_tables(lake: Lake, *, days: int = 30) -> tuple[TableUse, ...]:
    """What each table on main costs and who reads it.

    Args:
        lake: whose.
        days: so far back is looked.
    """
    records, usage = Records(lake.database), Usage(lake.database)
    since = datetime.now(UTC) - timedelta(days=days)
    made = made_of(records)
    reads = usage.since(since.date().isoformat())
    ever = usage.ever()
    costs: dict[str, tuple[int, float, float]] = {}
    found: list[TableUse] = []
    old = _tables_at(lake, since)
    for info in lake.tables("main"):
        name = str(info.table)
        makers = sorted((each for each in made if name in each.tables_out), key=lambda each: each.at)
        maker = makers[-1] if makers else None
        if maker is not None and maker.pipeline not in costs:
            costs[maker.pipeline] = _cost(lake.database, maker.of, since)
        runs, seconds, cpu = costs[maker.pipeline] if maker else (0, 0.0, 0.0)
        own = {each.pipeline for each in makers}
        pipelines = tuple(sorted(each.pipeline for each in made if name in each.tables_in and each.pipeline not in own))
        readers = tuple(
            Reader(principal=who, via=via, reads=count, last=last)
            for table, column, who, via, count, last in reads
            if table == name and not column
        )
        columns: dict[str, int] = {}
        for table, column, _, _, count, _ in reads:
            if table == name and column:
                columns[column] = columns.get(column, 0) + count
        found.append(
            TableUse(
                table=name, rows=info.rows, made_by=maker.pipeline if maker else None, runs=runs, seconds=seconds, cpu=cpu,
                shared=len(maker.tables_out) if maker else 0, pipelines=pipelines, readers=readers, columns=columns,
                last_read=ever[name][1] if name in ever else None, unread=name in old and not (readers or pipelines),
            )
        )  # fmt: skip
    return tuple(found)


def _tables_at(lake: Lake, moment: datetime) -> frozenset[str]:
    """The tables that there were at an instant."""
    try:
        at = lake.resolve(moment.isoformat())
    except NoSuchRef:
        return frozenset()
    return frozenset(str(info.table) for info in lake.tables(at))


def _cost(database: Database, pipeline: PipelineOf, since: datetime) -> tuple[int, float, float]:
    with database.reading() as tx:
        asked = {"project": pipeline.project, "pipeline": pipeline.name, "since": since.isoformat()}
        runs, seconds, cpu = tx.execute(SQL["cost_of_pipeline"], **asked)[0]
    return int(runs), float(seconds), float(cpu)
