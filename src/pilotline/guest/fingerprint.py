"""Fingerprints of live objects: has a value changed in place, and what does it share with others?

A ``Walk`` goes through everything that a value reaches, without calling any code of the user's classes: no property,
no ``__eq__``, no ``__len__``. What it can't look into it names (``opaque``): such a value *may* have changed.
"""

import collections
import enum
import functools
import gc
import marshal
import time
import types
import weakref
import zlib

from . import codes, kinds

#: Objects visited for one value, and seconds spent on it, after which it is given up as too large.
NODES = 100_000
SECONDS = 4.0
TEMPORARY = 1  # made by us while walking: has no identity worth remembering
WEAK = 2  # shares memory, but copies before it writes

#: Functions that know a handler for classes of certain libraries; ``fingerprint_arrays`` adds its own.
EXTENSIONS = []
ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})
_PLAIN = frozenset({list, tuple, dict, set, frozenset})
_MUTABLE = frozenset({list, dict, set})
_SKIPPED = frozenset({"_cache", "_item_cache", "_cacher", "_is_copy", "__weakref__", "_abc_impl", "__orig_class__"})
_LAZY = frozenset({"cached_property", "lazyproperty", "cache_readonly", "cached_value", "reify", "Lazy"})
_FUNCTION_LIKE = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)


class Print:
    """What is known of one value.

    Attributes:
        digest: of the content; equal as long as nothing changed.
        lazy: digests of parts that come into being when they are first asked for.
        parts: ids of the mutable objects reached and of the owners of the memory behind them.
        weak: ids of owners of memory that is copied before it is written.
        rims: ids of index objects, whose names can be changed.
        soft: ids of classes, functions and modules of the notebook: code that it uses rather than data that it owns.
        opaque: kinds of parts that can't be looked into.
        holds: kinds of parts that can't be pickled.
        functions, classes: names of the notebook's functions and classes inside.
        facts: ``CodeFacts`` of these functions.
        keep: objects that must live as long as the digest is compared.
        flat: a container of atoms only.
        size: bytes in arrays and texts.
    """

    __slots__ = (
        "classes", "digest", "facts", "flat", "functions", "holds", "keep", "lazy", "opaque", "parts", "rims", "size",
        "soft", "weak",
    )  # fmt: skip

    def same(self, other):
        """Whether the value is unchanged between two prints, as far as both can tell."""
        if self.digest != other.digest:
            return False
        lazy = other.lazy
        return all(lazy.get(key, digest) == digest for key, digest in self.lazy.items())

    @property
    def mutable(self):
        """Whether anything in it can change."""
        return bool(self.parts or self.weak or self.soft or self.opaque)


class Walker:
    """Makes prints.

    Args:
        namespace: the notebook's; functions over it are the notebook's own.
        is_local: whether a module is one of the project's own.
    """

    def __init__(self, namespace, is_local=lambda module: False):
        self.namespace = namespace
        self.is_local = is_local
        #: Checksums of buffers, valid while no user code runs.
        self.buffers = {}
        #: Object arrays whose elements are known to be immutable, by checksum of their pointers.
        self.objects = weakref.WeakValueDictionary()
        self._handlers = dict.fromkeys(_PLAIN, Walk.plain)
        self._handlers.update(_EXACT)
        self._lazy = {}

    def forget_buffers(self):
        """User code is about to run: memory may change."""
        self.buffers.clear()

    def print_of(self, value):
        """The ``Print`` of a value."""
        return Walk(self).of(value)

    def handler(self, cls):
        """How to look at an object of a class."""
        found = self._handlers.get(cls)
        if found is None:
            found = self._handlers[cls] = _find_handler(cls)
        return found

    def immutable(self, classes):
        """Whether objects of these classes never change, so that identity tells them apart."""
        return all(cls in ATOMS or self.handler(cls) in IMMUTABLE for cls in classes)

    def lazy_names(self, cls):
        """Names in instance dictionaries of a class that are filled on first use."""
        found = self._lazy.get(cls)
        if found is None:
            found = set()
            for base in cls.__mro__:
                for name, value in vars(base).items():
                    if type(value).__name__ in _LAZY:
                        found.add(name)
            self._lazy[cls] = found
        return found


