"""Values as one JSON document that every parser accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from math import isfinite
from typing import cast


def dumps(value: object, *, ascii_only: bool = False) -> str:
    """The value as indented JSON.

    Dataclasses become objects, instants ISO 8601, durations seconds, NaN and infinities null; what else JSON does not
    know becomes its text.
    """
    return json.dumps(plain(value), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def plain(value: object) -> object:
    """The value in terms of JSON."""
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in cast("AbstractSet[object]", value)), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(item) for item in cast("Sequence[object]", value)]
    as_python = getattr(value, "item", None)  # a NumPy scalar
    if callable(as_python) and getattr(value, "shape", None) == ():
        return plain(as_python())
    return str(value)
