"""What a variable holds while code is read: not the data, but what is known of its shape and what it was made of.

A value is an object with an identity, as in Python: two names for one frame are two names for one ``Frame``, so what is
changed in place is changed for both.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from pilotline.run.columns.edges import ANY, NOTHING, Edge, Lineage, Source, indirect, union

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

__all__ = [
    "Bound", "Cell", "Expression", "Frame", "Function", "Grouped", "Known", "Label", "Library", "Listed", "Mapped", "Module",
    "PolarsFrame", "PolarsGroups", "Rest", "Row", "Scope", "Series", "Thing", "Value", "apart", "join", "lineage_of", "sketch",
]  # fmt: skip

Label: TypeAlias = "Hashable"
Name = TypeVar("Name", bound="Hashable")
#: Levels of an index, each with its name; none where it only counts rows.
Index: TypeAlias = "tuple[tuple[Label, Lineage], ...]"


class Value:
    """Anything that a variable holds."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Known(Value):
    """Plain data that stands in the code or was given as a parameter, or a path."""

    value: Any


@dataclass(slots=True, eq=False)
class Cell:
    """What an object was made of, shared by all that are parts of it."""

    lineage: Lineage


@dataclass(slots=True, eq=False)
class Thing(Value):
    """Something of which only this is known: what went into it. A number, a model, an array of several columns."""

    cell: Cell
    #: What it is, where that is known, such as ``duckdb``.
    kind: str = ""
    #: What was given to it by name, such as the views of a connection.
    named: dict[str, Value] = field(default_factory=dict[str, Value])

    @classmethod
    def of(cls, lineage: Lineage, kind: str = "") -> Thing:
        """Made of this."""
        return cls(Cell(lineage), kind)


@dataclass(slots=True, eq=False)
class Rest:
    """The columns of a frame that are not known by name."""

    #: They come from here, each under its own name; None: what ``lineage`` says holds for each of them.
    source: Source | None
    lineage: Lineage = NOTHING
    #: Columns that went, or have another name now.
    without: frozenset[Label] = frozenset()

    def of(self, name: Label) -> Lineage | None:
        """What a column of this name was made of; None where there is none."""
        if self.source is None:
            return self.lineage
        if name in self.without or not isinstance(name, str):
            return None
        return self.lineage | {Edge(self.source, name, "IDENTITY")}

    @property
    def all(self) -> Lineage:
        """What all of them were made of."""
        return self.lineage if self.source is None else self.lineage | {Edge(self.source, ANY, "IDENTITY")}


class Columns(Value, Generic[Name]):
    """The columns of a frame, whatever library it is of: some by their names, and the rest."""

    __slots__ = ()
    if TYPE_CHECKING:
        columns: dict[Name, Lineage]
        rest: Rest | None

    def get(self, name: Name) -> Lineage | None:
        """What a column was made of; None where there is none."""
        found = self.columns.get(name)
        return found if found is not None or self.rest is None else self.rest.of(name)

    @property
    def all(self) -> Lineage:
        """What all of the columns were made of."""
        return union(self.columns.values()) | (self.rest.all if self.rest else NOTHING)

    @property
    def closed(self) -> bool:
        """Whether all columns are known by name."""
        return self.rest is None


@dataclass(slots=True, eq=False)
class Frame(Columns[Label]):
    """A frame of pandas, or rows of an engine."""

    columns: dict[Label, Lineage]
    #: What decided which rows there are, and in which order: it holds for every column.
    rows: Lineage = NOTHING
    index: Index = ()
    rest: Rest | None = None
    #: The same for frames and series whose rows are the same ones.
    space: object = field(default_factory=object)
    #: Columns that may not be there.
    maybe: set[Label] = field(default_factory=set["Label"])
    #: What is changed in place here may be changed there.
    view_of: Frame | None = None
    #: What was taken from it and may change when it does, each with its column.
    parts: list[tuple[Label, Frame | Series]] = field(default_factory=list["tuple[Label, Frame | Series]"])

    @property
    def levels(self) -> Lineage:
        """What the index was made of."""
        return union(lineage for _, lineage in self.index)

    def like(self, columns: Mapping[Label, Lineage], *, rest: Rest | None = None) -> Frame:
        """Other columns over the same rows."""
        return Frame(dict(columns), self.rows, self.index, rest, self.space, self.maybe & set(columns))

    def copy(self) -> Frame:
        """The same, as an object of its own."""
        return Frame(dict(self.columns), self.rows, self.index, self.rest, self.space, set(self.maybe))

    def picked(self, why: Lineage) -> Frame:
        """Some of the rows, or in another order."""
        return Frame(dict(self.columns), self.rows | why, self.index, self.rest, object(), set(self.maybe))

    def become(self, other: Frame) -> None:
        """Hold what another one holds."""
        for each in fields(Frame):
            setattr(self, each.name, getattr(other, each.name))


