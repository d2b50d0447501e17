"""How fast a large table is written, beside plain Parquet."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import volumes
from measuring import Result, Spread

from pilotline.domain.tables import Replace, TableName
from pilotline.lake.lake import open_lake

NAME = "lake-write"
GOAL = "10 M rows of 10 columns are written at 80 % of plain Parquet's speed at least"

_LIMIT = 0.8
_RUNS = 3


def measure() -> Result:
    """Parquet's CPU seconds by ours, in turns, both with zstd."""
    data = volumes.table()
    ours: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-write-") as home:
        lake = open_lake(Path(home), author="bench")
        for number in range(_RUNS):
            began = time.process_time()
            pq.write_table(data, Path(home) / f"{number}.parquet", compression="zstd")
            plain.append(time.process_time() - began)
            lake.create_branch(f"b{number}")
            began = time.process_time()
            lake.write(f"b{number}", TableName("shop", "orders"), data, Replace())
            ours.append(time.process_time() - began)
        lake.database.close()
    figure = Spread.of(plain).median / Spread.of(ours).median
    return Result(
        figure=figure,
        unit="of Parquet's speed",
        goal=_LIMIT,
        peer="plain Parquet, CPU-s",
        peer_figure=Spread.of(plain).median,
        ratio=figure,
        ok=figure >= _LIMIT,
        command="lake.write(branch, table, data, Replace())",
        data={"ours": Spread.of(ours).as_data(), "parquet": Spread.of(plain).as_data(), "rows": volumes.ROWS},
    )
