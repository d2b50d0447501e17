"""What was made of what: for each pipeline the tables and files that its last published run read, and the tables it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pilotline.run.drawing import Graph, Node, svg
from pilotline.run.records import run_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pilotline.run.records import PipelineOf, Records

__all__ = ["Made", "Tree", "downstream", "graph_of_tables", "lineage_page", "made_of", "upstream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The last published run of a pipeline, and what it read and wrote."""

    of: PipelineOf
    #: Its name; with its project where another one has a pipeline of that name.
    pipeline: str
    run: str
    at: datetime
    tables_in: tuple[str, ...]
    files_in: tuple[str, ...]
    tables_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A table or file, and what is behind or after it: for each pipeline between, what is on its other side."""

    name: str
    kind: str
    by: tuple[tuple[Made, tuple[Tree, ...]], ...] = ()
    #: It stands in this tree already, nearer to the root.
    again: bool = False

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "name": self.name,
            "kind": self.kind,
            "by": [
                {
                    "pipeline": made.of.name,
                    "project": made.of.project,
                    "run": made.run,
                    "at": made.at,
                    "tables": [each.as_json() for each in trees],
                }
                for made, trees in self.by
            ],
        }


def made_of(records: Records, onto: str = "main") -> tuple[Made, ...]:
    """What every pipeline did in its last run that published onto a branch."""
    found: list[Made] = []
    pipelines = records.pipelines()
    for pipeline in pipelines:
        past = records.of(pipeline.project).last_published(pipeline.name, onto)
        if past is None:
            continue
        rows = records.rows_of("lineage", past.number)

        def named(direction: str, kind: str, rows: Sequence[tuple[object, ...]] = rows) -> tuple[str, ...]:
            return tuple(str(row[2]) for row in rows if row[0] == direction and row[1] == kind)

        found.append(
            Made(
                of=pipeline, pipeline=pipeline.said_among(pipelines), run=run_name(past.number), at=past.ended,
                tables_in=named("in", "table"), files_in=named("in", "file"), tables_out=named("out", "table"),
            )
        )  # fmt: skip
    return tuple(found)


def upstream(table: str, made: Iterable[Made]) -> Tree:
    """What a table was made of, and that of what."""
    by_output = {name: [each for each in made if name in each.tables_out] for each in made for name in each.tables_out}
    seen: set[str] = set()

    def tree(name: str) -> Tree:
        if name in seen:
            return Tree(name=name, kind="table", again=bool(by_output.get(name)))
        seen.add(name)
        return Tree(
            name=name, kind="table",
            by=tuple(
                (each, (*map(tree, each.tables_in), *(Tree(name=file, kind="file") for file in each.files_in)))
                for each in by_output.get(name, ())
            ),
        )  # fmt: skip

    return tree(table)


def downstream(table: str, made: Iterable[Made]) -> Tree:
    """What was made of a table, and what of that."""
    listed = tuple(made)
    seen: set[str] = set()

    def tree(name: str) -> Tree:
        readers = [each for each in listed if name in each.tables_in]
        if name in seen:
            return Tree(name=name, kind="table", again=bool(readers))
        seen.add(name)
        return Tree(name=name, kind="table", by=tuple((each, tuple(map(tree, each.tables_out))) for each in readers))

    return tree(table)


def graph_of_tables(above: Tree, below: Tree) -> Graph:
    """Both trees as one graph, from left to right."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []

    def add(node: Node) -> None:
        nodes.setdefault(node.id, node)

    def one(tree: Tree) -> Node:
        return Node(id=f"{tree.kind}:{tree.name}", kind="step", title=tree.name, below=tree.kind, state=tree.kind)

    def pipeline(made: Made) -> Node:
        return Node(id=f"pipeline:{made.pipeline}", kind="input", title=made.pipeline, below=made.run, state="pipeline")

    def before(tree: Tree) -> None:
        for made, trees in tree.by:
            for each in trees:
                before(each)
                edges.append((one(each).id, pipeline(made).id))
            add(pipeline(made))
            edges.append((pipeline(made).id, one(tree).id))
        add(one(tree))

    def after(tree: Tree) -> None:
        add(one(tree))
        for made, trees in tree.by:
            add(pipeline(made))
            edges.append((one(tree).id, pipeline(made).id))
            for each in trees:
                add(one(each))
                edges.append((pipeline(made).id, one(each).id))
                after(each)

    before(above)
    after(below)
    return _in_order(nodes, edges)


def _in_order(nodes: Mapping[str, Node], edges: Sequence[tuple[str, str]]) -> Graph:
    """What is drawn has no way back: an edge that closes a circle, as where a pipeline reads its own table, is left out."""
    after: dict[str, list[str]] = {}
    kept: list[tuple[str, str]] = []

    def reaches(start: str, goal: str) -> bool:
        waiting, seen = [start], set[str]()
        while waiting:
            here = waiting.pop()
            if here == goal:
                return True
            if here not in seen:
                seen.add(here)
                waiting += after.get(here, [])
        return False

    for start, end in dict.fromkeys(edges):
        if not reaches(end, start):
            after.setdefault(start, []).append(end)
            kept.append((start, end))
    behind = {name: {start for start, end in kept if end == name} for name in nodes}
    ordered: list[Node] = []
    while behind:
        free = [name for name, those in behind.items() if not those & behind.keys()]
        ordered += [nodes[name] for name in free]
        for name in free:
            del behind[name]
    # All in columns by what stands before them.
    return Graph(
        nodes=tuple(Node(id=n.id, kind="step", title=n.title, below=n.below, state=n.state) for n in ordered),
        edges=tuple(kept),
    )


_STYLE: Final = """
.graph{font:13px ui-sans-serif,system-ui,sans-serif}.graph text{text-anchor:middle;fill:var(--ink)}
.graph .below{font-size:11px;fill:var(--dim)}.graph rect{fill:var(--card);stroke:var(--dim);stroke-width:1.2}
.graph .table rect{stroke:#5b9b74;stroke-width:1.6}.graph .pipeline rect{stroke:#2467b3;stroke-width:1.6}
.graph .edge{fill:none;stroke:var(--dim);stroke-width:1.4}
"""


def lineage_page(table: str, above: Tree, below: Tree) -> str:
    """One HTML file that needs nothing else."""
    from html import escape

    from pilotline.lake.diff_page import framed, wide

    title = f"Lineage of {table}"
    said = "What it was made of, left; what is made of it, right. Tables green, pipelines blue."
    drawn = f"<section>{wide(svg(graph_of_tables(above, below), styled=False))}</section>"
    return framed(title, f"<h1>{escape(title)}</h1><p>{said}</p>", drawn, style=_STYLE)