@dataclass(slots=True, eq=False)
class Series(Value):
    """One column: a series, an index, or an array of one dimension."""

    lineage: Lineage
    rows: Lineage = NOTHING
    index: Index = ()
    space: object = field(default_factory=object)
    name: Label = None
    #: The frame and column whose values these are, where what is changed in place may be changed there too.
    origin: tuple[Frame, Label] | None = None
    #: It has no index: it is put into a frame row by row.
    array: bool = False
    #: What it is the index of.
    owner: Frame | Series | None = None

    @property
    def levels(self) -> Lineage:
        """What the index was made of."""
        return union(lineage for _, lineage in self.index)

    def made(self, lineage: Lineage, *, array: bool | None = None) -> Series:
        """Other values for the same rows."""
        flat = self.array if array is None else array
        return Series(lineage, self.rows, () if flat else self.index, self.space, self.name, array=flat)

    def picked(self, why: Lineage) -> Series:
        """Some of the rows, or in another order."""
        return Series(self.lineage, self.rows | why, self.index, object(), self.name, array=self.array)


@dataclass(slots=True, eq=False)
class Grouped(Value):
    """A frame or series in groups."""

    of: Frame | Series
    keys: tuple[tuple[Label, Lineage], ...]
    as_index: bool = True
    #: Moving or growing windows in place of groups: the rows stay as they are.
    windows: bool = False

    @property
    def by(self) -> Lineage:
        """What the groups were made of."""
        return union(lineage for _, lineage in self.keys)


@dataclass(slots=True, eq=False)
class PolarsFrame(Columns[str]):
    """A frame of Polars, lazy or not: columns by their names, rows without an index."""

    columns: dict[str, Lineage]
    #: What decided which rows there are, and in which order: it holds for every column.
    rows: Lineage = NOTHING
    rest: Rest | None = None

    def picked(self, why: Lineage) -> PolarsFrame:
        """Some of the rows, or in another order."""
        return PolarsFrame(dict(self.columns), self.rows | why, self.rest)


@dataclass(slots=True, eq=False)
class PolarsGroups(Value):
    """A frame of Polars in groups."""

    of: PolarsFrame
    keys: dict[str, Lineage]
    #: What decided which groups there are, beside the keys.
    why: Lineage = NOTHING

    @property
    def rows(self) -> Lineage:
        """What decided which rows are in which group."""
        return self.of.rows | self.why | indirect(union(self.keys.values()), "GROUP_BY")


@dataclass(slots=True, eq=False)
class Expression(Value):
    """An expression of Polars as it was written, or one of its series."""

    operation: str
    parts: tuple[Value, ...] = ()
    named: dict[str, Value] = field(default_factory=dict[str, Value])
    #: Of a series what it was made of; of what names columns a gap, for wherever they are not looked up in a frame.
    lineage: Lineage = NOTHING


@dataclass(slots=True, eq=False)
class Listed(Value):
    """A list, tuple or set."""

    items: list[Value]
    #: What any further items are.
    more: Value | None = None
    sort: type = list
    lineage: Lineage = NOTHING


@dataclass(slots=True, eq=False)
class Mapped(Value):
    """A dict."""

    items: dict[Label, Value]
    more: Value | None = None
    lineage: Lineage = NOTHING


