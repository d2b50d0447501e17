"""What is wanted of a notebook: what was asked for, or what it seems to be for."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from pilotline.domain.errors import LiftError, UsageError, did_you_mean
from pilotline.guest.names import is_builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.recordings import Info
    from pilotline.lift.parts import Part, Parts

Kind = Literal["file", "frame", "model", "metric", "array", "object"]

_FRAMES = frozenset(
    {
        "pandas.DataFrame",
        "pandas.Series",
        "polars.DataFrame",
        "polars.Series",
        "polars.LazyFrame",
        "geopandas.GeoDataFrame",
        "pyarrow.Table",
    }
)
_NUMBERS = frozenset(
    {"int", "float", "complex", "numpy.float64", "numpy.float32", "numpy.int64", "numpy.int32", "decimal.Decimal"}
)
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".svg", ".pdf", ".gif", ".eps", ".webp", ".html"})
_PEEKS = re.compile(
    r"\.(head|tail|sample|info|describe|dtypes|shape|columns|index|value_counts|isnull\(\)\.sum|isna\(\)\.sum|nunique|unique|memory_usage)\b(\(.*\))?\s*$"
)
_FEW = 3


class NothingToLift(LiftError):
    """The notebook makes nothing that could be published."""

    code = "PL144"


class NoSuchOutput(UsageError):
    """What was asked for by --want is not in the notebook."""

    code = "PL141"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One value that the pipeline is to return."""

    #: Its key in what ``pipeline()`` returns.
    name: str
    #: The variable, the shown expression or the path that it is.
    of: str
    kind: Kind
    cell: int
    #: Position of the part that showed it; None where it is a name at the end or a file.
    position: int | None = None
    #: Path of a written file.
    path: str | None = None
    #: It was asked for by name, rather than found.
    asked: bool = False
    info: Info | None = None

    @property
    def resources(self) -> tuple[str, ...]:
        """What has to be live at the end for it."""
        if self.position is not None:
            return ()
        return (f"file:{self.path}",) if self.path else (self.of,)

    @property
    def ask(self) -> str:
        """What ``--want`` says for it."""
        return self.path or (f"cell:{self.cell}" if self.position is not None else self.of)


def kind_of(info: Info | None) -> Kind:
    """What sort of result a value is."""
    if info is None:
        return "object"
    if info.type in _FRAMES:
        return "frame"
    if info.type in _NUMBERS:
        return "metric"
    if info.fitted:
        return "model"
    if info.type == "numpy.ndarray":
        return "array"
    return "object"


def asked_for(parts: Parts, wants: Sequence[str]) -> list[Wanted]:
    """The values named by ``--want``: a name, ``cell:7`` or the path of a file that was written.

    Raises:
        NoSuchOutput: there is none of that name, or the cell shows nothing.
    """
    found: list[Wanted] = []
    taken = _names_in(parts)
    for want in wants:
        match = re.fullmatch(r"cell:(\d+)", want)
        if match:
            one = _shown_by_cell(parts, int(match[1]), taken)
        elif want in parts.written:
            one = _file(parts, want, taken)
        else:
            one = _named(parts, want)
        if one.name not in {other.name for other in found}:
            found.append(one)
    return [_asked(one) for one in found]


def _asked(one: Wanted) -> Wanted:
    return replace(one, asked=True)


def _named(parts: Parts, name: str) -> Wanted:
    makers = [part for part in parts.all if name in part.makes]
    if not makers or (name in makers[-1].seen.deletes and name not in makers[-1].seen.binds):
        known = sorted({n for part in parts.all for n in part.makes if ":" not in n})
        raise NoSuchOutput(
            f"The notebook ends without a value named {name!r}.{did_you_mean(name, known)}",
            try_next="pilotline lift NOTEBOOK --list",
            name=name,
        )
    info = parts.final(name)
    return Wanted(name=name, of=name, kind=kind_of(info), cell=makers[-1].cell, info=info)


