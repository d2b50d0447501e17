"""Say in plain data what a value is like: what tests and checks of a lifted pipeline are made of."""

import datetime
import itertools
import math
import sys

_FEW = 12
_MANY_COLUMNS = 60
_MANY_ROWS = 500_000


def describe(value):
    """A JSON-ready description: its kind, and what of it is worth asserting.

    Frames: rows and per column name, dtype, nulls, whether all values differ, smallest, largest, sum, the few values of
    a text column; and the key. Arrays: shape, dtype, sum. Numbers and short texts: themselves. Anything else: its type.
    """
    try:
        return _describe(value)
    except Exception as error:
        return {"kind": "object", "type": type(value).__name__, "why": "%s: %s" % (type(error).__name__, error)}


def _describe(value):
    pandas = sys.modules.get("pandas")
    numpy = sys.modules.get("numpy")
    if value is None or isinstance(value, (bool, str)):
        return (
            {"kind": "atom", "value": value}
            if value is None or len(str(value)) < 200
            else {"kind": "text", "length": len(value)}
        )
    if isinstance(value, (int, float)) or (numpy is not None and isinstance(value, numpy.number)):
        return {"kind": "number", "value": _plain(value)}
    if pandas is not None and isinstance(value, pandas.DataFrame):
        columns = [_column(pandas, str(name), value.iloc[:, i]) for i, name in enumerate(value.columns[:_MANY_COLUMNS])]
        return {
            "kind": "frame",
            "rows": len(value),
            "width": value.shape[1],
            "columns": columns,
            "index": _index(pandas, value.index),
            "plain_names": all(isinstance(name, str) for name in value.columns),
            "key": _key(value, columns),
        }
    if pandas is not None and isinstance(value, pandas.Series):
        return {
            "kind": "series",
            "rows": len(value),
            "columns": [_column(pandas, str(value.name), value)],
            "index": _index(pandas, value.index),
        }
    if numpy is not None and isinstance(value, numpy.ndarray):
        total = _plain(value.sum()) if value.dtype.kind in "iufb" and value.size else None
        return {"kind": "array", "shape": list(value.shape), "dtype": str(value.dtype), "sum": total}
    if isinstance(value, (list, tuple, dict, set)):
        return {"kind": "container", "type": type(value).__name__, "length": len(value)}
    return {"kind": "object", "type": type(value).__name__, "module": type(value).__module__}


def _key(frame, columns):
    """What tells the rows apart: the named levels of the index, or two or three of the first columns; else None."""
    if not 1 < len(frame) <= _MANY_ROWS:
        return None
    levels = list(frame.index.names)
    if all(type(name) is str for name in levels):
        return levels if frame.index.is_unique else None
    if any(one.get("unique") for one in columns):
        return None
    names = [one["name"] for one in columns[:6] if not one["nulls"] and "float" not in one["dtype"]]
    if any(type(name) is not str for name in frame.columns):
        return None
    for count in (2, 3):
        for some in itertools.combinations(names, count):
            if not frame.duplicated(subset=list(some)).any():
                return list(some)
    return None


def _index(pandas, index):
    plain = isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1
    return None if plain else [str(name) if name is not None else None for name in index.names]


def _column(pandas, name, column):
    found = {"name": name, "dtype": str(column.dtype), "nulls": int(column.isna().sum())}
    present = column.dropna()
    try:
        found["unique"] = bool(len(column)) and not found["nulls"] and not present.duplicated().any()
    except TypeError:
        found["unique"] = False
        return found
    if not len(present):
        return found
    types = pandas.api.types
    if types.is_bool_dtype(column.dtype):
        found["sum"] = int(present.sum())
    elif types.is_numeric_dtype(column.dtype):
        found.update(low=_plain(present.min()), high=_plain(present.max()), sum=_plain(present.sum()))
    elif types.is_datetime64_any_dtype(column.dtype):
        found.update(low=str(present.min()), high=str(present.max()))
    elif all(isinstance(one, str) for one in present.head(50)):
        found["text"] = True
        values = present.unique()
        if len(values) <= _FEW and all(isinstance(one, str) for one in values):
            found["values"] = sorted(values)
    return found


def _plain(number):
    if hasattr(number, "item"):
        number = number.item()
    if isinstance(number, bool) or isinstance(number, int):
        return number
    if isinstance(number, float):
        return number if math.isfinite(number) else None
    return str(number) if isinstance(number, (datetime.date, complex)) else None
