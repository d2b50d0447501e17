"""From a frame, a series or an array to a table, with a note of what it was and a list of what was changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pilotline.lake.errors import NotATable
from pilotline.lake.frames.encoding import Encoded, NoColumn, Note, encode, held_array, pack

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from pilotline.lake.arrow_types import ArrowTable

__all__ = ["Coercion", "Tabled", "to_table"]

PandasIndex: TypeAlias = Any  # pandas.Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Coercion:
    """One change on the way to the table; ``column`` is the name in the table, empty for the frame as a whole."""

    column: str
    was: str
    became: str
    #: Reading the table back gives what was there.
    lossless: bool = True

    def __str__(self) -> str:
        where = f"{self.column}: " if self.column else ""
        return f"{where}{self.was} became {self.became}" + ("" if self.lossless else ", and cannot be told apart again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabled:
    """A value as a table."""

    table: ArrowTable
    #: JSON; hand it to ``write`` with the table, and to ``restore`` with what was read.
    notes: Note
    coercions: tuple[Coercion, ...]


def to_table(value: object) -> Tabled:
    """The table of a pandas, Polars or Arrow frame, a pandas series, or a NumPy array of one or two dimensions.

    Raises:
        NotATable: it is something else, or holds what no table can.
    """
    kind = type(value)
    family = kind.__module__.partition(".")[0]
    if family == "pyarrow" and hasattr(value, "schema"):
        return _from_arrow(value, "arrow")
    if family == "polars" and hasattr(value, "to_arrow"):
        return _from_polars(value)
    if family == "numpy" and hasattr(value, "dtype"):
        return _from_array(value)
    if family == "pandas" or any(base.__module__.partition(".")[0] == "pandas" for base in kind.__mro__):
        import pandas as pd

        if isinstance(value, pd.DataFrame):
            return _from_frame(value, {"kind": "frame"})
        if isinstance(value, pd.Series):
            name = value.name
            frame = value.to_frame(name="value" if name is None else name)
            return _from_frame(frame, {"kind": "series", "named": name is not None})
        if isinstance(value, pd.Index):
            tabled = _from_frame(value.to_frame(index=False), {"kind": "frame"})
            change = Coercion(column="", was=kind.__name__, became="a frame of its values", lossless=False)
            return Tabled(table=tabled.table, notes=tabled.notes, coercions=(change, *tabled.coercions))
    raise NotATable(
        f"a {kind.__module__}.{kind.__qualname__} cannot be a table",
        try_next="return a frame, a series or a two-dimensional array; anything else is published as an artifact",
        type=f"{kind.__module__}.{kind.__qualname__}",
    )


def unique_names(wanted: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with a number behind those that came before in whatever case: SQL does not see case."""
    used = {name.lower() for name in taken}
    names: list[str] = []
    for name in wanted:
        base, candidate, number = name or "unnamed", name or "unnamed", 1
        while candidate.lower() in used:
            number += 1
            candidate = f"{base}_{number}"
        used.add(candidate.lower())
        names.append(candidate)
    return names


# -- pandas ------------------------------------------------------------------------------------------------------------


def _from_frame(frame: Any, notes: Note) -> Tabled:
    import pyarrow as pa

    names = unique_names(_label_text(label) for label in frame.columns)
    changes = [
        Coercion(column=name, was=f"column name {label!r}", became=repr(name))
        for name, label in zip(names, frame.columns, strict=True)
        if label != name
    ]
    data = [_encoded(name, frame.iloc[:, place]) for place, name in enumerate(names)]
    levels, index_note, index_changes = _index(frame.index, names, empty=not names)
    all_names = [*(name for name, _ in levels), *names]
    columns = [*(found for _, found in levels), *data]
    changes += index_changes
    changes += [
        Coercion(column=name, was=found.was, became=found.became, lossless=found.lossless)
        for name, found in zip(all_names, columns, strict=True)
        if found.was not in {"", found.became}
    ]
    notes = {
        "version": 1,
        **notes,
        "columns": {name: found.note for name, found in zip(names, data, strict=True)},
        "index": index_note,
        "labels": _labels(frame.columns, names),
    }
    table = pa.table([found.array for found in columns], names=all_names) if columns else pa.table({})
    return Tabled(table=table, notes=notes, coercions=tuple(changes))


def _encoded(name: str, series: Any) -> Encoded:
    try:
        return encode(series)
    except NoColumn as error:
        raise NotATable(
            f"column {name} holds {error}, which a table cannot hold",
            try_next="convert the column, or publish the value as an artifact",
            column=name,
            holds=str(error),
        ) from error


def _encoded_level(name: str, index: PandasIndex, place: int) -> Encoded:
    """A level of an index; of a MultiIndex by its own values, which keep their type where a row has none."""
    import pandas as pd
    import pyarrow as pa

    if not isinstance(index, pd.MultiIndex):
        return _encoded(name, pd.Series(index).reset_index(drop=True))
    found = _encoded(name, pd.Series(index.levels[place]).reset_index(drop=True))
    codes = index.codes[place].astype("int64")
    whole = found.array.combine_chunks() if isinstance(found.array, pa.ChunkedArray) else found.array
    return replace(found, array=whole.take(pa.array(codes, mask=codes < 0)))


def _label_text(label: Hashable) -> str:
    """A column label as a text: the parts of a tuple joined, a number as one writes it."""
    if isinstance(label, tuple):
        return "_".join(part for part in (_label_text(each) for each in label) if part)  # pyright: ignore[reportUnknownVariableType]
    missing = label is None or label != label  # noqa: PLR0124 - NaN
    # Half a pair of UTF-16 is no text of a table.
    return "" if missing else str(label).strip().encode("utf-8", "replace").decode()


