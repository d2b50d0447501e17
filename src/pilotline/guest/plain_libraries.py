"""Plain forms of the values of well-known libraries. None of them is imported here: only what is loaded is asked."""

import re
import sys
import types
import warnings

from . import streams
from .kinds import FIGURES
from .plain_frames import pandas_form

_TIMES = re.compile(r"_times?_?$")
_NOTHING = frozenset({"_stop_words_id", "_cache", "_sklearn_version"})
#: What is computed when it is read is compared by its rows, up to so many bytes of them.
_MOST_ROWS = 64 * 1024 * 1024


def means_nothing(attribute, kind):
    """Whether an attribute of a library's object says how long something took, or is only kept to be quick."""
    if kind.__module__.startswith("statsmodels.") and attribute != "_results":
        # Its results keep what `summary()` and others work out in attributes that come and go.
        # How the search for them was set up, with a method to call back that no pickle keeps, is no result either.
        return attribute.startswith("_") or attribute in {"diagn", "mle_settings"}
    return attribute in _NOTHING or _TIMES.search(attribute) is not None


def form(porter, value, kind):
    """The plain form of a library's value, or None for others."""
    for base in kind.__mro__:
        root = (getattr(base, "__module__", None) or "").partition(".")[0]
        if root in FIGURES:
            return porter.opaque("figure")
        library = _LIBRARIES.get(root)
        if library is not None:
            found = library(porter, value, kind)
            if found is not None:
                return found
    return None


# ---- arrays


def _numpy(porter, value, kind):
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.ma.MaskedArray):
        mask = numpy.ma.getmaskarray(value)
        kept = (
            numpy.where(mask, numpy.zeros((), value.dtype), value.data) if value.dtype.kind in "biufcmM" else value.data
        )
        return ["object", "masked array", ["data", "mask"], [array(porter, kept), array(porter, mask)]]
    if isinstance(value, numpy.ndarray):
        plain = array(porter, numpy.asarray(value))
        if kind in (numpy.ndarray, numpy.memmap):
            return plain
        return ["object", porter.name(kind), ["values"], [plain]]
    if isinstance(value, numpy.generic):
        return ["scalar", str(value.dtype), array(porter, numpy.asarray(value))]
    if isinstance(value, numpy.dtype):
        return ["value", "dtype", str(value)]
    if isinstance(value, (numpy.random.RandomState, numpy.random.Generator, numpy.random.BitGenerator)):
        return _random(porter, value)
    if isinstance(value, numpy.ufunc):
        return ["value", "ufunc", value.__name__]
    if kind.__name__ == "_ArrayFunctionDispatcher":
        return ["value", "function", f"{value.__module__}.{value.__qualname__}"]
    return None


def _random(porter, value):
    """Where a generator stands is a means, not a result; but an argument that was drawn from was changed."""
    if not porter.strict:
        return ["skip", "random generator"]
    if hasattr(value, "get_state"):
        return ["seq", "random state", porter.all(value.get_state())]
    return ["seq", "random state", [porter.of(getattr(value, "bit_generator", value).state)]]


def array(porter, value):
    """The plain form of an ndarray."""
    numpy = sys.modules["numpy"]
    if value.dtype.names:
        labels = [f"[{name}]" for name in value.dtype.names]
        parts = [array(porter, numpy.ascontiguousarray(value[name])) for name in value.dtype.names]
        return ["object", f"structured array {value.dtype.names}", labels, parts]
    if value.dtype.hasobject:
        if str(value.dtype).startswith("StringDType"):
            return ["objects", "StringDType", list(value.shape), porter.all(value.ravel().tolist())]
        return ["objects", "object", list(value.shape), porter.all(value.ravel().tolist())]
    # A view of a larger array would be written with all of it by some versions; a copy has its own order of bytes.
    return ["array", str(value.dtype), list(value.shape), numpy.array(value, order="C", copy=True, subok=False)]


def _scipy(porter, value, kind):
    if hasattr(value, "tocoo") and hasattr(value, "nnz"):
        rows = value.tocsr()
        if rows is value:
            rows = value.copy()
        rows.sum_duplicates()
        form_of = [
            array(porter, rows.indptr.astype("int64")),
            array(porter, rows.indices.astype("int64")),
            array(porter, rows.data),
        ]
        return ["object", f"sparse {value.format} {tuple(value.shape)}", [".indptr", ".indices", ".data"], form_of]
    if kind.__name__ in {"cKDTree", "KDTree"}:
        # Its pickle holds uninitialised bytes.
        told = [value.data, value.leafsize, value.boxsize]
        return ["object", "scipy tree", [".data", ".leafsize", ".boxsize"], [porter.of(one) for one in told]]
    return None


def _polars(porter, value, kind):
    name = kind.__name__
    if name == "LazyFrame":
        frame = _collected(value)
        return (
            _too_many(porter, name)
            if frame is None
            else ["object", "polars.LazyFrame", ["collected"], [porter.of(frame)]]
        )
    if name == "DataFrame":
        columns = [porter.of(value.get_column(column)) for column in value.columns]
        return [
            "object",
            f"polars.DataFrame {tuple(value.columns)}",
            [f"[{column!r}]" for column in value.columns],
            columns,
        ]
    if name == "Series":
        return [
            "object",
            f"polars.Series {value.dtype}",
            [".name", ""],
            [value.name, ["seq", "values", porter.all(value.to_list())]],
        ]
    return ["value", porter.name(kind), str(value)]


