"""What the methods of a frame of Polars, lazy or not, make of its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.run.columns.calls import Call, NotPlain, NotShown, known, plain
from pilotline.run.columns.edges import NOTHING, Lineage, direct, gaps, indirect, union
from pilotline.run.columns.expressions import (
    MASKING,
    ONE_VALUE,
    Piece,
    column_of,
    pieces_of,
    series,
    touched,
)
from pilotline.run.columns.values import (
    Bound,
    Expression,
    Frame,
    Function,
    Known,
    Library,
    Listed,
    Mapped,
    PolarsFrame,
    PolarsGroups,
    Rest,
    Thing,
    Value,
    lineage_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pilotline.run.columns.calls import Host

__all__ = [
    "attribute_of_polars", "call_on_polars", "call_on_polars_groups", "concatenated_polars", "item_of_polars", "polars_of", "selected",
]  # fmt: skip

_THE_SAME: Final = frozenset({
    "lazy", "collect", "clone", "rechunk", "cache", "shrink_to_fit", "set_sorted", "inspect", "__copy__", "__deepcopy__",
})  # fmt: skip
#: Rows by their place: which they are is decided by their order alone.
_BY_PLACE: Final = frozenset(
    {"head", "tail", "limit", "slice", "gather_every", "reverse", "first", "last", "gather", "sample"}
)
_EACH_VALUE: Final = frozenset({"fill_null", "fill_nan", "interpolate", "shift"})
_SHOWING: Final = frozenset({"glimpse", "show", "explain", "show_graph", "plot"})
#: Made of all that there is.
_WHOLE: Final = frozenset({
    "to_dict", "to_dicts", "to_numpy", "to_arrow", "to_init_repr", "rows", "row", "rows_by_key", "iter_rows",
    "equals", "item", "is_duplicated", "is_unique", "hash_rows", "serialize", "to_struct", "to_torch", "to_jax",
})  # fmt: skip


def call_on_polars(host: Host, frame: PolarsFrame, name: str, call: Call) -> Value:
    """What a method of a frame gives.

    Raises:
        NotShown: that is not known.
    """
    if call.says("in_place"):
        raise NotShown(f"what {name} does in place is not read", touches=True)
    if name in _METHODS:
        return _METHODS[name](host, frame, call)
    if name in _THE_SAME:
        return frame.picked(NOTHING)
    if name in _BY_PLACE:
        return frame.picked(indirect(call.lineage, "FILTER"))
    if name in _SHOWING or name.startswith(("write_", "sink_")):
        return Known(None)
    if name in _EACH_VALUE:
        more = touched(host, frame, call.all)
        return _each_column(frame, lambda lineage: direct(lineage | more, "TRANSFORMATION"))
    if name in ONE_VALUE:
        more = call.lineage
        return _each_column(frame, lambda lineage: direct(lineage | more, "AGGREGATION", masked=name in MASKING))
    if name in _WHOLE:
        return Thing.of(frame.all | frame.rows | call.lineage)
    raise NotShown(f"the method {name} of a frame of Polars is not read", touches=True)


def attribute_of_polars(frame: PolarsFrame, name: str) -> Value:
    """``frame.name``.

    Raises:
        NotShown: what is taken is not known.
    """
    if name == "columns":
        if not frame.closed:
            raise NotShown("the columns of the frame are not known")
        return known(list(frame.columns))
    if name == "width" and frame.closed:
        return Known(len(frame.columns))
    if name in {"shape", "height"}:
        return Thing.of(frame.rows)
    if name in {"schema", "dtypes", "flags"}:
        return Thing.of(frame.all | frame.rows)
    return Bound(frame, name)


def item_of_polars(host: Host, frame: PolarsFrame, key: Value) -> Value:
    """``frame[key]``.

    Raises:
        NotShown: what is taken is not known.
    """
    try:
        held = plain(key)
    except NotPlain:
        raise NotShown("what is taken is not known") from None
    if isinstance(held, str):
        return series(held, column_of(frame, held) | frame.rows)
    if isinstance(held, slice):
        return frame.picked(NOTHING)
    if isinstance(held, list) and held and all(isinstance(each, str) for each in held):
        return _select(host, frame, Call([key]))
    raise NotShown("columns are taken by their order")


def polars_of(value: Value) -> PolarsFrame | None:
    """A frame of pandas, or rows of an engine, as one of Polars, without an index; None for anything else."""
    if not isinstance(value, Frame):
        return value if isinstance(value, PolarsFrame) else None
    if value.maybe or not all(isinstance(name, str) for name in value.columns):
        return PolarsFrame({}, value.rows, Rest(None, value.all | value.levels))
    return PolarsFrame({str(name): lineage for name, lineage in value.columns.items()}, value.rows, value.rest)


# -- columns -----------------------------------------------------------------------------------------------------------


def _each_column(frame: PolarsFrame, what: Callable[[Lineage], Lineage]) -> PolarsFrame:
    rest = Rest(None, what(frame.rest.all)) if frame.rest is not None else None
    return PolarsFrame({name: what(lineage) for name, lineage in frame.columns.items()}, frame.rows, rest)


def _taken(host: Host, frame: PolarsFrame, call: Call) -> list[Piece]:
    """The columns that a call asks for, all by their names."""
    found = [piece for each in call.args for piece in pieces_of(host, frame, each)]
    for name, value in call.named.items():
        made = pieces_of(host, frame, value)
        if len(made) != 1:
            raise NotShown("which column gets which name is not known")
        found.append(Piece(name=name, lineage=made[0].lineage, free=made[0].free))
    for each in found:
        if each.name is None:
            raise NotShown(next((gap.why for gap in gaps(each.lineage)), "how a column is called is not known"))
    return found


def _named(pieces: Sequence[Piece]) -> dict[str, Lineage]:
    return {each.name: each.lineage for each in pieces if each.name is not None}


def selected(host: Host, frame: PolarsFrame, call: Call) -> PolarsFrame:
    """The columns that a call asks for, and no others.

    Raises:
        NotShown: they are not known.
    """
    pieces = _taken(host, frame, call)
    why = indirect(union(each.lineage for each in pieces if each.free), "FILTER")
    return PolarsFrame(_named(pieces), frame.rows | why)


def _select(host: Host, frame: PolarsFrame, call: Call) -> Value:
    return selected(host, frame, call)


def _with_columns(host: Host, frame: PolarsFrame, call: Call) -> Value:
    return PolarsFrame({**frame.columns, **_named(_taken(host, frame, call))}, frame.rows, frame.rest)


def _texts(call: Call, place: int, name: str) -> list[str]:
    """Columns that an argument names: texts, or expressions that do no more than name them."""
    found: list[str] = []
    value = call.at(place, name)
    for each in value.items if isinstance(value, Listed) and value.more is None else [value] if value else []:
        held = each.parts if isinstance(each, Expression) and each.operation == "col" else [each]
        for one in held:
            try:
                text = plain(one)
            except NotPlain:
                text = None
            if not isinstance(text, str) or text == "*" or text.startswith("^"):
                raise NotShown("which columns are meant is not known")
            found.append(text)
    return found


def _drop(host: Host, frame: PolarsFrame, call: Call) -> Value:
    gone = {each.root for value in call.args for each in pieces_of(host, frame, value)}
    rest = frame.rest and Rest(frame.rest.source, frame.rest.lineage, frame.rest.without | gone)
    return PolarsFrame({name: held for name, held in frame.columns.items() if name not in gone}, frame.rows, rest)


def _rename(host: Host, frame: PolarsFrame, call: Call) -> Value:
    how = call.at(0, "mapping") or Known(None)
    try:
        if isinstance(how, Function | Library | Bound):
            names = {name: str(plain(host.call(how, [Known(name)]))) for name in frame.columns}
        else:
            names = dict(plain(how))
    except (NotPlain, TypeError, ValueError):
        raise NotShown("which column gets which name is not known") from None
    if isinstance(how, Function | Library | Bound) and not frame.closed:
        raise NotShown("which column gets which name is not known")
    made = {names.get(name, name): lineage for name, lineage in frame.columns.items()}
    if frame.rest is None:
        return PolarsFrame(made, frame.rows)
    made |= {new: column_of(frame, old) for old, new in names.items() if old not in frame.columns}
    return PolarsFrame(made, frame.rows, Rest(frame.rest.source, frame.rest.lineage, frame.rest.without | set(names)))


def _cast(_: Host, frame: PolarsFrame, call: Call) -> Value:
    kinds = call.at(0, "dtypes")
    wanted = set(kinds.items) if isinstance(kinds, Mapped) and kinds.more is None else set[object]()
    if not wanted or not all(isinstance(each, str) for each in wanted):
        return _each_column(frame, lambda lineage: direct(lineage, "TRANSFORMATION"))
    made = frame.picked(NOTHING)
    made.columns |= {str(name): direct(column_of(frame, str(name)), "TRANSFORMATION") for name in wanted}
    return made


def _with_row_index(_: Host, frame: PolarsFrame, call: Call) -> Value:
    name = call.plain(0, "name", "index")
    return PolarsFrame({name: NOTHING, **frame.columns}, frame.rows, frame.rest)


def _get_column(_: Host, frame: PolarsFrame, call: Call) -> Value:
    name = str(call.plain(0, "name"))
    return series(name, column_of(frame, name) | frame.rows)


def _get_columns(_: Host, frame: PolarsFrame, __: Call) -> Value:
    if not frame.closed:
        raise NotShown("the columns of the frame are not known")
    return Listed([series(name, lineage | frame.rows) for name, lineage in frame.columns.items()])


def _to_series(_: Host, frame: PolarsFrame, call: Call) -> Value:
    if not frame.closed or len(frame.columns) != 1 or call.all:
        raise NotShown("columns are taken by their order")
    [(name, lineage)] = frame.columns.items()
    return series(name, lineage | frame.rows)


def _to_pandas(_: Host, frame: PolarsFrame, __: Call) -> Value:
    return Frame({**frame.columns}, frame.rows, (), frame.rest)


# -- rows --------------------------------------------------------------------------------------------------------------


def _columns_or_all(host: Host, frame: PolarsFrame, call: Call, name: str) -> Lineage:
    value = call.at(0, name)
    return frame.all if value is None else union(each.lineage for each in pieces_of(host, frame, value))


def _filter(host: Host, frame: PolarsFrame, call: Call) -> Value:
    found = [each.lineage for value in call.args for each in pieces_of(host, frame, value)]
    found += [column_of(frame, name) for name in call.named]
    found.append(touched(host, frame, call.named.values()))
    return frame.picked(indirect(union(found), "FILTER"))


def _without(host: Host, frame: PolarsFrame, call: Call) -> Value:
    return frame.picked(indirect(_columns_or_all(host, frame, call, "subset"), "FILTER"))


def _sort(host: Host, frame: PolarsFrame, call: Call) -> Value:
    by = [*call.args, *([call.named["by"]] if "by" in call.named else [])]
    return frame.picked(indirect(union(each.lineage for value in by for each in pieces_of(host, frame, value)), "SORT"))


def _top(host: Host, frame: PolarsFrame, call: Call) -> Value:
    many, by = call.at(0, "k") or Known(None), call.at(1, "by") or Known(None)
    return frame.picked(indirect(union(each.lineage for each in pieces_of(host, frame, by)) | lineage_of(many), "SORT"))


def _explode(host: Host, frame: PolarsFrame, call: Call) -> Value:
    names = [each.name for value in call.all for each in pieces_of(host, frame, value) if each.name is not None]
    made = frame.picked(indirect(union(column_of(frame, name) for name in names), "FILTER"))
    made.columns |= {name: direct(column_of(frame, name), "TRANSFORMATION") for name in names}
    return made


def _unpivot(_: Host, frame: PolarsFrame, call: Call) -> Value:
    index, on = _texts(call, -1, "index"), _texts(call, 0, "on")
    if not on:
        if not frame.closed:
            raise NotShown("the columns of the frame are not known")
        on = [name for name in frame.columns if name not in index]
    made = {name: column_of(frame, name) for name in index}
    made[call.plain(-1, "variable_name", None) or "variable"] = NOTHING
    made[call.plain(-1, "value_name", None) or "value"] = union(column_of(frame, name) for name in on)
    return PolarsFrame(made, frame.rows)


def _pivot(host: Host, frame: PolarsFrame, call: Call) -> Value:
    on, index, values = _texts(call, 0, "on"), _texts(call, -1, "index"), _texts(call, -1, "values")
    if not frame.closed or not on or not (index or values):
        raise NotShown("the columns of the frame are not known")
    index = index or [name for name in frame.columns if name not in on and name not in values]
    values = values or [name for name in frame.columns if name not in on and name not in index]
    by = indirect(union(column_of(frame, name) for name in (*on, *index)), "GROUP_BY")
    how = touched(host, frame, [call.named.get("aggregate_function", Known(None))])
    held = direct(union(column_of(frame, name) for name in values) | how, "AGGREGATION")
    # Which columns there are is in the data; what each is made of is not.
    return PolarsFrame({name: column_of(frame, name) for name in index}, frame.rows | by, Rest(None, held | by))


def _pipe(host: Host, frame: PolarsFrame, call: Call) -> Value:
    if call.named:
        raise NotShown("what is piped through is not read", touches=True)
    return host.call(call.args[0], [frame, *call.args[1:]])


# -- frames put together -----------------------------------------------------------------------------------------------


def _join(_: Host, frame: PolarsFrame, call: Call) -> Value:
    other = call.at(0, "other")
    if not isinstance(other, PolarsFrame) or not (frame.closed and other.closed):
        raise NotShown("the columns of the frames that are joined are not known")
    how = call.plain(2, "how", "inner")
    on = _texts(call, 1, "on")
    left, right = _texts(call, -1, "left_on") or on, _texts(call, -1, "right_on") or on
    keys = union([column_of(frame, name) for name in left] + [column_of(other, name) for name in right])
    rows = frame.rows | other.rows | indirect(keys, "JOIN")
    if how in {"semi", "anti"}:
        return PolarsFrame(dict(frame.columns), rows)
    if how not in {"inner", "left", "right", "full", "cross"}:
        raise NotShown(f"a join of the kind {how} is not read")
    coalesced = call.plain(-1, "coalesce", how != "full") and how != "cross"
    held = dict(frame.columns)
    added = dict(other.columns)
    if coalesced and how == "right":
        held = {name: lineage for name, lineage in held.items() if name not in left}
    elif coalesced:
        if how == "full":
            held |= {one: held[one] | other.columns[two] for one, two in zip(left, right, strict=True)}
        added = {name: lineage for name, lineage in added.items() if name not in right}
    suffix = call.plain(-1, "suffix", "_right")
    made = held | {f"{name}{suffix}" if name in held else name: lineage for name, lineage in added.items()}
    if len(made) != len(held) + len(added):
        raise NotShown("which column of a join is called how is not known")
    return PolarsFrame(made, rows)


def _hstack(host: Host, frame: PolarsFrame, call: Call) -> Value:
    columns = call.at(0, "columns")
    if isinstance(columns, PolarsFrame):
        return concatenated_polars([frame, columns], "horizontal")
    return _with_columns(host, frame, Call([columns or Known(None)]))


def _vstack(_: Host, frame: PolarsFrame, call: Call) -> Value:
    return concatenated_polars([frame, *call.args], "vertical")


def concatenated_polars(values: Sequence[Value], how: str) -> PolarsFrame:
    """Frames below, or beside, each other.

    Raises:
        NotShown: their columns are not known.
    """
    frames = [each for each in values if isinstance(each, PolarsFrame)]
    if len(frames) != len(values) or not frames or not all(each.closed for each in frames):
        raise NotShown("the columns of what is put together are not known")
    rows = union(each.rows for each in frames)
    names = dict.fromkeys(name for each in frames for name in each.columns)
    if how == "horizontal" and len(names) == sum(len(each.columns) for each in frames):
        return PolarsFrame({name: lineage for each in frames for name, lineage in each.columns.items()}, rows)
    if how.removesuffix("_relaxed") not in {"vertical", "diagonal"}:
        raise NotShown("how the columns of what is put together are matched is not read")
    return PolarsFrame({name: union(each.columns.get(name, NOTHING) for each in frames) for name in names}, rows)


# -- groups ------------------------------------------------------------------------------------------------------------


def _group_by(host: Host, frame: PolarsFrame, call: Call) -> Value:
    asked = {name: value for name, value in call.named.items() if name not in {"maintain_order", "by"}}
    by = [call.named["by"]] if "by" in call.named else []
    return PolarsGroups(frame, _named(_taken(host, frame, Call([*call.args, *by], asked))))


def _windows(host: Host, frame: PolarsFrame, call: Call) -> Value:
    """Groups by a time: of what is left of it, and of more columns where they are asked for."""
    if call.says("include_boundaries"):
        raise NotShown("the borders of windows are not read")
    over = _taken(host, frame, Call([call.at(0, "index_column") or Known(None)]))
    more = call.named.get("group_by")
    keys = [*(pieces_of(host, frame, more) if more is not None else []), *over]
    made = {name: direct(lineage, "TRANSFORMATION") for name, lineage in _named(over).items()}
    return PolarsGroups(frame, {**_named(keys), **made}, touched(host, frame, call.all))


def call_on_polars_groups(host: Host, groups: PolarsGroups, name: str, call: Call) -> Value:
    """What a method of groups gives.

    Raises:
        NotShown: that is not known.
    """
    frame = groups.of
    rows = groups.rows
    # All columns are those by which rows are not grouped.
    inside = PolarsFrame(
        {each: held for each, held in frame.columns.items() if each not in groups.keys}, rows, frame.rest
    )
    match name:
        case "agg":
            pieces = _taken(host, _Within(inside, frame), call)
            return PolarsFrame({**groups.keys, **_named(pieces)}, rows)
        case "having":
            found = [each.lineage for value in call.args for each in pieces_of(host, frame, value)]
            return PolarsGroups(frame, groups.keys, groups.why | indirect(union(found), "FILTER"))
        case "len" | "count":
            return PolarsFrame({**groups.keys, call.plain(0, "name", None) or name: NOTHING}, rows)
        case "head" | "tail":
            return PolarsFrame({**groups.keys, **inside.columns}, rows | indirect(call.lineage, "FILTER"), frame.rest)
        case _ if name in ONE_VALUE and frame.closed:
            made = _each_column(
                inside, lambda lineage: direct(lineage | call.lineage, "AGGREGATION", masked=name in MASKING)
            )
            return PolarsFrame({**groups.keys, **made.columns}, rows)
        case _:
            raise NotShown(f"the method {name} of groups of Polars is not read", touches=True)


class _Within(PolarsFrame):
    """A frame inside of groups: what groups it can be named, and is not among all columns."""

    def __init__(self, inside: PolarsFrame, whole: PolarsFrame) -> None:
        super().__init__(inside.columns, inside.rows, inside.rest)
        self._whole = whole

    def get(self, name: str) -> Lineage | None:
        """See ``PolarsFrame.get``."""
        return self._whole.get(name)


_METHODS: Final[Mapping[str, Callable[[Host, PolarsFrame, Call], Value]]] = {
    "select": _select, "select_seq": _select, "with_columns": _with_columns, "with_columns_seq": _with_columns,
    "drop": _drop, "rename": _rename, "cast": _cast, "with_row_index": _with_row_index, "get_column": _get_column,
    "get_columns": _get_columns, "to_series": _to_series, "to_pandas": _to_pandas, "filter": _filter, "remove": _filter,
    "drop_nulls": _without, "drop_nans": _without, "unique": _without, "sort": _sort, "top_k": _top, "bottom_k": _top,
    "explode": _explode, "unpivot": _unpivot, "pivot": _pivot, "pipe": _pipe, "join": _join,
    "hstack": _hstack, "vstack": _vstack, "group_by": _group_by, "group_by_dynamic": _windows, "rolling": _windows,
}  # fmt: skip
