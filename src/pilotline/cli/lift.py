"""Take what is useful out of a notebook, as a small pipeline, and prove that it computes the same.

The notebook is run in its own interpreter, in a copy of its folder, and not changed. What it writes, fits, counts and
ends in becomes the pipeline's results; --want chooses others, --list shows what there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import seconds

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "lift"
HELP = "take what is useful out of a notebook and prove that it computes the same"


def add_arguments(parser: ArgumentParser) -> None:
    """The notebook, what is wanted of it, how it may run."""
    parser.add_argument("notebook", type=Path, help=".ipynb, percent-format .py, marimo .py or a plain script")
    parser.add_argument(
        "--want",
        action="append",
        default=[],
        metavar="NAME",
        help="a value at the end, cell:7 for what the seventh code cell shows, or a file it writes; repeatable",
    )
    parser.add_argument("--list", action="store_true", help="list what could be wanted, and stop")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that the notebook runs in")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=["network", "subprocess", "write", "database"],
        help="let the notebook reach outside of its folder in this way; repeatable",
    )
    parser.add_argument(
        "--proof", choices=["full", "once"], default="full", help="once: no second comparison on changed inputs"
    )
    parser.add_argument("--timeout", type=seconds(), metavar="SECONDS", help="stop the notebook after so long (600)")
    parser.add_argument("--order", choices=["file", "executed"], help="run the cells as they stand, or as executed")
    parser.add_argument("--name", help="name of the module (default: after the notebook)")
    parser.add_argument("--force", action="store_true", help="write over files that were edited by hand")


def run(args: Namespace, out: Out) -> int:
    """Lift, prove, write, and print the receipt."""
    from pilotline.lab.lifting import Options, lift_notebook, list_wanted

    options = Options(
        wants=tuple(args.want),
        python=args.python,
        allow=tuple(args.allow),
        proof=args.proof,
        timeout=args.timeout or 600.0,
        order=args.order,
        name=args.name,
        force=args.force,
    )
    if args.list:
        with out.progress(f"lift {args.notebook.name}") as progress:
            found = list_wanted(args.notebook, options, progress.step)
        out.table(["--want", "kind", "cell", "type"], [[one.ask, one.kind, str(one.cell), one.type] for one in found])
        out.document({"outputs": [one.as_json() for one in found]})
        return 0
    with out.progress(f"lift {args.notebook.name}") as progress:
        receipt = lift_notebook(args.notebook, options, progress.step)
    out.say(receipt.as_text())
    out.document(receipt.as_json())
    return 0 if receipt.status == "proven" else 1
