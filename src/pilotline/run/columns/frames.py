"""What the methods of a frame make of its columns."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.access import columns_by, series_of, some_columns, values_of
from pilotline.run.columns.calls import (
    Call,
    NotPlain,
    NotShown,
    combined,
    fitted,
    labels_of,
    plain,
    set_column,
)
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect, union
from pilotline.run.columns.joining import join_method, merge_method
from pilotline.run.columns.polars_frames import polars_of
from pilotline.run.columns.shapes import asfreq, explode, melt, pivot, pivot_table, stack
from pilotline.run.columns.values import (
    Bound,
    Frame,
    Function,
    Grouped,
    Known,
    Library,
    Listed,
    Mapped,
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

__all__ = ["AGGREGATIONS", "EACH_VALUE", "MASKING", "call_on_frame", "read_expression"]

#: What is worked out value by value, or from the rows before; further arguments go in.
EACH_VALUE: Final = frozenset({
    "abs", "round", "astype", "clip", "fillna", "replace", "isna", "isnull", "notna", "notnull", "eq", "ne", "lt",
    "le", "gt", "ge", "add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow", "radd", "rsub", "rmul",
    "rdiv", "rtruediv", "rfloordiv", "rmod", "rpow", "isin", "shift", "diff", "cumsum", "cumprod", "cummax",
    "cummin", "pct_change", "rank", "ffill", "bfill", "pad", "backfill", "interpolate", "convert_dtypes",
    "infer_objects", "between", "combine_first", "duplicated", "asof", "subtract", "multiply", "divide",
})  # fmt: skip
AGGREGATIONS: Final = frozenset({
    "sum", "mean", "median", "min", "max", "std", "var", "sem", "prod", "product", "count", "nunique", "any", "all",
    "first", "last", "quantile", "skew", "kurt", "kurtosis", "idxmin", "idxmax", "argmin", "argmax", "mad", "nth",
    "size", "mode",
})  # fmt: skip
#: Of these nothing of the values is left.
MASKING: Final = frozenset({"count", "nunique", "size", "len"})
_SHOWING: Final = frozenset({
    "to_csv", "to_parquet", "to_excel", "to_json", "to_feather", "to_pickle", "to_sql", "to_html", "to_markdown",
    "to_latex", "to_string", "to_clipboard", "to_stata", "to_hdf", "info", "plot", "hist", "boxplot",
})  # fmt: skip
_THE_SAME: Final = frozenset({
    "copy", "df", "to_df", "fetchdf", "fetch_df", "arrow", "to_arrow_table", "fetch_arrow_table", "set_flags",
    "__copy__",
})  # fmt: skip
_WHOLE: Final = frozenset({
    "to_numpy", "to_dict", "to_records", "equals", "dot", "fetchall", "fetchone", "fetchnumpy", "memory_usage",
    "to_xarray",
})  # fmt: skip
_BY_INDEX: Final = frozenset(["between_time", "at_time", "first", "last", "truncate", "xs", "droplevel"])


def call_on_frame(host: Host, frame: Frame, name: str, call: Call) -> Value:
    """What a method of a frame gives.

    Raises:
        NotShown: that is not known.
    """
    if name in _METHODS:
        return _METHODS[name](host, frame, call)
    if name == "pl":
        return polars_of(frame) or frame
    if name in _THE_SAME:
        return frame.copy()
    if name in _SHOWING:
        return Known(None)
    if name == "to_numpy":
        return values_of(frame)
    if name in _WHOLE:
        return Thing.of(lineage_of(frame) | call.lineage)
    if name in EACH_VALUE:
        return _each_value(host, frame, name, call)
    if name in AGGREGATIONS:
        return aggregated(host, frame, [name], call)
    if name in _BY_INDEX:
        return frame.picked(indirect(frame.levels | call.lineage, "FILTER"))
    raise NotShown(f"the method {name} of a frame is not read", touches=name in {"update", "isetitem"})


def _each_value(_: Host, frame: Frame, name: str, call: Call) -> Value:
    first = call.at(0, "value" if name == "fillna" else "dtype")
    if name == "duplicated":
        subset = call.labels(0, "subset")
        lineage = some_columns(frame, subset).all if subset else frame.all
        return Series(direct(lineage, "TRANSFORMATION"), frame.rows, frame.index, frame.space)
    if name in {"fillna", "astype", "round"} and isinstance(first, Mapped) and first.more is None:
        made = frame.copy()
        for label, value in first.items.items():
            if frame.get(label) is not None:
                made.columns[label] = direct(frame.get(label) or NOTHING, "TRANSFORMATION") | fitted(value, frame)
        return made
    made = combined([frame, *call.all])
    if name in {"shift", "diff", "pct_change", "rank"} and isinstance(made, Frame) and call.says("freq"):
        raise NotShown("rows moved by their times are not read")
    return made


# -- rows --------------------------------------------------------------------------------------------------------------


def _counted_anew(frame: Frame, call: Call) -> Frame:
    if call.says("ignore_index"):
        frame.index = ()
    return frame


def _sort_values(_: Host, frame: Frame, call: Call) -> Value:
    if call.plain(1, "axis", 0) not in {0, "index"}:
        raise NotShown("columns sorted by a row are not read")
    key = call.named.get("key")
    why = columns_by(frame, call.labels(0, "by")) | (lineage_of(key) if key else NOTHING)
    return _counted_anew(frame.picked(indirect(why, "SORT")), call)


def _sort_index(_: Host, frame: Frame, call: Call) -> Value:
    if call.plain(0, "axis", 0) in {1, "columns"}:
        return frame.copy()
    return _counted_anew(frame.picked(indirect(frame.levels, "SORT")), call)


def _head(_: Host, frame: Frame, call: Call) -> Value:
    made = frame.picked(indirect(call.lineage, "FILTER"))
    made.view_of = frame
    frame.parts.append((None, made))
    return made


def _largest(_: Host, frame: Frame, call: Call) -> Value:
    return frame.picked(indirect(columns_by(frame, call.labels(1, "columns")), "SORT"))


def _sample(_: Host, frame: Frame, call: Call) -> Value:
    weights = call.named.get("weights")
    if isinstance(weights, Known) and isinstance(weights.value, str):
        return frame.picked(indirect(columns_by(frame, [weights.value]), "FILTER"))
    return _counted_anew(frame.picked(indirect(call.lineage, "FILTER")), call)


def _drop_duplicates(_: Host, frame: Frame, call: Call) -> Value:
    subset = call.labels(0, "subset")
    why = columns_by(frame, subset) if subset else frame.all
    return _counted_anew(frame.picked(indirect(why, "FILTER")), call)


def _dropna(_: Host, frame: Frame, call: Call) -> Value:
    if call.plain(-1, "axis", 0) in {1, "columns"}:
        made = frame.copy()
        made.maybe = set(made.columns)
        return made
    subset = call.labels(-1, "subset")
    why = columns_by(frame, subset) if subset else frame.all
    return _counted_anew(frame.picked(indirect(why, "FILTER")), call)


def read_expression(host: Host, frame: Frame, text: str) -> Lineage:
    """What an expression over the columns of a frame, as ``query`` takes, is made of.

    Raises:
        NotShown: it cannot be read.
    """
    plain_text = text.replace("`", "") if re.fullmatch(r"[^`]*(`\w+`[^`]*)*", text) else None
    try:
        tree = ast.parse((plain_text or "?").replace("@", "at__").strip(), mode="eval")
    except SyntaxError:
        raise NotShown(f"the expression {text[:60]!r} is not read") from None
    called = {id(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    found: list[Lineage] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or id(node) in called:
            continue
        if node.id.startswith("at__"):
            value = host.look_up(node.id.removeprefix("at__"))
            if value is None:
                raise NotShown(f"nothing is known of {node.id.removeprefix('at__')}")
            found.append(fitted(value, frame))
        elif node.id == "index":
            found.append(frame.levels)
        else:
            found.append(columns_by(frame, [node.id]))
    return union(found)


def _query(host: Host, frame: Frame, call: Call) -> Value:
    return frame.picked(indirect(read_expression(host, frame, str(call.plain(0, "expr", ""))), "FILTER"))


def _eval(host: Host, frame: Frame, call: Call) -> Value:
    made = frame.copy()
    assigned = False
    for line in str(call.plain(0, "expr", "")).strip().splitlines():
        name, equals, expression = line.partition("=") if re.match(r"\s*\w+\s*=[^=]", line) else ("", "", line)
        lineage = direct(read_expression(host, made, expression), "TRANSFORMATION")
        if not equals:
            return Series(lineage, made.rows, made.index, made.space)
        assigned = True
        made.columns[name.strip()] = lineage
    if not assigned:
        raise NotShown("the expression is not read")
    return made


# -- columns -----------------------------------------------------------------------------------------------------------


def _drop(_: Host, frame: Frame, call: Call) -> Value:
    columns = call.labels(-1, "columns")
    if call.at(0, "labels") is not None:
        if call.plain(1, "axis", 0) not in {1, "columns"}:
            return frame.picked(indirect(call.lineage | frame.levels, "FILTER"))
        columns = call.labels(0, "labels")
    made = frame.copy()
    for name in columns:
        made.columns.pop(name, None)
        made.maybe.discard(name)
    if made.rest is not None:
        made.rest = Rest(made.rest.source, made.rest.lineage, made.rest.without | set(columns))
    if call.named.get("index") is not None:
        return made.picked(indirect(lineage_of(call.named["index"]) | frame.levels, "FILTER"))
    return made


def _renamed(host: Host, names: Sequence[Label], how: Value) -> dict[Label, Label]:
    if isinstance(how, Function | Library | Bound):
        found: dict[Label, Label] = {}
        for name in names:
            made = host.call(how, [Known(name)])
            try:
                found[name] = plain(made)
            except NotPlain:
                raise NotShown("which column gets which name is not known") from None
        return found
    try:
        return dict(plain(how))
    except (NotPlain, TypeError, ValueError):
        raise NotShown("which column gets which name is not known") from None


def _rename(host: Host, frame: Frame, call: Call) -> Value:
    how = call.named.get("columns")
    if how is None and call.plain(-1, "axis", 0) in {1, "columns"}:
        how = call.at(0, "mapper")
    if how is None:
        made = frame.copy()
        made.index = tuple((name, lineage | call.lineage) for name, lineage in frame.index)
        return made
    if not isinstance(how, Mapped) and not frame.closed:
        raise NotShown("which column gets which name is not known")
    names = _renamed(host, list(frame.columns), how)
    made = frame.copy()
    made.columns = {}
    for name, lineage in frame.columns.items():
        new = names.get(name, name)
        made.columns[new] = lineage | made.columns.get(new, NOTHING)
    made.maybe = {names.get(name, name) for name in frame.maybe}
    if frame.rest is not None:
        for name, new in names.items():
            if name not in frame.columns and (lineage := frame.rest.of(name)) is not None:
                made.columns[new] = lineage
                if frame.rest.source is None:
                    made.maybe.add(new)
        made.rest = Rest(frame.rest.source, frame.rest.lineage, frame.rest.without | set(names))
    return made


def _rename_axis(_: Host, frame: Frame, call: Call) -> Value:
    if call.named.get("columns") is not None or call.plain(-1, "axis", 0) in {1, "columns"}:
        return frame.copy()
    names = labels_of(call.plain(0, "mapper", call.plain(-1, "index", None)))
    if frame.index and len(names) != len(frame.index):
        raise NotShown("how the levels of the index are called is not known")
    made = frame.copy()
    levels = frame.index or ((None, NOTHING),)
    made.index = tuple((name, lineage) for name, (_, lineage) in zip(names, levels, strict=True))
    return made


def reset(value: Frame | Series, call: Call) -> Frame:
    """The levels of an index become columns."""
    frame = value if isinstance(value, Frame) else None
    if isinstance(value, Series):
        name = call.plain(-1, "name", value.name)
        held: dict[Label, Lineage] = {0 if name is None else name: value.lineage}
        frame = Frame(held, value.rows, value.index, None, object())
    if frame is None:
        raise NotShown("what becomes of the index is not read")
    made = frame.copy()
    made.space, made.index = object(), ()
    if call.says("drop"):
        return made
    levels = frame.index or ((None, NOTHING),)
    wanted = call.plain(0, "level", None)
    names = labels_of(call.plain(-1, "names", [name for name, _ in levels]))
    columns: dict[Label, Lineage] = {}
    kept: list[tuple[Label, Lineage]] = []
    for place, ((old, lineage), name) in enumerate(zip(levels, names, strict=True)):
        if wanted is not None and old not in labels_of(wanted) and place not in labels_of(wanted):
            kept.append((old, lineage))
            continue
        usual = "index" if len(levels) == 1 and "index" not in frame.columns else f"level_{place}"
        columns[usual if name is None else name] = lineage
    made.columns = {**columns, **made.columns}
    made.index = tuple(kept)
    return made


def _reset_index(_: Host, frame: Frame, call: Call) -> Value:
    return reset(frame, call)


def _set_index(_: Host, frame: Frame, call: Call) -> Value:
    keys = call.at(0, "keys")
    wanted = keys.items if isinstance(keys, Listed) and keys.more is None else [keys or Known(None)]
    made = frame.copy()
    levels: list[tuple[Label, Lineage]] = list(frame.index) if call.says("append") else []
    drops = call.plain(-1, "drop", True)
    for key in wanted:
        if isinstance(key, Series):
            levels.append((key.name, fitted(key, frame)))
            continue
        try:
            name = plain(key)
        except NotPlain:
            raise NotShown("which column becomes the index is not known") from None
        levels.append((name, columns_by(frame, [name])))
        if drops:
            made.columns.pop(name, None)
            if made.rest is not None:
                made.rest = Rest(made.rest.source, made.rest.lineage, made.rest.without | {name})
    made.index, made.space = tuple(levels), object()
    return made


def _reindex(_: Host, frame: Frame, call: Call) -> Value:
    columns = call.named.get("columns")
    made = frame.copy()
    if columns is not None:
        wanted = call.labels(-1, "columns")
        made.columns = {name: frame.get(name) or NOTHING for name in wanted}
        made.rest = None
    rows = call.at(0, "index")
    if rows is None:
        return made
    made.index = tuple((name, lineage | lineage_of(rows)) for name, lineage in frame.index) or (
        (None, lineage_of(rows)),
    )
    return made.picked(indirect(lineage_of(rows) | frame.levels, "JOIN"))


def _assign(host: Host, frame: Frame, call: Call) -> Value:
    made = frame.copy()
    for name, value in call.named.items():
        found = host.call(value, [made]) if isinstance(value, Function | Library | Bound) else value
        made.columns[name] = fitted(found, made)
        made.maybe.discard(name)
    return made


def _insert(host: Host, frame: Frame, call: Call) -> Value:
    set_column(host, frame, call.plain(1, "column"), fitted(call.at(2, "value") or Known(None), frame))
    return Known(None)


def _pop(host: Host, frame: Frame, call: Call) -> Value:
    name = call.plain(0, "item")
    found = series_of(frame, name)
    found.origin = None
    _delete(host, frame, call)
    return found


def _delete(host: Host, frame: Frame, call: Call) -> Value:
    for name in labels_of(call.plain(0, "item")):
        if host.weak:
            frame.maybe.add(name)
            continue
        frame.columns.pop(name, None)
        if frame.rest is not None:
            frame.rest = Rest(frame.rest.source, frame.rest.lineage, frame.rest.without | {name})
    return Known(None)


def _get(_: Host, frame: Frame, call: Call) -> Value:
    return series_of(frame, call.plain(0, "key"))


def _filter(_: Host, frame: Frame, call: Call) -> Value:
    if not frame.closed:
        raise NotShown("the columns of the frame are not known")
    if (items := call.plain(0, "items", None)) is not None:
        return some_columns(frame, [name for name in items if name in frame.columns])
    like, pattern = call.plain(1, "like", None), call.plain(2, "regex", None)
    names = [
        name
        for name in frame.columns
        if (like is not None and like in str(name)) or (pattern is not None and re.search(pattern, str(name)))
    ]
    return frame.like({name: frame.columns[name] for name in names})


def _select_dtypes(_: Host, frame: Frame, __: Call) -> Value:
    made = frame.copy()
    made.maybe = set(made.columns)
    return made


def _affixed(before: bool) -> Callable[[Host, Frame, Call], Value]:  # noqa: FBT001
    def method(_: Host, frame: Frame, call: Call) -> Value:
        if not frame.closed:
            raise NotShown("the columns of the frame are not known")
        text = call.plain(0, "prefix" if before else "suffix")
        made = frame.copy()
        made.columns = {f"{text}{name}" if before else f"{name}{text}": held for name, held in frame.columns.items()}
        return made

    return method


def _set_axis(_: Host, frame: Frame, call: Call) -> Value:
    if call.plain(1, "axis", 0) not in {1, "columns"}:
        made = frame.copy()
        made.index, made.space = ((None, lineage_of(call.at(0, "labels") or Known(None))),), object()
        return made
    names = call.labels(0, "labels")
    if not frame.closed or frame.maybe or len(names) != len(frame.columns):
        raise NotShown("which column gets which name is not known")
    made = frame.copy()
    made.columns = dict(zip(names, frame.columns.values(), strict=True))
    return made


def _where(_: Host, frame: Frame, call: Call) -> Value:
    other = call.at(1, "other")
    why = indirect(fitted(call.at(0, "cond") or Known(None), frame), "CONDITIONAL")
    made = combined([frame, *([other] if other is not None else [])])
    if not isinstance(made, Frame):
        raise NotShown("what is replaced is not read")
    made.columns = {name: lineage | why for name, lineage in made.columns.items()}
    if made.rest is not None:
        made.rest = Rest(made.rest.source, made.rest.lineage | why, made.rest.without)
    return made


# -- functions ---------------------------------------------------------------------------------------------------------


def _apply(host: Host, frame: Frame, call: Call) -> Value:
    function = call.at(0, "func") or Known(None)
    if call.plain(1, "axis", 0) not in {1, "columns"}:
        if isinstance(function, Known | Listed | Mapped):
            return _aggregate(host, frame, call)
        return _by_column(host, frame, function)
    row = Row(frame.copy())
    with host.perhaps(NOTHING):
        found = host.call(function, [row])
    match found:
        case Row(of=of):
            columns = {name: direct(held, "TRANSFORMATION") for name, held in of.columns.items()}
            rest = of.rest and Rest(None, of.rest.all)
            made = frame.like(columns, rest=rest)
            made.rows |= of.rows
            return made
        case Listed() | Mapped() | Series() | Frame() if call.named.get("result_type") is not None:
            return frame.like({}, rest=Rest(None, direct(lineage_of(found), "TRANSFORMATION")))
        case Series() | Frame():
            return frame.like({}, rest=Rest(None, direct(lineage_of(found), "TRANSFORMATION")))
        case _:
            lineage = direct(lineage_of(found), "TRANSFORMATION")
            return Series(lineage, frame.rows, frame.index, frame.space)


def _by_column(host: Host, frame: Frame, function: Value) -> Value:
    if not frame.closed:
        raise NotShown("the columns of the frame are not known")
    found: dict[Label, Value] = {}
    with host.perhaps(NOTHING):
        for name in frame.columns:
            found[name] = host.call(function, [series_of(frame, name)])
    if all(isinstance(each, Series) for each in found.values()):
        return frame.like({name: direct(fitted(each, frame), "TRANSFORMATION") for name, each in found.items()})
    return Row(Frame({name: lineage_of(each) for name, each in found.items()}, frame.rows))


def _map(host: Host, frame: Frame, call: Call) -> Value:
    function = call.at(0, "func") or Known(None)
    with host.perhaps(NOTHING):
        columns = {
            name: direct(lineage_of(host.call(function, [Thing.of(lineage)])), "TRANSFORMATION")
            for name, lineage in frame.columns.items()
        }
    rest = frame.rest and Rest(None, frame.rest.all | lineage_of(function))
    return frame.like(columns, rest=rest)


def _pipe(host: Host, frame: Frame, call: Call) -> Value:
    return host.call(call.args[0], [frame, *call.args[1:], *call.named.values()]) if not call.named else _piped()


def _piped() -> Value:
    raise NotShown("named arguments of pipe are not read", touches=True)


def _transform(host: Host, frame: Frame, call: Call) -> Value:
    function = call.at(0, "func") or Known(None)
    if isinstance(function, Known | Listed | Mapped):
        return combined([frame])
    return _by_column(host, frame, function)


def aggregated(_: Host, frame: Frame, names: Sequence[str], call: Call) -> Value:
    """One value a column; along the rows, one value a row."""
    masked = all(name in MASKING for name in names)
    axis = call.plain(0 if names[0] not in {"quantile", "agg"} else 1, "axis", 0)
    if axis in {1, "columns"}:
        return Series(direct(frame.all, "AGGREGATION", masked=masked), frame.rows, frame.index, frame.space)
    extra = call.lineage | (frame.levels if names[0] in {"idxmin", "idxmax"} else NOTHING)
    columns = {name: direct(held, "AGGREGATION", masked=masked) | extra for name, held in frame.columns.items()}
    rest = frame.rest and Rest(None, direct(frame.rest.all, "AGGREGATION", masked=masked))
    made = Frame(columns, frame.rows, (), rest, maybe=set(columns))
    return made if names[0] == "mode" else Row(made)


def _aggregate(host: Host, frame: Frame, call: Call) -> Value:
    spec = call.at(0, "func")
    if isinstance(spec, Mapped) and spec.more is None:
        columns: dict[Label, Lineage] = {}
        for name, how in spec.items.items():
            columns[name] = direct(series_of(frame, name).lineage, "AGGREGATION") | lineage_of(how)
        several = any(isinstance(how, Listed) for how in spec.items.values())
        made = Frame(columns, frame.rows)
        return made if several else Row(made)
    if isinstance(spec, Known) and isinstance(spec.value, str):
        return call_on_frame(host, frame, spec.value, Call(call.args[1:], call.named))
    if isinstance(spec, Listed):
        columns = {name: direct(held, "AGGREGATION") | lineage_of(spec) for name, held in frame.columns.items()}
        return Frame(columns, frame.rows, (), frame.rest and Rest(None, frame.rest.all), maybe=set(columns))
    if isinstance(spec, Function):
        return _by_column(host, frame, spec)
    raise NotShown("how the columns are aggregated is not read")


def _uniform(kind: Any) -> Callable[[Host, Frame, Call], Value]:
    def method(_: Host, frame: Frame, call: Call) -> Value:
        return Frame({}, frame.rows, ((None, NOTHING),), Rest(None, direct(frame.all, kind) | call.lineage))

    return method


def _value_counts(_: Host, frame: Frame, call: Call) -> Value:
    names = call.labels(0, "subset") or list(frame.columns)
    if not frame.closed and not call.args:
        raise NotShown("the columns of the frame are not known")
    levels = tuple((name, columns_by(frame, [name])) for name in names)
    by = union(lineage for _, lineage in levels)
    return Series(direct(by, "AGGREGATION", masked=True), frame.rows | indirect(by, "GROUP_BY"), levels, name="count")


# -- groups and windows ------------------------------------------------------------------------------------------------


def _groupby(host: Host, frame: Frame, call: Call) -> Value:
    if call.plain(-1, "axis", 0) in {1, "columns"}:
        raise NotShown("groups of columns are not read")
    as_index = bool(call.plain(-1, "as_index", True))
    if call.at(0, "by") is None:
        levels = labels_of(call.plain(1, "level", 0))
        held = [each for place, each in enumerate(frame.index) if place in levels or each[0] in levels]
        if len(held) != len(levels):
            raise NotShown("by which level rows are grouped is not known")
        return Grouped(frame, tuple(held), as_index)
    by = call.at(0, "by")
    wanted = by.items if isinstance(by, Listed) and by.more is None else [by or Known(None)]
    keys: list[tuple[Label, Lineage]] = []
    for key in wanted:
        if isinstance(key, Series):
            keys.append((key.name, fitted(key, frame)))
        elif isinstance(key, Function | Library | Bound):
            keys.append(
                (None, direct(frame.levels | lineage_of(host.call(key, [Thing.of(frame.levels)])), "TRANSFORMATION"))
            )
        elif isinstance(key, Thing) and key.kind == "grouper":
            name = key.named["key"]
            label = plain(name)
            lineage = frame.levels if label is None else columns_by(frame, [label])
            keys.append(
                (label if label is not None else next(iter(frame.index), (None,))[0], direct(lineage, "TRANSFORMATION"))
            )
        else:
            try:
                label = plain(key)
            except NotPlain:
                raise NotShown("by what rows are grouped is not known") from None
            keys.append((label, columns_by(frame, [label])))
    return Grouped(frame, tuple(keys), as_index)


def resampled(_: Host, value: Frame | Series, call: Call) -> Value:
    """Groups of times."""
    on = call.plain(-1, "on", None)
    if on is not None and isinstance(value, Frame):
        made = value.copy()
        lineage = made.columns.pop(on, None) or columns_by(value, [on])
        return Grouped(made, ((on, direct(lineage, "TRANSFORMATION")),))
    name = value.index[0][0] if len(value.index) == 1 else None
    return Grouped(value, ((name, direct(value.levels, "TRANSFORMATION")),))


def windowed(_: Host, value: Frame | Series, call: Call) -> Value:
    """Windows that move or grow over the rows."""
    on = call.plain(-1, "on", None)
    along = columns_by(value, [on]) if on is not None and isinstance(value, Frame) else value.levels
    return Grouped(value, ((None, along | call.lineage),), windows=True)


# -- gone through ------------------------------------------------------------------------------------------------------


def _iterrows(_: Host, frame: Frame, __: Call) -> Value:
    element = Listed([Thing.of(frame.levels | frame.rows), Row(frame.copy())], sort=tuple)
    return Listed([], element, lineage=frame.rows)


def _itertuples(_: Host, frame: Frame, __: Call) -> Value:
    return Listed([], Row(frame.copy()), lineage=frame.rows)


def _items(_: Host, frame: Frame, __: Call) -> Value:
    if not frame.closed or frame.maybe:
        raise NotShown("the columns of the frame are not known")
    return Listed([Listed([Known(name), series_of(frame, name)], sort=tuple) for name in frame.columns])


def _agg(host: Host, frame: Frame, call: Call) -> Value:
    return _aggregate(host, frame, call)


def _columns(_: Host, frame: Frame, __: Call) -> Value:
    return Bound(frame, "columns")


def _squeeze(_: Host, frame: Frame, __: Call) -> Value:
    if frame.closed and len(frame.columns) == 1 and not frame.maybe:
        return series_of(frame, next(iter(frame.columns)))
    raise NotShown("whether the frame is one column is not known")


_METHODS: Final[Mapping[str, Callable[[Host, Frame, Call], Value]]] = {
    "sort_values": _sort_values, "sort_index": _sort_index, "head": _head, "tail": _head, "limit": _head,
    "nlargest": _largest, "nsmallest": _largest, "sample": _sample, "drop_duplicates": _drop_duplicates,
    "dropna": _dropna, "query": _query, "eval": _eval, "drop": _drop, "rename": _rename, "rename_axis": _rename_axis,
    "reset_index": _reset_index, "set_index": _set_index, "reindex": _reindex, "assign": _assign, "insert": _insert,
    "pop": _pop, "__delitem__": _delete, "get": _get, "filter": _filter, "select_dtypes": _select_dtypes,
    "add_prefix": _affixed(before=True), "add_suffix": _affixed(before=False), "set_axis": _set_axis, "where": _where,
    "mask": _where, "apply": _apply, "map": _map, "applymap": _map, "pipe": _pipe, "transform": _transform, "agg": _agg,
    "aggregate": _agg, "describe": _uniform("AGGREGATION"), "corr": _uniform("AGGREGATION"),
    "cov": _uniform("AGGREGATION"), "value_counts": _value_counts, "groupby": _groupby, "resample": resampled,
    "rolling": windowed, "expanding": windowed, "ewm": windowed, "melt": melt, "pivot": pivot,
    "pivot_table": pivot_table, "explode": explode, "stack": stack, "asfreq": asfreq, "iterrows": _iterrows,
    "itertuples": _itertuples, "items": _items, "merge": merge_method, "join": join_method, "keys": _columns, "squeeze": _squeeze,
}  # fmt: skip