@dataclass(slots=True, eq=False)
class Row(Value):
    """One row of a frame."""

    of: Frame


@dataclass(slots=True, eq=False)
class Scope:
    """The names that a function sees: its own, and those around it."""

    names: dict[str, Value] = field(default_factory=dict[str, Value])
    outer: Scope | None = None
    #: Of a module of the project's own: its file, and its package.
    file: str = ""
    package: str = ""

    @property
    def module(self) -> Scope:
        """The names of the module around."""
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def get(self, name: str) -> Value | None:
        """What a name stands for; None where it is not bound."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None


@dataclass(slots=True, eq=False)
class Function(Value):
    """A function or lambda of the project, with the names around it."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope


@dataclass(slots=True, eq=False)
class Module(Value):
    """A module of the project's own."""

    name: str
    scope: Scope
    #: For wherever no name is taken of it.
    gap: Lineage


@dataclass(slots=True, eq=False)
class Library(Value):
    """A module, function, class or constant of a library, by its dotted name."""

    path: str
    #: What it holds is not known, where it is no library that is.
    gap: Lineage = NOTHING


@dataclass(slots=True, eq=False)
class Bound(Value):
    """A method or accessor of a value: ``orders.loc``, ``orders.amount.str``."""

    of: Value
    name: str


def apart(value: Value) -> Value:
    """The same as an object of its own, so that what is changed in the one is not changed in the other."""
    match value:
        case Frame():
            return value.copy()
        case Series():
            made = value.made(value.lineage)
            made.name = value.name
            return made
        case PolarsFrame():
            return value.picked(NOTHING)
        case Thing(cell=cell, kind=kind, named=named):
            return Thing(Cell(cell.lineage), kind, dict(named))
        case Listed(items=items, more=more, sort=sort, lineage=lineage):
            return Listed([apart(each) for each in items], more and apart(more), sort, lineage)
        case Mapped(items=items, more=more, lineage=lineage):
            return Mapped({key: apart(each) for key, each in items.items()}, more and apart(more), lineage)
        case _:
            return value


def lineage_of(value: Value, seen: frozenset[int] = frozenset()) -> Lineage:
    """What all of a value was made of."""
    if id(value) in seen:
        return NOTHING
    seen |= {id(value)}
    match value:
        case Thing(cell=cell):
            return cell.lineage
        case Frame():
            return value.all | value.rows | value.levels
        case Series():
            return value.lineage | value.rows | value.levels
        case Grouped():
            return lineage_of(value.of) | value.by
        case PolarsFrame():
            return value.all | value.rows
        case PolarsGroups(of=of, keys=keys, why=why):
            return of.all | of.rows | union(keys.values()) | why
        case Expression(parts=parts, named=named):
            return value.lineage | union(lineage_of(each, seen) for each in (*parts, *named.values()))
        case Listed(items=items, more=more) | Mapped(items=items, more=more):
            held: Iterable[Value] = items.values() if isinstance(items, dict) else items
            found = union(lineage_of(each, seen) for each in held) | value.lineage
            return found | (lineage_of(more, seen) if more else NOTHING)
        case Bound(of=of) | Row(of=of):
            return lineage_of(of, seen)
        case Library(gap=gap) | Module(gap=gap):
            return gap
        case Function(scope=scope, node=node):
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            return union(lineage_of(each, seen) for name in names if (each := scope.get(name)) is not None)
        case _:
            return NOTHING


