from __future__ import annotations

import collections
import copy
import datetime as dt
import decimal
import enum
import functools
import gzip
import json
import pickle
import random
import sqlite3
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KDTree

from pilotline.guest.compare import Comparison
from pilotline.guest.portable import WrittenFile, digest, dump, load, portable, settle


def compared(first: Any, second: Any, tmp_path: Path) -> Comparison:
    """As two processes would: each value is written, both are read back."""
    for name, value in (("a", first), ("b", second)):
        dump(value, tmp_path / name, own=(__name__,))
    found = Comparison(where="x")
    found.run(load(tmp_path / "a"), load(tmp_path / "b"))
    return found


class Thing:
    def __init__(self, **told: Any) -> None:
        self.__dict__.update(told)

    @functools.cached_property
    def lazy(self) -> int:
        return 3


class Slotted:
    __slots__ = ("one",)

    def __init__(self, one: Any) -> None:
        self.one = one


@dataclass
class Point:
    x: float
    y: float


class Pair(NamedTuple):
    a: Any
    b: Any


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Loud(dict[str, int]):
    pass


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def scaled_by(k: float) -> Any:
    return lambda x: x * k


def circular(last: int) -> list[Any]:
    one: list[Any] = [1, last]
    one.append(one)
    return one


X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0] + 4
LABELS = (Y > 4).astype(int)


def forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=seed).fit(X, LABELS)


