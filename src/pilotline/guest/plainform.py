"""A value as plain data: comparable across processes, whatever class it is of.

``portable(value)`` gives nested tuples of atoms, bytes and texts. Classes of the notebook (``__main__.Thing``) and of
the lifted module (``explore.Thing``) are both written ``~.Thing``. Parts that cannot be looked into become
``("opaque", type)``. What differs from run to run without meaning anything (identities, fitting times) is left out.
"""

import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import os
import pathlib
import pickle
import re
import sys
import types
import uuid

from .walker import _name, _state, base_repr

_ATOMS = {int, bool, str, bytes, type(None), complex}
_MOST = 400_000
_LEFT_OUT = re.compile(r"(_time|_times|_times_|_time_|_stop_words_id|_sklearn_output_config|_repr_html_link)$|^(random_state_|_random_state|_rng|_cache|_item_cache|_mgr_cache)$")
_HEADER = "pilotline portable 1"


class WrittenFile:
    """A file that was written: compared by content."""

    def __init__(self, path):
        self.path = path


def dump(value, path, own=("__main__",)):
    """Write a value's plain form to a file, whole or not at all."""
    plain = portable(value, own)
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as file:
        pickle.dump((_HEADER, plain), file, protocol=4)
    os.replace(temporary, path)


def load(path):
    """The plain form that ``dump`` wrote."""
    with open(path, "rb") as file:
        header, plain = pickle.load(file)
    if header != _HEADER:
        raise ValueError("not a portable value: %s" % path)
    return plain


def digest(value, own=("__main__",)):
    """A short digest of a value's plain form, to see whether it was changed."""
    return hashlib.sha256(pickle.dumps(portable(value, own), protocol=4)).digest()


def portable(value, own=("__main__",)):
    """The plain form of a value.

    Args:
        value: anything.
        own: modules whose classes count as the notebook's own.
    """
    return _Porter(own).of(value)


class _Porter:
    def __init__(self, own):
        self.own = set(own)
        self.seen = {}
        self.held = []
        self.nodes = 0

    def of(self, value):
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is float:
            return ("float", value.hex() if value == value else "nan")
        if id(value) in self.seen:
            return ("again", self.seen[id(value)])
        self.nodes += 1
        if self.nodes > _MOST:
            return ("opaque", "more than %d parts" % _MOST)
        self.seen[id(value)] = self.nodes
        self.held.append(value)
        try:
            return self._of(value, kind)
        except RecursionError:
            return ("opaque", "nested too deeply")
        except Exception as error:
            return ("opaque", "%s (%s: %s)" % (_name(kind), type(error).__name__, str(error)[:100]))

    def _of(self, value, kind):
        root = (getattr(kind, "__module__", "") or "").partition(".")[0]
        if root in _LIBRARIES:
            found = _LIBRARIES[root](self, value)
            if found is not None:
                return found
        if kind in (list, tuple, collections.deque):
            if set(map(type, value)) <= {int, str, bool, type(None)}:
                return (kind.__name__, list(value))
            return (kind.__name__, [self.of(item) for item in value])
        if kind in (set, frozenset):
            return (kind.__name__, sorted((self.of(item) for item in value), key=repr))
        if kind in (dict, collections.OrderedDict, collections.defaultdict, collections.Counter):
            return (kind.__name__, [(self.of(key), self.of(item)) for key, item in value.items()])
        if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, range, slice)) and root in {"builtins", "datetime", "decimal", "fractions", "uuid", "zoneinfo"}:
            return ("value", kind.__name__, repr(value))
        if isinstance(value, pathlib.PurePath):
            return ("path", str(value))
        if isinstance(value, enum.Enum):
            return ("enum", self.name(kind), value.name)
        if kind is types.ModuleType:
            return ("module", value.__name__)
        if kind is re.Pattern:
            return ("pattern", value.pattern, value.flags)
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if kind is types.MethodType:
            return ("method", value.__func__.__name__, self.of(value.__self__))
        if isinstance(value, types.BuiltinFunctionType):
            return ("builtin", value.__name__)
        if isinstance(value, type):
            return ("class", self.name(value))
        if kind is WrittenFile:
            return _file(value.path)
        if kind in (types.GeneratorType, types.CoroutineType):
            return ("opaque", kind.__name__)
        return self.thing(value, kind, root)

    def name(self, kind):
        module = getattr(kind, "__module__", "") or ""
        return ("~." if module in self.own else module + ".") + kind.__qualname__.split("<locals>.")[-1]

    def function(self, value):
        code = value.__code__
        name = value.__qualname__.split("<locals>.")[-1]
        if value.__module__ not in self.own and value.__module__ in sys.modules:
            return ("function", value.__module__, name)
        closed = []
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:
                continue
            # In the notebook these were globals; what they hold is compared where it is wanted.
            closed.append(type(inner).__name__ if isinstance(inner, types.FunctionType) else None)
        return ("function", "~", name, code.co_argcount, _code(code), self.of(value.__defaults__))

    def thing(self, value, kind, root):
        parts = []
        if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            base = next(base for base in (list, tuple, set, frozenset, collections.deque) if isinstance(value, base))
            items = [self.of(item) for item in base.__iter__(value)]
            parts.append(sorted(items, key=repr) if base in (set, frozenset) else items)
        elif isinstance(value, dict):
            parts.append([(self.of(key), self.of(item)) for key, item in dict.items(value)])
        elif isinstance(value, (int, float, str, bytes)):
            parts.append(base_repr(value))
        state = _state(value)
        if state is not None:
            kept = sorted((str(key), item) for key, item in state.items() if not _LEFT_OUT.search(str(key)) ) if _sortable(state) else []
            parts.append([(key, self.of(item)) for key, item in kept])
        if not parts:
            reduced = value.__reduce_ex__(4)
            if isinstance(reduced, str):
                return ("global", reduced)
            if len(reduced) >= 3 and reduced[2] is None and len(reduced[1]) <= 1 and not any(reduced[3:]):
                return ("opaque", _name(kind))
            parts.append([self.of(list(part) if number > 2 else part) for number, part in enumerate(reduced[1:5]) if part is not None])
        return ("object", self.name(kind), parts)


