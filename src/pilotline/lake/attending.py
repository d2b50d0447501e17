"""Say in the database that a process is at work, so that no upgrade takes away what its code still uses."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pilotline import __version__
from pilotline.domain.errors import PilotlineError
from pilotline.lake.errors import DatabaseUnreachable, LakeBusy
from pilotline.lake.ledger import time_text
from pilotline.lake.migrating import SQL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from pilotline.lake.database import Database
    from pilotline.lake.migrating import Process

__all__ = ["LEASE", "Attendance", "attending"]

#: A process that says nothing for so long is taken for gone.
LEASE: Final = timedelta(seconds=60)
#: How often it speaks in that time: all but one may be missed.
_TIMES: Final = 4
#: Seconds between two looks whether it is time to.
_LOOK: Final = 1.0


class Attendance:
    """That of one process at a database.

    Args:
        database: where it works.
        name: of the process; no other one has it.
        components: each component of the database with its scripts, as the code of this process knows them.
        lease: after so long without a word it is taken for gone.
    """

    def __init__(
        self, database: Database, name: str, components: Mapping[str, Sequence[Path]], *, lease: timedelta = LEASE
    ) -> None:
        self._database = database
        self._name = name
        self._lease = lease
        self._knows = json.dumps({component: len(scripts) for component, scripts in components.items()})
        self._again = 0.0
        for component, scripts in components.items():
            database.register(component, scripts)

    def look(self) -> tuple[Process, ...]:
        """Say that this process is here, if it is time to, and finish an upgrade that nobody's older code holds up any more.

        Returns:
            Processes of older code that an upgrade waits for.

        Raises:
            LakeTooNew: this process was taken for gone, and the tables do not serve its code any more.
        """
        if time.monotonic() < self._again:
            return ()
        self._again = time.monotonic() + self._lease.total_seconds() / _TIMES
        with self._database.writing() as tx:
            now = tx.now()
            tx.execute(SQL["forget_gone"], now=time_text(now))
            tx.execute(
                SQL["attend"],
                name=self._name,
                version=__version__,
                knows=self._knows,
                now=time_text(now),
                until=time_text(now + self._lease),
            )
        return self._database.finish_upgrade()

    def leave(self) -> None:
        """Say that this process is gone."""
        with self._database.writing() as tx:
            tx.execute(SQL["leave"], name=self._name)


@contextmanager
def attending(
    database: Database,
    what: str,
    components: Mapping[str, Sequence[Path]],
    *,
    after: float = 0.0,
    too_new: Callable[[PilotlineError], None] = lambda _: None,
) -> Generator[None]:
    """Say for as long as the block lasts that this process is at work.

    Args:
        database: where.
        what: it does.
        components: each component of the database with its scripts, as the code of this process knows them.
        after: seconds; who is done by then says nothing.
        too_new: is told where the tables do not serve this code any more; then this process is gone.
    """
    name = f"{what} {socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
    attendance, left = Attendance(database, name, components), threading.Event()

    def attend() -> None:
        if left.wait(after):
            return
        try:
            while not left.is_set():
                try:
                    # Where the database is away or busy, whoever needs it says so.
                    with suppress(DatabaseUnreachable, LakeBusy):
                        attendance.look()
                except PilotlineError as error:
                    too_new(error)
                    return
                left.wait(_LOOK)
            with suppress(PilotlineError):
                attendance.leave()
        finally:
            database.close()

    thread = threading.Thread(target=attend, name="pilotline-attendance", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
