"""The columns of what a run read: of tables as the lake has them, of files as their heads say."""

from __future__ import annotations

import bz2
import csv
import gzip
import itertools
import lzma
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import PilotlineError
from pilotline.domain.plans import FileInput
from pilotline.domain.tables import TableName
from pilotline.run.columns.calls import Call, NotPlain, NotShown, OwnModule, plain
from pilotline.run.columns.edges import NOTHING, Edge, Source, direct
from pilotline.run.columns.values import Frame, Rest, Series, Thing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.plans import Plan
    from pilotline.lake.catalog import CatalogReader

__all__ = ["RunSources", "frame_of_source"]

#: Arguments of readers that say nothing about which column comes from where.
_HARMLESS: Final = frozenset({
    "filepath_or_buffer", "path", "path_or_buf", "io", "sep", "delimiter", "encoding", "quotechar", "dtype",
    "parse_dates", "date_format", "dayfirst", "decimal", "thousands", "na_values", "keep_default_na", "nrows",
    "low_memory", "memory_map", "engine", "float_precision", "true_values", "false_values", "skipinitialspace",
    "usecols", "names", "header", "index_col", "converters", "chunksize", "iterator", "compression",
    "dtype_backend", "encoding_errors", "date_parser", "infer_datetime_format", "quoting", "doublequote",
    "escapechar", "on_bad_lines", "skipfooter", "na_filter", "verbose", "cache_dates",
})  # fmt: skip
_OPENERS: Final[Mapping[str, Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_SUFFIXES: Final = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}


def frame_of_source(source: Source, columns: Sequence[str] | None) -> Frame:
    """All of a source as a frame; with any columns where they are not known."""
    if columns is None:
        return Frame({}, rest=Rest(source))
    return Frame({name: frozenset({Edge(source, name, "IDENTITY")}) for name in columns})


class RunSources:
    """The files and tables that a plan pins.

    Args:
        plan: of the run.
        lake: where its tables are.
    """

    def __init__(self, plan: Plan, lake: CatalogReader) -> None:
        self._plan = plan
        self._lake = lake
        self._folder = plan.pipeline.folder
        self._files = {
            os.path.normpath(self._folder / each.path): each.path for each in plan.inputs if isinstance(each, FileInput)
        }

    def module(self, name: str) -> OwnModule | None:
        """See ``Sources.module``: only files that the keys of steps were made from, so that it is known what runs."""
        parts = name.split(".")
        found: list[OwnModule] = []
        for place in dict.fromkeys((self._plan.pipeline.module.parent, self._folder)):
            inner = place.joinpath(*parts)
            for path, package in ((inner / "__init__.py", name), (inner.with_suffix(".py"), ".".join(parts[:-1]))):
                if str(path) in self._plan.code_marks and path != self._plan.pipeline.module:
                    text = path.read_text(encoding="utf-8", errors="replace")
                    found.append(OwnModule(text, path.relative_to(place).as_posix(), package))
            if not found and any(Path(each).is_relative_to(inner) for each in self._plan.code_marks):
                # A folder without code of its own.
                found.append(OwnModule("", f"{'/'.join(parts)}/", name))
        return found[0] if len(found) == 1 else None

    def table(self, name: str) -> Frame | Series | Thing | None:
        """See ``Sources.table``."""
        try:
            table = TableName.parse(name)
            info = self._lake.table(table, self._plan.base.id)
            notes = self._lake.frame_notes(table, self._plan.base.id) or {}
        except PilotlineError:
            return None
        source = Source("table", str(table))
        found = frame_of_source(source, [column.name for column in info.columns])
        if not notes or notes.get("kind") in {"polars", "arrow"}:
            return found
        if notes.get("kind") not in {"frame", "series"} or notes.get("labels", {}).get("kind") not in {
            "usual",
            "range",
        }:
            raise NotShown(f"{table} is read as what is no usual frame")
        index = notes.get("index", {})
        if index.get("kind") != "default":
            found = _with_index(found, list(index.get("levels", {})), named=index.get("names") is not None)
        if notes["kind"] == "series":
            label, lineage = next(iter(found.columns.items()))
            return Series(lineage, NOTHING, found.index, name=label if notes.get("named") else None)
        if notes["labels"]["kind"] == "range":
            start, _, step = notes["labels"]["range"]
            found.columns = {start + step * place: held for place, held in enumerate(found.columns.values())}
        return found

    def file(self, path: str, call: Call | None, kind: str) -> Frame | None:
        """See ``Sources.file``."""
        whole = os.path.normpath(self._folder / path)
        source = self._source(whole)
        if source is None:
            return None
        try:
            return _read(source, Path(whole), call, kind or _SUFFIXES.get(Path(whole).suffix.lower(), ""))
        except (OSError, UnicodeError, csv.Error, EOFError, LookupError):
            return frame_of_source(source, None)

    def _source(self, whole: str) -> Source | None:
        for place, said in self._files.items():
            if whole == place:
                return Source("file", said)
            if whole.startswith(place + os.sep):
                return Source("file", f"{said.rstrip('/')}/{whole[len(place) + 1 :]}")
        return None


def _with_index(frame: Frame, levels: Sequence[str], *, named: bool) -> Frame:
    held = {name: lineage for name, lineage in frame.columns.items() if name not in levels}
    index = tuple((name if named else None, frame.columns[name]) for name in levels if name in frame.columns)
    return Frame(held, index=index)


def _read(source: Source, path: Path, call: Call | None, kind: str) -> Frame:
    if kind == "parquet":
        return _parquet(source, path, call)
    if kind not in {"csv", "tsv"}:
        return frame_of_source(source, None)
    if call is None:
        return frame_of_source(source, _header(path, "," if kind == "csv" else "\t", "utf-8-sig"))
    if strange := set(call.named) - _HARMLESS:
        raise NotShown(f"what {min(strange)} does to what is read is not read")
    return _csv(source, path, call, "," if kind == "csv" else "\t")


def _parquet(source: Source, path: Path, call: Call | None) -> Frame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return frame_of_source(source, None)
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid:
        return frame_of_source(source, None)
    found = frame_of_source(source, schema.names)
    if call is None:
        return found
    held = (schema.pandas_metadata or {}).get("index_columns", [])
    levels = [name for name in held if isinstance(name, str)]
    columns = call.plain(-1, "columns", None)
    if levels:
        found = _with_index(found, levels, named=not any(name.startswith("__index_level_") for name in levels))
    if columns is not None:
        found.columns = {name: found.columns[name] for name in columns if name in found.columns}
    if call.named.get("filters") is not None:
        raise NotShown("what filters of a reader leave out is not read")
    return found


def _csv(source: Source, path: Path, call: Call, usual: str) -> Frame:
    separator = call.plain(1, "sep", None) or call.plain(-1, "delimiter", None) or usual
    encoding = call.plain(-1, "encoding", None) or "utf-8-sig"
    header, names = call.plain(-1, "header", "infer"), call.plain(-1, "names", None)
    if header not in {"infer", 0, None} or (header is None and names is None):
        raise NotShown("how the columns of the file are named is not known")
    if names is not None and header != 0:
        # The first row is data: the columns have no other names.
        columns: list[str] | None = [str(name) for name in names]
        found = frame_of_source(source, columns)
    else:
        columns = None if len(separator) != 1 else _header(path, separator, encoding, call.plain(-1, "quotechar", '"'))
        found = frame_of_source(source, columns)
        if names is not None:
            if columns is None or len(columns) != len(names):
                raise NotShown("how the columns of the file are named is not known")
            found.columns = dict(zip(names, found.columns.values(), strict=True))
    return _as_asked(found, call)


def _as_asked(found: Frame, call: Call) -> Frame:
    """With the columns, the index and the conversions that the reader was asked for."""
    wanted, index = call.plain(-1, "usecols", None), call.plain(-1, "index_col", None)
    dates = call.plain(-1, "parse_dates", None)
    if isinstance(dates, dict) or (isinstance(dates, list) and any(isinstance(each, list) for each in dates)):
        raise NotShown("dates put together from several columns are not read")
    if wanted is not None:
        if not all(isinstance(each, str) for each in wanted):
            raise NotShown("columns are taken by their order")
        found.columns = {name: lineage for name, lineage in found.columns.items() if name in wanted} if found.closed else {
            name: found.get(name) or NOTHING for name in wanted
        }  # fmt: skip
        found.rest = None
    for name in dates if isinstance(dates, list) else []:
        if found.get(name) is not None:
            found.columns[name] = direct(found.get(name) or NOTHING, "TRANSFORMATION")
    converters = call.named.get("converters")
    if converters is not None:
        try:
            converted = list(plain(converters))
        except NotPlain:
            converted = list(getattr(converters, "items", {}))
        for name in converted:
            found.columns[name] = direct(found.get(name) or NOTHING, "TRANSFORMATION")
    if index is None or index is False:
        return found
    levels = index if isinstance(index, list) else [index]
    held: list[tuple[Any, Any]] = []
    names = list(found.columns)
    for level in levels:
        name = (
            names[level] if isinstance(level, int) and found.closed and wanted is None and level < len(names) else level
        )
        lineage = found.get(name)
        if lineage is None:
            raise NotShown("which column becomes the index is not known")
        held.append((name, lineage))
    for name, _ in held:
        found.columns.pop(name, None)
    if found.rest is not None:
        found.rest = Rest(found.rest.source, without=frozenset(name for name, _ in held))
    found.index = tuple(held)
    return found


def _header(path: Path, separator: str, encoding: str, quote: str = '"') -> list[str] | None:
    """The names in the first row of a file; None where they are not what the columns are called."""
    if not path.is_file() or path.suffix == ".zip":
        return None
    opener = _OPENERS.get(path.suffix, open)
    with opener(path, "rt", encoding=encoding, newline="") as file:
        rows = list(itertools.islice((row for row in csv.reader(file, delimiter=separator, quotechar=quote) if row), 2))
    if (
        not rows
        or len(set(rows[0])) != len(rows[0])
        or not all(rows[0])
        or (len(rows) > 1 and len(rows[1]) > len(rows[0]))
    ):
        return None
    return rows[0]
