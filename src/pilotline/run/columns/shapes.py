"""Frames in another shape: long, wide, in groups across."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.run.columns.access import columns_by
from pilotline.run.columns.calls import NotShown, combined
from pilotline.run.columns.edges import NOTHING, direct, indirect, union
from pilotline.run.columns.values import Frame, Rest, Series, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.run.columns.calls import Call, Host
    from pilotline.run.columns.values import Label

__all__ = ["asfreq", "explode", "melt", "pivot", "pivot_table", "stack"]


def melt(_: Host, frame: Frame, call: Call) -> Value:
    """Columns below each other."""
    kept, melted = call.labels(0, "id_vars"), call.labels(1, "value_vars")
    if not melted:
        if not frame.closed:
            raise NotShown("the columns of the frame are not known")
        melted = [name for name in frame.columns if name not in kept]
    columns = {name: columns_by(frame, [name]) for name in kept}
    columns[call.plain(2, "var_name", None) or "variable"] = NOTHING
    columns[call.plain(3, "value_name", None) or "value"] = union(columns_by(frame, [name]) for name in melted)
    made = Frame(columns, frame.rows)
    if call.named.get("ignore_index") is not None:
        made.index = frame.index
    return made


def pivot(_: Host, frame: Frame, call: Call) -> Value:
    """Values become columns."""
    index, columns, values = call.labels(-1, "index"), call.labels(-1, "columns"), call.labels(-1, "values")
    return _pivoted(frame, index, columns, values, aggregated=False)


def pivot_table(_: Host, frame: Frame, call: Call) -> Value:
    """A table of groups."""
    values, index, columns = call.labels(0, "values"), call.labels(1, "index"), call.labels(2, "columns")
    return _pivoted(frame, index, columns, values, aggregated=True)


def _pivoted(
    frame: Frame, index: Sequence[Label], columns: Sequence[Label], values: Sequence[Label], *, aggregated: bool
) -> Value:
    if not values:
        if not frame.closed:
            raise NotShown("the columns of the frame are not known")
        values = [name for name in frame.columns if name not in index and name not in columns]
    held = {name: columns_by(frame, [name]) for name in values}
    if aggregated:
        held = {name: direct(lineage, "AGGREGATION") for name, lineage in held.items()}
    levels = tuple((name, columns_by(frame, [name])) for name in index) or frame.index
    by = union(lineage for _, lineage in levels) | columns_by(frame, columns)
    rows = frame.rows | indirect(by, "GROUP_BY")
    if aggregated and not columns:
        return Frame(held, rows, levels, maybe=set(held))
    # Which columns there are is in the data; what each is made of is not.
    return Frame({}, rows, levels, Rest(None, union(held.values()) | indirect(by, "GROUP_BY")))


def explode(_: Host, frame: Frame, call: Call) -> Value:
    """A row for each item of a list."""
    names = call.labels(0, "column")
    made = frame.picked(indirect(columns_by(frame, names), "FILTER"))
    for name in names:
        made.columns[name] = direct(columns_by(frame, [name]), "TRANSFORMATION")
    if call.says("ignore_index"):
        made.index = ()
    return made


def stack(_: Host, frame: Frame, __: Call) -> Value:
    """Columns become a level of the index."""
    levels = (*(frame.index or ((None, NOTHING),)), (None, NOTHING))
    return Series(frame.all, frame.rows | indirect(frame.all, "FILTER"), levels)


def asfreq(_: Host, frame: Frame, call: Call) -> Value:
    """A row for each time of a frequency."""
    made = frame.picked(indirect(frame.levels | call.lineage, "JOIN"))
    return combined([made])
