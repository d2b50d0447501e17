"""Settings of the process that outlive a statement: options of libraries, warnings, environment, folder, patches."""

import os
import sys
import warnings

_LOOK_PANDAS = ("display.", "plotting.", "styler.", "mode.chained_assignment", "mode.sim_interactive", "io.excel")
_LOOK_SKLEARN = {"display", "print_changed_only", "working_memory"}
_LOOK_ENVIRONMENT = (
    "POLARS_FMT",
    "POLARS_TABLE",
    "TF_CPP_MIN_LOG",
    "MPL",
    "COLUMNS",
    "LINES",
    "PYTHONWARNINGS",
    "TQDM",
)
#: Classes that libraries let be extended, and where they are.
_EXTENDED = (
    ("pandas", "DataFrame"), ("pandas", "Series"), ("pandas", "Index"), ("polars", "DataFrame"), ("polars", "Series"),
    ("polars", "Expr"), ("polars", "LazyFrame"),
)  # fmt: skip


class SettingsWatch:
    """Compares cheap snapshots of the settings of those libraries that are loaded."""

    def __init__(self):
        self._last = {}
        self._readers = {}
        self._modules = 0
        self._find_readers()
        self._last = self._snapshot()

    def take(self, *, importing):
        """Settings changed since the last call: a list of ``{"kind", "key", "look"}``.

        Args:
            importing: the statement only imports; what a library sets when it is imported, it sets again.
        """
        if len(sys.modules) != self._modules:
            self._find_readers()
        now, changed = self._snapshot(), []
        for kind, values in now.items():
            before = self._last.get(kind)
            if before is None or before == values:
                continue
            if importing and kind not in {"cwd", "path"}:
                continue
            keys = [
                key for key in (*values, *(key for key in before if key not in values)) if _differ(before, values, key)
            ]
            changed += [{"kind": _KINDS.get(kind, kind), "key": key, "look": _look(kind, key, values)} for key in keys]
        self._last = now
        return changed

    def _snapshot(self):
        found = {}
        for kind, reader in self._readers.items():
            try:
                found[kind] = reader()
            except Exception:
                continue
        return found

    def _find_readers(self):
        self._modules = len(sys.modules)
        modules = sys.modules
        readers = self._readers
        if not readers:
            readers.update(
                environ=_environment, cwd=_folder, path=_path, warnings=_warnings, sys=_limits, locale=_locale
            )
        for kind, module, attribute, reader in (
            ("pandas", "pandas._config.config", "_global_config", _pandas),
            ("numpy", "numpy", "get_printoptions", _numpy),
            ("sklearn", "sklearn._config", "get_config", _sklearn),
            ("matplotlib", "matplotlib", "rcParams", _matplotlib),
            ("decimal", "decimal", "getcontext", _decimal),
        ):
            if kind not in readers and hasattr(modules.get(module), attribute):
                readers[kind] = reader
        for package, name in _EXTENDED:
            kind = f"patch of {package}.{name}"
            cls = vars(modules[package]).get(name) if package in modules else None
            if kind not in readers and isinstance(cls, type):
                readers[kind] = _attributes_of(cls, f"{package}.{name}")


def _differ(before, after, key):
    missing = object()
    return before.get(key, missing) != after.get(key, missing)


def _look(kind, key, values):
    if kind == "pandas":
        return key.startswith(_LOOK_PANDAS) and not (key == "mode.chained_assignment" and values.get(key) == "raise")
    if kind == "numpy":
        return key.startswith("print.")
    if kind == "sklearn":
        return key in _LOOK_SKLEARN
    if kind == "matplotlib":
        return True
    if kind == "warnings":
        return "'error'" not in str(values.get(key))
    if kind == "environ":
        return key.startswith(_LOOK_ENVIRONMENT)
    return False


_KINDS = {f"patch of {package}.{name}": "patch" for package, name in _EXTENDED}


def _environment():
    return {_said(key): _said(value) for key, value in os.environ._data.items()}


def _said(text):
    return os.fsdecode(text) if isinstance(text, bytes) else text


def _folder():
    return {"": os.getcwd()}


def _path():
    return {"": list(sys.path)}


def _warnings():
    return {"filters": [(action, str(getattr(m, "pattern", m)), c.__name__) for action, m, c, _, _ in warnings.filters]}


def _limits():
    return {"recursionlimit": sys.getrecursionlimit()}


def _locale():
    import _locale as native

    return {"": native.setlocale(native.LC_ALL, None)}


def _pandas():
    found = {}
    todo = [("", sys.modules["pandas._config.config"]._global_config)]
    while todo:
        prefix, level = todo.pop()
        for key, value in level.items():
            if type(value) is dict:
                todo.append((f"{prefix}{key}.", value))
            else:
                found[prefix + key] = value
    return found


def _numpy():
    numpy = sys.modules["numpy"]
    found = {f"print.{key}": str(value) for key, value in numpy.get_printoptions().items()}
    found.update({f"err.{key}": value for key, value in numpy.geterr().items()})
    return found


def _sklearn():
    return dict(sys.modules["sklearn._config"].get_config())


def _matplotlib():
    # By identity: comparing three hundred values after each statement would cost more than most statements.
    return {key: id(value) for key, value in dict.items(sys.modules["matplotlib"].rcParams)}


def _decimal():
    context = sys.modules["decimal"].getcontext()
    return {
        "prec": context.prec,
        "rounding": context.rounding,
        "Emin": context.Emin,
        "Emax": context.Emax,
        "traps": sorted(one.__name__ for one, on in context.traps.items() if on),
    }


def _attributes_of(cls, name):
    def read():
        # Only additions count: libraries fill caches in their classes.
        return {
            f"{name}.{key}": id(value) for key, value in vars(cls).items() if not key.startswith(("_abc_", "__abc"))
        }

    return read
