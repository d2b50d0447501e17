"""Make a release of a commit: what CI calls after a merge, and what the factory then runs.

A release is the project's files at that commit with the locks of its pipelines. It is kept in the lake, so a worker needs
no access to the repository. Deploying the same commit again changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "deploy"
HELP = "make a release of a commit, for the factory to run"


def add_arguments(parser: ArgumentParser) -> None:
    """The commit."""
    parser.add_argument("--commit", default="", metavar="REF", help="which (the one that is checked out)")
    parser.add_argument("--build", action="store_true", help="build the environments on this machine, too")


def run(args: Namespace, out: Out) -> int:
    """Deploy, and say what was made."""
    from dataclasses import asdict
    from pathlib import Path

    from pilotline.cli.lakes import size
    from pilotline.domain.numbers import plural
    from pilotline.lab.deploying import deploy

    with out.progress("deploy") as progress:
        deployed = deploy(Path.cwd(), progress.step, ref=args.commit, build=args.build)
    release = deployed.release
    what = f"release {release.id} of {release.project}, commit {release.commit[:8]}"
    out.say(
        f"{out.styled('deployed', 'green')} {what}, {size(release.size)}"
        if deployed.new
        else f"{what} is there already"
    )
    for each in release.pipelines:
        when = each.schedule or "when it is asked for"
        out.say(f"  {each.name}  {each.proof}, Python {each.python}, runs {when}")
    if deployed.later is not None:
        later = deployed.later
        out.say(
            out.styled(
                f"  new orders are made from {later.id}, commit {later.commit[:8]}, which builds on it", "yellow"
            )
        )
        out.say(f"  to go back: pilotline releases --use {release.id}")
    if deployed.without_lock:
        out.say(out.styled(f"  not landed, so not in it: {', '.join(deployed.without_lock)}", "yellow"))
    for one in deployed.gone:
        out.warn(f"{one.code}: {one.message}")
    if deployed.built:
        out.say(f"  {plural(len(deployed.built), 'environment')} built here")
    if deployed.new:
        out.say("  next: pilotline factory, where none runs yet; pilotline schedule, for when each is due")
    out.document(
        {
            "release": release.id,
            "project": release.project,
            "commit": release.commit,
            "new": deployed.new,
            "current": deployed.later is None,
            "bytes": release.size,
            "pipelines": [asdict(each) for each in release.pipelines],
            "without_lock": list(deployed.without_lock),
            "built": list(deployed.built),
            "gone": [{"code": one.code, "message": one.message, **one.facts} for one in deployed.gone],
        }
    )
    return 0
