"""What the columns of published tables were made of, as rows in the database of the runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilotline.guest.keys import digest
from pilotline.lake.database import named_statements
from pilotline.run.columns.edges import Edge, Gap, Lineage, Source
from pilotline.run.columns.reading import TableColumns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pilotline.lake.catalog import Transaction
    from pilotline.lake.database import Database

__all__ = ["MIGRATIONS", "Columns"]

_SQL: Final = Path(__file__).parent.parent / "sql"
SQL: Final = named_statements(_SQL / "columns.sql")
MIGRATIONS: Final = (_SQL / "columns_001.sql",)


class Columns:
    """The lineage of columns, run by run.

    Args:
        database: that of the runs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.register("columns", MIGRATIONS)

    def keep(self, tx: Transaction, run: int, tables: Iterable[TableColumns]) -> None:
        """Add what the tables of a run were made of, in the transaction that publishes them."""
        for table in tables:
            columns = {"": _written(table.rows), **{name: _written(each) for name, each in table.columns.items()}}
            key = digest(*(f"{name}={edges}" for name, edges in columns.items()))
            if not tx.execute(SQL["column_set_is_kept"], digest=key):
                for name, edges in columns.items():
                    tx.execute(SQL["add_column_of_set"], digest=key, column_name=name, edges=edges)
            tx.execute(SQL["add_columns_of_run"], run=run, table_name=table.table, digest=key)

    def of_run(self, run: int) -> tuple[TableColumns, ...]:
        """What the tables of a run were made of; none where that is not kept."""
        with self._database.reading() as tx:
            rows = tx.execute(SQL["columns_of_run"], run=run)
        held: dict[str, dict[str, Lineage]] = {}
        for table, column, edges in rows:
            held.setdefault(table, {})[column] = _read(edges)
        return tuple(
            TableColumns(table=table, rows=columns.pop("", frozenset()), columns=columns)
            for table, columns in held.items()
        )


def _written(lineage: Lineage) -> str:
    edges = sorted([*each.source, each.column, each.kind, each.masked] for each in lineage if isinstance(each, Edge))
    gaps = sorted([each.step, each.line, each.why] for each in lineage if isinstance(each, Gap))
    return json.dumps({"edges": edges, "gaps": gaps})


def _read(text: str) -> Lineage:
    held = json.loads(text)
    edges = [Edge(Source(kind, name), column, how, masked) for kind, name, column, how, masked in held["edges"]]
    return frozenset([*edges, *(Gap(*each) for each in held["gaps"])])
