"""What is taken out of a value by brackets or a dot, and what is put into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.calls import (
    NotPlain,
    NotShown,
    change,
    combined,
    either,
    fitted,
    known,
    labels_of,
    plain,
    set_column,
    spoil,
)
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect, union
from pilotline.run.columns.expressions import named_columns
from pilotline.run.columns.names import OF_FRAMES, OF_RESULTS, TIMES
from pilotline.run.columns.polars_frames import attribute_of_polars, item_of_polars
from pilotline.run.columns.values import (
    Bound,
    Cell,
    Expression,
    Frame,
    Function,
    Grouped,
    Known,
    Library,
    Listed,
    Mapped,
    Module,
    PolarsFrame,
    PolarsGroups,
    Rest,
    Row,
    Series,
    Thing,
    Value,
    join,
    lineage_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.run.columns.calls import Host
    from pilotline.run.columns.values import Label

__all__ = [
    "columns_by", "count_of", "get_attribute", "get_item", "index_of", "items_of", "series_of", "set_attribute",
    "set_item", "some_columns", "unpacked", "values_of",
]  # fmt: skip

_MOST_ITEMS: Final = 1000
_ACCESSORS: Final = frozenset({
    "str", "dt", "cat", "loc", "iloc", "at", "iat", "columns", "plot", "style", "sparse",
})  # fmt: skip
#: Of frames and series: how many rows there are, or whether they are sorted and the like.
_OF_ROWS: Final = frozenset({"shape", "size", "empty", "ndim"})


def series_of(frame: Frame, name: Label) -> Series:
    """One column of a frame.

    Raises:
        NotShown: it is not known to be there.
    """
    lineage = frame.get(name)
    if lineage is None:
        raise NotShown(f"no column {name!r} is known here")
    made = Series(lineage, frame.rows, frame.index, frame.space, name, origin=(frame, name))
    frame.parts.append((name, made))
    return made


def columns_by(frame: Frame, labels: Sequence[Label]) -> Lineage:
    """What columns, or levels of the index, were made of.

    Raises:
        NotShown: one is not known to be there.
    """
    found: list[Lineage] = []
    for label in labels:
        lineage = frame.get(label)
        if lineage is None:
            lineage = next((held for name, held in frame.index if name == label), None)
        if lineage is None:
            raise NotShown(f"no column {label!r} is known here")
        found.append(lineage)
    return union(found)


def some_columns(frame: Frame, names: list[Label]) -> Frame:
    """Some columns of a frame, as a frame of its own.

    Raises:
        NotShown: one is not known to be there.
    """
    found: dict[Label, Lineage] = {}
    for name in names:
        lineage = frame.get(name)
        if lineage is None:
            raise NotShown(f"no column {name!r} is known here")
        found[name] = lineage
    return frame.like(found)


def index_of(value: Frame | Series) -> Series:
    """The index as values."""
    name = value.index[0][0] if len(value.index) == 1 else None
    return Series(value.levels, value.rows, (), value.space, name, array=True, owner=value)


def values_of(frame: Frame) -> Thing:
    """The values of a frame as an array, which may be the frame's own."""
    return Thing(Cell(frame.all | frame.rows), "values", {"of": frame})


def _slice_of(frame: Frame | Series, why: Lineage) -> Frame | Series:
    """Some rows that lie beside each other: what is changed there may be changed here."""
    made = frame.picked(why)
    if isinstance(frame, Frame) and isinstance(made, Frame):
        made.view_of = frame
        frame.parts.append((None, made))
    elif isinstance(frame, Series) and isinstance(made, Series):
        made.origin = frame.origin
    return made


# -- taken by brackets -------------------------------------------------------------------------------------------------


