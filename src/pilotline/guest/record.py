"""See what each statement of a notebook does: what it reads, binds, changes in place, opens, draws and sets.

Around each statement the recorder looks at the names that the statement can reach, and no others: those that it names
itself, those that functions of the notebook look up on its behalf, and those whose values share an object or memory
with one of these.
"""

import ast
import os
import re
import sys
import time
import types

from . import files_seen, randomness, settings_seen
from .walker import Walker
from .names import names_of, words_of

_LOOKS_BACK = frozenset({"query", "eval", "sql", "execute", "exec", "from_query", "read_sql", "ols", "glm", "logit", "dmatrices", "dmatrix", "from_formula"})
_WHOLE = frozenset({"locals", "globals", "vars", "dir"})
_CLOCK = re.compile(r"\b(time\.time|time\.localtime|time\.strftime|perf_counter|monotonic|datetime\.now|datetime\.today|date\.today|Timestamp\.now|Timestamp\.today|utcnow|now\(\)|today\(\))")
_HAS_SEED = frozenset({"seed", "set_state", "setstate", "manual_seed"})
_TEXT = 2000


class Recorder:
    """Watches one session; ``statements`` is what it saw.

    Args:
        session: a ``session.Session`` that calls ``begin``, ``before`` and ``after``.
    """

    def __init__(self, session):
        self.session = session
        self.statements = []
        self.looks = {}
        self.now = None
        self.frame_read = False
        self.own_cpu = 0.0

    def prepare(self):
        """Before the first cell: the namespace holds what a shell puts there."""
        self.namespace = self.session.namespace
        self.own = set(self.namespace)
        self.walker = Walker(self.namespace)
        self.files = files_seen.Files(self.session.places)
        self.settings = settings_seen.Settings()
        self.random = randomness.state()
        _watch_frames(self)

    def result(self):
        """What goes into the answer."""
        return {"statements": self.statements, "own_cpu": self.own_cpu}

    def shown(self, statement, how, source, value):
        """What a cell showed: noted with the statement that showed it."""
        cpu = time.process_time()
        for record in reversed(self.statements):
            if (record["cell"], record["index"]) == (statement.cell, statement.index):
                look = self.walker.look(value)
                info = describe(value, look, ())
                record["shown"] = {"how": how, "source": source, "info": info, "text": _short(value)}
                break
        self.own_cpu += time.process_time() - cpu

    # ---- before

    def before(self, statement):
        """Right before a statement is executed."""
        cpu = time.process_time()
        node = statement.node
        names = names_of(node)
        defines = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        direct = names.now if defines else names.reads
        reads = self._reach({name for name in direct if self._is_mine(name)})
        text_names = self._names_in_strings(node, names, reads)
        if text_names:
            reads = self._reach(reads | text_names)
        self.now = {
            "names": names,
            "reads": reads,
            "before": {name: id(value) for name, value in self.namespace.items()},
            "kept": dict(self.namespace),
        }
        for name in reads:
            if name not in self.looks:
                self.looks[name] = self.walker.look(self.namespace[name])
        self.frame_read = False
        self.files.begin()
        self.own_cpu += time.process_time() - cpu

    def _is_mine(self, name):
        return name in self.namespace and name not in self.own

    def _reach(self, names):
        """Names that these lead to through functions, classes and instances of the notebook."""
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name in found or not self._is_mine(name):
                continue
            found.add(name)
            value = self.namespace[name]
            for code in self._codes(value, name):
                todo.extend(other for other in code if other not in found)
        return found

    def _codes(self, value, name):
        """For each function of the notebook that a value holds: the globals that it may look up."""
        if isinstance(value, types.FunctionType):
            if value.__globals__ is self.namespace:
                yield _globals_of(value.__code__)
            for held in (getattr(value, "__wrapped__", None), *_cells(value)):
                if isinstance(held, types.FunctionType) and held.__globals__ is self.namespace:
                    yield _globals_of(held.__code__)
        elif isinstance(value, type):
            if value.__module__ == "__main__":
                for item in vars(value).values():
                    item = getattr(item, "__func__", getattr(item, "fget", item))
                    if isinstance(item, types.FunctionType):
                        yield _globals_of(item.__code__)
                for base in value.__mro__[1:]:
                    if base.__module__ == "__main__":
                        yield {base.__name__}
        elif not isinstance(value, (types.ModuleType, int, float, str)):
            look = self.looks.get(name)
            if look is None:
                look = self.looks[name] = self.walker.look(value)
            if look.functions or look.classes:
                yield set(look.functions) | set(look.classes)
                for function in _functions_in(value):
                    if function.__globals__ is self.namespace:
                        yield _globals_of(function.__code__)

    def _names_in_strings(self, node, names, reads):
        if not names.strings:
            return set()
        found = set()
        calls = {part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "") for part in ast.walk(node) if isinstance(part, ast.Call)}
        for text in names.strings:
            found |= {word for word in re.findall(r"@(\w+)", text) if self._is_mine(word)}
            if calls & _LOOKS_BACK:
                found |= {word for word in words_of(text) if self._is_mine(word)}
        return found - reads

    # ---- after

    def after(self, statement, failed):
        """Right after a statement was executed, or raised."""
        now, self.now = self.now, None
        cpu = time.process_time()
        node, names, before = statement.node, now["names"], now["before"]
        reads = set(now["reads"])
        binds = {name for name, value in self.namespace.items() if name not in self.own and before.get(name) != id(value)}
        binds |= {name for name in names.binds if self._is_mine(name)}
        deletes = {name for name in before if name not in self.namespace and name not in self.own}
        if self.frame_read:
            strings = {word for text in names.strings for word in words_of(text)}
            strings |= self._strings_of_functions(reads)
            reads |= self._reach({name for name in strings if name in before and self._is_mine(name)})
        files = self.files.take()
        changes, unsure = self._changes(reads, binds, deletes, now["kept"])
        for name in deletes:
            self.looks.pop(name, None)
        for name in binds:
            self.looks[name] = self.walker.look(self.namespace[name])
        draws, seeded = self._draws(node)
        text = ast.unparse(node)
        taken = self.session.fence.take()
        record = {
            "cell": statement.cell, "index": statement.index,
            "line": statement.line, "end_line": statement.end_line,
            "reads": sorted(reads - {name for name in names.deletes}), "binds": sorted(binds), "deletes": sorted(deletes),
            "changes": sorted(changes), "unsure": sorted(unsure),
            "draws": sorted(draws), "seeds": sorted(seeded),
            "settings": self.settings.take(node, self.namespace),
            "clock": bool(_CLOCK.search(text)) or self._clock_in(reads),
            "network": taken["network"], "processes": taken["processes"], "databases": taken["databases"],
            "installs": taken["installs"],
            "whole_namespace": any(isinstance(part, ast.Call) and getattr(part.func, "id", "") in _WHOLE for part in ast.walk(node)),
            "imports": self._imports(node, binds),
            "shown": None,
            "state": {name: self._info(name) for name in binds | changes if name in self.namespace},
            "seconds": statement.seconds, "cpu": statement.cpu,
        }  # fmt: skip
        record.update(files)
        if record["whole_namespace"]:
            record["reads"] = sorted({name for name in before if self._is_mine(name) and not isinstance(self.namespace[name], types.ModuleType)} | reads)
        self.statements.append(record)
        self.own_cpu += time.process_time() - cpu

    def _changes(self, reads, binds, deletes, kept):
        reached = set()
        for name in reads:
            look = self.looks.get(name)
            if look is not None:
                reached |= look.parts
        changes, unsure, looked = set(), set(), set()
        todo = [name for name in reads if name in self.namespace]
        # A value that was bound anew may have been changed through its old name before that.
        while True:
            for name in todo:
                looked.add(name)
                old = self.looks.get(name)
                value = self.namespace[name]
                if name in binds and kept.get(name) is not value:
                    continue
                if isinstance(value, types.ModuleType):
                    continue
                look = self.looks[name] = self.walker.look(value)
                if old is not None and old.digest != look.digest and name not in binds:
                    changes.add(name)
                elif old is not None and old.digest != look.digest:
                    changes.add(name)
                if look.opaque:
                    unsure.add(name)
                reached |= look.parts
            todo = [
                name
                for name, look in self.looks.items()
                if name not in looked and name in self.namespace and not reached.isdisjoint(look.parts)
            ]
            if not todo:
                break
        return changes - deletes, unsure - deletes - changes

    def _draws(self, node):
        state = randomness.state()
        drawn = {name for name, value in state.items() if name in self.random and self.random[name] != value}
        self.random = state
        seeded = set()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and function.attr in _HAS_SEED and node.value.args:
                owner = ast.unparse(function.value)
                if owner.endswith("random") and ("np" in owner or "numpy" in owner):
                    seeded = {"numpy"}
                elif owner == "random":
                    seeded = {"random"} if self.namespace.get("random") is sys.modules.get("random") else {"numpy"}
                elif owner == "torch":
                    seeded = {"torch"}
            elif isinstance(function, ast.Name) and function.id == "seed" and node.value.args:
                module = getattr(self.namespace.get("seed"), "__self__", None)
                seeded = {"numpy"} if "numpy" in type(module).__module__ else {"random"}
        return drawn - seeded, seeded

    def _clock_in(self, reads):
        for name in reads:
            value = self.namespace.get(name)
            if isinstance(value, types.FunctionType) and value.__globals__ is self.namespace:
                words = set(value.__code__.co_names)
                if words & {"now", "today", "utcnow", "perf_counter", "monotonic", "strftime"}:
                    return True
        return False

    def _strings_of_functions(self, reads):
        found = set()
        for name in reads:
            value = self.namespace.get(name)
            if isinstance(value, types.FunctionType) and value.__globals__ is self.namespace:
                for text in _strings_in(value.__code__):
                    found |= words_of(text)
        return found

    def _imports(self, node, binds):
        if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Try)):
            return {}
        found = {}
        for name in binds:
            value = self.namespace[name]
            if isinstance(value, types.ModuleType):
                found[name] = value.__name__
            else:
                module = node.module if isinstance(node, ast.ImportFrom) and node.module else getattr(value, "__module__", "")
                found[name] = "%s:%s" % (module, getattr(value, "__name__", name) if not isinstance(node, ast.ImportFrom) else name)
        return found

    # ---- what values are

    def _info(self, name):
        look = self.looks.get(name)
        value = self.namespace[name]
        if look is None:
            look = self.looks[name] = self.walker.look(value)
        parts = look.parts
        shares = [
            other
            for other, seen in self.looks.items()
            if other != name and other in self.namespace and parts and not parts.isdisjoint(seen.parts)
        ]
        return describe(value, look, shares)