DIFFERENT: list[tuple[str, Any, Any]] = [
    ("an int and a bool", [1, 0], [True, False]),
    ("an int and a float", 1, 1.0),
    ("a float of Python and of numpy", 1.0, np.float64(1.0)),
    ("one float far down", [1.0] * 50 + [2.0], [1.0] * 50 + [3.0]),
    ("nothing and not a number", [None], [float("nan")]),
    ("infinity and a number", np.array([np.inf]), np.array([1.0])),
    ("a list and a tuple", [1], (1,)),
    ("one item more", [1], [1, 2]),
    ("a key's value", {"a": {"b": 1}}, {"a": {"b": 2}}),
    ("a key's name", {"a": 1}, {"b": 1}),
    ("an ordered dict's order", collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
    ("a member of a set", {1, 2}, {1, 3}),
    ("an int32 column", frame(a=[1, 2]), frame(a=[1, 2]).astype("int32")),
    ("the order of rows", frame(a=[1, 2, 3]), frame(a=[3, 2, 1])),
    ("the order of columns", frame(a=[1], b=[2])[["a", "b"]], frame(a=[1], b=[2])[["b", "a"]]),
    ("an index", frame(a=[1, 2]), frame(a=[1, 2]).set_axis([1, 2])),
    ("an index's name", frame(a=[1, 2]), frame(a=[1, 2]).rename_axis("id")),
    (
        "a level of the index",
        pd.Series([1, 2], index=[["a", "a"], [1, 2]]),
        pd.Series([1, 2], index=[["a", "b"], [1, 2]]),
    ),
    ("a series' name", pd.Series([1], name="a"), pd.Series([1], name="b")),
    ("a frame and a series", frame(a=[1]), pd.Series([1], name="a")),
    ("categories", pd.Series(["a", "b"], dtype="category"), pd.Series(["a", "b"])),
    ("the order of categories", pd.Categorical(["a"], ["a", "b"], ordered=True), pd.Categorical(["a"], ["a", "b"])),
    ("a missing integer", pd.array([1, None], dtype="Int64"), pd.array([1, 0], dtype="Int64")),
    ("a time zone", pd.Series(pd.to_datetime(["2024-01-01"], utc=True)), pd.Series(pd.to_datetime(["2024-01-01"]))),
    ("a text", pd.Series(["a", None]), pd.Series(["a", "b"])),
    ("an object in a column", pd.Series([[1], {2}]), pd.Series([[1], {3}])),
    ("True in a column of objects", pd.Series([1, "a"], dtype=object), pd.Series([True, "a"], dtype=object)),
    (
        "grouped columns",
        frame(a=[1, 1], b=[1, 2], c=[3, 4]).groupby("a")["b"],
        frame(a=[1, 1], b=[1, 2], c=[3, 4]).groupby("a")["c"],
    ),
    ("grouping keys", frame(a=[1, 1], b=[1, 2]).groupby("a"), frame(a=[1, 1], b=[1, 2]).groupby("b")),
    ("a window's size", pd.Series([1, 2, 3]).rolling(2), pd.Series([1, 2, 3]).rolling(3)),
    (
        "a resampled frequency",
        pd.Series([1, 2], index=pd.date_range("2024", periods=2)).resample("D"),
        pd.Series([1, 2], index=pd.date_range("2024", periods=2)).resample("2D"),
    ),
    ("an array's dtype", np.array([1, 2]), np.array([1, 2], dtype="int32")),
    ("an array's shape", np.zeros((2, 3)), np.zeros((3, 2))),
    ("an array's element", np.eye(3), np.eye(3) + np.eye(3, k=1)),
    ("a matrix and an array", np.asmatrix(np.eye(2)), np.eye(2)),
    ("a masked element", np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    (
        "a field of a structured array",
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([(1, 3.0)], dtype=[("a", int), ("b", float)]),
    ),
    ("a coefficient", LinearRegression().fit(X, Y), LinearRegression().fit(X[:50], Y[:50])),
    ("a parameter", LinearRegression(fit_intercept=False), LinearRegression()),
    ("trees", forest(0), forest(1)),
    ("a tree of points in C", KDTree(X), KDTree(X[:40])),
    ("an attribute", Thing(a=1), Thing(a=2)),
    ("an own attribute that ends in time", Thing(arrival_time=1), Thing(arrival_time=2)),
    ("a slot", Slotted(1), Slotted(2)),
    ("a field of a dataclass", Point(1.0, 2.0), Point(1.0, 2.5)),
    ("a part of a named tuple", Pair(1, 2), Pair(1, 3)),
    ("an item of a dict's subclass", Loud(a=1), Loud(a=2)),
    ("a member of an enum", Colour.RED, Colour.BLUE),
    ("what a lambda adds", lambda x: x + 1, lambda x: x - 1),
    ("a constant in a lambda", lambda x: x + 1, lambda x: x + 2),
    ("what a function takes from around it", scaled_by(2.0), scaled_by(3.0)),
    ("an argument of a partial", functools.partial(max, 1), functools.partial(max, 2)),
    ("an exception's message", ValueError("a"), ValueError("b")),
    ("a decimal", decimal.Decimal("1.10"), decimal.Decimal("1.1")),
    ("a date", dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
    ("a circle", circular(1), circular(2)),
    ("a path", Path("a"), Path("b")),
]


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_values_that_differ_are_told_apart(first: Any, second: Any, tmp_path: Path):
    found = compared(first, second, tmp_path)
    assert found.count > 0
    assert not found.all_close
    assert found.opaque == set()


@pytest.mark.parametrize("value", [one for case in DIFFERENT for one in case[1:]])
def test_every_value_equals_itself_and_its_copy(value: Any, tmp_path: Path):
    try:
        other = copy.deepcopy(value)
    except TypeError:
        other = value
    found = compared(value, other, tmp_path)
    assert [(one.where, one.what) for one in found.differences] == []
    assert found.opaque == set()


def times(one: float) -> dict[str, Any]:
    return {"test_score": [1.0], "fit_time": [one], "score_time": [one]}


def searched() -> GridSearchCV:
    return GridSearchCV(LinearRegression(), {"fit_intercept": [True, False]}, cv=2).fit(X, Y)


shared = [1, 2]
EQUAL: list[tuple[str, Any, Any]] = [
    ("shared parts and copies", [shared, shared], [[1, 2], [1, 2]]),
    ("sets in whatever order", {"a", "b", "c"}, {"c", "b", "a"}),
    ("a range index and one of numbers", frame(a=[1, 2]), pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1]))),
    ("rows in columns' order or not", np.asfortranarray(X), X),
    ("dates with a frequency or without", pd.Series([1, 2], index=pd.date_range("2024", periods=2)), pd.Series([1, 2], index=pd.DatetimeIndex(["2024-01-01", "2024-01-02"]))),
    ("not a number", [float("nan"), np.array([np.nan, 1])], [float("nan"), np.array([np.nan, 1])]),
    ("how long fitting took", times(0.1), times(0.2)),
    ("a search over parameters", searched(), searched()),
    ("where a model's generator stands", RandomForestClassifier(random_state=np.random.RandomState(1)), RandomForestClassifier(random_state=np.random.RandomState(2))),
    ("circles of other lengths", circular(1), [1, 1, circular(1)]),
    ("a lambda written twice", lambda x: x + 1, lambda x: x + 1),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in EQUAL], ids=[case[0] for case in EQUAL])
