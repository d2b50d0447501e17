"""Run a pipeline: its steps on a branch of its own, its checks there, and if they pass publish everything at once.

Steps whose code and inputs did not change are not computed again. Nothing that fails is ever seen by a reader.
"""

from __future__ import annotations

from pilotline.cli.arguments import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from pilotline.cli.progress import Progress
    from pilotline.cli.terminal import Out
    from pilotline.domain.plans import Plan
    from pilotline.run.carrying import Made, Outcome

NAME = "run"
HELP = "run a pipeline on a branch of its own, check it, publish it"
#: Seconds; a run that takes no longer does not say in the database that it goes on.
_SHORT = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """The pipeline, its parameters, where to publish."""
    parser.add_argument("module", nargs="?", metavar="MODULE", help="name or path; may be left out where there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="give a parameter another value; repeatable"
    )
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="the branch to publish onto (main)")
    parser.add_argument("--branch", default="", metavar="NAME", help="name of the run's own branch (run-N)")
    parser.add_argument("--no-publish", action="store_true", help="compute and check, and leave it on the branch")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that the steps run in")
    parser.add_argument("--timeout", type=seconds(), metavar="SECONDS", help="stop the steps when they take longer")
    parser.add_argument("--fresh", action="store_true", help="compute every step again, release what is held")


def run(args: Namespace, out: Out) -> int:
    """Plan, carry out, say what came of it."""
    from pilotline.run.standing import said, stands

    asked_for = said([args.module, args.onto, sorted(args.set), args.python])
    if not (args.fresh or args.no_publish or args.branch) and (found := stands(asked_for)):
        return _nothing(found, out)
    return _plan_and_run(args, out, asked_for)


def _nothing(found: Mapping[str, Any], out: Out) -> int:
    out.say(f"nothing to do: {found['because']} on {found['at']}, and it stands")
    out.document({"state": "unchanged", **found})
    return 0


def _plan_and_run(args: Namespace, out: Out, asked_for: str) -> int:
    from pathlib import Path

    from pilotline.run.keeping import storing
    from pilotline.run.opening import open_pipeline
    from pilotline.run.parameters import assignments
    from pilotline.run.planning import Asked, plan
    from pilotline.run.projects import project_of

    asked = Asked(
        onto=args.onto,
        parameters=assignments(args.set),
        fresh=args.fresh,
        publish=not args.no_publish,
        branch=args.branch,
    )
    with storing(project_of(Path.cwd()).own):
        opened = open_pipeline(args.module, Path.cwd(), python=args.python)
        made = plan(opened.reading, opened.lake, asked, opened.around)
    if made.nothing:
        from pilotline.run.nothing import note_standing, refuse_held

        refuse_held(made)
        found = note_standing(opened, asked, asked_for)
        return _nothing(found or {}, out)
    from pilotline.lake.attending import attending
    from pilotline.run.carrying import carry_out
    from pilotline.run.components import COMPONENTS

    attended = attending(opened.lake.database, "run", COMPONENTS, after=_SHORT)
    with attended, out.progress(f"run {made.pipeline.name}") as progress:
        teller = _Teller(made, out, progress)
        outcome = carry_out(made, opened.lake, opened.around, teller.hear, fresh=args.fresh, timeout=args.timeout)
    _print(made, outcome, out)
    out.document(_as_json(made, outcome, opened.around.project.runs))
    if outcome.state == "published":
        from pilotline.run.nothing import note_standing

        note_standing(opened, asked, asked_for)
    return 0


