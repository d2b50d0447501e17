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
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from pilotline.cli.progress import Progress
    from pilotline.domain.errors import PilotlineError

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
_STYLES: Mapping[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
#: Signs that we print, for a terminal that knows letters and digits only.
_PLAIN: Mapping[int, str] = str.maketrans(
    {"→": "->", "≈": "~", "■": "#", "·": ".", "□": "o", "✗": "x", "…": "~", "▶": ">", "✓": "ok", "✅": "ok", "❌": "x"}
)
_GAP = "  "
_NARROWEST = 8  # columns; a cell is not cut below this
_USUAL_WIDTH = 80


class Out:
    """Where a command speaks to.

    Args:
        json: the command was called with ``--json``.
        stdout: the process's own by default.
        stderr: the process's own by default.
        environ: the process's own by default.
    """

    def __init__(
        self,
        *,
        json: bool,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.json = json
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        for stream in (self.stdout, self.stderr):
            # Not every terminal has every sign; a command must not end for that.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._environ = os.environ if environ is None else environ
        self._documents: list[object] = []
        self._written = False
        self._progress: Progress | None = None

    @property
    def text(self) -> TextIO:
        """The stream that text goes to."""
        return self.stderr if self.json else self.stdout

    @property
    def width(self) -> int | None:
        """Columns of the terminal that text goes to; None where it is none, so that nothing is cut there."""
        return columns_of(self.text)

    def styled(self, text: object, style: Style, *, stream: TextIO | None = None) -> str:
        """The text in a colour or weight, if the stream (by default where text goes) takes colour."""
        if not wants_colour(stream or self.text, self._environ):
            return str(text)
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def say(self, text: str = "") -> None:
        """Print a line of text for people."""
        self._print(text, self.text)

    def warn(self, text: str) -> None:
        """Print a line to stderr, whatever stdout is used for."""
        self._print(text, self.stderr)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
        """Print rows in aligned columns; numbers to the right, long values cut to the terminal's width."""
        first, *rest = table_lines(heads, rows, right=right, width=self.width)
        self.say(self.styled(first, "bold"))
        for line in rest:
            self.say(line)

    def write(self, path: Path, text: str) -> None:
        """Write a file that somebody asked for, and say so; its folder is made where it is not there.

        Raises:
            NotWritten: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            from pilotline.cli.errors import NotWritten

            raise NotWritten(path, error) from None
        self.say(f"  written: {path}")

    def document(self, value: object) -> None:
        """Give the one result for programs: JSON-like values, dataclasses, paths, instants. Written at the end.

        Raises:
            RuntimeError: the command gave one already.
        """
        if self._documents:
            raise RuntimeError("a command gives one document")
        self._documents.append(value)

    def fail(self, error: PilotlineError) -> int:
        """Say what went wrong and what to type next; under ``--json`` that is the document. Returns the exit status."""
        self._documents = [{"error": error.as_json()}]
        self.warn(f"{self.styled(error.code, 'red', stream=self.stderr)}: {error.message}")
        if error.try_next:
            self.warn(f"  next: {error.try_next}")
        return error.exit_status

    def finish(self) -> None:
        """Write the document, if one is wanted and it is not written yet.

        ``main`` calls it when the command has ended; one that does not end by itself, before.
        """
        if self.json and not self._written:
            self._written = True
            from pilotline.cli.documents import dumps

            text = dumps(self._documents[0] if self._documents else {}, ascii_only=not _is_utf8(self.stdout))
            self._print(text, self.stdout)
        with _refusing(self.stdout):
            self.stdout.flush()

    @contextmanager
    def progress(self, title: str) -> Generator[Progress]:
        """A line on stderr while something takes its time; nothing in a pipe."""
        from pilotline.cli.progress import Progress

        columns = None if self._environ.get("TERM") == "dumb" else columns_of(self.stderr)
        with Progress(title, self.stderr if columns else None, columns or _USUAL_WIDTH) as progress:
            self._progress = progress
            try:
                yield progress
            finally:
                self._progress = None

    def _print(self, text: str, stream: TextIO) -> None:
        if self._progress:
            self._progress.erase()
        with _refusing(stream):
            stream.write((text if _is_utf8(stream) else text.translate(_PLAIN)) + "\n")


def _is_utf8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


@contextmanager
def _refusing(stream: TextIO) -> Generator[None]:
    """A block that writes to a stream; a reader that went away is somebody else's affair.

    Raises:
        NotWritten: the disk behind it is full, say.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        from pilotline.cli.errors import NotWritten

        raise NotWritten(getattr(stream, "name", "the output"), error) from None


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether styles may be written: NO_COLOR, then FORCE_COLOR, then whether it is a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def columns_of(stream: TextIO) -> int | None:
    """How wide the terminal is; None where the stream is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return None


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = (), width: int | None = None
) -> list[str]:
    """Heads and rows as aligned lines of at most ``width`` columns, though no cell is cut below 8."""
    to_right = [
        head in right or (bool(rows) and all(_is_number(row[place]) for row in rows))
        for place, head in enumerate(heads)
    ]
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_columns(row[place]) for row in cells) for place in range(len(heads))]
    if width is not None:
        while sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
    return [
        _GAP.join(
            _fitted(text, columns, right=right) for text, columns, right in zip(row, widths, to_right, strict=True)
        ).rstrip()
        for row in cells
    ]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        from pilotline.domain.numbers import amount

        return amount(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _fitted(text: str, columns: int, *, right: bool) -> str:
    if _columns(text) > columns:
        while text and _columns(text) > columns - 3:
            text = text[:-1]
        text += "..."
    blank = " " * (columns - _columns(text))
    return blank + text if right else text + blank
