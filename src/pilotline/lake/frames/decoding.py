"""An Arrow array as the pandas column that it was, by the note that ``encoding.encode`` made.

Where a column no longer fits its note (rows of another origin were added), it comes as Arrow would give it.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any, Final, TypeAlias
from uuid import UUID

from pilotline.lake.frames.values import from_text

__all__ = ["decode", "unpack"]

Note: TypeAlias = "dict[str, Any]"
Series: TypeAlias = Any  # pandas.Series
Array: TypeAlias = Any  # pyarrow.Array


def decode(array: Array, note: Note) -> Series:
    """The column of an array, as it was before ``encode``; or as Arrow gives it where it does not fit the note."""
    try:
        return _DECODERS[note["as"]](array, note)
    except (ValueError, TypeError, KeyError, ArithmeticError, NotImplementedError, AttributeError):
        return array.to_pandas()


def unpack(text: str) -> Array:
    """The array of a text."""
    import pyarrow as pa

    return pa.ipc.open_stream(zlib.decompress(base64.b64decode(text))).read_all().column(0)


def _to_numpy(array: Array, note: Note) -> Series:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    kind = np.dtype(note["dtype"])
    if kind.kind == "f":
        return pd.Series(array.to_pandas().to_numpy(dtype=np.float64, na_value=np.nan).astype(kind))
    if array.null_count:
        raise ValueError("a number that was always there is missing")
    arrow = pa.from_numpy_dtype(kind)
    return pd.Series(np.asarray(array.cast(arrow)).astype(kind, copy=False))


def _to_complex(array: Array, note: Note) -> Series:
    import pandas as pd

    values = [
        complex("nan+nanj") if each is None else complex(each["real"], each["imag"]) for each in array.to_pylist()
    ]
    return pd.Series(values, dtype=note["dtype"])


def _to_time(array: Array, note: Note) -> Series:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    ticks = array if pa.types.is_int64(array.type) else array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
    stored = note["dtype"] if pa.types.is_int64(array.type) else "datetime64[us]"
    missing = np.asarray(ticks.is_null())
    values = np.asarray(ticks.fill_null(0)).astype("i8").view(stored).astype(note["dtype"])
    values[missing] = np.array("NaT", note["dtype"])
    series = pd.Series(values)
    if note["zone"] is not None:
        return series.dt.tz_localize("UTC").dt.tz_convert(note["zone"])
    if not pa.types.is_int64(array.type) and array.type.tz is not None:
        return series.dt.tz_localize("UTC")
    return series


def _to_period(array: Array, note: Note) -> Series:
    import pandas as pd

    if note["text"]:
        texts = ["NaT" if text is None else text for text in array.to_pylist()]
        return pd.Series(pd.PeriodIndex(texts, freq=note["freq"]))
    ordinals = array.to_pylist()
    periods = [pd.NaT if each is None else pd.Period(ordinal=each, freq=note["freq"]) for each in ordinals]
    return pd.Series(pd.PeriodIndex(periods, freq=note["freq"]))


def _to_interval(array: Array, note: Note) -> Series:
    import pandas as pd
    import pyarrow.compute as pc

    def side(name: str) -> Series:
        return decode(pc.struct_field(array, name), note[name])  # pyright: ignore[reportAttributeAccessIssue] - made at import

    return pd.Series(pd.arrays.IntervalArray.from_arrays(side("left"), side("right"), closed=note["closed"]))


def _to_category(array: Array, note: Note) -> Series:
    import pandas as pd

    categories = pd.Index(decode(unpack(note["categories"]), note["values"]))
    if note["freq"] is not None:
        categories = type(categories)(categories, freq=note["freq"])  # type: ignore[call-arg]
    values = decode(array, note["values"])
    codes = categories.get_indexer(pd.Index(values))
    if ((codes < 0) & ~pd.isna(values).to_numpy()).any():
        raise ValueError("a value is none of the categories")
    return pd.Series(pd.Categorical.from_codes(codes, categories=categories, ordered=note["ordered"]))


def _to_text(array: Array, note: Note) -> Series:
    import numpy as np
    import pandas as pd

    missing = pd.NA if note["missing"] == "NA" else np.nan
    dtype = pd.StringDtype(note["storage"], na_value=missing)
    return pd.Series(dtype.__from_arrow__(_chunked(array)))


def _to_extension(array: Array, note: Note) -> Series:
    import pandas as pd
    import pyarrow as pa

    dtype: Any = pd.api.types.pandas_dtype(note["dtype"])
    numpy = getattr(dtype, "numpy_dtype", None)
    cast = array if numpy is None else array.cast(pa.from_numpy_dtype(numpy))
    return pd.Series(dtype.__from_arrow__(_chunked(cast)))


def _to_arrow(array: Array, note: Note) -> Series:
    import pandas as pd
    import pyarrow as pa

    kind = unpack(note["type"]).type
    if pa.types.is_dictionary(kind):
        cast = _chunked(array).combine_chunks().cast(kind.value_type).dictionary_encode().cast(kind)
    else:
        cast = array.cast(kind)
    return pd.Series(pd.arrays.ArrowExtensionArray(_chunked(cast)))


def _to_sparse(array: Array, note: Note) -> Series:
    return decode(array, note["dense"]).astype(note["dtype"])


def _to_object(array: Array, note: Note) -> Series:
    import numpy as np

    element = note.get("element", "")
    make: Any = {
        "tuple": tuple,
        "UUID": UUID,
        "ndarray": lambda value: np.array(value, dtype=note.get("inner")),
    }.get(element)
    mark = _mark(note)
    values = [mark if each is None else make(each) if make else each for each in array.to_pylist()]
    return _of_objects(values)


def _to_json(array: Array, note: Note) -> Series:
    mark = _mark(note)
    return _of_objects([mark if text is None else from_text(text) for text in array.to_pylist()])


def _mark(note: Note) -> Any:
    import numpy as np
    import pandas as pd

    return {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}[note["missing"]]


def _of_objects(values: list[Any]) -> Series:
    import numpy as np
    import pandas as pd

    held = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        held[place] = value
    return pd.Series(held, dtype=object)


def _chunked(array: Array) -> Array:
    import pyarrow as pa

    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


_DECODERS: Final = {
    "numpy": _to_numpy,
    "complex": _to_complex,
    "time": _to_time,
    "period": _to_period,
    "interval": _to_interval,
    "category": _to_category,
    "text": _to_text,
    "extension": _to_extension,
    "arrow": _to_arrow,
    "sparse": _to_sparse,
    "object": _to_object,
    "json": _to_json,
}
