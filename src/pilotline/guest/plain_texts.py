"""Compare the bytes of two files that are not the same: cell by cell, part by part, or line by line."""

import csv
import io
import json
import zipfile

_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_ZIPS = frozenset({".zip", ".xlsx", ".docx", ".ods"})
#: Parts of office documents that say when and by whom they were written.
_ABOUT = ("docProps/", "meta.xml")


def compare(found, suffix, a, b, where):
    """Note in ``found`` (a ``Comparison``) where two files of one kind differ."""
    try:
        if suffix in _TABLES:
            _tables(found, _TABLES[suffix], a.decode(), b.decode(), where)
        elif suffix == ".json":
            _json(found, json.loads(a), json.loads(b), where)
        elif suffix in _ZIPS:
            _zips(found, a, b, where)
        else:
            _lines(found, a, b, where)
    except (ValueError, csv.Error, zipfile.BadZipFile):
        _lines(found, a, b, where)


def _tables(found, separator, a, b, where):
    rows = [list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)) for text in (a, b)]
    if len(rows[0]) != len(rows[1]):
        found.differ(where, f"{len(rows[0])} lines != {len(rows[1])} lines")
        return
    differing = False
    for number, (mine, theirs) in enumerate(zip(*rows)):
        if len(mine) != len(theirs):
            found.differ((where, f" line {number + 1}"), f"{len(mine)} cells != {len(theirs)} cells")
            return
        for place, (one, other) in enumerate(zip(mine, theirs)):
            if one != other:
                differing = True
                name = rows[0][0][place] if place < len(rows[0][0]) else place
                close = _number(one) and _number(other) and found.close(float(one), float(other))
                found.differ((where, f"[{name!r}] line {number + 1}"), f"{one} != {other}", close=close)
    if not differing:
        found.differ(where, "the same cells, written otherwise (quotes or line ends)")


def _json(found, a, b, where):
    if type(a) is not type(b) and not (_is_number(a) and _is_number(b)):
        found.differ(where, f"{str(a)[:60]} != {str(b)[:60]}")
    elif isinstance(a, dict) and list(a) == list(b):
        for key in a:
            _json(found, a[key], b[key], (where, f"[{key!r}]"))
    elif isinstance(a, list) and len(a) == len(b):
        for number, (one, other) in enumerate(zip(a, b)):
            _json(found, one, other, (where, f"[{number}]"))
    elif a != b:
        close = _is_number(a) and _is_number(b) and found.close(float(a), float(b))
        found.differ(where, f"{str(a)[:60]} != {str(b)[:60]}", close=close)


def _zips(found, a, b, where):
    mine, theirs = (zipfile.ZipFile(io.BytesIO(data)) for data in (a, b))
    with mine, theirs:
        names, others = ([name for name in one.namelist() if not name.startswith(_ABOUT)] for one in (mine, theirs))
        if names != others:
            found.differ(where, f"holds {', '.join(names)[:80]} != {', '.join(others)[:80]}")
            return
        for name in names:
            one, other = mine.read(name), theirs.read(name)
            if one != other:
                _lines(found, one, other, (where, f" {name}"))


def _lines(found, a, b, where):
    for number, (one, other) in enumerate(zip(a.split(b"\n"), b.split(b"\n")), 1):
        if one != other:
            found.differ((where, f" line {number}"), f"{_short(one)} != {_short(other)}")
            return
    found.differ(where, f"{len(a)} bytes != {len(b)} bytes")


def _number(text):
    try:
        return float(text) == float(text) and not text.lstrip("+-").isdigit()
    except ValueError:
        return False


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(line):
    text = line.decode("utf-8", "replace")
    return text if len(text) <= 80 else f"{text[:77]}..."
