"""Show what is wrong: failed pipelines, tables older than promised, runs that take longer than usual; and tell people.

pilotline alerts --send          look, and send what is new; for a timer, or with --every 60 by itself
pilotline alerts --test          send a message to each channel

Each problem is told once, and its end once, by the channels that [alerts] in the settings names.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from pilotline.cli.arguments import seconds
from pilotline.domain.errors import PilotlineError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator

    from pilotline.cli.terminal import Out
    from pilotline.factory.alerting import Channel

NAME = "alerts"
HELP = "show what failed or is late, and tell its owners"


def add_arguments(parser: ArgumentParser) -> None:
    """Whether to send, and what to list."""
    parser.add_argument("--send", action="store_true", help="look, and send what is new")
    parser.add_argument(
        "--every", type=seconds(1), metavar="SECONDS", help="with --send: again and again, until Ctrl-C"
    )
    parser.add_argument("--test", action="store_true", help="send a message to each channel, and stop")
    parser.add_argument("--all", action="store_true", help="list the last fifty, those that are over among them")


def run(args: Namespace, out: Out) -> int:
    """Look, send if asked to, and list.

    Raises:
        UsageError: there is no channel to test, or nothing to do again.
    """
    from pilotline.cli.lakes import age, open_here
    from pilotline.factory.alerting import Alerting, promises_of
    from pilotline.factory.channels import channels_of
    from pilotline.run.projects import project_of

    project = project_of(Path.cwd())
    channels = channels_of(project)
    if args.test:
        return _test(channels, out)
    lake, _ = open_here(making=args.send)
    alerting = Alerting(lake.database)
    sent = 0
    if args.every is not None and not args.send:
        raise UsageError("--every belongs to --send", try_next="pilotline alerts --send --every 60")
    with _told_to_stop() if args.every else nullcontext(Event()) as stopped:
        while args.send:
            # Read anew: contracts change while this goes on. A database that is away for a while comes back.
            with suppress(PilotlineError) if args.every else nullcontext():
                alerting.look(promises_of(project), channels)
                sent += alerting.deliver(channels)
            if args.every is None or stopped.wait(args.every):
                break
    found = alerting.lately() if args.all else alerting.open()
    for one in found:
        word = "recovered" if one.closed else "opened"
        out.say(f"{out.styled(one.kind, 'green' if one.closed else 'red'):<8} {one.said(word)}  ({age(one.opened)})")
    if not found:
        out.say("nothing is wrong" + ("" if args.send else ", as far as was looked: pilotline alerts --send"))
    out.document(
        {"alerts": [one.as_json() for one in found], "sent": sent, "channels": [each.name for each in channels]}
    )
    return 0


@contextmanager
def _told_to_stop() -> Generator[Event]:
    """Set by Ctrl-C and SIGTERM, also where whoever started this lets it ignore Ctrl-C, as a shell does in the background."""
    stopped = Event()
    before = [(number, signal.signal(number, lambda *_: stopped.set())) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield stopped
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _test(channels: tuple[Channel, ...], out: Out) -> int:
    from pilotline.factory.alerting import Alert, News, NotDelivered

    if not channels:
        raise UsageError(
            "no channel is set: [alerts] webhook, slack or smtp",
            try_next='webhook = "https://example.org/hook" under [alerts] in pilotline.toml',
        )
    alert = Alert(
        id=0, kind="late", subject="a.table", owner="", because="this is a test", run=None,
        opened=datetime.now(UTC), closed=None,
    )  # fmt: skip
    failed: list[NotDelivered] = []
    for channel in channels:
        try:
            channel.send([News(alert=alert, word="opened")])
            out.say(f"{channel.name}: sent")
        except NotDelivered as error:
            failed.append(error)
            out.say(f"{channel.name}: {error.message}")
    out.document({"channels": [each.name for each in channels], "failed": [each.as_json() for each in failed]})
    return 1 if failed else 0
