"""What the readers of single calls are given, and what they ask of the machine that reads the code around."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect, union
from pilotline.run.columns.values import (
    Bound,
    Expression,
    Frame,
    Grouped,
    Known,
    Listed,
    Mapped,
    PolarsFrame,
    PolarsGroups,
    Rest,
    Series,
    Thing,
    Value,
    join,
    lineage_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from pilotline.run.columns.values import Label

__all__ = [
    "Call", "Host", "NotPlain", "NotShown", "OwnModule", "Sources", "change", "combined", "either", "fitted", "known", "labels_of", "picked_by", "plain",
    "set_column", "spoil",
]  # fmt: skip


class NotShown(Exception):
    """What a call makes of its arguments cannot be told.

    Args:
        why: for people.
        touches: it may change its arguments.
    """

    def __init__(self, why: str, *, touches: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.touches = touches


class NotPlain(Exception):
    """A value is not plain data that stands in the code."""


class OwnModule(NamedTuple):
    """A module of the project's own that the pipeline imports."""

    text: str
    #: What it is called where something in it is not shown.
    file: str
    #: What ``.`` stands for in what it imports.
    package: str


class Sources(Protocol):
    """Where data come from, and code."""

    def module(self, name: str) -> OwnModule | None:
        """A module of the project's own, by its dotted name; None where it is no such."""
        ...

    def file(self, path: str, call: Call | None, kind: str) -> Frame | None:
        """What is read from a file; of this kind, such as ``csv``; None where it is no file of the pipeline's."""
        ...

    def table(self, name: str) -> Value | None:
        """What is read from a table of the lake; None where there is none."""
        ...


class Host(Protocol):
    """The machine that reads the code around a call."""

    sources: Sources
    #: Conditions that what is read now stands under.
    control: Lineage
    #: It may not happen, so what was before may still be.
    weak: int

    def gap(self, why: str) -> Lineage:
        """A gap at the line that is read now."""
        ...

    def call(self, function: Value, arguments: Sequence[Value]) -> Value:
        """What a function gives."""
        ...

    def look_up(self, name: str) -> Value | None:
        """What a name stands for where the call is."""
        ...

    def names(self) -> dict[str, Value]:
        """All that can be named where the call is."""
        ...

    def perhaps(self, condition: Lineage) -> AbstractContextManager[None]:
        """What is read meanwhile may not happen, or more than once."""
        ...


@dataclass(slots=True)
class Call:
    """The arguments of a call."""

    args: list[Value]
    named: dict[str, Value] = field(default_factory=dict[str, Value])

    def at(self, place: int, name: str = "") -> Value | None:
        """An argument by place or name; None where it was not given."""
        if 0 <= place < len(self.args):
            return self.args[place]
        found = self.named.get(name)
        return None if isinstance(found, Known) and found.value is None else found

    def plain(self, place: int, name: str = "", default: Any = None) -> Any:
        """An argument that is plain data.

        Raises:
            NotShown: it is made of data, or not known.
        """
        found = self.at(place, name)
        if found is None:
            return default
        try:
            return plain(found)
        except NotPlain:
            raise NotShown(f"{name or 'an argument'} is not written out") from None

    def labels(self, place: int, name: str) -> list[Label]:
        """An argument that names columns, one or several; none where it was not given."""
        return labels_of(self.plain(place, name, []))

    def says(self, name: str) -> bool:
        """Whether a named argument is given and true, as far as is known."""
        found = self.named.get(name)
        return found is not None and not (isinstance(found, Known) and not found.value)

    @property
    def lineage(self) -> Lineage:
        """What all arguments were made of."""
        return union(lineage_of(each) for each in self.all)

    @property
    def all(self) -> list[Value]:
        """All arguments."""
        return [*self.args, *self.named.values()]


def labels_of(held: Any) -> list[Label]:
    """One label or several as a list; a tuple is a label of several parts only inside a list."""
    return list(held) if isinstance(held, list | tuple | set) else [held]


def plain(value: Value) -> Any:
    """Plain data as Python has it.

    Raises:
        NotPlain: it is something else.
    """
    match value:
        case Known(value=held):
            return held
        case Listed(items=items, more=None, sort=sort, lineage=lineage) if not lineage:
            return sort(plain(each) for each in items)
        case Mapped(items=items, more=None, lineage=lineage) if not lineage:
            return {key: plain(each) for key, each in items.items()}
        case Bound(of=Frame() as frame, name="columns") if frame.closed and not frame.maybe:
            return list(frame.columns)
        case _:
            raise NotPlain


def known(held: Any) -> Value:
    """Plain data as a value; what can be changed in place as an object of its own."""
    match held:
        case list() | tuple() | set() | frozenset():
            return Listed([known(each) for each in held], sort=type(held))
        case dict():
            return Mapped({key: known(each) for key, each in held.items()})
        case _:
            return Known(held)


def fitted(value: Value, rows: Frame | Series) -> Lineage:
    """What a column has that is filled with a value, over these rows."""
    if not isinstance(value, Series):
        return lineage_of(value)
    if value.space is rows.space:
        return value.lineage
    if value.array:
        return value.lineage | value.rows
    return value.lineage | value.rows | indirect(value.levels | rows.levels, "JOIN")


