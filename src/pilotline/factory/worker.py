"""A worker: claims orders, starts a process for each, renews the lease while it goes on, and settles how it ended.

The worker itself stays small and imports neither the user's code nor what reads and writes tables, so nothing that a run
does keeps it from renewing. Each try is a process forked from it, the head of a group of its own; the user's code runs in a
third one, in the project's interpreter. If the worker dies, the other two end with it, and what they would still write does
not count: the ledger asks for the claim's token and lease in every transaction.

It has one thread, because it forks.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import socket
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from pilotline.domain.errors import LakeError
from pilotline.factory.fulfilling import End, fulfil, open_folder
from pilotline.lake.errors import DatabaseUnreachable, LakeBusy, LakeTooNew

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.orders import Claim, Order, OrderState
    from pilotline.factory.fulfilling import Opening
    from pilotline.factory.ledger import Ledger
    from pilotline.lake.attending import Attendance
    from pilotline.lake.bells import Bell

__all__ = ["LEASE", "Settled", "Worker", "worker_name"]

#: Long enough that a starved machine seldom loses what it holds.
LEASE: Final = timedelta(seconds=60)
#: Seconds between two looks for something to do, where there may be.
_LOOK: Final = 0.1
#: The same where nobody said that there is: should the word have been lost, it is found then.
_SLOW: Final = 5.0
#: Seconds until a worker that rests notices that it was told to stop.
_SLICE: Final = 0.2
#: Seconds between two looks whether a running order was cancelled.
_ASK: Final = 0.5
#: Renewals in a lease: so many may be missed but one.
_RENEWALS: Final = 4
#: Seconds that a run has to end by itself after it was told to.
_PATIENCE: Final = 5.0
#: Longest wait for a database that does not answer.
_LONGEST: Final = 5.0
#: What an order's timeout leaves for opening, checks and publishing, in seconds.
_BESIDE_STEPS: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of an order that a worker had."""

    order: Order
    #: The state of the order afterwards: waiting where it is tried again, lost where another has it.
    state: OrderState | Literal["lost"]
    because: str
    seconds: float


