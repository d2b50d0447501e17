"""Frames put together: joined by their columns or index, below or beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.access import columns_by
from pilotline.run.columns.calls import Call, NotShown
from pilotline.run.columns.edges import NOTHING, Lineage, indirect, union
from pilotline.run.columns.values import Frame, Known, Rest, Series, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.run.columns.calls import Host
    from pilotline.run.columns.values import Label

__all__ = ["concatenated", "join_method", "merge_method", "merged", "named_as"]


def merged(left: Frame, right: Frame, call: Call) -> Frame:
    """Two frames joined; the call has the named arguments of ``merge``.

    Raises:
        NotShown: which columns are whose is not known.
    """
    how = call.plain(-1, "how", "inner")
    on = call.labels(-1, "on")
    left_on, right_on = call.labels(-1, "left_on") or on, call.labels(-1, "right_on") or on
    by_left, by_right = call.says("left_index"), call.says("right_index")
    if how == "cross":
        left_on = right_on = []
    elif not (left_on or right_on or by_left or by_right):
        _both_known(left, right)
        left_on = right_on = [name for name in left.columns if name in right.columns]
    keys = (left.levels if by_left else columns_by(left, left_on)) | (
        right.levels if by_right else columns_by(right, right_on)
    )
    suffixes = call.plain(-1, "suffixes", ("_x", "_y"))
    same = [name for name, other in zip(left_on, right_on, strict=False) if name == other and not (by_left or by_right)]
    rests = [each.rest for each in (left, right) if each.rest is not None]
    if any(rest.source is not None for rest in rests):
        raise NotShown("the columns of a frame that is joined are not known")
    columns: dict[Label, Lineage] = {}
    for side, name, held in [
        *((0, name, held) for name, held in left.columns.items()),
        *((1, name, held) for name, held in right.columns.items()),
    ]:
        other = right if side == 0 else left
        if name in same:
            sides = {"left": [left], "inner": [left], "right": [right]}.get(how, [left, right])
            columns[name] = union(each.get(name) or NOTHING for each in sides)
        elif name in other.columns:
            new = f"{name}{suffixes[side]}" if suffixes[side] else name
            columns[new] = held
        else:
            columns[name] = held
    maybe = {name for name in columns if name in left.maybe or name in right.maybe}
    clash = {name for name in left.maybe if name in right.columns} | {
        name for name in right.maybe if name in left.columns
    }
    if clash - set(same):
        raise NotShown("whether both frames that are joined have a column of a name is not known")
    if call.says("indicator"):
        label = call.plain(-1, "indicator")
        columns[label if isinstance(label, str) else "_merge"] = indirect(keys, "JOIN")
    rows = left.rows | right.rows | indirect(keys, "JOIN")
    index = ()
    if by_left or by_right:
        level = (left.index or right.index or ((None, NOTHING),))[0][0]
        index = (
            (
                level,
                left.levels | right.levels | (columns_by(left, left_on) | columns_by(right, right_on)),
            ),
        )
        if by_left and by_right and len(left.index) == len(right.index) > 1:
            index = tuple((a, x | y) for (a, x), (_, y) in zip(left.index, right.index, strict=True))
    rest = Rest(None, union(each.all for each in (left, right))) if rests else None
    return Frame(columns, rows, index, rest, maybe=maybe)


def _both_known(left: Frame, right: Frame) -> None:
    if not (left.closed and right.closed) or left.maybe or right.maybe:
        raise NotShown("by which columns frames are joined is not known")


_MERGE: Final = ("right", "how", "on", "left_on", "right_on", "left_index", "right_index", "sort", "suffixes")


def merge_method(_: Host, frame: Frame, call: Call) -> Value:
    """What ``merge`` gives."""
    return merged(frame, _other_frame(call), named_as(call, _MERGE))


def named_as(call: Call, names: Sequence[str]) -> Call:
    """The same call with all arguments named."""
    given = dict(zip(names, call.args, strict=False)) | call.named
    return Call(
        [], {name: value for name, value in given.items() if not (isinstance(value, Known) and value.value is None)}
    )


def _other_frame(call: Call, place: int = 0, name: str = "right") -> Frame:
    other = call.at(place, name)
    if isinstance(other, Series) and other.name is not None:
        return Frame({other.name: other.lineage}, other.rows, other.index, space=other.space)
    if not isinstance(other, Frame):
        raise NotShown("the frame that is joined is not known")
    return other


def join_method(_: Host, frame: Frame, call: Call) -> Value:
    """What ``join`` gives."""
    other = _other_frame(call, name="other")
    given = named_as(call, ("other", "on", "how", "lsuffix", "rsuffix"))
    left, right = given.plain(-1, "lsuffix", ""), given.plain(-1, "rsuffix", "")
    named: dict[str, Value] = {"right_index": Known(True), "how": Known(given.plain(-1, "how", "left"))}
    named["suffixes"] = Known((left, right))
    on = given.labels(-1, "on")
    if on:
        named["left_on"] = Known(on)
    else:
        named["left_index"] = Known(True)
    found = merged(frame, other, Call([], named))
    if on:
        found.index = frame.index
    return found


def concatenated(values: Sequence[Value], call: Call) -> Value:
    """Frames or series one below, or beside, another.

    Raises:
        NotShown: the columns of one are not known.
    """
    beside = call.plain(1, "axis", 0) in {1, "columns"}
    if not all(isinstance(each, Frame | Series) for each in values):
        raise NotShown("what is put together is not known")
    held = [each for each in values if isinstance(each, Frame | Series)]
    rows = union(each.rows for each in held)
    if beside:
        if len({id(each.space) for each in held}) > 1:
            rows |= indirect(union(each.levels for each in held), "JOIN")
        columns: dict[Label, Lineage] = {}
        for each in held:
            parts = each.columns if isinstance(each, Frame) else {each.name: each.lineage}
            if (isinstance(each, Frame) and not each.closed) or set(parts) & set(columns) or None in parts:
                raise NotShown("the columns of what is put side by side are not known")
            columns |= parts
        same = all(each.space is held[0].space for each in held)
        index = held[0].index if same else _levels(held)
        maybe = set[Any]().union(*(each.maybe for each in held if isinstance(each, Frame)))
        return Frame(columns, rows, index, None, held[0].space if same else object(), maybe)
    index = () if call.says("ignore_index") else _levels(held)
    if call.named.get("keys") is not None:
        index = ((None, call.lineage), *(index or ((None, NOTHING),)))
    if all(isinstance(each, Series) for each in held):
        series = [each for each in held if isinstance(each, Series)]
        name = series[0].name if len({each.name for each in series}) == 1 else None
        return Series(union(each.lineage for each in series), rows, index, name=name)
    frames = [each if isinstance(each, Frame) else Frame({each.name: each.lineage}) for each in held]
    if not all(each.closed for each in frames):
        raise NotShown("the columns of what is put together are not known")
    names = dict.fromkeys(name for each in frames for name in each.columns)
    if call.plain(-1, "join", "outer") == "inner":
        names = {name: None for name in names if all(name in each.columns for each in frames)}
    columns = {name: union(each.get(name) or NOTHING for each in frames) for name in names}
    maybe = {name for name in names if all(name in each.maybe or name not in each.columns for each in frames)}
    return Frame(columns, rows, index, maybe=maybe)


def _levels(held: Sequence[Frame | Series]) -> Any:
    names = [[name for name, _ in each.index] for each in held]
    if all(each == names[0] for each in names):
        return tuple((name, union(each.index[place][1] for each in held)) for place, name in enumerate(names[0])) or (
            (None, NOTHING),
        )
    return ((None, union(each.levels for each in held)),)