def test_differences_that_mean_nothing_are_none(first: Any, second: Any, tmp_path: Path):
    found = compared(first, second, tmp_path)
    assert [(one.where, one.what) for one in found.differences] == []
    assert found.opaque == set()


def unfinished():
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        unfinished(),
        iter([1]),
        threading.Lock(),
        Path(__file__).open,
        np.random.default_rng(0),
        object(),
        random.Random(1),
    ],
    ids=["generator", "iterator", "lock", "method of a path", "numpy generator", "object", "random generator"],
)
def test_what_cannot_be_looked_into_is_never_equal_in_silence(value: Any, tmp_path: Path):
    if getattr(value, "__name__", "") == "open":
        with Path(__file__).open() as file:
            found = compared(file, file, tmp_path)
    else:
        found = compared(value, value, tmp_path)
    assert found.opaque != set()


def test_a_generator_is_not_used_up_by_looking_at_it():
    numbers = iter([1, 2, 3])
    lazy = map(str, numbers)
    portable([lazy])
    assert list(lazy) == ["1", "2", "3"]


class Angry:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError


def test_odd_objects_never_stop_it():
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    plain = portable([Angry(), deep, {1: Angry()}])
    assert plain[0] == "seq"
    assert len(digest([Angry(), deep])) == 20


def test_the_notebooks_classes_and_the_modules_are_the_same(tmp_path: Path):
    for module in ("__main__", "explore"):
        made = ModuleType(module)
        exec("class Model:\n    def __init__(self): self.a = 1\ndef add(x): return x + 1\n", made.__dict__)  # noqa: S102
        dump([made.Model(), made.Model, made.add], tmp_path / module, own=("__main__", "explore"))
    found = Comparison()
    found.run(load(tmp_path / "__main__"), load(tmp_path / "explore"))
    assert found.count == 0


def test_floats_within_the_tolerance_are_said_apart(tmp_path: Path):
    found = compared(frame(a=[1.0, 2.0]), frame(a=[1.0, 2.0 + 1e-12]), tmp_path)
    assert (found.count, found.all_close) == (1, True)
    found = compared(1e-30, 2e-30, tmp_path)
    assert (found.count, found.all_close) == (1, False)


def test_a_grave_difference_behind_many_small_ones_is_found(tmp_path: Path):
    first = pd.DataFrame({f"c{number}": [1.0, 2.0] for number in range(40)})
    second = first * (1 + 1e-13)
    second["c39"] = [1.0, 5.0]
    found = compared(first, second, tmp_path)
    assert not found.all_close
    assert (found.differences[0].where, found.differences[0].what) == ('x["c39"] row 1', "2.0 != 5.0")
    assert len(found.differences) == 20


def test_a_difference_says_where_it_is(tmp_path: Path):
    revenue = frame(day=["mo", "tu"] * 10, total=[3.0] * 20)
    other = revenue.copy()
    other.loc[17, "total"] = 3.3
    found = compared(
        {"revenue": revenue, "n": [1, {"k": Thing(a=(1, 2))}]},
        {"revenue": other, "n": [1, {"k": Thing(a=(1, 3))}]},
        tmp_path,
    )
    assert [(one.where, one.what) for one in found.differences] == [
        ("""x['revenue']["total"] row 17""", "3.0 != 3.3"),
        ("x['n'][1]['k'].a[1]", "2 != 3"),
    ]