def get_item(host: Host, of: Value, key: Value) -> Value:
    """``of[key]``.

    Raises:
        NotShown: what is taken is not known.
    """
    match of:
        case Frame():
            return _of_frame(of, key)
        case Series():
            return _of_series(of, key)
        case Bound(of=Frame() | Series() as inner, name="loc" | "at"):
            return _by_label(host, inner, key)
        case Bound(of=Frame() | Series() as inner, name="iloc" | "iat"):
            return _by_place(inner, key)
        case Bound(of=Series() as inner, name="str"):
            return combined([inner, key])
        case Bound(of=Frame(), name="columns") | Known():
            return _of_plain(of, key)
        case Grouped(of=Frame() as frame):
            labels = _plain(key, "which columns are taken is not known")
            taken = series_of(frame, labels) if not isinstance(labels, list) else some_columns(frame, labels)
            return Grouped(taken, of.keys, of.as_index, of.windows)
        case Row(of=frame):
            label = _plain(key, "which column is taken is not known")
            if isinstance(label, list):
                return Row(some_columns(frame, label))
            return Thing.of(series_of(frame, label).lineage | frame.rows)
        case Listed():
            return _of_list(of, key)
        case Mapped():
            return _of_dict(of, key)
        case Thing(cell=cell):
            more = lineage_of(key)
            part = Thing(cell, of.kind, of.named) if of.kind == "values" else Thing(cell)
            return Thing.of(cell.lineage | direct(more, "TRANSFORMATION")) if more else part
        case Bound(of=Thing(cell=cell)):
            return Thing(cell)
        case Library():
            return Thing.of(lineage_of(key))
        case PolarsFrame():
            return item_of_polars(host, of, key)
        case Expression():
            return Thing.of(lineage_of(of) | lineage_of(key))
        case _:
            raise NotShown("what is taken by brackets is not read")


def _plain(key: Value, why: str) -> Any:
    try:
        return plain(key)
    except NotPlain:
        raise NotShown(why) from None


def _of_frame(frame: Frame, key: Value) -> Value:
    if isinstance(key, Series):
        return frame.picked(indirect(fitted(key, frame), "FILTER"))
    if isinstance(key, Frame):
        return combined([frame, key])
    label = _plain(key, "which column is taken is not known")
    if isinstance(label, slice):
        bounds = [label.start, label.stop, label.step]
        places = all(each is None or isinstance(each, int) for each in bounds)
        return _slice_of(frame, NOTHING if places else indirect(frame.levels, "FILTER"))
    if isinstance(label, list):
        if label and all(isinstance(each, bool) for each in label):
            return frame.picked(NOTHING)
        return some_columns(frame, list(label))
    return series_of(frame, label)


def _of_series(series: Series, key: Value) -> Value:
    if isinstance(key, Series):
        return series.picked(indirect(fitted(key, series) | series.levels, "FILTER"))
    if isinstance(key, Known) and isinstance(key.value, slice):
        return _slice_of(series, indirect(series.levels, "FILTER"))
    if isinstance(key, Listed) or (isinstance(key, Thing) and key.kind == "slice"):
        return series.picked(indirect(lineage_of(key) | series.levels, "FILTER"))
    return Thing.of(series.lineage | series.rows | indirect(lineage_of(key) | series.levels, "FILTER"))


def _split(of: Frame | Series, key: Value) -> tuple[Value, Value | None]:
    """The rows and the columns that ``loc`` names."""
    if (
        isinstance(of, Frame)
        and isinstance(key, Listed)
        and key.sort is tuple
        and len(key.items) == 2
        and not of.index[1:]
    ):
        return key.items[0], key.items[1]
    return key, None


def _is_all(key: Value | None) -> bool:
    return key is None or (isinstance(key, Known) and key.value == slice(None))


def _by_label(host: Host, of: Frame | Series, key: Value) -> Value:
    rows, columns = _split(of, key)
    if isinstance(rows, Function):
        rows = host.call(rows, [of])
    taken: Frame | Series = of
    if isinstance(of, Frame) and not _is_all(columns):
        label = _plain(columns or Known(None), "which columns are taken is not known")
        if isinstance(label, slice) or (isinstance(label, list) and any(isinstance(each, bool) for each in label)):
            raise NotShown("columns are taken by their order")
        taken = some_columns(of, label) if isinstance(label, list) else series_of(of, label)
    if _is_all(rows):
        return taken
    if isinstance(rows, Series):
        why = fitted(rows, of) | (of.levels if rows.space is not of.space else NOTHING)
        return taken.picked(indirect(why, "FILTER"))
    why = indirect(lineage_of(rows) | of.levels, "FILTER")
    if isinstance(rows, Known) and not isinstance(rows.value, slice | list):
        if isinstance(taken, Series):
            return Thing.of(taken.lineage | taken.rows | why)
        return Row(taken.picked(why))
    return _slice_of(taken, why) if isinstance(rows, Known) else taken.picked(why)


