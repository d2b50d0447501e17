"""What the functions of Polars give: expressions, and frames that are read or made."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pilotline.run.columns.access import items_of
from pilotline.run.columns.calls import Call, NotShown, labels_of
from pilotline.run.columns.edges import NOTHING, Lineage, indirect, union
from pilotline.run.columns.expressions import ONE_VALUE, named_columns, series
from pilotline.run.columns.polars_frames import concatenated_polars, polars_of, selected
from pilotline.run.columns.values import (
    Expression,
    Known,
    Library,
    Listed,
    Mapped,
    PolarsFrame,
    Rest,
    Series,
    Thing,
    Value,
    lineage_of,
)

if TYPE_CHECKING:
    from pilotline.run.columns.calls import Host

__all__ = ["polars_call"]

_READERS: Final = {
    "csv": "csv", "parquet": "parquet", "ipc": "ipc", "ipc_stream": "ipc", "json": "json", "ndjson": "json", "avro": "avro",
    "excel": "excel", "ods": "ods",
}  # fmt: skip
#: Arguments of its reader of CSV that say nothing about which column comes from where, and those that pandas calls otherwise.
_OF_CSV: Final = {
    "source": "filepath_or_buffer", "separator": "sep", "quote_char": "quotechar", "columns": "usecols", "n_rows": "nrows",
    "null_values": "na_values", "schema_overrides": "dtype", "dtypes": "dtype", "try_parse_dates": "", "low_memory": "",
    "infer_schema_length": "", "infer_schema": "", "ignore_errors": "", "rechunk": "", "batch_size": "", "n_threads": "",
    "missing_utf8_is_empty_string": "", "decimal_comma": "", "cache": "", "truncate_ragged_lines": "", "raise_if_empty": "",
}  # fmt: skip
#: Row by row of what is given by place; texts name columns.
_SIDE_BY_SIDE: Final = frozenset({
    "sum_horizontal", "mean_horizontal", "max_horizontal", "min_horizontal", "all_horizontal", "any_horizontal",
    "concat_str", "concat_list", "concat_arr", "coalesce", "struct", "arctan2", "corr", "cov",
})  # fmt: skip
_TIMES: Final = frozenset({"date", "datetime", "duration", "time"})
#: Its types of values, which are made of no data.
_KINDS: Final = frozenset({
    "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "Boolean",
    "Utf8", "String", "Date", "Datetime", "Duration", "Time", "List", "Array", "Struct", "Field", "Categorical", "Enum",
    "Decimal", "Binary", "Null", "Object", "Config",
})  # fmt: skip


def polars_call(host: Host, name: str, call: Call) -> Value:
    """What a function of Polars gives.

    Raises:
        NotShown: that is not known.
    """
    head, _, kind = name.partition("_")
    if head in {"read", "scan"} and kind in _READERS:
        return _read(host, _READERS[kind], call)
    if name in _SIDE_BY_SIDE:
        if any(isinstance(each, Expression) for each in call.named.values()):
            raise NotShown(f"what polars.{name} gives is not read")
        return Expression("row by row", tuple(call.args), dict(call.named))
    if name in ONE_VALUE and call.args:
        count = 1 if name in {"quantile", "std", "var"} else len(call.args)
        return Expression(f".{name}", (named_columns(host, *call.args[:count]), *call.args[count:]), dict(call.named))
    if name in _TIMES:
        named = {word: value for word, value in call.named.items() if word not in {"time_unit", "time_zone"}}
        return Expression("nameless", (Expression("row by row", (*call.args, *named.values())),))
    if name in _KINDS:
        return Library(f"polars.{name}")
    match name:
        case "col":
            return named_columns(host, *call.args)
        case "all" if not call.args:
            return named_columns(host, Known("*"))
        case "exclude":
            return Expression(".exclude", (named_columns(host, Known("*")), *call.args))
        case "lit":
            return Expression("literal", tuple(call.args[:1]))
        case "len" | "element":
            return Expression(name)
        case "when":
            return Expression("when", tuple(call.args), dict(call.named))
        case "format":
            made = Expression("row by row", tuple(call.args[1:]))
            return made if call.args[1:] else Expression("literal", tuple(call.args))
        case "DataFrame" | "LazyFrame" | "from_dict" | "from_dicts" | "from_pandas" | "from_arrow" | "from_records":
            return _made(host, call)
        case "Series":
            return _series(call)
        case "concat":
            return _concat(call)
        case "select":
            return selected(host, PolarsFrame({}), call)
        case "collect_all":
            items = items_of(call.args[0]) or []
            if not items or not all(isinstance(each, PolarsFrame) for each in items):
                raise NotShown("which frames are collected is not known")
            return Listed(list(items))
        case _:
            raise NotShown(f"what polars.{name} gives is not read", touches=True)


def _read(host: Host, kind: str, call: Call) -> Value:
    where = call.at(0, "source")
    if not isinstance(where, Known) or not isinstance(where.value, str | PurePosixPath):
        raise NotShown("which file is read is not known")
    if "row_index_name" in call.named or "include_file_paths" in call.named:
        raise NotShown("columns that a reader adds are not read")
    asked: Call | None = None
    columns = None
    if kind == "csv":
        if strange := set(call.named) - set(_OF_CSV):
            raise NotShown(f"what {min(strange)} does to what is read is not read")
        asked = Call([where], {word: value for name, value in call.named.items() if (word := _OF_CSV[name])})
    else:
        columns = call.plain(-1, "columns", None)
    found = host.sources.file(str(where.value), asked, kind)
    frame = None if found is None else polars_of(found)
    if frame is None:
        raise NotShown(f"{where.value} is no file of the pipeline's")
    if columns is None:
        return frame
    if not all(isinstance(each, str) for each in labels_of(columns)):
        raise NotShown("columns are taken by their order")
    return selected(host, frame, Call([Listed([Known(each) for each in labels_of(columns)])]))


def _made(host: Host, call: Call) -> Value:
    """A frame of what is given; its rows are as many as there are values."""
    data = call.args[0] if call.args else call.named.get("data", Known(None))
    if (
        set(call.named) - {"data", "strict", "nan_to_null", "infer_schema_length", "rechunk", "schema_overrides"}
        or call.args[1:]
    ):
        raise NotShown("how the columns of a frame are called is not known")
    found = polars_of(data)
    if found is not None:
        return found.picked(NOTHING)
    rows = _rows(data)
    if rows:
        names = dict.fromkeys(str(name) for row in rows for name in row.items)
        held: dict[str, Lineage] = {
            name: union(lineage_of(row.items[name]) for row in rows if name in row.items) for name in names
        }
        return PolarsFrame(held, union(row.lineage for row in rows) | _count(data))
    if isinstance(data, Mapped) and data.more is None:
        return selected(host, PolarsFrame({}, data.lineage), Call([], _columns(data)))
    return PolarsFrame({}, NOTHING, Rest(None, lineage_of(data)))


def _count(data: Value) -> Lineage:
    return data.lineage if isinstance(data, Listed) else NOTHING


def _rows(data: Value) -> list[Mapped]:
    """The rows that a list of dicts is; none where it is something else."""
    every = [*data.items, *([data.more] if data.more else [])] if isinstance(data, Listed) else []
    rows = [each for each in every if isinstance(each, Mapped) and each.more is None]
    return rows if len(rows) == len(every) else []


def _columns(data: Mapped) -> dict[str, Value]:
    """Values of a dict as columns: a text is a value there, and names nothing."""
    return {
        str(name): value
        if isinstance(value, Known) and not isinstance(value.value, str)
        else Thing.of(lineage_of(value))
        for name, value in data.items.items()
    }


def _series(call: Call) -> Value:
    name, values = call.at(0, "name"), call.at(1, "values")
    if values is None and not (isinstance(name, Known) and isinstance(name.value, str)):
        name, values = Known(""), name
    if not isinstance(name, Known) or not isinstance(name.value, str):
        raise NotShown("how a column is called is not known")
    return series(name.value, lineage_of(values) if values is not None else NOTHING)


def _concat(call: Call) -> Value:
    objects = call.at(0, "items") or Known(None)
    items = items_of(objects)
    how = str(call.plain(-1, "how", "vertical"))
    if items is None and isinstance(objects, Listed) and objects.more is not None:
        made = concatenated_polars([*objects.items, objects.more], how)
        return made.picked(indirect(objects.lineage, "CONDITIONAL"))
    if items is None:
        raise NotShown("what is put together is not known")
    if items and all(isinstance(each, Expression | Series) for each in items):
        raise NotShown("series put together are not read")
    return concatenated_polars(items, how)
