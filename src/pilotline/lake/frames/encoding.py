"""One pandas column as an Arrow array that a table can hold, with a note of how to make it what it was.

A note is a JSON object ``{"as": KIND, ...}``; ``decoding.decode`` reads what ``encode`` wrote.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from pilotline.lake.frames.values import NoText, to_text, zone_name

__all__ = ["Encoded", "NoColumn", "Note", "encode", "held_array", "pack"]

Note: TypeAlias = "dict[str, Any]"
Series: TypeAlias = Any  # pandas.Series
Array: TypeAlias = Any  # pyarrow.Array

_INT64_MAX: Final = 2**63 - 1
_DECIMAL_DIGITS: Final = 38
#: These are the same thing in a table, so nothing is reported.
_SAME: Final = frozenset({"int32", "int64", "float32", "float64", "bool", "str", "datetime64[us]"})


class NoColumn(TypeError):
    """The column cannot be held by a table; says what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A column as an array, and how to take that back."""

    array: Array
    note: Note
    #: What the column was, where the array is something else.
    was: str = ""
    became: str = ""
    lossless: bool = True


def encode(series: Series) -> Encoded:
    """The array of a column.

    Raises:
        NoColumn: there is none.
    """
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _category(series)
    if isinstance(dtype, pd.IntervalDtype):
        return _interval(series)
    if isinstance(dtype, pd.PeriodDtype):
        return _period(series)
    if isinstance(dtype, pd.SparseDtype):
        dense = encode(series.sparse.to_dense())
        return _changed(series, dense.array, {"as": "sparse", "dtype": str(dtype), "dense": dense.note}, dense.lossless)
    if isinstance(dtype, pd.DatetimeTZDtype) or (dtype.kind in "mM" and not isinstance(dtype, pd.ArrowDtype)):
        return _time(series)
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow(series)
    if pd.api.types.is_extension_array_dtype(dtype):
        return _extension(series)
    if dtype.kind == "O":
        return _object(series)
    return _numpy(series)


def pack(array: Array) -> str:
    """An array as a text, for values that belong to the note and not to the rows."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    batch = pa.record_batch([array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array], names=["x"])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return base64.b64encode(zlib.compress(sink.getvalue().to_pybytes())).decode()


def _changed(series: Series, array: Array, note: Note, lossless: bool = True) -> Encoded:  # noqa: FBT001, FBT002
    return Encoded(array=array, note=note, was=str(series.dtype), became=str(array.type), lossless=lossless)


# -- Encoding ----------------------------------------------------------------------------------------------------------


def _numpy(series: Series) -> Encoded:
    import numpy as np
    import pyarrow as pa

    values = series.to_numpy()
    name, kind = str(values.dtype), values.dtype.kind
    note = {"as": "numpy", "dtype": name}
    if kind == "f":
        narrow = np.float32 if values.dtype == np.float16 else np.float64 if values.dtype.itemsize > 8 else values.dtype
        cast = values.astype(narrow)
        array = pa.array(cast, from_pandas=True)
        exact = bool(np.array_equal(cast.astype(values.dtype), values, equal_nan=True))
        return Encoded(array=array, note=note) if name in _SAME else _changed(series, array, note, exact)
    if kind == "c":
        parts = {"real": pa.float64(), "imag": pa.float64()}
        missing = np.isnan(values.real) & np.isnan(values.imag)
        pairs = [
            None if gone else {"real": v.real, "imag": v.imag} for v, gone in zip(values.tolist(), missing, strict=True)
        ]
        array = pa.array(pairs, pa.struct(list(parts.items())))
        return _changed(series, array, {"as": "complex", "dtype": name}, values.dtype.itemsize <= 16)
    if name == "uint64":
        return _changed(series, _unsigned(pa.array(values)), note)
    if kind in "biu":
        array = pa.array(values)
        return Encoded(array=array, note=note) if name in _SAME else _changed(series, array, note)
    raise NoColumn(name)


def _unsigned(array: Array) -> Array:
    """Whole numbers of 64 bits without a sign: long where they fit, else a decimal of 20 digits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    top = pc.max(array).as_py()  # pyright: ignore[reportAttributeAccessIssue] - made at import
    return array.cast(pa.int64() if top is None or top <= _INT64_MAX else pa.decimal128(20, 0))


def _time(series: Series) -> Encoded:
    """Instants in microseconds where that is exact, else the count of their own unit; spans are always counted."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    dtype = series.dtype
    zone = None
    if isinstance(dtype, pd.DatetimeTZDtype):
        zone = zone_name(dtype.tz)
        if zone is None:
            series = series.dt.tz_convert("UTC")
        values = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    else:
        values = series.to_numpy()
    note: Note = {"as": "time", "dtype": str(values.dtype), "zone": zone}
    missing = np.isnat(values)
    ticks = values.view("i8")
    if values.dtype.kind == "m":
        return _changed(series, pa.array(ticks, mask=missing), note)
    with np.errstate(over="ignore"):
        micros = values.astype("datetime64[us]")
        exact = bool(np.array_equal(micros.astype(values.dtype)[~missing], values[~missing]))
        # Other years than these no reader takes for instants; and beyond what microseconds reach they wrap around.
        years = 1970 + values[~missing].astype("datetime64[Y]").view("i8")
    if not exact or not ((years >= MINYEAR) & (years <= MAXYEAR)).all():
        return _changed(series, pa.array(ticks, mask=missing), note)
    aware = isinstance(dtype, pd.DatetimeTZDtype)
    kind = pa.timestamp("us", tz="UTC") if aware else pa.timestamp("us")
    array = pa.array(micros.view("i8"), mask=missing).cast(pa.timestamp("us")).cast(kind)
    if str(dtype) in _SAME:
        return Encoded(array=array, note=note)
    found = _changed(series, array, note, lossless=not aware or zone is not None)
    return Encoded(array=array, note=note, was=str(dtype), became=found.became, lossless=found.lossless)