def test_rows_in_another_order_are_said_in_one_sentence(tmp_path: Path):
    first = frame(a=[1, 2, 3], b=["x", "y", "z"])
    found = compared(first, first.iloc[::-1].reset_index(drop=True), tmp_path)
    assert found.differences[0].what == "the same rows in another order"


def test_keys_in_another_order_are_noted_but_no_difference(tmp_path: Path):
    found = compared({"a": 1, "b": 2}, {"b": 2, "a": 1}, tmp_path)
    assert (found.count, found.notes) == (0, ["x: the same keys in another order"])


def test_paths_in_the_runs_own_folder_compare_equal(tmp_path: Path):
    try:
        settle([tmp_path / "one"])
        first = portable([str(tmp_path / "one" / "a.csv"), tmp_path / "one" / "b"])
        settle([tmp_path / "two"])
        second = portable([str(tmp_path / "two" / "a.csv"), tmp_path / "two" / "b"])
    finally:
        settle([])
    found = Comparison()
    found.run(first, second)
    assert found.count == 0


class Blackbox:
    """A model whose state can't be looked into."""

    n_features_in_ = 2

    def __init__(self, slope: float) -> None:
        self.inner = (slope * x for x in [1])
        type(self).slope = slope

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows) @ [self.slope, 1.0]


def test_a_model_that_is_a_black_box_is_compared_by_what_it_predicts(tmp_path: Path):
    dump(Blackbox(1.0), tmp_path / "a")
    dump(Blackbox(2.0), tmp_path / "b")
    dump(Blackbox(1.0), tmp_path / "c")
    for other, count in (("b", False), ("c", True)):
        found = Comparison()
        found.run(load(tmp_path / "a"), load(tmp_path / other))
        assert (found.count == 0, found.opaque) == (count, set())


def test_a_digest_shows_a_change_and_only_a_change():
    values: list[Any] = [one for case in DIFFERENT + EQUAL for one in case[1:]]
    for value in values:
        assert digest(value) == digest(value)
    generator = np.random.default_rng(0)
    before = digest({"rng": generator, "text": str(b"ab", "ascii")})
    assert digest({"rng": generator, "text": "ab"}) == before
    generator.normal()
    assert digest({"rng": generator, "text": "ab"}) != before
    told = {"b": 1, "a": {3, 1, 2}}
    before = digest(told)
    told["a"].add(4)
    assert digest(told) != before


def written(tmp_path: Path, name: str, write: Any) -> WrittenFile:
    tmp_path.mkdir(exist_ok=True)
    write(tmp_path / name)
    return WrittenFile(tmp_path / name)