def _shown_by_cell(parts: Parts, number: int, taken: set[str]) -> Wanted:
    shows = [part for part in parts.all if part.cell == number and part.seen.shown is not None]
    if not shows:
        cells = sorted({part.cell for part in parts.all if part.seen.shown is not None})
        last = max((part.cell for part in parts.all), default=0)
        what = "shows no value" if number <= last else f"is not there: the notebook has {last} code cells"
        raise NoSuchOutput(
            f"Cell {number} {what}. Cells that show one: {', '.join(map(str, cells[:20])) or 'none'}.",
            try_next="pilotline lift NOTEBOOK --list",
            cell=number,
        )
    return _shown(_best_shown(shows), taken)


def _best_shown(shows: Sequence[Part]) -> Part:
    """The last expression of a cell counts before what it displayed, and that before what it printed."""
    rank = {"expression": 2, "display": 1, "print": 0}
    return max(shows, key=lambda part: (rank[part.seen.shown.how] if part.seen.shown else -1, part.position))


def _shown(part: Part, taken: set[str]) -> Wanted:
    shown = part.seen.shown
    assert shown is not None  # noqa: S101
    name = _free(shown_name(shown.source, part.cell), taken)
    return Wanted(
        name=name, of=shown.source, kind=kind_of(shown.info), cell=part.cell, position=part.position, info=shown.info
    )


def _file(parts: Parts, path: str, taken: set[str]) -> Wanted:
    writers = [part for part in parts.all if path in part.seen.writes_files]
    return Wanted(name=_free(path_name(path), taken), of=path, kind="file", cell=writers[-1].cell, path=path)


def shown_name(source: str, cell: int) -> str:
    """A name for a value that has none: ``model.score(X, y)`` -> ``model_score``."""
    try:
        node = ast.parse(source, mode="eval").body
    except SyntaxError:
        return f"shown_{cell}"
    words: list[str] = []
    while True:
        match node:
            case ast.Call():
                node = node.func
            case ast.Subscript():
                node = node.value
            case ast.Attribute():
                words.insert(0, node.attr)
                node = node.value
            case ast.Name():
                words.insert(0, node.id)
                break
            case _:
                break
    plain = [re.sub(r"\W", "", word).lower() for word in words if word not in {"np", "pd", "loc", "iloc", "values"}]
    plain = plain[:1] + plain[1:][-2:]
    name = "_".join(word.strip("_") for word in plain if word.strip("_"))
    if not name or len(name) > 40 or name[0].isdigit() or is_builtin(name):
        return f"shown_{cell}"
    return name + "_shown" if len(words) == 1 and isinstance(node, ast.Name) and node.id == source.strip() else name


def path_name(path: str) -> str:
    """A parameter's name for a path: ``data/Daily Revenue.csv`` -> ``daily_revenue_csv``."""
    name = re.sub(r"\W+", "_", PurePosixPath(path).name).strip("_").lower()
    return f"file_{name}" if not name or name[0].isdigit() or keyword.iskeyword(name) else name


def _free(name: str, taken: set[str]) -> str:
    if keyword.iskeyword(name):
        name += "_"
    base, count = name, 2
    while name in taken:
        name = f"{base}_{count}"
        count += 1
    taken.add(name)
    return name


def _names_in(parts: Parts) -> set[str]:
    return {name for part in parts.all for name in part.makes | part.uses if ":" not in name}


def candidates(parts: Parts) -> list[Wanted]:
    """Everything that ``--list`` offers: files written, values at the end, values shown."""
    taken = _names_in(parts)
    found = [_file(parts, path, taken) for path in sorted(parts.written)]
    skip = {name for part in parts.all if part.is_import or part.is_definition for name in part.seen.binds}
    for name in sorted({n for part in parts.all for n in part.makes if ":" not in n} - skip):
        makers = [part for part in parts.all if name in part.makes]
        if name in makers[-1].seen.deletes or name.startswith("_"):
            continue
        found.append(_named(parts, name))
    for number in sorted({part.cell for part in parts.all if part.seen.shown is not None}):
        shows = [part for part in parts.all if part.cell == number and part.seen.shown is not None]
        found.append(_shown(_best_shown(shows), taken))
    return sorted(found, key=lambda one: (one.cell, one.name))


