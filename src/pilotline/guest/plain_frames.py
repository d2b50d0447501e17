"""Plain forms of what pandas has: schema, index, order and values, exactly; not how it is laid out in memory."""

import sys


def pandas_form(porter, value, kind):
    """The plain form of a pandas value, or None for others."""
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = [column(porter, value.iloc[:, number].array) for number in range(value.shape[1])]
        return ["frame", porter.name(kind), index(porter, value.columns), index(porter, value.index), columns]
    if isinstance(value, pandas.Series):
        return [
            "series",
            porter.name(kind),
            porter.of(value.name),
            index(porter, value.index),
            column(porter, value.array),
        ]
    if isinstance(value, pandas.Index):
        return index(porter, value)
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return column(porter, value)
    if value is pandas.NaT or value is pandas.NA:
        return ["value", "missing", str(value)]
    if isinstance(value, (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.offsets.BaseOffset)):
        return ["value", kind.__name__, repr(value)]
    if isinstance(value, pandas.Interval):
        return [
            "object",
            "Interval",
            [".left", ".right", ".closed"],
            [porter.of(value.left), porter.of(value.right), value.closed],
        ]
    if isinstance(value, pandas.api.extensions.ExtensionDtype):
        categories = getattr(value, "categories", None)
        return ["object", f"dtype {value}", [".categories"], [porter.of(categories)]]
    return _lazy(porter, value, kind)


def _lazy(porter, value, kind):
    """Groups and windows, by what they are made of; a styled frame by its data."""
    name = kind.__name__
    if name == "Styler":
        return ["object", "Styler", ["data"], [porter.of(value.data)]]
    if name.endswith(("GroupBy", "Resampler")):
        told = {"obj": value.obj, "columns": getattr(value, "_selection", None)}
        told["groups"] = value.ngroup() if hasattr(value, "ngroup") and name.endswith("GroupBy") else value.size()
        told["names"] = list(value.size().index.names)
        told.update(
            (one, getattr(value, one, None)) for one in ("as_index", "sort", "group_keys", "dropna", "observed")
        )
    elif hasattr(value, "_attributes") and hasattr(value, "obj"):
        told = {"obj": value.obj, "columns": getattr(value, "_selection", None)}
        told.update((one, getattr(value, one, None)) for one in value._attributes)
    else:
        return None
    return ["object", name, [f".{one}" for one in told], [porter.of(one) for one in told.values()]]


def index(porter, value):
    """An index by its names and levels; how it is stored (a range, a frequency) is not looked at."""
    pandas = sys.modules["pandas"]
    names = porter.all(value.names)
    if isinstance(value, pandas.MultiIndex):
        return [
            "index",
            names,
            [column(porter, value.get_level_values(number).array) for number in range(value.nlevels)],
        ]
    return ["index", names, [column(porter, value.array)]]


def column(porter, array):
    """A column: its dtype and values."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    dtype = str(array.dtype)
    if isinstance(array, pandas.Categorical):
        codes = _numbers(numpy, numpy.asarray(array.codes, dtype="int64"))
        parts = [column(porter, array.categories.array), bool(array.ordered), codes]
        return ["column", "category", ["object", "categories", [" categories", ".ordered", ""], parts]]
    stored = getattr(array, "_ndarray", None)
    if stored is not None and stored.dtype.kind in "mM":
        return ["column", dtype, ["array", str(stored.dtype), list(stored.shape), numpy.array(stored, order="C")]]
    if stored is not None and stored.dtype.kind in "biufc" and stored.ndim == 1:
        return ["column", dtype, _numbers(numpy, stored)]
    data, mask = getattr(array, "_data", None), getattr(array, "_mask", None)
    if type(mask) is numpy.ndarray and type(data) is numpy.ndarray:
        kept = data.copy()
        kept[mask] = numpy.zeros((), data.dtype)
        return [
            "column",
            dtype,
            ["object", "nullable", ["", " missing"], [_numbers(numpy, kept), _numbers(numpy, mask)]],
        ]
    if dtype == "str" or dtype.startswith("string"):
        items = array.to_numpy(dtype=object, na_value=None).tolist() if hasattr(array, "to_numpy") else list(array)
        return ["column", dtype, ["seq", "values", porter.all(items)]]
    if stored is not None and stored.dtype == object:
        return ["column", dtype, ["seq", "values", porter.all(stored.tolist())]]
    return ["column", dtype, ["seq", "values", porter.all(array)]]


def _numbers(numpy, stored):
    return ["array", str(stored.dtype), list(stored.shape), numpy.array(stored, order="C", copy=True)]
