"""How every command speaks: text for people, one JSON document for programs.

A command gets an ``Out`` and says each thing once::

    out.say("2 tables published")  # text: stdout, or stderr under --json
    out.table(["table", "rows"], [["shop.orders", 40_000]])
    out.document({"tables": 2})  # the one JSON document; printed under --json only

Colour and progress appear on a terminal only; ``NO_COLOR`` and ``FORCE_COLOR`` are obeyed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
_STYLES: Mapping[str, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SHOWN_AFTER = 0.4
_EVERY = 0.1


class Progress:
    """One line that says what is going on, on a terminal; nothing in a pipe."""

    def __init__(self, title: str, stream: TextIO, *, shown: bool) -> None:
        self._title = title
        self._stream = stream
        self._shown = shown
        self._began = time.monotonic()
        self._last = 0.0
        self._drawn = False

    def step(self, what: str) -> None:
        """Say what is being done now."""
        now = time.monotonic()
        if not self._shown or now - self._began < _SHOWN_AFTER or now - self._last < _EVERY:
            return
        self._last = now
        self._drawn = True
        text = f"{self._title}: {what} ({now - self._began:.0f} s)"
        self._stream.write("\r\x1b[K" + text[: get_terminal_size().columns - 1])
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class Out:
    """Where a command speaks to.

    Args:
        json: the command was called with ``--json``.
        stdout, stderr: streams; the process's own by default.
    """

    def __init__(self, *, json: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json = json
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._told = False

    @property
    def text(self) -> TextIO:
        """The stream that text goes to."""
        return self.stderr if self.json else self.stdout

    @property
    def width(self) -> int:
        """Columns of the terminal; wide in a pipe, so that nothing is cut there."""
        return get_terminal_size().columns if self.text.isatty() else 10_000

    def say(self, text: str = "") -> None:
        """Print a line of text for people."""
        self.text.write(text + "\n")

    def styled(self, text: str, style: Style) -> str:
        """The text in a colour or weight, where colour is wanted."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if _wants_colour(self.text) else text

    def document(self, value: object) -> None:
        """The one JSON document of the command; printed under ``--json`` only."""
        if not self.json or self._told:
            return
        import json

        self._told = True
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
        """Print rows in aligned columns; numbers to the right, long values cut to the terminal's width."""
        texts = [[_cell(value) for value in row] for row in rows]
        numeric = {
            head for place, head in enumerate(heads)
            if rows and all(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in rows)
        } | set(right)  # fmt: skip
        widths = [max([len(head), *(len(row[place]) for row in texts)]) for place, head in enumerate(heads)]
        room = self.width - 2 * (len(heads) - 1)
        while sum(widths) > room and max(widths) > 8:
            widths[widths.index(max(widths))] -= 1
        self.say(self.styled(_row(heads, heads, widths, numeric), "dim").rstrip())
        for row in texts:
            self.say(_row(row, heads, widths, numeric).rstrip())

    @contextmanager
    def progress(self, title: str) -> Generator[Progress]:
        """A line of progress on stderr, if that is a terminal."""
        progress = Progress(title, self.stderr, shown=self.stderr.isatty())
        try:
            yield progress
        finally:
            progress.clear()


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())


def _row(values: Sequence[str], heads: Sequence[str], widths: Sequence[int], numeric: set[str]) -> str:
    parts: list[str] = []
    for value, head, width in zip(values, heads, widths, strict=True):
        text = value if len(value) <= width else value[: width - 3] + "..."
        parts.append(text.rjust(width) if head in numeric else text.ljust(width))
    return "  ".join(parts)
