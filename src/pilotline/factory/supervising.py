"""Keep workers running: processes of their own, started again where one ends that nobody stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Workers"]

#: Seconds until a worker that ended is started again; twice as long each time that it ends at once, up to the second.
_WAIT: Final = (0.5, 30.0)
#: A worker that lived so long did not end at once.
_LIVED: Final = 30.0
_LOOK: Final = 0.2


@dataclass(slots=True)
class _Place:
    """Where one worker after the other is."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    wait: float = _WAIT[0]
    start_at: float = 0.0


@dataclass(slots=True)
class Workers:
    """So many workers.

    Args:
        command: that starts one.
        cwd: their folder.
        count: how many.
        grace: seconds that they get to end by themselves when they are stopped.
        heard: is told where one ended and is started again.
    """

    command: Sequence[str]
    cwd: Path
    count: int
    grace: float
    heard: Callable[[str], None] = lambda _: None
    _places: list[_Place] = field(default_factory=list[_Place])

    def run(self, stopped: threading.Event) -> None:
        """Keep them running until ``stopped`` is set, then stop them."""
        self._places = [_Place() for _ in range(self.count)]
        try:
            while not stopped.is_set():
                for place in self._places:
                    self._look_after(place)
                stopped.wait(_LOOK)
        finally:
            self._stop()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that live."""
        return tuple(place.process.pid for place in self._places if place.process and place.process.poll() is None)

    def hurry(self) -> None:
        """Tell the workers to give back at once what they have: somebody is in a hurry."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _look_after(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is None:
            if now >= place.start_at:
                # In a group of its own, so that Ctrl-C reaches it through this process and not twice.
                place.process = subprocess.Popen(
                    self.command,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    env=dict(os.environ, PILOTLINE_PARENT=str(os.getpid())),
                )
                place.began = now
            return
        status = place.process.poll()
        if status is None:
            return
        place.process = None
        place.wait = _WAIT[0] if now - place.began > _LIVED else min(place.wait * 2, _WAIT[1])
        place.start_at = now + place.wait
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        self.heard(f"a worker {how}; another one is started in {place.wait:g} s")

    def _stop(self) -> None:
        living = [place.process for place in self._places if place.process is not None]
        for process in living:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + self.grace + 10
        for process in living:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