def _period(series: Series) -> Encoded:
    import pandas as pd
    import pyarrow as pa

    texts = [None if value is pd.NaT else str(value) for value in series]
    note: Note = {"as": "period", "freq": pd.PeriodIndex(series).freqstr, "text": True}
    try:
        again = pd.PeriodIndex([text or "NaT" for text in texts], freq=note["freq"])
        readable = list(again.astype("int64")) == list(pd.PeriodIndex(series).astype("int64"))
    except ValueError:
        readable = False
    if readable:
        return _changed(series, pa.array(texts, pa.string()), note)
    ordinals = [None if value is pd.NaT else int(value.ordinal) for value in series]
    return _changed(series, pa.array(ordinals, pa.int64()), {**note, "text": False})


def _interval(series: Series) -> Encoded:
    import pandas as pd
    import pyarrow as pa

    index = pd.IntervalIndex(series.array)
    left, right = encode(pd.Series(index.left)), encode(pd.Series(index.right))
    gone = pa.array(series.isna().to_numpy())
    array = pa.StructArray.from_arrays([_whole(left.array), _whole(right.array)], names=["left", "right"], mask=gone)
    note = {"as": "interval", "closed": index.closed, "left": left.note, "right": right.note}
    return _changed(series, array, note, left.lossless and right.lossless)


def _category(series: Series) -> Encoded:
    import pandas as pd
    import pyarrow as pa

    codes = series.cat.codes.to_numpy()
    categories = series.cat.categories
    inside = encode(pd.Series(categories))
    array = _whole(inside.array).take(pa.array(codes.astype("int64"), mask=codes < 0))
    note = {
        "as": "category",
        "ordered": bool(series.cat.ordered),
        "categories": pack(inside.array),
        "values": inside.note,
        "freq": getattr(categories, "freqstr", None),
    }
    return _changed(series, array, note, inside.lossless)


def _whole(array: Array) -> Array:
    import pyarrow as pa

    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _extension(series: Series) -> Encoded:
    """Pandas' nullable numbers, booleans and texts."""
    import pandas as pd
    import pyarrow as pa

    dtype = series.dtype
    if isinstance(dtype, pd.StringDtype):
        array = pa.array(series.array, pa.large_string(), from_pandas=True)
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        note = {"as": "text", "storage": dtype.storage, "missing": missing}
        return Encoded(array=array, note=note)
    if not hasattr(dtype, "__from_arrow__") or not isinstance(dtype, pd.api.extensions.ExtensionDtype):
        raise NoColumn(str(dtype))
    array = pa.array(series.array)
    if isinstance(array.type, pa.ExtensionType) or pa.types.is_nested(array.type):
        raise NoColumn(str(dtype))
    note = {"as": "extension", "dtype": str(dtype)}
    if pa.types.is_uint64(array.type):
        return _changed(series, _unsigned(array), note)
    same = str(dtype) in {"Int32", "Int64", "Float32", "Float64", "boolean"}
    return Encoded(array=array, note=note) if same else _changed(series, array, note)


def _arrow(series: Series) -> Encoded:
    import pyarrow as pa

    array = _whole(pa.chunked_array(series.array._pa_array))  # noqa: SLF001 - the array itself
    held = held_array(array)
    note = {"as": "arrow", "type": pack(array.slice(0, 0))}
    return Encoded(array=held, note=note) if held.type == array.type else _changed(series, held, note)


def held_array(array: Array) -> Array:
    """An Arrow array in a type that a table holds, with the same values.

    Raises:
        NoColumn: there is none.
    """
    import pyarrow as pa
    from pyarrow import types

    kind = array.type
    try:
        if types.is_dictionary(kind):
            return held_array(array.cast(kind.value_type))
        if types.is_uint64(kind):
            return _unsigned(array)
        if types.is_duration(kind) or types.is_time32(kind):
            return array.cast(pa.int64()) if types.is_duration(kind) else array.cast(pa.time64("us"))
        if types.is_timestamp(kind) or (types.is_time64(kind) and kind.unit == "ns"):
            return _in_micros(array)
        if types.is_float16(kind):
            return array.cast(pa.float32())
        if types.is_date64(kind):
            return array.cast(pa.date32())
    except pa.ArrowInvalid as error:
        raise NoColumn(str(kind)) from error
    return array


