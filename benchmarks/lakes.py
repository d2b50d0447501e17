"""Lakes with many tables, made for the benchmarks by writing the catalog's rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pilotline.domain.tables import Replace, TableName
from pilotline.lake.lake import Lake, open_lake
from pilotline.lake.ledger import MAIN_ID

if TYPE_CHECKING:
    from pathlib import Path

_COPY = """
INSERT INTO pointer (branch_id, namespace, name, from_seq, to_seq, metadata_location, snapshot, operation, row_count, columns)
SELECT branch_id, namespace, :name, from_seq, to_seq, metadata_location, snapshot, operation, row_count, columns
FROM pointer WHERE branch_id = :main AND name = 'table_0' AND to_seq IS NULL
"""


def with_tables(folder: Path, count: int, database: str | None = None) -> Lake:
    """A lake whose main has so many tables; all but one are copies of its pointer."""
    lake = open_lake(folder, author="bench", database=database)
    lake.create_branch("first")
    lake.write("first", TableName("shop", "table_0"), pa.table({"a": [1, 2, 3]}), Replace())
    lake.mark_checked("first", lake.branch("first").head)
    lake.publish("first")
    with lake.transaction() as tx:
        for number in range(1, count):
            tx.execute(_COPY, name=f"table_{number}", main=MAIN_ID)
    return lake
