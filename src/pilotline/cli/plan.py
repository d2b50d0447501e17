"""Show what a run would do now: which steps it would compute and why, what it would write, check and publish.

Nothing is run and nothing is changed. `pilotline run` carries out this very plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

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
    parser.add_argument("--mermaid", action="store_true", help="print the graph in Mermaid's words")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the graph into a file")


def run(args: Namespace, out: Out) -> int:
    """Plan, and print it."""
    from pilotline.run.explaining import explain, mermaid, plan_as_json
    from pilotline.run.opening import open_pipeline
    from pilotline.run.parameters import assignments
    from pilotline.run.planning import Asked, plan

    opened = open_pipeline(args.module, Path.cwd(), python=args.python)
    asked = Asked(onto=args.onto, parameters=assignments(args.set), fresh=args.fresh)
    made = plan(opened.reading, opened.lake, asked, opened.around)
    if args.svg:
        from pilotline.run.drawing import graph_of, svg

        args.svg.write_text(svg(graph_of(made.pipeline, made.parameters, {})), encoding="utf-8")
        out.say(f"drawn into {args.svg}")
    else:
        out.say(mermaid(made) if args.mermaid else explain(made))
    out.document(plan_as_json(made))
    return 0
