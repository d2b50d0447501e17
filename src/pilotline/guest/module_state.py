"""What stands at the top level of a module beside its code: a step must leave it as it was.

A step that fills a list there, or draws from a generator there, hands something on that is no result: when its own result
is reused, the steps after it would find another module than they found before.
"""

import sys
import types

from . import portable

_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_LIBRARIES = frozenset(("numpy", "pandas", "polars", "random", "collections", "array", "datetime"))
_DYNAMIC = frozenset(("globals", "exec", "eval", "vars", "setattr"))


class ModuleState:
    """Looks at the names that a function can reach.

    Args:
        module: the pipeline's.
        local: whether a module is the project's own.
    """

    def __init__(self, module, local):
        self.module = module
        self.local = local
        self._names = {}

    def look(self, function):
        """What can be reached from a function of the module: ``(module, name)`` -> its state, to be compared."""
        if function not in self._names:
            self._names[function] = list(self._reached(function))
        found = {}
        for module, name in self._names[function]:
            if name in vars(module):
                found[module.__name__, name] = self._state(vars(module)[name])
        return found

    def _state(self, value):
        kind = type(value)
        if kind in _ATOMS:
            return kind, repr(value)
        if isinstance(value, types.FunctionType):
            kept = dict(value.__kwdefaults__ or {}, **vars(value))
            parts = [*(value.__defaults__ or ()), *(kept[name] for name in sorted(kept) if name != "__wrapped__")]
            return kind, id(value), [self._kept(part) for part in parts]
        if isinstance(value, type) and value.__module__ == self.module.__name__:
            own = sorted((name, one) for name, one in vars(value).items() if not name.startswith("__"))
            return kind, id(value), [(name, self._kept(one)) for name, one in own]
        if isinstance(value, _CODE):
            return kind, id(value)
        if self._is_data(kind):
            return kind, portable.digest(value, (self.module.__name__,))
        # What a library's object keeps for itself is its own affair: connections, loggers, sessions.
        return kind, id(value)

    def _kept(self, value):
        """The state of what code keeps with itself; code in it, which may lead back to it, by identity."""
        return id(value) if isinstance(value, _CODE) else self._state(value)

    def _is_data(self, kind):
        if kind.__module__ == "builtins":
            return kind in (list, dict, set, bytearray, tuple)
        root = kind.__module__.partition(".")[0]
        own = sys.modules.get(kind.__module__)
        return root in _LIBRARIES or own is self.module or (own is not None and self.local(own)) or _is_estimator(kind)

    def _reached(self, function):
        """Every name that is not code itself and that the function's code, and code that it names, speaks of."""
        waiting, seen = [(self.module, function)], set()
        while waiting:
            module, name = waiting.pop()
            if (module, name) in seen or name not in vars(module):
                continue
            seen.add((module, name))
            value = vars(module)[name]
            if isinstance(value, types.ModuleType):
                continue
            yield module, name
            for code in _codes(value):
                home = sys.modules.get(getattr(value, "__module__", None) or "", module)
                places = [module] + ([home] if self.local(home) else [])
                words = set(_words(code))
                for place in places:
                    spoken = set(vars(place)) if words & _DYNAMIC else words & set(vars(place))
                    waiting.extend((place, word) for word in spoken)
                    for word in spoken:
                        inner = vars(place)[word]
                        if isinstance(inner, types.ModuleType) and self.local(inner):
                            waiting.extend((inner, each) for each in words & set(vars(inner)))


def _codes(value):
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, types.FunctionType):
        yield value.__code__
    elif isinstance(value, type):
        for one in list(vars(value).values()):
            one = getattr(one, "__func__", getattr(one, "fget", one))
            if isinstance(one, types.FunctionType):
                yield one.__code__


def _words(code):
    for name in code.co_names:
        yield name
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            for name in _words(constant):
                yield name


def _is_estimator(kind):
    return callable(getattr(kind, "fit", None)) and callable(getattr(kind, "get_params", None))