def _by_place(of: Frame | Series, key: Value) -> Value:
    rows, columns = _split(of, key)
    if not _is_all(columns):
        raise NotShown("columns are taken by their order")
    if isinstance(rows, Series):
        return of.picked(indirect(fitted(rows, of), "FILTER"))
    if isinstance(rows, Known) and isinstance(rows.value, int):
        return Thing.of(of.lineage | of.rows) if isinstance(of, Series) else Row(of.copy())
    return _slice_of(of, indirect(lineage_of(rows), "FILTER"))


def _of_plain(of: Value, key: Value) -> Value:
    held = _plain(of, "the columns of the frame are not known")
    try:
        return known(held[plain(key)])
    except NotPlain:
        return Thing.of(lineage_of(key))
    except (LookupError, TypeError):
        raise NotShown("what is taken is not there") from None


def _of_list(of: Listed, key: Value) -> Value:
    try:
        held = plain(key)
        if of.more is None and not of.lineage and isinstance(held, slice):
            return Listed(of.items[held], sort=of.sort)
        if of.more is None and not of.lineage and isinstance(held, int):
            return of.items[held]
    except (NotPlain, IndexError):
        pass
    every = [*of.items, *([of.more] if of.more else [])]
    found = either(every) if every else Known(None)
    more = of.lineage | indirect(lineage_of(key), "CONDITIONAL")
    return Thing.of(lineage_of(found) | more) if more else found


def _of_dict(of: Mapped, key: Value) -> Value:
    try:
        held = plain(key)
        if held in of.items:
            found = of.items[held]
            if of.more is not None:
                found = join(found, of.more)
            return Thing.of(lineage_of(found) | of.lineage) if of.lineage else found
        if of.more is not None and not of.lineage:
            return of.more
    except (NotPlain, TypeError):
        pass
    return Thing.of(lineage_of(of) | direct(lineage_of(key), "TRANSFORMATION"))


# -- taken by a dot ----------------------------------------------------------------------------------------------------


def get_attribute(host: Host, of: Value, name: str) -> Value:
    """``of.name``.

    Raises:
        NotShown: what is taken is not known.
    """
    match of:
        case Library(path="polars.col"):
            return named_columns(host, Known(name))
        case Library(path=path):
            return Library(f"{path}.{name}", of.gap)
        case Frame() | Series() if name in _OF_ROWS:
            return Thing.of(of.rows)
        case Frame() | Series() if name == "index":
            return index_of(of)
        case PolarsFrame():
            return attribute_of_polars(of, name)
        case Frame():
            return _attribute_of_frame(of, name)
        case Series():
            return _attribute_of_series(of, name)
        case Bound(of=Series() as series, name="dt") if name in TIMES:
            return combined([series]) if name != "components" else Bound(of, name)
        case Bound(of=Series() as series, name="cat") if name in {"codes", "categories", "ordered"}:
            return combined([series]) if name == "codes" else Thing.of(series.lineage | series.rows)
        case Row(of=frame) if name not in OF_FRAMES:
            return Thing.of(series_of(frame, name).lineage | frame.rows)
        case Grouped(of=Frame() as frame) if name not in OF_FRAMES and frame.get(name) is not None:
            return get_item(host, of, Known(name))
        case _:
            return Bound(of, name)


def _attribute_of_frame(frame: Frame, name: str) -> Value:
    if name in _ACCESSORS:
        return Bound(frame, name)
    if name == "values":
        return values_of(frame)
    if name == "T":
        return Frame({}, NOTHING, (), Rest(None, lineage_of(frame)))
    if name == "dtypes":
        return Thing.of(lineage_of(frame))
    if name in OF_FRAMES or (name in OF_RESULTS and name not in frame.columns):
        return Bound(frame, name)
    return series_of(frame, name)