def describe(value, look, shares):
    """The ``Info`` of the protocol for a value."""
    kind = type(value)
    shape = columns = None
    if kind.__module__.partition(".")[0] in {"pandas", "numpy", "polars", "scipy"}:
        try:
            shape = [int(side) for side in value.shape]
        except Exception:
            shape = None
        if kind.__name__ == "DataFrame":
            try:
                columns = {str(name): str(dtype) for name, dtype in list(zip(value.columns, value.dtypes))[:200]}
            except Exception:
                columns = None
    literal = None
    if kind in {int, float, str, bool, type(None)} or (kind in {tuple, list} and len(value) < 20 and set(map(type, value)) <= {int, float, str, bool}):
        literal = repr(value)
        literal = literal if len(literal) < 200 else None
    functions = sorted(look.functions)
    return {
        "type": "module" if kind is types.ModuleType else public_name(kind),
        "shape": shape,
        "columns": columns,
        "literal": literal,
        "mutable": look.mutable,
        "holds": sorted(look.stuck | ({"figure"} & look.opaque) | ({"module"} if kind is types.ModuleType else set())),
        "functions": functions,
        "classes": sorted(look.classes),
        "shares": sorted(shares),
        "fitted": _is_model(kind),
        "flat": kind in {list, dict, set} and len(look.parts) <= 1,
    }


