"""A frame that is written is read back as it was."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotline.domain.access import Compare, Scope
from pilotline.domain.tables import Append, MergeOn, Replace, TableName
from pilotline.lake.errors import NotATable
from pilotline.lake.frames import combine_notes, restore, to_table
from pilotline.lake.lake import open_lake
from pilotline.lake.reading import read
from pilotline.lake.schemas import evolve, fit

OWNER = Scope.everything("the owner")
NAME = TableName("lab", "frame")


def through(value):
    """The value after a trip through a table's types and JSON."""
    tabled = to_table(value)
    notes = json.loads(json.dumps(tabled.notes))
    schema, _ = evolve(None, tabled.table.schema, whole=True, allow=False)
    return restore(fit(tabled.table, schema), notes), tabled


def check(value):
    back, tabled = through(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, back, check_freq=True)
    elif isinstance(value, pd.Series):
        pd.testing.assert_series_equal(value, back, check_freq=True)
    else:
        np.testing.assert_array_equal(value, back)
        assert value.dtype == back.dtype
    return tabled


def objects(*values):
    return pd.Series([*values], dtype=object)


COLUMNS = {
    "before the first year": np.array(["-200000-01-01", "0000-12-31", "NaT"], "datetime64[s]"),
    "after the last year": np.array(["9999-12-31T23:59:59", "10000-01-01", "NaT"], "datetime64[s]"),
    "int8": np.array([1, -2, 3], "int8"),
    "uint32": np.array([1, 2, 2**32 - 1], "uint32"),
    "uint64": np.array([1, 2, 2**63 - 1], "uint64"),
    "uint64 beyond long": np.array([1, 2, 2**64 - 1], "uint64"),
    "float16": np.array([1, np.nan, 3], "float16"),
    "float32": np.array([1, np.nan, np.inf], "float32"),
    "float64": [0.1, np.nan, -0.0],
    "bool": [True, False, True],
    "complex": [1 + 2j, complex(np.nan, np.nan), 0],
    "ns that fit": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).astype("datetime64[ns]"),
    "ns": pd.to_datetime(["2020-01-01T00:00:00.000000001", None, "2021-01-01"], format="ISO8601").astype("M8[ns]"),
    "us": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).astype("datetime64[us]"),
    "s": np.array(["0001-01-01", "NaT", "9999-01-01"], "datetime64[s]"),
    "far s": np.array(["0001-01-01", "NaT", "900000-01-01"], "datetime64[s]"),
    "zone": pd.to_datetime(["2020-01-01", None, "2021-07-01"]).tz_localize("Europe/Berlin"),
    "offset": pd.to_datetime(["2020-01-01T00:00+02:00"] * 3),
    "utc": pd.to_datetime(["2020-01-01", None, "2021-07-01"], utc=True),
    "span": pd.to_timedelta([1, None, 3], unit="h"),
    "category": pd.Categorical(["a", None, "b"], categories=["b", "a", "z"], ordered=True),
    "category of numbers": pd.Categorical([3, 1, 3]),
    "bins": pd.cut([1, 5, 9], 3),
    "month": pd.period_range("2020-01", periods=3, freq="M"),
    "week": pd.period_range("2020-01", periods=3, freq="W-WED"),
    "quarter": pd.PeriodIndex(["2020Q1", "NaT", "2021Q4"], freq="Q-NOV"),
    "Int16": pd.array([1, None, 3], "Int16"),
    "UInt64": pd.array([1, None, 2**64 - 1], "UInt64"),
    "boolean": pd.array([True, None, False], "boolean"),
    "Float64": pd.array([1.5, None, 3], "Float64"),
    "str": ["a", None, "é"],
    "string": pd.array(["a", None, "c"], "string"),
    "string python": pd.array(["a", None, "c"], "string[python]"),
    "object str None": objects("a", None, "c"),
    "object str nan": objects("a", np.nan, "c"),
    "object NA": objects("a", pd.NA, "c"),
    "object half pair": objects("a", "\ud800", None),
    "object bool": objects(True, None, False),
    "object int": objects(1, 2, None),
    "object big int": objects(1, 2**70, None),
    "object float": objects(1.5, None, float("inf")),
    "mixed": objects("a", 1, 2.5),
    "mixed with missing": objects("1", 1, np.nan),
    "dates": objects(dt.date(2020, 1, 1), None, dt.date(9999, 1, 1)),
    "datetimes": objects(dt.datetime(2020, 1, 1), None, dt.datetime(1, 1, 1)),  # noqa: DTZ001 - without a zone
    "times": objects(dt.time(1, 2), None, dt.time(3)),
    "spans": objects(dt.timedelta(1), None, dt.timedelta(microseconds=1)),
    "decimals": objects(decimal.Decimal("1.10"), None, decimal.Decimal("-22.33")),
    "decimals of different scale": objects(decimal.Decimal("1.1"), None, decimal.Decimal("22.330")),
    "bytes": objects(b"a", b"\xff", None),
    "lists": objects([1, 2], [], [3]),
    "lists of lists": objects([[1], ["x"]], [None], None),
    "tuples": objects((1, 2), (3, 4), (5,)),
    "sets": objects({1}, frozenset({"a"}), set()),
    "dicts": objects({"a": 1}, None, {"b": [1, (2, 3)], 5: None}),
    "dict with a dollar": objects({"$int": 1}, None, {"$x": 1, "y": 2}),
    "vectors": objects(np.array([1.0, 2]), np.array([3.0]), np.array([])),
    "odd vectors": objects(np.array([[1, 2], [3, 4]], "int8"), None, np.array(["a"])),
    "uuid": objects(uuid.UUID(int=5), None, uuid.UUID(int=6)),
    "nothing": objects(None, None, None),
    "nothing nan": objects(np.nan, np.nan, np.nan),
    "timestamps of two zones": objects(pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2021-01-01"), None),
    "numpy scalars": objects(np.int64(1), np.float32(2), None),
    "sparse": pd.arrays.SparseArray([0, 0, 1.5]),
    "interval": pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3], closed="left"),
    "arrow": pd.array([1, None, 3], dtype="int64[pyarrow]"),
    "arrow span": pd.array([dt.timedelta(1), None, dt.timedelta(2)], dtype=pd.ArrowDtype(pa.duration("ns"))),
    "arrow zone": pd.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 3, dtype=pd.ArrowDtype(pa.timestamp("ns", "Asia/Tokyo"))),
    "arrow category": pd.array(["a", None, "a"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    "arrow nested": pd.array([[1], None, []], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_of_any_kind_comes_back(column):
    tabled = check(pd.DataFrame({"x": COLUMNS[column], "y": [1, 2, 3]}))
    assert all(change.lossless for change in tabled.coercions)
    check(pd.DataFrame({"x": COLUMNS[column]}).iloc[:0])
    check(pd.Series(COLUMNS[column], name="x"))


INDEXES = {
    "counted": pd.RangeIndex(3),
    "counted and named": pd.RangeIndex(3, name="n"),
    "counted from one": pd.RangeIndex(1, 4),
    "counted in steps": pd.RangeIndex(0, 6, 2),
    "numbers": pd.Index([5, 1, 3]),
    "named": pd.Index([3, 1, 2], name="key"),
    "named as a column": pd.Index([3, 1, 2], name="x"),
    "named by a number": pd.Index([3, 1, 2], name=2020),
    "texts": pd.Index(["a", "b", "b"]),
    "days": pd.date_range("2020", periods=3, freq="D"),
    "months": pd.date_range("2020", periods=3, freq="ME", tz="Europe/Berlin"),
    "levels": pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=["x", None]),
    "levels without names": pd.MultiIndex.from_tuples([("a", 1), ("b", np.nan), (None, 2)]),
    "one level": pd.MultiIndex.from_arrays([[1, 2, 3]], names=["only"]),
    "categories": pd.CategoricalIndex(["a", "b", "a"], name="c"),
    "floats": pd.Index([1.5, np.nan, 2]),
    "intervals": pd.interval_range(0, 3),
    "periods": pd.period_range("2020", periods=3, freq="Y", name=("a", 1)),
    "booleans": pd.Index([True, False, True]),
    "spans": pd.timedelta_range("1h", periods=3),
    "objects": pd.Index(["a", 1, None], dtype=object),
}


@pytest.mark.parametrize("index", INDEXES)
def test_an_index_of_any_kind_comes_back(index):
    check(pd.DataFrame({"x": [1, 2, 3], "y": list("abc")}, index=INDEXES[index]))
    check(pd.Series([1.0, 2, 3], index=INDEXES[index], name=("a", 1)))
    check(pd.Series([1.0, 2, 3], index=INDEXES[index]))
    check(pd.DataFrame(index=INDEXES[index]))


LABELS = {
    "case": ["a", "A"],
    "twice": ["a", "a"],
    "numbers": [1, 2],
    "counted": pd.RangeIndex(2),
    "mixed": ["a", 1],
    "none": ["", None],
    "tuples": pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")], names=[None, "q"]),
    "tuples with blanks": pd.MultiIndex.from_tuples([("a", ""), ("b", "mean")]),
    "days": pd.date_range("2020", periods=2, freq="D"),
    "categories": pd.CategoricalIndex(["u", "v"], name="n"),
    "objects": pd.Index(["a", "b"], dtype=object),
    "named": pd.Index(["a", "b"], name="kind"),
    "intervals": pd.interval_range(0, 2),
    "index": ["index", "level_0"],
    "odd": ["a.b", "ä %\n"],
    "half letters": pd.Index(["\ud800", "?"], dtype=object),
}


@pytest.mark.parametrize("labels", LABELS)
def test_column_labels_of_any_kind_come_back(labels):
    frame = pd.DataFrame([[1, "x"], [2, "y"]], index=pd.Index([7, 8]))
    frame.columns = LABELS[labels]
    tabled = check(frame)
    names = tabled.table.column_names
    assert len({name.lower() for name in names}) == len(names) == 3
    assert all(names)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.zeros((3, 2), "float32"),
        np.array([[np.nan, 1.0]]),
        np.arange(3, dtype="uint8"),
        np.array([["a", 1]], dtype=object),
        np.zeros((0, 2)),
        np.array([[True], [False]]),
    ],
    ids=str,
)
def test_an_array_comes_back(array):
    check(array)