def _sortable(state):
    return all(isinstance(key, str) for key in state)


def _code(code):
    """What a function does, without names of files and lines."""
    constants = [_code(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts]
    return (sorted(set(code.co_names) | set(code.co_freevars)), constants[1:] if constants and constants[0] == repr(None) else constants, code.co_varnames[: code.co_argcount])


def _numpy(porter, value):
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.ma.MaskedArray):
        return ("masked", porter.of(value.data), porter.of(numpy.ma.getmaskarray(value)))
    if isinstance(value, numpy.ndarray):
        if value.dtype.kind == "O":
            return ("array", "object", value.shape, [porter.of(item) for item in value.ravel().tolist()])
        if value.dtype.names:
            return ("structured", str(value.dtype), value.shape, [porter.of(numpy.ascontiguousarray(value[name])) for name in value.dtype.names])
        return ("array", str(value.dtype), value.shape, numpy.ascontiguousarray(value).tobytes())
    if isinstance(value, numpy.generic):
        return ("array", str(value.dtype), (), value.tobytes())
    if isinstance(value, numpy.dtype):
        return ("dtype", str(value))
    if hasattr(value, "bit_generator") or type(value).__name__ == "RandomState" or hasattr(value, "seed_seq"):
        # Where a generator stands is a means, not a result.
        return ("generator", type(value).__name__)
    if type(value).__name__ in {"ufunc", "_ArrayFunctionDispatcher"}:
        return ("ufunc", value.__name__)
    return None


def _pandas(porter, value):
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = [_values(porter, value.iloc[:, number].array) for number in range(value.shape[1])]
        return ("frame", _index(porter, value.columns), _index(porter, value.index), columns, _extra(porter, value, pandas.DataFrame))
    if isinstance(value, pandas.Series):
        return ("series", porter.of(value.name), _index(porter, value.index), _values(porter, value.array), _extra(porter, value, pandas.Series))
    if isinstance(value, pandas.Index):
        return _index(porter, value)
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return _values(porter, value)
    if value is pandas.NaT or value is getattr(pandas, "NA", object()):
        return ("missing", str(value))
    if isinstance(value, (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval)):
        return ("value", type(value).__name__, repr(value))
    if isinstance(value, pandas.api.extensions.ExtensionDtype):
        return ("dtype", str(value))
    module = type(value).__module__
    if module.startswith("pandas.core.groupby") or module == "pandas.api.typing":
        return ("groupby", type(value).__name__, porter.of(getattr(value, "obj", None)), porter.of(_keys(value)))
    if module.startswith("pandas.io.formats.style"):
        return ("styler", porter.of(value.data))
    if isinstance(value, pandas.offsets.BaseOffset):
        return ("value", "offset", value.freqstr)
    return None


def _keys(grouped):
    keys = getattr(grouped, "keys", None)
    return keys if isinstance(keys, (str, list, tuple)) else getattr(getattr(grouped, "grouper", None), "names", None)


def _extra(porter, value, plain):
    parts = [("attrs", porter.of(value.attrs))] if value.attrs else []
    if type(value) is not plain:
        parts.append(("class", porter.name(type(value))))
    return parts


def _index(porter, index):
    pandas = sys.modules["pandas"]
    names = [porter.of(name) for name in index.names]
    if isinstance(index, pandas.MultiIndex):
        return ("multiindex", names, [_values(porter, index.get_level_values(number).array) for number in range(index.nlevels)])
    return ("index", names, _values(porter, index.array))


