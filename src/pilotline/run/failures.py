"""What went wrong, in words: the user's own lines first, those of libraries folded; the rows that failed a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotline.domain.numbers import amount
from pilotline.run.errors import (
    ChangedArguments,
    ChangedModule,
    DamagedResult,
    InputChanged,
    NotStored,
    ReadOnce,
    StepFailed,
    StreamNotKept,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.checks import Verdict
    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.plans import Plan

__all__ = ["failure", "verdict_text"]


def failure(facts: Mapping[str, Any], plan: Plan) -> PilotlineError:
    """What stopped the run's process, as the error that the user gets."""
    step = facts.get("step")
    if facts.get("code"):
        return _refused(facts, plan)
    where = f"step {step}" if step else f"{plan.pipeline.module.name} could not be imported: it"
    often = f", at the last of {facts['times']} tries" if facts.get("times", 1) > 1 else ""
    lines = [f"{where} raised {facts['type']}{often}: {facts['message']}", *_traceback(facts["frames"])]
    hint = "pilotline run takes up where it stopped, once this is put right"
    if facts["type"] == "ModuleNotFoundError":
        hint = f"install {facts.get('missing')} for {plan.python}, or name another interpreter with --python"
    return StepFailed(
        "\n".join(lines), frames=facts["frames"], try_next=hint, step=step, type=facts["type"], line=facts["line"]
    )


def _refused(facts: Mapping[str, Any], plan: Plan) -> PilotlineError:
    """What the run's process refused by code."""
    step, message = facts.get("step"), facts["message"]
    match facts["code"]:
        case "PL311":
            first = facts["names"][0]
            return ChangedArguments(
                f"{message}; a step gives back what it makes and leaves its arguments as they were",
                try_next=f"begin {step} with {first} = copy.deepcopy({first}), or {first}.copy() for a frame or array",
                step=step, arguments=" and ".join(facts["names"]), line=facts["line"],
            )  # fmt: skip
        case "PL334":
            return NotStored(
                f"{message}; nothing was published",
                try_next=f"make room, or see who may write to {plan.pipeline.folder}; then pilotline run takes up where it stopped",
                step=step,
            )
        case "PL335":
            return DamagedResult(f"{message}; it was forgotten", try_next="pilotline run computes it again", step=step)
        case "PL336":
            return InputChanged(
                f"{message}; nothing was published", try_next="pilotline run", step=step, path=facts["path"]
            )
        case "PL337":
            return ChangedModule(
                f"{message}; a step gives back what it makes and leaves everything else as it was",
                try_next="give it to the step as an argument and take it back as a result;"
                " to remember what was computed use functools.cache",
                step=step, names=" and ".join(facts["names"]), line=facts["line"],
            )  # fmt: skip
        case "PL353":
            return StreamNotKept(
                f"{message}; nothing was published", try_next="cast the column, or give back a frame", step=step
            )
        case "PL354":
            return ReadOnce(
                f"{message}; for {step} there would be nothing in it",
                try_next=f"give back a list, or frames one after another, in place of {facts['result']}",
                step=step, result=facts["result"],
            )  # fmt: skip
        case code:
            raise ValueError(f"the run's process refused by an unknown code {code}")


def _traceback(frames: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for frame in frames:
        if "folded" in frame:
            count = frame["count"]
            lines.append(f"  ({count} frame{'s' if count > 1 else ''} in {frame['folded']})")
            continue
        inside = f", in {frame['name']}" if frame["name"] not in {"", "<module>"} else ""
        lines.append(f"  {frame['file']}, line {frame['line']}{inside}")
        if frame["text"]:
            lines.append(f"    {frame['text']}")
    return lines


def verdict_text(verdict: Verdict) -> str:
    """A failed verdict, with the first rows that offend."""
    said = "could not be judged" if verdict.outcome == "not judged" else "failed"
    lines = [f"  {verdict.check.table}: {verdict.check.name} {said}: {verdict.because}"]
    if verdict.rows:
        widths = [max(len(text) for text in column) for column in zip(verdict.columns, *verdict.rows, strict=True)]
        lines += [
            "      " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in (verdict.columns, *verdict.rows)
        ]
        if verdict.offending > len(verdict.rows):
            lines.append(f"      ... {amount(verdict.offending - len(verdict.rows))} more")
    return "\n".join(lines)
