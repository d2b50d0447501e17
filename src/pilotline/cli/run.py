"""Run a pipeline: its steps on a branch of its own, its checks there, and if they pass publish everything at once.

Steps whose code and inputs did not change are not computed again. Nothing that fails is ever seen by a reader.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.run.carrying import Outcome

NAME = "run"
HELP = "run a pipeline on a branch of its own, check it, publish it"


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
    parser.add_argument("--fresh", action="store_true", help="compute every step again, release what is held")


def run(args: Namespace, out: Out) -> int:
    """Plan, carry out, say what came of it."""
    from pilotline.run.opening import open_pipeline
    from pilotline.run.parameters import assignments
    from pilotline.run.planning import Asked, plan

    opened = open_pipeline(args.module, Path.cwd(), python=args.python)
    asked = Asked(
        onto=args.onto,
        parameters=assignments(args.set),
        fresh=args.fresh,
        publish=not args.no_publish,
        branch=args.branch,
    )
    made = plan(opened.reading, opened.lake, asked, opened.around)
    from pilotline.run.carrying import carry_out

    outcome = carry_out(made, opened.lake, opened.around, lambda event: None, fresh=args.fresh)
    out.say(str(outcome))
    return 0
