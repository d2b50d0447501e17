"""What opening a branch over all tables costs, with 10 and with 10 000 of them."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from time import perf_counter

from lakes import with_tables
from measuring import Result, Spread

NAME = "lake-branch"
GOAL = "opening a branch costs the same whatever the number of tables, at most 2 ms on SQLite at 10 000 tables"

_LIMIT = 2.0
_RUNS = 60


def measure() -> Result:
    """Milliseconds at 10 000 tables; the peer is one durable row written to the same kind of file by hand."""
    figures: dict[str, Spread] = {}
    with tempfile.TemporaryDirectory(prefix="bench-branch-") as home:
        for count in (10, 10_000):
            lake = with_tables(Path(home) / str(count), count)
            figures[f"{count} tables"] = Spread.of([_took(lambda n=n, lake=lake: lake.create_branch(f"b{n}")) for n in range(_RUNS)])  # fmt: skip
            lake.database.close()
        figures["bare row"] = _bare(Path(home) / "bare.sqlite")
    many, few = figures["10000 tables"].median, figures["10 tables"].median
    return Result(
        figure=many,
        unit="ms",
        goal=_LIMIT,
        peer="one row written durably, ms",
        peer_figure=figures["bare row"].median,
        ok=many <= _LIMIT,
        command="pilotline branch NAME",
        data={**{name: spread.as_data() for name, spread in figures.items()}, "by 10 tables": many / few},
    )


def _took(work: object) -> float:
    began = perf_counter()
    work()  # pyright: ignore[reportCallIssue]
    return 1000 * (perf_counter() - began)


def _bare(path: Path) -> Spread:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE branch (name TEXT)")
    figures = [_took(lambda n=n: connection.execute("INSERT INTO branch VALUES (?)", (f"b{n}",))) for n in range(_RUNS)]
    connection.close()
    return Spread.of(figures)
