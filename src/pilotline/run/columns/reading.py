"""The lineage of a run's columns: its steps read one after another, each result checked against what the run saw."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.pipelines import Constant, FromParameter, FromResult
from pilotline.run.columns.access import items_of, unpacked
from pilotline.run.columns.calls import known
from pilotline.run.columns.edges import NOTHING, Gap, Lineage, indirect
from pilotline.run.columns.machine import Machine
from pilotline.run.columns.sources import RunSources
from pilotline.run.columns.values import (
    Frame,
    Known,
    Label,
    Listed,
    PolarsFrame,
    Series,
    Thing,
    Value,
    apart,
    lineage_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.pipelines import Argument, Parameter
    from pilotline.domain.plans import Plan
    from pilotline.lake.catalog import CatalogReader

__all__ = ["Seen", "TableColumns", "as_seen", "columns_of_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """What the columns of a table were made of."""

    table: str
    columns: Mapping[str, Lineage]
    #: What decided about its rows, and so about every column.
    rows: Lineage = NOTHING

    def of(self, column: str) -> Lineage:
        """All that a column was made of."""
        return self.columns[column] | self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run saw of an output that became a table."""

    output: str
    table: str
    #: What it was as a frame, as it is kept with the table.
    notes: Mapping[str, Any]
    #: The columns of the table by which rows are replaced.
    keys: Sequence[str] = field(default=())


def columns_of_run(
    plan: Plan, lake: CatalogReader, steps: Mapping[str, Sequence[Mapping[str, Any]]], outputs: Sequence[Seen]
) -> tuple[TableColumns, ...]:
    """What the columns of a run's tables were made of. What cannot be told is said to be so, never guessed.

    Args:
        plan: what was carried out.
        lake: for the columns of the tables that were read.
        steps: what the results of each step were seen to be.
        outputs: the tables that were made.
    """
    try:
        values = _values(plan, lake, steps)
    except Exception as error:
        # A mistake here is no reason to hold back what was computed.
        gap = frozenset({Gap("", 0, f"the code could not be read: {type(error).__name__}")})
        values = {output.name: Thing.of(gap) for output in plan.pipeline.outputs}
    return tuple(_published(each, values.get(each.output, Known(None))) for each in outputs)


def _values(plan: Plan, lake: CatalogReader, steps: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Value]:
    pipeline = plan.pipeline
    machine = Machine(pipeline.module.read_text(encoding="utf-8"), RunSources(plan, lake))
    parameters = {each.name: _parameter(each, plan, machine) for each in pipeline.parameters}
    results: dict[tuple[str, int], Value] = {}

    def given(argument: Argument) -> Value:
        match argument:
            case FromParameter(name=name):
                return apart(parameters[name])
            case FromResult(step=step, index=index):
                # A step never changes what it is given: a run refuses that.
                return apart(results[step, index])
            case Constant(source=source):
                return machine.constant(source)

    for step in pipeline.steps:
        made = machine.run(step.function, {name: given(each) for name, each in step.arguments.items()}, step=step.name)
        parts: list[Value] = [made]
        if step.unpacks:
            items = items_of(made)
            if items is None or len(items) != len(step.results):
                items = [unpacked(machine, made)] * len(step.results)
            parts = items
        machine.line = step.line
        for index, (part, facts) in enumerate(
            zip(parts, [*steps.get(step.name, ()), *[{}] * len(parts)], strict=False)
        ):
            results[step.name, index] = as_seen(machine, part, facts)
    return {output.name: given(output.value) for output in pipeline.outputs}


def _parameter(parameter: Parameter, plan: Plan, machine: Machine) -> Value:
    if parameter.name not in plan.set and parameter.default is not None:
        return machine.constant(parameter.default)
    value = plan.parameters.get(parameter.name)
    if parameter.kind == "file" and isinstance(value, str):
        return Known(PurePosixPath(value))
    if parameter.kind == "file" and isinstance(value, list | tuple):
        return Listed([Known(PurePosixPath(str(each))) for each in value])
    return known(value)


# -- what the code says against what the run saw -----------------------------------------------------------------------

_FRAMES: Final = ("pandas.DataFrame",)


def _text(label: Label) -> str:
    return label if isinstance(label, str) else repr(label)


def _label(text: str) -> Label:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, int | tuple) else text


