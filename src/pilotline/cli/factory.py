"""Run the factory of this project: scheduler, alerts, the tables for other engines, and a worker, in one command.

It needs nothing beside the project: SQLite and a folder will do. Where the settings name Postgres and S3, other machines join
with `pilotline worker`, and several factories may run at once. Ctrl-C lets the running order end, or gives it back.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.arguments import seconds, whole
from pilotline.cli.serve import add_listening, refuse_what_cannot_serve, served_by

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Generator, Mapping, Sequence
    from threading import Event

    from pilotline.cli.terminal import Out
    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.orders import OrderNumber
    from pilotline.factory.forgetting import Kept
    from pilotline.factory.releases import Releases
    from pilotline.factory.scheduling import Schedules
    from pilotline.lake.lake import Lake
    from pilotline.run.projects import Project

NAME = "factory"
HELP = "run what is scheduled and queued, day and night, in one command"
#: Seconds between two looks for what owners should be told.
_ALERTS = 15.0
#: Seconds between two looks for runs that another catalog was not told of.
_LINEAGE = 5.0
#: Seconds between two times that what is too old is let go.
_HOUSE = 3600.0
#: Seconds between two tries to reach a database that does not answer.
_WAIT = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """How many workers, where to listen."""
    parser.add_argument("--workers", type=whole(), default=1, metavar="N", help="so many workers on this machine (1)")
    parser.add_argument("--lease", type=seconds(1), default=60.0, metavar="SECONDS", help="of the workers (60)")
    parser.add_argument(
        "--grace", type=seconds(), default=30.0, metavar="SECONDS", help="when stopped, let runs go on so long (30)"
    )
    add_listening(parser)


def run(args: Namespace, out: Out) -> int:
    """Run until a signal.

    Raises:
        UsageError: what was asked cannot be, or what serves is not installed.
    """
    refuse_what_cannot_serve(args.port, NAME)
    import os
    import signal
    import sys
    import threading

    from pilotline.domain.numbers import plural
    from pilotline.factory.forgetting import kept_of
    from pilotline.factory.ledger import Ledger
    from pilotline.factory.releases import Releases
    from pilotline.factory.scheduling import Scheduler, Schedules
    from pilotline.factory.supervising import Workers
    from pilotline.factory.upgrading import COMPONENTS
    from pilotline.lake.attending import attending
    from pilotline.run.opening import lake_of
    from pilotline.run.projects import project_of
    from pilotline.server.listening import address_of, listen, serve, tls_from
    from pilotline.server.tokens import token_from

    project = project_of(Path.cwd())
    kept, token = kept_of(project), token_from(args.token_file, os.environ)
    tls = tls_from(args.tls_cert, args.tls_key)
    # Before it waits for a database: a port that another one has would be no news then.
    listening = listen(args.host, args.port, expose=args.expose)
    lake = lake_of(project)
    ledger = Ledger(lake.database)
    schedules = Schedules(lake.database, ledger)
    teller = _Teller(out)
    count = _once_it_answers(
        lambda: _schedule_folder(project, schedules, Releases(lake.database, lake.storage), lake), teller
    )
    served = served_by(lake, token)
    asked, stopped = threading.Event(), threading.Event()
    command = [sys.executable, "-m", "pilotline", "worker", "--lease", str(args.lease), "--grace", str(args.grace)]
    workers = Workers(command, project.folder, args.workers, args.grace, teller.warn)
    jobs = [
        threading.Thread(target=Scheduler(schedules, teller.hear).run, args=(stopped,), name="pilotline-scheduler"),
        threading.Thread(target=workers.run, args=(stopped,), name="pilotline-workers"),
        threading.Thread(target=_alert, args=(project, lake, stopped, teller), name="pilotline-alerts"),
        threading.Thread(target=_tell_lineage, args=(project, lake, stopped, teller), name="pilotline-lineage"),
        threading.Thread(target=_forget, args=(kept, lake, stopped, teller), name="pilotline-house"),
    ]
    # A signal never raises: it might hit an import, and leave its lock to nobody. What serves hears it, or finds it here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    left_behind: list[PilotlineError] = []

    def leave(error: PilotlineError) -> None:
        left_behind.append(error)
        asked.set()

    attended = attending(lake.database, "factory", COMPONENTS, too_new=leave)
    with attended, listening:
        address = address_of(listening, tls)
        try:
            for job in jobs:
                job.start()
            what = f"{plural(count, 'schedule')}, {plural(args.workers, 'worker')}"
            out.say(f"the factory of {project.folder.name} runs: {what}, until Ctrl-C")
            said = f"as in {token.given_by}" if token.given_by else token.secret
            out.say(f"  tables and metrics: {address}, token {said}")
            out.document({"address": address, "token": None if token.given_by else token.secret, "schedules": count})
            out.finish()
            serve(served, listening, tls=tls, ended=asked.is_set)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: workers.hurry())
            stopped.set()
            for job in jobs:
                if job.ident is not None:
                    job.join()
    if left_behind:
        raise left_behind[0]
    out.say("stopped")
    return 0


def _once_it_answers(what: Callable[[], int], teller: _Teller) -> int:
    """Do the first thing that needs the database; after a power cut it may well come up later than this."""
    import time

    from pilotline.lake.errors import DatabaseUnreachable, LakeBusy

    while True:
        try:
            return what()
        except (DatabaseUnreachable, LakeBusy) as error:
            teller.hear(error)
            time.sleep(_WAIT)


def _forget(kept: Kept, lake: Lake, stopped: Event, teller: _Teller) -> None:
    """Let go of old orders and lines, at once and then every hour."""
    from pilotline.factory.forgetting import forget
    from pilotline.factory.ledger import Ledger
    from pilotline.run.logs import Logs
    from pilotline.run.records import Records

    Records(lake.database)
    ledger, logs = Ledger(lake.database), Logs(lake.database)
    while not stopped.is_set():
        with _or_later(teller, "what is too old is let go later"):
            forget(kept, ledger, logs)
        stopped.wait(_HOUSE)


@contextmanager
def _or_later(teller: _Teller, said: str) -> Generator[None]:
    """Do something that is done again and again: whatever is wrong is told, and the next time it may well succeed."""
    from pilotline.domain.errors import PilotlineError

    try:
        yield
    except PilotlineError as error:
        teller.warn(f"{error.code}: {error.message}")
    except Exception as error:
        teller.warn(f"{type(error).__name__}: {error}; {said}")


def _schedule_folder(project: Project, schedules: Schedules, releases: Releases, lake: Lake) -> int:
    """Set what this folder's contracts say, where the project was never deployed; how many schedules there are."""
    from pilotline.run.projects import every_module
    from pilotline.run.reading import read_contract

    if not releases.list(project.namespace, most=1):
        wanted: dict[str, Mapping[str, object]] = {}
        for module in every_module(project.folder):
            contract = read_contract(module, project)
            pipeline = project.name_of(module)
            if contract.timing is not None:
                facts = {
                    "timing": contract.timing,
                    "pipeline": pipeline,
                    "owner": contract.owner,
                    "terms": contract.terms,
                }
                # As a release calls it, so that one takes the place of the folder's and not both run.
                name = f"{project.namespace}/{module.stem}"
                wanted[name if name not in wanted else f"{project.namespace}/{pipeline}"] = facts
        with lake.database.writing() as tx:
            schedules.put_all(wanted, project=str(project.folder), within=tx)
    return len(schedules.list())