def _collected(value):
    """A lazy frame's rows; None where they are too many."""
    polars = sys.modules["polars"]
    if not hasattr(value, "collect_batches"):
        return value.collect()
    frames, size = [polars.DataFrame(schema=value.collect_schema())], 0
    for frame in value.collect_batches(maintain_order=True):
        frames.append(frame)
        size += frame.estimated_size()
        if size > _MOST_ROWS:
            return None
    return polars.concat(frames)


def _too_many(porter, what):
    return porter.opaque(f"a {what} of more than {_MOST_ROWS // 2**20} MB")


def _pyarrow(porter, value, kind):
    name = kind.__name__
    if name in {"Table", "RecordBatch"}:
        schema = str(value.schema.remove_metadata())
        return ["object", f"pyarrow.{name} {schema}", *_columns(porter, value)]
    if name == "RecordBatchReader":
        return porter.opaque("a RecordBatchReader, which can be read only once")
    if streams.kind_of(value) == "dataset":
        schema = str(value.schema.remove_metadata())
        return _read(porter, value, f"pyarrow.dataset.Dataset {schema}")
    if hasattr(value, "to_pylist"):
        return ["object", f"pyarrow array {value.type}", [""], [["seq", "values", porter.all(value.to_pylist())]]]
    if hasattr(value, "as_py"):
        return ["object", f"pyarrow scalar {value.type}", [""], [porter.of(value.as_py())]]
    if name in {"Schema", "DataType", "Field"} or name.endswith("Type"):
        return ["value", f"pyarrow.{name}", str(value)]
    return None


def _duckdb(porter, value, kind):
    if streams.kind_of(value) != "relation":
        return None
    return _read(porter, value, f"duckdb.DuckDBPyRelation ({', '.join(map(str, value.types))})")


def _read(porter, value, what):
    """What is computed when it is read: its rows."""
    batches, size = [], 0
    reader = streams.batches_of(value)
    for batch in reader:
        batches.append(batch)
        size += batch.nbytes
        if size > _MOST_ROWS:
            return _too_many(porter, type(value).__name__)
    table = sys.modules["pyarrow"].Table.from_batches(batches, reader.schema)
    return ["object", what, *_columns(porter, table)]


def _columns(porter, table):
    columns = [["seq", "values", porter.all(column.to_pylist())] for column in table.columns]
    return [f"[{field!r}]" for field in table.schema.names], columns


def _torch(porter, value, kind):
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        if plain.dtype == torch.bfloat16:
            plain = plain.float()
        return ["object", f"tensor {value.dtype}", [""], [array(porter, plain.numpy())]]
    if kind.__name__ in {"dtype", "device", "Size"}:
        return ["value", f"torch.{kind.__name__}", str(value)]
    if kind.__name__ == "Generator":
        return ["skip", "random generator"]
    return None


# ---- models


def _patsy(porter, value, kind):
    if kind.__name__ in {"EvalEnvironment", "_EvalEnvironment"}:
        # The whole namespace around a formula; what the formula took from it is in the data.
        return ["skip", "names around a formula"]
    if kind.__name__ == "DesignInfo":
        return ["value", "design", repr((value.column_names, value.describe()))]
    return None


def _formulaic(porter, value, kind):
    return ["skip", "names around a formula"] if kind.__name__ == "LayeredMapping" else None


def _xgboost(porter, value, kind):
    if kind.__name__ == "Booster":
        dumped = value.get_dump(with_stats=True, dump_format="json")
        return [
            "object",
            "xgboost.Booster",
            ["trees", "attributes"],
            [porter.of(dumped), porter.of(value.attributes())],
        ]
    return None


def _lightgbm(porter, value, kind):
    return ["value", "lightgbm.Booster", value.model_to_string()] if kind.__name__ == "Booster" else None


def _keras(porter, value, kind):
    if hasattr(value, "get_weights") and hasattr(value, "get_config") and hasattr(value, "layers"):
        labels = [layer.__class__.__name__ for layer in value.layers]
        return ["object", f"keras model {labels}", ["weights"], [porter.of(value.get_weights())]]
    return None


def _joblib(porter, value, kind):
    return ["skip", "cache"] if kind.__name__ in {"Memory", "MemorizedFunc"} else None


_LIBRARIES = {
    "numpy": _numpy, "pandas": pandas_form, "geopandas": pandas_form, "scipy": _scipy, "polars": _polars,
    "pyarrow": _pyarrow, "duckdb": _duckdb, "_duckdb": _duckdb, "torch": _torch, "patsy": _patsy, "formulaic": _formulaic, "xgboost": _xgboost,
    "lightgbm": _lightgbm, "keras": _keras, "tensorflow": _keras, "joblib": _joblib,
}  # fmt: skip


def predictions(porter, value):
    """What a model whose state can't be looked into says about made-up rows, or None where it says nothing."""
    numpy = sys.modules.get("numpy")
    width = getattr(value, "n_features_in_", None)
    if (
        numpy is None
        or isinstance(value, type)
        or type(width).__name__ not in {"int", "int64"}
        or not hasattr(value, "predict")
    ):
        return None
    rows = numpy.random.Generator(numpy.random.PCG64(7)).normal(size=(64, int(width))) * 3
    names = getattr(value, "feature_names_in_", None)
    pandas = sys.modules.get("pandas")
    if names is not None and pandas is not None:
        rows = pandas.DataFrame(rows, columns=list(names))
    ask = [
        getattr(value, name)
        for name in ("predict", "predict_proba")
        if isinstance(getattr(value, name, None), types.MethodType)
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ["seq", "predictions", [porter.of(numpy.asarray(one(rows))) for one in ask]]
    except Exception:
        return None
