"""Ask the user's interpreter: write a request, start the guest, read its answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import LiftError
from pilotline.lift.warming import BOOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pilotline.lift.warming import Child, Warm

_TAIL = 2000


def environment_for(python: Path, secrets: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of a guest: the user's, without what would lead to other libraries; and the secrets."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONHOME", "PYTHONPATH"}}
    environment.update(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    environment.setdefault("MPLBACKEND", "agg")
    environment.update(secrets or {})
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment.get('PATH', '')}"
    return environment


class InterpreterDied(LiftError):
    """The user's interpreter ended without an answer."""

    code = "PL115"


class TookTooLong(LiftError):
    """The notebook was not done in time."""

    code = "PL111"


class Guest:
    """One process in the user's interpreter.

    Args:
        python: the interpreter.
        request: what to do, see the guest's protocol; the paths for answer and output are added.
        cwd: working folder.
        own: folder for the request, the answer and what is printed.
        seconds: after so long it is killed.
        secrets: environment variables that only it is given.
        warm: a warmed process to fork it from; without, or where that one can't, an interpreter is started.
    """

    def __init__(
        self, python: Path, request: Mapping[str, Any], *, cwd: Path, own: Path, seconds: float | None,
        warm: Warm | None = None, secrets: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        own.mkdir(parents=True, exist_ok=True)
        self._own = own
        self._kind = str(request["kind"])
        self._limit = None if seconds is None else time.monotonic() + seconds * 1.2 + 20
        self._seconds = seconds
        paths = {name: str(own / name) for name in ("result", "events", "stdout", "stderr")}
        (own / "request").write_text(json.dumps({"protocol": 1, **request, **paths}), encoding="utf-8")
        child = warm.start(own / "request", cwd) if warm is not None else None
        if child is not None:
            self._process: Child | subprocess.Popen[bytes] = child
            return
        with (own / "boot").open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), "-B", str(BOOT), str(own / "request")],
                cwd=cwd, env=environment_for(python, secrets), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip

    def wait(self, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
        """The answer.

        Raises:
            InterpreterDied: there is none.
            TookTooLong: it was not there in time.
        """
        pause = 0.005
        try:
            while self._process.poll() is None:
                if self._limit is not None and time.monotonic() > self._limit:
                    raise TookTooLong(
                        f"The notebook was not done after {self._seconds:g} s and was stopped{self._where()}.",
                        try_next="pilotline lift NOTEBOOK --timeout SECONDS",
                    )
                time.sleep(pause)
                pause = min(0.1, pause * 1.3)
                if progress is not None and pause >= 0.1:
                    progress(self._where())
        finally:
            self.kill()
        try:
            answer: dict[str, Any] = json.loads((self._own / "result").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InterpreterDied(self._death(), try_next="run the notebook in Jupyter to see what happens") from None
        return answer

    def kill(self) -> None:
        """End the process and all that it started."""
        if self._process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)

    def _where(self) -> str:
        """Which cell it is in, as `` in cell 3 of 31``."""
        try:
            last: dict[str, Any] = json.loads((self._own / "events").read_text(encoding="utf-8").splitlines()[-1])
        except (OSError, ValueError, IndexError):
            return ""
        return f" in step {last['step']}" if "step" in last else f" in cell {last.get('cell')}"

    def _death(self) -> str:
        status = self._process.poll() or 0
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        tail = ""
        for name in ("stderr", "boot"):
            with suppress(OSError):
                tail = tail or (self._own / name).read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()
        last = tail.splitlines()[-1] if tail else "it said nothing"
        return f"The notebook's interpreter {how}{self._where()} without an answer: {last}"
