"""Show what a run would do now: which steps it would compute and why, what it would write, check and publish.

Nothing is run and nothing is changed. `pilotline run` carries out this very plan. With --against the project is compared with
a commit of git instead: code, packages, schedule, checks, parameters, and what would be computed again for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.lab.comparing import Changed, PipelineChange

NAME = "plan"
HELP = "show what a run would do, and why, without doing it"


def add_arguments(parser: ArgumentParser) -> None:
    """The pipeline, its parameters, the form."""
    parser.add_argument("module", nargs="?", metavar="MODULE", help="name or path; may be left out where there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="give a parameter another value; repeatable"
    )
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="the branch to publish onto (main)")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that the steps would run in")
    parser.add_argument("--fresh", action="store_true", help="as if every step were to be computed again")
    parser.add_argument(
        "--against", default="", metavar="REF", help="compare with a commit, branch or tag of git, or a release"
    )
    parser.add_argument("--of", default="", metavar="REF", help="with --against: this commit, not the folder as it is")
    parser.add_argument("--exit-code", action="store_true", help="with --against: 0 where nothing differs, else 2")
    parser.add_argument("--mermaid", action="store_true", help="print the graph in Mermaid's words")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the graph into a file")


def run(args: Namespace, out: Out) -> int:
    """Plan, and print it; or compare.

    Raises:
        UsageError: an option for a comparison without one.
    """
    if args.against:
        return _compare(args, out)
    if args.of or args.exit_code:
        raise UsageError("--of and --exit-code belong to --against", try_next="pilotline plan --against main")
    from pilotline.run.explaining import explain, mermaid, plan_as_json
    from pilotline.run.opening import open_pipeline
    from pilotline.run.parameters import assignments
    from pilotline.run.planning import Asked, plan
    from pilotline.run.redacting import plan_without_secrets

    opened = open_pipeline(args.module, Path.cwd(), python=args.python)
    asked = Asked(onto=args.onto, parameters=assignments(args.set), fresh=args.fresh)
    made = plan_without_secrets(plan(opened.reading, opened.lake, asked, opened.around))
    if args.svg:
        from pilotline.run.drawing import graph_of, svg

        out.write(args.svg, svg(graph_of(made.pipeline, made.parameters, {})))
    else:
        out.say(mermaid(made) if args.mermaid else explain(made))
    out.document(plan_as_json(made))
    return 0


def _compare(args: Namespace, out: Out) -> int:
    from dataclasses import asdict

    from pilotline.lab.comparing import compare
    from pilotline.run.projects import find_module, project_of

    folder = project_of(Path.cwd()).folder
    module = find_module(args.module, Path.cwd()) if args.module else None
    found = compare(folder, _commit(folder, args.against), _commit(folder, args.of), module=module, python=args.python)
    out.say(f"{found.before}  →  {found.after}")
    if found.same:
        out.say("nothing differs: a run does the same")
    for one in found.packages:
        out.say(f"  {_difference(one)}")
    for each in found.pipelines:
        _print(each, out)
    out.document({"same": found.same, **asdict(found)})
    return 2 if args.exit_code and not found.same else 0


def _commit(folder: Path, ref: str) -> str:
    """The commit of a release, where a release is meant; else the words for git as they are."""
    from pilotline.factory.releases import NoSuchRelease, Releases
    from pilotline.run.opening import lake_of
    from pilotline.run.projects import Project

    lake = lake_of(Project(folder=folder))
    if not ref or not lake.exists:
        return ref
    try:
        return Releases(lake.database, lake.storage).release(ref).commit
    except NoSuchRelease:
        return ref


def _print(one: PipelineChange, out: Out) -> None:
    out.say()
    out.say(out.styled(one.module, "bold") + ("" if one.change == "changed" else f"  {one.change}"))
    if one.error:
        out.say(f"  {one.error}")
    for each in one.changes:
        if each.kind == "code":
            # What is said of the steps below says it too, but for those that are gone.
            if each.after is None:
                out.say(f"  step {each.name} is gone")
            continue
        out.say(f"  {_difference(each)}")
    if one.steps:
        out.say(f"  {len(one.recomputed)} of {one.steps} steps are computed again")
    for step, why in one.recomputed:
        out.say(f"    {step}: {why}")


def _difference(one: Changed) -> str:
    what = {"environment": "package", "contract": ""}.get(one.kind, one.kind)
    head = f"{what} {one.name}".strip() if one.kind != "schedule" else "schedule"
    if one.before is None:
        return f"{head}: new" + (f", {one.after}" if one.after else "")
    if one.after is None:
        return f"{head}: gone" + (f", it was {one.before}" if one.before else "")
    return f"{head}: {one.before} → {one.after}"
