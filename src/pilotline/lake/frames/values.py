"""Python objects of mixed or odd types as JSON texts that say what they were, and back.

What JSON has stands for itself; anything else is an object with one key that begins with ``$``: ``{"$date": "2026-11-24"}``.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

__all__ = ["NoText", "from_text", "to_text", "zone_name"]

#: Below this, JSON and every reader of it keep whole numbers exact.
_EXACT: Final = 2**53


class NoText(TypeError):
    """The object cannot be written as a text and read back equal."""


def to_text(value: object) -> str:
    """The text of an object.

    Raises:
        NoText: it has none.
    """
    plain = _plain(value)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only escaped it is a text
        return json.dumps(plain, allow_nan=False)
    return text


def from_text(text: str) -> Any:
    """The object of a text."""
    return _object(json.loads(text))


def _plain(value: object) -> Any:
    kind = type(value)
    if value is None or kind in {bool, str}:
        return value
    if kind is int:
        number = cast("int", value)
        return number if abs(number) < _EXACT else {"$int": str(number)}
    if kind is float:
        number = cast("float", value)
        return number if math.isfinite(number) else {"$float": str(number)}
    if kind in {list, tuple, set, frozenset}:
        items = [_plain(item) for item in cast("list[object]", value)]
        return items if kind is list else {f"${kind.__name__}": items}
    if kind is dict:
        pairs = cast("dict[object, object]", value)
        if all(type(key) is str and not key.startswith("$") for key in pairs):
            return {str(key): _plain(item) for key, item in pairs.items()}
        return {"$dict": [[_plain(key), _plain(item)] for key, item in pairs.items()]}
    return _tagged(value, kind)


def _tagged(value: Any, kind: type) -> Any:
    if kind in {date, datetime, time}:
        if kind is not date and value.tzinfo is not None and kind is time:
            raise NoText(kind.__name__)
        return _fold(value, kind)
    if kind is timedelta:
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if kind is Decimal:
        return {"$decimal": str(value)}
    if kind is UUID:
        return {"$uuid": str(value)}
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode()}
    if kind is complex:
        return {"$complex": [repr(value.real), repr(value.imag)]}
    return _foreign(value, kind)


def _fold(value: Any, kind: type) -> Any:
    text = value.isoformat()
    if kind.fromisoformat(text) != value or (kind is datetime and value.tzinfo is not None and not _utc_like(value)):  # type: ignore[attr-defined]
        raise NoText(kind.__name__)
    return {f"${kind.__name__}": text}


def _utc_like(value: datetime) -> bool:
    """Whether the zone is a plain offset, which a text keeps whole."""
    from datetime import timezone

    return type(value.tzinfo) is timezone


def _foreign(value: Any, kind: type) -> Any:
    """Objects of NumPy and pandas."""
    import numpy as np
    import pandas as pd

    if value is pd.NA:
        return {"$missing": "NA"}
    if value is pd.NaT:
        return {"$missing": "NaT"}
    if kind is pd.Timestamp:
        return {
            "$timestamp": [int(value.value if value.unit == "ns" else value.asm8.view("i8")), value.unit, _zone(value)]
        }
    if kind is pd.Timedelta:
        return {"$pd.timedelta": [int(value.asm8.view("i8")), value.unit]}
    if kind is pd.Period:
        return {"$period": [int(value.ordinal), str(value.freqstr)]}
    if kind is pd.Interval:
        return {"$interval": [_plain(value.left), _plain(value.right), value.closed]}
    if isinstance(value, np.ndarray) and kind is np.ndarray and value.dtype.kind in "biufUSO":
        return {"$ndarray": [str(value.dtype), list(value.shape), [_plain(item) for item in value.ravel().tolist()]]}
    if isinstance(value, np.generic) and value.dtype.kind in "biufUmM":
        if value.dtype.kind in "mM":
            return {"$numpy": [str(value.dtype), int(value.view("i8"))]}
        return {"$numpy": [str(value.dtype), _plain(value.item())]}
    raise NoText(f"{kind.__module__}.{kind.__qualname__}")


def _zone(value: Any) -> str | None:
    if value.tz is None:
        return None
    name = zone_name(value.tz)
    if name is None:
        raise NoText("Timestamp")
    return name


def _object(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_object(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        ((key, inside),) = plain.items()
        if key.startswith("$"):
            return _untagged(key[1:], inside)
    return {key: _object(item) for key, item in plain.items()}


def _untagged(tag: str, inside: Any) -> Any:
    match tag:
        case "int":
            return int(inside)
        case "float":
            return float(inside)
        case "tuple" | "set" | "frozenset":
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[tag](_object(item) for item in inside)
        case "dict":
            return {_object(key): _object(item) for key, item in inside}
        case "date" | "datetime" | "time":
            return {"date": date, "datetime": datetime, "time": time}[tag].fromisoformat(inside)
        case "timedelta":
            return timedelta(*inside)
        case "decimal":
            return Decimal(inside)
        case "uuid":
            return UUID(inside)
        case "bytes":
            return base64.b64decode(inside)
        case "complex":
            return complex(float(inside[0]), float(inside[1]))
        case _:
            return _untagged_foreign(tag, inside)


def _untagged_foreign(tag: str, inside: Any) -> Any:
    import numpy as np
    import pandas as pd

    match tag:
        case "missing":
            return pd.NA if inside == "NA" else pd.NaT
        case "timestamp":
            ticks, unit, zone = inside
            moment = pd.Timestamp(np.datetime64(ticks, unit))
            return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone)
        case "pd.timedelta":
            return pd.Timedelta(np.timedelta64(inside[0], inside[1]))
        case "period":
            return pd.Period(ordinal=inside[0], freq=inside[1])
        case "interval":
            return pd.Interval(_object(inside[0]), _object(inside[1]), closed=inside[2])
        case "ndarray":
            kind, shape, items = inside
            return np.array([_object(item) for item in items], dtype=kind).reshape(shape)
        case "numpy":
            kind, item = inside
            if np.dtype(kind).kind in "mM":
                return np.int64(item).view(kind)
            return np.dtype(kind).type(_object(item))
        case _:
            raise ValueError(f"unknown tag ${tag}")


def zone_name(zone: Any) -> str | None:
    """A name that makes the same time zone again, or None."""
    import pandas as pd

    for name in (str(zone), getattr(zone, "key", None) or "", getattr(zone, "zone", None) or ""):
        try:
            again = pd.Timestamp(0, tz="UTC").tz_convert(name).tz
        except (ValueError, KeyError, TypeError, OSError, AttributeError):
            continue
        if name and str(again) == str(zone):
            return name
    return None
