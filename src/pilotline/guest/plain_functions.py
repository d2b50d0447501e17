"""Plain forms of functions: what they would do, not where they stand.

The notebook's functions become functions of the module, and its globals become arguments and closures. So a function
of one's own is its instructions, with every name that it takes from around it replaced by the value found there; one
from a library is its name.
"""

import builtins
import dis
import functools
import sys
import types

_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"})
#: Instructions that only serve closures and calls; they differ between a global and a free variable.
_SILENT = frozenset(
    {"RESUME", "COPY_FREE_VARS", "MAKE_CELL", "PUSH_NULL", "CACHE", "PRECALL", "NOP", "EXTENDED_ARG", "LOAD_CLOSURE",
     "NOT_TAKEN", "BUILD_TUPLE_OF_CELLS"}
)  # fmt: skip


def form(porter, value, kind):
    """The plain form of something callable, or None for other values."""
    if kind is types.FunctionType:
        return _function(porter, value)
    if kind is types.MethodType:
        return ["object", "method", ["of", "function"], [porter.of(value.__self__), porter.of(value.__func__)]]
    if kind is functools.partial:
        parts = [porter.of(value.func), porter.of(value.args), porter.of(value.keywords)]
        return ["object", "partial", ["function", "arguments", "keywords"], parts]
    if kind in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType):
        owner = getattr(value, "__self__", None)
        parts = [] if owner is None or isinstance(owner, types.ModuleType) else [porter.of(owner)]
        return ["object", f"builtin {value.__qualname__}", ["of"][: len(parts)], parts]
    if kind in (property, staticmethod, classmethod):
        inner = value.fget if kind is property else value.__func__
        return ["object", kind.__name__, ["function"], [porter.of(inner)]]
    if isinstance(value, type):
        return _class(porter, value)
    return None


def _class(porter, value):
    if value.__module__ not in porter.own:
        return ["value", "class", porter.name(value)]
    told = {
        name: one
        for name, one in vars(value).items()
        if not (name.startswith("__") and name.endswith("__") and name != "__init__") and not name.startswith("_abc_")
    }
    bases = [porter.name(base) for base in value.__bases__]
    return ["object", f"class {porter.name(value)} {bases}", list(told), [porter.of(one) for one in told.values()]]


def _function(porter, value):
    module = value.__module__
    if (
        module is not None
        and module not in porter.own
        and module in sys.modules
        and "<locals>" not in value.__qualname__
    ):
        return ["value", "function", f"{module}.{value.__qualname__}"]
    around = _around(value)
    names = sorted(_free(value.__code__, set()) & set(around))
    labels = ["does", "defaults", "keyword defaults", *(f"takes {name}" for name in names)]
    parts = [
        instructions(value.__code__),
        porter.of(value.__defaults__),
        porter.of(value.__kwdefaults__),
        *(porter.of(around[name]) for name in names),
    ]
    return ["object", f"function {value.__name__}", labels, parts]


def _around(function):
    """What the names mean that a function does not bind itself."""
    code = function.__code__
    found = {name: item for name, item in function.__globals__.items() if name in _free(code, set())}
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return {name: item for name, item in found.items() if getattr(builtins, name, found) is not item}


def _free(code, found):
    """Names that a code object, and those inside it, take from around it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _LOADS:
            found.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _free(constant, set()) - set(constant.co_cellvars)
    return found - set(code.co_cellvars)


def instructions(code):
    """What a code object does, as a plain list; without lines, files, and the difference of global and free names."""
    kept = [one for one in dis.get_instructions(code) if one.opname not in _SILENT]
    places = {one.offset: place for place, one in enumerate(kept)}
    offsets = sorted(places)
    told = [["seq", "tuple", [code.co_argcount, code.co_kwonlyargcount, code.co_flags & 0x2C]]]
    for one in kept:
        if isinstance(one.argval, types.CodeType):
            told.append(["seq", "code", [instructions(one.argval)]])
        elif one.opname in _LOADS:
            told.append(f"take {one.argval}")
        elif "JUMP" in one.opname or one.opname in {"FOR_ITER", "SEND"}:
            place = next((places[offset] for offset in offsets if offset >= (one.argval or 0)), len(kept))
            told.append(f"{one.opname} {place}")
        elif one.opname in {"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"}:
            told.append(one.opname)
        elif one.opname.startswith("LOAD_CONST") or one.opname == "LOAD_SMALL_INT":
            told.append(f"constant {type(one.argval).__name__} {_constant(one.argval)}")
        else:
            told.append(f"{one.opname} {one.argrepr}")
    return ["seq", "instructions", told]


def _constant(value):
    if isinstance(value, str) and value.count(".") and "<locals>" in value:
        # The qualified name of a function inside a function (Python 3.9 and 3.10).
        return value.rpartition(".")[2]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return repr(value)
