"""A plan in words, and its graph as Mermaid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from pilotline.domain.pipelines import Constant, FromParameter, FromResult
from pilotline.domain.plans import (
    ChangesInput,
    CreateBranch,
    Held,
    KeepArtifact,
    Publish,
    RunCheck,
    RunStep,
    Unchanged,
    WriteTable,
)
from pilotline.domain.tables import describe_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.domain.pipelines import Step
    from pilotline.domain.plans import Plan

__all__ = ["explain", "mermaid", "plan_as_json", "takes"]


def explain(plan: Plan) -> str:
    """What ``pilotline plan`` prints."""
    head = f"{plan.pipeline.name} onto {plan.onto} at {plan.base.id[:8]}"
    lines = [head + (f": {plan.pipeline.summary}" if plan.pipeline.summary else "")]
    if plan.nothing:
        return "\n".join([*lines, "", _nothing(plan.nothing, plan)])
    if plan.resumes:
        lines.append(f"Takes up {plan.resumes}, which did not end.")
    lines += [_taken(each) for each in plan.inputs if isinstance(each, ChangesInput)]
    lines += ["", *_steps(plan)]
    then: list[str] = []
    for stage in plan.stages:
        match stage:
            case CreateBranch() | RunStep():
                continue
            case WriteTable(output=output, table=table, mode=mode):
                then.append(f"write   {table} ({describe_mode(mode)})" + _unless_same(output, table.name))
            case KeepArtifact(output=output, kind=kind):
                then.append(f"keep    {output}{_KEPT_AS[kind]}")
            case RunCheck(check=check):
                warns = " (only warns)" if check.severity == "warn" else ""
                then.append(f"check   {check.table}: {check.name}{warns}")
            case Publish(onto=onto):
                then.append(f"publish onto {onto}, all at once")
            case _:
                assert_never(stage)
    return "\n".join([*lines, "", *(f"  {line}" for line in then)])


_KEPT_AS: Final = {"metric": ", a number", "artifact": ", an artifact", "unknown": ", or write it if it is a table"}


def _unless_same(output: str, table: str) -> str:
    return "" if output == table else f", what the pipeline returns as {output}"


def _nothing(nothing: Unchanged | Held, plan: Plan) -> str:
    match nothing:
        case Unchanged(because=because, at=at):
            return f"  Nothing to do: {because} on {at:%Y-%m-%d %H:%M}, and it stands."
        case Held(run=run, undone_by=who, at=at):
            return (
                f"  Held: {run} published the same, and {who} undid it on {at:%Y-%m-%d %H:%M}.\n"
                f"  To publish it again: pilotline run {plan.pipeline.name} --fresh"
            )
    assert_never(nothing)


def _taken(each: ChangesInput) -> str:
    if each.since is None:
        return f"Reads all of {each.table}: nothing was made of it yet."
    if each.still:
        return f"Nothing came to {each.table} since {each.run}."
    return f"Reads what came to {each.table} since {each.run}."


def _steps(plan: Plan) -> list[str]:
    rows = [
        (
            "reuse" if stage.reuse else "compute",
            stage.step,
            takes(plan.pipeline.step(stage.step), plan.parameters),
            stage.why,
        )
        for stage in plan.steps
    ]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(3)]
    lines: list[str] = []
    for what, step, given, why in rows:
        said = "" if what == "reuse" else why
        lines.append(f"  {what:<7}  {step:<{widths[1]}}  {given:<{min(widths[2], 60)}}  {said}".rstrip())
    computed = sum(not stage.reuse for stage in plan.steps)
    return [*lines, "", f"  {computed} of {len(rows)} steps to compute."]


def takes(step: Step, parameters: Mapping[str, object]) -> str:
    """What a step takes, in a few words: ``orders, min_amount=10.0``."""
    parts: list[str] = []
    for name, argument in step.arguments.items():
        match argument:
            case FromParameter(name=parameter):
                value = parameters.get(parameter)
                parts.append(f"{parameter}={value}" if value is not None else parameter)
            case FromResult(step=maker):
                parts.append(f"{name} from {maker}")
            case Constant(source=source):
                parts.append(f"{name}={source}")
            case _:
                assert_never(argument)
    return "(" + ", ".join(parts) + ")"


def mermaid(plan: Plan) -> str:
    """The graph of a plan in Mermaid's words."""
    reused = {stage.step for stage in plan.steps if stage.reuse}
    lines = ["flowchart LR"]
    for parameter in plan.pipeline.parameters:
        if parameter.kind != "value":
            value = plan.parameters.get(parameter.name) or parameter.name
            lines.append(f'    in_{parameter.name}[("{value}")]')
    for step in plan.pipeline.steps:
        lines.append(f'    {step.name}["{step.name}"]{":::reused" if step.name in reused else ""}')
        for argument in step.arguments.values():
            if isinstance(argument, FromResult):
                lines.append(f"    {argument.step} --> {step.name}")
            elif isinstance(argument, FromParameter):
                kind = next(each.kind for each in plan.pipeline.parameters if each.name == argument.name)
                if kind != "value":
                    lines.append(f"    in_{argument.name} --> {step.name}")
    for output in plan.pipeline.outputs:
        if isinstance(output.value, FromResult):
            lines.append(f'    out_{output.name}(["{plan.pipeline.contract.table_of(output.name)}"])')
            lines.append(f"    {output.value.step} --> out_{output.name}")
    lines.append("    classDef reused stroke-dasharray:4")
    return "\n".join(dict.fromkeys(lines))