class Worker:
    """Carries out orders, one at a time.

    Args:
        ledger: where the orders are.
        project: the folder that this worker has; orders for other folders are left to others. Empty: any.
        lease: how long it holds an order without renewing.
        grace: how long a run may go on after the worker was told to stop; then the order is given back.
        opening: opens the pipeline of an order.
        heard: is told when an order is claimed, settled, and when the database does not answer.
        name: of the worker.
        parent: the process that started it; where that is gone, it stops as if it had been told to.
        attendance: says in the database that it is here.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        project: str = "",
        lease: timedelta = LEASE,
        grace: timedelta = timedelta(seconds=30),
        opening: Opening = open_folder,
        heard: Callable[[Claim | Settled | PilotlineError], None] = lambda _: None,
        name: str = "",
        parent: int | None = None,
        attendance: Attendance | None = None,
    ) -> None:
        self.name = name or worker_name()
        self._attendance = attendance
        self._parent = parent
        self._ledger = ledger
        self._project = project
        self._lease = lease
        self._grace = grace.total_seconds()
        self._opening = opening
        self._heard = heard
        self._signals = 0
        self._stop_at = 0.0

    def work(self, *, once: bool = False, drain: bool = False) -> int:
        """Carry out orders until SIGTERM or Ctrl-C; a second one gives back what is running at once.

        Args:
            once: end after one order, or where none is due.
            drain: end when none is due.

        Returns:
            How many it had.

        Raises:
            DatabaseUnreachable: with ``once`` or ``drain``, where the database did not answer at first.
            LakeTooNew: an upgrade left this code behind; what it held is taken over when its lease runs out.
        """
        count, wait, reached = 0, _LOOK, False
        bell = self._ledger.bell()
        with self._listening(), closing(bell):
            while not self._told_to_stop():
                try:
                    self._attend()
                    claim = self._ledger.claim(self.name, self._lease, project=self._project)
                    wait, reached = _LOOK, True
                except (LakeBusy, DatabaseUnreachable) as error:
                    # Who wants an end is told; who works for ever may have been started before the database.
                    if (once or drain) and not reached:
                        raise
                    self._heard(error)
                    wait = min(wait * 2, _LONGEST)
                    self._pause(wait)
                    continue
                if claim is not None:
                    count += 1
                    # Like the ledger's, its connection cannot be shared with a fork.
                    bell.close()
                    self._carry(claim)
                if (once or drain) and (claim is None or once):
                    break
                if claim is None:
                    self._rest(bell)
            if self._attendance is not None:
                with suppress(LakeError):
                    self._attendance.leave()
        return count

    def _carry(self, claim: Claim) -> None:
        began = time.monotonic()
        self._heard(claim)
        attempt = _Attempt(self._ledger, claim, self._opening, began)
        try:
            while not attempt.ended(_LOOK / 2):
                self._told_to_stop()
                if self._signals > 1 or (self._signals and time.monotonic() > self._stop_at):
                    attempt.stop("given back")
                attempt.look_after()
                with suppress(LakeBusy, DatabaseUnreachable):
                    self._attend()
            state, because = self._settle(attempt)
        except LakeTooNew:
            attempt.end()
            raise
        self._heard(Settled(order=claim.order, state=state, because=because, seconds=time.monotonic() - began))

    def _attend(self) -> None:
        if self._attendance is not None:
            self._attendance.look()

    def _settle(self, attempt: _Attempt) -> tuple[OrderState | Literal["lost"], str]:
        """Write down how a try ended; where the database does not answer, for as long as the lease may still hold."""
        wait = _LOOK
        while True:
            try:
                return attempt.settle(self.name)
            except (LakeBusy, DatabaseUnreachable) as error:
                self._heard(error)
                if time.monotonic() > attempt.held_until:
                    return "lost", "the database did not answer for longer than the lease"
                time.sleep(wait)
                wait = min(wait * 2, _LONGEST)

    def _told_to_stop(self) -> bool:
        if not self._signals and self._parent is not None and os.getppid() != self._parent:
            self._signals = 1
            self._stop_at = time.monotonic() + self._grace
        return self._signals > 0

    def _rest(self, bell: Bell) -> None:
        """Until there may be something to do: somebody said so, or it is time; should the word be lost, for a while."""
        due = self._ledger.next_due
        end = time.monotonic() + (_SLOW if due is None else min(_SLOW, max(due.total_seconds(), _LOOK)))
        while not self._told_to_stop() and (left := end - time.monotonic()) > 0:
            if bell.wait(min(left, _SLICE)):
                return

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._signals and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))

    @contextmanager
    def _listening(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(_: int, __: object) -> None:
            self._signals += 1
            self._stop_at = self._stop_at or time.monotonic() + self._grace

        before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)


class _Attempt:
    """One claimed order and the process that carries it out."""

    def __init__(self, ledger: Ledger, claim: Claim, opening: Opening, began: float) -> None:
        self._ledger = ledger
        self._claim = claim
        self._lease = claim.lease.total_seconds()
        #: When the lease has surely run out, by this machine's own clock that never goes back.
        self.held_until = began + self._lease
        self._renew_at = began + self._lease / _RENEWALS
        self._ask_at = began + _ASK
        timeout = claim.order.ask.timeout
        self._longest = began + timeout.total_seconds() + _BESIDE_STEPS if timeout else None
        self._why: Literal["", "lost", "cancelled", "given back", "too long"] = ""
        self._kill_at: float | None = None
        self._status = 0
        self._told = b""
        self._pid, self._pipe, self._lifeline = _start(ledger, claim, opening)

    def ended(self, wait: float) -> bool:
        """Whether the process has ended; waits a little for it."""
        with suppress(InterruptedError), selectors.DefaultSelector() as ears:
            ears.register(self._pipe, selectors.EVENT_READ)
            if ears.select(wait):
                self._told += os.read(self._pipe, 1 << 16)
                if not self._told:
                    time.sleep(wait)
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            return False
        self._status = os.waitstatus_to_exitcode(status)
        while part := os.read(self._pipe, 1 << 16):
            self._told += part
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        os.close(self._pipe)
        os.close(self._lifeline)
        return True

    def look_after(self) -> None:
        """Renew the lease; end the process where the order is lost, cancelled, or takes too long."""
        now = time.monotonic()
        if self._kill_at is not None and now > self._kill_at:
            self._kill()
        if now >= self._renew_at or now >= self._ask_at:
            self._ask_ledger(now, renewing=now >= self._renew_at)
        if time.monotonic() > self.held_until and self._why != "lost":
            self._why = "lost"
            self._kill()
        if self._longest is not None and now > self._longest:
            self.stop("too long")

    def _ask_ledger(self, now: float, *, renewing: bool) -> None:
        self._ask_at = now + _ASK
        try:
            found = self._ledger.renew(self._claim) if renewing else self._ledger.standing(self._claim)
        except (LakeBusy, DatabaseUnreachable):
            return
        if renewing:
            self._renew_at = now + self._lease / _RENEWALS
        match found:
            case "held":
                if renewing:
                    self.held_until = now + self._lease
            case "cancelled":
                self.stop("cancelled")
                # Until it has ended, nothing renews: should this worker die now, the order is cancelled all the same.
                self.held_until = max(self.held_until, now + 2 * _PATIENCE)
            case "lost":
                self._why = "lost"
                self._kill()

    def stop(self, why: Literal["cancelled", "given back", "too long"]) -> None:
        """Tell the process to end, and see to it."""
        if self._why:
            return
        self._why = why
        self._kill_at = time.monotonic() + _PATIENCE
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, signal.SIGTERM)

    def end(self) -> None:
        """See to it at once that nothing of it goes on."""
        self._kill()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, signal.SIGKILL)
            os.killpg(self._pid, signal.SIGKILL)

    def settle(self, worker: str) -> tuple[OrderState | Literal["lost"], str]:
        """Write down how it ended."""
        end, claim = self._end(), self._claim
        match end.how:
            case "done":
                state = "done"
            case "lost":
                state = None
            case "stopped" if self._why == "given back":
                state = "waiting" if self._ledger.give_back(claim, f"{worker} was stopped") else None
            case "stopped" if self._why == "too long":
                state = self._ledger.fail(claim, "code", f"it took longer than {claim.order.ask.timeout}")
            case "stopped" | "cancelled":
                state = self._ledger.fail(claim, "died", end.because)
            case "failed":
                state = self._ledger.fail(claim, end.kind, end.because)
        if state is None:
            # It may have published, and died before it could say so.
            order = self._ledger.order(claim.order.number)
            if order.state == "done" and order.token == claim.token:
                return "done", ""
            return "lost", end.because
        return state, end.because

    def _end(self) -> End:
        with suppress(ValueError, TypeError):
            return End(**json.loads(self._told))
        if self._why == "lost":
            return End(how="lost", because="its lease ran out")
        if self._why:
            return End(how="stopped", because="its worker stopped it")
        if self._status < 0:
            how = f"was killed by {signal.Signals(-self._status).name}"
        else:
            how = f"ended with status {self._status}"
        return End(how="failed", kind="died", because=f"the process of its run {how}")


def _start(ledger: Ledger, claim: Claim, opening: Opening) -> tuple[int, int, int]:
    """Fork the process of a try: its id, the end of the pipe that it tells its end by, and its lifeline."""
    # A connection cannot be shared with a fork.
    ledger.close()
    sys.stdout.flush()
    sys.stderr.flush()
    told, telling = os.pipe()
    watched, lifeline = os.pipe()
    pid = os.fork()
    if pid:
        os.close(telling)
        os.close(watched)
        return pid, told, lifeline
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.close(told)
        os.close(lifeline)
        threading.Thread(target=_end_with, args=(watched,), daemon=True, name="pilotline-lifeline").start()
        end = fulfil(ledger, claim, opening)
        os.write(telling, json.dumps(asdict(end) | {"because": end.because[:20_000]}).encode())
        status = 0
    finally:
        os._exit(status)


def _end_with(watched: int) -> None:
    """End with the worker: nobody would renew."""
    with suppress(OSError):
        os.read(watched, 1)
    os.killpg(0, signal.SIGKILL)


def worker_name() -> str:
    """A name for a worker that no other one has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
