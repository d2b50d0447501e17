"""List, make or delete branches. A branch is a name for a state of all tables; making one copies nothing.

pilotline branch              those that can be worked on or looked at
pilotline branch NAME         make one, from main or --from
pilotline branch NAME --drop  throw one away
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import Branch

NAME = "branch"
HELP = "list, make or delete branches"


def add_arguments(parser: ArgumentParser) -> None:
    """Which branch, and what of it."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the branch to make, or with --drop to throw away")
    parser.add_argument("--from", dest="from_", default="main", metavar="COMMIT", help="where a new one begins (main)")
    parser.add_argument("--drop", action="store_true", help="throw it away; what was published from it stays")
    parser.add_argument("--all", action="store_true", help="list also those that were published or thrown away")


def run(args: Namespace, out: Out) -> int:
    """List, make or drop.

    Raises:
        UsageError: ``--drop`` without a name.
    """
    from pilotline.cli.lakes import open_here

    lake, _ = open_here(making=bool(args.name) and not args.drop)
    if args.drop and not args.name:
        raise UsageError("--drop needs the name of a branch", try_next="pilotline branch")
    if args.drop:
        gone = lake.discard(args.name)
        out.say(f"{gone.name} is thrown away")
        out.document(_as_json(gone))
    elif args.name:
        made = lake.create_branch(args.name, args.from_)
        out.say(f"{made.name} begins at {made.base[:8]} of {made.parent}")
        out.say(f"  next: pilotline ls --branch {made.name}")
        out.document(_as_json(made))
    else:
        _list(lake.branches(every=args.all), out)
    return 0


def _list(branches: tuple[Branch, ...], out: Out) -> None:
    from pilotline.cli.lakes import age

    rows = [
        [each.name, each.state + (" (tainted)" if each.tainted and each.state != "failed" else ""), each.head[:8],
         each.parent or "-", age(each.opened), each.owner or "-", each.because.partition("\n")[0] or "-"]
        for each in branches
    ]  # fmt: skip
    out.table(["branch", "state", "at", "from", "opened", "by", "why"], rows)
    out.document({"branches": [_as_json(each) for each in branches]})


def _as_json(branch: Branch) -> dict[str, Any]:
    return {
        "branch": branch.name,
        "state": branch.state,
        "tainted": branch.tainted,
        "parent": branch.parent,
        "base": branch.base,
        "head": branch.head,
        "owner": branch.owner,
        "opened": branch.opened,
        "run": branch.run,
        "because": branch.because,
    }
