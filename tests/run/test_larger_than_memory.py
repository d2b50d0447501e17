"""Tables several times larger than what any process of a run holds: from a file, through two steps, into the lake."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.tables import TableName
from pilotline.run.checking import WHOLE
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import Project

#: 1.6 GB of numbers in memory; as a file little, since they repeat.
ROWS, COLUMNS = 20_000_000, 10
SIZE = ROWS * COLUMNS * 8
#: Bytes that a step's process may hold, and the one that writes the table, their libraries among them.
OF_A_STEP = SIZE // 3
OF_A_RUN = SIZE * 2 // 3

SOURCE = f"""
import sys

import duckdb

numbers = ", ".join(f"range // 1000 + {{n}} AS c{{n}}" for n in range({COLUMNS}))
duckdb.sql("SET memory_limit = '200MB'")
duckdb.sql(f"COPY (SELECT {{numbers}} FROM range({ROWS})) TO '{{sys.argv[1]}}' (FORMAT parquet)")
"""
MODULE = """
from pathlib import Path

IMPORTS


def read(numbers_parquet):
    READS


def one_less(numbers):
    MAKES


def pipeline(*, numbers_parquet: Path = Path("numbers.parquet")):
    numbers = read(numbers_parquet)
    less = one_less(numbers)
    return {"less": less}
"""
#: kind -> imports, the first step, the second step; each gives back one c0 less.
KINDS = {
    "reader": (
        "import pyarrow as pa\nimport pyarrow.compute as pc\nimport pyarrow.parquet as pq",
        (
            "file = pq.ParquetFile(numbers_parquet, pre_buffer=False)\n"
            "    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(100_000))"
        ),
        (
            "def batches():\n"
            "        for batch in numbers:\n"
            "            yield batch.set_column(0, 'c0', pc.subtract(batch['c0'], 1))\n"
            "    return pa.RecordBatchReader.from_batches(numbers.schema, batches())"
        ),
    ),
    "dataset": (
        "import pyarrow.compute as pc\nimport pyarrow.dataset as ds",
        "return ds.dataset(numbers_parquet)",
        (
            "columns = {name: pc.field(name) for name in numbers.schema.names}\n"
            "    columns['c0'] = pc.subtract(columns['c0'], 1)\n"
            "    return numbers.scanner(columns, use_threads=False, batch_readahead=1, fragment_readahead=1).to_reader()"
        ),
    ),
    "relation": (
        "import duckdb\n\nduckdb.sql(\"SET memory_limit = '200MB'\")",
        "return duckdb.read_parquet(str(numbers_parquet))",
        "return numbers.project('c0 - 1 AS c0, * EXCLUDE c0')",
    ),
    "lazy": (
        "import polars as pl",
        "return pl.scan_parquet(numbers_parquet)",
        "return numbers.with_columns(pl.col('c0') - 1)",
    ),
    "frames": (
        "import pyarrow.parquet as pq",
        (
            "for batch in pq.ParquetFile(numbers_parquet, pre_buffer=False).iter_batches(100_000):\n"
            "        yield batch.to_pandas()"
        ),
        "for frame in numbers:\n        yield frame.assign(c0=frame['c0'] - 1)",
    ),
}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("source") / "numbers.parquet"
    subprocess.run([sys.executable, "-c", SOURCE, path], check=True)
    return path


def write(project: Project, numbers: Path, kind: str) -> None:
    os.link(numbers, project.folder / "numbers.parquet")
    imports, reads, makes = KINDS[kind]
    project.write("explore.py", MODULE.replace("IMPORTS", imports).replace("READS", reads).replace("MAKES", makes))
    checks = f'{{ row_count = [{ROWS}, {ROWS}] }}, {{ not_null = ["c0", "c9"] }}'
    every = '{ sql = "select * from less", name = "every row", severity = "warn" }'
    project.write("explore.toml", f"[tables.less]\nchecks = [{checks}, {every}]\n")


def assert_published(project: Project) -> None:
    lake, _ = open_lake_here(project.folder)
    rows, sums = 0, [0, 0]
    for batch in lake.scan(TableName("shop", "less"), WHOLE, "main", columns=["c0", "c9"]):
        rows += batch.num_rows
        sums = [one + int(batch[name].to_numpy().sum()) for one, name in zip(sums, ["c0", "c9"], strict=True)]
    whole = sum(n * 1000 for n in range(ROWS // 1000))
    assert (rows, sums) == (ROWS, [whole - ROWS, whole + 9 * ROWS])


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_holds_more_than_a_part_of_a_table(project: Project, numbers: Path, kind: str):
    write(project, numbers, kind)
    project.run()
    assert_published(project)
    held = {event["step"]: event["memory"] for event in project.events if event["event"] == "step"}
    assert list(held) == ["read", "one_less"]
    assert max(held.values()) < OF_A_STEP, held


#: Runs a command, and prints the kilobytes of whichever of the processes that it started held the most. It is small itself:
#: what a process held when it started another counts as held by that one.
HELD = """
import resource, subprocess, sys

done = subprocess.run(sys.argv[1:], stdout=sys.stderr, check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def test_no_process_of_a_run_holds_more_than_a_part_of_a_table_wherever_the_lake_lies(
    project: Project, numbers: Path, lies: str
):
    write(project, numbers, "reader")
    command = [
        sys.executable,
        "-c",
        HELD,
        sys.executable,
        "-m",
        "pilotline",
        "run",
        "explore",
        "--python",
        sys.executable,
    ]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # A check that all rows fail counts them.
    assert "20 000 000 rows" in done.stderr
    assert int(done.stdout) * 1024 < OF_A_RUN, lies
    assert_published(project)
