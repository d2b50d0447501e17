"""What a value is, in a few bytes: whether it changed, and what memory it shares with others.

``Walker.look(value)`` walks everything that a value reaches and gives a ``Look``: a digest that is the same as long as
nothing in it changed, the identities of the mutable objects and of the owners of memory that it reaches, and what of it
could not be looked into. It calls no code of the user's classes: no properties, no ``__eq__``, no ``__len__``; and
whatever a value raises, the session goes on.

Digests are comparable within one process only: where a value refers to something that cannot change, identity does.
"""

import collections
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import sys
import types
import uuid
import zlib

_BY_VALUE = frozenset(
    {
        int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice, decimal.Decimal,
        fractions.Fraction, uuid.UUID, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
        datetime.timezone, pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath,
    }
)  # fmt: skip
_BY_IDENTITY = frozenset(
    {re.Pattern, types.BuiltinFunctionType, types.ModuleType, types.CodeType, types.GetSetDescriptorType, property}
)
_ATOMS = _BY_VALUE | _BY_IDENTITY
_LISTS = (list, tuple, set, frozenset, collections.deque)
_FIGURES = ("matplotlib", "seaborn", "plotly", "bokeh", "altair", "ipywidgets", "IPython", "holoviews", "folium")
_NODES = 60_000
_MISSING = object()


class Look:
    """What ``Walker.look`` saw.

    Attributes:
        digest: an integer; different when something changed.
        parts: ids of mutable objects reached and of the owners of the memory that they show.
        opaque: kinds of parts that could not be looked into, whose change would not be seen.
        stuck: kinds of parts that cannot be pickled.
        functions: names of functions of the notebook that it holds.
        classes: names of classes of the notebook that it holds instances of.
        mutable: it can change in place.
    """

    __slots__ = ("classes", "digest", "functions", "mutable", "opaque", "parts", "stuck")

    def __init__(self):
        self.digest = 0
        self.parts = set()
        self.opaque = set()
        self.stuck = set()
        self.functions = set()
        self.classes = set()
        self.mutable = False


class Walker:
    """Looks into values of one notebook session.

    Args:
        namespace: the dict of the notebook's names; what is defined in it counts as the notebook's own.
    """

    def __init__(self, namespace):
        self.namespace = namespace
        #: Keeps what digests refer to by identity alive, so that no identity is used twice.
        self._kept = {}

    def look(self, value):
        """Walk a value; never raises."""
        walk = _Walk(self)
        try:
            walk.visit(value)
        except Exception as error:
            walk.look.opaque.add(type(error).__name__)
        look = walk.look
        look.digest = walk.crc
        look.mutable = bool(look.parts or look.opaque)
        return look

    def keep(self, value):
        """Hold on to an object whose identity went into a digest."""
        self._kept[id(value)] = value
        return id(value)


