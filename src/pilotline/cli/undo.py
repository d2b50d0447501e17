"""Take a publish back: one new commit gives all of its tables the state that they had before it.

Nothing is lost: what was taken back stays in the log, and an undo can be undone. A run that would publish the same again
is held until it is asked for with --fresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import Commit
    from pilotline.lake.lake import Lake

NAME = "undo"
HELP = "publish the state before a publish, for all of its tables at once"


class NothingToUndo(UsageError):
    """Nothing was published yet, or all of it was taken back."""

    code = "PL324"


def add_arguments(parser: ArgumentParser) -> None:
    """Which commit, and why."""
    parser.add_argument("commit", nargs="?", metavar="COMMIT", help="which one (the last publish); see pilotline log")
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="why, for the log")


def run(args: Namespace, out: Out) -> int:
    """Undo, and say what is back."""
    from pilotline.cli.lakes import open_here

    lake, _ = open_here()
    target = lake.resolve(args.commit) if args.commit else _last_publish(lake)
    done = lake.undo(target.id, message=args.message)
    tables = ", ".join(str(table) for table in done.tables)
    out.say(f"undone: {target.message or target.kind} ({target.id[:8]}); commit {done.id[:8]}")
    if tables:
        out.say(f"  as before: {tables}")
    out.say("  next: pilotline log")
    out.document({"undone": target.id, "commit": done.id, "tables": [str(table) for table in done.tables]})
    return 0


def _last_publish(lake: Lake) -> Commit:
    """The last publish that still stands.

    Raises:
        NothingToUndo: there is none.
    """
    taken_back: set[str] = set()
    for commit in lake.log("main"):
        if commit.kind == "undo" and commit.undoes and commit.id not in taken_back:
            taken_back.add(commit.undoes)
        elif commit.kind == "publish" and commit.id not in taken_back:
            return commit
    raise NothingToUndo("there is no publish to undo", try_next="pilotline log")
