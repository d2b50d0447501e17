"""Show what a run printed and what happened in it, live if it still runs.

pilotline logs run-7 --step fit_forecast
pilotline logs explore --follow --grep warning

What the user's code printed and what Pilotline says are kept apart, and shown in the order in which they happened.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pilotline.cli.arguments import is_number
from pilotline.domain.errors import UsageError
from pilotline.domain.numbers import amount, plural

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Mapping

    from pilotline.cli.terminal import Out
    from pilotline.run.logs import Logs
    from pilotline.run.output import Line
    from pilotline.run.records import Records, Run

NAME = "logs"
HELP = "show what a run printed and what happened in it, live if it still runs"

_POLL: Final = 0.25
_OVER: Final = frozenset({"published", "unchanged", "failed", "cancelled"})


def add_arguments(parser: ArgumentParser) -> None:
    """The run, and which lines of it."""
    parser.add_argument(
        "run", metavar="RUN", help="run-7, 7, or a pipeline (or PROJECT/PIPELINE), whose last run it then is"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    parser.add_argument("--step", metavar="NAME", help="only what belongs to this step")
    parser.add_argument(
        "--steps", action="store_true", help="instead of lines: what each step took and gave, in figures"
    )
    parser.add_argument("--grep", metavar="TEXT", help="only lines that this regular expression is found in")
    parser.add_argument("--only", choices=["user", "ours"], help="what the user's code printed, or what Pilotline says")


def run(args: Namespace, out: Out) -> int:
    """Print the lines.

    Raises:
        UsageError: the expression is none.
        NoSuchRun: there is no such run.
    """
    from pilotline.cli.lakes import open_here
    from pilotline.run.logs import Logs

    try:
        wanted = re.compile(args.grep or "")
    except re.error as error:
        raise UsageError(f"{args.grep!r} is no regular expression: {error}", try_next="pilotline logs --help") from None
    _, records = open_here()
    found = _find(records, args.run)
    if args.steps:
        return _steps(records, found, out)

    def shown(line: Mapping[str, Any]) -> bool:
        return (
            (not args.step or line["step"] == args.step)
            and (not args.only or line["from"] == args.only)
            and wanted.search(line["text"]) is not None
        )

    lines: list[Mapping[str, Any]] = []
    for line in _lines(records, Logs(records.database), found.number, follow=args.follow):
        if shown(line):
            lines.append(line)
            _print(line, out)
    found = records.run(found.number)
    if found.because and found.state in {"failed", "cancelled"} and not (args.step or args.grep or args.only == "user"):
        out.say(f"{found.name} {out.styled(found.state, 'red')}: {found.because}")
    out.document({"run": found.name, "state": found.state, "because": found.because or None, "lines": lines})
    if not lines and not out.json:
        out.say(f"{found.name} ({found.state}) has no such lines")
    return 0


def _steps(records: Records, found: Run, out: Out) -> int:
    """Print what each step took and gave, as far as the run has come."""
    from pilotline.cli.lakes import size
    from pilotline.run.figures import figures_of

    order = [facts.get("step") for _, kind, facts in records.events(found.number) if kind == "step"]
    figures = sorted(figures_of(records.steps(found.number)), key=lambda each: order.index(each.step))

    def said(value: float | None, how: Callable[[float], str]) -> str:
        return "-" if value is None else how(value)

    rows = [
        [each.step, each.outcome, said(each.rows_in, amount), said(each.rows_out, amount),
         said(each.bytes, size), said(each.seconds, "{:.2f} s".format), said(each.cpu, "{:.2f} s".format),
         said(each.memory, size)]
        for each in figures
    ]  # fmt: skip
    heads = ["step", "outcome", "rows in", "rows out", "stored", "took", "CPU", "most memory"]
    if rows:
        out.table(heads, rows, right=heads[2:])
    else:
        out.say(f"{found.name} ({found.state}) has recorded no step")
    out.document({"run": found.name, "state": found.state, "steps": [each.as_json() for each in figures]})
    return 0


def _find(records: Records, text: str) -> Run:
    from pilotline.run.errors import NoSuchRun

    number = text.removeprefix("run-")
    if is_number(number):
        return records.run(int(number))
    project, _, pipeline = text.rpartition("/")
    if project:
        return records.of(project).last_run(pipeline)
    try:
        return records.last_run(text)
    except NoSuchRun:
        return records.of("").last_run(text)


def _lines(records: Records, logs: Logs, number: int, *, follow: bool) -> Iterator[Mapping[str, Any]]:
    """What there is, in order; then what comes, until the run has ended."""
    seq, heard = 0, 0
    while True:
        # Asked first: whatever a run leaves, it leaves before its state says that it ended, but for the publish.
        over = records.run(number).state in _OVER
        printed: list[Line] = []
        while True:
            seq, some = logs.after(number, seq)
            if not some:
                break
            printed += some
        events = records.events(number)
        told = [_event(*event) for event in events[heard:]]
        heard = len(events)
        yield from sorted([*map(_line, printed), *told], key=_when)
        if over or not follow:
            return
        time.sleep(_POLL)


def _when(line: Mapping[str, Any]) -> datetime:
    return line["at"]


def _line(line: Line) -> Mapping[str, Any]:
    return {
        "at": datetime.fromtimestamp(line.at, UTC),
        "from": "user",
        "stream": line.stream,
        "step": line.step or None,
        "text": line.text,
    }


def _event(at: datetime, kind: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    say = _WORDS.get(kind, lambda facts: f"{kind}: {facts['because']}" if facts.get("because") else kind)
    return {"at": at, "from": "ours", "event": kind, "step": facts.get("step"), "text": say(facts)}


def _of_step(facts: Mapping[str, Any]) -> str:
    took = f" in {facts['seconds']:.2f} s" if facts.get("outcome") == "computed" and facts.get("seconds") else ""
    return f"step {facts.get('step')} {facts.get('outcome')}{took}"


def _of_check(facts: Mapping[str, Any]) -> str:
    because = f": {facts['because']}" if facts.get("because") else ""
    return f"check {facts.get('table')}: {facts.get('name')} {facts.get('outcome')}{because}"


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "branch": lambda facts: f"on branch {facts.get('branch')}",
    "importing": lambda _: "importing the module",
    "imported": lambda facts: f"imported in {facts.get('seconds', 0.0):.2f} s",
    "started": lambda facts: f"step {facts.get('step')} began",
    "again": lambda facts: (
        f"step {facts.get('step')} raised {facts.get('because')}; try {int(facts.get('times', 1)) + 1} of {facts.get('of')}"
        f" in {facts.get('wait', 0.0):.1f} s"
    ),
    "step": _of_step,
    "output": lambda facts: f"output {facts.get('name')}",
    "table": lambda facts: f"wrote {facts.get('table')}, {plural(facts.get('rows') or 0, 'row')} ({facts.get('mode')})",
    "check": _of_check,
    "rebase": lambda _: "others published meanwhile; its rows were put on top of theirs",
    "published": lambda facts: (
        f"published {', '.join(facts.get('tables', ())) or 'no table'}, commit {str(facts.get('commit'))[:8]}"
    ),
}


def _print(line: Mapping[str, Any], out: Out) -> None:
    when = f"{line['at'].astimezone():%H:%M:%S.%f}"[:12]
    step = str(line["step"] or "")
    if line["from"] == "ours":
        out.say(out.styled(f"{when}  · {line['text']}", "dim"))
    else:
        text = out.styled(line["text"], "yellow") if line["stream"] == "stderr" else line["text"]
        out.say(f"{out.styled(when, 'dim')}  {out.styled(step, 'cyan')}{'  ' if step else ''}{text}")
    out.text.flush()
