"""What a column was made of, and what is made of it, across pipelines: as their last published runs tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pilotline.domain.errors import did_you_mean
from pilotline.run.columns.edges import ANY, DIRECT, Edge, Gap, Lineage, Source, gaps
from pilotline.run.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.run.columns.keeping import Columns
    from pilotline.run.columns.reading import TableColumns
    from pilotline.run.lineage import Made

__all__ = ["Asked", "Branch", "ColumnTree", "Link", "NoColumn", "columns_made", "downstream_of", "upstream_of"]

#: Run -> table -> what its columns were made of.
Kept: TypeAlias = "Mapping[str, Mapping[str, TableColumns]]"
_BEFORE: Final = "the run was before the lineage of columns was kept"


class NoColumn(RunError):
    """A table has no column of this name."""

    code = "PL343"
    exit_status = 2

    def __init__(self, table: str, column: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{table} has no column '{column}'.{did_you_mean(column, known)}",
            try_next=f"pilotline lineage {table} --columns",
            table=table,
            column=column,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A column on the other side of a pipeline, and how it is joined to this one."""

    #: The weaker words of OpenLineage, direct ones first: IDENTITY, ..., FILTER.
    kinds: tuple[str, ...]
    to: ColumnTree

    @property
    def direct(self) -> bool:
        """Whether values themselves went along."""
        return any(kind in DIRECT for kind in self.kinds)

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {"kinds": list(self.kinds), **self.to.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What a pipeline made of a column, or a column of."""

    made: Made
    links: tuple[Link, ...]
    #: What is not shown; of what is read downwards, with the columns that may be made of this one.
    not_shown: tuple[tuple[str, Gap], ...] = ()

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "pipeline": self.made.pipeline,
            "run": self.made.run,
            "at": self.made.at,
            "columns": [each.as_json() for each in self.links],
            "not_shown": [
                {"column": column, "step": gap.step, "line": gap.line, "because": gap.why}
                for column, gap in self.not_shown
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTree:
    """A column, and what is behind or after it."""

    source: Source
    #: ``*``: all of them.
    column: str
    by: tuple[Branch, ...] = ()
    #: It stands in this tree already, nearer to the root.
    again: bool = False

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "kind": self.source.kind,
            "name": self.source.name,
            "column": self.column,
            "by": [each.as_json() for each in self.by],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked: the runs, and what each keeps of its tables' columns."""

    made: Sequence[Made]
    kept: Kept

    @classmethod
    def of(cls, made: Sequence[Made], columns: Columns) -> Asked:
        """With what is kept of each run."""
        kept = {each.run: {one.table: one for one in columns.of_run(int(each.run.partition("-")[2]))} for each in made}
        return cls(made=made, kept=kept)

    def table(self, run: str, table: str) -> TableColumns | None:
        """What a run keeps of a table's columns."""
        return self.kept.get(run, {}).get(table)


def columns_made(asked: Asked, table: str) -> tuple[tuple[Made, TableColumns | None], ...]:
    """The last runs that made a table, each with what its columns were made of; None where that is not kept."""
    return tuple((each, asked.table(each.run, table)) for each in asked.made if table in each.tables_out)


def _ordered(kinds: Iterable[str]) -> tuple[str, ...]:
    words = set(kinds)
    direct = [kind for kind in DIRECT if kind in words]
    return (*direct, *sorted(words - set(direct)))


def _by_column(lineage: Lineage) -> list[tuple[Source, str, tuple[str, ...]]]:
    found: dict[tuple[Source, str], set[str]] = {}
    for each in lineage:
        if isinstance(each, Edge):
            found.setdefault((each.source, each.column), set()).add(each.kind)
    rows = [(source, column, _ordered(kinds)) for (source, column), kinds in found.items()]
    # Those whose values went in come first.
    return sorted(rows, key=lambda row: (row[2][0] not in DIRECT, row[0], row[1]))


def upstream_of(asked: Asked, table: str, column: str) -> ColumnTree:
    """What a column was made of, and that of what."""
    seen: set[tuple[Source, str]] = set()

    def tree(source: Source, column: str) -> ColumnTree:
        makers = columns_made(asked, source.name) if source.kind == "table" else ()
        if (source, column) in seen:
            return ColumnTree(source=source, column=column, again=bool(makers))
        seen.add((source, column))
        return ColumnTree(source=source, column=column, by=tuple(branch(made, kept, column) for made, kept in makers))

    def branch(made: Made, kept: TableColumns | None, column: str) -> Branch:
        if kept is None:
            return Branch(made=made, links=(), not_shown=(("", Gap("", 0, _BEFORE)),))
        if column == ANY:
            lineage = kept.rows.union(*kept.columns.values())
        elif column in kept.columns:
            lineage = kept.of(column)
        else:
            lineage = kept.rows
        links = tuple(Link(kinds=kinds, to=tree(source, name)) for source, name, kinds in _by_column(lineage))
        return Branch(made=made, links=links, not_shown=tuple(("", gap) for gap in gaps(lineage)))

    return tree(Source("table", table), column)


def downstream_of(asked: Asked, table: str, column: str) -> ColumnTree:
    """What was made of a column, and what of that. A column that decides about the rows of a table is in all of it."""
    seen: set[tuple[Source, str]] = set()

    def tree(source: Source, column: str) -> ColumnTree:
        readers = [each for each in asked.made if source.name in each.tables_in]
        if (source, column) in seen:
            return ColumnTree(source=source, column=column, again=bool(readers))
        seen.add((source, column))
        return ColumnTree(source=source, column=column, by=tuple(branch(each, source, column) for each in readers))

    def branch(made: Made, source: Source, column: str) -> Branch:
        links: list[Link] = []
        hidden: list[tuple[str, Gap]] = []
        for name in made.tables_out:
            kept = asked.table(made.run, name)
            if kept is None:
                hidden.append((f"{name}.{ANY}", Gap("", 0, _BEFORE)))
                continue
            out = Source("table", name)
            for inner, lineage in [(ANY, kept.rows), *kept.columns.items()]:
                if kinds := _ordered(_kinds_of(lineage, source, column)):
                    links.append(Link(kinds=kinds, to=tree(out, inner)))
                hidden += [(f"{name}.{inner}", gap) for gap in gaps(lineage)]
        return Branch(made=made, links=tuple(links), not_shown=tuple(hidden))

    return tree(Source("table", table), column)


def _kinds_of(lineage: Lineage, source: Source, column: str) -> list[str]:
    return [
        each.kind
        for each in lineage
        if isinstance(each, Edge) and each.source == source and (column == ANY or each.column in {column, ANY})
    ]
