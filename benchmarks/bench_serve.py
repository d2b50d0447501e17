"""What a client waits for a table of the REST catalog, beside pyiceberg's own catalog without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from lakes import with_tables
from measuring import Result, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "serve"
GOAL = "a client of the REST catalog has a table of 1 000 at most 5 ms later than by pyiceberg's SQL catalog without a network"

_LIMIT = 5.0
_TABLES = 1000
_RUNS = 100
_TOKEN = "only-for-the-benchmark"  # noqa: S105


def measure() -> Result:
    """Milliseconds of pyiceberg's ``load_table``; both tables have the same metadata."""
    from pyiceberg.catalog import load_catalog

    with tempfile.TemporaryDirectory(prefix="bench-serve-") as home:
        lake = with_tables(Path(home), _TABLES)
        server = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "serve", "--port", "0", "--json"],
            cwd=home,
            env={**os.environ, "PILOTLINE_TOKEN": _TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        try:
            said = ""
            while not said.endswith("}\n"):
                said += server.stdout.readline()
            rest = load_catalog("rest", type="rest", uri=json.loads(said)["address"], token=_TOKEN, warehouse="main")
            sql = load_catalog("sql", type="sql", uri=f"sqlite:///{home}/peer.sqlite", warehouse=home)
            sql.create_namespace("shop")
            sql.register_table("shop.table_0", rest.load_table("shop.table_0").metadata_location)
            figures = in_turns(
                {
                    "rest": lambda: _took(lambda: rest.load_table("shop.table_0")),
                    "sql": lambda: _took(lambda: sql.load_table("shop.table_0")),
                    "list": lambda: _took(lambda: rest.list_tables("shop")),
                },
                runs=_RUNS,
            )
        finally:
            server.kill()
            server.wait()
            lake.database.close()
    later = figures["rest"].median - figures["sql"].median
    return Result(
        figure=later,
        unit="ms later",
        goal=_LIMIT,
        peer="pyiceberg's SqlCatalog on SQLite, ms",
        peer_figure=figures["sql"].median,
        ratio=figures["rest"].median / figures["sql"].median,
        ok=later <= _LIMIT,
        command="load_catalog(type='rest', ...).load_table('shop.table_0')",
        data={**{name: spread.as_data() for name, spread in figures.items()}, "tables": _TABLES},
    )


def _took(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return 1000 * (perf_counter() - began)
