"""SQL reads of the tables what it needs, and the same values as a scan does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilotline.domain.access import Compare, Mask, Scope
from pilotline.domain.tables import Append, Replace, SetProperty, TableName
from pilotline.lake.errors import LakeDamaged
from pilotline.lake.lake import open_lake
from pilotline.lake.reading import sql

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")


def ask(lake, query, scope=OWNER):
    return sql(lake, query, "mine", lambda _: scope).to_pylist()


def test_all_types_are_what_a_scan_says(lake):
    data = pa.table(
        {
            "n": pa.array([1, None], pa.int32()),
            "x": [1.5, None],
            "word": ["a", None],
            "yes": [True, None],
            "day": [date(2026, 1, 2), None],
            "at": pa.array([datetime(2026, 1, 2, 3, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "data": [b"x", None],
            "list": [[1, 2], None],
            "part": [{"a": 1}, None],
        }
    )
    lake.write("mine", ORDERS, data, Replace())
    assert ask(lake, "SELECT * FROM sales.orders") == lake.scan(ORDERS, OWNER, "mine").read_all().to_pylist()


def test_columns_that_came_later_or_became_wider_are_read_from_all_files(lake):
    lake.write("mine", ORDERS, pa.table({"n": pa.array([1], pa.int32())}), Replace())
    lake.write("mine", ORDERS, pa.table({"n": pa.array([2**40]), "word": ["b"]}), Append())
    assert ask(lake, "SELECT * FROM orders ORDER BY n") == [{"n": 1, "word": None}, {"n": 2**40, "word": "b"}]
    assert ask(lake, "SELECT n FROM orders WHERE word IS NULL") == [{"n": 1}]


def test_names_that_files_write_otherwise_are_read(lake):
    lake.write("mine", ORDERS, pa.table({"a b": [1], "ä": [2], "1x": [3]}), Replace())
    assert ask(lake, 'SELECT "a b", ä, "1x" FROM orders') == [{"a b": 1, "ä": 2, "1x": 3}]


def test_an_empty_table_and_a_table_joined_with_itself_are_read(lake):
    lake.write("mine", ORDERS, pa.table({"n": pa.array([], pa.int64())}), Replace())
    assert ask(lake, "SELECT count(*) AS n FROM orders") == [{"n": 0}]
    lake.write("mine", ORDERS, pa.table({"n": [1, 2]}), Append())
    assert ask(lake, "SELECT count(*) AS n FROM orders a JOIN orders b USING (n)") == [{"n": 2}]


def test_a_scope_keeps_back_the_same_rows_columns_and_values(lake):
    lake.write("mine", ORDERS, pa.table({"n": [1, 2], "mail": ["a@x.de", "b@x.de"], "pay": [5, 6]}), Replace())
    scope = Scope(
        columns=("n", "mail"), rows=Compare("pay", ">", 5), masks=(Mask(column="mail", action="mask-alphanum"),),
        because=("a test",),
    )  # fmt: skip
    (row,) = ask(lake, "SELECT * FROM orders", scope)
    assert row["n"] == 2
    assert set(row) == {"n", "mail"}
    assert row["mail"] != "b@x.de"


@pytest.fixture
def broken(tmp_path):
    """A table of four row groups; of the second column, and of all but the first group, the bytes are destroyed."""
    lake = open_lake(tmp_path, author="somebody")
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"n": [0], "x": [0.5]}), Replace())
    lake.alter("mine", ORDERS, [SetProperty(name="write.parquet.row-group-limit", value="1000")])
    lake.delete("mine", ORDERS, Compare("n", "=", 0))
    lake.write("mine", ORDERS, pa.table({"n": range(4000), "x": [n / 2 for n in range(4000)]}), Append())
    (file,) = [each for each in Path(tmp_path).rglob("*.parquet") if pq.ParquetFile(each).metadata.num_row_groups == 4]
    metadata = pq.ParquetFile(file).metadata
    data = bytearray(file.read_bytes())
    for group in range(4):
        for column in range(2):
            if (group, column) != (0, 0):
                chunk = metadata.row_group(group).column(column)
                begin = chunk.dictionary_page_offset or chunk.data_page_offset
                data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    file.write_bytes(data)
    return lake


def test_only_the_columns_and_row_groups_that_a_query_needs_are_read(broken):
    assert ask(broken, "SELECT count(*) AS c, max(n) AS m FROM orders WHERE n < 900") == [{"c": 900, "m": 899}]
    with pytest.raises(Exception, match=r"Corrupt|Couldn|Unexpected|ZSTD|header|could not be run"):
        ask(broken, "SELECT max(n) FROM orders")


def test_only_the_columns_and_files_that_a_scan_needs_are_read(broken):
    read = broken.scan(ORDERS, OWNER, "mine", columns=["n"], filter=Compare("n", "<", 900)).read_all()
    assert read.num_rows == 900


@pytest.mark.parametrize("content", [b"", b"no Parquet file", None], ids=["empty", "another", "gone"])
def test_a_query_over_a_damaged_file_says_which_and_does_not_blame_the_query(lake, content):
    lake.write("mine", ORDERS, pa.table({"n": [1, 2]}), Replace())
    (path,) = (each.path for each in lake.storage.files() if each.path.endswith(".parquet"))
    lake.storage.remove([path])
    if content is not None:
        lake.storage.write(path, content)
    with pytest.raises(LakeDamaged) as caught:
        ask(lake, "SELECT sum(n) FROM orders")
    assert caught.value.code == "PL240"
