"""What a recording says of a value: its type, its shape, what it shares, whether it can travel."""

from . import kinds
from .fingerprint import ATOMS

_COLUMNS = 200
_LITERAL = 200
_TEXT = 2000
_PREDICTS = ("predict", "transform", "fit_predict", "kneighbors", "score_samples")


def info_of(value, made, shares=()):
    """The ``Info`` of a value.

    Args:
        value: the value itself.
        made: its ``Print``.
        shares: other live names that reach the same mutable objects or memory.
    """
    cls = type(value)
    info = {"type": kinds.public_name(cls), "mutable": made.mutable}
    if cls in ATOMS:
        info["literal"] = literal_of(value)
        return {key: part for key, part in info.items() if part is not None}
    if made.size:
        info["size"] = int(made.size)
    for key, part in (
        ("holds", made.holds),
        ("functions", sorted(made.functions)),
        ("classes", sorted(made.classes)),
        ("shares", sorted(shares)),
        ("literal", literal_of(value)),
    ):
        if part:
            info[key] = part
    if made.flat:
        info["flat"] = True
    try:
        _add_shape(value, cls, info)
    except Exception:
        info.pop("columns", None)
    try:
        if is_fitted(value, cls):
            info["fitted"] = True
    except Exception:
        return info
    return info


def literal_of(value):
    """Source text of a short constant, or of a flat list or tuple of such; else None."""
    cls = type(value)
    if cls in ATOMS:
        if cls is float and value not in {float("inf"), -float("inf")} and value == value:
            return repr(value)
        if cls is float or cls is complex:
            return None
        text = repr(value) if cls not in {str, bytes} or len(value) < _LITERAL else ""
        return text if 0 < len(text) < _LITERAL else None
    if cls in {list, tuple} and len(value) < 40 and set(map(type, value)) <= ATOMS:
        parts = [literal_of(one) for one in value]
        if all(part is not None for part in parts):
            text = repr(value)
            return text if len(text) < _LITERAL else None
    return None


def _add_shape(value, cls, info):
    names = {(kinds.root_of(base), base.__name__) for base in cls.__mro__}
    if ("pandas", "NDFrame") in names:
        axes = object.__getattribute__(value, "_mgr").axes
        info["shape"] = [len(axis) for axis in reversed(axes)]
        if len(axes) == 2:
            pairs = zip(list(axes[0][:_COLUMNS]), list(value.dtypes.iloc[:_COLUMNS]))
            info["columns"] = {str(name): str(dtype) for name, dtype in pairs}
        else:
            info["columns"] = {str(value.name): str(value.dtype)}
    elif ("pandas", "Index") in names:
        info["shape"] = [len(value)]
    elif ("numpy", "ndarray") in names:
        info["shape"] = list(value.shape)
        info["dtype"] = str(value.dtype)
    elif ("numpy", "generic") in names:
        info["dtype"] = str(value.dtype)
    elif ("polars", "DataFrame") in names:
        info["shape"] = list(value.shape)
        info["columns"] = {name: str(dtype) for name, dtype in list(value.schema.items())[:_COLUMNS]}
    elif ("polars", "Series") in names:
        info["shape"] = [len(value)]
    elif kinds.root_of(cls) == "pyarrow" and cls.__name__ in {"Table", "RecordBatch"}:
        info["shape"] = [value.num_rows, value.num_columns]
        info["columns"] = {field.name: str(field.type) for field in list(value.schema)[:_COLUMNS]}
    elif kinds.root_of(cls) == "scipy" and any("sparse" in base.__module__ for base in cls.__mro__):
        info["shape"] = list(value.shape)
    elif kinds.root_of(cls) == "torch" and cls.__name__ in {"Tensor", "Parameter"}:
        info["shape"] = list(value.shape)
    elif cls in {list, tuple, dict, set, frozenset}:
        info["shape"] = [len(value)]
        if cls in {list, tuple, dict} and value:
            inner = set(map(type, value.values() if cls is dict else value))
            info["of"] = sorted(kinds.public_name(one) for one in inner)[:5]


def is_fitted(value, cls):
    """Whether a value is a model that has learned something."""
    if issubclass(cls, type) or not any(hasattr(cls, name) for name in _PREDICTS):
        return False
    try:
        state = object.__getattribute__(value, "__dict__")
    except Exception:
        state = None
    if type(state) is not dict:
        return kinds.root_of(cls) in {"torch", "keras"}
    if any(name.endswith("_") and not name.startswith("__") for name in state):
        return True
    if state.get("_Booster") is not None or kinds.root_of(cls) in {"keras", "tensorflow"}:
        return True
    if kinds.root_of(cls) == "statsmodels":
        return "params" in state or "_results" in state
    steps = state.get("steps")
    if type(steps) is list and steps:
        return any(type(step) is tuple and is_fitted(step[-1], type(step[-1])) for step in steps)
    return False


def text_of(value):
    """The text of a value as a cell shows it, cut."""
    try:
        return _repr(value)[:_TEXT]
    except Exception as error:
        return f"<{type(value).__name__}: its text failed with {type(error).__name__}>"


def _repr(value):
    cls = type(value)
    if cls is str or cls is bytes:
        return repr(value[:_TEXT])
    if cls in {list, tuple, dict, set, frozenset} and len(value) > 200:
        import reprlib

        short = reprlib.Repr()
        short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = 100
        short.maxstring = short.maxother = 400
        return short.repr(value)
    if kinds.root_of(cls) == "polars" and cls.__name__ == "LazyFrame":
        return "<LazyFrame>"
    return repr(value)
