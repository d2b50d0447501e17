"""Governed scans as frames, and SQL over them.

The user's SQL runs in an engine that holds nothing but what the scopes let through: no files, no network, no settings, no
Python variables. Each table that the query names is scanned at one pinned commit: where all of it may be seen, the engine
reads the columns and row groups that it needs as it goes; else what may be seen is read first.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from pilotline.domain.errors import did_you_mean
from pilotline.domain.tables import BadTableName, NoSuchTable, TableName
from pilotline.lake.changing import came
from pilotline.lake.errors import QueryFailed
from pilotline.lake.rewriting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pilotline.domain.access import Filter, Scope
    from pilotline.domain.tables import TableInfo
    from pilotline.lake.arrow_types import ArrowTable
    from pilotline.lake.catalog import CatalogReader, Ref

__all__ = ["count", "read", "sql"]

#: What the engine says about itself.
_CATALOGS = frozenset({"information_schema", "pg_catalog"})
#: What the engine says where it cannot read the files of a table, and not where the query is at fault.
_NOT_READ: Final = "reading the stream registered as"
#: The engine as the user's SQL finds it; the last line is what makes the others stay.
_LOCKED = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)


def read(
    catalog: CatalogReader,
    name: TableName,
    scope: Scope,
    at: Ref = "main",
    *,
    since: Ref | None = None,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,  # noqa: A002 - the word of the trade
    as_: Literal["pandas", "polars", "arrow", "original", "reader"] = "pandas",
) -> Any:
    """A table as a frame.

    ``pandas`` gives the frame back as it was written, with its index, types and labels; a series comes as a frame of one
    column. ``original`` gives the very thing that was written: a series, an array, a Polars frame. Where columns were
    left out, what remains is as it was. ``reader`` gives the rows as they are read. ``since``: only the rows that came after
    that commit.

    Raises:
        RowsWent: rows went or changed after ``since``, too.
        Expired: the state at ``since`` was given up.
        NoSuchTable: not there at that commit.
        NoSuchColumn: ``columns`` or ``filter`` name one that is not there for this reader.
    """
    from pilotline.lake.frames.restore import restore, to_pandas

    commit = catalog.resolve(at)
    if since is None:
        reader = catalog.scan(name, scope, commit, columns=columns, filter=filter)
    else:
        reader = came(catalog, name, scope, since, commit, columns=columns)
    if as_ == "reader":
        return reader
    table: ArrowTable = reader.read_all()
    match as_:
        case "arrow":
            return table
        case "polars":
            import polars as pl

            return pl.from_arrow(table)
        case "pandas":
            return to_pandas(table, catalog.frame_notes(name, commit))
        case "original":
            return restore(table, catalog.frame_notes(name, commit))
        case _:
            assert_never(as_)


def sql(
    catalog: CatalogReader,
    query: str,
    at: Ref,
    scope_of: Callable[[TableName], Scope],
    *,
    namespace: str | None = None,
) -> ArrowTable:
    """Run one SQL query over the tables of a commit.

    Names without a namespace are looked for in ``namespace``, and where none is given in all, if only one has the name.

    Raises:
        NoSuchTable: the query names a table that is not there.
        NotAllowed: ``scope_of`` lets the reader see nothing of one.
        QueryFailed: the SQL cannot be run.
    """
    with _asked(catalog, query, at, scope_of, namespace) as result:
        return _whole_numbers(result.to_arrow_table(), result.types)


def count(
    catalog: CatalogReader,
    query: str,
    at: Ref,
    scope_of: Callable[[TableName], Scope],
    *,
    namespace: str | None = None,
    first: int,
) -> tuple[int, ArrowTable]:
    """How many rows a query finds, and the first of them: the others are never made. Else as ``sql``."""
    with _asked(catalog, query, at, scope_of, namespace) as result:
        ((rows,),) = result.aggregate("count(*)").fetchall()
        some = result.limit(min(first, rows))
        return rows, _whole_numbers(some.to_arrow_table(), some.types)


@contextmanager
def _asked(
    catalog: CatalogReader, query: str, at: Ref, scope_of: Callable[[TableName], Scope], namespace: str | None
) -> Generator[Any]:
    """What a query finds, as a relation of an engine that is there meanwhile."""
    import duckdb

    commit = catalog.resolve(at)
    known = {info.table: info for info in catalog.tables(commit)}
    with duckdb.connect(":memory:") as engine:
        mentioned, own_names = _tables_named(engine, query)
        held: list[Any] = []
        read: list[tuple[TableName, Scope]] = []
        for place, (schema, word) in enumerate(mentioned):
            if schema.lower() in _CATALOGS or (not schema and word.lower() in own_names):
                continue
            found = _lookup(schema, word, known, namespace)
            scope = scope_of(found)
            table = catalog.dataset(found, scope, commit) or catalog.scan(found, scope, commit).read_all()
            held.append(table)
            read.append((found, scope))
            engine.register(f"__scan_{place}", table)
            if schema:
                engine.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            view = f"{quoted(schema)}.{quoted(word)}" if schema else quoted(word)
            engine.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM __scan_{place}")
        for statement in _LOCKED:
            engine.execute(statement)
        try:
            yield engine.sql(query)
        except duckdb.Error as error:
            if _NOT_READ in str(error):
                # Whoever reads a table in the usual way is told what is wrong with its files.
                for found, scope in read:
                    for _ in catalog.scan(found, scope, commit):
                        pass
            raise _failed(error) from error


def _tables_named(engine: Any, query: str) -> tuple[list[tuple[str, str]], set[str]]:
    """What stands in a FROM of the query, as (schema or nothing, name), and the names that the query itself makes.

    Raises:
        QueryFailed: it is no single SELECT.
    """
    import duckdb

    try:
        ((text,),) = engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    except duckdb.Error as error:
        raise _failed(error) from error
    tree = json.loads(text)
    if tree.get("error"):
        raise _failed(tree.get("error_message", "it is not understood"))
    if len(tree["statements"]) != 1:
        raise _failed("one SELECT at a time")
    found: set[tuple[str, str]] = set()
    own: set[str] = set()
    todo: list[Any] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                found.add((node.get("schema_name", ""), node["table_name"]))
            own.update(entry["key"].lower() for entry in node.get("cte_map", {}).get("map", ()))
            todo += node.values()
    return sorted(found), own


def _lookup(schema: str, word: str, known: dict[TableName, TableInfo], namespace: str | None) -> TableName:
    """The table that a name in a query means; SQL does not see case.

    Raises:
        NoSuchTable: there is none.
        BadTableName: several namespaces have it.
    """
    inside = schema or namespace
    wanted = f"{inside}.{word}" if inside else word
    near = [name for name in known if wanted.lower() in {str(name).lower(), "" if inside else name.name.lower()}]
    if len(near) > 1:
        raise BadTableName(
            f"'{word}' can be any of {', '.join(map(str, near))}",
            try_next="write the namespace before it",
            name=word,
        )
    if not near:
        hint = did_you_mean(wanted, [str(name) if inside else name.name for name in known])
        raise NoSuchTable(f"no table '{wanted}' at this commit.{hint}", try_next="pilotline ls", table=wanted)
    return near[0]


def _whole_numbers(table: ArrowTable, types: Sequence[object]) -> ArrowTable:
    """Sums of whole numbers come as 128 bits; as 64 bits where they fit, which every library reads as a number."""
    import pyarrow as pa

    for place, kind in enumerate(types):
        if str(kind) == "HUGEINT":
            field = table.schema.field(place)
            try:
                column = table.column(place).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            table = table.set_column(place, field.name, column)
    return table


def _failed(error: object) -> QueryFailed:
    return QueryFailed(f"the SQL could not be run: {error}", try_next="correct the query; DuckDB's dialect is spoken")
