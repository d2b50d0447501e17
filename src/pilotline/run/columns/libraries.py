"""What functions of libraries give: pandas and NumPy by name, others as made of all that goes in."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.access import count_of, items_of, some_columns, unpacked
from pilotline.run.columns.calls import (
    Call,
    NotPlain,
    NotShown,
    change,
    combined,
    fitted,
    known,
    labels_of,
    plain,
)
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect, union
from pilotline.run.columns.frames import AGGREGATIONS, MASKING
from pilotline.run.columns.joining import concatenated, merged, named_as
from pilotline.run.columns.names import PURE
from pilotline.run.columns.polars_calls import polars_call
from pilotline.run.columns.polars_frames import polars_of, selected
from pilotline.run.columns.shapes import pivot_table
from pilotline.run.columns.sql import duckdb_call, read_query
from pilotline.run.columns.values import (
    Bound,
    Frame,
    Function,
    Known,
    Library,
    Listed,
    Mapped,
    PolarsFrame,
    Rest,
    Row,
    Series,
    Thing,
    Value,
    lineage_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pilotline.run.columns.calls import Host
    from pilotline.run.columns.values import Label

__all__ = ["call_library"]

_CHANGING: Final = frozenset({
    "numpy.put", "numpy.place", "numpy.putmask", "numpy.copyto", "numpy.fill_diagonal", "numpy.random.shuffle",
    "random.shuffle", "heapq.heappush", "heapq.heapify", "bisect.insort",
})  # fmt: skip
_FETCHING: Final = ("sklearn.datasets.fetch_", "seaborn.load_dataset", "statsmodels.datasets", "joblib.load")
_ELEMENTWISE: Final = frozenset({
    "log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "cbrt", "abs", "absolute", "fabs", "sign", "floor",
    "ceil", "rint", "round", "around", "trunc", "isnan", "isfinite", "isinf", "clip", "maximum", "minimum", "power",
    "add", "subtract", "multiply", "divide", "true_divide", "mod", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "arctan2", "radians", "degrees", "nan_to_num", "logical_and", "logical_or", "logical_not",
    "logical_xor", "isclose", "square", "negative", "hypot", "sinh", "cosh", "tanh", "greater", "less", "equal",
    "not_equal", "greater_equal", "less_equal", "floor_divide", "remainder", "isin", "digitize",
})  # fmt: skip
_READERS: Final = {
    "read_csv": "csv", "read_table": "tsv", "read_parquet": "parquet", "read_json": "json", "read_excel": "excel",
    "read_feather": "feather", "read_pickle": "pickle", "read_fwf": "text", "read_orc": "orc", "read_stata": "stata",
    "read_sas": "sas", "read_xml": "xml", "read_hdf": "hdf",
}  # fmt: skip
_TIMES: Final = frozenset({
    "Timestamp", "Timedelta", "DateOffset", "Period", "Interval", "Categorical", "CategoricalDtype", "Index",
    "DatetimeIndex", "array", "offsets",
})  # fmt: skip
_CASTING: Final = frozenset({
    "to_datetime", "to_numeric", "to_timedelta", "isna", "isnull", "notna", "notnull", "cut", "qcut",
})  # fmt: skip


def call_library(host: Host, path: str, call: Call) -> Value:
    """What a function of a library gives.

    Raises:
        NotShown: that is not known.
    """
    module, _, name = path.rpartition(".")
    top = path.partition(".")[0]
    if module in {"builtins.str", "builtins.int", "builtins.float", "builtins.bytes"}:
        return _of_type(module, name, call)
    if module.startswith("builtins."):
        raise NotShown(f"what {path.removeprefix('builtins.')} does is not read", touches=True)
    if top == "builtins":
        return _builtin(host, name, call)
    if top == "polars":
        return polars_call(host, path.removeprefix("polars."), call)
    if top in {"pandas", "pd"}:
        return _pandas(host, path.partition(".")[2], call)
    if path == "pilotline.read":
        return _read_table(host, call)
    if top == "duckdb":
        return duckdb_call(host, name, call)
    if path in {"pathlib.Path", "pathlib.PurePath"}:
        return _path(call)
    if module == "os.path" and name == "join":
        return _path(call)
    if path == "sklearn.model_selection.train_test_split":
        return _split(call)
    if path == "functools.partial":
        raise NotShown("what a partial function gives is not read", touches=True)
    if path.startswith(_FETCHING):
        raise NotShown(f"what {path} gives comes from elsewhere")
    if path in {"copy.copy", "copy.deepcopy"}:
        return _copied(call.args[0])
    if top == "numpy":
        return _numpy(host, path.removeprefix("numpy."), call)
    if top in PURE:
        return _made_of_all(host, path, call)
    raise NotShown(f"what {path} does is not read", touches=True)


def _copied(value: Value) -> Value:
    match value:
        case Frame():
            return value.copy()
        case PolarsFrame():
            return value.picked(NOTHING)
        case Series():
            return value.made(value.lineage)
        case Listed():
            return Listed(list(value.items), value.more, value.sort, value.lineage)
        case Mapped():
            return Mapped(dict(value.items), value.more, value.lineage)
        case _:
            return Thing.of(lineage_of(value))


def _file_of(host: Host, value: Value) -> Lineage:
    """What is read of a file that an argument names."""
    if not isinstance(value, Known) or not isinstance(value.value, str | PurePosixPath):
        return NOTHING
    found = host.sources.file(str(value.value), None, "")
    return direct(found.all, "TRANSFORMATION") if found is not None else NOTHING


def _made_of_all(host: Host, path: str, call: Call) -> Value:
    if call.named.get("out") is not None:
        raise NotShown(f"what {path} changes in place is not read", touches=True)
    lineage = call.lineage | union(_file_of(host, each) for each in call.all)
    for each in call.all:
        if isinstance(each, Function):
            lineage |= lineage_of(host.call(each, [Thing.of(lineage)]))
    if path in _CHANGING:
        change(host, call.args[0], lineage)
        return Known(None)
    return Thing.of(direct(lineage, "TRANSFORMATION"))


def _path(call: Call) -> Value:
    try:
        parts = [str(plain(each)) for each in call.args]
    except NotPlain:
        return Thing.of(call.lineage)
    return Known(PurePosixPath(*parts))


def _split(call: Call) -> Value:
    """Two parts of each, by chance: which rows are in them is not decided by data, but by how many there are."""
    why = indirect(lineage_of(call.named["stratify"]), "FILTER") if "stratify" in call.named else NOTHING
    parts: list[Value] = []
    for each in call.args:
        parts += [
            each.picked(why) if isinstance(each, Frame | Series) else Thing.of(lineage_of(each) | why) for _ in range(2)
        ]
    return Listed(parts)


def _read_table(host: Host, call: Call) -> Value:
    name = str(call.plain(0, "table", ""))
    found = host.sources.table(name)
    if found is None:
        raise NotShown(f"nothing is known of the table {name}")
    columns = call.plain(1, "columns", None)
    if call.plain(-1, "as_", "pandas") in {"polars", "lazy"} and isinstance(found, Frame) and not call.args[1:]:
        if set(call.named) - {"columns", "as_"} or any(name is None for name, _ in found.index):
            raise NotShown("how the table is read is not known")
        whole = polars_of(Frame({**dict(found.index), **found.columns}, found.rows, rest=found.rest))
        if whole is None or columns is None:
            return whole or found
        return selected(host, whole, Call([call.named["columns"]]))
    if call.args[1:] or call.named:
        if columns is None or set(call.named) - {"columns"}:
            raise NotShown("how the table is read is not known")
        if not isinstance(found, Frame):
            raise NotShown("how the table is read is not known")
        return some_columns(found, labels_of(columns))
    return found


# -- Python ------------------------------------------------------------------------------------------------------------

_COMPUTED: Final[Mapping[str, Callable[..., Any]]] = {
    "len": len, "sum": sum, "min": min, "max": max, "abs": abs, "round": round, "sorted": sorted, "float": float,
    "int": int, "str": str, "bool": bool, "list": list, "tuple": tuple, "set": set, "dict": dict, "any": any, "all": all,
    "frozenset": frozenset, "reversed": lambda held: list(reversed(held)), "range": range, "repr": repr,
    "slice": slice,
}  # fmt: skip


def _builtin(host: Host, name: str, call: Call) -> Value:
    if name == "print":
        return Known(None)
    if name == "open":
        lineage = _file_of(host, call.args[0])
        mode = call.plain(1, "mode", "r")
        if not lineage and not any(word in mode for word in "wax"):
            raise NotShown("which file is read is not known")
        return Thing.of(lineage)
    if name == "isinstance" and len(call.args) == 2:
        return _is_instance(call.args[0], call.args[1])
    if name in {"enumerate", "zip"}:
        return _zipped(host, name, call)
    if name == "len" and isinstance(call.args[0], Frame | Series | PolarsFrame):
        return Thing.of(call.args[0].rows)
    if name in {"list", "tuple", "set", "sorted", "iter"} and call.args:
        items = items_of(call.args[0])
        if items is not None and name not in {"sorted", "set"}:
            return Listed(items, sort=tuple if name == "tuple" else list)
    if name in _COMPUTED:
        try:
            given = [plain(each) for each in call.args]
            named = {key: plain(each) for key, each in call.named.items()}
            return known(_COMPUTED[name](*given, **named))
        except Exception:
            return _computed(host, name, call)
    if name in {"map", "filter"}:
        found = host.call(call.args[0], [unpacked(host, each) for each in call.args[1:]])
        lineage = union(count_of(each) for each in call.args[1:])
        if name == "filter":
            lineage |= lineage_of(found)
        element = found if name == "map" else unpacked(host, call.args[1])
        return Listed([], element, lineage=indirect(lineage, "CONDITIONAL"))
    if name in {
        "getattr",
        "hasattr",
        "type",
        "id",
        "hash",
        "format",
        "ord",
        "chr",
        "divmod",
        "pow",
        "callable",
        "vars",
    }:
        if name == "getattr":
            raise NotShown("what getattr gives is not read", touches=True)
        return combined([Thing.of(lineage_of(each)) for each in call.all])
    raise NotShown(f"what {name} gives is not read", touches=True)


def _of_type(module: str, name: str, call: Call) -> Value:
    """A method of plain data that is called by its type, as in ``str.lower(name)``."""
    try:
        kind = {"str": str, "int": int, "float": float, "bytes": bytes}[module.removeprefix("builtins.")]
        return known(getattr(kind, name)(*(plain(each) for each in call.args)))
    except Exception:
        return combined([Thing.of(lineage_of(each)) for each in call.all])


def _computed(host: Host, name: str, call: Call) -> Value:
    if call.args and name == "dict" and isinstance(call.args[0], Mapped):
        return _copied(call.args[0])
    if name == "dict" and not call.args:
        return Mapped({**call.named})
    if name in {"list", "tuple", "set", "sorted", "reversed"} and isinstance(call.args[0], Listed | Series):
        extra = call.args[0].lineage if isinstance(call.args[0], Listed) else call.args[0].rows
        return Listed([], unpacked(host, call.args[0]), lineage=extra)
    kind = "AGGREGATION" if name in {"sum", "min", "max", "len"} else "TRANSFORMATION"
    return Thing.of(direct(call.lineage, kind, masked=name == "len"))


def _is_instance(value: Value, kind: Value) -> Value:
    sorts = {"Frame": "pandas.DataFrame", "Series": "pandas.Series"}
    if isinstance(value, Frame | Series) and isinstance(kind, Library) and kind.path.startswith("pandas."):
        return Known(sorts[type(value).__name__] == kind.path.replace("pandas.core.frame.", "pandas."))
    return Thing.of(lineage_of(value))


def _zipped(host: Host, name: str, call: Call) -> Value:
    lists = [items_of(each) for each in call.args]
    if any(each is None for each in lists):
        parts: list[Value] = [unpacked(host, each) for each in call.args]
        if name == "enumerate":
            parts = [Thing.of(NOTHING), *parts[:1]]
        return Listed([], Listed(parts, sort=tuple), lineage=indirect(union(map(count_of, call.args)), "CONDITIONAL"))
    held = [each for each in lists if each is not None]
    if name == "enumerate":
        start = call.plain(1, "start", 0)
        return Listed([Listed([Known(start + place), item], sort=tuple) for place, item in enumerate(held[0])])
    return Listed([Listed(list(row), sort=tuple) for row in zip(*held, strict=False)])


# -- NumPy -------------------------------------------------------------------------------------------------------------


def _numpy(host: Host, name: str, call: Call) -> Value:
    if name == "where" and len(call.args) == 3:
        return _conditional([call.args[0]], [call.args[1], call.args[2]])
    if name == "select":
        conditions, choices = (items_of(each) for each in call.args[:2])
        if conditions is None or choices is None:
            raise NotShown("which conditions choose is not known")
        default = call.at(2, "default")
        return _conditional(conditions, [*choices, *([default] if default is not None else [])])
    if (
        name in _ELEMENTWISE
        and call.named.get("out") is None
        and not any(isinstance(each, Function) for each in call.all)
    ):
        return combined(call.all)
    if name in AGGREGATIONS or name.removeprefix("nan") in AGGREGATIONS:
        masked = name in MASKING
        if call.plain(1, "axis", None) is None:
            return Thing.of(direct(call.lineage, "AGGREGATION", masked=masked))
    return _made_of_all(host, f"numpy.{name}", call)


def _conditional(conditions: Sequence[Value], choices: Sequence[Value]) -> Value:
    rows = [each for each in (*conditions, *choices) if isinstance(each, Series)]
    if not rows:
        why = indirect(union(map(lineage_of, conditions)), "CONDITIONAL")
        return Thing.of(direct(union(map(lineage_of, choices)), "TRANSFORMATION") | why)
    first = rows[0]
    # Arrays are put beside each other row by row, whatever their index is.
    made = Series(NOTHING, first.rows, (), first.space, array=True)
    for each, is_condition in [*((one, True) for one in conditions), *((one, False) for one in choices)]:
        lineage = lineage_of(each)
        if isinstance(each, Series):
            lineage = each.lineage | (NOTHING if each.space is first.space else each.rows)
        made.lineage |= indirect(lineage, "CONDITIONAL") if is_condition else direct(lineage, "TRANSFORMATION")
    return made


# -- pandas ------------------------------------------------------------------------------------------------------------


def _pandas(host: Host, name: str, call: Call) -> Value:
    if name in _READERS:
        return _read_file(host, name, call)
    if name in {"read_sql", "read_sql_query", "read_sql_table"}:
        return read_query(host, call, table=name == "read_sql_table")
    if name == "DataFrame":
        return _frame(call)
    if name == "Series":
        return _series(call)
    if name == "concat":
        objects = call.at(0, "objs") or Known(None)
        items = items_of(objects)
        if isinstance(objects, Mapped) and items is not None:
            raise NotShown("frames put together by their keys are not read")
        if items is None and isinstance(objects, Listed) and objects.more is not None:
            items = [*objects.items, objects.more]
            found = concatenated(items, Call(call.args, call.named))
            if isinstance(found, Frame | Series):
                found.rows |= objects.lineage
            return found
        if items is None:
            raise NotShown("what is put together is not known")
        return concatenated([each for each in items if not (isinstance(each, Known) and each.value is None)], call)
    if name in {"merge", "merge_ordered"}:
        return _merge(call)
    if name == "merge_asof":
        return _merge_asof(call)
    if name in _CASTING:
        return _cast(name, call)
    if name == "get_dummies":
        return _dummies(call)
    if name in {"melt", "pivot", "pivot_table"}:
        frame = call.args[0]
        if isinstance(frame, Frame):
            rest = Call(call.args[1:], call.named)
            return (
                pivot_table(host, frame, rest)
                if name == "pivot_table"
                else host.call(Bound(frame, name), rest.args)
                if not rest.named
                else _named_method(host, frame, name, rest)
            )
    if name == "crosstab":
        return Frame({}, NOTHING, ((None, call.lineage),), Rest(None, direct(call.lineage, "AGGREGATION", masked=True)))
    if name == "NamedAgg":
        given = named_as(call, ("column", "aggfunc"))
        return Listed([given.named["column"], given.named["aggfunc"]], sort=tuple)
    if name == "Grouper":
        given = named_as(call, ("key", "level", "freq"))
        return Thing(Thing.of(NOTHING).cell, "grouper", {"key": given.named.get("key", Known(None))})
    if name in {"date_range", "period_range", "timedelta_range", "bdate_range"}:
        lineage = direct(call.lineage, "TRANSFORMATION")
        return Series(lineage, indirect(lineage, "FILTER"), (), array=True, name=call.plain(-1, "name", None))
    if name in {"unique", "factorize"} and isinstance(call.args[0], Series):
        return host.call(Bound(call.args[0], name), [])
    if name.partition(".")[0] in _TIMES or name in {"api.types.is_numeric_dtype", "NA", "NaT", "RangeIndex"}:
        series = [each for each in call.all if isinstance(each, Series)]
        return combined(call.all) if series else Thing.of(direct(call.lineage, "TRANSFORMATION"))
    if name in {"set_option", "reset_option", "option_context", "get_option"} or name.startswith("options"):
        return Known(None)
    raise NotShown(f"what pandas.{name} gives is not read")


def _named_method(host: Host, frame: Frame, name: str, call: Call) -> Value:
    from pilotline.run.columns.frames import call_on_frame

    return call_on_frame(host, frame, name, call)


def _read_file(host: Host, name: str, call: Call) -> Value:
    where = call.at(0, "filepath_or_buffer") or call.at(0, "path") or call.at(0, "path_or_buf") or call.at(0, "io")
    if isinstance(where, Known) and isinstance(where.value, str | PurePosixPath):
        found = host.sources.file(str(where.value), call, _READERS[name])
        if found is None:
            raise NotShown(f"{where.value} is no file of the pipeline's")
        return Listed([], found) if call.says("chunksize") or call.says("iterator") else found
    if where is None or not lineage_of(where):
        raise NotShown("which file is read is not known")
    return Frame({}, NOTHING, (), Rest(None, direct(lineage_of(where), "TRANSFORMATION")))


def _aligned(values: Sequence[Value]) -> tuple[Lineage, Any, object]:
    """Rows, index and space of what is put side by side by its index."""
    series = [each for each in values if isinstance(each, Series) and not each.array]
    if not series:
        arrays = [each for each in values if isinstance(each, Series)]
        rows = union(each.rows for each in arrays)
        return rows, (), arrays[0].space if arrays else object()
    first = series[0]
    if all(each.space is first.space for each in series):
        return first.rows, first.index, first.space
    levels = indirect(union(each.levels for each in series), "JOIN")
    same = all([name for name, _ in each.index] == [name for name, _ in first.index] for each in series)
    index: Any = ((None, union(each.levels for each in series)),) if any(each.index for each in series) else ()
    if same and first.index:
        index = tuple(
            (name, union(each.index[place][1] for each in series)) for place, (name, _) in enumerate(first.index)
        )
    return union(each.rows for each in series) | levels, index, object()


def _frame(call: Call) -> Value:
    data, names = call.at(0, "data"), call.plain(2, "columns", None)
    made = _frame_of(data, names)
    index = call.at(1, "index")
    if index is not None:
        if isinstance(data, Mapped) and any(
            isinstance(each, Series) and not each.array for each in data.items.values()
        ):
            made.rows |= indirect(lineage_of(index) | made.levels, "JOIN")
        made.index = ((index.name if isinstance(index, Series) else None, lineage_of(index)),)
        made.space = index.space if isinstance(index, Series) else object()
    return made


def _frame_of(data: Value | None, names: Any) -> Frame:
    labels: list[Label] | None = None if names is None else list(names)
    match data:
        case None:
            return Frame(dict.fromkeys(labels or (), NOTHING))
        case Frame():
            return some_columns(data, labels) if labels is not None else data.copy()
        case Mapped(items=items, more=None):
            rows, index, space = _aligned(list(items.values()))
            made = Frame({}, rows | data.lineage, index, None, space)
            for name, value in items.items():
                made.columns[name] = fitted(value, made)
            return made if labels is None else made.like({name: made.columns.get(name, NOTHING) for name in labels})
        case Listed() if _rows_of(data) is not None:
            return _from_rows(data, labels)
        case Series():
            name = data.name if labels is None else labels[0]
            return Frame({0 if name is None else name: data.lineage}, data.rows, data.index, None, data.space)
        case _:
            lineage = lineage_of(data)
            if labels is None:
                return Frame({}, NOTHING, (), Rest(None, lineage))
            return Frame(dict.fromkeys(labels, lineage))


def _rows_of(data: Listed) -> list[Value] | None:
    every = [*data.items, *([data.more] if data.more else [])]
    sorts = {type(each) for each in every}
    return every if every and (sorts <= {Mapped} or sorts <= {Row} or sorts <= {Listed}) else None


def _from_rows(data: Listed, labels: list[Label] | None) -> Frame:
    columns: dict[Label, Lineage] = {}
    rows, rest = data.lineage, None
    for row in _rows_of(data) or ():
        if isinstance(row, Mapped):
            held = {name: lineage_of(each) for name, each in row.items.items()}
            rows |= row.lineage
            if row.more is not None:
                rest = Rest(None, lineage_of(row.more))
        elif isinstance(row, Row):
            held, rest = row.of.columns, row.of.rest or rest
            rows |= row.of.rows
        else:
            items = items_of(row)
            if items is None or (labels is not None and len(items) != len(labels)):
                raise NotShown("which value becomes which column is not known")
            held = {name: lineage_of(each) for name, each in zip(labels or range(len(items)), items, strict=True)}
        for name, lineage in held.items():
            columns[name] = columns.get(name, NOTHING) | lineage
    if labels is not None:
        columns = {name: columns.get(name, NOTHING) for name in labels}
    return Frame(columns, rows, (), rest)


def _series(call: Call) -> Value:
    data, index = call.at(0, "data"), call.at(1, "index")
    name = call.plain(3, "name", None)
    if isinstance(data, Mapped) and data.more is None and index is None:
        return Row(Frame({label: lineage_of(each) for label, each in data.items.items()}, data.lineage))
    if isinstance(data, Listed) and data.more is None and index is not None:
        try:
            labels = list(plain(index))
        except (NotPlain, TypeError):
            labels = []
        if len(labels) == len(data.items):
            return Row(
                Frame({label: lineage_of(each) for label, each in zip(labels, data.items, strict=True)}, data.lineage)
            )
    if isinstance(data, Series):
        made = data.made(data.lineage)
        made.name = name if name is not None else data.name
        if index is not None:
            made.index, made.space = ((None, lineage_of(index)),), object()
            made.rows |= indirect(lineage_of(index) | data.levels, "JOIN")
        return made
    lineage = lineage_of(data) if data is not None else NOTHING
    level = ((index.name if isinstance(index, Series) else None, lineage_of(index)),) if index is not None else ()
    space = index.space if isinstance(index, Series) else object()
    rows = index.rows if isinstance(index, Series) else NOTHING
    return Series(lineage, rows, level, space, name)


_MERGE: Final = ("left", "right", "how", "on", "left_on", "right_on", "left_index", "right_index", "sort", "suffixes")


def _merge(call: Call) -> Value:
    given = named_as(call, _MERGE)
    left, right = given.named.pop("left", None), given.named.pop("right", None)
    if not isinstance(left, Frame) or not isinstance(right, Frame):
        raise NotShown("the frames that are joined are not known")
    return merged(left, right, given)


def _merge_asof(call: Call) -> Value:
    given = named_as(call, ("left", "right", "on", "left_on", "right_on", "left_index", "right_index", "by"))
    left, right = given.named.pop("left", None), given.named.pop("right", None)
    if not isinstance(left, Frame) or not isinstance(right, Frame):
        raise NotShown("the frames that are joined are not known")
    keys: dict[str, Value] = {}
    for side in ("left", "right"):
        names = given.labels(-1, f"{side}_on") or given.labels(-1, "on")
        names += given.labels(-1, f"{side}_by") or given.labels(-1, "by")
        if names:
            keys[f"{side}_on"] = known(names)
        if given.says(f"{side}_index"):
            keys[f"{side}_index"] = Known(True)
    keys["how"] = Known("left")
    if "suffixes" in given.named:
        keys["suffixes"] = given.named["suffixes"]
    return merged(left, right, Call([], keys))


def _cast(name: str, call: Call) -> Value:
    data = call.args[0] if call.args else next(iter(call.named.values()))
    if name in {"cut", "qcut"} and call.says("retbins"):
        raise NotShown(f"what pandas.{name} gives is not read")
    if isinstance(data, Frame) and name == "to_datetime":
        return Series(direct(data.all, "TRANSFORMATION"), data.rows, data.index, data.space)
    made = combined([data, *call.args[1:], *(each for key, each in call.named.items() if key != "arg")])
    if isinstance(made, Series) and isinstance(data, Series):
        made.name = data.name
        if name == "qcut" or (name == "cut" and isinstance(call.at(1, "bins"), Known)):
            # Where the borders lie is worked out from all of the values.
            made.lineage |= direct(data.lineage, "AGGREGATION") | data.rows
    return made


def _dummies(call: Call) -> Value:
    data, columns = call.args[0], call.plain(-1, "columns", None)
    if isinstance(data, Series):
        return Frame({}, data.rows, data.index, Rest(None, direct(data.lineage, "TRANSFORMATION")), data.space)
    if not isinstance(data, Frame):
        raise NotShown("of what there are dummies is not known")
    if columns is None:
        return Frame(
            dict(data.columns),
            data.rows,
            data.index,
            Rest(None, direct(data.all, "TRANSFORMATION")),
            data.space,
            set(data.columns),
        )
    kept = {name: lineage for name, lineage in data.columns.items() if name not in columns}
    made = union(data.get(name) or NOTHING for name in columns)
    return data.like(kept, rest=Rest(None, direct(made, "TRANSFORMATION") | (data.rest.all if data.rest else NOTHING)))