class _Teller:
    """Says on a terminal what happens, a line a step; in a pipe nothing."""

    def __init__(self, plan: Plan, out: Out, progress: Progress) -> None:
        self._out = out if out.width is not None else None
        self._progress = progress
        self._wide = max((len(step.name) for step in plan.pipeline.steps), default=0)
        self._total = len(plan.pipeline.steps)
        self._done = 0

    def hear(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "importing":
                self._progress.step("importing")
            case "started":
                self._progress.step(str(event["step"]))
            case "again":
                self._again(event)
            case "step":
                self._done += 1
                self._progress.reach(self._done, self._total)
                self._step(event)
            case "table":
                self._progress.step(f"writing {event['table']}")
            case "check":
                self._progress.step(f"checking {event['table']}")
            case _:
                pass

    def _again(self, event: Mapping[str, Any]) -> None:
        if self._out is not None:
            again = f"try {event['times'] + 1} of {event['of']} in {event['wait']:.1f} s"
            self._out.say(f"  {event['step']:<{self._wide}}  {'again':>8}  {event['because']}; {again}")

    def _step(self, event: Mapping[str, Any]) -> None:
        if self._out is None:
            return
        took = f"{event['seconds']:.1f} s" if event["outcome"] == "computed" else str(event["outcome"])
        results = ", ".join(_result(each) for each in event.get("results") or ())
        self._out.say(f"  {event['step']:<{self._wide}}  {took:>8}  {results}".rstrip())


def _result(each: Mapping[str, Any]) -> str:
    from pilotline.domain.numbers import amount

    shape = each.get("shape")
    if shape:
        return f"{each['name']} {' x '.join(amount(one) for one in shape)}"
    return f"{each['name']} = {each['value']:.6g}" if isinstance(each.get("value"), float) else str(each["name"])


def _print(plan: Plan, outcome: Outcome, out: Out) -> None:
    counts = {word: list(outcome.steps.values()).count(word) for word in ("computed", "reused")}
    if outcome.state == "published":
        head = out.styled("published", "green") + f" onto {plan.onto} by {outcome.run}"
        head += f", commit {outcome.commit[:8]}" if outcome.commit else ""
    else:
        head = f"not published, as asked; it is on branch {outcome.branch}"
    out.say(f"{head} ({counts['computed']} computed, {counts['reused']} reused, {outcome.seconds:.1f} s)")
    rows = [_line(one) for one in outcome.made]
    wide = max((len(row[0]) for row in rows), default=0)
    for name, what, notes in rows:
        out.say(f"  {name:<{wide}}  {what}")
        for note in notes:
            out.say(out.styled(f"  {'':<{wide}}    {note}", "dim"))
    _print_checks(outcome, out)
    tables = [one.where for one in outcome.made if one.kind == "table"]
    if outcome.state != "published":
        out.say(f"  next: pilotline diff {outcome.branch}")
    elif tables:
        out.say(f"  next: pilotline show {tables[0]}")


def _line(one: Made) -> tuple[str, str, Sequence[str]]:
    from pilotline.cli.lakes import size
    from pilotline.domain.numbers import plural

    match one.kind:
        case "table":
            return one.where, f"table, {plural(one.rows or 0, 'row')}", one.notes[:3]
        case "metric":
            text = f"{one.value:.6g}" if one.value is not None and not one.value.is_integer() else one.where
            return one.output, text, ()
        case "file":
            return one.output, f"file {one.type}, {size(one.size)}", one.notes
        case "object":
            return one.output, f"{one.type}, {size(one.size)}", one.notes


def _print_checks(outcome: Outcome, out: Out) -> None:
    from pilotline.domain.numbers import plural

    if not outcome.verdicts:
        return
    warned = [one for one in outcome.verdicts if one.outcome != "passed"]
    passed = len(outcome.verdicts) - len(warned)
    out.say(f"  {plural(passed, 'check')} passed" + (f", {plural(len(warned), 'warning')}:" if warned else ""))
    for one in warned:
        out.say(out.styled(f"    {one.check.table}: {one.check.name}: {one.because}", "yellow"))


def _as_json(plan: Plan, outcome: Outcome, runs: Path) -> dict[str, Any]:
    return {
        "run": outcome.run,
        "state": outcome.state,
        "pipeline": plan.pipeline.name,
        "onto": plan.onto,
        "branch": outcome.branch,
        "commit": outcome.commit,
        "steps": [{"step": step, "outcome": what} for step, what in outcome.steps.items()],
        "tables": [
            {
                "output": one.output,
                "table": one.where,
                "rows": one.rows,
                "snapshot": one.snapshot,
                "notes": list(one.notes),
            }
            for one in outcome.made
            if one.kind == "table"
        ],
        "metrics": {one.output: one.value for one in outcome.made if one.kind == "metric"},
        "artifacts": [
            {"output": one.output, "type": one.type, "sha256": one.where, "bytes": one.size, "notes": list(one.notes)}
            for one in outcome.made
            if one.kind in {"file", "object"}
        ],
        "checks": [
            {
                "table": str(one.check.table),
                "name": one.check.name,
                "severity": one.check.severity,
                "outcome": one.outcome,
                "offending": one.offending,
                "because": one.because,
            }
            for one in outcome.verdicts
        ],
        "seconds": round(outcome.seconds, 3),
        "report": str(runs / outcome.run / "report.html"),
    }
