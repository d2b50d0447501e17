"""From a recorded notebook to the source of a pipeline, at one rung of the ladder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotline.domain.errors import LiftError
from pilotline.lift.grouping import group
from pilotline.lift.layout import lay_out
from pilotline.lift.naming import docstring, headings_of, remarks_of, step_name, title_of
from pilotline.lift.secrets import SecretInResult
from pilotline.lift.slicing import LeftBehind, Rung, slice_for
from pilotline.lift.writing import Module, WrittenStep, write_module, written_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.notebooks import Notebook
    from pilotline.lift.grouping import Group
    from pilotline.lift.layout import Layout, Parameter
    from pilotline.lift.parts import Parts
    from pilotline.lift.slicing import Kept
    from pilotline.lift.wanted import Wanted


class NotMade(LiftError):
    """A wanted value is made by nothing that a pipeline could run."""

    code = "PL143"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """A pipeline's source, and how it came from the notebook."""

    source: str
    rung: Rung
    steps: tuple[WrittenStep, ...]
    wanted: tuple[Wanted, ...]
    parameters: tuple[Parameter, ...]
    left_behind: tuple[LeftBehind, ...]
    lines_total: int
    lines_kept: int
    cells_total: int
    cells_kept: int
    #: For each step, the (cell, index) of its last statement: where the notebook has the same values.
    step_ends: tuple[tuple[int, int], ...]
    #: Index of each step's first piece, for merging it with the one before.
    step_starts: tuple[int, ...]
    #: Global generators that it draws from.
    draws: frozenset[str]
    #: Files that it reads, and folders that it lists, by a path that no parameter names.
    unnamed: tuple[str, ...] = ()
    #: The notebook looks through its own folder, so that a file put there would change what it finds.
    lists_its_folder: bool = False
    #: It reads the clock.
    clock: bool = False


def lift(
    notebook: Notebook,
    parts: Parts,
    wanted: Sequence[Wanted],
    *,
    rung: Rung = "steps",
    merged: frozenset[int] = frozenset(),
    requires: Sequence[str] = (),
    packages: Mapping[str, str] | None = None,
) -> Lifted:
    """The pipeline for some wanted values of a notebook; static, nothing is run.

    Args:
        notebook: as read.
        parts: its statements with what was recorded of them.
        wanted: the values that ``pipeline()`` is to return.
        rung: single statements, whole cells, or everything up to the last needed cell.
        merged: pieces before which no step may begin.
        requires: packages that the notebook installs.
        packages: versions of the packages that it imported, by name.

    Raises:
        NotMade: nothing in the notebook makes a wanted value.
        NoPlainPython: a needed line can't be written as plain Python.
    """
    cut = slice_for(parts, wanted, rung)
    if cut.missing or not cut.kept:
        names = ", ".join(sorted(cut.missing)) or ", ".join(one.of for one in wanted)
        raise NotMade(f"Nothing in the notebook makes {names}.", try_next="pilotline lift NOTEBOOK --list")
    names_shown = {one.position: one.name for one in wanted if one.position is not None}
    layout = lay_out(parts, cut, names_shown)
    for one in wanted:
        if one.position is None and one.of in layout.secrets:
            raise SecretInResult(
                f"{one.of} holds a credential of the notebook; it must not be published.",
                try_next="--want something else",
                cell=one.cell,
            )
    headings, remarks = headings_of(notebook), remarks_of(notebook)
    ends = {one.of for one in wanted if one.position is None and one.path is None} | set(names_shown.values())
    files = {one.name for one in layout.parameters.values() if one.written}
    if rung == "prefix":
        merged = frozenset(range(1, len(layout.body)))
    groups = group(layout, parts, frozenset(ends | files), headings, merged=merged | layout.glued)
    module = Module(
        title=title_of(notebook),
        subtitle="",
        requires=_dependencies(layout, requires, packages or {}),
        layout=layout,
        parts=parts,
        returns=_returns(wanted, layout),
        shown={one.name: one.info for one in wanted if one.position is not None and one.info is not None},
    )
    steps = _named(groups, layout, parts, headings, remarks, module)
    cells_kept = len({one.part.cell for one in cut.kept})
    total = len(notebook.code)
    module.subtitle = f"Lifted from {notebook.path.name}: {cells_kept} of {total} cells."
    source = write_module(module, steps)
    starts: list[int] = []
    at = 0
    for one in groups:
        starts.append(at)
        at += len(one.pieces)
    return Lifted(
        source=source,
        rung=rung,
        steps=tuple(step for step, _ in steps),
        wanted=tuple(wanted),
        parameters=tuple(layout.parameters.values()),
        left_behind=cut.left_behind,
        lines_total=sum(part.code_lines for part in parts.all),
        lines_kept=sum(one.part.code_lines for one in cut.kept),
        cells_total=total,
        cells_kept=cells_kept,
        step_ends=tuple((one.pieces[-1].part.cell, one.pieces[-1].part.seen.index) for one in groups),
        step_starts=tuple(starts),
        draws=frozenset(name for one in cut.kept if not one.part.is_import for name in one.part.seen.draws),
        unnamed=_unnamed(layout, cut.kept),
        lists_its_folder=any(set(part.seen.lists_folders) & {".", ".."} for part in parts.all if not part.is_import),
        clock=any(one.part.seen.clock for one in cut.kept),
    )


