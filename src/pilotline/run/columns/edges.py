"""What a value was made of, as a set of edges; where that cannot be told, the set holds a gap that says why.

Lineage is a set, and everything that is made of several things has the union of theirs: ``direct`` says that values
themselves went in, ``indirect`` that they decided something, such as which rows there are. A gap goes wherever an edge
goes, so nothing that was made of what is not shown is ever said to be complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ANY",
    "DIRECT",
    "NOTHING",
    "Edge",
    "Gap",
    "Kind",
    "Lineage",
    "Source",
    "direct",
    "gaps",
    "indirect",
    "union",
]

Kind: TypeAlias = Literal[
    "IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"
]
#: Kinds of edges by which values themselves go in, each weaker than the next; the words are those of OpenLineage.
DIRECT: Final = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
#: The column of a source that stands for all of them.
ANY: Final = "*"


class Source(NamedTuple):
    """A table of the lake, a file, or a table of another database."""

    kind: Literal["table", "file", "database"]
    name: str


class Edge(NamedTuple):
    """A column of a source went in."""

    source: Source
    column: str
    kind: Kind
    #: Nothing of the values themselves is left, as in a count or a hash.
    masked: bool = False


class Gap(NamedTuple):
    """What cannot be told, where, and why."""

    step: str
    line: int
    why: str


Lineage: TypeAlias = frozenset[Edge | Gap]
NOTHING: Final[Lineage] = frozenset()


def union(lineages: Iterable[Lineage]) -> Lineage:
    """All of them together."""
    return NOTHING.union(*lineages)


def direct(
    lineage: Lineage, kind: Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"], *, masked: bool = False
) -> Lineage:
    """What a value has that was made of one with this lineage."""
    return frozenset(
        item._replace(kind=DIRECT[max(DIRECT.index(item.kind), DIRECT.index(kind))], masked=item.masked or masked)
        if isinstance(item, Edge) and item.kind in DIRECT
        else item
        for item in lineage
    )


def indirect(lineage: Lineage, kind: Literal["JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"]) -> Lineage:
    """What a value has about which one with this lineage decided something."""
    return frozenset(
        item._replace(kind=kind, masked=False) if isinstance(item, Edge) and item.kind in DIRECT else item
        for item in lineage
    )


def gaps(lineage: Lineage) -> tuple[Gap, ...]:
    """What is not shown of it, in the order of the code."""
    return tuple(sorted(item for item in lineage if isinstance(item, Gap)))
