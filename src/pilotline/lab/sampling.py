"""Small samples of a project's files, for the tests beside a lifted module.

A sample keeps what tells: first and last rows, gaps, rare values, extremes, one repeated key. Files that share a column
are sampled so that their rows still belong together, the smallest first. No file is taken whole, and none that holds a
credential at all.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pilotline.lift.credentials import by_form, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_LINES = frozenset({".csv", ".tsv", ".txt", ".dat", ".tab", ".jsonl", ".ndjson"})
_MOST_READ = 64 << 20
_MOST_BYTES = 256 << 10
_FEW_VALUES = 12
_COLUMNS = 40
_SMALLEST = 6
_PRIVATE = frozenset({"password", "passwd", "pwd", "token", "secret", "api_key", "apikey", "credential", "credentials"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows of one file: their texts by column, and what they are written from."""

    columns: tuple[str, ...]
    values: list[tuple[str, ...]]
    #: How the chosen rows become a file again.
    head: str = ""
    raw: list[str] | None = None
    table: Any = None
    items: list[Any] | None = None


def sample_files(folder: Path, files: Sequence[str], *, rows: int) -> dict[str, bytes]:
    """Samples of those of the files that can be sampled, by path.

    Args:
        folder: that the paths start from.
        files: paths of sources.
        rows: at most so many of each.
    """
    read = {name: found for name in files if (found := _read(folder / name)) is not None}
    edges = {name: _edges(one) for name, one in read.items()}
    chosen: dict[str, tuple[_Rows, list[int]]] = {}
    order = sorted(read, key=lambda one: len(read[one].values))
    for at, name in enumerate(order):
        # What the telling rows of larger files refer to comes along.
        asked = [(read[other], edges[other]) for other in order[at + 1 :]]
        chosen[name] = read[name], _choose(read[name], [*edges[name], *_referred(read[name], asked)], rows, chosen)
    samples = {name: _written(*chosen[name]) for name in files if name in chosen}
    return {
        name: data
        for name, data in samples.items()
        if len(data) <= _MOST_BYTES and not any(by_form(data.decode("latin-1")))
    }


# ---- reading