def test_what_is_dropped_named_or_changed_is_said():
    frame = pd.DataFrame(
        {"a": np.array([1, 2], "int8"), 5: objects("x", 1).to_numpy()}, index=pd.Index([3, 4], name="k")
    )
    assert [str(change) for change in to_table(frame).coercions] == [
        "5: column name 5 became '5'",
        "k: the index 'k' became the column k",
        "5: object (int, str) became string (JSON)",
    ]
    assert to_table(pd.DataFrame({"a": [1]})).coercions == ()


def test_what_cannot_be_told_apart_again_is_said():
    tabled = to_table(pd.DataFrame({"x": objects("a", None, np.nan)}))
    assert [(change.column, change.lossless) for change in tabled.coercions] == [("x", False)]


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, 5, None, "text", np.zeros((2, 2, 2)), np.zeros(()), pd.DataFrame({"a": [object()]}), [1, 2]],
    ids=["dict", "number", "none", "text", "cube", "scalar", "objects", "list"],
)
def test_what_cannot_be_a_table_is_refused(value):
    with pytest.raises(NotATable):
        to_table(value)


def test_frames_of_polars_and_arrow_come_back():
    frame = pl.DataFrame(
        {
            "a": [1, 2],
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "d": pl.Series([1, 2], dtype=pl.Duration),
            "u": pl.Series([1, 2**64 - 1], dtype=pl.UInt64),
            "l": [[1], None],
        }
    )
    back, _ = through(frame)
    assert back.equals(frame)
    assert back.schema == frame.schema
    table = pa.table({"t": pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")), "s": pa.array([1, 2], pa.int8())})
    assert through(table)[0] == table


LABEL = st.one_of(st.text(max_size=5), st.integers(-3, 3), st.tuples(st.text(max_size=2), st.integers(0, 2)), st.none())
WORD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4), st.binary(max_size=3),
    st.dates(), st.datetimes(), st.decimals(allow_nan=False, places=2), st.uuids(),
)  # fmt: skip
VALUE = st.one_of(
    WORD, st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)