def sketch(value: Value | None, seen: frozenset[int] = frozenset()) -> object:
    """The same for values of which the same is known."""
    if value is None or id(value) in seen:
        return None
    seen |= {id(value)}
    match value:
        case Known(value=held):
            return ("known", type(held).__name__, repr(held))
        case Thing(cell=cell, kind=kind):
            return ("thing", kind, cell.lineage)
        case Frame():
            rest = value.rest and (value.rest.source, value.rest.lineage, value.rest.without)
            held = tuple(sorted(((repr(name), found) for name, found in value.columns.items()), key=lambda one: one[0]))
            return ("frame", held, value.rows, value.index, rest, frozenset(map(repr, value.maybe)))
        case Series():
            return ("series", value.lineage, value.rows, value.index, repr(value.name), value.array)
        case Grouped():
            return ("grouped", sketch(value.of, seen), value.keys, value.as_index, value.windows)
        case PolarsFrame(columns=columns, rest=rest):
            return ("polars", tuple(columns.items()), value.rows, rest and (rest.source, rest.lineage, rest.without))
        case PolarsGroups(of=of, keys=keys, why=why):
            return ("polars groups", sketch(of, seen), tuple(keys.items()), why)
        case Expression(operation=operation, parts=parts):
            named = tuple((name, sketch(each, seen)) for name, each in value.named.items())
            return ("expression", operation, tuple(sketch(each, seen) for each in parts), named, value.lineage)
        case Listed():
            return ("list", tuple(sketch(each, seen) for each in value.items), sketch(value.more, seen), value.lineage)
        case Mapped():
            held = tuple((repr(key), sketch(each, seen)) for key, each in value.items.items())
            return ("dict", held, sketch(value.more, seen), value.lineage)
        case Bound(of=of, name=name):
            return ("bound", sketch(of, seen), name)
        case Row(of=of):
            return ("row", sketch(of, seen))
        case _:
            return id(value)


def join(one: Value, other: Value) -> Value:
    """What is known where either may be there; ``one`` itself where the other adds nothing."""
    if one is other or sketch(one) == sketch(other):
        return one
    made = _joined(one, other)
    return one if sketch(made) == sketch(one) else made


def _joined(one: Value, other: Value) -> Value:
    match one, other:
        case Frame(), Frame():
            names = {**one.columns, **other.columns}
            held = {name: (one.get(name) or NOTHING) | (other.get(name) or NOTHING) for name in names}
            only = {name for name in names if (name in one.columns) != (name in other.columns)}
            return Frame(
                held, one.rows | other.rows, _joined_index(one.index, other.index), _joined_rest(one.rest, other.rest),
                maybe=one.maybe | other.maybe | only, view_of=one.view_of or other.view_of,
            )  # fmt: skip
        case Series(), Series():
            return Series(
                one.lineage | other.lineage, one.rows | other.rows, _joined_index(one.index, other.index),
                name=one.name if one.name == other.name else None, origin=one.origin or other.origin,
                array=one.array and other.array,
            )  # fmt: skip
        case PolarsFrame(), PolarsFrame() if one.closed and other.closed and set(one.columns) == set(other.columns):
            held = {name: lineage | other.columns[name] for name, lineage in one.columns.items()}
            return PolarsFrame(held, one.rows | other.rows)
        case Expression(), Expression():
            return Expression("chosen", (one, other))
        case Listed(), Listed():
            if len(one.items) == len(other.items) and one.more is None and other.more is None:
                items = [join(a, b) for a, b in zip(one.items, other.items, strict=True)]
                return Listed(items, sort=one.sort, lineage=one.lineage | other.lineage)
            more: Value | None = None
            for each in [*one.items, *other.items, one.more, other.more]:
                if each is not None:
                    more = each if more is None else join(more, each)
            return Listed([], more, one.sort, one.lineage | other.lineage)
        case Mapped(), Mapped():
            held = dict(one.items)
            for key, each in other.items.items():
                held[key] = join(held[key], each) if key in held else each
            more = one.more or other.more
            if one.more and other.more:
                more = join(one.more, other.more)
            return Mapped(held, more, one.lineage | other.lineage)
        case _:
            return Thing.of(lineage_of(one) | lineage_of(other))


def _joined_index(one: Index, other: Index) -> Index:
    if [name for name, _ in one] == [name for name, _ in other]:
        return tuple((name, a | b) for (name, a), (_, b) in zip(one, other, strict=True))
    return ((None, union(lineage for _, lineage in (*one, *other))),)


def _joined_rest(one: Rest | None, other: Rest | None) -> Rest | None:
    if one is None or other is None:
        return one or other
    if one.source == other.source:
        return Rest(one.source, one.lineage | other.lineage, one.without & other.without)
    return Rest(None, one.all | other.all)
