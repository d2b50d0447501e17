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
_CLEAR = "\r\x1b[2K"


class Progress:
    """``lift shop.ipynb: proving · 3 of 4 · 12 s, about 4 s left``, redrawn in place by a thread of its own.

    Args:
        title: what is being done, in a word or two.
        stream: where to draw; None draws nowhere, which is what a pipe gets.
        width: columns of the terminal.
    """

    def __init__(self, title: str, stream: TextIO | None, width: int) -> None:
        self._title = title
        self._what = ""
        self._done = 0.0
        self._total = 0.0
        self._stream = stream
        self._width = width
        self._began = monotonic()
        self._ended = Event()
        self._drawing = Lock()
        self._thread = Thread(target=self._draw_on, daemon=True) if stream else None

    def step(self, what: str) -> None:
        """Say what is being done now."""
        self._what = what

    def reach(self, done: float, total: float) -> None:
        """Say how far it is: ``done`` of ``total``, in whatever unit both are; the time left follows from it."""
        self._done, self._total = done, total

    def line(self, elapsed: float) -> str:
        """The line after so many seconds."""
        counted = left = ""
        if self._total:
            counted = f"{self._done:g} of {self._total:g}"
            if self._done and elapsed >= _ESTIMATE_AFTER:
                left = f", about {spell_seconds(elapsed * (self._total / self._done - 1))} left"
        head = f"{self._title}: {self._what}" if self._what else self._title
        parts = [head, counted, spell_seconds(elapsed) + left]
        return " · ".join(part for part in parts if part)[: max(self._width - 1, 10)]

    def erase(self) -> None:
        """Take the line off the terminal, so that something else can be printed; it comes back by itself."""
        if self._stream:
            with self._drawing:
                self._stream.write(_CLEAR)
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
        wait = _SHOW_AFTER
        while self._stream and not self._ended.wait(wait):
            with self._drawing:
                self._stream.write(_CLEAR + self.line(monotonic() - self._began))
                self._stream.flush()
            wait = _BLINK


def spell_seconds(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``: as exact as one wants to read it."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_over = divmod(minutes, 60)
    return f"{hours} h {minutes_over} min" if hours else f"{minutes} min {rest} s"