def combined(values: Sequence[Value], kind: Any = "TRANSFORMATION") -> Value:
    """What is worked out of several values, row by row where they have rows."""
    frames = [each for each in values if isinstance(each, Frame)]
    series = [each for each in values if isinstance(each, Series)]
    if frames:
        return _over_frame(frames[0], [each for each in values if each is not frames[0]], kind)
    if not series:
        return Thing.of(direct(union(lineage_of(each) for each in values), kind))
    first = next((each for each in series if not each.array), series[0])
    found = direct(union(fitted(each, first) for each in values), kind)
    made = first.made(found)
    if any(each.space is not first.space for each in series):
        others = [each for each in series if each.space is not first.space]
        made.rows = first.rows | union(each.rows | indirect(each.levels, "JOIN") for each in others if not each.array)
        made.space = object()
        if len({each.name for each in series}) > 1:
            made.name = None
    return made


def _over_frame(frame: Frame, others: Sequence[Value], kind: Any) -> Frame:
    """Every column of a frame with other values; another frame's columns by their names."""
    names = dict.fromkeys(frame.columns)
    whole: list[Lineage] = []
    found = {name: direct(lineage, kind) for name, lineage in frame.columns.items()}
    for other in others:
        if isinstance(other, Frame):
            same = other.space is frame.space
            along = NOTHING if same else other.rows | indirect(other.levels | frame.levels, "JOIN")
            for name in {**names, **dict.fromkeys(other.columns)}:
                there = (other.get(name) or NOTHING) | (frame.get(name) or NOTHING)
                found[name] = found.get(name, NOTHING) | direct(there, kind) | along
        elif isinstance(other, Series):
            # Its rows may be the frame's columns.
            whole.append(direct(lineage_of(other), kind))
        else:
            whole.append(direct(lineage_of(other), kind))
    more = union(whole)
    rest = None
    rests = [each.rest for each in (frame, *others) if isinstance(each, Frame) and each.rest is not None]
    if rests:
        rest = _worked_out(rests, kind, more)
    return frame.like({name: lineage | more for name, lineage in found.items()}, rest=rest)


def _worked_out(rests: Iterable[Rest], kind: Any, more: Lineage) -> Rest:
    return Rest(None, direct(union(each.all for each in rests), kind) | more)


def picked_by(value: Value, why: Lineage) -> Value:
    """A value with some of its rows."""
    if isinstance(value, Frame | Series):
        return value.picked(why)
    if isinstance(value, Grouped):
        of = value.of.picked(why)
        return Grouped(of, value.keys, value.as_index, value.windows)
    return Thing.of(lineage_of(value) | why)


def set_column(host: Host, frame: Frame, name: Label, lineage: Lineage) -> None:
    """A column is filled with something else."""
    lineage |= host.control
    if host.weak:
        old = frame.get(name)
        if old is None:
            frame.maybe.add(name)
        lineage |= old or NOTHING
    else:
        frame.maybe.discard(name)
    frame.columns[name] = lineage


def change(host: Host, value: Value, lineage: Lineage, columns: Sequence[Label] | None = None) -> None:
    """Some of a value is changed in place: what it was is still in it, and so it is where it is a part of something."""
    lineage |= host.control
    match value:
        case Frame():
            for name in list(value.columns) if columns is None else columns:
                value.columns[name] = direct(value.get(name) or NOTHING, "TRANSFORMATION") | lineage
            if columns is None and value.rest is not None:
                value.rest = replace(value.rest, lineage=value.rest.lineage | lineage)
            for name, part in value.parts:
                if columns is None or name is None or name in columns:
                    _change_part(part, lineage, columns)
            if value.view_of is not None:
                change(host, value.view_of, lineage, columns)
        case Series():
            value.lineage = direct(value.lineage, "TRANSFORMATION") | lineage
            if value.origin is not None:
                frame, name = value.origin
                change(host, frame, lineage, [name])
        case Thing(cell=cell, kind=kind, named=named):
            cell.lineage |= direct(lineage, "TRANSFORMATION")
            if kind == "values" and isinstance(frame := named["of"], Frame):
                change(host, frame, lineage)
        case Listed() | Mapped() | Expression():
            value.lineage |= lineage
        case PolarsFrame():
            value.rows |= lineage
        case Bound(of=of):
            change(host, of, lineage)
        case _:
            pass


def _change_part(part: Frame | Series, lineage: Lineage, columns: Sequence[Label] | None) -> None:
    if isinstance(part, Series):
        part.lineage |= lineage
        return
    for name in list(part.columns) if columns is None else columns:
        part.columns[name] = (part.get(name) or NOTHING) | lineage


def spoil(value: Value, gap: Lineage, seen: set[int] | None = None) -> None:
    """A value may have been changed in a way that is not shown."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    match value:
        case Frame():
            value.rows |= gap
            if value.view_of is not None:
                spoil(value.view_of, gap, seen)
        case Series():
            value.rows |= gap
            if value.origin is not None:
                frame, name = value.origin
                frame.columns[name] = (frame.get(name) or NOTHING) | gap
        case PolarsFrame():
            value.rows |= gap
        case Expression(parts=parts):
            value.lineage |= gap
            for each in parts:
                spoil(each, gap, seen)
        case Grouped(of=of) | PolarsGroups(of=of) | Bound(of=of):
            spoil(of, gap, seen)
        case Thing(cell=cell, named=named):
            cell.lineage |= gap
            for each in named.values():
                spoil(each, gap, seen)
        case Listed(items=items, more=more):
            value.lineage |= gap
            for each in (*items, more):
                if each is not None:
                    spoil(each, gap, seen)
        case Mapped(items=items, more=more):
            value.lineage |= gap
            for each in (*items.values(), more):
                if each is not None:
                    spoil(each, gap, seen)
        case _:
            pass


def either(values: Sequence[Value]) -> Value:
    """What is known where it may be any of them."""
    found = values[0]
    for each in values[1:]:
        found = join(found, each)
    return found
