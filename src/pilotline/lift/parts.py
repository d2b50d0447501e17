"""The top-level statements of a notebook, each with its source and with what was seen of it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pilotline.guest.names import Names, free_names, is_builtin, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pilotline.domain.notebooks import Cell
    from pilotline.domain.recordings import Info, Recording, Statement

_FIGURES = ("matplotlib.", "seaborn.", "plotly.", "bokeh.", "altair.", "ipywidgets.")
#: Names that the shell keeps by itself; nobody's result.
_SHELL_NAMES = frozenset(
    {"In", "Out", "_", "__", "___", "_i", "_ii", "_iii", "_oh", "_ih", "_dh", "exit", "quit", "get_ipython", "display"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One top-level statement, in the order of execution."""

    position: int
    seen: Statement
    node: ast.stmt
    #: The statement's own lines, with the comment lines right above it.
    text: str
    comments: tuple[str, ...] = ()
    #: The lines of the statement hold nothing else.
    alone: bool = True
    names: Names
    #: What it needs: names, and ``file:``, ``folder:``, ``random:``, ``setting:`` resources.
    uses: frozenset[str] = frozenset()
    #: What may be different after it.
    makes: frozenset[str] = frozenset()
    #: The part of ``makes`` that owes nothing to what was there before.
    renews: frozenset[str] = frozenset()

    @property
    def cell(self) -> int:
        """Number of its cell."""
        return self.seen.cell

    @property
    def is_import(self) -> bool:
        """An import statement, or a ``try`` around nothing but imports."""
        return is_import(self.node)

    @property
    def is_definition(self) -> bool:
        """A ``def`` or ``class``."""
        return isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    @property
    def code_lines(self) -> int:
        """Lines of code: neither blank nor comment."""
        return sum(1 for line in self.text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def is_import(node: ast.stmt) -> bool:
    """Whether a statement does nothing but import."""
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Try(body=body, handlers=handlers, orelse=[], finalbody=[]):
            blocks = [body, *(handler.body for handler in handlers)]
            return all(is_import(one) or isinstance(one, ast.Pass) for block in blocks for one in block)
        case _:
            return False


@dataclass(slots=True)
class Parts:
    """All parts of a recorded notebook, and what is known of names along them."""

    all: tuple[Part, ...]
    cells: dict[int, Cell]
    #: For each name, (position, Info) in order: what it was after that part.
    states: dict[str, list[tuple[int, Info]]] = field(default_factory=dict[str, list["tuple[int, Info]"]])
    #: Files that the notebook wrote.
    written: frozenset[str] = frozenset()

    def info(self, name: str, before: int) -> Info | None:
        """What ``name`` was just before the part at that position; None where it was not seen."""
        found: Info | None = None
        for position, info in self.states.get(name, ()):
            if position >= before:
                break
            found = info
        return found

    def final(self, name: str) -> Info | None:
        """What ``name`` was at the end."""
        return self.info(name, len(self.all))

    def is_figure(self, name: str, before: int) -> bool:
        """Whether a name stands for something drawn."""
        info = self.info(name, before)
        return info is not None and info.type.startswith(_FIGURES)


def parts_of(cells: Sequence[Cell], recording: Recording) -> Parts:
    """Join what was recorded to the statements of the cells.

    Args:
        cells: code cells in the order in which they were executed.
        recording: of just these cells.
    """
    by_number = {cell.number: cell for cell in cells}
    seen = {(one.cell, one.index): one for one in recording.statements}
    parts: list[Part] = []
    states: dict[str, list[tuple[int, Info]]] = {}
    written: set[str] = set()
    known: set[str] = set()
    for cell in cells:
        for index, (node, text, comments, alone) in enumerate(_statements(cell.python)):
            statement = seen.get((cell.number, index))
            if statement is None:
                continue
            names = names_of(node)
            known |= statement.binds | names.binds
            part = _part(len(parts), statement, node, names, known, written)
            part = _with_text(part, text, comments, alone=alone)
            written |= set(statement.writes_files)
            for name, info in statement.state.items():
                states.setdefault(name, []).append((part.position, info))
            parts.append(part)
    return Parts(all=tuple(parts), cells=by_number, states=states, written=frozenset(written))


def _with_text(part: Part, text: str, comments: tuple[str, ...], *, alone: bool) -> Part:
    from dataclasses import replace

    return replace(part, text=text, comments=comments, alone=alone)


def _part(position: int, seen: Statement, node: ast.stmt, names: Names, known: set[str], written: set[str]) -> Part:
    own = {name for name in names.now | names.reads if name in known or not is_builtin(name)}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        # What a body reads is needed where it runs, not where it is defined.
        own = {name for name in names.now if name in known or not is_builtin(name)}
    reads = _real(set(seen.reads) | own)
    changes = _real(set(seen.changes) | (set(seen.unsure) & reads))
    binds = _real(set(seen.binds) | (set(names.binds) & known) | set(seen.deletes))
    # ``import a.b`` also puts b into the module a that was there before.
    renews = {name for name in names.always if name in binds} - changes
    renews |= {name for name in seen.deletes if name in names.deletes}
    if isinstance(node, ast.ImportFrom):
        # Also the names that a star brings, which only the recording knows.
        renews |= binds - changes
    if isinstance(node, ast.Import):
        # It finds the module that is there; what an earlier ``import a.b`` put into it stays.
        renews -= {alias.name.split(".")[0] for alias in node.names if not alias.asname}
    uses = reads | _real(set(seen.deletes) & set(names.deletes))
    makes = binds | changes
    uses |= {f"file:{path}" for path in seen.reads_files}
    uses |= {f"folder:{path}" for path in seen.lists_folders}
    for path in (*seen.writes_files, *seen.removes_files):
        makes |= {f"file:{path}", *(f"folder:{parent}" for parent in _parents(path))}
        uses |= {f"made:{parent}" for parent in _parents(path)}
        if path in written:
            uses.add(f"file:{path}")
    makes |= {f"made:{path}" for path in seen.makes_folders}
    for generator in () if is_import(node) else seen.draws:
        makes.add(f"random:{generator}")
        uses.add(f"random:{generator}")
    for generator in seen.seeds:
        makes.add(f"random:{generator}")
        renews.add(f"random:{generator}")
        uses.discard(f"random:{generator}")
    if not is_import(node) or any(setting.kind == "patch" for setting in seen.settings):
        makes |= {f"setting:{one.kind}:{one.key}" for one in seen.settings if not one.look}
    return Part(
        position=position, seen=seen, node=node, text="", names=names,
        uses=frozenset(uses), makes=frozenset(makes), renews=frozenset(renews),
    )  # fmt: skip


def _real(names: set[str]) -> set[str]:
    """Without what the shell keeps: ``Out``, ``_``, ``_7``."""
    return {name for name in names if name not in _SHELL_NAMES and not re.fullmatch(r"_i?\d+", name)}


def _parents(path: str) -> Iterator[str]:
    while "/" in path.rstrip("/"):
        path = path.rstrip("/").rsplit("/", 1)[0]
        if path:
            yield path
    if not path.startswith("/"):
        yield "."


def _statements(source: str) -> Iterator[tuple[ast.stmt, str, tuple[str, ...], bool]]:
    """Each top-level statement with its text, the comment lines right above it, and whether it has its lines alone."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = cast("ast.Module", compile(source, "<cell>", "exec", flags, dont_inherit=True))
    lines = source.split("\n")
    spans = [(first_line(node), node.end_lineno or node.lineno) for node in tree.body]
    for index, node in enumerate(tree.body):
        first, last = spans[index]
        alone = not any(
            other != index and not (end < first or start > last) for other, (start, end) in enumerate(spans)
        )
        text = "\n".join(lines[first - 1 : last]) if alone else ast.get_source_segment(source, node) or ""
        above: list[str] = []
        row = first - 2
        while alone and row >= 0 and lines[row].startswith("#"):
            above.insert(0, lines[row])
            row -= 1
        yield node, text, tuple(above), alone


def first_line(node: ast.stmt) -> int:
    """The line on which a statement begins, decorators included."""
    return min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", []))])


def free_in(part: Part) -> set[str]:
    """Names that a definition looks up in the module, when it is made or when it runs."""
    return {name for name in free_names(part.node) | part.names.reads if name not in part.names.binds}