def _values(porter, array):
    """A column: its dtype and values."""
    pandas = sys.modules["pandas"]
    dtype = str(array.dtype)
    if isinstance(array, pandas.Categorical):
        return ("column", "category", (_values(porter, array.categories.array), bool(array.ordered), array.codes.astype("int64").tobytes()), len(array))
    inner = getattr(array, "_ndarray", None)
    kind = getattr(getattr(inner, "dtype", None), "kind", "O")
    if inner is not None and kind in "iufbMmc" and inner.ndim == 1:
        return ("column", dtype, sys.modules["numpy"].ascontiguousarray(inner).tobytes(), len(array))
    if hasattr(array, "_mask") and hasattr(array, "_data") and getattr(array._data, "dtype", None) is not None:
        data = array._data.copy()
        data[array._mask] = data.dtype.type(0)
        return ("column", dtype, (data.tobytes(), array._mask.tobytes()), len(array))
    if dtype in {"str", "string", "object"} or kind == "O":
        items = list(array)
        if set(map(type, items)) <= {str, type(None), bool, int}:
            return ("column", dtype, items, len(items))
        return ("column", dtype, [_item(porter, item) for item in items], len(items))
    return ("column", dtype, [_item(porter, item) for item in array], len(array))


def _item(porter, item):
    if isinstance(item, float) and item != item:
        return ("float", "nan")
    porter.nodes -= 1
    if type(item) in (list, dict, set, tuple):
        porter.seen.pop(id(item), None)
    return porter.of(item)


def _scipy(porter, value):
    if hasattr(value, "tocoo") and hasattr(value, "nnz"):
        coo = value.tocsr().tocoo() if value.format != "coo" else value
        return ("sparse", value.format, value.shape, porter.of(coo.row), porter.of(coo.col), porter.of(coo.data))
    return None


def _polars(porter, value):
    name = type(value).__name__
    if name == "LazyFrame":
        value, name = value.collect(), "LazyFrame"
    if name in {"DataFrame", "LazyFrame"}:
        return ("polars", name, [(column, str(value[column].dtype), [porter.of(item) for item in value[column].to_list()]) for column in value.columns])
    if name == "Series":
        return ("polars", name, value.name, str(value.dtype), [porter.of(item) for item in value.to_list()])
    return ("value", name, str(value))


def _pyarrow(porter, value):
    name = type(value).__name__
    if name == "Table":
        return ("arrow", name, str(value.schema.remove_metadata()), [porter.of(column.to_pylist()) for column in value.columns])
    if hasattr(value, "to_pylist"):
        return ("arrow", name, str(value.type), porter.of(value.to_pylist()))
    return ("value", name, str(value))


def _figure(porter, value):
    return ("opaque", "figure")


def _torch(porter, value):
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        return ("tensor", porter.of(value.detach().cpu().numpy()))
    return None


_LIBRARIES = {
    "numpy": _numpy, "pandas": _pandas, "scipy": _scipy, "polars": _polars, "pyarrow": _pyarrow, "torch": _torch,
    "matplotlib": _figure, "seaborn": _figure, "plotly": _figure, "bokeh": _figure, "altair": _figure,
}  # fmt: skip


def _file(path):
    """A file by its content: parsed where equal data may be written in unequal bytes."""
    suffix = os.path.splitext(path)[1].lower()
    with open(path, "rb") as file:
        data = file.read()
    if suffix in {".sqlite", ".sqlite3", ".db"} or data[:15] == b"SQLite format 3":
        import sqlite3

        connection = sqlite3.connect(path)
        try:
            tables = connection.execute("select name, sql from sqlite_master where type = 'table' order by name").fetchall()
            found = [(name, sql, [_Porter(()).of(list(row)) for row in connection.execute('select * from "%s"' % name.replace('"', '""'))]) for name, sql in tables]
        finally:
            connection.close()
        return ("sqlite", found)
    if suffix in {".parquet", ".feather", ".xlsx", ".pkl", ".pickle", ".joblib", ".npz"}:
        parsed = _parsed(path, suffix)
        if parsed is not None:
            return ("parsed", suffix, parsed)
    return ("bytes", len(data), data)


def _parsed(path, suffix):
    pandas = sys.modules.get("pandas")
    try:
        if suffix in {".parquet", ".feather", ".xlsx"} and pandas is not None:
            read = {".parquet": "read_parquet", ".feather": "read_feather", ".xlsx": "read_excel"}[suffix]
            return portable(getattr(pandas, read)(path))
        if suffix in {".pkl", ".pickle"}:
            with open(path, "rb") as file:
                return portable(pickle.load(file))
        if suffix == ".joblib":
            import joblib

            return portable(joblib.load(path))
        if suffix == ".npz":
            import numpy

            with numpy.load(path) as archive:
                return [(name, portable(archive[name])) for name in archive.files]
    except Exception:
        return None
    return None