#: Packages whose modules are called otherwise.
_PACKAGE_OF = {
    "sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow", "cv2": "opencv-python", "yaml": "pyyaml",
    "bs4": "beautifulsoup4", "dateutil": "python-dateutil",
}  # fmt: skip


def _dependencies(layout: Layout, requires: Sequence[str], packages: Mapping[str, str]) -> tuple[str, ...]:
    """What the notebook installs, and what else the module imports, as it was when the notebook ran."""
    if not requires:
        return ()
    named = {re.split(r"[\[<>=!~ ]", one)[0].lower().replace("_", "-") for one in requires}
    versions = {name.lower().replace("_", "-"): (name, version) for name, version in packages.items()}
    roots = {re.split(r"[\s.]+", line)[1] for text in layout.imports.values() for line in text.split("\n")}
    found = list(requires)
    for root in roots:
        name = _PACKAGE_OF.get(root, root).lower().replace("_", "-")
        if name in versions and name not in named:
            found.append("==".join(versions[name]))
    return tuple(sorted(found, key=str.lower))


def _unnamed(layout: Layout, kept: Sequence[Kept]) -> tuple[str, ...]:
    named = {one.path for one in layout.parameters.values()}
    written: set[str] = set()
    found: dict[str, None] = {}
    for one in kept:
        seen = one.part.seen
        for path in (*seen.reads_files, *seen.lists_folders):
            if path not in named | written and not path.startswith("/") and not path.endswith((".py", ".pyc")):
                found[path] = None
        written |= set(seen.writes_files)
    return tuple(found)


def _returns(wanted: Sequence[Wanted], layout: Layout) -> dict[str, str]:
    returns: dict[str, str] = {}
    for one in wanted:
        if one.path is not None:
            name = next((p.name for p in layout.parameters.values() if p.path == one.path and p.written), None)
            if name is None:
                raise NotMade(
                    f"{one.path} is written to a path that is put together in the notebook; "
                    "a pipeline has to be told where it writes.",
                    try_next="write the path as one string in the notebook, or --want the frame instead",
                    path=one.path,
                )
            returns[one.name] = written_name(name)
        else:
            returns[one.name] = one.name if one.position is not None else one.of
    return returns


def _named(
    groups: Sequence[Group],
    layout: Layout,
    parts: Parts,
    headings: dict[int, str],
    remarks: dict[int, str],
    module: Module,
) -> list[tuple[WrittenStep, Group]]:
    taken = {name for part in parts.all for name in part.makes | part.uses if ":" not in name}
    taken |= layout.fixed | set(layout.parameters) | {"pipeline"} | set(module.shown) | set(module.returns.values())
    steps: list[tuple[WrittenStep, Group]] = []
    told: set[str] = set()
    for one in groups:
        produced = _most_telling(one, parts, layout)
        heading = next((headings[p.part.cell] for p in one.pieces[:1] if p.part.cell in headings), "")
        name = step_name(one, parts, heading, produced, taken)
        step = WrittenStep(
            name=name,
            inputs=(*one.inputs, *one.parameters),
            outputs=one.outputs,
            cells=one.cells,
            lines=one.lines,
            reaches=tuple(
                dict.fromkeys(
                    what for piece in one.pieces for what in (*piece.part.seen.databases, *piece.part.seen.network)
                )
            ),
            docstring=docstring(one, parts, headings, remarks, produced, told=told),
        )
        steps.append((step, one))
    return steps


def _most_telling(one: Group, parts: Parts, layout: Layout) -> tuple[str, ...]:
    """The outputs of a step, models before frames before the rest."""
    after = one.pieces[-1].part.position + 1

    def rank(name: str) -> tuple[int, int]:
        info = parts.info(name, after)
        written = name in layout.parameters
        known = info is not None
        model = known and info.fitted
        frame = known and info.type.startswith(("pandas.", "polars."))
        fresh = name not in one.inputs
        return (0 if written else 1 if model else 2 if frame else 3, 0 if fresh else 1)

    return tuple(sorted(one.outputs, key=rank))