def columns(rows, values=VALUE):
    sized = {"min_size": rows, "max_size": rows}
    numbers = st.sampled_from(["int8", "int32", "int64", "uint8", "uint16"])
    return st.one_of(
        st.builds(lambda kind, values: pd.Series(values, dtype=kind), numbers, st.lists(st.integers(0, 100), **sized)),
        st.lists(st.floats(width=32), **sized).map(lambda values: pd.Series(values, dtype="float32")),
        st.lists(st.floats(), **sized).map(lambda values: pd.Series(values, dtype="float64")),
        st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), **sized).map(
            lambda values: pd.Series(pd.array(values, "Int64"))
        ),
        st.lists(st.integers(-(2**62), 2**62), **sized).map(lambda v: pd.Series(np.array(v, "M8[ns]"))),
        st.lists(st.integers(-(2**62), 2**62), **sized).map(lambda v: pd.Series(np.array(v, "m8[ns]"))),
        st.lists(st.sampled_from(["a", "b", None]), **sized).map(lambda v: pd.Series(v, dtype="category")),
        st.lists(values, **sized).map(lambda values: pd.Series(values, dtype=object)),
        st.lists(st.one_of(st.none(), st.text(max_size=3)), **sized).map(lambda v: pd.Series(v, dtype="str")),
    )


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 4))
    count = draw(st.integers(0, 4))
    frame = pd.DataFrame({number: draw(columns(rows)) for number in range(count)}, index=range(rows))
    frame.columns = pd.Index(draw(st.lists(LABEL, min_size=count, max_size=count)), tupleize_cols=False)
    kind = draw(st.sampled_from(["default", "column", "levels"]))
    if kind == "column":
        frame.index = pd.Index(draw(columns(rows, WORD)), name=draw(LABEL))
    if kind == "levels":
        frame.index = pd.MultiIndex.from_arrays([draw(columns(rows, WORD)), range(rows)], names=[draw(LABEL), None])
    return frame


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frame=frames())
def test_any_frame_comes_back_or_what_is_lost_is_said(frame):
    back, tabled = through(frame)
    lossless = all(change.lossless for change in tabled.coercions)
    if lossless:
        pd.testing.assert_frame_equal(frame, back, check_freq=True)
    else:
        assert (frame.shape, list(frame.dtypes)) == (back.shape, list(back.dtypes))


