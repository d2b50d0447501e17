# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "duckdb==1.5.5",
#     "duckdb-extension-avro==1.5.5",
#     "duckdb-extension-httpfs==1.5.5",
#     "duckdb-extension-iceberg==1.5.5",
#     "pytz",  # for times of a zone
# ]
# ///
"""Run SQL from the standard input with DuckDB's Iceberg extension; print the rows of each SELECT, or what went wrong, as JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import duckdb

database = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
# The packages bring what `INSTALL` would fetch.
for name in ("httpfs", "avro", "iceberg"):
    [folder] = importlib.util.find_spec(f"duckdb_extension_{name}").submodule_search_locations
    [file] = Path(folder).rglob("*.duckdb_extension")
    database.execute(f"LOAD '{file}'")

answers = []
for statement in duckdb.extract_statements(sys.stdin.read()):
    try:
        result = database.execute(statement)
        if statement.type == duckdb.StatementType.SELECT:
            answers.append([list(row) for row in result.fetchall()])
    except Exception as error:
        answers.append({"error": str(error)})
print(json.dumps(answers, default=str))
