"""What runs printed, in the database: read live, and from any machine."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import PilotlineError
from pilotline.lake.database import named_statements
from pilotline.run.output import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pilotline.lake.database import Database

__all__ = ["Logs", "Printing"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "logs.sql")
MIGRATIONS: Final = (_SQL / "logs_001.sql",)
#: Signs of a run that are kept in the database; all of it is in the run's folder.
_MOST: Final = 1_000_000
#: Runs in one question for those whose lines are too old.
_AT_ONCE: Final = 500


class Logs:
    """The printed lines of runs.

    Args:
        database: the catalog's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.register("logs", MIGRATIONS)

    def add(self, run: int, seq: int, lines: Sequence[Line]) -> int:
        """Keep lines after the row ``seq``; returns the number of the last row. Lines that came together share one."""
        with self._database.writing() as tx:
            for first, text in _together(lines):
                seq += 1
                tx.execute(
                    SQL["add_output"], run=run, seq=seq, at=first.at, stream=first.stream, step=first.step, text=text
                )
        return seq

    def after(self, run: int, seq: int = 0) -> tuple[int, tuple[Line, ...]]:
        """The lines in rows after ``seq``, at most a thousand rows of them, and the number of the last row."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["output_after"], run=run, seq=seq)
        lines = [
            Line(at=at, stream=stream, step=step, text=line)
            for _, at, stream, step, text in rows
            for line in text.split("\n")
        ]
        return (int(rows[-1][0]) if rows else seq), tuple(lines)

    def forget_before(self, instant: datetime) -> int:
        """Remove the lines of all runs that ended before an instant, a few runs at a time; gives of how many."""
        before, gone = instant.astimezone(UTC).isoformat(), 0
        while True:
            with self._database.reading() as tx:
                runs = [row[0] for row in tx.execute(SQL["runs_with_output_before"], before=before, most=_AT_ONCE)]
            for run in runs:
                with self._database.writing() as tx:
                    tx.execute(SQL["forget_output"], run=run)
            gone += len(runs)
            if len(runs) < _AT_ONCE:
                return gone


class Printing:
    """Brings what one run prints into the database, up to a limit.

    Args:
        logs: where to.
        run: its number.
    """

    def __init__(self, logs: Logs, run: int) -> None:
        self._logs = logs
        self._run = run
        self._seq = 0
        self._left = _MOST

    def hear(self, lines: Sequence[Line]) -> None:
        """Keep some lines. That they cannot be kept is no reason to fail the run: they are in its folder, too."""
        kept: list[Line] = []
        for line in lines:
            if self._left <= 0:
                break
            self._left -= len(line.text) + 1
            cut = Line(at=line.at, stream=line.stream, step=line.step, text="[cut: the rest is in the run's folder]")
            kept.append(line if self._left > 0 else cut)
        if kept:
            with suppress(PilotlineError):
                self._seq = self._logs.add(self._run, self._seq, kept)


def _together(lines: Sequence[Line]) -> Iterator[tuple[Line, str]]:
    """Neighbours of one step and stream, as one text."""
    first: Line | None = None
    texts: list[str] = []
    for line in lines:
        if first is not None and (line.stream, line.step) == (first.stream, first.step):
            texts.append(line.text)
            continue
        if first is not None:
            yield first, "\n".join(texts)
        first, texts = line, [line.text]
    if first is not None:
        yield first, "\n".join(texts)
