"""Which value's method is called, and what the methods of plain data and of objects give."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from pilotline.run.columns.access import index_of, items_of, unpacked
from pilotline.run.columns.calls import Call, Host, NotPlain, NotShown, change, combined, either, known, plain, spoil
from pilotline.run.columns.edges import NOTHING, direct
from pilotline.run.columns.expressions import call_on_expression, call_on_namespace
from pilotline.run.columns.frames import call_on_frame
from pilotline.run.columns.groups import call_on_groups
from pilotline.run.columns.polars_frames import call_on_polars, call_on_polars_groups
from pilotline.run.columns.series import call_on_accessor, call_on_series
from pilotline.run.columns.sql import call_on_connection
from pilotline.run.columns.values import (
    Bound,
    Expression,
    Frame,
    Grouped,
    Known,
    Listed,
    Mapped,
    PolarsFrame,
    PolarsGroups,
    Row,
    Series,
    Thing,
    Value,
    join,
    lineage_of,
)

__all__ = ["call_method"]

#: Of objects: what gives something new and leaves the object as it is.
_LEAVING: Final = frozenset({
    "predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "inverse_transform", "score",
    "kneighbors", "item", "copy", "astype", "reshape", "ravel", "flatten", "round", "mean", "sum", "max", "min",
    "std", "var", "all", "any", "dot", "clip", "tolist", "strip", "lstrip", "rstrip", "lower", "upper", "title",
    "capitalize", "replace", "split", "rsplit", "splitlines", "startswith", "endswith", "isoformat", "strftime",
    "date", "time", "timestamp", "total_seconds", "normalize", "get", "format", "join", "encode", "decode", "find",
    "count", "index", "isin", "tz_localize", "tz_convert", "weekday", "isdigit", "isnumeric", "isalpha", "zfill",
    "argmax", "argmin", "cumsum", "transpose", "days", "year", "month", "day", "hour", "group", "groups",
    "as_integer_ratio", "keys", "values", "items", "head", "hexdigest", "digest", "toarray", "todense",
    "get_feature_names_out", "read", "readlines", "readline",
})  # fmt: skip
_FITTING: Final = frozenset({"fit_transform", "fit_predict", "fit_resample"})
_PURE_TYPES: Final = (str, int, float, bytes, bool, complex, PurePosixPath, type(None), slice, range)


def call_method(host: Host, of: Value, name: str, call: Call) -> Value:
    """What ``of.name(...)`` gives.

    Raises:
        NotShown: that is not known.
    """
    match of:
        case Frame() | Series() if call.says("inplace"):
            return _in_place(host, of, name, call)
        case Frame():
            return call_on_frame(host, of, name, call)
        case Series() if of.owner is not None and name in {"rename", "set_names"}:
            raise NotShown("how the index is called is not known", touches=True)
        case Series():
            return call_on_series(host, of, name, call)
        case Grouped():
            return call_on_groups(host, of, name, call)
        case Bound(of=Series() as series, name="str" | "dt" | "cat" as accessor):
            return call_on_accessor(series, accessor, name, call)
        case PolarsFrame():
            return call_on_polars(host, of, name, call)
        case PolarsGroups():
            return call_on_polars_groups(host, of, name, call)
        case Expression():
            return call_on_expression(host, of, name, call)
        case Bound(of=Expression() as expression, name=namespace):
            return call_on_namespace(expression, namespace, name, call)
        case Bound(of=Frame() as frame, name="columns"):
            return _on_labels(plain(frame_labels(frame)), name, call)
        case Bound(of=Bound(of=Frame() as frame, name="columns"), name="str"):
            labels = plain(frame_labels(frame))
            return known([getattr(str(label), name)(*map(plain, call.args)) for label in labels])
        case Bound(of=Frame() | Series(), name="plot" | "style"):
            return Thing.of(NOTHING)
        case Bound(of=Frame() | Series()):
            raise NotShown(f"the method {name} of {of.name} is not read", touches=True)
        case Bound(of=Thing() as thing):
            return _on_thing(host, thing, name, call)
        case Thing(kind="duckdb"):
            return call_on_connection(host, of, name, call)
        case Thing():
            return _on_thing(host, of, name, call)
        case Known():
            return _on_known(of, name, call)
        case Listed():
            return _on_list(host, of, name, call)
        case Mapped():
            return _on_dict(host, of, name, call)
        case Row():
            return _on_row(host, of, name, call)
        case _:
            raise NotShown(f"the method {name} is not read", touches=True)


def frame_labels(frame: Frame) -> Value:
    """The labels of a frame's columns.

    Raises:
        NotShown: they are not known.
    """
    if not frame.closed or frame.maybe:
        raise NotShown("the columns of the frame are not known")
    return known(list(frame.columns))


def _in_place(host: Host, of: Frame | Series, name: str, call: Call) -> Value:
    made = call_method(
        host, of, name, Call(call.args, {key: each for key, each in call.named.items() if key != "inplace"})
    )
    if isinstance(of, Frame) and isinstance(made, Frame):
        parts = of.parts
        for label, part in parts:
            if isinstance(part, Series):
                part.lineage |= made.get(label) or NOTHING
        if of.view_of is not None:
            change(host, of.view_of, made.all)
        made.rows |= host.control
        after = join(of, made) if host.weak else made
        if isinstance(after, Frame) and after is not of:
            of.become(after)
            of.parts = parts
        return Known(None)
    if isinstance(of, Series) and isinstance(made, Series):
        change(host, of, made.lineage)
        of.rows |= made.rows
        of.index, of.space = made.index, made.space
        return Known(None)
    raise NotShown(f"what {name} does in place is not read", touches=True)


def _on_labels(labels: list[Any], name: str, call: Call) -> Value:
    try:
        given = [plain(each) for each in call.args]
    except NotPlain:
        raise NotShown("which columns are meant is not known") from None
    match name:
        case "tolist" | "to_list" | "copy":
            return known(labels)
        case "drop":
            gone = given[0] if isinstance(given[0], list | tuple) else [given[0]]
            return known([label for label in labels if label not in gone])
        case "difference":
            return known(sorted((label for label in labels if label not in list(given[0])), key=str))
        case "intersection":
            return known([label for label in labels if label in list(given[0])])
        case "get_loc":
            return known(labels.index(given[0]))
        case _:
            raise NotShown(f"the method {name} of columns is not read")


def _on_thing(host: Host, thing: Thing, name: str, call: Call) -> Value:
    more = call.lineage
    if call.says("inplace") or call.named.get("out") is not None:
        raise NotShown(f"what {name} changes in place is not read", touches=True)
    if name in _LEAVING:
        return Thing.of(direct(thing.cell.lineage | more, "TRANSFORMATION"))
    if more:
        # Whatever the object took in may come out of it again.
        change(host, thing, more)
    if name in _FITTING:
        return Thing.of(direct(thing.cell.lineage, "TRANSFORMATION"))
    return Thing(thing.cell, thing.kind)


def _on_known(of: Known, name: str, call: Call) -> Value:
    if not isinstance(of.value, _PURE_TYPES):
        return combined([of, *call.all])
    if name in {"mkdir", "touch", "unlink", "write_text", "write_bytes", "rename"}:
        return Known(None)
    if isinstance(of.value, PurePosixPath):
        return _on_path(of.value, name, call)
    try:
        given = [plain(each) for each in call.args]
        named = {key: plain(each) for key, each in call.named.items()}
        return known(getattr(of.value, name)(*given, **named))
    except NotPlain:
        return combined([of, *call.all])
    except Exception:
        raise NotShown(f"the method {name} of a constant is not read") from None


def _on_path(path: PurePosixPath, name: str, call: Call) -> Value:
    if name in {"joinpath", "with_suffix", "with_name", "with_stem", "as_posix"}:
        try:
            return Known(getattr(path, name)(*map(plain, call.args)))
        except (NotPlain, ValueError):
            raise NotShown("which file is meant is not known") from None
    if name in {"resolve", "absolute", "expanduser"}:
        return Known(path)
    raise NotShown(f"what {name} of a path gives is not read")


def _on_list(host: Host, of: Listed, name: str, call: Call) -> Value:
    every = [*of.items, *([of.more] if of.more else [])]
    match name:
        case "append" | "add" | "insert":
            _add(host, of, call.args[-1], last=name != "insert")
            return Known(None)
        case "extend" | "update":
            items = items_of(call.args[0])
            for item in [unpacked(host, call.args[0])] if items is None else items:
                _add(host, of, item, last=items is not None)
            of.lineage |= lineage_of(call.args[0]) if items is None else NOTHING
            return Known(None)
        case "copy":
            return Listed(list(of.items), of.more, of.sort, of.lineage)
        case "index" | "count":
            return Thing.of(lineage_of(of) | call.lineage)
        case "pop" | "remove" | "clear" | "sort" | "reverse":
            of.more = either(every) if every else None
            of.items.clear()
            return of.more or Known(None)
        case _:
            return Thing.of(lineage_of(of) | call.lineage)


def _add(host: Host, of: Listed, item: Value, *, last: bool) -> None:
    of.lineage |= host.control
    if of.more is None and not host.weak and last:
        of.items.append(item)
        return
    every = [*of.items, *([of.more] if of.more else []), item]
    of.more = either(every)
    of.items.clear()


def _on_dict(host: Host, of: Mapped, name: str, call: Call) -> Value:
    sure = of.more is None and not of.lineage
    match name:
        case "items" if sure:
            return Listed([Listed([known(key), each], sort=tuple) for key, each in of.items.items()])
        case "keys" if sure:
            return Listed([known(key) for key in of.items])
        case "values" if sure:
            return Listed(list(of.items.values()))
        case "values" if of.items or of.more:
            return Listed([], either([*of.items.values(), *([of.more] if of.more else [])]), lineage=of.lineage)
        case "get" | "setdefault" | "pop":
            default = call.at(1)
            try:
                key = plain(call.args[0])
                if sure and key in of.items:
                    return of.items[key]
                if sure:
                    return default or Known(None)
            except (NotPlain, TypeError):
                pass
            return Thing.of(direct(lineage_of(of) | call.lineage, "TRANSFORMATION"))
        case "update":
            other = call.at(0)
            if isinstance(other, Mapped):
                for key, each in other.items.items():
                    of.items[key] = join(of.items[key], each) if host.weak and key in of.items else each
                of.lineage |= other.lineage | host.control
                return Known(None)
            spoil(of, host.gap("what is put into a dict is not known"))
            return Known(None)
        case "copy":
            return Mapped(dict(of.items), of.more, of.lineage)
        case _:
            return Thing.of(lineage_of(of) | call.lineage)


def _on_row(host: Host, of: Row, name: str, call: Call) -> Value:
    if name == "get":
        found = of.of.get(call.plain(0, "key"))
        return Thing.of(lineage_of(of) if found is None else found | of.of.rows)
    if name in {"copy", "astype", "round", "fillna", "abs"}:
        return Row(of.of.copy())
    if name in {"to_dict", "_asdict"} and of.of.closed and not of.of.maybe:
        return Mapped({label: Thing.of(lineage | of.of.rows) for label, lineage in of.of.columns.items()})
    series = Series(of.of.all, of.of.rows)
    if name == "index":
        return index_of(series)
    return call_on_series(host, series, name, call)