class _Walk:
    def __init__(self, walker):
        self.walker = walker
        self.look = Look()
        self.crc = 0
        self.seen = {}
        self.held = []
        self.nodes = 0

    def add(self, *items):
        self.crc = (
            zlib.crc32(repr(items).encode("utf-8", "backslashreplace"), self.crc) + (self.crc << 32) & (1 << 96) - 1
        )

    def blob(self, data):
        self.add(len(data), zlib.crc32(data), zlib.adler32(data))

    def opaque(self, value, kind=None):
        self.look.opaque.add(kind or _name(type(value)))
        self.look.parts.add(id(value))
        self.add("opaque", id(value))

    def visit(self, value):
        kind = type(value)
        if kind in _BY_VALUE:
            self.add(kind.__name__, value)
            return
        if kind in _BY_IDENTITY:
            self.add("atom", self.walker.keep(value))
            return
        if id(value) in self.seen:
            self.add("again", self.seen[id(value)])
            return
        self.nodes += 1
        if self.nodes > _NODES:
            self.look.opaque.add("more than %d parts" % _NODES)
            self.look.parts.add(id(value))
            return
        self.seen[id(value)] = len(self.seen)
        # What a reduction made lives no longer than the walk; its identity must not be used again within it.
        self.held.append(value)
        module = getattr(kind, "__module__", "") or ""
        root = module.partition(".")[0] if isinstance(module, str) else ""
        way = _WAYS.get(kind)
        if way is None:
            way = _by_library(root, kind, value)
        way(self, value)

    # ---- containers

    def sequence(self, value):
        kind = type(value)
        if kind is not tuple and kind is not frozenset:
            self.look.parts.add(id(value))
        types_in = set(map(type, value))
        self.add(kind.__name__, len(value))
        if types_in <= _BY_VALUE:
            self._plain(list(value) if kind in (list, tuple, collections.deque) else sorted(value, key=_order))
            return
        items = value if kind not in (set, frozenset) else sorted(value, key=id)
        for item in items:
            self.visit(item)

    def _plain(self, items):
        try:
            self.blob(repr(items).encode("utf-8", "backslashreplace"))
        except Exception:
            self.add("ids", hash(tuple(map(id, items))))

    def mapping(self, value):
        self.look.parts.add(id(value))
        self.add(type(value).__name__, len(value))
        for key, item in dict.items(value):
            self.visit(key)
            self.visit(item)
        if isinstance(value, collections.defaultdict):
            self.visit(value.default_factory)

    # ---- functions and classes

    def function(self, value):
        own = value.__globals__ is self.walker.namespace
        if own:
            self.look.functions.add(value.__name__)
        self.add("function", self.walker.keep(value.__code__), value.__name__)
        if value.__defaults__ or value.__kwdefaults__ or value.__dict__ or value.__closure__:
            self.visit(value.__defaults__)
            self.visit(value.__kwdefaults__)
            for key, item in value.__dict__.items():
                self.add(key)
                self.visit(item)
            for cell in value.__closure__ or ():
                try:
                    self.visit(cell.cell_contents)
                except ValueError:
                    self.add("empty cell")
        if own:
            self.look.parts.add(id(value))

    def method(self, value):
        self.visit(value.__func__)
        self.visit(value.__self__)

    def klass(self, value):
        if value.__module__ != "__main__":
            self.add("class", self.walker.keep(value))
            return
        self.look.parts.add(id(value))
        self.add("class", value.__qualname__)
        for key, item in sorted(vars(value).items()):
            if key not in {
                "__dict__",
                "__weakref__",
                "__doc__",
                "__module__",
                "__qualname__",
                "_abc_impl",
                "__annotations__",
            }:
                self.add(key)
                if isinstance(item, (staticmethod, classmethod)):
                    item = item.__func__
                if isinstance(item, types.FunctionType) or type(item) in _ATOMS or not isinstance(item, property):
                    self.visit(item)

    # ---- anything else

    def thing(self, value):
        kind = type(value)
        if isinstance(value, enum.Enum):
            self.add("enum", self.walker.keep(value))
            return
        if isinstance(value, type):
            self.klass(value)
            return
        if kind.__module__ == "__main__":
            self.look.classes.add(kind.__name__)
        self.add("thing", self.walker.keep(kind))
        found = False
        if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            found = True
            self.look.parts.add(id(value))
            base = next(base for base in (list, tuple, set, frozenset, collections.deque) if isinstance(value, base))
            for item in base.__iter__(value):
                self.visit(item)
        elif isinstance(value, dict):
            found = True
            self.mapping(value)
        elif isinstance(value, (int, float, str, bytes)):
            found = True
            self.add("value", base_repr(value))
        state = _state(value)
        if state is not None:
            found = True
            self.look.parts.add(id(value))
            for key, item in sorted(state.items(), key=lambda pair: str(pair[0])):
                self.add(key)
                self.visit(item)
        if not found:
            self.reduced(value)

    def reduced(self, value):
        """An object of a C extension: what it would be pickled as."""
        try:
            parts = value.__reduce_ex__(4)
        except Exception as error:
            self.look.stuck.add(_name(type(value)))
            self.opaque(value, "%s (%s)" % (_name(type(value)), type(error).__name__))
            return
        self.look.parts.add(id(value))
        if isinstance(parts, str):
            self.add("global", parts)
            return
        if len(parts) >= 3 and parts[2] is None and len(parts[1]) <= 1 and not any(parts[3:]):
            # Pickled as nothing but its class: its state, if it has one, can't be seen.
            self.opaque(value)
            return
        for part in parts[:3]:
            self.visit(part)
        for part in parts[3:5]:
            if part is not None:
                self.visit(list(part))


def base_repr(value):
    """The plain value behind an instance of a subclass of a basic type."""
    for base in (int, float, str, bytes):
        if isinstance(value, base):
            return base.__repr__(value)
    return ""


def _state(value):
    """The attributes of an object as a dict, or None where it has none; runs no code of its class."""
    state = None
    try:
        own = object.__getattribute__(value, "__dict__")
        if isinstance(own, dict):
            state = dict(own)
    except Exception:
        state = None
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot in {"__dict__", "__weakref__"}:
                continue
            if slot.startswith("__") and not slot.endswith("__"):
                slot = "_%s%s" % (base.__name__.lstrip("_"), slot)
            try:
                item = object.__getattribute__(value, slot)
            except Exception:
                continue
            state = state if state is not None else {}
            state[slot] = item
    return state