def _read(path: Path) -> _Rows | None:
    """The rows of a file; None where it has none that could be told apart, or too few to leave some out."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _MOST_READ:
        return None
    suffix = path.suffix.lower()
    try:
        if suffix in {".jsonl", ".ndjson"}:
            found = _json_lines(path)
        elif suffix in _LINES:
            found = _lines(path)
        elif suffix == ".json":
            found = _json(path)
        elif suffix == ".parquet":
            found = _parquet(path)
        else:
            return None
    except (ValueError, OSError, csv.Error):
        return None
    if found is None or len(found.values) < _SMALLEST:
        return None
    return None if any(words_of(one) in _PRIVATE for one in found.columns) else found


def _lines(path: Path) -> _Rows | None:
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        return None
    text = data.decode("latin-1")
    records = _records(text)
    head = 0
    while head < len(records) and records[head].startswith(("#", "%")):
        head += 1
    if head >= len(records):
        return None
    first = records[head].lstrip("\u00ef\u00bb\u00bf")
    delimiter = max(",;\t|", key=first.count)
    columns = next(csv.reader([first], delimiter=delimiter))
    body = records[head + 1 :]
    values = [tuple(next(csv.reader([record], delimiter=delimiter), ())) for record in body]
    return _Rows(columns=tuple(columns), values=values, head="".join(records[: head + 1]), raw=body)


def _records(text: str) -> list[str]:
    """Lines, but for line ends inside quotes."""
    records: list[str] = []
    row = ""
    for line in io.StringIO(text, newline=""):
        row += line
        if row.count('"') % 2 == 0:
            if row.strip():
                records.append(row)
            row = ""
    if row:
        raise ValueError("a quote is never closed")
    return records


def _json_lines(path: Path) -> _Rows:
    raw = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.strip()]
    items: list[object] = [json.loads(line) for line in raw]
    columns = _keys(items)
    return _Rows(columns=columns, values=_texts(items, columns), raw=[line.encode().decode("latin-1") for line in raw])


def _json(path: Path) -> _Rows | None:
    value: object = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    columns = _keys(items)
    return _Rows(columns=columns, values=_texts(items, columns), items=items)


def _keys(items: Iterable[object]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for item in items:
        if isinstance(item, dict):
            keys.update(dict.fromkeys(map(str, cast("dict[object, object]", item))))
    return tuple(keys)


def _texts(items: Sequence[object], columns: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        tuple("" if (one := cast("dict[str, object]", item).get(name)) is None else str(one) for name in columns)
        if isinstance(item, dict)
        else (str(item),)
        for item in items
    ]


def _parquet(path: Path) -> _Rows | None:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return None
    table = pq.read_table(path)
    columns = tuple(table.column_names[:_COLUMNS])
    lists = [["" if one is None else str(one) for one in table.column(name).to_pylist()] for name in columns]
    return _Rows(columns=columns, values=list(zip(*lists, strict=True)), table=table)


# ---- choosing


def _choose(found: _Rows, edges: Sequence[int], rows: int, others: Mapping[str, tuple[_Rows, list[int]]]) -> list[int]:
    """Positions of the rows to keep, in order; never all of them."""
    count = len(found.values)
    room = min(rows, max(1, count // 2))
    fitting = _belonging(found, others)
    kept = [position for position in dict.fromkeys(edges) if position in fitting][:room]
    if len(kept) < room:
        rest = sorted(fitting - set(kept))
        gap = max(1, len(rest) // (room - len(kept)))
        kept += rest[::gap][: room - len(kept)]
    return sorted(set(kept))


def _referred(found: _Rows, others: Iterable[tuple[_Rows, Sequence[int]]]) -> list[int]:
    """Rows whose keys these rows of other files have."""
    positions: list[int] = []
    for other, rows in others:
        for name in set(found.columns) & set(other.columns):
            here, there = found.columns.index(name), other.columns.index(name)
            keys = {_at(other.values[position], there) for position in rows} - {""}
            positions += [at for at, values in enumerate(found.values) if _at(values, here) in keys]
    return positions


def _belonging(found: _Rows, others: Mapping[str, tuple[_Rows, list[int]]]) -> set[int]:
    """Rows whose keys are in the samples already taken; all of them where these would be too few."""
    fitting = set(range(len(found.values)))
    for other, chosen in others.values():
        for name in set(found.columns) & set(other.columns):
            here, there = found.columns.index(name), other.columns.index(name)
            known = {_at(other.values[position], there) for position in chosen}
            narrowed = {position for position in fitting if _at(found.values[position], here) in known}
            if len(narrowed) >= _SMALLEST:
                fitting = narrowed
    return fitting


def _at(values: Sequence[str], column: int) -> str:
    return values[column].strip() if column < len(values) else ""


def _edges(found: _Rows) -> list[int]:
    """Rows that tell something: the ends, gaps, rare values, extremes, a repeated key; what is rarest first."""
    count = len(found.values)
    edges: dict[int, None] = {0: None, count - 1: None}
    few: list[tuple[int, int]] = []
    for column in range(min(len(found.columns), _COLUMNS)):
        first: dict[str, int] = {}
        again: dict[str, int] = {}
        times: dict[str, int] = {}
        for position, values in enumerate(found.values):
            text = _at(values, column)
            times[text] = times.get(text, 0) + 1
            if text in first:
                again.setdefault(text, position)
            else:
                first[text] = position
        if "" in first:
            edges[first[""]] = None
        if len(first) <= _FEW_VALUES:
            few += [(times[text], position) for text, position in first.items()]
        elif len(first) > 0.9 * count and again:
            text = next(iter(again))
            edges.update({first[text]: None, again[text]: None})
        numbers = {value: position for text, position in first.items() if (value := _number(text)) is not None}
        if numbers and len(numbers) > _FEW_VALUES:
            edges.update({numbers[min(numbers)]: None, numbers[max(numbers)]: None})
    edges.update({position: None for _, position in sorted(few)})
    return list(edges)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None  # noqa: PLR0124 (NaN)


def _written(found: _Rows, positions: Sequence[int]) -> bytes:
    if found.table is not None:
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(found.table.take(positions), sink)
        return sink.getvalue()
    if found.items is not None:
        return json.dumps([found.items[one] for one in positions], indent=1, ensure_ascii=False).encode()
    raw = found.raw or []
    # Latin-1 both ways: the bytes stay what they were, whatever the encoding.
    return (found.head + "".join(raw[one] for one in positions)).encode("latin-1")
