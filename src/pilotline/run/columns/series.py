"""What the methods of a series, and of its accessors, make of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.run.columns.calls import Call, NotShown, combined, fitted, labels_of
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect
from pilotline.run.columns.frames import AGGREGATIONS, EACH_VALUE, MASKING, resampled, reset, windowed
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
    from collections.abc import Callable, Mapping

    from pilotline.run.columns.calls import Host

__all__ = ["call_on_accessor", "call_on_series", "each_value_of"]

_SHOWING: Final = frozenset({
    "to_csv", "to_json", "to_string", "to_markdown", "to_excel", "to_pickle", "to_clipboard", "plot", "hist",
    "info",
})  # fmt: skip
_WHOLE: Final = frozenset(["to_dict", "equals", "items", "iteritems", "__iter__", "memory_usage"])
_ONE: Final = frozenset(["item", "autocorr", "dot", "searchsorted", "corr", "cov"])
#: Over the rows, further methods that give a value for each.
_MORE_EACH: Final = frozenset({
    "tz_localize", "tz_convert", "normalize", "strftime", "to_period", "to_timestamp", "floor", "ceil", "round",
    "day_name", "month_name", "total_seconds", "isoformat", "to_numpy", "to_pydatetime", "ravel", "repeat", "view",
    "explode", "hash", "str_len", "clip_lower", "clip_upper", "to_julian_date", "set_names", "rename_axis",
})  # fmt: skip
_SPLITTING: Final = frozenset(["split", "rsplit", "extract", "extractall", "get_dummies", "partition", "rpartition"])


def call_on_series(host: Host, series: Series, name: str, call: Call) -> Value:
    """What a method of a series gives.

    Raises:
        NotShown: that is not known.
    """
    if name in _METHODS:
        return _METHODS[name](host, series, call)
    if name in EACH_VALUE or name in _MORE_EACH:
        if call.says("freq"):
            raise NotShown("rows moved by their times are not read")
        made = combined([series, *call.all])
        if name == "to_numpy" and isinstance(made, Series):
            made = made.made(series.lineage, array=True)
            made.origin = series.origin
        return made
    if name in AGGREGATIONS:
        return _aggregated(series, name, call)
    if name in _SHOWING:
        return Known(None)
    if name in _WHOLE:
        return Thing.of(lineage_of(series) | call.lineage)
    if name in _ONE:
        return Thing.of(direct(lineage_of(series) | call.lineage, "AGGREGATION"))
    raise NotShown(f"the method {name} of a series is not read", touches=name in {"update", "sort", "put", "fill"})


def _aggregated(series: Series, name: str, call: Call) -> Value:
    masked = name in MASKING
    if name == "size":
        return Thing.of(series.rows)
    lineage = direct(series.lineage, "AGGREGATION", masked=masked) | call.lineage | series.rows
    if name in {"idxmin", "idxmax"}:
        lineage |= series.levels
    if name == "mode" or (name == "quantile" and not isinstance(call.at(0, "q"), Known | None)):
        return Series(lineage, name=series.name)
    return Thing.of(lineage)


# -- rows --------------------------------------------------------------------------------------------------------------


def _counted_anew(series: Series, call: Call) -> Series:
    if call.says("ignore_index"):
        series.index = ()
    return series


def _sort_values(_: Host, series: Series, call: Call) -> Value:
    return _counted_anew(series.picked(indirect(series.lineage | call.lineage, "SORT")), call)


def _sort_index(_: Host, series: Series, call: Call) -> Value:
    return _counted_anew(series.picked(indirect(series.levels, "SORT")), call)


def _head(_: Host, series: Series, call: Call) -> Value:
    made = series.picked(indirect(call.lineage, "FILTER"))
    made.origin = series.origin
    return made


def _largest(_: Host, series: Series, call: Call) -> Value:
    return series.picked(indirect(series.lineage | call.lineage, "SORT"))


def _by_values(_: Host, series: Series, call: Call) -> Value:
    return _counted_anew(series.picked(indirect(series.lineage, "FILTER")), call)


def _by_index(_: Host, series: Series, call: Call) -> Value:
    return series.picked(indirect(series.levels | call.lineage, "FILTER"))


def _reindex(_: Host, series: Series, call: Call) -> Value:
    rows = call.at(0, "index") or Known(None)
    made = series.picked(indirect(lineage_of(rows) | series.levels, "JOIN"))
    made.index = tuple((name, lineage | lineage_of(rows)) for name, lineage in series.index) or (
        (None, lineage_of(rows)),
    )
    return made


def _asfreq(_: Host, series: Series, call: Call) -> Value:
    return combined([series.picked(indirect(series.levels | call.lineage, "JOIN"))])


def _drop(_: Host, series: Series, call: Call) -> Value:
    return series.picked(indirect(series.levels | call.lineage, "FILTER"))


# -- values ------------------------------------------------------------------------------------------------------------


def each_value_of(host: Host, series: Series, function: Value) -> Lineage:
    """What a function gives that is called for each value."""
    if isinstance(function, Function | Library | Bound):
        with host.perhaps(NOTHING):
            found = host.call(function, [Thing.of(series.lineage)])
        return direct(lineage_of(found), "TRANSFORMATION")
    if isinstance(function, Series):
        looked_up = indirect(series.lineage | function.levels | function.rows, "JOIN")
        return direct(function.lineage, "TRANSFORMATION") | looked_up
    return direct(series.lineage | lineage_of(function), "TRANSFORMATION")


def _map(host: Host, series: Series, call: Call) -> Value:
    return series.made(each_value_of(host, series, call.at(0, "arg") or call.at(0, "func") or Known(None)))


def _apply(host: Host, series: Series, call: Call) -> Value:
    function = call.at(0, "func") or Known(None)
    if isinstance(function, Known) and isinstance(function.value, str):
        return call_on_series(host, series, function.value, Call(call.args[1:], call.named))
    if not isinstance(function, Function | Library | Bound):
        raise NotShown("what is applied is not known")
    more = call.all[1:]
    with host.perhaps(NOTHING):
        found = host.call(function, [Thing.of(series.lineage), *more])
    lineage = direct(lineage_of(found), "TRANSFORMATION")
    if isinstance(found, Series | Frame | Row):
        return Frame({}, series.rows, series.index, Rest(None, lineage), series.space)
    return series.made(lineage)


def _where(_: Host, series: Series, call: Call) -> Value:
    why = indirect(fitted(call.at(0, "cond") or Known(None), series), "CONDITIONAL")
    other = call.at(1, "other")
    lineage = direct(series.lineage, "TRANSFORMATION") | why
    return series.made(lineage | (direct(fitted(other, series), "TRANSFORMATION") if other is not None else NOTHING))


def _copy(_: Host, series: Series, __: Call) -> Value:
    made = series.made(series.lineage)
    made.name = series.name
    return made


def _rename(_: Host, series: Series, call: Call) -> Value:
    made = series.made(series.lineage)
    name = call.at(0, "index")
    if isinstance(name, Mapped | Function | Library):
        made.index = tuple((level, lineage | lineage_of(name)) for level, lineage in series.index)
    else:
        made.name = call.plain(0, "index", None)
    return made


def _rename_axis(_: Host, series: Series, call: Call) -> Value:
    names = labels_of(call.plain(0, "mapper", call.plain(-1, "index", None)))
    levels = series.index or ((None, NOTHING),)
    if len(names) != len(levels):
        raise NotShown("how the levels of the index are called is not known")
    made = series.made(series.lineage)
    made.index = tuple((name, lineage) for name, (_, lineage) in zip(names, levels, strict=True))
    return made


def _agg(host: Host, series: Series, call: Call) -> Value:
    how = call.at(0, "func") or Known(None)
    if isinstance(how, Known) and isinstance(how.value, str):
        return call_on_series(host, series, how.value, Call(call.args[1:], call.named))
    if isinstance(how, Function | Library):
        return Thing.of(direct(lineage_of(host.call(how, [series])), "AGGREGATION"))
    return Series(direct(series.lineage, "AGGREGATION") | series.rows | lineage_of(how), name=series.name)


def _transform(host: Host, series: Series, call: Call) -> Value:
    function = call.at(0, "func") or Known(None)
    if isinstance(function, Function | Library):
        found = host.call(function, [series])
        return series.made(direct(fitted(found, series), "TRANSFORMATION"))
    return _apply(host, series, call)


def _value_counts(_: Host, series: Series, call: Call) -> Value:
    name = "proportion" if call.says("normalize") else "count"
    rows = series.rows | indirect(series.lineage, "GROUP_BY")
    return Series(direct(series.lineage, "AGGREGATION", masked=True), rows, ((series.name, series.lineage),), name=name)


def _unique(_: Host, series: Series, __: Call) -> Value:
    return Series(series.lineage, series.rows | indirect(series.lineage, "FILTER"), name=series.name, array=True)


def _listed(_: Host, series: Series, __: Call) -> Value:
    return Listed([], Thing.of(series.lineage | series.rows), lineage=series.rows)


def _describe(_: Host, series: Series, __: Call) -> Value:
    return Series(direct(series.lineage, "AGGREGATION") | series.rows, name=series.name)


# -- shapes ------------------------------------------------------------------------------------------------------------


def _to_frame(_: Host, series: Series, call: Call) -> Value:
    name = call.plain(0, "name", series.name)
    index = () if call.plain(-1, "index", True) is False else series.index
    return Frame({0 if name is None else name: series.lineage}, series.rows, index, None, series.space)


def _reset_index(_: Host, series: Series, call: Call) -> Value:
    if call.says("drop"):
        made = series.picked(NOTHING)
        made.index = ()
        return made
    return reset(series, call)


def _unstack(_: Host, series: Series, call: Call) -> Value:
    level = call.plain(0, "level", -1)
    if level not in {-1, len(series.index) - 1}:
        raise NotShown("which level becomes columns is not known")
    rows = series.rows | indirect(series.levels, "GROUP_BY")
    return Frame({}, rows, series.index[:-1], Rest(None, series.lineage | indirect(series.levels, "GROUP_BY")))


def _groupby(host: Host, series: Series, call: Call) -> Value:
    by = call.at(0, "by")
    if by is None:
        levels = labels_of(call.plain(1, "level", 0))
        keys = tuple(each for place, each in enumerate(series.index) if place in levels or each[0] in levels)
        if len(keys) != len(levels):
            raise NotShown("by which level rows are grouped is not known")
        return Grouped(series, keys)
    wanted = by.items if isinstance(by, Listed) and by.more is None else [by]
    found: list[tuple[object, Lineage]] = []
    for key in wanted:
        if isinstance(key, Series):
            found.append((key.name, fitted(key, series)))
        elif isinstance(key, Known) and any(name == key.value for name, _ in series.index):
            found.append(next(each for each in series.index if each[0] == key.value))
        elif isinstance(key, Thing) and key.kind == "grouper":
            name = series.index[0][0] if len(series.index) == 1 else None
            found.append((name, direct(series.levels, "TRANSFORMATION")))
        elif isinstance(key, Function):
            lineage = lineage_of(host.call(key, [Thing.of(series.levels)]))
            found.append((None, direct(lineage, "TRANSFORMATION")))
        else:
            raise NotShown("by what rows are grouped is not known")
    return Grouped(series, tuple(found))


def _rolling(host: Host, series: Series, call: Call) -> Value:
    return windowed(host, series, call)


def _resample(host: Host, series: Series, call: Call) -> Value:
    return resampled(host, series, call)


def _get(_: Host, series: Series, call: Call) -> Value:
    return Thing.of(lineage_of(series) | call.lineage)


def _pipe(host: Host, series: Series, call: Call) -> Value:
    return host.call(call.args[0], [series, *call.args[1:]])


def _factorize(_: Host, series: Series, __: Call) -> Value:
    codes = series.made(direct(series.lineage, "TRANSFORMATION"), array=True)
    return Listed([codes, Thing.of(series.lineage | series.rows)], sort=tuple)


def _pop(_: Host, series: Series, __: Call) -> Value:
    return Thing.of(lineage_of(series))


_METHODS: Final[Mapping[str, Callable[[Host, Series, Call], Value]]] = {
    "sort_values": _sort_values, "sort_index": _sort_index, "head": _head, "tail": _head, "nlargest": _largest,
    "nsmallest": _largest, "sample": _head, "drop_duplicates": _by_values, "dropna": _by_values, "first": _by_index,
    "last": _by_index, "truncate": _by_index, "between_time": _by_index, "at_time": _by_index, "xs": _by_index,
    "droplevel": _by_index, "reindex": _reindex, "asfreq": _asfreq, "drop": _drop, "map": _map, "apply": _apply,
    "where": _where, "mask": _where, "copy": _copy, "rename": _rename, "rename_axis": _rename_axis, "agg": _agg,
    "aggregate": _agg, "transform": _transform, "value_counts": _value_counts, "unique": _unique, "tolist": _listed,
    "to_list": _listed, "describe": _describe, "to_frame": _to_frame, "reset_index": _reset_index, "unstack": _unstack,
    "groupby": _groupby, "rolling": _rolling, "expanding": _rolling, "ewm": _rolling, "resample": _resample, "get": _get,
    "pipe": _pipe, "factorize": _factorize, "pop": _pop,
}  # fmt: skip


def call_on_accessor(series: Series, accessor: str, name: str, call: Call) -> Value:
    """What a method of ``.str``, ``.dt`` or ``.cat`` gives."""
    if accessor == "str" and name in _SPLITTING and (name not in {"split", "rsplit"} or call.says("expand")):
        if name == "extract" and call.plain(-1, "expand", True) is False:
            return combined([series, *call.all])
        lineage = direct(series.lineage | call.lineage, "TRANSFORMATION")
        return Frame({}, series.rows, series.index, Rest(None, lineage), series.space)
    if accessor == "dt" and name in {"isocalendar", "components"}:
        return Frame({}, series.rows, series.index, Rest(None, direct(series.lineage, "TRANSFORMATION")), series.space)
    if accessor == "str" and name == "cat" and not call.args:
        return Thing.of(direct(lineage_of(series), "AGGREGATION"))
    made = combined([series, *call.all])
    if isinstance(made, Series):
        made.name = series.name
    return made
