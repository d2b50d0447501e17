"""Carry out the orders of this project's factory, one after the other, until it is stopped.

Start as many as there is work for, on any host that reaches the database: each order is one worker's at a time, and if a
worker dies the next one goes on behind the last recorded step. SIGTERM or Ctrl-C lets the running order end, or gives it
back after --grace; a second one gives it back at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.cli.arguments import seconds

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out
    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.orders import Claim
    from pilotline.factory.worker import Settled

NAME = "worker"
HELP = "carry out what is queued, until it is stopped"


def add_arguments(parser: ArgumentParser) -> None:
    """How long to work, how to hold and let go."""
    parser.add_argument("--once", action="store_true", help="end after one order, or where none is due")
    parser.add_argument("--drain", action="store_true", help="end when none is due")
    parser.add_argument(
        "--lease", type=seconds(1), default=60.0, metavar="SECONDS", help="hold an order so long without renewing (60)"
    )
    parser.add_argument(
        "--grace", type=seconds(), default=30.0, metavar="SECONDS", help="when stopped, let a run go on so long (30)"
    )


def run(args: Namespace, out: Out) -> int:
    """Work, and tell of each order."""
    import os
    from datetime import timedelta
    from pathlib import Path

    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases, opening_for
    from pilotline.factory.upgrading import COMPONENTS
    from pilotline.factory.worker import Worker, worker_name
    from pilotline.lake.attending import Attendance
    from pilotline.run.opening import lake_of
    from pilotline.run.projects import project_of

    teller = _Teller(out)
    project = project_of(Path.cwd())
    lake = lake_of(project)
    # Not for the user's code: what it finds in the environment counts in its keys.
    parent = os.environ.pop("PILOTLINE_PARENT", "")
    name, lease = worker_name(), timedelta(seconds=args.lease)
    worker = Worker(
        Ledger(lake.database), project=str(project.folder), lease=lease, name=name,
        attendance=Attendance(lake.database, f"worker {name}", COMPONENTS, lease=lease), grace=timedelta(seconds=args.grace), opening=opening_for(Releases(lake.database, lake.storage), project.own),
        heard=teller.hear, parent=int(parent) if parent else None,
    )  # fmt: skip
    out.say(
        f"worker {worker.name} waits for orders, until Ctrl-C"
        if not (args.once or args.drain)
        else f"worker {worker.name}"
    )
    out.stdout.flush()
    count = worker.work(once=args.once, drain=args.drain)
    if not count and (args.once or args.drain):
        out.say("nothing is due")
    out.document({"worker": worker.name, "orders": teller.settled})
    return 0


class _Teller:
    def __init__(self, out: Out) -> None:
        self._out = out
        self._trouble = ""
        self.settled: list[dict[str, object]] = []

    def hear(self, what: Claim | Settled | PilotlineError) -> None:
        from pilotline.domain.errors import PilotlineError
        from pilotline.domain.orders import Claim

        match what:
            case PilotlineError():
                if what.message != self._trouble:
                    self._out.warn(f"{what.code}: {what.message}; it is tried again")
                self._trouble = what.message
                return
            case Claim():
                again = f", try {what.token}" if what.token > 1 else ""
                self._out.say(f"{what.order.name}  {what.order.ask.pipeline}  begun{again}")
            case _:
                self._settle(what)
        self._trouble = ""
        self._out.text.flush()

    def _settle(self, what: Settled) -> None:
        style = (
            "green" if what.state == "done" else "yellow" if what.state in {"waiting", "cancelled", "lost"} else "red"
        )
        said = f"{what.order.name}  {what.order.ask.pipeline}  {self._out.styled(what.state, style)} ({what.seconds:.1f} s)"
        self._out.say(said)
        for line in what.because.splitlines()[:12]:
            self._out.say(f"  {line}")
        self.settled.append(
            {
                "order": what.order.number,
                "id": what.order.ask.id,
                "pipeline": what.order.ask.pipeline,
                "token": what.order.token,
                "state": what.state,
                "because": what.because,
                "seconds": round(what.seconds, 3),
            }
        )
