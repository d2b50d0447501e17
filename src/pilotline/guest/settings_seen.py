"""Which process-wide settings a statement changes."""

import ast
import decimal
import locale
import os
import sys
import types
import warnings

_LOOKS = ("display.", "plotting.", "styler.", "io.excel")


class Settings:
    """Compares the settings of the libraries that are loaded, statement by statement."""

    def __init__(self):
        self.last = _snapshot()

    def take(self, node, namespace):
        """The settings that changed since the last call, as the protocol's list; ``node`` is what was executed."""
        now = _snapshot()
        found = []
        imports = isinstance(node, (ast.Import, ast.ImportFrom))
        for kind, values in now.items():
            before = self.last.get(kind)
            if before is None or before == values or (imports and kind not in {"cwd"}):
                continue
            keys = [key for key in values if before.get(key) != values[key]] + [key for key in before if key not in values]
            for key in keys:
                look = kind in {"matplotlib", "print"} or (kind == "pandas" and key.startswith(_LOOKS))
                if kind == "warnings":
                    look = "error" not in str(values.get(key, ""))
                found.append({"kind": kind, "key": key, "look": look})
        self.last = now
        found.extend(_patches(node, namespace))
        return found


def _snapshot():
    found = {"environ": dict(os.environ), "cwd": {"cwd": _cwd()}, "path": {"path": tuple(sys.path)}}
    context = decimal.getcontext()
    found["decimal"] = {"context": (context.prec, context.rounding)}
    try:
        found["locale"] = {"locale": locale.setlocale(locale.LC_ALL)}
    except locale.Error:
        pass
    found["warnings"] = {"filters": tuple(str(one[0]) for one in warnings.filters if one[0] == "error")}
    if "pandas" in sys.modules:
        config = sys.modules.get("pandas._config.config")
        options = getattr(config, "_global_config", None)
        if options is not None:
            found["pandas"] = _flat(options)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        found["numpy"] = dict(numpy.geterr())
    config = sys.modules.get("sklearn._config")
    if config is not None and hasattr(config, "get_config"):
        found["sklearn"] = {key: repr(value) for key, value in config.get_config().items()}
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is not None and hasattr(matplotlib, "rcParams"):
        found["matplotlib"] = {"rcParams": _rc(matplotlib.rcParams)}
    return found


def _rc(parameters):
    try:
        return hash(str(list(dict.values(parameters))))
    except Exception:
        return 0


def _cwd():
    try:
        return os.getcwd()
    except OSError:
        return ""


def _flat(options, prefix=""):
    found = {}
    for key, value in options.items():
        if isinstance(value, dict):
            found.update(_flat(value, prefix + key + "."))
        else:
            found[prefix + key] = repr(value)
    return found


def _patches(node, namespace):
    """Attributes set on modules and on classes that are not the notebook's own."""
    found = []
    for part in ast.walk(node):
        targets = []
        if isinstance(part, ast.Assign):
            targets = part.targets
        elif isinstance(part, (ast.AugAssign, ast.AnnAssign)):
            targets = [part.target]
        elif isinstance(part, ast.Call) and getattr(part.func, "id", "") == "setattr" and part.args:
            if _is_foreign(part.args[0], namespace):
                found.append({"kind": "patch", "key": ast.unparse(part.args[0]), "look": False})
        for target in targets:
            if isinstance(target, ast.Attribute) and _is_foreign(target.value, namespace):
                key = ast.unparse(target)
                look = key.startswith(("pd.options.display", "pandas.options.display", "plt."))
                found.append({"kind": "patch", "key": key, "look": look})
    for mark in getattr(node, "decorator_list", []):
        if "register_" in ast.unparse(mark) and "accessor" in ast.unparse(mark):
            found.append({"kind": "patch", "key": ast.unparse(mark), "look": False})
    return found


def _is_foreign(node, namespace):
    """Whether an expression is a dotted name that stands for a module or for a class of a library."""
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in namespace:
        return False
    value = namespace[node.id]
    if isinstance(value, types.ModuleType) and names[:1] == ["options"]:
        return False
    for name in names:
        try:
            value = getattr(value, name)
        except Exception:
            return False
    return isinstance(value, types.ModuleType) or (isinstance(value, type) and value.__module__ != "__main__")
