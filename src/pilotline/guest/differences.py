"""Compare two values in their portable form, and say where they differ."""

import struct

from . import plainform

_MOST = 20
_FLOATS = {"float64": "d", "float32": "f", "Float64": "d", "Float32": "f"}
_NUMBERS = dict(_FLOATS, int64="q", int32="i", int16="h", int8="b", uint8="B", uint16="H", uint32="I", uint64="Q", bool="?")


class Difference:
    """One place where two values differ."""

    __slots__ = ("close", "what", "where")

    def __init__(self, where, what, close=False):
        self.where = where
        self.what = what
        #: They are floats that differ by no more than the tolerance.
        self.close = close

    def as_json(self):
        return {"where": self.where, "what": self.what, "close": self.close}


def answer(request):
    """Carry out a ``compare`` request: pairs of files with portable values."""
    results = []
    for pair in request["pairs"]:
        try:
            first, second = plainform.load(pair["a"]), plainform.load(pair["b"])
            differences, opaque = compare(first, second, rtol=request.get("rtol", 1e-9), where=pair["name"])
        except Exception as error:
            results.append({"name": pair["name"], "equal": False, "close": False, "opaque": ["%s: %s" % (type(error).__name__, error)], "differences": []})
            continue
        results.append(
            {
                "name": pair["name"],
                "equal": not differences,
                "close": bool(differences) and all(one.close for one in differences),
                "opaque": opaque,
                "differences": [one.as_json() for one in differences],
            }
        )
    return {"protocol": 1, "error": None, "results": results}


def compare(first, second, rtol=1e-9, where="value"):
    """Differences between two portable values (at most twenty), and the kinds of parts that could not be compared."""
    comparison = _Comparison(rtol)
    comparison.walk(first, second, where)
    return comparison.differences, sorted(comparison.opaque)


