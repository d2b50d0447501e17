"""A diff agrees with a plain comparison of rows, knows tolerances, and draws itself."""

from __future__ import annotations

import math
import random
import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotline.domain.access import Scope
from pilotline.domain.tables import Replace, TableName
from pilotline.lake import diff as differing
from pilotline.lake.diff import Tolerance, diff
from pilotline.lake.diff_page import diff_page
from pilotline.lake.errors import NoSuchColumn
from pilotline.lake.lake import open_lake
from pilotline.lake.memory import MemoryCatalog

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")
SCHEMA = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("word", pa.string())])


@pytest.fixture(params=["in memory", "on the disk"], autouse=True, scope="module")
def room(request):
    before = differing.IN_MEMORY
    differing.IN_MEMORY = before if request.param == "in memory" else 0
    yield request.param
    differing.IN_MEMORY = before


def compared(catalog, before, after, **more):
    for name, rows in (("one", before), ("two", after)):
        catalog.create_branch(name)
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, SCHEMA)
        catalog.write(name, ORDERS, table, Replace())
    found = diff(catalog, "one", "two", lambda _: OWNER, **more)
    return found, (found.tables[0] if found.tables else None)


ROW = st.fixed_dictionaries(
    {
        "id": st.integers(0, 5),
        "x": st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1.0 + 1e-12, 2.0, math.nan, math.inf])),
        "word": st.one_of(st.none(), st.sampled_from("ab")),
    }
)
KEYED = st.lists(ROW, max_size=6, unique_by=lambda row: row["id"])


def plain(row):
    return tuple("NaN" if isinstance(value, float) and math.isnan(value) else value for _, value in sorted(row.items()))


@given(st.lists(ROW, max_size=8), st.lists(ROW, max_size=8))
@settings(max_examples=60, deadline=None)
def test_without_keys_rows_are_counted_as_often_as_they_are_there(before, after):
    _, found = compared(MemoryCatalog(), before, after)
    old, new = Counter(map(plain, before)), Counter(map(plain, after))
    assert (found.rows_added, found.rows_removed) == ((new - old).total(), (old - new).total())


def near(a, b, rtol, atol):
    if a is None or b is None:
        return a is b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= atol + rtol * max(abs(a), abs(b)))


@given(KEYED, KEYED, st.sampled_from([(0.0, 0.0), (1e-9, 0.0), (0.0, 1.0), (0.5, 0.1)]))
@settings(max_examples=60, deadline=None)
def test_with_keys_a_row_changed_where_a_value_is_farther_away_than_it_may_be(before, after, limits):
    rtol, atol = limits
    _, found = compared(
        MemoryCatalog(), before, after, keys={ORDERS: ["id"]}, tolerance=Tolerance(relative=rtol, absolute=atol)
    )
    old, new = ({row["id"]: row for row in rows} for rows in (before, after))
    both = [(old[key], new[key]) for key in old.keys() & new.keys()]
    changed = [(a, b) for a, b in both if not (near(a["x"], b["x"], rtol, atol) and a["word"] == b["word"])]
    assert (found.rows_added, found.rows_removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert found.rows_changed == len(changed)
    if both:
        share = sum(near(a["x"], b["x"], rtol, atol) for a, b in both) / len(both)
        assert found.equal["x"] == pytest.approx(share)


def test_columns_of_rows_that_differ_are_spread(tmp_path):
    before = pa.table({"id": range(1000), "x": [float(n % 10) for n in range(1000)], "word": ["a"] * 1000})
    after = pa.table(
        {
            "id": range(1000),
            "x": [n % 10 + (100.0 if n >= 900 else 0.0) for n in range(1000)],
            "word": ["a"] * 900 + ["b"] * 100,
        }
    )
    _, found = compared(open_lake(tmp_path), before, after, spreads=True)
    columns = {one.name: one for one in found.columns}
    assert set(columns) == {"x", "word"}
    x = columns["x"]
    assert (x.before.rows, x.after.rows, x.low, x.high) == (100, 100, 0.0, 109.0)
    assert (x.before.marks[0], x.after.marks[4], x.before.mean, x.after.mean) == (0.0, 109.0, 4.5, 104.5)
    assert (sum(x.before.bars), sum(x.after.bars)) == (100, 100)
    assert x.before.bars[-1] == x.after.bars[0] == 0
    assert (columns["word"].before.frequent, columns["word"].after.frequent) == ((("a", 100),), (("b", 100),))


def test_the_page_stands_alone_and_escapes_what_it_shows(tmp_path):
    dice = random.Random(3)
    bad = "<script>alert(1)</script>"
    before = pa.table({"id": range(50), "x": [dice.random() for _ in range(50)], "word": ["a"] * 50})
    after = pa.table({"id": range(50), "x": [dice.random() for _ in range(50)], "word": [bad] * 50})
    found, _ = compared(open_lake(tmp_path), before, after, keys={ORDERS: ["id"]}, spreads=True)
    page = diff_page(found)
    assert bad not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<rect") > 10
    assert not re.findall(r"https?://|<script|src=|@import", page)
    for word in ("sales.orders", "50 changed", "Share of rows with equal values", "Cells that changed"):
        assert word in page
    # What may be wider than the page scrolls by itself, with a shade over the edge behind which there is more.
    assert page.count('<div class="wide" tabindex="0"><table>') == page.count("<table>") == 3
    assert page.count("no-repeat local") == page.count("no-repeat scroll") == 2


def test_a_column_that_became_wider_is_no_difference():
    before = pa.table(
        {"id": pa.array([1, 2], pa.int32()), "x": pa.array([1.5, None], pa.float32()), "word": ["a", "b"]}
    )
    after = pa.table({"id": pa.array([1, 3], pa.int64()), "x": pa.array([1.5, 2.0], pa.float64()), "word": ["a", "b"]})
    catalog = MemoryCatalog()
    _, found = compared(catalog, before, after)
    assert (found.rows_added, found.rows_removed) == (1, 1)
    assert found.added == ({"id": 3, "x": 2.0, "word": "b"},)
    assert found.removed == ({"id": 2, "x": None, "word": "b"},)


def test_whole_numbers_that_became_floats_are_what_a_float_holds_of_them():
    for keys in (None, {ORDERS: ["id"]}):
        catalog = MemoryCatalog()
        catalog.create_branch("one")
        catalog.write("one", ORDERS, pa.table({"id": [1, 2], "x": [2**53 + 1, 7]}), Replace())
        catalog.create_branch("two")
        after = pa.table({"id": [1, 2], "x": [float(2**53), 8.0]})
        catalog.write("two", ORDERS, after, Replace(allow_schema_change=True))
        (table,) = diff(catalog, "one", "two", lambda _: OWNER, keys=keys).tables
        assert table.schema_changes == ("x was long and is double",)
        assert (table.rows_added, table.rows_removed, table.rows_changed) == ((0, 0, 1) if keys else (1, 1, None))


@pytest.mark.parametrize("key", ["none", "word"])
def test_a_key_that_is_not_on_both_sides_is_refused(key):
    catalog = MemoryCatalog()
    catalog.create_branch("one")
    catalog.write("one", ORDERS, pa.table({"id": [1]}), Replace())
    catalog.create_branch("two")
    catalog.write("two", ORDERS, pa.table({"id": [1], "word": ["a"]}), Replace())
    with pytest.raises(NoSuchColumn) as caught:
        diff(catalog, "one", "two", lambda _: OWNER, keys={ORDERS: [key]})
    assert caught.value.code == "PL207"