# -- Through a lake ----------------------------------------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path):
    lake = open_lake(tmp_path)
    lake.create_branch("mine")
    return lake


def put(lake, value, mode=None):
    tabled = to_table(value)
    lake.write("mine", NAME, tabled.table, mode or Replace(), notes=tabled.notes)


def test_reading_gives_back_what_was_written(lake):
    frame = pd.DataFrame(COLUMNS).set_index(INDEXES["months"])
    frame.columns = pd.MultiIndex.from_product([["all"], COLUMNS], names=["group", None])
    put(lake, frame)
    pd.testing.assert_frame_equal(read(lake, NAME, OWNER, "mine"), frame, check_freq=True)


def test_a_series_and_an_array_come_back_as_such_where_one_asks_for_the_original(lake):
    series = pd.Series([1, 2], index=["a", "b"], name="total")
    put(lake, series)
    pd.testing.assert_series_equal(read(lake, NAME, OWNER, "mine", as_="original"), series)
    pd.testing.assert_frame_equal(read(lake, NAME, OWNER, "mine"), series.to_frame())
    array = np.arange(4.0).reshape(2, 2)
    put(lake, array, Replace(allow_schema_change=True))
    np.testing.assert_array_equal(read(lake, NAME, OWNER, "mine", as_="original"), array)


def test_a_frame_comes_in_every_form(lake):
    put(lake, pd.DataFrame({"a": [1, None], "b": ["x", None]}))
    assert read(lake, NAME, OWNER, "mine", as_="polars").rows() == [(1.0, "x"), (None, None)]
    assert read(lake, NAME, OWNER, "mine", as_="arrow").to_pydict() == {"a": [1.0, None], "b": ["x", None]}


def test_part_of_a_frame_keeps_types_labels_and_index(lake):
    frame = pd.DataFrame(
        {"a": pd.Categorical(["x", "y", "x"]), "b": np.array([1, 2, 3], "int8")}, index=INDEXES["days"]
    )
    put(lake, frame)
    part = read(lake, NAME, OWNER, "mine", filter=Compare("b", ">", 1))
    pd.testing.assert_frame_equal(part, frame.iloc[1:], check_freq=False)
    pd.testing.assert_frame_equal(read(lake, NAME, OWNER, "mine", columns=["b"]), frame[["b"]].reset_index(drop=True))


def test_appended_frames_of_one_form_come_back_as_one_frame(lake):
    first = pd.DataFrame({"a": np.array([1, 2], "int8"), "b": ["x", "y"]}, index=pd.Index([5, 6], name="k"))
    put(lake, first, Append())
    put(lake, first + first, Append())
    pd.testing.assert_frame_equal(read(lake, NAME, OWNER, "mine"), pd.concat([first, first + first]))


def test_columns_whose_notes_disagree_come_as_they_are_stored(lake):
    put(lake, pd.DataFrame({"a": pd.Categorical(["x"]), "n": np.array([1], "int8")}), Append())
    put(lake, pd.DataFrame({"a": ["y"], "n": np.array([2], "int8")}), Append())
    back = read(lake, NAME, OWNER, "mine")
    assert back.to_dict("list") == {"a": ["x", "y"], "n": [1, 2]}
    assert back.dtypes["n"] == "int8"


def test_a_merge_that_brings_what_the_notes_do_not_know_loses_no_value(lake):
    put(lake, pd.DataFrame({"k": [1, 2], "c": pd.Categorical(["a", "b"])}), MergeOn(keys=("k",)))
    put(lake, pd.DataFrame({"k": [2], "c": pd.Categorical(["z"])}), MergeOn(keys=("k",)))
    back = read(lake, NAME, OWNER, "mine")
    assert sorted(zip(back["k"], back["c"], strict=True)) == [(1, "a"), (2, "z")]


def test_notes_of_different_kinds_say_nothing_together():
    frame = to_table(pd.DataFrame({"a": [1]})).notes
    assert combine_notes(frame, None) is None
    assert combine_notes(frame, to_table(np.zeros((1, 1))).notes) is None
    assert combine_notes(frame, frame) == frame
