"""Give a commit a name that stays, or list those names.

pilotline tag              the tags there are
pilotline tag NAME         call the head of main so, or --at another commit

A tagged state of all tables can be read by its name for ever: `--at NAME`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "tag"
HELP = "give a state of all tables a name that stays"


def add_arguments(parser: ArgumentParser) -> None:
    """The name, and of what."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name to give")
    parser.add_argument("--at", default="main", metavar="COMMIT", help="a commit, a branch or a time (main)")


def run(args: Namespace, out: Out) -> int:
    """Tag, or list."""
    from pilotline.cli.lakes import age, open_here

    lake, _ = open_here(making=bool(args.name))
    if args.name:
        commit = lake.tag(args.name, args.at)
        out.say(f"{commit[:8]} is {args.name}, for ever")
        out.say(f"  next: pilotline ls --at {args.name}")
        out.document({"tag": args.name, "commit": commit})
        return 0
    found = [(name, lake.resolve(commit)) for name, commit in sorted(lake.tags().items())]
    out.table(
        ["tag", "commit", "made", "by", "what"],
        [[name, one.id[:8], age(one.at), one.author or "-", one.message or one.kind] for name, one in found],
    )
    out.document({"tags": [{"tag": name, "commit": one.id, "at": one.at} for name, one in found]})
    return 0
