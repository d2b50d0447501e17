"""What is different between two commits: tables, columns, rows, and with keys also cells.

Rows are compared as a multiset, by a hash of 64 bits of all columns that both sides have; with keys, row by row.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pilotline.lake.governing import check_columns
from pilotline.lake.rewriting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pilotline.domain.access import Scope
    from pilotline.domain.tables import Column, Commit, TableInfo, TableName
    from pilotline.lake.arrow_types import ArrowReader, ArrowSchema, ArrowTable
    from pilotline.lake.catalog import CatalogReader, Ref

__all__ = ["EXACT", "ChangedCell", "ColumnDiff", "Diff", "Spread", "TableDiff", "Tolerance", "diff"]

#: Bytes of the rows of one side up to which they are held in memory.
IN_MEMORY = 2**30
_SIDES = ("left", "right")
#: So many examples of each kind.
_EXAMPLES = 5
_HASH_BINS = 2**20
#: So many bars of a histogram, and so many of the most frequent values.
_BINS = 20
_FREQUENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two numbers may be apart and count as equal: ``|a - b| <= absolute + relative * max(|a|, |b|)``."""

    relative: float = 0.0
    absolute: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether numbers must be the same."""
        return not (self.relative or self.absolute)


EXACT = Tolerance()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the values of a column are spread over the rows that one side has and the other has not."""

    rows: int
    nulls: int
    #: About so many different values.
    distinct: int
    #: Of numbers: the smallest, the quartiles, the greatest; and the mean. None: no numbers, or none there.
    marks: tuple[float, float, float, float, float] | None = None
    mean: float | None = None
    #: Of numbers: how many values lie in each of the bins that both sides share.
    bars: tuple[int, ...] = ()
    #: The most frequent values, each with its number of rows.
    frequent: tuple[tuple[object, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDiff:
    """One column over the rows that differ."""

    name: str
    type: str
    before: Spread
    after: Spread
    #: Of numbers: where the first bin begins and the last one ends.
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCell:
    """One value that became another."""

    key: Mapping[str, object]
    column: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDiff:
    """How one table differs; its rows are counted where it is on both sides."""

    table: TableName
    change: Literal["new", "gone", "changed"]
    rows_before: int
    rows_after: int
    schema_changes: tuple[str, ...] = ()
    #: Rows on one side only, over the columns that both have; with keys: keys on one side only.
    rows_added: int = 0
    rows_removed: int = 0
    #: With keys: rows whose key is on both sides with other values.
    rows_changed: int | None = None
    #: With keys: for each column the share of the rows on both sides that are equal in it, from 0 to 1.
    equal: Mapping[str, float] | None = None
    added: tuple[Mapping[str, object], ...] = ()
    removed: tuple[Mapping[str, object], ...] = ()
    #: With keys: the cells that differ, those of numbers that differ most first.
    worst: tuple[ChangedCell, ...] = ()
    #: The columns whose values are spread otherwise over the rows that differ.
    columns: tuple[ColumnDiff, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """How two commits differ; tables that do not are left out."""

    before: Commit
    after: Commit
    tables: tuple[TableDiff, ...]


def diff(
    catalog: CatalogReader,
    before: Ref,
    after: Ref,
    scope_of: Callable[[TableName], Scope],
    *,
    only: Sequence[TableName] | None = None,
    keys: Mapping[TableName, Sequence[str]] | None = None,
    tolerance: Tolerance = EXACT,
    spreads: bool = False,
) -> Diff:
    """Compare two commits as a reader sees them.

    ``only`` leaves out other tables; ``keys`` name what makes a row of a table the same row on both sides; only between
    rows that do is a ``tolerance`` known. With ``spreads`` it is also told how columns are spread over rows that differ.

    Raises:
        NoSuchRef: a commit is not there.
        NotAllowed: ``scope_of`` lets the reader see nothing of a table that differs.
        NoSuchColumn: a key is not a column of its table on both sides for this reader.
    """
    first, second = catalog.resolve(before), catalog.resolve(after)
    old = {info.table: info for info in catalog.tables(first)}
    new = {info.table: info for info in catalog.tables(second)}
    found: list[TableDiff] = []
    for table in sorted({*old, *new}):
        was, now = old.get(table), new.get(table)
        if (only is not None and table not in only) or (was and now and was.snapshot == now.snapshot):
            continue
        if was is None or now is None:
            scope_of(table)
            change = "new" if was is None else "gone"
            found.append(
                TableDiff(
                    table=table, change=change, rows_before=was.rows if was else 0, rows_after=now.rows if now else 0
                )
            )
            continue
        by = (keys or {}).get(table)
        found.append(
            _compare(catalog, (first, was), (second, now), scope_of(table), by, tolerance=tolerance, spreads=spreads)
        )
    return Diff(before=first, after=second, tables=tuple(found))


def _compare(
    catalog: CatalogReader,
    old: tuple[Commit, TableInfo],
    new: tuple[Commit, TableInfo],
    scope: Scope,
    keys: Sequence[str] | None,
    *,
    tolerance: Tolerance,
    spreads: bool,
) -> TableDiff:
    import duckdb

    (first, was), (second, now) = old, new
    seen_was = [column for column in was.columns if scope.lets_see(column.name)]
    seen_now = [column for column in now.columns if scope.lets_see(column.name)]
    there = {column.name for column in seen_was}
    common = [column.name for column in seen_now if column.name in there]
    facts: dict[str, Any] = {
        "table": was.table,
        "change": "changed",
        "rows_before": was.rows,
        "rows_after": now.rows,
        "schema_changes": _schema_changes(seen_was, seen_now),
    }
    check_columns(was.table, common, keys or ())
    if not common:
        return TableDiff(**facts)
    readers = dict(zip(_SIDES, catalog.scan_difference(was.table, scope, first, second, columns=common), strict=True))
    with tempfile.TemporaryDirectory(prefix="pilotline-diff-") as scratch, duckdb.connect(":memory:") as engine:
        schemas = dict(zip(_SIDES, _alike(*(reader.schema for reader in readers.values())), strict=True))
        sides = {name: _Side(engine, name, reader, schemas[name], scratch) for name, reader in readers.items()}
        only = _one_sided(engine, common)
        if keys or spreads:
            for name, side in sides.items():
                side.pick(only[name], f"{name}_only")
        if keys:
            # Rows that are the same on both sides need no joining.
            facts |= _by_keys(engine, common, list(keys), was.rows - len(only["left"]), tolerance)
        else:
            facts |= _as_multiset(common, sides, only)
        if spreads:
            facts["columns"] = _spreads(engine, common, {column.name: column.type for column in seen_now})
    return TableDiff(**facts)


class _Side:
    """The rows of one side, which the engine knows as ``left_rows`` or ``right_rows``.

    They stay in memory as long as they are few; else they go to a file of the engine's, which then also works within
    limits, so that a comparison needs room on the disk, and little in memory but 8 bytes a row.
    """

    def __init__(self, engine: Any, name: str, reader: ArrowReader, schema: ArrowSchema, scratch: str) -> None:
        import pyarrow as pa

        self._engine = engine
        self._name = f"{name}_rows"
        self._scratch = scratch
        self._spilled = False
        self.count = 0
        held: list[ArrowTable] = []
        size = 0
        for batch in reader:
            # Whole numbers beyond 2**53 became what the column's new type made of them: the nearest float.
            part: ArrowTable = pa.Table.from_batches([batch]).cast(schema, safe=False)
            held.append(part)
            self.count += part.num_rows
            size += part.nbytes
            if size > IN_MEMORY:
                self._spill(pa.concat_tables(held))
                held, size = [], 0
        self._rows: ArrowTable = pa.concat_tables(held) if held else schema.empty_table()
        if self._spilled:
            self._spill(self._rows)
            engine.execute(f"CREATE VIEW {self._name} AS SELECT * FROM spill.{self._name}")
        else:
            engine.register(self._name, self._rows)

    def _spill(self, part: ArrowTable) -> None:
        engine = self._engine
        if not engine.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = 'spill'").fetchall():
            engine.execute(f"ATTACH '{self._scratch}/spill' AS spill")
            engine.execute(f"SET memory_limit = '{max(2 * IN_MEMORY // 2**20, 256)}MiB'")
            engine.execute(f"SET temp_directory = '{self._scratch}/temp'")
        engine.register("part", part)
        begin = f"INSERT INTO spill.{self._name}" if self._spilled else f"CREATE TABLE spill.{self._name} AS"
        engine.execute(f"{begin} SELECT * FROM part")
        engine.unregister("part")
        self._spilled = True

    def pick(self, places: Any, name: str) -> None:
        """Let the engine know the rows at these places under a name."""
        import pyarrow as pa

        if not self._spilled:
            self._engine.register(name, self._rows.take(places))
            return
        self._engine.register("places", pa.table({"place": places}))
        self._engine.execute(
            f"CREATE OR REPLACE TABLE spill.{name} AS SELECT * FROM spill.{self._name} WHERE rowid IN (SELECT place FROM places)"
        )
        self._engine.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM spill.{name}")
        self._engine.unregister("places")

    def take(self, columns: Sequence[str], places: Any) -> tuple[dict[str, Any], ...]:
        """A few of the rows."""
        if not self._spilled:
            return tuple(self._rows.select(list(columns)).take(places).to_pylist())
        self.pick(places, "picked")
        return _rows(self._engine, f"SELECT {', '.join(map(quoted, columns))} FROM picked")


def _alike(left: ArrowSchema, right: ArrowSchema) -> tuple[ArrowSchema, ArrowSchema]:
    """Both with the wider of two types where one fits into the other, so that a widened column is no difference."""
    import pyarrow as pa

    sides: tuple[list[Any], list[Any]] = ([], [])
    for ours, theirs in zip(left, right, strict=True):
        pair = (ours, theirs)
        if ours.type != theirs.type:
            with suppress(pa.ArrowInvalid, pa.ArrowTypeError):
                one = pa.unify_schemas([pa.schema([ours]), pa.schema([theirs])], promote_options="permissive").field(0)
                pair = (one, one)
        for fields, field in zip(sides, pair, strict=True):
            fields.append(field)
    return pa.schema(sides[0]), pa.schema(sides[1])


def _schema_changes(old: Sequence[Column], new: Sequence[Column]) -> tuple[str, ...]:
    before = {column.name: column.type for column in old}
    after = {column.name: column.type for column in new}
    return (
        *(f"new column {name} ({kind})" for name, kind in after.items() if name not in before),
        *(f"column {name} ({kind}) is gone" for name, kind in before.items() if name not in after),
        *(
            f"{name} was {before[name]} and is {kind}"
            for name, kind in after.items()
            if name in before and before[name] != kind
        ),
    )


def _one_sided(engine: Any, columns: Sequence[str]) -> dict[str, Any]:
    """The places, on each side, of the rows that are there more often than on the other; a place for each time more."""
    import numpy as np

    listed = ", ".join(map(quoted, columns))
    hashes = {side: engine.execute(f"SELECT hash({listed}) AS h FROM {side}_rows").fetchnumpy()["h"] for side in _SIDES}
    suspects = _unlike(hashes["left"], hashes["right"])
    candidates = {side: hashes[side][suspects[side]] for side in hashes}
    values, inverse = np.unique(np.concatenate([candidates["left"], candidates["right"]]), return_inverse=True)
    which = dict(zip(candidates, np.split(inverse.ravel(), [len(candidates["left"])]), strict=True))
    counted = {side: np.bincount(which[side], minlength=len(values)) for side in which}
    more = {"left": counted["left"] - counted["right"], "right": counted["right"] - counted["left"]}
    return {side: suspects[side][_occurrence(which[side]) < more[side][which[side]]] for side in which}


def _occurrence(values: Any) -> Any:
    """For each of some numbers how often it stands before."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, ordered)
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.arange(len(values)) - first
    return found


def _as_multiset(columns: Sequence[str], sides: Mapping[str, _Side], only: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows_added": len(only["right"]),
        "rows_removed": len(only["left"]),
        "added": sides["right"].take(columns, only["right"][:_EXAMPLES]),
        "removed": sides["left"].take(columns, only["left"][:_EXAMPLES]),
    }


def _unlike(left: Any, right: Any) -> dict[str, Any]:
    """The places, on both sides, of all hashes that may be there more often on one of them.

    Hashes are thrown into a million bins by 20 of their bits; a bin that has as many on both sides, with the same sums of
    their lower and of their middle bits, has the same ones, but for a chance of about one in 10**13.
    """
    import numpy as np

    hashes = {"left": left, "right": right}
    bins = {side: (each >> np.uint64(44)).astype(np.int64) for side, each in hashes.items()}

    def sums(side: str, shift: int, mask: int) -> Any:
        # Of at most 2**21 numbers of 32 bits, which are exact in a float.
        weights = ((hashes[side] >> np.uint64(shift)) & np.uint64(mask)).astype(np.float64)
        return np.bincount(bins[side], weights=weights, minlength=_HASH_BINS)

    differ = np.bincount(bins["left"], minlength=_HASH_BINS) != np.bincount(bins["right"], minlength=_HASH_BINS)
    for shift, mask in ((0, 0xFFFFFFFF), (22, 0x3FFFFF)):
        differ |= sums("left", shift, mask) != sums("right", shift, mask)
    return {side: np.flatnonzero(differ[numbers]) for side, numbers in bins.items()}


def _by_keys(
    engine: Any, columns: Sequence[str], keys: Sequence[str], shared: int, tolerance: Tolerance
) -> dict[str, Any]:
    on = " AND ".join(f"l.{quoted(key)} IS NOT DISTINCT FROM r.{quoted(key)}" for key in keys)
    others = [column for column in columns if column not in keys]
    engine.execute(f"CREATE VIEW both_sides AS SELECT l, r FROM left_only l JOIN right_only r ON {on}")
    numbers = _numbers(engine, others)
    differs = {name: _differs(name, tolerance if name in numbers else EXACT) for name in others}
    counts = ", ".join(f"count(*) FILTER {test}" for test in differs.values())
    anything = " OR ".join(differs.values()) or "false"
    ((matched, changed, *unequal),) = engine.execute(
        f"SELECT count(*), count(*) FILTER ({anything}){', ' if counts else ''}{counts} FROM both_sides"
    ).fetchall()
    total = matched + shared
    listed = ", ".join(map(quoted, columns))

    def alone(side: str, other: str) -> tuple[int, tuple[dict[str, Any], ...]]:
        test = f"FROM {side} l WHERE NOT EXISTS (SELECT 1 FROM {other} r WHERE {on})"
        ((count,),) = engine.execute(f"SELECT count(*) {test}").fetchall()
        return count, _rows(engine, f"SELECT {listed} {test} LIMIT {_EXAMPLES}") if count else ()

    rows_removed, removed = alone("left_only", "right_only")
    rows_added, added = alone("right_only", "left_only")
    worst = [
        cell
        for name, bad in zip(others, unequal, strict=True)
        if bad
        for cell in _worst(engine, name, keys, differs[name], number=name in numbers)
    ]
    return {
        "rows_added": rows_added,
        "rows_removed": rows_removed,
        "rows_changed": changed,
        "equal": {name: 1 - bad / total if total else 1.0 for name, bad in zip(others, unequal, strict=True)},
        "added": added,
        "removed": removed,
        "worst": tuple(worst),
    }


def _numbers(engine: Any, columns: Sequence[str]) -> frozenset[str]:
    """Those of the columns that hold numbers on both sides."""
    found: list[frozenset[str]] = []
    for side in ("left_only", "right_only"):
        described = engine.execute(f"DESCRIBE {side}").fetchall()
        found.append(frozenset(name for name, kind, *_ in described if _is_number(kind)))
    return frozenset(columns) & found[0] & found[1]


def _is_number(kind: str) -> bool:
    return kind.startswith(("DECIMAL", "FLOAT", "DOUBLE")) or kind.endswith("INT") or kind == "INTEGER"


def _differs(name: str, tolerance: Tolerance) -> str:
    """The SQL that is true where the two sides of a row differ in a column; NULL equals NULL, NaN equals NaN."""
    left, right = f"l.{quoted(name)}", f"r.{quoted(name)}"
    if tolerance.exact:
        return f"({left} IS DISTINCT FROM {right})"
    a, b = f"CAST({left} AS DOUBLE)", f"CAST({right} AS DOUBLE)"
    near = f"abs({a} - {b}) <= {tolerance.absolute!r} + {tolerance.relative!r} * greatest(abs({a}), abs({b}))"
    # Two numbers of which one is infinite are equal or not; their distance says nothing.
    near = f"(isfinite({a}) AND isfinite({b}) AND {near})"
    return f"({left} IS DISTINCT FROM {right} AND NOT coalesce({near}, false))"


def _spreads(engine: Any, columns: Sequence[str], types: Mapping[str, str]) -> tuple[ColumnDiff, ...]:
    """How each column is spread over the rows that are on one side only; without those spread alike on both."""
    numbers = _numbers(engine, columns)
    found: list[ColumnDiff] = []
    for name in columns:
        low, high = _range(engine, name) if name in numbers else (None, None)
        before, after = (_spread(engine, f"{side}_only", name, low, high) for side in ("left", "right"))
        if before != after:
            found.append(ColumnDiff(name=name, type=types[name], before=before, after=after, low=low, high=high))
    return tuple(found)


def _range(engine: Any, name: str) -> tuple[float, float] | tuple[None, None]:
    value = f"CAST({quoted(name)} AS DOUBLE)"
    both = f"SELECT {value} AS v FROM left_only UNION ALL SELECT {value} FROM right_only"
    ((low, high),) = engine.execute(f"SELECT min(v), max(v) FROM ({both}) WHERE isfinite(v)").fetchall()
    return (None, None) if low is None else (float(low), float(high))


def _spread(engine: Any, table: str, name: str, low: float | None, high: float | None) -> Spread:
    column = quoted(name)
    ((rows, nulls, distinct),) = engine.execute(
        f"SELECT count(*), count(*) FILTER ({column} IS NULL), approx_count_distinct({column}) FROM {table}"
    ).fetchall()
    frequent = tuple(
        (value, int(count))
        for value, count in engine.execute(
            f"SELECT {column}, count(*) AS n FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
            f" ORDER BY n DESC, CAST({column} AS VARCHAR) LIMIT {_FREQUENT}"
        ).fetchall()
    )
    if low is None or high is None:
        return Spread(rows=rows, nulls=nulls, distinct=distinct, frequent=frequent)
    value = f"CAST({column} AS DOUBLE)"
    ((marks, mean),) = engine.execute(
        f"SELECT quantile_cont({value}, [0, 0.25, 0.5, 0.75, 1]), avg({value}) FROM {table} WHERE isfinite({value})"
    ).fetchall()
    width = (high - low) / _BINS or 1.0
    counted = dict(
        engine.execute(
            f"SELECT least(CAST(floor(({value} - {low!r}) / {width!r}) AS INTEGER), {_BINS - 1}) AS bin, count(*)"
            f" FROM {table} WHERE isfinite({value}) GROUP BY 1"
        ).fetchall()
    )
    return Spread(
        rows=rows, nulls=nulls, distinct=distinct, marks=tuple(marks) if marks else None, mean=mean,
        bars=tuple(int(counted.get(each, 0)) for each in range(_BINS)), frequent=frequent,
    )  # fmt: skip


def _worst(engine: Any, name: str, keys: Sequence[str], differs: str, *, number: bool) -> list[ChangedCell]:
    column = quoted(name)
    listed = ", ".join(f"l.{quoted(key)}" for key in keys)
    far = f"abs(try_cast(l.{column} AS DOUBLE) - try_cast(r.{column} AS DOUBLE)) DESC NULLS LAST, "
    rows = engine.execute(
        f"SELECT {listed}, l.{column}, r.{column} FROM both_sides WHERE {differs}"
        f" ORDER BY {far if number else ''}{listed} LIMIT {_EXAMPLES}"
    ).fetchall()
    return [
        ChangedCell(key=dict(zip(keys, row, strict=False)), column=name, before=row[-2], after=row[-1]) for row in rows
    ]


def _rows(engine: Any, query: str) -> tuple[dict[str, Any], ...]:
    result = engine.execute(query)
    names = [each[0] for each in result.description]
    return tuple(dict(zip(names, row, strict=True)) for row in result.fetchall())
