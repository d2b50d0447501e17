"""How long it takes to find the rows that changed, beside the libraries that compare frames and database tables."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
import volumes
from measuring import Result, Spread

from pilotline.domain.access import Scope
from pilotline.domain.tables import MergeOn, Replace, TableName
from pilotline.lake.diff import diff
from pilotline.lake.lake import open_lake

NAME = "lake-diff-peers"
GOAL = (
    "10 M rows of which 0.1 % changed: by key at least 3 times as fast as datacompy on Parquet and reladiff on DuckDB"
)

_TIMES = 3.0
_RUNS = 3
_OWNER = Scope.everything("the owner")
_ORDERS = TableName("shop", "orders")
_PACKAGES = ("datacompy", "reladiff", "duckdb", "polars", "pyarrow")
_DATACOMPY = """
import sys, time
import datacompy, polars
began = time.perf_counter()
before, after = polars.read_parquet("before.parquet"), polars.read_parquet("after.parquet")
compared = datacompy.PolarsCompare(before, after, join_columns=["id"])
assert before.height - compared.count_matching_rows() == int(sys.argv[1])
print(time.perf_counter() - began)
"""
_RELADIFF = """
import os, sys, time
import reladiff
sides = [reladiff.connect_to_table(f"duckdb://{os.getcwd()}/tables.duckdb", name, "id") for name in ("before", "after")]
began = time.perf_counter()
found = list(reladiff.diff_tables(*sides, extra_columns=tuple(sys.argv[2].split(","))))
assert len(found) == 2 * int(sys.argv[1]), len(found)
print(time.perf_counter() - began)
"""


def measure() -> Result:
    """Seconds of the faster peer by ours, in turns."""
    data = volumes.table()
    part = data.slice(volumes.ROWS // 2, max(1, volumes.ROWS // 1000))
    place = part.schema.get_field_index("amount")
    part = part.set_column(place, "amount", pc.add(part.column("amount"), 1.0))
    seconds: dict[str, list[float]] = {"pilotline": [], "datacompy": [], "reladiff": []}
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as home:
        folder = Path(home)
        lake = open_lake(folder, author="bench")
        lake.create_branch("before")
        lake.write("before", _ORDERS, data, Replace())
        lake.create_branch("after", "before")
        lake.write("after", _ORDERS, part, MergeOn(keys=("id",)))
        del data
        for side in ("before", "after"):
            pq.write_table(lake.scan(_ORDERS, _OWNER, side).read_all(), folder / f"{side}.parquet")
        with duckdb.connect(str(folder / "tables.duckdb")) as engine:
            for side in ("before", "after"):
                engine.execute(f"CREATE TABLE {side} AS FROM '{folder}/{side}.parquet'")
        python, versions = _peers(folder / "peers")
        columns = ",".join(name for name in part.column_names if name != "id")
        for _ in range(_RUNS):
            began = time.perf_counter()
            (found,) = diff(lake, "before", "after", lambda _: _OWNER, keys={_ORDERS: ["id"]}).tables
            seconds["pilotline"].append(time.perf_counter() - began)
            assert found.rows_changed == part.num_rows
            for name, script in (("datacompy", _DATACOMPY), ("reladiff", _RELADIFF)):
                done = subprocess.run(
                    [python, "-c", script, str(part.num_rows), columns],
                    cwd=folder, capture_output=True, text=True, check=True,
                )  # fmt: skip
                seconds[name].append(float(done.stdout.split()[-1]))
        lake.database.close()
    spreads = {name: Spread.of(each) for name, each in seconds.items()}
    peer = min(("datacompy", "reladiff"), key=lambda name: spreads[name].median)
    ratio = spreads[peer].median / spreads["pilotline"].median
    return Result(
        figure=spreads["pilotline"].median,
        unit="s",
        goal=spreads[peer].median / _TIMES,
        peer=f"{peer}, s",
        peer_figure=spreads[peer].median,
        ratio=ratio,
        ok=ratio >= _TIMES,
        command="diff(lake, before, after, scope, keys); PolarsCompare(before, after); reladiff.diff_tables(before, after)",
        data={name: spread.as_data() for name, spread in spreads.items()} | {"rows": volumes.ROWS, "peers": versions},
    )


def _peers(folder: Path) -> tuple[str, list[str]]:
    """An interpreter of an environment with the peers, and their versions."""
    beside = Path(__file__).parents[1] / ".venv-uv" / "bin" / "uv"
    uv = shutil.which("uv") or str(beside)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *_PACKAGES], check=True)
    listed = subprocess.run(
        [uv, "pip", "list", "--quiet", "--format", "json", "--python", python], check=True, capture_output=True
    )
    return python, [f"{one['name']} {one['version']}" for one in json.loads(listed.stdout) if one["name"] in _PACKAGES]