def by_default(parts: Parts) -> list[Wanted]:
    """What the notebook seems to be for: files, fitted models, metrics, and the frames that it ends in.

    Raises:
        NothingToLift: it makes nothing of the kind.
    """
    every = [one for one in candidates(parts) if not parts.is_figure(one.of, len(parts.all))]
    files = [one for one in every if one.path and PurePosixPath(one.path).suffix.lower() not in _PICTURES]
    named = [one for one in every if one.path is None and one.position is None]
    shown = [one for one in every if one.position is not None]
    models = [one for one in named if one.kind == "model" and _is_last_use(parts, one)]
    metrics = [one for one in named if one.kind == "metric" and _is_computed(parts, one)]
    metrics += [one for one in shown if one.kind == "metric" and "(" in one.of]
    if models:
        # Numbers from before the last fit speak of what was tried on the way.
        metrics = [one for one in metrics if one.cell >= models[-1].cell]
    frames = [one for one in named if one.kind == "frame" and _is_end(parts, one) and not _feeds_a_number(parts, one)]
    frames += [one for one in shown if one.kind == "frame" and _is_result(one)]
    frames.sort(key=lambda one: one.cell)
    if files:
        # What was exported is what the frames were made for.
        exported = {name for file in files for name in _exported(parts, file)}
        last = max(file.cell for file in files)
        frames = [one for one in frames if one.cell > last] + [one for one in named if one.of in exported]
        frames.sort(key=lambda one: one.cell)
    chosen = files + models[-_FEW:] + metrics[-_FEW:] + frames[-_FEW:]
    if not chosen:
        chosen = [one for one in every if one.kind in {"frame", "array", "metric", "model"}][-1:]
    if not chosen:
        chosen = [one for one in every if one.info is not None and one.info.type not in {"NoneType", "str"}][-1:]
    if not chosen:
        raise NothingToLift(
            "The notebook writes no file and ends in no table, model or number that a pipeline could publish.",
            try_next="pilotline lift NOTEBOOK --want NAME",
        )
    return _renamed(parts, sorted(chosen, key=lambda one: one.cell))


def _exported(parts: Parts, file: Wanted) -> set[str]:
    """Frames that a file was written from by a method of their own, and that were not changed since."""
    found: set[str] = set()
    for part in parts.all:
        if file.path not in part.seen.writes_files:
            continue
        for node in ast.walk(part.node):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if attribute.startswith(
                    ("to_", "write")
                ):
                    if not any(name in later.makes for later in parts.all[part.position + 1 :]):
                        found.add(name)
                case _:
                    pass
    return {name for name in found if kind_of(parts.final(name)) == "frame"}


def _renamed(parts: Parts, chosen: list[Wanted]) -> list[Wanted]:
    """Names of shown values told apart among the chosen ones only."""
    taken = _names_in(parts)
    return [
        replace(one, name=_free(shown_name(one.of, one.cell), taken)) if one.position is not None else one
        for one in chosen
    ]


def _is_end(parts: Parts, one: Wanted) -> bool:
    """Nothing is made of it afterwards."""
    last = max(part.position for part in parts.all if one.of in part.makes)
    return not any(
        one.of in part.uses
        and any(
            name != one.of and ":" not in name and not parts.is_figure(name, part.position + 1) for name in part.makes
        )
        for part in parts.all[last + 1 :]
    )


def _feeds_a_number(parts: Parts, one: Wanted) -> bool:
    """A number was shown that was calculated from it, as a score is from test data."""
    last = max(part.position for part in parts.all if one.of in part.makes)
    return any(
        one.of in part.uses and part.seen.shown is not None and kind_of(part.seen.shown.info) == "metric"
        for part in parts.all[last + 1 :]
    )


def _is_last_use(parts: Parts, one: Wanted) -> bool:
    """It is not merely a part of a later model."""
    last = max(part.position for part in parts.all if one.of in part.makes)
    models = {
        name for name in parts.states if name != one.of and (info := parts.final(name)) is not None and info.fitted
    }
    return not any(one.of in part.uses and models & part.makes for part in parts.all[last + 1 :])


def _is_computed(parts: Parts, one: Wanted) -> bool:
    """A number that came out of a calculation, and into no other."""
    maker = max((part for part in parts.all if one.of in part.makes), key=lambda part: part.position)
    value = maker.node.value if isinstance(maker.node, ast.Assign | ast.AnnAssign) else None
    return value is not None and any(isinstance(node, ast.Call) for node in ast.walk(value)) and _is_end(parts, one)


def _is_result(one: Wanted) -> bool:
    return "(" in one.of and not _PEEKS.search(one.of)