def as_seen(machine: Machine, value: Value, facts: Mapping[str, Any]) -> Value:
    """A result with the columns that it was seen to have; not shown where the code says otherwise."""
    seen = facts.get("columns")
    kind = str(facts.get("type", ""))
    if isinstance(value, PolarsFrame):
        return _polars_as_seen(machine, value, kind, seen)
    if seen is None:
        if (isinstance(value, Series) and kind not in {"pandas.Series", ""}) or (
            isinstance(value, Frame) and kind not in {*_FRAMES, ""}
        ):
            return Thing.of(
                lineage_of(value) | machine.gap(f"the run gave a {kind} where the code shows another thing")
            )
        return _with_index(machine, value, facts) if isinstance(value, Series) else value
    if not isinstance(value, Frame):
        lineage = lineage_of(value)
        if kind.startswith("polars."):
            return PolarsFrame(dict.fromkeys(seen, lineage))
        if isinstance(value, Known):
            lineage |= machine.gap("the run gave a frame where the code shows another thing")
        return Frame({_label(name): lineage for name in seen}, NOTHING, _levels(facts, lineage))
    held = {_text(name): name for name in value.columns}
    extra = [name for text, name in held.items() if text not in seen and name not in value.maybe]
    columns: dict[Label, Lineage] = {}
    missing: list[str] = []
    for text in seen:
        label = held.get(
            text, text if text not in held and isinstance(text, str) and value.get(text) is not None else _label(text)
        )
        lineage = value.get(label)
        if lineage is None:
            missing.append(text)
        else:
            columns[label] = lineage
    if extra or missing or len(columns) != len(seen) or kind not in _FRAMES:
        names = ", ".join(map(str, [*missing, *extra][:3])) or "its columns"
        gap = machine.gap(f"the run's result has other columns than the code shows: {names}")
        return Frame({_label(name): gap for name in seen}, gap, _levels(facts, gap))
    found = Frame(columns, value.rows, value.index, None, value.space)
    return _with_index(machine, found, facts)


def _polars_as_seen(machine: Machine, value: PolarsFrame, kind: str, seen: Sequence[str] | None) -> Value:
    if seen is None or not kind.startswith("polars."):
        lazy = kind in {"", "polars.LazyFrame", "polars.DataFrame"}
        why = f"the run gave a {kind} where the code shows another thing"
        return value if lazy else Thing.of(lineage_of(value) | machine.gap(why))
    held = {name: lineage for name in seen if (lineage := value.get(name)) is not None}
    if len(held) == len(seen) and not set(value.columns) - set(seen):
        return PolarsFrame(held, value.rows)
    names = ", ".join([*(each for each in seen if each not in held), *(set(value.columns) - set(seen))][:3])
    gap = machine.gap(f"the run's result has other columns than the code shows: {names}")
    return PolarsFrame(dict.fromkeys(seen, gap), gap)


def _levels(facts: Mapping[str, Any], lineage: Lineage) -> tuple[tuple[Label, Lineage], ...]:
    return tuple((name, lineage) for name in facts.get("index") or ())


def _with_index(machine: Machine, value: Frame | Series, facts: Mapping[str, Any]) -> Frame | Series:
    if "index" not in facts:
        return value
    seen: list[str | None] = list(facts["index"] or ())
    if not seen:
        # Rows that are only counted: nothing is in that.
        value.index = ()
    elif seen == [None] and not value.index:
        value.index = ((None, NOTHING),)
    elif [name if name is None else _text(name) for name, _ in value.index] != seen:
        value.index = _levels(facts, machine.gap("the run's result has another index than the code shows"))
    return value


# -- what becomes of it as a table -------------------------------------------------------------------------------------


def _published(seen: Seen, value: Value) -> TableColumns:
    """The columns of a table: those of the frame, and the levels of its index under the names that they have there."""
    index: Mapping[str, Any] = seen.notes.get("index") or {}
    levels = [] if index.get("kind") == "default" else list(index.get("levels") or {})
    names = list(seen.notes.get("columns") or seen.notes.get("names") or ())
    rows = value.rows if isinstance(value, Frame | Series | PolarsFrame) else NOTHING
    match value:
        case PolarsFrame(columns=held_by_name) if set(held_by_name) == set(names):
            held = [held_by_name[name] for name in names]
        case Frame() if value.closed and len(value.columns) == len(names):
            held = list(value.columns.values())
        case Series() if len(names) == 1:
            held = [value.lineage]
        case Frame() | Series() | PolarsFrame():
            gap = Gap("", 0, "the table has other columns than the code shows")
            held = [lineage_of(value) | {gap}] * len(names)
        case Known():
            held = [frozenset({Gap("", 0, "the run gave a table where the code shows another thing")})] * len(names)
        case _:
            held = [lineage_of(value)] * len(names)
    over = value.index if isinstance(value, Frame | Series) else ()
    if len(over) == len(levels):
        indexed = [lineage for _, lineage in over]
    elif isinstance(value, Frame | Series):
        indexed = [frozenset({Gap("", 0, "the table's index is not what the code shows")})] * len(levels)
    else:
        indexed = [lineage_of(value)] * len(levels)
    columns: dict[str, Lineage] = dict(zip([*levels, *names], [*indexed, *held], strict=True))
    for key in seen.keys:
        rows |= indirect(columns.get(key, NOTHING), "JOIN")
    return TableColumns(
        table=seen.table, columns={name: lineage - rows for name, lineage in columns.items()}, rows=rows
    )
