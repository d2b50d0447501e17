"""List releases, or go back to an earlier one.

pilotline releases                 what was deployed, the newest first
pilotline releases --use RELEASE   new orders are made from this one again; orders that wait keep theirs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "releases"
HELP = "list what was deployed, or go back to an earlier release"


def add_arguments(parser: ArgumentParser) -> None:
    """Whose, how many, which one to use."""
    parser.add_argument("--project", default="", metavar="NAME", help="of this project only")
    parser.add_argument("--limit", "-n", type=whole(1), default=20, metavar="N", help="so many (20)")
    parser.add_argument("--use", metavar="RELEASE", help="make new orders from this release")


def run(args: Namespace, out: Out) -> int:
    """List, or use one."""
    from dataclasses import asdict

    from pilotline.cli.lakes import age, open_here
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases
    from pilotline.factory.scheduling import Schedules, schedules_of
    from pilotline.run.nothing import somebody

    lake, _ = open_here()
    releases = Releases(lake.database, lake.storage)
    if args.use:
        release = releases.release(args.use)
        schedules = Schedules(lake.database, Ledger(lake.database))
        with lake.database.writing() as tx:
            releases.use(release, author=somebody(), within=tx)
            schedules.put_all(schedules_of(release), project=release.project, within=tx)
        out.say(f"new orders of {release.project} are made from {release.id}, commit {release.commit[:8]}")
        out.document({"release": release.id, "project": release.project, "commit": release.commit, "current": True})
        return 0
    found = releases.list(args.project, most=args.limit)
    out.table(
        ["release", "project", "commit", "made", "by", "pipelines", ""],
        [
            [one.id, one.project, one.commit[:8], age(one.at), one.author, ", ".join(each.name for each in one.pipelines),
             "current" if current else ""]
            for one, current in found
        ],
    )  # fmt: skip
    out.document(
        {
            "releases": [
                {
                    "release": one.id, "project": one.project, "commit": one.commit, "ref": one.ref, "at": one.at,
                    "author": one.author, "current": current, "pipelines": [asdict(each) for each in one.pipelines],
                }
                for one, current in found
            ]
        }
    )  # fmt: skip
    return 0
