"""The one process of a run: the guest in the project's interpreter, its events as they come, its end whatever ends it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.run.errors import ProcessDied, RunTimedOut
from pilotline.run.output import Output
from pilotline.run.redacting import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pilotline.run.output import Line

__all__ = ["run_steps"]

_HOUSE: Final = Path(__file__).parent.parent
_POLL: Final = 0.02
#: Seconds between two times that printed lines are handed on.
_TOLD_EVERY: Final = 0.25


def run_steps(
    python: str,
    request: Mapping[str, Any],
    *,
    cwd: Path,
    own: Path,
    variables: Mapping[str, str],
    heard: Callable[[Sequence[dict[str, Any]]], None],
    interrupted: Callable[[], bool],
    timeout: float | None = None,
    printed: Callable[[Sequence[Line]], None] = lambda _: None,
    redactor: Redactor | None = None,
) -> dict[str, Any]:
    """Carry out a ``steps`` request and give its answer.

    The guest ends with this process: it holds one end of a pipe and goes when the other is closed. When this function
    is left, by whatever way, the guest and all that it started are gone.

    Args:
        python: the project's interpreter.
        request: what to do.
        cwd: the working folder.
        own: where the tool keeps what belongs to this run.
        variables: environment variables for it.
        heard: gets the events as they come.
        interrupted: whether the user wants it to end.
        timeout: seconds it may take, imports and all.
        printed: gets the lines that the user's code prints, some times a second.
        redactor: takes secrets out of those lines, and of the request once it is done.

    Raises:
        KeyboardInterrupt: the user wants it to end.
        ProcessDied: it ended without an answer.
        RunTimedOut: it took longer than it may.
    """
    own.mkdir(parents=True, exist_ok=True)
    paths = {name: str(own / f"{name}") for name in ("result", "events")}
    for path in paths.values():
        Path(path).unlink(missing_ok=True)
    redactor = redactor or Redactor()
    mark = secrets.token_hex(12)
    output = Output(own, redactor, mark)
    theirs, ours = os.pipe()
    asked = {"protocol": 1, "kind": "steps", **request, **paths, "lifeline": theirs, "house": str(_HOUSE), "mark": mark}
    pipes = [os.pipe(), os.pipe()]
    try:
        (own / "request").write_text(json.dumps(asked), encoding="utf-8")
        process = subprocess.Popen(
            [python, str(_HOUSE / "guest" / "boot.py"), str(own / "request")],
            cwd=cwd, env=_environment(python, variables), start_new_session=True, pass_fds=(theirs,),
            stdin=subprocess.DEVNULL, stdout=pipes[0][1], stderr=pipes[1][1],
        )  # fmt: skip
    finally:
        for descriptor in (theirs, pipes[0][1], pipes[1][1]):
            os.close(descriptor)
        output.listen("stdout", pipes[0][0])
        output.listen("stderr", pipes[1][0])
    try:
        _follow(process, Path(paths["events"]), heard, interrupted, timeout, lambda: printed(output.take()))
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
        output.end()
        if redactor.forms:
            (own / "request").write_text(json.dumps(redactor.data(asked)), encoding="utf-8")
        printed(output.take())
    try:
        answer: dict[str, Any] = json.loads(Path(paths["result"]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _died(process.returncode, own) from None
    return answer


def _environment(python: str, variables: Mapping[str, str]) -> dict[str, str]:
    found = {key: value for key, value in os.environ.items() if key not in {"PYTHONHOME", "PYTHONPATH"}}
    found.update(PYTHONHASHSEED="0", **variables)
    found.setdefault("MPLBACKEND", "agg")
    found["PATH"] = f"{Path(python).parent}{os.pathsep}{found.get('PATH', '')}"
    return found


def _follow(
    process: subprocess.Popen[bytes],
    events: Path,
    heard: Callable[[Sequence[dict[str, Any]]], None],
    interrupted: Callable[[], bool],
    timeout: float | None,
    tell_printed: Callable[[], None],
) -> None:
    place, ended, told = 0, False, time.monotonic()
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        ended = process.poll() is not None
        place, found = _events_from(events, place)
        if found:
            heard(found)
        if ended:
            return
        if time.monotonic() - told > _TOLD_EVERY:
            told = time.monotonic()
            tell_printed()
        if interrupted():
            raise KeyboardInterrupt
        if until is not None and time.monotonic() > until:
            raise RunTimedOut(
                f"the steps took longer than {timeout:g} s; nothing was published, what was computed is kept",
                try_next="pilotline run takes up where it stopped; --timeout gives it more time",
                timeout=timeout,
            )
        time.sleep(_POLL)


def _events_from(path: Path, place: int) -> tuple[int, list[dict[str, Any]]]:
    """The whole lines of a file from a place on, and the place after them."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            data = file.read()
    except OSError:
        return place, []
    whole, newline, _ = data.rpartition(b"\n")
    return place + len(whole) + len(newline), [json.loads(line) for line in whole.splitlines() if line]


def _died(status: int, own: Path) -> ProcessDied:
    if status < 0:
        name = signal.Signals(-status).name
        how = f"was killed by {name}"
        if name == "SIGKILL":
            how += ", as happens when memory runs out"
    else:
        how = f"ended with status {status}"
    said = ""
    with suppress(OSError):
        said = (own / "stderr").read_text(encoding="utf-8", errors="replace").strip()
    last = said.splitlines()[-1][:500] if said else ""
    return ProcessDied(
        f"the project's interpreter {how}" + (f": {last}" if last else ""),
        try_next="pilotline run takes up where it stopped",
        status=status,
    )
