"""What is made of rows in groups, and of windows that move over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.run.columns.calls import Call, NotPlain, NotShown, combined, plain
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect
from pilotline.run.columns.frames import AGGREGATIONS, MASKING
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
    import ast

    from pilotline.run.columns.calls import Host
    from pilotline.run.columns.values import Label

__all__ = ["call_on_groups"]

_EACH_ROW: Final = frozenset({
    "cumsum", "cumprod", "cummax", "cummin", "shift", "diff", "pct_change", "rank", "ffill", "bfill", "fillna",
    "cumcount", "ngroup", "interpolate",
})  # fmt: skip
_SOME_ROWS: Final = frozenset(["head", "tail", "nth", "sample"])


def call_on_groups(host: Host, groups: Grouped, name: str, call: Call) -> Value:
    """What a method of groups or windows gives.

    Raises:
        NotShown: that is not known.
    """
    if groups.windows:
        return _windowed(host, groups, name, call)
    if name in {"agg", "aggregate"}:
        return _agg(host, groups, call)
    if name in AGGREGATIONS or name in {"ohlc", "describe", "asfreq"}:
        return _aggregated(groups, name)
    if name == "transform":
        return _transform(host, groups, call)
    if name in _EACH_ROW:
        return _each_row(groups, name, call)
    if name in _SOME_ROWS:
        return groups.of.picked(indirect(groups.by, "FILTER"))
    if name == "filter":
        found = host.call(call.args[0], [groups.of])
        return groups.of.picked(indirect(groups.by | lineage_of(found), "FILTER"))
    if name == "get_group":
        return groups.of.picked(indirect(groups.by | call.lineage, "FILTER"))
    if name == "apply":
        return _apply(host, groups, call)
    if name == "pipe":
        return host.call(call.args[0], [groups, *call.args[1:]])
    if name in {"rolling", "expanding", "ewm"}:
        return Grouped(groups.of, groups.keys, windows=True)
    if name == "value_counts" and isinstance(groups.of, Series):
        of = groups.of
        levels = (*groups.keys, (of.name, of.lineage))
        rows = _rows(groups) | indirect(of.lineage, "GROUP_BY")
        return Series(direct(of.lineage, "AGGREGATION", masked=True), rows, levels, name="count")
    if name in {"groups", "indices", "ngroups", "__len__"}:
        return Thing.of(groups.by | groups.of.rows)
    raise NotShown(f"the method {name} of groups is not read")


def _rows(groups: Grouped) -> Lineage:
    return groups.of.rows | indirect(groups.by, "GROUP_BY")


def _valued(groups: Grouped) -> tuple[dict[Label, Lineage], Rest | None]:
    """The columns that are no keys."""
    if isinstance(groups.of, Series):
        return {groups.of.name: groups.of.lineage}, None
    keys = {name for name, _ in groups.keys}
    columns = {name: lineage for name, lineage in groups.of.columns.items() if name not in keys}
    rest = groups.of.rest
    return columns, rest and Rest(rest.source, rest.lineage, rest.without | keys)


def _by_group(
    groups: Grouped, columns: dict[Label, Lineage], *, rest: Rest | None = None, maybe: bool = False
) -> Frame:
    rows, optional = _rows(groups), set(columns) if maybe else set["Label"]()
    if groups.as_index:
        return Frame(columns, rows, groups.keys, rest, maybe=optional)
    return Frame({**dict(groups.keys), **columns}, rows, (), rest, maybe=optional)


def _aggregated(groups: Grouped, name: str) -> Value:
    of = groups.of
    if name == "size":
        if groups.as_index:
            return Series(NOTHING, _rows(groups), groups.keys)
        return _by_group(groups, {"size": NOTHING})
    masked = name in MASKING
    extra = of.levels if name in {"idxmin", "idxmax"} else NOTHING
    if name in {"ohlc", "describe"}:
        columns, rest = _valued(groups)
        every = frozenset[object]().union(*columns.values()) if columns else NOTHING
        lineage = direct(frozenset(every) | (rest.all if rest else NOTHING), "AGGREGATION")  # type: ignore[arg-type]
        return _by_group(groups, {}, rest=Rest(None, lineage))
    if isinstance(of, Series) and groups.as_index:
        return Series(
            direct(of.lineage, "AGGREGATION", masked=masked) | extra, _rows(groups), groups.keys, name=of.name
        )
    columns, rest = _valued(groups)
    held = {label: direct(lineage, "AGGREGATION", masked=masked) | extra for label, lineage in columns.items()}
    if rest is not None:
        raise NotShown("the columns of the frame are not known")
    return _by_group(groups, held, maybe=isinstance(of, Frame))


def _how(host: Host, series: Series, how: Value) -> Lineage:
    """What aggregating a column gives."""
    match how:
        case Known(value=str(name)):
            extra = series.levels if name in {"idxmin", "idxmax"} else NOTHING
            if name == "size":
                return NOTHING
            return direct(series.lineage, "AGGREGATION", masked=name in MASKING) | extra
        case Function() | Bound():
            group = Series(series.lineage, series.rows, series.index, name=series.name)
            return direct(lineage_of(host.call(how, [group])), "AGGREGATION")
        case Library(gap=gap):
            return direct(series.lineage, "AGGREGATION") | gap
        case _:
            raise NotShown("how a column is aggregated is not read")


def _called(how: Value) -> str:
    match how:
        case Known(value=str(name)):
            return name
        case Library(path=path):
            return path.rpartition(".")[2]
        case Function(node=node):
            return _function_name(node)
        case _:
            raise NotShown("how a column is aggregated is not read")


def _function_name(node: ast.AST) -> str:
    return getattr(node, "name", "<lambda>")


def _column(groups: Grouped, name: Label) -> Series:
    of = groups.of
    if isinstance(of, Series):
        return of
    lineage = of.get(name)
    if lineage is None:
        raise NotShown(f"no column {name!r} is known here")
    return Series(lineage, of.rows, of.index, of.space, name)


def _agg(host: Host, groups: Grouped, call: Call) -> Value:
    spec = call.at(0, "func")
    columns: dict[Label, Lineage] = {}
    if spec is None:
        for out, how in call.named.items():
            if isinstance(how, Listed) and len(how.items) == 2 and not isinstance(groups.of, Series):
                column, function = how.items
                columns[out] = _how(host, _column(groups, _plain(column)), function)
            elif isinstance(groups.of, Series):
                columns[out] = _how(host, groups.of, how)
            else:
                raise NotShown("how a column is aggregated is not read")
        return _by_group(groups, columns)
    if isinstance(spec, Mapped) and spec.more is None:
        several = any(isinstance(how, Listed) for how in spec.items.values())
        for name, how in spec.items.items():
            series = _column(groups, name)
            for one in how.items if isinstance(how, Listed) else [how]:
                columns[(name, _called(one)) if several else name] = _how(host, series, one)
        found = _by_group(groups, columns)
        if several and not groups.as_index:
            found.columns = {
                (name, "") if name in dict(groups.keys) else name: held for name, held in found.columns.items()
            }
        return found
    hows = spec.items if isinstance(spec, Listed) else None
    if isinstance(groups.of, Series):
        if hows is None:
            if not groups.as_index:
                return _by_group(groups, {groups.of.name: _how(host, groups.of, spec)})
            return Series(_how(host, groups.of, spec), _rows(groups), groups.keys, name=groups.of.name)
        return _by_group(groups, {_called(how): _how(host, groups.of, how) for how in hows})
    valued, rest = _valued(groups)
    if rest is not None:
        raise NotShown("the columns of the frame are not known")
    for name in valued:
        series = _column(groups, name)
        for one in hows if hows is not None else [spec]:
            columns[(name, _called(one)) if hows is not None else name] = _how(host, series, one)
    return _by_group(groups, columns, maybe=True)


def _plain(value: Value) -> Label:
    try:
        return plain(value)
    except NotPlain:
        raise NotShown("which column is aggregated is not known") from None


def _over(groups: Grouped, made: dict[Label, Lineage], rest: Rest | None) -> Value:
    """Values for the rows that there were."""
    of = groups.of
    if isinstance(of, Series):
        found = of.made(next(iter(made.values())))
        found.name = of.name
        return found
    return of.like(made, rest=rest)


def _transform(host: Host, groups: Grouped, call: Call) -> Value:
    how = call.at(0, "func") or Known(None)
    window = indirect(groups.by, "WINDOW")
    columns, rest = _valued(groups)
    if rest is not None:
        raise NotShown("the columns of the frame are not known")
    made: dict[Label, Lineage] = {}
    for name, lineage in columns.items():
        series = Series(lineage, groups.of.rows, groups.of.index, groups.of.space, name)
        if isinstance(how, Known):
            masked = how.value in MASKING
            made[name] = direct(lineage, "AGGREGATION", masked=masked) | window
        else:
            made[name] = direct(lineage_of(host.call(how, [series])), "AGGREGATION") | window
    found = _over(groups, made, None)
    if isinstance(found, Frame):
        found.maybe = set(found.columns)
    return found


def _each_row(groups: Grouped, name: str, call: Call) -> Value:
    window = indirect(groups.by, "WINDOW")
    of = groups.of
    if name in {"cumcount", "ngroup"}:
        return Series(window, of.rows, of.index, of.space)
    columns, rest = _valued(groups)
    made = {label: direct(lineage, "TRANSFORMATION") | window | call.lineage for label, lineage in columns.items()}
    return _over(groups, made, rest and Rest(None, rest.all | window))


def _windowed(host: Host, groups: Grouped, name: str, call: Call) -> Value:
    if name not in AGGREGATIONS and name not in {"apply", "agg", "aggregate", "corr", "cov"}:
        raise NotShown(f"the method {name} of windows is not read")
    window = indirect(groups.by, "WINDOW")
    more = call.lineage
    for each in call.all:
        if isinstance(each, Function):
            more |= lineage_of(host.call(each, [Thing.of(NOTHING)]))
    columns, rest = _valued(groups)
    named = any(label is not None for label, _ in groups.keys)
    made = {label: direct(lineage, "AGGREGATION") | window | more for label, lineage in columns.items()}
    found = _over(groups, made, rest and Rest(None, direct(rest.all, "AGGREGATION") | window | more))
    if isinstance(found, Frame):
        found.maybe = set(found.columns)
        if isinstance(call.at(0, "func"), Listed | Mapped):
            raise NotShown("how columns of windows are named is not read")
    if named and isinstance(found, Frame | Series):
        # In groups, their keys come before the index that there was, and the rows lie group by group.
        found.index = (*groups.keys, *(groups.of.index or ((None, NOTHING),)))
        found.rows |= indirect(groups.by, "SORT")
        found.space = object()
    return found


def _apply(host: Host, groups: Grouped, call: Call) -> Value:
    if not call.args:
        raise NotShown("what is applied is not known")
    of = groups.of
    group = of.picked(indirect(groups.by, "GROUP_BY"))
    with host.perhaps(NOTHING):
        found = host.call(call.args[0], [group, *call.args[1:]])
    if isinstance(found, Row):
        columns = {name: lineage | found.of.rows for name, lineage in found.of.columns.items()}
        return _by_group(groups, columns, rest=found.of.rest)
    if isinstance(found, Frame):
        found.index = (*groups.keys, *(found.index or ((None, NOTHING),)))
        found.rows |= indirect(groups.by, "GROUP_BY")
        return found
    if isinstance(found, Thing | Known):
        lineage = combined([found])
        return (
            Series(lineage_of(lineage), _rows(groups), groups.keys)
            if groups.as_index
            else _by_group(groups, {None: lineage_of(lineage)})
        )
    raise NotShown("what is applied to groups gives is not read")