def _index(
    index: PandasIndex, names: Sequence[str], *, empty: bool
) -> tuple[list[tuple[str, Encoded]], Note, list[Coercion]]:
    """The columns of an index, its note, and what changed. An unnamed one that counts from 0 needs no column."""
    import pandas as pd

    counted = isinstance(index, pd.RangeIndex)
    if counted and index.name is None and index.start == 0 and index.step == 1 and not (empty and len(index)):
        return [], {"kind": "default"}, []
    plural = index.nlevels > 1
    wanted = [
        (f"level_{place}" if plural else "index") if name is None else _label_text(name)
        for place, name in enumerate(index.names)
    ]
    held = unique_names(wanted, taken=names)
    columns: list[tuple[str, Encoded]] = []
    for place, name in enumerate(held):
        columns.append((name, _encoded_level(name, index, place)))
    note: Note = {
        "kind": "multi" if isinstance(index, pd.MultiIndex) else "plain",
        "levels": {name: found.note for name, found in columns},
        "names": _names(index.names),
        "range": [index.start, index.stop, index.step] if counted else None,
        "freq": getattr(index, "freqstr", None),
    }
    was = f"the index levels {list(index.names)!r}" if plural else f"the index {index.name!r}"
    became = ", ".join(held)
    word = "the columns" if len(held) > 1 else "the column"
    return columns, note, [Coercion(column=held[0], was=was, became=f"{word} {became}")]


def _names(names: Sequence[Hashable]) -> str | None:
    """Names of levels in a form that keeps their types; None where no level has one."""
    if all(name is None for name in names):
        return None
    import pandas as pd

    return (
        pack(encode(_objects(list(names), pd)).array)
        if all(isinstance(n, str | None) for n in names)
        else _packed(names)
    )


def _packed(names: Sequence[Hashable]) -> str:
    """Odd names (numbers, tuples) as one text each."""
    import pyarrow as pa

    from pilotline.lake.frames.values import NoText, to_text

    try:
        return "json:" + pack(pa.array([to_text(name) for name in names]))
    except NoText:
        return pack(pa.array([None if name is None else str(name) for name in names], pa.string()))


def _objects(values: list[Any], pd: Any) -> Any:
    return pd.Series(values, dtype=object)


def _labels(columns: PandasIndex, names: Sequence[str]) -> Note:
    """How to make the columns' index again."""
    import pandas as pd

    if isinstance(columns, pd.RangeIndex):
        held = [columns.start, columns.stop, columns.step]
        return {"kind": "range", "range": held, "names": _names(columns.names)}
    usual = type(columns) is pd.Index and columns.name is None and list(columns) == list(names)
    if usual and columns.dtype == pd.Index(["x"]).dtype:
        return {"kind": "usual"}
    try:
        levels = [
            encode(pd.Series(columns.get_level_values(place)).reset_index(drop=True))
            for place in range(columns.nlevels)
        ]
    except NoColumn:
        return {"kind": "usual"}
    return {
        "kind": "multi" if isinstance(columns, pd.MultiIndex) else "plain",
        "levels": [[pack(each.array), each.note] for each in levels],
        "names": _names(columns.names),
        "freq": getattr(columns, "freqstr", None),
    }


# -- Others ------------------------------------------------------------------------------------------------------------


def _from_array(value: Any) -> Tabled:
    import pandas as pd

    if value.ndim not in {1, 2}:
        raise NotATable(
            f"an array of {value.ndim} dimensions cannot be a table",
            try_next="reshape it to two dimensions, or publish it as an artifact",
            dimensions=value.ndim,
        )
    frame = pd.DataFrame(value) if value.ndim == 2 or value.dtype.names else pd.DataFrame({"value": value})
    note = {"kind": "array", "dimensions": value.ndim, "dtype": str(value.dtype) if not value.dtype.names else None}
    tabled = _from_frame(frame, note)
    change = Coercion(
        column="", was=f"an array of {value.ndim} dimensions", became="a table", lossless=value.dtype.names is None
    )
    return Tabled(table=tabled.table, notes=tabled.notes, coercions=(change, *tabled.coercions))


def _from_polars(value: Any) -> Tabled:
    import polars as pl

    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.Series):
        value = value.to_frame()
    return _from_arrow(value.to_arrow(compat_level=pl.CompatLevel.oldest()), "polars")


def _from_arrow(value: Any, kind: str) -> Tabled:
    import pyarrow as pa

    table = value if isinstance(value, pa.Table) else pa.table(value)
    names = unique_names(name.strip() for name in table.column_names)
    arrays: list[Any] = []
    changes: list[Coercion] = []
    for name, old, array in zip(names, table.column_names, table.columns, strict=True):
        try:
            held = held_array(array)
        except NoColumn as error:
            raise NotATable(
                f"column {name} holds {error}, which a table cannot hold", try_next="convert the column", column=name
            ) from error
        if name != old:
            changes.append(Coercion(column=name, was=f"column name {old!r}", became=repr(name)))
        if held.type != array.type:
            exact = not pa.types.is_dictionary(array.type)
            changes.append(Coercion(column=name, was=str(array.type), became=str(held.type), lossless=exact))
        arrays.append(held)
    empty = table.schema.empty_table().rename_columns(names)
    types = pack(pa.StructArray.from_arrays([c.combine_chunks() for c in empty.columns], fields=list(empty.schema)))
    notes: Note = {"version": 1, "kind": kind, "types": types, "names": table.column_names}
    return Tabled(table=pa.table(arrays, names=names), notes=notes, coercions=tuple(changes))