class Walk:
    """One pass over everything that a value reaches."""

    def __init__(self, walker):
        self.walker = walker
        self.tokens = []
        self.stack = []
        self.memo = {}
        self.held = []
        self.lazies = []
        made = self.made = Print()
        made.parts, made.weak, made.rims, made.soft = set(), set(), set(), set()
        made.opaque, made.holds = {}, {}
        made.functions, made.classes, made.facts = {}, {}, []
        made.keep, made.flat, made.size, made.lazy = [], False, 0, {}

    def of(self, value):
        """The ``Print`` of a value."""
        made = self.made
        cls = type(value)
        if cls in ATOMS:
            made.digest = hash(_atom(value))
            return made
        self.stack.append((value, 0))
        self._deadline = time.monotonic() + SECONDS
        self.run()
        made.digest = hash(tuple(self.tokens))
        for key, part, mode in self.lazies[:200]:
            memo, tokens = self.memo, self.tokens
            self.memo, self.tokens = dict(memo), []
            self.stack.append((part, mode))
            self.run()
            made.lazy[key] = hash(tuple(self.tokens))
            self.memo, self.tokens = memo, tokens
        return made

    def run(self):
        stack, memo, handler = self.stack, self.memo, self.walker.handler
        while stack:
            value, mode = stack.pop()
            cls = type(value)
            if cls in ATOMS:
                self.tokens.append(_atom(value))
                continue
            key = id(value)
            seen = memo.get(key)
            if seen is not None:
                self.tokens.append(seen)
                continue
            memo[key] = len(memo)
            if mode & TEMPORARY:
                self.held.append(value)
            try:
                handler(cls)(self, value, cls, mode)
            except Exception:
                self.opaque(value, cls, mode)
            if len(memo) > NODES or (len(memo) & 1023 == 0 and time.monotonic() > self._deadline):
                self.made.opaque["large"] = 1
                stack.clear()

    # ---- what handlers use

    def push(self, values, mode):
        """Look at these values next, in this order."""
        if mode:
            self.stack.extend([(value, mode) for value in reversed(values)])
        else:
            self.stack.extend([(value, 0) for value in reversed(values)])

    def part(self, value, mode):
        """A mutable object was reached."""
        if not mode & TEMPORARY:
            (self.made.weak if mode & WEAK else self.made.parts).add(id(value))

    def opaque(self, value, cls, mode, kind=None):
        """An object that can't be looked into was reached."""
        kind = kind or kinds.opaque_kind(cls)
        self.made.opaque[kind] = self.made.opaque.get(kind, 0) + 1
        self.made.holds[kind] = self.made.holds.get(kind, 0) + 1
        self.tokens.append(("opaque", id(value)))
        self.part(value, mode & ~WEAK)

    # ---- plain containers

    def plain(self, value, cls, mode):
        """list, tuple, dict, set, frozenset: exactly these types."""
        if cls in _MUTABLE:
            self.part(value, mode)
        tokens = self.tokens
        size = len(value)
        if not size:
            tokens.append(cls.__name__)
            return
        if size > 8:
            if self._bulk(value, mode):
                return
        else:
            types_in = set(map(type, value))
            if cls is dict:
                types_in.update(map(type, value.values()))
            if types_in <= ATOMS:
                tokens.append(marshal.dumps(value, 2))
                if len(self.memo) == 1:
                    self.made.flat = True
                return
        tokens.append((cls.__name__, size))
        if cls is not dict and size > 8 and self.walker.immutable(set(map(type, value))):
            kept = tuple(value)
            tokens.append(hash(tuple(map(id, kept))))
            self.made.keep.append(kept)
            return
        if cls is dict:
            keys = list(value)
            if set(map(type, keys)) <= ATOMS:
                tokens.append(hash(marshal.dumps(keys, 2)))
                self.push(list(value.values()), mode)
            else:
                self.push([part for pair in list(value.items()) for part in pair], mode)
        else:
            self.push(list(value), mode)

    def _bulk(self, value, mode):
        """A container of nothing but plain containers and atoms, whatever its depth, in a few calls to C."""
        level, parts, total = [value], set(), 0
        seen = {id(value)}
        flat = True
        while level:
            below = gc.get_referents(*level) if len(level) < 10_000 else _referents(level)
            total += len(below)
            found = set(map(type, below))
            inner = found - ATOMS
            if not inner:
                break
            if not inner <= _PLAIN or total > 20_000_000:
                return False
            flat = False
            level = []
            for part in below:
                if type(part) in _PLAIN:
                    key = id(part)
                    if key not in seen:
                        seen.add(key)
                        level.append(part)
                        if type(part) in _MUTABLE:
                            parts.add(key)
        try:
            data = marshal.dumps(value, 2)
        except ValueError:
            return False
        self.tokens.append((len(data), zlib.crc32(data), hash(data) if len(data) < 100_000 else zlib.adler32(data)))
        self.made.size += len(data)
        if not mode & TEMPORARY:
            (self.made.weak if mode & WEAK else self.made.parts).update(parts)
        if len(self.memo) == 1 and flat:
            self.made.flat = True
        return True

    # ---- functions, classes, modules

    def function(self, value, cls, mode):
        """A function written in Python."""
        tokens = self.tokens
        own = value.__globals__ is self.walker.namespace
        if not own and value.__closure__ is None and not value.__dict__:
            tokens.append(("function", value.__module__, value.__qualname__))
            return
        self.made.keep.append(value.__code__)
        tokens.append(("function", id(value.__code__)))
        if own:
            self.made.facts.append(codes.facts_of(value.__code__))
            if value.__name__ == "<lambda>" or "." not in value.__qualname__:
                self.made.functions[value.__name__] = 1
            elif "<locals>" in value.__qualname__:
                self.made.holds["closures"] = self.made.holds.get("closures", 0) + 1
        inner = []
        if own:
            inner += [value.__defaults__, value.__kwdefaults__]
        attributes = value.__dict__
        if attributes:
            inner.append(attributes)
        for cell in value.__closure__ or ():
            try:
                inner.append(cell.cell_contents)
            except ValueError:
                tokens.append("empty cell")
        if any(type(one) not in ATOMS for one in inner):
            self.made.soft.add(id(value))
        self.push(inner, mode)

    def a_class(self, value, cls, mode):
        """A class: the notebook's own are looked into, others are known by name."""
        module = type.__getattribute__(value, "__module__")
        name = type.__getattribute__(value, "__qualname__")
        self.tokens.append(("class", module, name))
        if module != "__main__":
            return
        self.made.classes[name.rpartition(".")[2]] = 1
        if "<locals>" in name:
            self.made.holds["local classes"] = 1
        self.made.soft.add(id(value))
        inner = []
        for key, part in list(vars(value).items()):
            if key in {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__"}:
                continue
            if key in _SKIPPED or key.startswith(
                ("_abc_", "__abstractmethods__", "__static_attributes__", "__firstline")
            ):
                continue
            if key.startswith("__annotat") or key in {"__match_args__", "__parameters__", "__orig_bases__"}:
                continue
            if type(part) in _MEMBERS:
                continue
            self.tokens.append(key)
            inner.append(part)
        inner.extend(value.__bases__)
        self.push(inner, mode)

    def method(self, value, cls, mode):
        """A bound method: what it is bound to."""
        self.push([value.__self__, value.__func__], mode)

    def builtin(self, value, cls, mode):
        """A function or method written in C."""
        self.tokens.append(("builtin", getattr(value, "__qualname__", "?")))
        bound = getattr(value, "__self__", None)
        if bound is not None and not issubclass(type(bound), (types.ModuleType, type)):
            self.push([bound], mode)

    def wrapping(self, value, cls, mode):
        """staticmethod, classmethod: the function in it."""
        self.push([value.__func__], mode)

    def a_property(self, value, cls, mode):
        """A property object in a class."""
        self.push([value.fget, value.fset, value.fdel], mode)

    def partial(self, value, cls, mode):
        """functools.partial."""
        self.part(value, mode)
        self.push([value.func, value.args, value.keywords], mode)

    def cached(self, value, cls, mode):
        """functools.lru_cache: the function in it; what it has cached is no part of its value."""
        self.tokens.append("cached")
        self.push([value.__wrapped__], mode)

    def module(self, value, cls, mode):
        """A module: known by name; the project's own are looked into."""
        name = getattr(value, "__name__", "?")
        self.tokens.append(("module", name))
        if len(self.memo) > 1:
            self.made.holds["modules"] = 1
        if self.walker.is_local(value):
            self.made.soft.add(id(value))
            inner = {
                key: part
                for key, part in list(vars(value).items())
                if not key.startswith("__") and type(part) not in _NOT_DATA
            }
            self.push([inner], TEMPORARY)
            self.push(list(inner.values()), mode)

    # ---- containers and values of the standard library

    def sequence(self, value, cls, mode):
        """collections.deque."""
        self.part(value, mode)
        self.tokens.append((cls.__name__, value.maxlen))
        self.push(list(collections.deque.__iter__(value)), mode)

    def mapping(self, value, cls, mode):
        """OrderedDict, defaultdict, Counter and other dictionaries with a class of their own."""
        self.part(value, mode)
        self.tokens.append(("dict", cls.__qualname__, dict.__len__(value)))
        inner = []
        if issubclass(cls, collections.defaultdict):
            inner.append(collections.defaultdict.default_factory.__get__(value))
        for pair in list(dict.items(value)):
            inner.extend(pair)
        self.push(inner, mode)
        if cls not in _DICTIONARIES:
            self._own_state(value, cls, mode)

    def by_text(self, value, cls, mode):
        """Immutable values of the standard library that say all in their text."""
        self.tokens.append((cls.__name__, repr(value)))

    def by_identity(self, value, cls, mode):
        """Immutable values that are told apart by identity; kept alive, so that no other takes their id."""
        self.tokens.append(("same", id(value)))
        self.made.keep.append(value)

    def by_name(self, value, cls, mode):
        """Values that are known by their type alone."""
        self.tokens.append(("atom", cls.__qualname__))

    def member(self, value, cls, mode):
        """A member of an enumeration."""
        self.tokens.append(("enum", cls.__qualname__, value._name_))

    def data(self, value, cls, mode):
        """bytearray, array.array: a buffer."""
        self.part(value, mode)
        self.tokens.append((cls.__name__, len(value), zlib.crc32(value)))
        self.made.size += len(value)

    def view(self, value, cls, mode):
        """memoryview: the object whose memory it shows."""
        self.part(value.obj if value.obj is not None else value, mode)
        self.made.holds["memoryviews"] = 1
        self.tokens.append(("memoryview", value.format, value.shape, zlib.crc32(value.tobytes())))

    def iterator(self, value, cls, mode):
        """Iterators that can say what they have left."""
        self.part(value, mode)
        self.tokens.append(cls.__name__)
        self.push(list(value.__reduce__()[1:]), mode | TEMPORARY)

    def look(self, value, cls, mode):
        """Views of a dictionary."""
        inner = getattr(value, "mapping", None)
        if inner is None:
            self.push([list(value)], mode | TEMPORARY)
        else:
            for owner in gc.get_referents(value):
                self.push([owner], mode)

    def unseen(self, value, cls, mode):
        """What can't be looked into."""
        self.opaque(value, cls, mode)

    # ---- any other object

    def thing(self, value, cls, mode):
        """An object of a class that has no way of its own: its attributes."""
        self.tokens.append(("object", cls.__module__, cls.__qualname__))
        self._own_state(value, cls, mode, top=True)

    def text_like(self, value, cls, mode):
        """Subclasses of str, int, float, bytes..."""
        for base in (str, int, float, bytes, complex):
            if issubclass(cls, base):
                self.tokens.append((cls.__qualname__, base.__repr__(value)))
                break
        self._own_state(value, cls, mode)

    def container_like(self, value, cls, mode):
        """Subclasses of list, tuple, set, deque: content and attributes."""
        for base in (list, tuple, set, frozenset, collections.deque):
            if issubclass(cls, base):
                if base not in {tuple, frozenset}:
                    self.part(value, mode)
                self.tokens.append((cls.__module__, cls.__qualname__, base.__len__(value)))
                self.push(list(base.__iter__(value)), mode)
                break
        self._own_state(value, cls, mode)

    def an_error(self, value, cls, mode):
        """An exception: its arguments; the frames that it passed are not looked at."""
        self.tokens.append((cls.__module__, cls.__qualname__))
        self.push([BaseException.args.__get__(value)], mode)
        self._own_state(value, cls, mode)

    def _own_state(self, value, cls, mode, top=False):
        if cls.__module__ == "__main__":
            self.push([cls], mode)
        state = _dictionary(value, cls)
        slots = _slots(value, cls)
        native = _is_native(cls)
        if state is None and not slots and not native:
            return
        self.part(value, mode)
        if state is not None:
            self._attributes(value, cls, state, mode)
        if slots:
            self.tokens.append(tuple(name for name, _ in slots))
            self.push([part for _, part in slots], mode)
        if native:
            self._reduced(value, cls, mode)

    def _attributes(self, value, cls, state, mode):
        lazy = self.walker.lazy_names(cls)
        inner = []
        for name, part in list(state.items()):
            if name in _SKIPPED:
                continue
            if name in lazy:
                self.lazies.append(((self.memo[id(value)], name), part, mode))
                continue
            self.tokens.append(name if type(name) is str else "?")
            inner.append(part)
        if any(kinds.root_of(type(part)) == "ctypes" for part in inner) and _own_reduce(cls):
            # A handle into a library in C, and a class that knows how to write down what is behind it.
            inner = [part for part in inner if kinds.root_of(type(part)) != "ctypes"]
            self._reduced(value, cls, mode)
        self.push(inner, mode)

    def _reduced(self, value, cls, mode):
        """State kept in C, as the object itself gives it to be pickled."""
        if cls.__module__ == "__main__" and _own_reduce(cls):
            self.opaque(value, cls, mode)
            return
        try:
            given = cls.__reduce_ex__(value, 4)
        except Exception:
            self.opaque(value, cls, mode)
            return
        if isinstance(given, str):
            self.tokens.append(given)
            return
        inner = list(given[1:3])
        inner.extend(list(part) for part in given[3:5] if part is not None)
        self.push(inner, mode | TEMPORARY)


def _atom(value):
    return value if type(value) is str else marshal.dumps(value, 2)


def _referents(level):
    found = []
    for start in range(0, len(level), 5000):
        found.extend(gc.get_referents(*level[start : start + 5000]))
    return found


def _dictionary(value, cls):
    """The instance dictionary, past everything that a class may have put in front of it."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:
        return None
    return found if type(found) is dict else None


def _slots(value, cls):
    found = []
    for base in cls.__mro__:
        names = vars(base).get("__slots__")
        if not names:
            continue
        for name in (names,) if isinstance(names, str) else tuple(names):
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            member = vars(base).get(name)
            if type(member) is types.MemberDescriptorType and name not in _SKIPPED:
                try:
                    found.append((name, member.__get__(value, cls)))
                except AttributeError:
                    continue
    return found


_known_native = {}
_TRANSPARENT = {
    object, list, dict, set, frozenset, tuple, str, int, float, bytes, complex, collections.deque,
    collections.OrderedDict, collections.defaultdict, types.SimpleNamespace,
}  # fmt: skip


def _is_native(cls):
    """Whether objects of a class keep state in C that its attributes don't show."""
    found = _known_native.get(cls)
    if found is None:
        found = False
        for base in cls.__mro__:
            if base in _TRANSPARENT or issubclass(base, BaseException):
                continue
            space = vars(base)
            if not base.__flags__ & (1 << 9):
                # Not made by a class statement. Those that add nothing to what they inherit don't count.
                found = found or base.__basicsize__ > (base.__base__ or object).__basicsize__
            elif "__slots__" not in space and "__dict__" not in space and "__weakref__" not in space:
                found = found or base.__basicsize__ > base.__base__.__basicsize__
        _known_native[cls] = found
    return found


def _own_reduce(cls):
    return any(
        name in vars(base)
        for base in cls.__mro__
        if base is not object
        for name in ("__reduce__", "__reduce_ex__", "__getstate__")
    )


def _find_handler(cls):
    """The handler for a class met for the first time: by what it inherits, then by where it comes from."""
    for handler_of in EXTENSIONS:
        special = handler_of(cls)
        if special is not None:
            return special
    named = _BY_NAME.get((cls.__module__, cls.__name__))
    if named is not None:
        return named
    if issubclass(cls, type):
        return Walk.a_class
    if issubclass(cls, types.ModuleType):
        return Walk.module
    if issubclass(cls, enum.Enum):
        return Walk.member
    root = kinds.root_of(cls)
    if root in kinds.ATOMIC or (root in kinds.FIGURES and issubclass(cls, dict)):
        return Walk.by_name
    if issubclass(cls, dict):
        return Walk.mapping
    if issubclass(cls, (list, tuple, set, frozenset, collections.deque)):
        return Walk.container_like
    if issubclass(cls, BaseException):
        return Walk.an_error
    if root == "pathlib":
        return Walk.by_text
    if root in kinds.FIGURES or root in kinds.OPAQUE:
        return Walk.unseen
    if cls.__module__ == "_io" or any(base.__module__ == "_io" for base in cls.__mro__):
        return _io_handler(cls)
    if issubclass(cls, (str, int, float, bytes, complex)):
        return Walk.text_like
    if issubclass(cls, functools.partial):
        return Walk.partial
    return Walk.thing


def _io_handler(cls):
    if cls.__name__ in {"StringIO", "BytesIO"}:
        return _buffer_in_memory
    return Walk.unseen


def _buffer_in_memory(walk, value, cls, mode):
    walk.part(value, mode)
    walk.tokens.append(
        (cls.__name__, value.tell() if not value.closed else None, None if value.closed else hash(value.getvalue()))
    )


_DICTIONARIES = {collections.OrderedDict, collections.defaultdict, collections.Counter}
_MEMBERS = {types.MemberDescriptorType, types.GetSetDescriptorType}
_NOT_DATA = {types.FunctionType, types.ModuleType, types.BuiltinFunctionType, type}
_EXACT = {
    types.FunctionType: Walk.function,
    types.MethodType: Walk.method,
    types.ModuleType: Walk.module,
    type: Walk.a_class,
    staticmethod: Walk.wrapping,
    classmethod: Walk.wrapping,
    property: Walk.a_property,
    functools.partial: Walk.partial,
    collections.deque: Walk.sequence,
    bytearray: Walk.data,
    memoryview: Walk.view,
    range: Walk.by_text,
    slice: Walk.by_text,
    type(Ellipsis): Walk.by_name,
    type(NotImplemented): Walk.by_name,
    object: Walk.by_name,
    types.CodeType: Walk.by_identity,
    types.GeneratorType: Walk.unseen,
    types.CoroutineType: Walk.unseen,
    types.AsyncGeneratorType: Walk.unseen,
    types.FrameType: Walk.unseen,
    types.TracebackType: Walk.unseen,
    types.MappingProxyType: Walk.look,
    types.SimpleNamespace: Walk.thing,
    type({}.keys()): Walk.look,
    type({}.values()): Walk.look,
    type({}.items()): Walk.look,
}
_EXACT.update(dict.fromkeys(_FUNCTION_LIKE, Walk.builtin))
_EXACT[type(functools.lru_cache(lambda: None))] = Walk.cached
for _one in (iter([]), iter(()), iter(range(0)), iter(""), iter({}), iter(set()), zip(), enumerate([]), reversed([])):
    _EXACT[type(_one)] = Walk.iterator


def _add_standard():
    """Values of modules that are loaded anyway, or that cost nothing to load."""
    import datetime
    import re

    for cls in (datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone, re.Pattern):
        _EXACT[cls] = Walk.by_text
    for module, name in (("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"), ("zoneinfo", "ZoneInfo")):
        _BY_NAME[module, name] = Walk.by_text
    _BY_NAME["subprocess", "CompletedProcess"] = Walk.thing


_BY_NAME = {}
_add_standard()
#: Handlers of values that never change; others may add theirs.
IMMUTABLE = {Walk.by_text, Walk.by_identity, Walk.by_name, Walk.member}