def _tell_lineage(project: Project, lake: Lake, stopped: Event, teller: _Teller) -> None:
    """Tell another catalog of what runs could not tell themselves, if anybody asked for that."""
    from pilotline.domain.errors import PilotlineError
    from pilotline.run.emitting import Emitter, target_of, waiting_by_project

    try:
        target = target_of(project)
    except PilotlineError as error:
        teller.warn(f"{error.code}: {error.message}")
        return
    if target is None:
        return
    emitters = {project.namespace: Emitter(target, lake.database, lake, project.namespace)}
    while not stopped.wait(_LINEAGE):
        with _or_later(teller, "OpenLineage events are told later"):
            for name, left in waiting_by_project(lake.database).items():
                if name not in emitters:
                    emitters[name] = Emitter(target, lake.database, lake, name)
                if left:
                    emitters[name].catch_up(heard=teller.warn)


def _alert(project: Project, lake: Lake, stopped: Event, teller: _Teller) -> None:
    """Tell owners what is wrong, as the settings say."""
    from pilotline.domain.errors import PilotlineError
    from pilotline.factory.alerting import Alerting, promises_of
    from pilotline.factory.channels import channels_of

    try:
        channels = channels_of(project)
    except PilotlineError as error:
        teller.warn(f"{error.code}: {error.message}")
        return
    alerting = Alerting(lake.database)
    while not stopped.wait(_ALERTS):
        with _or_later(teller, "owners are told later"):
            alerting.look(promises_of(project), channels)
            alerting.deliver(channels)


class _Teller:
    """Says what happens, from whichever thread."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._trouble = ""

    def hear(self, what: Sequence[OrderNumber] | PilotlineError) -> None:
        from pilotline.domain.errors import PilotlineError
        from pilotline.domain.orders import order_name

        if isinstance(what, PilotlineError):
            if what.message != self._trouble:
                self.warn(f"{what.code}: {what.message}; it is tried again")
            self._trouble = what.message
            return
        self._trouble = ""
        self._out.say(f"ordered {', '.join(order_name(number) for number in what)}")

    def warn(self, text: str) -> None:
        self._out.warn(text)
