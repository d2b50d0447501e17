"""Keep the lake in order: look whether it is whole, and remove what nothing needs any more.

pilotline lake check           is every file there that a table is made of?
pilotline lake sweep           what would be removed
pilotline lake sweep --do      remove it
pilotline lake schema          which versions the database's own tables have, and which processes are at work on them
pilotline lake schema --finish finish an upgrade, where no process of an older Pilotline is left

A sweep gives up states of tables that no branch, no tag and no moment of the last 30 days sees, and removes files that
nothing has named for a day.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole
from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.lake.lake import Lake

NAME = "lake"
HELP = "look whether all files are there; remove what nothing needs; see or step back its schema"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_SHOWN = 10
#: Clocks that are further apart than this are worth a word.
_APART = timedelta(minutes=1)


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and how carefully."""
    parser.add_argument("action", choices=("check", "sweep", "schema"), metavar="ACTION", help="check, sweep or schema")
    parser.add_argument("--component", metavar="NAME", help="schema: of which part of Pilotline")
    parser.add_argument("--back-to", type=whole(), metavar="VERSION", help="schema: step back, for an older Pilotline")
    parser.add_argument(
        "--finish", action="store_true", help="schema: finish an upgrade that waited for older processes"
    )
    parser.add_argument("--deep", action="store_true", help="check: read each data file to its end")
    parser.add_argument("--do", action="store_true", help="sweep: do it; without it nothing is removed")
    parser.add_argument("--keep", default="30d", metavar="TIME", help="sweep: how long each state can be read (30d)")
    parser.add_argument(
        "--grace", default="24h", metavar="TIME", help="sweep: how long files without a name stay (24h)"
    )


def run(args: Namespace, out: Out) -> int:
    """Check or sweep."""
    from pilotline.cli.lakes import open_here

    lake, _ = open_here()
    match args.action:
        case "check":
            return _check(lake, args, out)
        case "sweep":
            return _sweep(lake, args, out)
        case _:
            return _schema(lake, args, out)


def _schema(lake: Lake, args: Namespace, out: Out) -> int:
    from pilotline.factory.upgrading import COMPONENTS
    from pilotline.lake.errors import UpgradeWaits
    from pilotline.lake.migrating import processes

    database = lake.database
    for component, scripts in COMPONENTS.items():
        database.register(component, scripts)
    versions = database.versions()
    if args.back_to is not None:
        if args.component not in versions:
            raise UsageError(
                f"--back-to needs a --component: {', '.join(versions)}",
                try_next=f"pilotline lake schema --component {next(iter(versions), 'lake')} --back-to {args.back_to}",
            )
        database.step_back(args.component, args.back_to)
        versions = database.versions()
        out.say(
            f"{args.component} is as version {versions[args.component]} knows it; this Pilotline brings it forward again"
        )
    elif args.finish:
        if older := database.finish_upgrade():
            raise UpgradeWaits(database.where, [f"{each.name} ({each.version})" for each in older])
        versions = database.versions()
    with database.reading() as tx:
        working = processes(tx)
    waiting = {name: len(COMPONENTS[name]) for name in COMPONENTS if versions.get(name, 0) < len(COMPONENTS[name])}
    told = {
        name: f"{version}, the upgrade to {waiting[name]} waits for older processes"
        if name in waiting
        else str(version)
        for name, version in versions.items()
    }
    out.table(["component", "version"], [[name, said] for name, said in told.items()])
    if working:
        out.table(
            ["at work", "pilotline", "since"],
            [[each.name, each.version, f"{each.began:%Y-%m-%d %H:%M}"] for each in working],
        )
    out.document(
        {
            "versions": versions,
            "waiting": waiting,
            "processes": [
                {
                    "name": each.name,
                    "pilotline": each.version,
                    "knows": each.knows,
                    "began": each.began.isoformat(),
                    "until": each.until.isoformat(),
                }
                for each in working
            ],
        }
    )
    return 0


def _check(lake: Lake, args: Namespace, out: Out) -> int:
    from pilotline.domain.numbers import amount, plural
    from pilotline.lake.inspecting import inspect_lake

    found = inspect_lake(lake, deep=args.deep)
    for problem in found.problems[:_SHOWN]:
        out.say(f"{out.styled('✗', 'red')} {problem.what}")
        out.say(f"  {problem.mend}")
    if len(found.problems) > _SHOWN:
        out.say(f"... and {len(found.problems) - _SHOWN} more; --json has all of them")
    verdict = plural(len(found.problems), "problem") if found.problems else "all is there"
    out.say(f"{verdict}: {plural(found.states, 'state')} of tables, {amount(found.files)} files")
    if found.unnamed:
        size = sum(each.size for each in found.unnamed)
        out.say(
            f"  {plural(len(found.unnamed), 'file')} that nothing names ({_bytes(size)}); next: pilotline lake sweep"
        )
    out.document(
        {
            "problems": [
                {"what": one.what, "mend": one.mend, "table": one.table, "path": one.path} for one in found.problems
            ],
            "states": found.states,
            "files": found.files,
            "unnamed": {"files": len(found.unnamed), "bytes": sum(each.size for each in found.unnamed)},
        }
    )
    return 1 if found.problems else 0


def _sweep(lake: Lake, args: Namespace, out: Out) -> int:
    from pilotline.domain.numbers import plural
    from pilotline.lake.sweeping import sweep

    found = sweep(lake, keep=_span(args.keep), grace=_span(args.grace), do=args.do)
    word = "given up" if args.do else "would be given up"
    out.say(f"{plural(len(found.given_up), 'state')} of tables {word} (nothing has needed them for {args.keep})")
    word = "removed" if args.do else "would be removed"
    out.say(f"{plural(len(found.files), 'file')} {word}, {_bytes(found.size)}; {plural(found.files_kept, 'file')} stay")
    if found.damaged:
        listed = ", ".join(map(str, found.damaged))
        out.say(f"  files of {listed} stay, whatever they are: something is damaged there; next: pilotline lake check")
    if found.clocks_apart > _APART:
        out.say(
            f"  the clocks of this host, the database and the storage are {_whole_seconds(found.clocks_apart)} apart;"
            " what is young by one of them stayed"
        )
    if not args.do and (found.given_up or found.files):
        out.say("  next: pilotline lake sweep --do")
    out.document(
        {
            "done": found.done,
            "given_up": [
                {"table": str(each.table), "rows": each.rows, "metadata": each.location} for each in found.given_up
            ],
            "files": [{"path": each.path, "bytes": each.size} for each in found.files],
            "files_kept": found.files_kept,
            "damaged": [str(each) for each in found.damaged],
            "clocks_apart_seconds": round(found.clocks_apart.total_seconds(), 3),
        }
    )
    return 0


def _span(text: str) -> timedelta:
    from pilotline.domain.schedules import LONGEST

    found = _SPAN.fullmatch(text.strip())
    try:
        span = timedelta(**{_UNITS[found[2]]: float(found[1])}) if found is not None else None
    except OverflowError:
        span = None
    # What is longer is a slip, and might lead before the first year.
    if span is None or span.total_seconds() > LONGEST:
        raise UsageError(f"'{text}' is no span of time: write 30d, 24h or 90min.", try_next="pilotline lake --help")
    return span


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=round(span.total_seconds()))


def _bytes(size: int) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"
