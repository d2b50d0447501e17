"""List what was published, newest first: when, by whom, which tables, by which run. With --runs, the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotline.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.tables import Commit
    from pilotline.run.records import Records

NAME = "log"
HELP = "list what was published, by whom, when"


def add_arguments(parser: ArgumentParser) -> None:
    """Of what, how much."""
    parser.add_argument("table", nargs="?", metavar="TABLE", help="only what changed this table")
    parser.add_argument("--branch", metavar="NAME", help="of this branch (main)")
    parser.add_argument("--at", metavar="COMMIT", help="from this commit, tag or time backwards")
    parser.add_argument("-n", "--limit", type=whole(1), default=20, metavar="N", help="so many (20)")
    parser.add_argument("--runs", action="store_true", help="list runs, also those that published nothing")


def run(args: Namespace, out: Out) -> int:
    """Look, and print."""
    from pilotline.cli.lakes import find_table, open_here, ref_of

    lake, records = open_here()
    if args.runs:
        return _runs(records, args.limit, out)
    ref = ref_of(args.branch, args.at)
    table = find_table(lake, args.table, lake.resolve(ref)).table if args.table else None
    commits = lake.log(ref, limit=args.limit, table=table)
    undone = {each.undoes for each in commits if each.undoes}
    for commit in commits:
        _print(commit, out, undone=commit.id in undone)
    out.document({"commits": [_as_json(commit, undone=commit.id in undone) for commit in commits]})
    return 0


def _print(commit: Commit, out: Out, *, undone: bool) -> None:
    from pilotline.cli.lakes import age, moment

    head = f"{out.styled(commit.id[:8], 'yellow')}  {moment(commit.at)}  {age(commit.at)}"
    who = f"  by {commit.author}" if commit.author else ""
    mark = out.styled("  undone", "red") if undone else ""
    out.say(f"{head}{who}{mark}")
    what = commit.message or commit.kind
    out.say(f"          {what}")
    if commit.tables:
        out.say(f"          {', '.join(str(table) for table in commit.tables)}")


def _as_json(commit: Commit, *, undone: bool) -> dict[str, Any]:
    return {
        "commit": commit.id,
        "branch": commit.branch,
        "parent": commit.parent,
        "at": commit.at,
        "author": commit.author,
        "kind": commit.kind,
        "message": commit.message,
        "run": commit.run,
        "undoes": commit.undoes,
        "undone": undone,
        "tables": [str(table) for table in commit.tables],
    }


def _runs(records: Records, limit: int, out: Out) -> int:
    from pilotline.cli.lakes import age

    runs = records.runs(limit)
    if not runs:
        out.say("no runs yet")
        out.say("  next: pilotline run")
    else:
        pipelines = {each.of for each in runs}
        rows = [
            [
                each.name,
                each.of.said_among(pipelines),
                each.state,
                age(each.began),
                f"{(each.ended - each.began).total_seconds():.1f} s" if each.ended else "-",
                each.commit[:8] if each.commit else "-",
                each.because.partition("\n")[0],
            ]
            for each in runs
        ]
        out.table(["run", "pipeline", "state", "began", "took", "commit", "why"], rows, right=["took"])
    out.document(
        {
            "runs": [
                {
                    "run": each.name,
                    "pipeline": each.pipeline,
                    "project": each.project,
                    "state": each.state,
                    "onto": each.onto,
                    "branch": each.branch,
                    "parameters": dict(each.parameters),
                    "author": each.author,
                    "began": each.began,
                    "ended": each.ended,
                    "commit": each.commit,
                    "because": each.because,
                }
                for each in runs
            ]
        }
    )
    return 0