def plan_as_json(plan: Plan) -> dict[str, object]:
    """A plan as one JSON-ready object."""
    nothing = plan.nothing
    return {
        "pipeline": plan.pipeline.name,
        "module": str(plan.pipeline.module),
        "onto": plan.onto,
        "base": plan.base.id,
        "nothing_to_do": None if nothing is None else "held" if isinstance(nothing, Held) else "unchanged",
        "because_of": nothing.run if nothing else None,
        "resumes": plan.resumes,
        "parameters": dict(plan.parameters),
        "inputs": [_input(each) for each in plan.inputs],
        "python": plan.python,
        "stages": [_stage(stage) for stage in plan.stages],
    }


def _input(each: object) -> dict[str, object]:
    from pilotline.domain.plans import FileInput, TableInput

    match each:
        case FileInput(path=path, sha256=sha256, parameter=parameter):
            return {"kind": "file", "path": path, "sha256": sha256, "parameter": parameter}
        case TableInput(table=table, snapshot=snapshot, parameter=parameter):
            return {"kind": "table", "table": str(table), "snapshot": snapshot, "parameter": parameter}
        case ChangesInput():
            return {
                "kind": "changes",
                "table": str(each.table),
                "snapshot": each.snapshot,
                "parameter": each.parameter,
                "since": each.since,
                "since_run": each.run,
            }
        case _:
            raise TypeError(each)


def _stage(stage: object) -> dict[str, object]:
    match stage:
        case CreateBranch(base=base, onto=onto, name=name):
            return {"stage": "create_branch", "name": name or None, "base": base, "onto": onto}
        case RunStep(step=step, key=key, reuse=reuse, why=why):
            return {"stage": "run_step", "step": step, "key": key or None, "reuse": reuse, "why": why}
        case WriteTable(output=output, table=table, mode=mode):
            return {"stage": "write_table", "output": output, "table": str(table), "mode": describe_mode(mode)}
        case KeepArtifact(output=output, kind=kind):
            return {"stage": "keep_artifact", "output": output, "kind": kind}
        case RunCheck(check=check):
            return {"stage": "run_check", "table": str(check.table), "check": check.name, "severity": check.severity}
        case Publish(onto=onto):
            return {"stage": "publish", "onto": onto}
        case _:
            raise TypeError(stage)