class _Comparison:
    def __init__(self, rtol):
        self.rtol = rtol
        self.differences = []
        self.opaque = set()

    def differ(self, where, what, close=False):
        if len(self.differences) < _MOST:
            self.differences.append(Difference(where, what, close))

    def walk(self, a, b, where):
        if len(self.differences) >= _MOST:
            return
        for one in (a, b):
            if isinstance(one, tuple) and one[:1] == ("opaque",):
                self.opaque.add(one[1])
        if isinstance(a, tuple) and isinstance(b, tuple) and a[:1] == ("opaque",) == b[:1]:
            if a[1] != b[1]:
                self.differ(where, "%s != %s" % (a[1], b[1]))
            return
        if type(a) is not type(b):
            self.differ(where, "%s != %s" % (_kind(a), _kind(b)))
        elif isinstance(a, tuple) and a and isinstance(a[0], str) and a[0] in _WAYS:
            if b[:1] != a[:1]:
                self.differ(where, "%s != %s" % (_kind(a), _kind(b)))
            else:
                getattr(self, "_" + a[0])(a, b, where)
        elif isinstance(a, (list, tuple)):
            self._items(a, b, where)
        elif a != b:
            self.differ(where, "%s != %s" % (_short(a), _short(b)))

    def _items(self, a, b, where):
        if len(a) != len(b):
            self.differ(where, "%d parts != %d parts" % (len(a), len(b)))
            return
        if a == b:
            self._find_opaque(a)
            return
        named = all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in a) and bool(a) and not _is_kind(a[0])
        for number, (one, other) in enumerate(zip(a, b)):
            if named and one[0] == other[0]:
                self.walk(one[1], other[1], "%s.%s" % (where, one[0]))
            else:
                self.walk(one, other, "%s[%d]" % (where, number))

    def _find_opaque(self, items):
        todo = [items]
        while todo:
            one = todo.pop()
            if isinstance(one, tuple) and one[:1] == ("opaque",):
                self.opaque.add(one[1])
            elif isinstance(one, (list, tuple)) and len(one) < 10_000:
                todo.extend(item for item in one if isinstance(item, (list, tuple)))

    def _float(self, a, b, where):
        if a[1] != b[1]:
            x, y = _number(a[1]), _number(b[1])
            self.differ(where, "%r != %r" % (x, y), self._close(x, y))

    def _close(self, x, y):
        if x != x or y != y:
            return x != x and y != y
        return abs(x - y) <= self.rtol * max(abs(x), abs(y))

    def _array(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, "dtype %s != %s" % (a[1], b[1]))
        elif tuple(a[2]) != tuple(b[2]):
            self.differ(where, "shape %s != %s" % (tuple(a[2]), tuple(b[2])))
        elif isinstance(a[3], bytes):
            self._buffer(a[1], a[3], b[3], where)
        else:
            self._items(a[3], b[3], where)

    def _buffer(self, dtype, a, b, where, missing=None):
        if a == b:
            return
        form = _NUMBERS.get(dtype)
        if form is None:
            self.differ(where, "other bytes (%s)" % dtype)
            return
        size = struct.calcsize(form)
        if len(a) != len(b):
            self.differ(where, "%d values != %d values" % (len(a) // size, len(b) // size))
            return
        count, first, close = 0, None, True
        for number, (x, y) in enumerate(zip(memoryview(a).cast(form), memoryview(b).cast(form))):
            if x != y and not (x != x and y != y):
                count += 1
                first = first or (number, x, y)
                close = close and form in "df" and self._close(x, y)
        if count:
            number, x, y = first
            self.differ("%s row %d" % (where, number), "%r != %r%s" % (x, y, " (and %d more)" % (count - 1) if count > 1 else ""), close)

    def _column(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, "dtype %s != %s" % (a[1], b[1]))
        elif a[3] != b[3]:
            self.differ(where, "%d rows != %d rows" % (a[3], b[3]))
        elif a[2] == b[2]:
            self._find_opaque(a[2] if isinstance(a[2], list) else [])
        elif isinstance(a[2], bytes) and isinstance(b[2], bytes):
            self._buffer(a[1], a[2], b[2], where)
        elif isinstance(a[2], tuple) and len(a[2]) == 2 and isinstance(a[2][0], bytes):
            if a[2][1] != b[2][1]:
                self.differ(where, "other missing values")
            else:
                self._buffer(a[1], a[2][0], b[2][0], where)
        elif isinstance(a[2], tuple):
            self.walk(a[2][0], b[2][0], where + " categories")
            if a[2][1] != b[2][1]:
                self.differ(where, "ordered %s != %s" % (a[2][1], b[2][1]))
            if a[2][2] != b[2][2]:
                self.differ(where, "other categories in some rows")
        else:
            for number, (one, other) in enumerate(zip(a[2], b[2])):
                if one != other:
                    self.walk(one, other, "%s row %d" % (where, number))

    def _frame(self, a, b, where):
        before = len(self.differences)
        self.walk(a[1], b[1], where + " columns")
        self.walk(a[2], b[2], where + " index")
        if len(self.differences) > before and len(a[3]) != len(b[3]):
            return
        names = _labels(a[1])
        for number, (one, other) in enumerate(zip(a[3], b[3])):
            name = names[number] if number < len(names) else number
            self.walk(one, other, "%s[%s]" % (where, name))
        self.walk(a[4], b[4], where)

    def _series(self, a, b, where):
        self.walk(a[1], b[1], where + ".name")
        self.walk(a[2], b[2], where + " index")
        self.walk(a[3], b[3], where)
        self.walk(a[4], b[4], where)

    def _bytes(self, a, b, where):
        if a[2] != b[2]:
            lines = zip(a[2].split(b"\n"), b[2].split(b"\n"))
            for number, (one, other) in enumerate(lines, 1):
                if one != other:
                    self.differ("%s line %d" % (where, number), "%s != %s" % (_short(one), _short(other)))
                    return
            self.differ(where, "%d bytes != %d bytes" % (a[1], b[1]))


_WAYS = frozenset({"float", "array", "column", "frame", "series", "bytes"})
_KINDS = _WAYS | {"list", "tuple", "dict", "set", "object", "function", "value", "index", "multiindex", "opaque", "again"}


def _is_kind(one):
    return isinstance(one, tuple) and one and one[0] in _KINDS


def _labels(index):
    if index[0] == "index" and isinstance(index[2][2], list):
        return [item if isinstance(item, str) else repr(item) for item in index[2][2]]
    return []


def _number(text):
    return float("nan") if text == "nan" else float.fromhex(text)


def _kind(one):
    if isinstance(one, tuple) and one and isinstance(one[0], str):
        return " ".join(str(part) for part in one[:2] if isinstance(part, str))[:80] or "tuple"
    return _short(one)


def _short(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
