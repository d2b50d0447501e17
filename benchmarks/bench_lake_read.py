"""How fast a large table is read, beside plain Parquet."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import volumes
from measuring import Result, Spread

from pilotline.domain.access import Scope
from pilotline.domain.tables import Replace, TableName
from pilotline.lake.lake import open_lake

NAME = "lake-read"
GOAL = "10 M rows of 10 columns are read, governed, at 90 % of plain Parquet's speed at least"

_LIMIT = 0.9
_RUNS = 3


def measure() -> Result:
    """Parquet's CPU seconds by ours, in turns, into Arrow."""
    name = TableName("shop", "orders")
    ours: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-read-") as home:
        lake = open_lake(Path(home), author="bench")
        lake.create_branch("b")
        data = volumes.table()
        lake.write("b", name, data, Replace())
        pq.write_table(data, Path(home) / "plain.parquet", compression="zstd")
        del data
        for _ in range(_RUNS):
            began = time.process_time()
            rows = pq.read_table(Path(home) / "plain.parquet").num_rows
            plain.append(time.process_time() - began)
            began = time.process_time()
            assert lake.scan(name, Scope.everything("bench"), "b").read_all().num_rows == rows
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
        command="lake.scan(table, scope, at).read_all()",
        data={"ours": Spread.of(ours).as_data(), "parquet": Spread.of(plain).as_data(), "rows": volumes.ROWS},
    )
