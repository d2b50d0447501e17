"""One line that says what is going on, on a terminal only, and only once it has taken a moment."""

from __future__ import annotations

from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

_SHOW_AFTER = 0.5  # seconds; what is quicker needs no line
_ESTIMATE_AFTER = 2.0  # seconds; before that an estimate would only jump about
_BLINK = 0.25  # seconds between two drawings
CLEAR = "\r\x1b[2K"


class Progress:
    """``Proving: changed inputs · 3 of 4 · 12 s, about 4 s left``, redrawn in place.

    Args:
        what: what is being done, in a word or two.
        stream: where to draw; None draws nowhere, which is what a pipe gets.
        width: columns of the terminal.
    """

    def __init__(self, what: str, stream: TextIO | None, width: int) -> None:
        self._what = what
        self._detail = ""
        self._share = 0.0
        self._steps = ""
        self._stream = stream
        self._width = width
        self._began = monotonic()
        self._ended = Event()
        self._drawing = Lock()
        self._thread = Thread(target=self._draw_on, daemon=True) if stream else None

    def update(self, done: float | None = None, total: float | None = None, detail: str | None = None) -> None:
        """Say how far it is.

        Args:
            done: how much of ``total`` is done; both in whatever unit.
            total: how much there is to do.
            detail: what is being done just now.
        """
        if done is not None and total:
            self._share = done / total
            self._steps = f"{done:g} of {total:g}" if float(total).is_integer() else ""
        if detail is not None:
            self._detail = detail

    def line(self, elapsed: float) -> str:
        """The line after so many seconds."""
        left = ""
        if self._share > 0 and elapsed >= _ESTIMATE_AFTER:
            left = f", about {spell_seconds(elapsed / self._share - elapsed)} left"
        head = f"{self._what}: {self._detail}" if self._detail else self._what
        parts = [head, self._steps, spell_seconds(elapsed) + left]
        return " · ".join(part for part in parts if part)[: max(self._width - 1, 10)]

    def erase(self) -> None:
        """Take the line off the terminal, so that something else can be printed; it comes back by itself."""
        if self._stream:
            with self._drawing:
                self._stream.write(CLEAR)
                self._stream.flush()

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread:
            self._ended.set()
            self._thread.join()
            if monotonic() - self._began > _SHOW_AFTER:
                self.erase()

    def _draw_on(self) -> None:
        stream = self._stream
        wait = _SHOW_AFTER
        while stream and not self._ended.wait(wait):
            with self._drawing:
                stream.write(CLEAR + self.line(monotonic() - self._began))
                stream.flush()
            wait = _BLINK


def spell_seconds(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``: as exact as one wants to read it."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