def _is_model(kind):
    if kind.__module__.partition(".")[0] in {"pandas", "numpy", "polars", "builtins"} or isinstance(kind, type(sys)):
        return False
    return any(hasattr(kind, name) for name in ("predict", "transform", "fit_predict")) and any(hasattr(kind, name) for name in ("fit", "params", "summary", "predict"))


def public_name(kind):
    """The shortest import path under which a class is found."""
    module, name = kind.__module__, kind.__name__
    if module == "builtins":
        return name
    if "." in kind.__qualname__:
        return "%s.%s" % (module, kind.__qualname__)
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        path = ".".join(parts[:count])
        if getattr(sys.modules.get(path), name, None) is kind and not any(part.startswith("_") for part in path.split(".")[1:]):
            return "%s.%s" % (path, name)
    return "%s.%s" % (module, name)


def _short(value):
    try:
        text = repr(value)
    except Exception:
        return ""
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."


def _globals_of(code, seen=None):
    """Names that a code object, or one inside it, looks up as globals or attributes: a superset of its globals."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _globals_of(constant)
    return found


def _strings_in(code):
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, types.CodeType):
            yield from _strings_in(constant)


def _cells(function):
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def _functions_in(value, depth=0):
    """Functions that an object holds, a few levels deep."""
    if isinstance(value, types.FunctionType):
        yield value
    elif depth < 6:
        if isinstance(value, dict):
            items = list(value.values())
        elif isinstance(value, (list, tuple, set)):
            items = list(value)
        elif isinstance(value, types.MethodType):
            items = [value.__func__, value.__self__]
        else:
            try:
                items = list(object.__getattribute__(value, "__dict__").values())
            except Exception:
                items = [getattr(value, "func", None)] if type(value).__name__ == "partial" else []
        for item in items[:2000]:
            if not isinstance(item, (str, int, float, type(None))):
                for one in _functions_in(item, depth + 1):
                    yield one


def _watch_frames(recorder):
    """Notice that somebody outside the notebook looked at a frame of it."""
    original = sys._getframe

    def _getframe(depth=0, /):
        frame = original(depth + 1)
        if frame.f_globals is recorder.namespace and original(1).f_globals is not recorder.namespace:
            recorder.frame_read = True
        return frame

    sys._getframe = _getframe
