"""When pipelines run: list the schedules, set this folder's from their contracts, pause, resume, look ahead.

pilotline schedule                    the schedules there are
pilotline schedule set [MODULE]       as the contract beside the module says, for the folder as it is
pilotline schedule set MODULE --on-change --within 10s    written into its contract, and set
pilotline schedule show NAME          one of them, with what it ordered last
pilotline schedule next NAME          the next times
pilotline schedule pause NAME         nothing is ordered until `resume`; what was due meanwhile is left out
pilotline schedule remove NAME

What is deployed is scheduled as its contracts say; `pilotline deploy` sees to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.cli.arguments import whole
from pilotline.domain.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping
    from datetime import datetime

    from pilotline.cli.terminal import Out
    from pilotline.factory.scheduling import Schedule, Schedules

NAME = "schedule"
HELP = "list, set, pause and resume when pipelines run"
_ACTIONS = ("list", "set", "show", "next", "pause", "resume", "remove")


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, with which."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS)
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the schedule; set: of the module")
    parser.add_argument("--times", type=whole(1, 1000), default=5, metavar="N", help="next: so many (5)")
    parser.add_argument("--onto", default="main", metavar="BRANCH", help="set: the branch to publish onto (main)")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--schedule", metavar="CRON", help='set: write this into the contract first: "0 6 * * *"')
    when.add_argument("--after", metavar="TABLE", help="set: the same, when this table was published")
    when.add_argument(
        "--on-change", action="store_true", help="set: the same, whenever a table that it reads was published"
    )
    when.add_argument("--every", metavar="TIME", help="set: the same, again and again: 5m, 1h")
    parser.add_argument(
        "--within", metavar="TIME", help="with --on-change: a worker begins so soon after the publish, 10s"
    )


def run(args: Namespace, out: Out) -> int:
    """Do it, and show what there is."""
    from pilotline.cli.lakes import open_here
    from pilotline.factory.gone import gone_of
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases
    from pilotline.factory.scheduling import Schedules

    lake, _ = open_here(making=args.action == "set")
    schedules = Schedules(lake.database, Ledger(lake.database))
    gone = {one.name: gone_of(one, Releases(lake.database, lake.storage), lake.database) for one in schedules.list()}
    if args.action == "list":
        return _list(schedules, gone, out)
    if args.action == "set":
        return _set(schedules, args, out)
    name = _named(schedules, args.name, args.action)
    match args.action:
        case "show":
            return _show(schedules, schedules.schedule(name), gone.get(name, ""), out)
        case "next":
            return _next(schedules.schedule(name), args.times, out)
        case "pause" | "resume":
            found = schedules.pause(name, paused=args.action == "pause")
            out.say(
                f"{found.name} is paused" if found.paused else f"{found.name} goes on: {found.words}{_then(found.due)}"
            )
            out.document(_as_json(found))
        case _:
            schedules.remove(name)
            out.say(f"{name} is scheduled no more; orders that wait stay: pilotline queue")
            out.document({"schedule": name, "removed": True})
    return 0


def _named(schedules: Schedules, name: str | None, action: str) -> str:
    """The name in full: ``shop/explore`` for ``explore``, where one schedule has it."""
    names = [each.name for each in schedules.list()]
    if name is None:
        raise UsageError(
            f"which schedule? There are {', '.join(names) or 'none'}", try_next=f"pilotline schedule {action} NAME"
        )
    ends = [each for each in names if each.endswith(f"/{name}")]
    return ends[0] if name not in names and len(ends) == 1 else name


def _list(schedules: Schedules, gone: Mapping[str, str], out: Out) -> int:
    found = schedules.list()
    out.table(
        ["schedule", "runs", "next", "release", "owner", ""],
        [
            [one.name, one.words, _local(one.due) if one.due and not one.paused else "-", one.release or "the folder",
             one.owner or "-", gone[one.name] or ("paused" if one.paused else "")]
            for one in found
        ],
    )  # fmt: skip
    out.document({"schedules": [_as_json(one) | {"gone": gone[one.name] or None} for one in found]})
    return 0


def _set(schedules: Schedules, args: Namespace, out: Out) -> int:
    from pathlib import Path

    from pilotline.cli.land import schedule_said
    from pilotline.run.projects import find_module, project_of
    from pilotline.run.reading import read_contract

    module = find_module(args.name, Path.cwd())
    project = project_of(module.parent)
    if said := schedule_said(args):
        from pilotline.lab.landing import Wishes, contract_text

        module.with_suffix(".toml").write_text(contract_text(module, Wishes(schedule=said)), encoding="utf-8")
    contract = read_contract(module, project)
    if contract.timing is None:
        raise UsageError(
            f"{module.stem}.toml has no schedule",
            try_next=f'write schedule = "0 6 * * *" into {module.stem}.toml',
            path=str(module.with_suffix(".toml")),
        )
    pipeline = project.name_of(module)
    if any(each.release for each in schedules.list(project.namespace)):
        raise UsageError(
            f"{project.namespace} was deployed: its schedules are those of its release",
            try_next=f"pilotline land {module.stem}, merge its branch, and pilotline deploy",
            project=project.namespace,
        )
    name = schedules.put(
        contract.timing, name=f"{project.namespace}/{module.stem}", project=str(project.folder), pipeline=pipeline,
        onto=args.onto, owner=contract.owner, terms=contract.terms,
    )  # fmt: skip
    found = schedules.schedule(name)
    out.say(f"{found.name} runs {found.words}{_then(found.due)}")
    out.say("  next: pilotline factory")
    out.document(_as_json(found))
    return 0


def _show(schedules: Schedules, schedule: Schedule, gone: str, out: Out) -> int:
    latency = schedules.latency(schedule)
    orders = schedules.orders(schedule.name)
    out.say(f"{schedule.name} runs {schedule.words}{_then(schedule.due)}")
    out.say(f"  onto {schedule.onto}, {schedule.release or 'the folder'}, owner {schedule.owner or '-'}")
    if gone:
        out.say(out.styled(f"  {gone}: its orders fail", "red"))
    if latency.within is not None:
        kept = out.styled("missed", "red") if latency.missed else out.styled("kept", "green")
        out.say(f"  promised within {latency.within.total_seconds():g} s of a publish: {kept}")
    if latency.last is not None:
        out.say(f"  begun {latency.last.total_seconds():.2f} s after the last change that was taken")
    if latency.waiting is not None:
        out.say(f"  changes of {', '.join(latency.tables)} wait for {latency.waiting.total_seconds():.1f} s")
    if orders:
        out.table(
            ["order", "for", "state", "ended"],
            [
                [one.name, one.ask.id.rpartition("@")[2], one.state, _local(one.ended) if one.ended else "-"]
                for one in orders
            ],
        )
    seconds = {
        name: span.total_seconds() if span is not None else None
        for name, span in (("promised", latency.within), ("last", latency.last), ("waiting", latency.waiting))
    }
    out.document(
        _as_json(schedule)
        | {
            "gone": gone or None,
            "latency": seconds | {"missed": latency.missed},
            "orders": [
                {"order": one.number, "id": one.ask.id, "state": one.state, "because": one.because} for one in orders
            ],
        }
    )
    return 0


def _next(schedule: Schedule, count: int, out: Out) -> int:
    from datetime import UTC, datetime

    from pilotline.domain.schedules import After, OnChange, next_after
    from pilotline.factory.cron import cron_times

    found: list[datetime] = []
    at: datetime | None = datetime.now(UTC)
    while len(found) < count and at is not None:
        at = next_after(schedule.timing, at, cron_times)
        if at is not None:
            found.append(at)
    if not found:
        unknown = isinstance(schedule.timing.trigger, After | OnChange)
        why = "nobody can know when" if unknown else "there is no next time"
        out.say(f"{schedule.name} runs {schedule.words}: {why}")
    exact = "%H:%M:%S" if any(each.second for each in found) else "%H:%M"
    for each in found:
        out.say(f"{each.astimezone():%Y-%m-%d {exact} %Z}  ({each:%Y-%m-%dT{exact}Z})")
    out.document({"schedule": schedule.name, "next": [each.isoformat() for each in found]})
    return 0


def _local(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"


def _then(at: datetime | None) -> str:
    return f", next on {_local(at)}" if at else ""


def _as_json(schedule: Schedule) -> dict[str, object]:
    from pilotline.domain.schedules import as_stored

    return {
        "schedule": schedule.name,
        "project": schedule.project,
        "pipeline": schedule.pipeline,
        "release": schedule.release or None,
        "onto": schedule.onto,
        "owner": schedule.owner,
        "runs": schedule.words,
        "timing": as_stored(schedule.timing),
        "paused": schedule.paused,
        "next": schedule.due,
    }
