"""From a table and its notes back to the frame, the series or the array that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pilotline.lake.frames.decoding import Note, decode, unpack
from pilotline.lake.frames.values import from_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.lake.arrow_types import ArrowTable, PandasFrame

__all__ = ["combine_notes", "restore", "to_pandas"]


def combine_notes(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Note | None:
    """What is still true of a table after rows of another frame joined it: what both notes say."""
    if before is None or now is None or before.get("kind") != now.get("kind"):
        return None
    if before == now:
        return dict(now)
    if now.get("kind") in {"arrow", "polars", "array"}:
        return None
    columns = {name: note for name, note in now["columns"].items() if before["columns"].get(name) == note}
    index = now["index"] if _same_levels(before["index"], now["index"]) else {"kind": "gone"}
    index = {**index, "range": None, "freq": None} if "range" in index else index
    labels = now["labels"] if before["labels"] == now["labels"] else {"kind": "usual"}
    return {**now, "columns": {**dict.fromkeys(now["columns"]), **columns}, "index": index, "labels": labels}


def _same_levels(before: Note, now: Note) -> bool:
    return all(before.get(key) == now.get(key) for key in ("kind", "levels", "names"))


def restore(table: ArrowTable, notes: Mapping[str, Any] | None) -> Any:
    """The value that the table was made of: a pandas frame or series, a NumPy array, a Polars or Arrow frame."""
    kind: Literal["frame", "series", "array", "arrow", "polars"] = notes["kind"] if notes else "arrow"
    if notes is None:
        return table
    match kind:
        case "frame":
            return to_pandas(table, notes)
        case "series":
            frame = to_pandas(table, notes)
            series = frame.iloc[:, 0]
            return series if notes["named"] else series.rename(None)
        case "array":
            frame = to_pandas(table, notes)
            if notes["dtype"] is None:
                return frame.to_records(index=False)
            values = frame.to_numpy(dtype=notes["dtype"]) if frame.shape[1] else frame.to_numpy().astype(notes["dtype"])
            return values[:, 0] if notes["dimensions"] == 1 else values
        case "arrow":
            return _typed(table, notes)
        case "polars":
            import polars as pl

            return pl.from_arrow(_typed(table, notes))


def to_pandas(table: ArrowTable, notes: Mapping[str, Any] | None) -> PandasFrame:
    """The table as a pandas frame: as it was where it was one, else as Arrow gives it."""
    import pandas as pd

    if notes is None or "columns" not in notes:
        return table.to_pandas()
    index_note: Note = notes["index"]
    levels: Mapping[str, Note] = index_note.get("levels", {})
    whole_index = bool(levels) and all(name in table.column_names for name in levels)
    names = [name for name in table.column_names if not (whole_index and name in levels)]
    known: Mapping[str, Note | None] = notes["columns"]
    series: list[Any] = []
    for name in names:
        note = known.get(name) or levels.get(name)
        series.append(decode(table.column(name), note) if note else table.column(name).to_pandas())
    index = _index(table, index_note, levels) if whole_index else pd.RangeIndex(table.num_rows)
    frame = pd.DataFrame(dict(enumerate(series)), index=None if series else index, copy=False)
    frame.index = index
    frame.columns = _columns(names, list(known), notes["labels"])
    return frame


def _index(table: ArrowTable, note: Note, levels: Mapping[str, Note]) -> Any:
    import pandas as pd

    names = _names(note["names"], len(levels))
    if note["kind"] == "multi":
        parts = [_level(table.column(name), each) for name, each in levels.items()]
        return pd.MultiIndex([level for level, _ in parts], [codes for _, codes in parts], names=names)
    ((column, inside),) = levels.items()
    index = pd.Index(decode(table.column(column), inside), name=names[0])
    if note["range"] is not None:
        counted = pd.RangeIndex(*note["range"], name=names[0])
        return counted if counted.equals(index) else index
    return _with_freq(index, note["freq"])


def _level(array: Any, note: Note) -> tuple[Any, Any]:
    """One level of a MultiIndex and, row by row, the place of the value in it; -1 where there is none."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    try:
        coded = array.combine_chunks().dictionary_encode()
        level = pd.Index(decode(coded.dictionary, note))
        codes = np.asarray(coded.indices.fill_null(-1)).astype("int64")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # nested values have no codes in Arrow
        codes, level = pd.factorize(pd.Index(decode(array, note)))
    try:
        order = np.asarray(level.argsort())
    except TypeError:
        return level, codes
    places = np.empty(len(order) + 1, "int64")
    places[order] = np.arange(len(order))
    places[-1] = -1
    return level.take(order), places[codes]


def _with_freq(index: Any, freq: str | None) -> Any:
    """The index with its frequency, if it still has it."""
    if freq is None or not hasattr(index, "freq") or index.dtype.kind not in "mM":
        return index
    try:
        return type(index)(index, freq=freq)
    except ValueError:
        return index


def _names(packed: str | None, count: int) -> list[Any]:
    if packed is None:
        return [None] * count
    if packed.startswith("json:"):
        return [from_text(text) for text in unpack(packed.removeprefix("json:")).to_pylist()]
    return unpack(packed).to_pylist()


def _columns(names: list[str], known: list[str], note: Note) -> Any:
    """The columns' index of those that were read, as it was for all."""
    import pandas as pd

    if note["kind"] == "usual" or any(name not in known for name in names):
        return pd.Index(names) if names else pd.Index([], dtype=pd.Index(["x"]).dtype)
    chosen = [known.index(name) for name in names]
    everything = chosen == list(range(len(known)))
    if note["kind"] == "range":
        labels = pd.RangeIndex(*note["range"], name=_names(note["names"], 1)[0])
        return labels if everything else labels.take(chosen)
    levels = [decode(unpack(packed), inside) for packed, inside in note["levels"]]
    level_names = _names(note["names"], len(levels))
    if note["kind"] == "multi":
        return pd.MultiIndex.from_arrays(levels, names=level_names).take(chosen)
    labels = pd.Index(levels[0], name=level_names[0])
    return _with_freq(labels, note["freq"]) if everything else labels.take(chosen)


def _typed(table: ArrowTable, notes: Mapping[str, Any]) -> ArrowTable:
    """The columns in the types and names that they had, where the values still fit."""
    import pyarrow as pa

    if "types" not in notes:
        return table
    kinds = {field.name: field.type for field in unpack(notes["types"]).type}
    names = dict(zip(kinds, notes["names"], strict=True))
    arrays: list[Any] = []
    for name, array in zip(table.column_names, table.columns, strict=True):
        arrays.append(_cast(array, kinds.get(name, array.type)))
    return pa.table(arrays, names=[names.get(name, name) for name in table.column_names])


def _cast(array: Any, kind: Any) -> Any:
    import pyarrow as pa

    try:
        if pa.types.is_dictionary(kind):
            return array.cast(kind.value_type).dictionary_encode().cast(kind)
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return array