def _name(kind):
    return kind.__name__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__name__)


def _order(item):
    return type(item).__name__, repr(item)


# ---- libraries; none is imported here


def _array(walk, value):
    walk.look.parts.add(id(value))
    owner = value
    while True:
        base = getattr(owner, "base", None)
        if base is None:
            break
        owner = base
    walk.look.parts.add(id(owner))
    if value.ndim and value.size:
        # Arrays that were made from one buffer by other means than views still lie at one address.
        walk.look.parts.add(
            ("at", owner.__array_interface__["data"][0]) if hasattr(owner, "__array_interface__") else id(owner)
        )
    walk.add("array", str(value.dtype), value.shape)
    if value.dtype.hasobject:
        flat = value.ravel().tolist() if value.dtype.kind == "O" else [item for item in value.ravel()]
        _elements(walk, flat)
        return
    data = value if value.flags.c_contiguous else (value.T if value.flags.f_contiguous else value.copy())
    try:
        walk.blob(memoryview(data.reshape(-1).view("u1")))
    except (TypeError, ValueError):
        walk.blob(data.tobytes())


def _elements(walk, items):
    """Elements of an object array: by identity where they cannot change."""
    if set(map(type, items)) <= _ATOMS:
        try:
            walk.add(hash(tuple(map(id, items))))
            walk.walker._kept[("list", id(items))] = items if len(items) < 200_000 else None
        except TypeError:
            walk.add("?")
    else:
        for item in items:
            walk.visit(item)


def _numpy(walk, value):
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.ndarray):
        _array(walk, value)
        if type(value) is not numpy.ndarray:
            for key, item in sorted((_state(value) or {}).items()):
                walk.add(key)
                walk.visit(item)
    elif isinstance(value, numpy.generic):
        walk.add(str(value.dtype), value.tobytes() if not value.dtype.hasobject else repr(value))
    elif isinstance(value, numpy.dtype):
        walk.add(str(value))
    elif hasattr(value, "bit_generator") or hasattr(value, "get_state"):
        walk.look.parts.add(id(value))
        generator = getattr(value, "bit_generator", None)
        if generator is not None:
            walk.look.parts.add(id(generator))
            walk.visit(generator.state)
        else:
            walk.visit(value.get_state())
    elif hasattr(value, "state") and hasattr(value, "seed_seq"):
        walk.look.parts.add(id(value))
        walk.visit(value.state)
    elif type(value).__name__ == "ufunc":
        walk.add("ufunc", walk.walker.keep(value))
    else:
        walk.thing(value)


def _pandas(walk, value):
    pandas = sys.modules["pandas"]
    if isinstance(value, (pandas.DataFrame, pandas.Series)):
        walk.look.parts.add(id(value))
        walk.add(type(value).__name__, value.shape)
        manager = value._mgr
        for block in getattr(manager, "blocks", None) or getattr(manager, "arrays", ()):
            walk.visit(getattr(block, "values", block))
            placement = getattr(block, "mgr_locs", None)
            if placement is not None:
                walk.add(placement.as_array.tobytes() if len(placement) < 4096 else repr(placement))
        for axis in manager.axes:
            walk.visit(axis)
        name = getattr(value, "_name", None) if isinstance(value, pandas.Series) else None
        walk.visit(name)
        if value.attrs:
            walk.visit(value.attrs)
        subclass = type(value)
        if subclass not in (pandas.DataFrame, pandas.Series):
            for key in getattr(subclass, "_metadata", ()):
                walk.visit(object.__getattribute__(value, "__dict__").get(key))
    elif isinstance(value, pandas.MultiIndex):
        walk.look.parts.add(id(value))
        walk.add("multiindex", [str(name) for name in value.names])
        for level in value.levels:
            walk.visit(level)
        for codes in value.codes:
            walk.add(zlib.crc32(codes.tobytes()))
    elif isinstance(value, pandas.RangeIndex):
        walk.look.parts.add(id(value))
        walk.add("range", value.start, value.stop, value.step, str(value.name))
    elif isinstance(value, pandas.Index):
        walk.look.parts.add(id(value))
        walk.add("index", str(value.name))
        walk.visit(value._data)
    elif isinstance(value, pandas.Categorical):
        walk.look.parts.add(id(value))
        walk.add("categorical", value.ordered)
        walk.visit(value._ndarray)
        walk.visit(value.categories)
    elif isinstance(value, pandas.api.extensions.ExtensionArray):
        walk.look.parts.add(id(value))
        walk.add(str(value.dtype), len(value))
        found = False
        for key in ("_ndarray", "_data", "_mask", "_pa_array", "_sp_values", "_left", "_right"):
            item = getattr(value, key, None)
            if item is not None:
                found = True
                walk.visit(item)
        if not found:
            walk.thing(value)
    elif (
        isinstance(value, (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval))
        or value is pandas.NaT
        or value is pandas.NA
    ):
        walk.add(type(value).__name__, str(value))
    elif isinstance(value, pandas.api.extensions.ExtensionDtype):
        walk.add(str(value))
    elif type(value).__name__.endswith("GroupBy") or type(value).__module__.startswith("pandas.core.groupby"):
        # Made of its frame and keys; what it caches is no change.
        walk.look.parts.add(id(value))
        walk.add(type(value).__name__)
        walk.visit(getattr(value, "obj", None))
        walk.visit([key for key in (getattr(value, "keys", None),) if isinstance(key, (str, int, list, tuple))])
    else:
        walk.thing(value)


