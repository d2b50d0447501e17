"""What publishing twenty tables at once costs, in a catalog of 10 000 tables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import pyarrow as pa
from lakes import with_tables
from measuring import Result, Spread

from pilotline.domain.tables import Replace, TableName

NAME = "lake-publish"
GOAL = "publishing 20 tables is one transaction and takes at most 50 ms"

_LIMIT = 50.0
_RUNS = 9
_TABLES = 20


def measure() -> Result:
    """Milliseconds of the publish alone; the peer is writing the twenty tables on the branch."""
    publishes: list[float] = []
    writes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-publish-") as home:
        lake = with_tables(Path(home), 10_000)
        for number in range(_RUNS):
            branch = f"run-{number}"
            lake.create_branch(branch)
            began = perf_counter()
            for table in range(_TABLES):
                lake.write(branch, TableName("shop", f"made_{table}"), pa.table({"a": [number] * 100}), Replace())
            writes.append(1000 * (perf_counter() - began))
            lake.mark_checked(branch, lake.branch(branch).head)
            began = perf_counter()
            lake.publish(branch)
            publishes.append(1000 * (perf_counter() - began))
        lake.database.close()
    spread, written = Spread.of(publishes), Spread.of(writes)
    return Result(
        figure=spread.median,
        unit="ms",
        goal=_LIMIT,
        peer=f"writing the {_TABLES} tables, ms",
        peer_figure=written.median,
        ok=spread.median <= _LIMIT,
        command="pilotline run",
        data={"publish": spread.as_data(), "write": written.as_data(), "tables": 10_000},
    )