def sqlite_with(rows: list[tuple[int]], pages: int) -> Any:
    def write(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute(f"pragma page_size = {pages}")
        connection.execute("create table t (a integer)")
        connection.executemany("insert into t values (?)", rows)
        connection.commit()
        connection.close()

    return write


def text(content: str) -> Any:
    return lambda path: path.write_text(content)


FILES: list[tuple[str, str, Any, Any, str]] = [
    ("the same bytes", "a.txt", text("a\n"), text("a\n"), "equal"),
    ("a line", "a.txt", text("a\nb\n"), text("a\nc\n"), "different"),
    ("a cell of a table", "a.csv", text("a,b\n1,2\n"), text("a,b\n1,3\n"), "different"),
    ("digits of a float", "a.csv", text("a\n0.1\n"), text("a\n0.10000000000000002\n"), "close"),
    ("a whole number", "a.csv", text("a\n10000000000000001\n"), text("a\n10000000000000002\n"), "different"),
    ("a row less", "a.csv", text("a\n1\n2\n"), text("a\n1\n"), "different"),
    ("a number in JSON", "a.json", text('{"a": [1.5]}'), text('{"a": [1.6]}'), "different"),
    ("when it was packed", "a.csv.gz", lambda p: p.write_bytes(gzip.compress(b"a\n1\n", mtime=1)), lambda p: p.write_bytes(gzip.compress(b"a\n1\n", mtime=2)), "equal"),
    ("the page size of a database", "a.db", sqlite_with([(1,)], 4096), sqlite_with([(1,)], 8192), "equal"),
    ("a row of a database", "a.db", sqlite_with([(1,)], 4096), sqlite_with([(2,)], 4096), "different"),
    ("the protocol of a pickle", "a.pkl", lambda p: p.write_bytes(pickle.dumps([1.5, "a"], 4)), lambda p: p.write_bytes(pickle.dumps([1.5, "a"], 5)), "equal"),
    ("a pickled value", "a.pkl", lambda p: p.write_bytes(pickle.dumps(forest(1))), lambda p: p.write_bytes(pickle.dumps(forest(2))), "different"),
    ("how a Parquet file is packed", "a.parquet", lambda p: frame(a=[1, 2]).to_parquet(p), lambda p: frame(a=[1, 2]).to_parquet(p, compression="gzip"), "equal"),
    ("a value in a Parquet file", "a.parquet", lambda p: frame(a=[1, 2]).to_parquet(p), lambda p: frame(a=[1, 3]).to_parquet(p), "different"),
    ("an array in an archive", "a.npz", lambda p: np.savez(p, a=X), lambda p: np.savez(p, a=X + 1), "different"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "one", "other", "verdict"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_written_files_are_compared_by_what_they_hold(name: str, one: Any, other: Any, verdict: str, tmp_path: Path):
    found = compared(written(tmp_path / "1", name, one), written(tmp_path / "2", name, other), tmp_path)
    said = "equal" if not found.count else "close" if found.all_close else "different"
    assert (said, found.opaque) == (verdict, set())


def test_a_comparison_request_is_answered_in_json(tmp_path: Path):
    from pilotline.guest.compare import answer

    dump(1.0, tmp_path / "a")
    dump(2.0, tmp_path / "b")
    said = answer(
        {
            "pairs": [
                {"name": "m", "a": str(tmp_path / "a"), "b": str(tmp_path / "b")},
                {"name": "n", "a": "/none", "b": "/none"},
            ]
        }
    )
    assert json.loads(json.dumps(said))["results"][0] == {
        "name": "m", "equal": False, "close": False, "count": 1, "opaque": [], "left_out": [], "notes": [],
        "differences": [{"where": "m", "what": "1.0 != 2.0", "close": False}],
    }  # fmt: skip
    assert said["results"][1]["equal"] is False
    assert said["results"][1]["opaque"] != []


def test_only_what_is_loaded_is_asked():
    assert "xgboost" not in sys.modules


def lazily(kind: str, last: Any) -> Any:
    import duckdb
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds

    table = pa.table({"a": [1, 2, last], "s": ["x", None, "z"]})
    return {"relation": duckdb.from_arrow(table), "dataset": ds.dataset(table), "lazy": pl.LazyFrame(table)}[kind]


@pytest.mark.parametrize("kind", ["relation", "dataset", "lazy"])
def test_what_is_computed_when_it_is_read_is_compared_by_its_rows_up_to_a_limit(tmp_path, monkeypatch, kind: str):
    same = compared(lazily(kind, 3), lazily(kind, 3), tmp_path)
    assert (same.count, same.opaque) == (0, set())
    other = compared(lazily(kind, 3), lazily(kind, 4), tmp_path)
    assert [(each.what, each.close) for each in other.differences] == [("3 != 4", False)]
    assert compared(lazily(kind, 3), lazily(kind, 3.0), tmp_path).count == 1
    monkeypatch.setattr("pilotline.guest.plain_libraries._MOST_ROWS", 10)
    many = compared(lazily(kind, 3), lazily(kind, 3), tmp_path)
    assert "of more than" in next(iter(many.opaque))
