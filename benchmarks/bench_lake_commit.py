"""What a tiny append costs, committed, one after another to the same table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Result, Spread

from pilotline.domain.tables import Append, TableName
from pilotline.lake.lake import open_lake

NAME = "lake-commit"
GOAL = "tiny appends are committed in at most 20 ms at the median on SQLite"

_LIMIT = 20.0
_RUNS = 100


def measure() -> Result:
    """Milliseconds of an append of ten rows; the peer is writing them as a Parquet file and nothing else."""
    data = pa.table({"id": list(range(10)), "amount": [0.5] * 10})
    appends: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-commit-") as home:
        lake = open_lake(Path(home), author="bench")
        lake.create_branch("work")
        for number in range(_RUNS):
            began = perf_counter()
            lake.write("work", TableName("shop", "orders"), data, Append())
            appends.append(1000 * (perf_counter() - began))
            began = perf_counter()
            pq.write_table(data, Path(home) / f"{number}.parquet", compression="zstd")
            bare.append(1000 * (perf_counter() - began))
        assert lake.table(TableName("shop", "orders"), "work").rows == 10 * _RUNS
        lake.database.close()
    spread = Spread.of(appends[1:])
    return Result(
        figure=spread.median,
        unit="ms",
        goal=_LIMIT,
        peer="a Parquet file alone, ms",
        peer_figure=Spread.of(bare).median,
        ok=spread.median <= _LIMIT,
        command="lake.write(branch, table, ten_rows, Append())",
        data={
            "appends": spread.as_data(),
            "first 20": Spread.of(appends[1:21]).median,
            "last 20": Spread.of(appends[-20:]).median,
        },
    )
