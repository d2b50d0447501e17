"""What came to a table, and what went, between two commits: for what is computed from changes alone.

Where a table only grew, its new files are the answer, and no other is opened. Where files were written anew, for a
correction or to join small ones, the rows of both sides are set against each other, and what is in both cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilotline.lake.errors import RowsWent
from pilotline.lake.governing import check_columns
from pilotline.lake.rewriting import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.access import Scope
    from pilotline.domain.tables import Commit, TableName
    from pilotline.lake.arrow_types import ArrowReader
    from pilotline.lake.catalog import CatalogReader, Ref

__all__ = ["Changes", "came", "changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The rows that a table got and lost between two commits; each reader is read once."""

    since: Commit
    until: Commit
    added: ArrowReader
    #: None: rows were only added.
    removed: ArrowReader | None


def changes(
    catalog: CatalogReader,
    name: TableName,
    scope: Scope,
    since: Ref,
    until: Ref = "main",
    *,
    columns: Sequence[str] | None = None,
) -> Changes:
    """What changed in a table after ``since`` up to ``until``; all of it is new where the table was not there before.

    A row that was changed is among the removed as it was, and among the added as it is. A column that is newer than
    ``since`` counts as NULL before.

    Raises:
        NoSuchTable: not there at ``until``.
        NoSuchColumn: ``columns`` name one that is not there for this reader.
        Expired: the state at ``since`` was given up.
    """
    first, last = catalog.resolve(since), catalog.resolve(until)
    after = [column.name for column in catalog.table(name, last).columns if scope.lets_see(column.name)]
    before = {info.table: info for info in catalog.tables(first)}.get(name)
    wanted = list(columns) if columns is not None else after
    check_columns(name, after, wanted)
    if before is None:
        added = catalog.scan(name, scope, last, columns=wanted)
        return Changes(since=first, until=last, added=added, removed=None)
    there = {column.name for column in before.columns}
    common = [column for column in wanted if column in there]
    old, new = catalog.scan_difference(name, scope, first, last, columns=common, new_columns=wanted)
    gone = old.read_all()
    if not gone.num_rows:
        return Changes(since=first, until=last, added=new, removed=None)
    return _cancelled(first, last, gone, new, wanted, common)


def came(
    catalog: CatalogReader,
    name: TableName,
    scope: Scope,
    since: Ref,
    until: Ref = "main",
    *,
    columns: Sequence[str] | None = None,
) -> ArrowReader:
    """The rows that came to a table after ``since``, where no other went.

    Raises:
        RowsWent: rows went or changed, too.
        NoSuchTable: not there at ``until``.
        NoSuchColumn: ``columns`` name one that is not there for this reader.
        Expired: the state at ``since`` was given up.
    """
    found = changes(catalog, name, scope, since, until, columns=columns)
    removed = found.removed.read_all().num_rows if found.removed is not None else 0
    if removed:
        raise RowsWent(name, found.since.id[:8], removed)
    return found.added


def _cancelled(
    first: Commit, last: Commit, old: Any, new: ArrowReader, wanted: list[str], common: list[str]
) -> Changes:
    import duckdb
    import pyarrow as pa

    schema = new.schema
    table = new.read_all()
    columns = [old.column(name).cast(schema.field(name).type) if name in common else pa.nulls(old.num_rows, schema.field(name).type) for name in wanted]  # fmt: skip
    before = pa.table(columns, schema=schema)
    listed = ", ".join(map(quoted, wanted))
    with duckdb.connect(":memory:") as engine:
        engine.register("before_rows", before)
        engine.register("after_rows", table)

        def less(left: str, right: str) -> ArrowReader:
            query = f"SELECT {listed} FROM {left} EXCEPT ALL SELECT {listed} FROM {right}"
            rows: Any = engine.sql(query).to_arrow_table()
            return rows.cast(schema).to_reader()

        return Changes(
            since=first,
            until=last,
            added=less("after_rows", "before_rows"),
            removed=less("before_rows", "after_rows"),
        )
