"""Plain forms of Python's own kinds of values."""

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import io
import pathlib
import random
import re
import threading
import types
import uuid
import weakref

_SEQUENCES = (list, tuple, collections.deque)
_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter, types.MappingProxyType)
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_TOLD = (
    dt.date,
    dt.time,
    dt.timedelta,
    dt.timezone,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    range,
    slice,
    type(Ellipsis),
    type(NotImplemented),
)
_UNSEEN = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.FrameType, io.IOBase)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


def form(porter, value, kind):
    """The plain form of a value of one of Python's own types, or None for others."""
    if kind in _SEQUENCES:
        return ["seq", kind.__name__, porter.all(value)]
    if kind in (set, frozenset):
        return unordered(porter, kind.__name__, value)
    if kind in _MAPPINGS:
        return mapping(porter, kind.__name__, value.items())
    if kind in _VIEWS:
        return ["seq", kind.__name__, porter.all(value)]
    if isinstance(value, enum.Enum):
        return ["value", porter.name(kind), value.name]
    if isinstance(value, pathlib.PurePath):
        return ["value", "path", porter.of(str(value))]
    if kind in _TOLD or kind.__module__ in {"datetime", "zoneinfo"}:
        return ["value", kind.__name__, repr(value)]
    if isinstance(value, dt.tzinfo):
        return ["value", porter.name(kind), str(value)]
    if kind is bytearray or kind is memoryview:
        return ["value", kind.__name__, bytes(value)]
    if kind is array.array:
        return ["value", f"array {value.typecode}", value.tobytes()]
    if kind is types.ModuleType:
        return ["value", "module", value.__name__]
    if kind is re.Pattern:
        return ["value", "pattern", repr((value.pattern, value.flags))]
    return _means(porter, value, kind)


def _means(porter, value, kind):
    """Things that are a means, not a result."""
    if isinstance(value, random.Random):
        return ["seq", "random state", porter.all(value.getstate())] if porter.strict else ["skip", "random generator"]
    if kind in _LOCKS or isinstance(value, (weakref.ref, weakref.ProxyType)):
        return ["skip", kind.__name__]
    if (
        isinstance(value, _UNSEEN)
        or kind.__name__.endswith("_iterator")
        or kind in (zip, map, filter, enumerate, reversed)
    ):
        return porter.opaque(kind.__name__)
    return None


def unordered(porter, name, items):
    """A set."""
    return [
        "set",
        name,
        sorted((porter.of(item) for item in items), key=lambda plain: (type(plain).__name__, repr(plain)[:5000])),
    ]


def mapping(porter, name, items):
    """A dict, in its order."""
    items = list(items)
    keys = porter.all(key for key, _ in items)
    return [
        "dict",
        name,
        keys,
        [porter.of(item) if not _is_timing(key) or porter.strict else ["skip", "times"] for key, item in items],
    ]


#: Keys under which scikit-learn says how long something took.
_TIMES = frozenset({"fit_time", "score_time", "mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"})


def _is_timing(key):
    return type(key) is str and key in _TIMES