def _in_micros(array: Array) -> Array:
    """Instants in microseconds (of UTC where they have a zone), or the count of their unit where that is not exact."""
    import pyarrow as pa

    zone = getattr(array.type, "tz", None) and "UTC"
    try:
        return array.cast(pa.timestamp("us", zone) if pa.types.is_timestamp(array.type) else pa.time64("us"))
    except pa.ArrowInvalid:
        return array.cast(pa.int64())


# -- Columns of Python objects -----------------------------------------------------------------------------------------


def _object(series: Series) -> Encoded:
    """Plain Arrow where all values are of one plain type, else JSON texts."""
    import pyarrow as pa

    values: list[Any] = series.tolist()
    marks = {_missing(value) for value in values} - {""}
    present = [value for value in values if not _missing(value)]
    mark = next(iter(marks)) if len(marks) == 1 else "None"
    kinds = {type(value) for value in present}
    filled = [None if _missing(value) else value for value in values]
    note: Note = {"as": "object", "missing": mark}
    if not present:
        return _changed(series, pa.array(filled, pa.string()), note, len(marks) <= 1)
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    plain = _plain_array(kind, filled, present)
    if plain is not None:
        lossless = len(marks) <= 1
        if kind is str and lossless:
            return Encoded(array=plain, note={**note, "element": "str"})
        return _changed(series, plain, {**note, "element": kind.__name__ if kind else ""}, lossless)
    vectors = _vectors(kind, filled)
    if vectors is not None:
        array, more = vectors
        return _changed(series, array, {**note, **more}, len(marks) <= 1)
    try:
        # Inside a text every kind of missing value has its own form.
        texts = [None if _missing(value) == mark else to_text(value) for value in values]
    except NoText as error:
        raise NoColumn(str(error)) from error
    array = pa.array(texts, pa.string())
    return Encoded(
        array=array, note={"as": "json", "missing": mark}, was=f"object ({_names(kinds)})", became="string (JSON)"
    )


def _names(kinds: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def _missing(value: Any) -> str:
    import pandas as pd

    if value is None:
        return "None"
    if type(value) is float and value != value:  # noqa: PLR0124 - NaN
        return "nan"
    if value is pd.NA:
        return "NA"
    return "NaT" if value is pd.NaT else ""


def _plain_array(kind: type | None, filled: list[Any], present: list[Any]) -> Array | None:
    """The array of values that are all of one type which a table knows."""
    import pyarrow as pa

    arrow = {str: pa.large_string(), bool: pa.bool_(), float: pa.float64(), bytes: pa.large_binary(), date: pa.date32()}
    try:
        if kind in arrow:
            return pa.array(filled, arrow[kind])
        if kind is int:
            return pa.array(filled, pa.int64())
        if kind is datetime and all(value.tzinfo is None and not value.fold for value in present):
            return pa.array(filled, pa.timestamp("us"))
        if kind is time and all(value.tzinfo is None and not value.fold for value in present):
            return pa.array(filled, pa.time64("us"))
        if kind is UUID:
            return pa.array([None if value is None else str(value) for value in filled], pa.string())
        if kind is Decimal:
            exponents = {value.as_tuple().exponent for value in present}
            scale = -min((each for each in exponents if isinstance(each, int)), default=1)
            digits = max(len(value.as_tuple().digits) for value in present)
            if len(exponents) == 1 and 0 <= scale <= _DECIMAL_DIGITS and max(digits, scale) <= _DECIMAL_DIGITS:
                return pa.array(filled, pa.decimal128(max(digits, scale, 1), scale))
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return None
    return None


def _vectors(kind: type | None, filled: list[Any]) -> tuple[Array, Note] | None:
    """Vectors of numbers, such as embeddings, as lists."""
    import numpy as np
    import pyarrow as pa

    if kind is np.ndarray:
        there = [value for value in filled if value is not None]
        dtypes = {str(value.dtype) for value in there}
        if len(dtypes) == 1 and dtypes <= _SAME and all(value.ndim == 1 for value in there):
            (dtype,) = dtypes
            return pa.array(filled, pa.list_(pa.from_numpy_dtype(dtype))), {"element": "ndarray", "inner": dtype}
        return None
    if kind not in {list, tuple}:
        return None
    inner = {type(item) for value in filled if value is not None for item in value}
    arrow = {str: pa.large_string(), bool: pa.bool_(), float: pa.float64(), int: pa.int64()}
    if len(inner) != 1 or not inner <= set(arrow):
        return None
    try:
        return pa.array(filled, pa.list_(arrow[next(iter(inner))])), {"element": kind.__name__}
    except (pa.ArrowInvalid, OverflowError):
        return None
