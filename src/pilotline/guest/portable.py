"""A value as plain data: comparable across processes, whatever class it is of.

    plain = atom | node
    atom  = None, bool, int, float, complex, str, bytes
    node  = [kind, ...]                  a list, so that shared and circular values are shared and circular lists

Classes of the notebook (``__main__.Thing``) and of the lifted module (``explore.Thing``) are both written ``~.Thing``.
What can't be looked into is ``["opaque", why]``: never equal to anything. What differs from run to run without meaning
anything (fitting times, where a generator of random numbers stands) is ``["skip", what]``.
"""

import functools
import hashlib
import os
import pickle
import sys

from . import plain_functions, plain_libraries, plain_values
from .written_files import WrittenFile, plain_file

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
_MOST_NODES = 3_000_000
_DEEPEST = 250
_RECURSION = 12_000
_HEADER = "pilotline portable 2"
#: Folders whose paths differ from run to run: a text that names one is compared from there.
_roots = []

__all__ = ["WrittenFile", "digest", "dump", "load", "portable", "settle"]


def settle(folders):
    """Say which folders are this run's own, so that paths in them compare equal between runs."""
    _roots[:] = sorted({os.fspath(folder) for folder in folders if folder}, key=len, reverse=True)


def dump(value, path, own=("__main__",)):
    """Write a value's plain form to a file, whole or not at all."""
    plain = portable(value, own)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file, Deep():
        try:
            pickle.dump((_HEADER, plain), file, protocol=5)
        except Exception as error:
            file.seek(0)
            file.truncate()
            pickle.dump((_HEADER, ["opaque", f"{type(value).__name__}: {error}"[:300]]), file, protocol=5)
    os.replace(temporary, path)


def load(path):
    """The plain form that ``dump`` wrote."""
    with open(path, "rb") as file, Deep():
        header, plain = pickle.load(file)
    if header != _HEADER:
        raise ValueError(f"not a portable value: {path}")
    return plain


def portable(value, own=("__main__",), *, strict=False):
    """The plain form of a value.

    Args:
        value: anything.
        own: modules whose classes count as the notebook's own.
        strict: keep what differs from run to run too; to see whether a value was changed.
    """
    with Deep():
        return Porter(own, strict).of(value)


class Deep:
    """Room for values that are nested deeply."""

    def __enter__(self):
        self._limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(self._limit, _RECURSION))
        return self

    def __exit__(self, *_):
        sys.setrecursionlimit(self._limit)


