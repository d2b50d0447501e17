"""Frames as plain bytes with a description in JSON: how they travel where there is no pyarrow, in both directions.

Needs pandas and NumPy of any version on either side, and no pickle. Numbers and times are the bytes of their arrays;
texts and other objects are JSON, each of a kind that is listed here. What is of no such kind is refused.
"""

import datetime
import decimal
import json
import math
import struct

MAGIC = b"pilotline dump 1\n"
_LENGTH = struct.Struct("<Q")
_PLAIN = "biuf"


class NoDump(Exception):
    """The value holds what cannot be written."""


def dump(value, path):
    """Write a pandas frame, a series or a NumPy array; what it is, as JSON."""
    buffers = []
    described = _describe(value, buffers)
    head = json.dumps(described).encode("ascii")
    with open(path, "wb") as file:
        file.write(MAGIC + _LENGTH.pack(len(head)) + head)
        file.writelines(buffers)
    return {"rows": described["rows"]}


def load(path):
    """Read what ``dump`` wrote, with the pandas and NumPy of this side."""
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("%s is no dump" % path)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        described = json.loads(file.read(length))
        return _make(described, lambda size: bytearray(file.read(size)))


# ---- writing


def _describe(value, buffers):
    import numpy
    import pandas

    if isinstance(value, numpy.ndarray):
        frame = pandas.DataFrame(value) if value.ndim == 2 or value.dtype.names else pandas.DataFrame({"value": value})
        kind = "array"
    elif isinstance(value, pandas.Series):
        frame, kind = value.to_frame(), "series"
    elif isinstance(value, pandas.DataFrame):
        frame, kind = value, "frame"
    else:
        raise NoDump("a %s can only be a table where pyarrow is installed" % type(value).__name__)
    return {
        "kind": kind,
        "rows": len(frame),
        "dimensions": getattr(value, "ndim", 2),
        "dtype": str(value.dtype) if kind == "array" else None,
        "named": getattr(value, "name", None) is not None,
        "labels": _index(frame.columns, buffers),
        "index": _index(frame.index, buffers),
        "columns": [_column(frame.iloc[:, place], buffers) for place in range(frame.shape[1])],
    }


def _index(index, buffers):
    import pandas

    names = [_plain(name) for name in index.names]
    if isinstance(index, pandas.RangeIndex):
        return {"kind": "range", "range": [index.start, index.stop, index.step], "names": names}
    levels = [_column(pandas.Series(index.get_level_values(level)), buffers) for level in range(index.nlevels)]
    return {"kind": "multi" if isinstance(index, pandas.MultiIndex) else "plain", "levels": levels, "names": names}


def _column(series, buffers):
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    name = type(dtype).__name__
    if name == "CategoricalDtype":
        import pandas

        codes = series.cat.codes.to_numpy()
        categories = _column(pandas.Series(series.cat.categories), buffers)
        return {"as": "category", "ordered": bool(dtype.ordered), "categories": categories, **_bytes(codes, buffers)}
    if name == "DatetimeTZDtype":
        moments = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"as": "zoned", "zone": str(dtype.tz), "unit": dtype.unit, **_bytes(moments.view("i8"), buffers)}
    if hasattr(dtype, "numpy_dtype") and hasattr(series.array, "_mask"):
        return {
            "as": "masked",
            "dtype": str(dtype),
            "mask": _bytes(series.isna().to_numpy(), buffers),
            **_bytes(series.array._data, buffers),
        }
    if name.startswith(("numpy", "dtype")) or hasattr(dtype, "newbyteorder"):
        values = series.to_numpy()
        if kind in _PLAIN:
            return {"as": "plain", **_bytes(values, buffers)}
        if kind in "mM":
            return {"as": "time", "dtype": str(values.dtype), **_bytes(values.view("i8"), buffers)}
    if name == "StringDtype" or kind in "OUS":
        texts = json.dumps([_plain(item) for item in series.tolist()]).encode("ascii")
        buffers.append(texts)
        return {"as": "objects", "dtype": "object" if name != "StringDtype" else str(dtype), "bytes": len(texts)}
    raise NoDump("a column of type %s can only be in a table where pyarrow is installed" % dtype)


def _bytes(values, buffers):
    import numpy

    values = numpy.ascontiguousarray(values)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    data = values.tobytes()
    buffers.append(data)
    return {"type": values.dtype.str, "bytes": len(data)}