def _pyarrow(walk, value):
    walk.add("arrow", walk.walker.keep(value))


def _polars(walk, value):
    name = type(value).__name__
    if name in {"DataFrame", "Series"}:
        walk.look.parts.add(id(value))
        walk.add(name, walk.walker.keep(value._df if name == "DataFrame" else value._s), value.shape)
        if name == "DataFrame":
            walk.add(
                [(column, str(kind)) for column, kind in value.schema.items()],
                value.hash_rows().sum() if value.height else 0,
            )
        else:
            walk.add(value.name, str(value.dtype), value.hash().sum() if len(value) else 0)
    else:
        walk.add(name, walk.walker.keep(value))


def _torch(walk, value):
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        walk.look.parts.update((id(value), ("at", value.data_ptr())))
        walk.add("tensor", tuple(value.shape), str(value.dtype), value._version, value.data_ptr())
    else:
        walk.thing(value)


def _figure(walk, value):
    walk.opaque(value, "figure")


def _stuck(walk, value):
    walk.look.stuck.add(_name(type(value)))
    walk.opaque(value)


def _iterator(walk, value):
    """Iterators of Python's own types say where they stand."""
    walk.look.parts.add(id(value))
    try:
        parts = value.__reduce__()
    except Exception:
        _stuck(walk, value)
        return
    for part in parts[1:]:
        walk.visit(part)


def _by_library(root, kind, value):
    if root == "numpy":
        return _numpy
    if root == "pandas":
        return _pandas
    if root == "pyarrow":
        return _pyarrow
    if root == "polars":
        return _polars
    if root == "torch":
        return _torch
    if root in _FIGURES:
        return _figure
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _numpy
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        return _pandas
    return _Walk.thing


def _generator(walk, value):
    walk.look.stuck.add("generator")
    walk.opaque(value, "generator")


def _bytes(walk, value):
    walk.look.parts.add(id(value))
    walk.blob(value)


def _random(walk, value):
    walk.look.parts.add(id(value))
    walk.add(hash(value.getstate()))


def _partial(walk, value):
    walk.look.parts.add(id(value))
    walk.visit(value.func)
    walk.visit(value.args)
    walk.visit(value.keywords)


def _ways():
    import _thread
    import functools
    import io
    import random

    ways = dict.fromkeys(_LISTS, _Walk.sequence)
    ways.update(
        dict.fromkeys((dict, collections.OrderedDict, collections.defaultdict, collections.Counter), _Walk.mapping)
    )
    ways[types.FunctionType] = _Walk.function
    ways[types.MethodType] = _Walk.method
    ways[type] = _Walk.klass
    ways[bytearray] = _bytes
    ways[random.Random] = _random
    ways[functools.partial] = _partial
    for kind in (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType):
        ways[kind] = _generator
    for kind in (
        io.TextIOWrapper,
        io.BufferedReader,
        io.BufferedWriter,
        io.FileIO,
        io.BufferedRandom,
        memoryview,
        _thread.LockType,
        type(_thread.RLock()),
    ):
        ways[kind] = _stuck
    for sample in (
        iter([]),
        iter(()),
        iter({}),
        iter(set()),
        iter(range(0)),
        iter(""),
        enumerate([]),
        zip(),
        map(str, []),
        filter(None, []),
        reversed([]),
    ):
        ways[type(sample)] = _iterator
    return ways


_WAYS = _ways()
