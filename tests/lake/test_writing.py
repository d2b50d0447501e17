"""Rows are written as they stream by, and once, however often the write starts again."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pilotline.domain.access import Scope
from pilotline.domain.tables import Append, MergeOn, Replace, ReplacePartitions, TableName
from pilotline.lake import staging
from pilotline.lake.errors import BadKeys, NotATable
from pilotline.lake.frames import to_stream

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")


def batches(*tables):
    return pa.RecordBatchReader.from_batches(tables[0].schema, [one for each in tables for one in each.to_batches()])


def rows(lake):
    return sorted(lake.scan(ORDERS, OWNER, "mine").read_all().to_pylist(), key=lambda row: row["id"])


def data_files(lake):
    return [each.path for each in lake.storage.files() if each.path.endswith(".parquet")]


SOURCES = {
    "reader": lambda table, _: batches(table),
    "duckdb": lambda table, _: duckdb.from_arrow(table),
    "duckdb query": lambda table, _: duckdb.from_arrow(table).query("t", "SELECT * FROM t ORDER BY id"),
    "polars lazy": lambda table, _: pl.from_arrow(table).lazy(),
    "polars": lambda table, _: pl.from_arrow(table),
    "data set": lambda table, folder: ds.dataset(str(parquet(table, folder))),
    "scanner": lambda table, folder: ds.dataset(str(parquet(table, folder))).scanner(),
    "table": lambda table, _: table,
}


def parquet(table, folder):
    pq.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_streams_is_written_with_its_values(lake, tmp_path, source):
    table = pa.table({"id": list(range(1000)), "word": [f"w{n % 7}" if n % 5 else None for n in range(1000)]})
    streamed = to_stream(SOURCES[source](table, tmp_path))
    written = lake.write("mine", ORDERS, streamed.reader, Replace())
    assert written.rows == 1000
    assert rows(lake) == table.to_pylist()


def test_types_that_a_table_lacks_are_held_in_others_and_said():
    instant = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    table = pa.table(
        {
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "at": pa.array([instant, None], pa.timestamp("ns", "Europe/Berlin")),
            "took": pa.array([timedelta(seconds=1), None], pa.duration("ms")),
            "kind": pa.array(["a", None]).dictionary_encode(),
            "text": pa.array(["b", None], pa.string_view()),
            " id ": [1, 2],
        }
    )
    streamed = to_stream(batches(table))
    assert {each.column: each.became for each in streamed.coercions} == {
        "big": "decimal128(20, 0)", "at": "timestamp[us, tz=UTC]", "took": "int64", "kind": "string",
        "text": "large_string", "id": "'id'",
    }  # fmt: skip
    (first, second) = streamed.reader.read_all().to_pylist()
    assert first == {"big": 2**64 - 1, "at": instant, "took": 1000, "kind": "a", "text": "b", "id": 1}
    assert set(second.values()) == {None, 2}


def test_an_instant_between_two_microseconds_is_refused_in_a_stream():
    table = pa.table({"at": pa.array([1001], pa.timestamp("ns"))})
    with pytest.raises(NotATable, match="column at does not fit"):
        to_stream(batches(table)).reader.read_all()


@pytest.mark.parametrize(
    "column", [pa.array([-2_000_000], pa.date32()), pa.array([3 * 10**17], pa.timestamp("us"))], ids=["day", "instant"]
)
def test_a_year_that_no_reader_knows_is_refused(lake, column):
    for data in (pa.table({"at": column}), batches(pa.table({"at": column}))):
        with pytest.raises(NotATable, match="outside the years 1 to 9999"):
            lake.write("mine", ORDERS, data, Replace())
    assert lake.tables("mine") == ()


def test_what_is_no_stream_is_refused():
    with pytest.raises(NotATable, match="no stream of rows"):
        to_stream({"a": [1]})


@pytest.mark.parametrize(
    "value", ["'12:00:00+05:30'::TIMETZ", "'0101'::BIT", "[340282366920938463463374607431768211455::UHUGEINT]"]
)
def test_types_of_duckdb_s_that_arrow_gives_as_others_are_refused(value):
    import duckdb

    with pytest.raises(NotATable, match="a table does not hold") as caught:
        to_stream(duckdb.sql(f"select {value} v"))
    assert caught.value.try_next == "cast the column before it is written"


def test_a_stream_is_cut_into_files_and_only_as_much_is_held(lake, monkeypatch):
    monkeypatch.setattr(staging.parts_of, "__defaults__", (8000,))
    given = [pa.table({"id": list(range(n * 1000, n * 1000 + 1000))}) for n in range(5)]
    written = lake.write("mine", ORDERS, batches(*given), Replace())
    assert written.rows == 5000
    assert len(data_files(lake)) == 5


def test_a_stream_without_rows_makes_an_empty_table(lake):
    assert lake.write("mine", ORDERS, batches(pa.table({"id": pa.array([], pa.int64())})), Replace()).rows == 0
    assert rows(lake) == []


def test_a_stream_can_be_merged_and_replace_partitions(lake, monkeypatch):
    monkeypatch.setattr(staging.parts_of, "__defaults__", (16,))
    lake.write("mine", ORDERS, pa.table({"id": [1, 2, 3], "day": ["a", "a", "b"], "n": [0, 0, 0]}), Replace())
    part = [pa.table({"id": [n], "day": ["c"], "n": [1]}) for n in (2, 4)]
    lake.write("mine", ORDERS, batches(*part), MergeOn(keys=("id",)))
    assert [(row["id"], row["n"]) for row in rows(lake)] == [(1, 0), (2, 1), (3, 0), (4, 1)]
    part = [pa.table({"id": [n], "day": ["c"], "n": [2]}) for n in (7, 8)]
    lake.write("mine", ORDERS, batches(*part), ReplacePartitions(by="day"))
    assert [(row["id"], row["n"]) for row in rows(lake)] == [(1, 0), (3, 0), (7, 2), (8, 2)]


def test_keys_that_repeat_across_parts_of_a_stream_are_refused(lake, monkeypatch):
    monkeypatch.setattr(staging.parts_of, "__defaults__", (8,))
    lake.write("mine", ORDERS, pa.table({"id": [1]}), Replace())
    with pytest.raises(BadKeys):
        lake.write("mine", ORDERS, batches(*[pa.table({"id": [n]}) for n in (2, 3, 2)]), MergeOn(keys=("id",)))
    assert rows(lake) == [{"id": 1}]


def test_a_write_that_starts_again_writes_its_rows_once(lake, monkeypatch):
    lake.write("mine", ORDERS, pa.table({"id": [1]}), Replace())
    stage = staging.Staging.stage
    others = iter([2, 3])

    def overtaken(self, location):
        staged = stage(self, location)
        number = next(others, None)
        if number is not None:
            other = threading.Thread(target=lake.write, args=("mine", ORDERS, pa.table({"id": [number]}), Append()))
            other.start()
            other.join()
            lake.database.close()
        return staged

    monkeypatch.setattr(staging.Staging, "stage", overtaken)
    lake.write("mine", ORDERS, batches(pa.table({"id": [9]})), Append())
    assert sorted(row["id"] for row in rows(lake)) == [1, 2, 3, 9]
    assert len(data_files(lake)) == 4


def test_a_write_that_meets_a_new_schema_reads_its_rows_from_their_files(lake, monkeypatch):
    lake.write("mine", ORDERS, pa.table({"id": [1]}), Replace())
    stage = staging.Staging.stage
    others = iter([pa.table({"id": [2], "extra": ["x"]})])

    def overtaken(self, location):
        staged = stage(self, location)
        other = next(others, None)
        if other is not None:
            lake.write("mine", ORDERS, other, Append())
        return staged

    monkeypatch.setattr(staging.Staging, "stage", overtaken)
    lake.write("mine", ORDERS, batches(pa.table({"id": [8, 9], "own": [1, 2], "extra": ["y", None]})), Append())
    assert rows(lake) == [
        {"id": 1, "extra": None, "own": None},
        {"id": 2, "extra": "x", "own": None},
        {"id": 8, "extra": "y", "own": 1},
        {"id": 9, "extra": None, "own": 2},
    ]


LARGER = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from pilotline.domain.tables import Replace, TableName
from pilotline.lake.lake import open_lake

schema = pa.schema([("id", pa.int64()), ("x", pa.float64())])
rng = np.random.default_rng(1)

def batches(count):
    for n in range(count):
        yield pa.record_batch([np.arange(n * 500_000, (n + 1) * 500_000), rng.random(500_000)], schema)

lake = open_lake(Path(sys.argv[1]), author="x")
lake.create_branch("mine")
name = TableName("a", "b")
lake.write("mine", name, pa.RecordBatchReader.from_batches(schema, batches(1)), Replace())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
written = lake.write("mine", name, pa.RecordBatchReader.from_batches(schema, batches(240)), Replace())
print(written.rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_more_than_fits_into_memory_is_written(tmp_path):
    """1.9 GB of rows; what the process grows by is some of its parts, not all of them."""
    done = subprocess.run([sys.executable, "-c", LARGER, str(tmp_path)], capture_output=True, text=True, check=True)
    written, grown = map(int, done.stdout.split())
    assert written == 120_000_000
    assert grown < 1200