def _plain(item):
    """An object as JSON; one of its own kinds as a list with the kind first."""
    kind = type(item)
    if item is None or kind in (str, bool):
        return item
    if kind is int:
        return item if abs(item) < 2**53 else ["int", str(item)]
    if kind is float:
        return item if math.isfinite(item) else ["float", repr(item)]
    if kind.__name__ == "NAType":
        return ["NA"]
    if kind.__name__ == "NaTType":
        return ["NaT"]
    if kind.__module__ == "numpy" and hasattr(item, "item") and item.dtype.kind in _PLAIN:
        return _plain(item.item())
    if kind.__name__ == "Timestamp":
        return ["Timestamp", item.isoformat(), str(item.tz) if item.tz is not None else None]
    if kind is datetime.datetime and item.tzinfo is None:
        return ["datetime", item.isoformat()]
    if kind is datetime.date:
        return ["date", item.isoformat()]
    if kind is datetime.time and item.tzinfo is None:
        return ["time", item.isoformat()]
    if kind is decimal.Decimal:
        return ["Decimal", str(item)]
    if kind is bytes:
        return ["bytes", item.hex()]
    if kind in (list, tuple):
        return [kind.__name__, [_plain(one) for one in item]]
    if kind is dict and all(type(key) is str for key in item):
        return ["dict", {key: _plain(one) for key, one in item.items()}]
    raise NoDump("an object of type %s can only be in a table where pyarrow is installed" % kind.__name__)


# ---- reading; parts come in the order in which they were written


def _make(described, take):
    import pandas

    labels = _made_index(described["labels"], take)
    index = _made_index(described["index"], take)
    columns = [_made(column, take) for column in described["columns"]]
    frame = pandas.DataFrame(dict(enumerate(columns)), index=None if columns else index)
    frame.index = index
    frame.columns = labels
    if described["kind"] == "series":
        series = frame.iloc[:, 0]
        return series if described["named"] else series.rename(None)
    if described["kind"] == "array":
        values = frame.to_numpy()
        return values[:, 0] if described["dimensions"] == 1 else values
    return frame


def _made_index(described, take):
    import pandas

    names = [_object(name) for name in described["names"]]
    if described["kind"] == "range":
        return pandas.RangeIndex(*described["range"], name=names[0])
    levels = [_made(level, take) for level in described["levels"]]
    if described["kind"] == "multi":
        return pandas.MultiIndex.from_arrays(levels, names=names)
    return pandas.Index(levels[0], name=names[0], dtype=levels[0].dtype)


def _made(described, take):
    import numpy
    import pandas

    kind = described["as"]
    if kind == "category":
        categories = _made(described["categories"], take)
        codes = numpy.frombuffer(take(described["bytes"]), described["type"])
        made = pandas.Categorical.from_codes(codes, categories=pandas.Index(categories), ordered=described["ordered"])
        return pandas.Series(made)
    if kind == "objects":
        items = [_object(item) for item in json.loads(bytes(take(described["bytes"])))]
        values = numpy.empty(len(items), dtype=object)
        values[:] = items if not any(isinstance(item, (list, tuple)) for item in items) else None
        for place, item in enumerate(items):
            values[place] = item
        try:
            return pandas.Series(values, dtype=described["dtype"])
        except (TypeError, ValueError):
            return pandas.Series(values, dtype=object)
    mask = numpy.frombuffer(take(described["mask"]["bytes"]), bool) if kind == "masked" else None
    values = numpy.frombuffer(take(described["bytes"]), described["type"])
    if kind == "masked":
        return pandas.Series(values).astype(described["dtype"]).mask(mask)
    if kind == "time":
        return pandas.Series(values.view(described["dtype"]))
    if kind == "zoned":
        moments = pandas.Series(values.view("M8[%s]" % described["unit"]))
        return moments.dt.tz_localize("UTC").dt.tz_convert(described["zone"])
    return pandas.Series(values)


def _object(plain):
    if not isinstance(plain, list):
        return plain
    kind, inside = plain[0], plain[1] if len(plain) > 1 else None
    if kind in ("list", "tuple"):
        return [_object(one) for one in inside] if kind == "list" else tuple(_object(one) for one in inside)
    if kind == "dict":
        return {key: _object(one) for key, one in inside.items()}
    if kind in ("NA", "NaT", "Timestamp"):
        import pandas

        if kind == "Timestamp":
            moment = pandas.Timestamp(inside)
            return moment.tz_convert(plain[2]) if plain[2] is not None and moment.tz is not None else moment
        return pandas.NA if kind == "NA" else pandas.NaT
    return {
        "int": int,
        "float": float,
        "datetime": datetime.datetime.fromisoformat,
        "date": datetime.date.fromisoformat,
        "time": datetime.time.fromisoformat,
        "Decimal": decimal.Decimal,
        "bytes": bytes.fromhex,
    }[kind](inside)