class Porter:
    """Makes the plain forms of one value's parts; one that is reached twice is made once."""

    def __init__(self, own=("__main__",), strict=False):
        self.own = frozenset(own)
        self.strict = strict
        self.opaques = 0
        self._nodes = {}
        # Ids are only unique while their objects live.
        self._held = []
        self._depth = 0

    def of(self, value):
        """The plain form of one part."""
        kind = type(value)
        if kind in _ATOMS:
            return self._text(value) if kind is str and _roots else value
        known = self._nodes.get(id(value))
        if known is not None:
            return known
        if self._depth >= _DEEPEST:
            return self.opaque("nested too deeply")
        if len(self._held) >= _MOST_NODES:
            return self.opaque(f"more than {_MOST_NODES} parts")
        node = []
        self._nodes[id(value)] = node
        self._held.append(value)
        self._depth += 1
        try:
            node.extend(self._of(value, kind))
        except RecursionError:
            node[:] = self.opaque("nested too deeply")
        except Exception as error:
            node[:] = self.opaque(f"{self.name(kind)} ({type(error).__name__}: {error})"[:300])
        finally:
            self._depth -= 1
        return node

    def all(self, values):
        """The plain forms of several parts."""
        values = list(values)
        if _roots or not set(map(type, values)) <= _ATOMS:
            return [self.of(value) for value in values]
        return values

    def opaque(self, why):
        """What can't be looked into."""
        self.opaques += 1
        return ["opaque", why]

    def name(self, kind):
        """A class by name: in the notebook and in the module it is the same."""
        module = getattr(kind, "__module__", None) or ""
        name = getattr(kind, "__qualname__", "?").rpartition("<locals>.")[2]
        return f"~.{name}" if module in self.own else name if module == "builtins" else f"{module}.{name}"

    def _text(self, text):
        for root in _roots:
            if root in text:
                text = text.replace(root, "<folder>")
        return text

    def _of(self, value, kind):
        if kind is WrittenFile:
            return plain_file(self, value.path)
        for form in (plain_values.form, plain_functions.form, plain_libraries.form):
            found = form(self, value, kind)
            if found is not None:
                return found
        return self._object(value, kind)

    def _object(self, value, kind):
        opaques = self.opaques
        parts = _contents(self, value, kind)
        state = attributes(value)
        if state is not None:
            parts += [(f".{key}", self.of(item)) for key, item in sorted(self._told(state, kind).items())]
        if _has_hidden_state(kind) or (state is None and not parts):
            parts += self._reduced(value, kind)
        if self.opaques > opaques and not self.strict:
            said = plain_libraries.predictions(self, value)
            if said is not None:
                self.opaques = opaques
                parts = [("predictions", said)]
        return ["object", self.name(kind), [label for label, _ in parts], [part for _, part in parts]]

    def _told(self, state, kind):
        """The attributes that say something: not what is computed from others when asked, not how long it took."""
        lazy = {
            name
            for base in kind.__mro__
            for name, one in vars(base).items()
            if isinstance(one, functools.cached_property)
        }
        told = {str(key): item for key, item in state.items() if key not in lazy}
        if self.strict or (kind.__module__ or "") in self.own:
            return told
        return {key: item for key, item in told.items() if not plain_libraries.means_nothing(key, kind)}

    def _reduced(self, value, kind):
        """What a type written in C would be pickled as."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            return [("state", self.opaque(f"{self.name(kind)}: {error}"[:300]))]
        if isinstance(reduced, str):
            return [("global", reduced)]
        made = list(reduced[1]) if len(reduced) > 1 and reduced[1] else []
        rest = [part if number == 0 else list(part) for number, part in enumerate(reduced[2:5]) if part is not None]
        if len(made) <= 1 and not rest:
            return [("state", self.opaque(self.name(kind)))]
        return [("made of", self.of(made)), *((f"part {number}", self.of(part)) for number, part in enumerate(rest))]


def attributes(value):
    """The attributes of an object as a dict, or None where it has none; runs no code of its class."""
    state = None
    try:
        own = object.__getattribute__(value, "__dict__")
        state = dict(own) if isinstance(own, dict) else None
    except Exception:
        state = None
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            if slot in {"__dict__", "__weakref__"}:
                continue
            name = f"_{base.__name__.lstrip('_')}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
            try:
                item = object.__getattribute__(value, name)
            except Exception:
                continue
            state = {} if state is None else state
            state[name] = item
    return state


_PLAIN_BASES = (object, list, tuple, dict, set, frozenset, int, float, complex, str, bytes, bytearray)
_HEAP_TYPE = 1 << 9


def _has_hidden_state(kind):
    """Whether a class inherits from one written in C, whose state is in no ``__dict__``."""
    return any(not base.__flags__ & _HEAP_TYPE and base not in _PLAIN_BASES for base in kind.__mro__)


def _contents(porter, value, kind):
    """What an instance of a subclass of a basic type holds."""
    for base in (list, tuple):
        if isinstance(value, base):
            return [("items", ["seq", base.__name__, porter.all(base.__iter__(value))])]
    for base in (set, frozenset):
        if isinstance(value, base):
            return [("items", plain_values.unordered(porter, base.__name__, base.__iter__(value)))]
    if isinstance(value, dict):
        return [("items", plain_values.mapping(porter, "dict", dict.items(value)))]
    for base, exact in _EXACT.items():
        if isinstance(value, base):
            return [("value", porter.of(exact(value)))]
    return []


_EXACT = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: bytes,
}


def digest(value, own=("__main__",)):
    """A digest of a value's plain form, to see whether it was changed; shared parts count as if they were copies."""
    with Deep():
        return _Digest().of(portable(value, own, strict=True))


class _Digest:
    """Hashes plain forms; an unordered part's hash does not depend on an order."""

    def __init__(self):
        self._known = {}
        self._open = {}

    def of(self, plain):
        """The hash of one part."""
        kind = type(plain)
        if kind in _ATOMS:
            return _hash(kind.__name__, repr(plain))
        if kind not in (list, tuple):
            return _hash(
                "array", plain.dtype.str, plain.shape, memoryview(_contiguous(plain)).cast("B") if plain.size else b""
            )
        if plain and set(map(type, plain)) <= _ATOMS:
            return _hash(kind.__name__, repr(plain))
        if id(plain) in self._known:
            return self._known[id(plain)]
        if id(plain) in self._open:
            return _hash("around", len(self._open) - self._open[id(plain)])
        self._open[id(plain)] = len(self._open)
        parts = [self.of(part) for part in plain]
        if plain[:1] == ["set"]:
            parts = [*parts[:2], *sorted(self.of(part) for part in plain[2])]
        self._open.pop(id(plain))
        self._known[id(plain)] = _hash(kind.__name__, *parts)
        return self._known[id(plain)]


def _hash(*parts):
    found = hashlib.blake2b(digest_size=20)
    for part in parts:
        found.update(part if isinstance(part, (bytes, memoryview)) else repr(part).encode("utf-8", "surrogatepass"))
        found.update(b"\0")
    return found.digest()


def _contiguous(array):
    flat = array if array.flags.c_contiguous else array.copy("C")
    return flat.reshape(-1).view("u1")