def _attribute_of_series(series: Series, name: str) -> Value:
    if name in {"values", "array"}:
        made = series.made(series.lineage, array=True)
        made.origin = series.origin
        return made
    if name == "name":
        return Known(series.name) if series.name is not None else Thing.of(NOTHING)
    if name == "T":
        return series
    if name in TIMES and name != "freq":
        return combined([series])
    if (
        name in {"is_unique", "is_monotonic_increasing", "is_monotonic_decreasing", "hasnans", "nunique"}
        and name != "nunique"
    ):
        return Thing.of(direct(series.lineage, "AGGREGATION") | series.rows)
    return Bound(series, name)


# -- put in ------------------------------------------------------------------------------------------------------------


def set_item(host: Host, of: Value, key: Value, value: Value) -> None:
    """``of[key] = value``."""
    match of:
        case Frame():
            _into_frame(host, of, key, value)
        case Series():
            change(host, of, indirect(fitted(key, of) | of.levels, "CONDITIONAL") | fitted(value, of))
        case Bound(of=Frame() as frame, name="loc" | "at"):
            _into_rows(host, frame, key, value)
        case Bound(of=Series() as series, name="loc" | "at" | "iloc" | "iat"):
            set_item(host, series, key, value)
        case Mapped(items=items):
            try:
                label = plain(key)
                items[label] = join(items[label], value) if host.weak and label in items else value
            except (NotPlain, TypeError):
                of.more = value if of.more is None else join(of.more, value)
                of.lineage |= lineage_of(key)
            of.lineage |= host.control
        case Listed(items=items):
            _into_list(host, of, items, key, value)
        case Row(of=frame):
            label = _plain(key, "which column is filled is not known")
            set_column(host, frame, label, lineage_of(value))
        case Thing() | Bound(of=Thing()):
            change(host, of, lineage_of(key) | lineage_of(value))
        case Library() if not lineage_of(value):
            pass
        case Bound(of=Library()) if not lineage_of(value):
            pass
        case _:
            gap = host.gap("where something is put is not known")
            spoil(of, gap)


def _into_list(host: Host, of: Listed, items: list[Value], key: Value, value: Value) -> None:
    try:
        place = plain(key)
        items[place] = join(items[place], value) if host.weak else value
    except (NotPlain, TypeError, IndexError):
        of.more = either([*items, *([of.more] if of.more else []), value])
        items.clear()
        of.lineage |= lineage_of(key)
    of.lineage |= host.control


def _into_frame(host: Host, frame: Frame, key: Value, value: Value) -> None:
    if isinstance(key, Series):
        why = indirect(fitted(key, frame), "CONDITIONAL")
        change(host, frame, why | fitted(value, frame))
        return
    if isinstance(key, Frame):
        change(host, frame, indirect(lineage_of(key), "CONDITIONAL") | lineage_of(value))
        return
    try:
        label = plain(key)
    except NotPlain:
        spoil(frame, host.gap("which column is filled is not known"))
        return
    if isinstance(label, slice):
        change(host, frame, lineage_of(value))
    elif isinstance(label, list):
        names = labels_of(label)
        if isinstance(value, Frame) and value.closed and not value.maybe and len(value.columns) == len(names):
            along = (
                NOTHING if value.space is frame.space else value.rows | indirect(value.levels | frame.levels, "JOIN")
            )
            for name, lineage in zip(names, list(value.columns.values()), strict=True):
                set_column(host, frame, name, lineage | along)
        else:
            for name in names:
                set_column(host, frame, name, fitted(value, frame))
    else:
        set_column(host, frame, label, fitted(value, frame))


def _into_rows(host: Host, frame: Frame, key: Value, value: Value) -> None:
    rows, columns = _split(frame, key)
    names: list[Label] | None = None
    if not _is_all(columns):
        try:
            held = plain(columns or Known(None))
        except NotPlain:
            held = slice(None)
        if isinstance(held, slice):
            spoil(frame, host.gap("which column is filled is not known"))
            return
        names = labels_of(held)
    if _is_all(rows) and names is not None and len(names) == 1:
        set_column(host, frame, names[0], fitted(value, frame))
        return
    if isinstance(rows, Function):
        rows = host.call(rows, [frame])
    why = fitted(rows, frame) | (
        frame.levels if not (isinstance(rows, Series) and rows.space is frame.space) else NOTHING
    )
    lineage = indirect(why, "CONDITIONAL") | fitted(value, frame)
    absent = [name for name in names or () if frame.get(name) is None]
    for name in absent:
        set_column(host, frame, name, lineage)
    change(host, frame, lineage, None if names is None else [name for name in names if name not in absent])


