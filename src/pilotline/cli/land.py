"""Land a pipeline: lock what it needs, prove and test it in that environment, and commit it to a branch of its own.

Your index, your working tree and the branch that you are on stay as they are. What is committed: the module and what it
imports of the project, its contract, its tests, its lock, what was proven, and files for CI where there are none.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.lab.landing import Landing

NAME = "land"
HELP = "commit a proven pipeline with its lock, tests, schedule and CI, on a branch of git"


def add_arguments(parser: ArgumentParser) -> None:
    """The pipeline, when it runs, whose it is."""
    from pathlib import Path

    parser.add_argument("module", nargs="?", metavar="MODULE", help="name or path; may be left out where there is one")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--schedule", metavar="CRON", help='when it runs: "0 6 * * *"')
    when.add_argument("--after", metavar="TABLE", help="it runs when this table was published")
    when.add_argument("--on-change", action="store_true", help="it runs whenever a table that it reads was published")
    when.add_argument("--every", metavar="TIME", help="it runs again and again: 5m, 1h")
    parser.add_argument(
        "--within",
        metavar="TIME",
        help="with --on-change: a worker begins so soon after the publish, 10s; else owners are told",
    )
    parser.add_argument("--owner", metavar="NAME", help="who is asked about it, and told when it fails")
    parser.add_argument(
        "--notebook", type=Path, metavar="PATH", help="the notebook it was lifted from, if it was moved"
    )
    parser.add_argument("--python", metavar="PATH", help="the interpreter that the notebook ran in")
    parser.add_argument("--branch", metavar="NAME", help="the branch of git (land/MODULE)")
    parser.add_argument(
        "--with", action="append", default=[], metavar="PATH", dest="more", help="commit this file too; repeatable"
    )
    parser.add_argument("--push", nargs="?", const="origin", metavar="REMOTE", help="push the branch (to origin)")
    parser.add_argument("--no-ci", action="store_true", help="write no files for CI")


def run(args: Namespace, out: Out) -> int:
    """Land it, and say what was done.

    Raises:
        UsageError: a promise is given for what promises nothing.
    """
    from pathlib import Path

    from pilotline.lab.landing import Wishes, land

    wishes = Wishes(
        schedule=schedule_said(args),
        owner=args.owner or "",
        branch=args.branch or "",
        python=args.python,
        notebook=str(args.notebook) if args.notebook else None,
        more=tuple(args.more),
        push=args.push,
        ci=not args.no_ci,
    )
    with out.progress(f"land {args.module or ''}".rstrip()) as progress:
        landing = land(args.module, Path.cwd(), wishes, progress.step)
    _print(landing, out)
    out.document(_as_json(landing))
    return 0


def schedule_said(args: Namespace) -> str:
    """The schedule that the options say, as a contract says it; empty where they say none.

    Raises:
        UsageError: a promise is given for what promises nothing.
    """
    from pilotline.domain.errors import UsageError

    if args.within and not args.on_change:
        raise UsageError("--within says how soon a change is taken", try_next="--on-change --within 10s")
    if "" in {args.schedule, args.after, args.every}:
        raise UsageError("a schedule that says nothing", try_next='pilotline land --schedule "0 6 * * *"')
    if args.on_change:
        return f"on change within {args.within}" if args.within else "on change"
    return args.schedule or (f"after {args.after}" if args.after else f"every {args.every}" if args.every else "")


def _print(landing: Landing, out: Out) -> None:
    from pilotline.domain.numbers import plural

    if landing.new:
        out.say(f"{out.styled('landed', 'green')} {landing.pipeline} on {landing.branch}, commit {landing.commit[:8]}")
    else:
        out.say(f"nothing to do: {landing.branch} has this already, commit {landing.commit[:8]}")
    evidence, lock = landing.evidence, landing.lock
    if evidence.notebook:
        out.say(f"  proven   {', '.join(evidence.outputs)} equal to {evidence.notebook}")
    else:
        out.say(f"  proven   nothing: {evidence.not_proven[0]}")
    out.say(f"  tested   {plural(landing.tests.passed, 'test')} passed")
    out.say(f"  locked   Python {lock.python}, {plural(len(lock.versions), 'package')}")
    if landing.declared is not None:
        out.say(f"  asked    {landing.declared.said}")
    for one in landing.unmet:
        out.say(out.styled(f"           {one}: what is there counts", "yellow"))
    if landing.schedule:
        out.say(f"  runs     {landing.schedule}")
    if landing.new:
        for path in landing.files:
            out.say(out.styled(f"    {path}", "dim"))
    if landing.missing:
        out.say(out.styled(f"  reads what is not in git: {', '.join(landing.missing)}", "yellow"))
        more = " ".join(f"--with {shlex.quote(path)}" for path in landing.missing)
        out.say(f"  to commit that too: pilotline land {landing.pipeline} {more}{' --push' if landing.pushed else ''}")
    if landing.unsigned:
        out.say(out.styled(f"  not signed: {landing.unsigned}", "yellow"))
        sign = f"git switch {landing.branch} && git commit --amend --no-edit -S"
        out.say(out.styled(f"  to sign it: {sign}", "yellow"))
    # Git merges nothing over files that it does not know, not even the same.
    added = f"git add -f {' '.join(shlex.quote(f':/{path}') for path in landing.to_add)} && " if landing.to_add else ""
    if landing.pushed:
        out.say(f"  pushed to {landing.pushed}: open a pull request for {landing.branch}")
        out.say(f"  after the merge: {added}git pull")
        out.say("  and pilotline deploy, unless the CI does it")
        return
    out.say(f"  next: git push -u origin {landing.branch}")
    out.say(f"  or here: {added}git merge {landing.branch} && pilotline deploy")


def _as_json(landing: Landing) -> dict[str, object]:
    return {
        "pipeline": landing.pipeline,
        "branch": landing.branch,
        "commit": landing.commit,
        "new": landing.new,
        "unsigned": landing.unsigned or None,
        "files": list(landing.files),
        "to_add": list(landing.to_add),
        "python": landing.python,
        "lock": {"key": landing.lock.key, "python": landing.lock.python, "packages": landing.lock.versions},
        "proof": {
            "notebook": landing.evidence.notebook or None,
            "outputs": dict(landing.evidence.outputs),
            "not_proven": list(landing.evidence.not_proven),
        },
        "asked": {
            "file": landing.declared.file,
            "python": landing.declared.python,
            "conda": list(landing.declared.conda),
            "index": list(landing.declared.index),
            "channels": list(landing.declared.channels),
            "unmet": list(landing.unmet),
        }
        if landing.declared
        else None,
        "tests": {"passed": landing.tests.passed, "skipped": landing.tests.skipped},
        "took": {part: round(seconds, 3) for part, seconds in landing.took.items()},
        "missing": list(landing.missing),
        "pushed": landing.pushed,
        "schedule": landing.schedule or None,
    }
