"""Changed copies of source files: the same kind of data, with some rows left out.

A pipeline that merely remembers what it saw gives the same result on these; one that computes gives what the notebook
gives on them.
"""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LINES = frozenset({".csv", ".tsv", ".txt", ".dat", ".jsonl", ".ndjson", ".tab"})
_SMALLEST = 6
_MOST_BYTES = 400 << 20


def change_inputs(folder: Path, files: Sequence[str], *, share: float, seed: int = 1) -> list[str]:
    """Leave out rows of the given files, in place; the names of those that were changed.

    Args:
        folder: that the files' paths start from.
        files: paths of sources.
        share: how much is left out, from 0 to 1; 0 leaves out one row.
        seed: of the choice.
    """
    changed: list[str] = []
    for name in files:
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        choice = random.Random(f"{seed} {name}")  # noqa: S311 (a sample, no secret)
        suffix = path.suffix.lower()
        if suffix in _LINES:
            done = _lines(path, share, choice, header=suffix not in {".jsonl", ".ndjson"})
        elif suffix == ".json":
            done = _json(path, share, choice)
        elif suffix == ".parquet":
            done = _parquet(path, share, choice)
        else:
            done = False
        if done:
            changed.append(name)
    return changed


def _left(count: int, share: float, choice: random.Random) -> list[int]:
    """Positions that stay, of so many rows."""
    out = max(1, round(count * share))
    gone = set(choice.sample(range(count), min(out, count - 1)))
    return [position for position in range(count) if position not in gone]


def _lines(path: Path, share: float, choice: random.Random, *, header: bool) -> bool:
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        return False
    lines = data.splitlines(keepends=True)
    if any(line.count(b'"') % 2 for line in lines):
        # A quoted value goes on over lines: rows can't be told by lines.
        return _quoted(path, share, choice)
    head = lines[: _header_lines(lines)] if header else []
    body = lines[len(head) :]
    if len(body) < _SMALLEST:
        return False
    keep = _left(len(body), share, choice)
    path.write_bytes(b"".join([*head, *(body[position] for position in keep)]))
    return True


def _header_lines(lines: list[bytes]) -> int:
    """The header, and comments above it."""
    count = 0
    while count < len(lines) and lines[count].startswith((b"#", b"%")):
        count += 1
    return min(count + 1, len(lines))


def _quoted(path: Path, share: float, choice: random.Random) -> bool:
    data = path.read_bytes().decode("latin-1")
    rows: list[str] = []
    row = ""
    for line in io.StringIO(data, newline=""):
        row += line
        if row.count('"') % 2 == 0:
            rows.append(row)
            row = ""
    if row or len(rows) < _SMALLEST + 1:
        return False
    keep = _left(len(rows) - 1, share, choice)
    path.write_bytes("".join([rows[0], *(rows[position + 1] for position in keep)]).encode("latin-1"))
    return True


def _json(path: Path, share: float, choice: random.Random) -> bool:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        return _lines(path, share, choice, header=False)
    if not isinstance(value, list) or len(cast("list[Any]", value)) < _SMALLEST:
        return False
    rows = cast("list[Any]", value)
    path.write_text(json.dumps([rows[position] for position in _left(len(rows), share, choice)]), encoding="utf-8")
    return True


def _parquet(path: Path, share: float, choice: random.Random) -> bool:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return False
    table = pq.read_table(path)
    if table.num_rows < _SMALLEST:
        return False
    pq.write_table(table.take(_left(table.num_rows, share, choice)), path)
    return True
