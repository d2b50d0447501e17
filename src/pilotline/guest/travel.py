"""Values go from step to step as bytes. This says why one cannot.

    stream = pickle 5 of the value; its buffers after it

So a step gets a value, never an object that another step still holds.
"""

import io
import pickle
import types

from .results import CannotTravel, pack

_MOST_LOOKED_AT = 2000

__all__ = ["CannotTravel", "load", "print_of", "store", "why_not"]


def store(value, path):
    """Write a value as bytes.

    Raises:
        CannotTravel: a part of it cannot be pickled; the message says which, and why.
    """
    try:
        packed = pack(value)
    except CannotTravel as error:
        raise CannotTravel(why_not(value) or str(error)) from None
    with open(path, "wb") as file:
        pickle.dump(packed.lengths, file)
        file.write(packed.stream)
        file.writelines(packed.buffers)


def load(path):
    """The value anew, sharing nothing with the one that was stored.

    Raises:
        CannotTravel: what was stored does not make a value again.
    """
    with open(path, "rb") as file:
        stream, *buffers = [bytearray(file.read(length)) for length in pickle.load(file)]
    try:
        return pickle.loads(stream, buffers=buffers)
    except Exception as error:
        raise CannotTravel(f"it can't be read back: {type(error).__name__}: {error}"[:300]) from None


def print_of(value):
    """A digest of the bytes that a value would travel as, or None where it can't: equal ones mean that it is the same."""
    try:
        return pack(value).digest
    except CannotTravel:
        return None


def why_not(value):
    """Which part of a value cannot be pickled, and why; empty where that can't be told."""
    seen, todo, looked = set(), [(value, "")], 0
    found = ""
    while todo and looked < _MOST_LOOKED_AT:
        part, where = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        looked += 1
        reason = _fails(part)
        if reason is None:
            continue
        found = f"{_what(part)}{f' at {where}' if where else ''}: {reason}"
        inner = list(_parts(part, where))
        if inner:
            todo = inner
    return found


def _fails(value):
    try:
        pickle.Pickler(io.BytesIO(), protocol=5, buffer_callback=lambda _: None).dump(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return None


def _what(value):
    if isinstance(value, types.FunctionType):
        return "a lambda" if value.__name__ == "<lambda>" else f"the inner function {value.__name__}"
    return f"a {type(value).__name__}"


def _parts(value, where):
    if isinstance(value, dict):
        return [(item, f"{where}[{key!r}]"[:80]) for key, item in list(value.items())[:200]]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [(item, f"{where}[{number}]") for number, item in enumerate(list(value)[:200])]
    if isinstance(value, (types.FunctionType, type)):
        return []
    own = getattr(value, "__dict__", None)
    return [(item, f"{where}.{key}"[:80]) for key, item in list(own.items())[:200]] if isinstance(own, dict) else []