def set_attribute(host: Host, of: Value, name: str, value: Value) -> None:
    """``of.name = value``."""
    match of, name:
        case Frame(), "columns":
            _rename_all(host, of, value)
        case Frame() | Series(), "index":
            level = value.name if isinstance(value, Series) else None
            of.index = ((level, lineage_of(value) | host.control),)
            of.space = object()
        case Series(owner=owner), "name" | "names" if owner is not None:
            names = labels_of(_plain_or(value, None))
            if len(names) == len(owner.index):
                owner.index = tuple((new, lineage) for new, (_, lineage) in zip(names, owner.index, strict=True))
        case Series(), "name":
            of.name = _plain_or(value, None)
        case Frame(), _ if name not in OF_FRAMES and of.get(name) is not None:
            set_column(host, of, name, fitted(value, of))
        case Thing(), _:
            change(host, of, lineage_of(value))
        case Module(scope=scope), _:
            scope.names[name] = join(scope.names[name], value) if host.weak and name in scope.names else value
        case ((Library() | Frame() | Series() | Bound(of=Library())), _) if not lineage_of(value):
            pass
        case _:
            spoil(of, host.gap(f"what is put into .{name} is not known"))


def _plain_or(value: Value, default: Any) -> Any:
    try:
        return plain(value)
    except NotPlain:
        return default


def _rename_all(host: Host, frame: Frame, value: Value) -> None:
    names = _plain_or(value, None)
    if names is None or host.weak or not frame.closed or frame.maybe or len(names) != len(frame.columns):
        gap = host.gap("which column gets which name is not known")
        frame.rest = Rest(None, gap | frame.all)
        frame.columns = {}
        return
    frame.columns = dict(zip(names, frame.columns.values(), strict=True))


# -- gone through ------------------------------------------------------------------------------------------------------


def items_of(value: Value) -> list[Value] | None:
    """The items of a list and the like, one by one; None where they are not known one by one."""
    match value:
        case Listed(items=items, more=None, lineage=lineage) if not lineage and len(items) <= _MOST_ITEMS:
            return list(items)
        case Mapped(items=items, more=None, lineage=lineage) if not lineage and len(items) <= _MOST_ITEMS:
            return [known(key) for key in items]
        case Known(value=str() | range() as held) if len(held) <= _MOST_ITEMS:
            return [known(each) for each in held]
        case Frame() | Bound(of=Frame(), name="columns"):
            frame = value if isinstance(value, Frame) else value.of
            if isinstance(frame, Frame) and frame.closed and not frame.maybe:
                return [known(each) for each in frame.columns]
            return None
        case _:
            return None


def count_of(value: Value) -> Lineage:
    """What decided how many items there are to go through, and in which order."""
    match value:
        case Listed(lineage=lineage) | Mapped(lineage=lineage):
            return lineage
        case Series(rows=rows):
            return rows
        case Grouped(of=of):
            return of.rows | indirect(value.by, "GROUP_BY")
        case PolarsGroups():
            return value.rows
        case _:
            return lineage_of(value)


def unpacked(host: Host, value: Value) -> Value:
    """Any one of the items of what is gone through."""
    match value:
        case Listed(items=items, more=more, lineage=lineage):
            every = [*items, *([more] if more else [])]
            found = either(every) if every else Known(None)
            return Thing.of(lineage_of(found) | lineage) if lineage else found
        case Series():
            return Thing.of(value.lineage | value.rows)
        case Grouped(of=of):
            why = indirect(value.by, "GROUP_BY")
            return Listed([Thing.of(value.by), of.picked(why)], sort=tuple)
        case PolarsGroups(of=of, keys=keys):
            return Listed([Listed([], Thing.of(union(keys.values()))), of.picked(value.rows)], sort=tuple)
        case Frame() | Bound(of=Frame(), name="columns"):
            return Thing.of(host.gap("the columns of the frame are not known"))
        case Thing(cell=cell):
            return Thing(cell)
        case _:
            return Thing.of(lineage_of(value))
