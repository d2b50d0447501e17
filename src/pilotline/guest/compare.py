"""Compare two values in their portable form, and say where they differ.

Exactly first: types, dtypes, shapes, order, every bit of a float but the payload of NaN. Floats that differ by no more
than the tolerance are ``close``, which is said apart. Shared and circular parts are compared by what they hold.
"""

import math
import sys

from . import plain_texts, portable

_MOST = 20
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})


class Difference:
    """One place where two values differ."""

    __slots__ = ("close", "what", "where")

    def __init__(self, where, what, close=False):
        self.where = where
        self.what = what
        #: They are floats that differ by no more than the tolerance.
        self.close = close

    def as_json(self):
        """As one JSON-ready object."""
        return {"where": self.where, "what": self.what, "close": self.close}


def answer(request):
    """Carry out a ``compare`` request: pairs of files with portable values."""
    results = []
    for pair in request["pairs"]:
        try:
            first, second = portable.load(pair["a"]), portable.load(pair["b"])
            found = Comparison(request.get("rtol", 1e-9), pair["name"])
            found.run(first, second)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            results.append({"name": pair["name"], "equal": False, "close": False, "opaque": [said], "differences": []})
            continue
        results.append(
            {
                "name": pair["name"],
                "equal": not found.count,
                "close": bool(found.count) and found.all_close,
                "count": found.count,
                "opaque": sorted(found.opaque),
                "left_out": sorted(found.left_out),
                "notes": found.notes,
                "differences": [one.as_json() for one in found.differences],
            }
        )
    return {"protocol": 1, "error": None, "results": results}


def compare(first, second, rtol=1e-9, where="value"):
    """Differences between two portable values (at most twenty), and the kinds of parts that could not be compared."""
    found = Comparison(rtol, where)
    found.run(first, second)
    return found.differences, sorted(found.opaque)


class Comparison:
    """One comparison.

    Attributes:
        differences: the first of them; those that matter before those that are only close.
        count: how many there are, as far as they were counted.
        all_close: every difference is one of floats within the tolerance.
        opaque: why parts could not be compared.
        left_out: what was not looked at on purpose.
        notes: what is worth saying and is no difference.
    """

    def __init__(self, rtol=1e-9, where="value"):
        self.rtol = rtol
        self.where = where
        self.differences = []
        self.count = 0
        self.all_close = True
        self.opaque = set()
        self.left_out = set()
        self.notes = []
        self._met = set()
        self._grave = 0

    def run(self, first, second):
        """Compare two portable values."""
        with portable.Deep():
            self.walk(first, second, (None, self.where))
        if type(first) is list and type(second) is list and first[:1] == second[:1] == ["skip"]:
            self.opaque.add(first[1])

    def differ(self, where, what, close=False, count=1):
        """Note a difference."""
        self.count += count
        self.all_close = self.all_close and close
        if not close:
            if self._grave < _MOST:
                self.differences.insert(self._grave, Difference(_said(where), what))
            self._grave += 1
        else:
            self.differences.append(Difference(_said(where), what, close=True))
        del self.differences[_MOST:]

    def walk(self, a, b, where):
        """Compare two parts. It does not stop at the first difference: a grave one may come after many small ones."""
        if type(a) is not type(b):
            self._opaque(a, b)
            self.differ(where, f"{_short(a)} != {_short(b)}")
        elif type(a) in _ATOMS:
            self._atom(a, b, where)
        elif a is not b or a[0] == "opaque" or a[0] == "skip":
            self._node(a, b, where)

    def _atom(self, a, b, where):
        if type(a) is float:
            if a != b and not (math.isnan(a) and math.isnan(b)):
                self.differ(where, f"{a!r} != {b!r}", close=self._close(a, b))
        elif type(a) is complex:
            if a != b and repr(a) != repr(b):
                self.differ(where, f"{a!r} != {b!r}", close=abs(a - b) <= self.rtol * max(abs(a), abs(b)))
        elif a != b:
            self.differ(where, f"{_short(a)} != {_short(b)}")

    def _opaque(self, *parts):
        for one in parts:
            if type(one) is list and one[0] == "opaque":
                self.opaque.add(one[1])
            if type(one) is list and one[0] == "skip":
                self.left_out.add(one[1])

    def _node(self, a, b, where):
        self._opaque(a, b)
        if a[0] != b[0]:
            self.differ(where, f"{_short(a)} != {_short(b)}")
            return
        if (id(a), id(b)) in self._met:
            return
        self._met.add((id(a), id(b)))
        if a[0] in {"opaque", "skip"}:
            if a[1] != b[1] and a[0] == "skip":
                self.differ(where, f"{a[1]} != {b[1]}")
            return
        getattr(self, "_" + a[0])(a, b, where)

    # ---- Python's own

    def _value(self, a, b, where):
        if a[1:] != b[1:]:
            self.differ(where, f"{_short(a)} != {_short(b)}")

    def _seq(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        elif len(a[2]) != len(b[2]):
            self.differ(where, f"{len(a[2])} parts != {len(b[2])} parts")
        else:
            word = " row " if a[1] == "values" else None
            self._each(a[2], b[2], where, word)

    def _each(self, a, b, where, word=None):
        for number, (one, other) in enumerate(zip(a, b)):
            if one is other or (type(one) is type(other) and type(one) in _ATOMS and one == other):
                self._opaque(one)
                continue
            self.walk(one, other, (where, f"{word}{number}" if word else f"[{number}]"))

    def _set(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        elif len(a[2]) != len(b[2]):
            self.differ(where, f"{len(a[2])} members != {len(b[2])} members")
        else:
            self._each(a[2], b[2], where, " member ")

    def _dict(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
            return
        names, others = [_key(key) for key in a[2]], [_key(key) for key in b[2]]
        if names == others:
            for name, key, other in zip(names, a[2], b[2]):
                if type(key) not in _ATOMS:
                    self.walk(key, other, (where, f" key {name[1][:60]}"))
            order = range(len(names))
        elif sorted(names) == sorted(others) and len(set(names)) == len(names) and a[1] != "OrderedDict":
            places = {name: place for place, name in enumerate(others)}
            order = [places[name] for name in names]
            self.notes.append(f"{_said(where)}: the same keys in another order")
        else:
            self._keys(a, b, where, names, others)
            return
        for name, one, place in zip(names, a[3], order):
            self.walk(one, b[3][place], (where, f"[{name[1][:60]}]"))

    def _keys(self, a, b, where, names, others):
        gone = [name[1] for name in names if name not in set(others)]
        new = [name[1] for name in others if name not in set(names)]
        if gone or new:
            parts = [f"lacks {', '.join(gone[:5])}"[:120]] if gone else []
            parts += [f"has {', '.join(new[:5])} too"[:120]] if new else []
            self.differ(where, " and ".join(parts))
        else:
            self.differ(where, "the same keys in another order")

    def _object(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        elif a[2] != b[2]:
            gone, new = sorted(set(a[2]) - set(b[2])), sorted(set(b[2]) - set(a[2]))
            self.differ(where, f"lacks {', '.join(gone[:5]) or 'nothing'}, has {', '.join(new[:5]) or 'nothing'} too")
        else:
            for label, one, other in zip(a[2], a[3], b[3]):
                self.walk(one, other, (where, label if label[:1] in {"", ".", "[", " "} else f" ({label})"))

    # ---- arrays and frames

    def _scalar(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        else:
            self._array(a[2], b[2], where)

    def _objects(self, a, b, where):
        if a[1:3] != b[1:3]:
            self.differ(where, f"{a[1]} {tuple(a[2])} != {b[1]} {tuple(b[2])}")
        else:
            self._each(a[3], b[3], where)

    def _array(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"dtype {a[1]} != {b[1]}")
            return
        if a[2] != b[2]:
            self.differ(where, f"shape {tuple(a[2])} != {tuple(b[2])}")
            return
        numpy = sys.modules["numpy"]
        x, y = a[3], b[3]
        with numpy.errstate(all="ignore"):
            # Works for times too, where `isnan` is another function.
            unequal = (x != y) & ~((x != x) & (y != y))
            count = int(unequal.sum())
            if not count:
                return
            close = False
            if x.dtype.kind in "fc":
                near = (abs(x - y) <= self.rtol * numpy.maximum(abs(x), abs(y))) & numpy.isfinite(x) & numpy.isfinite(y)
                grave = unequal & ~near
                close = not bool(grave.any())
                unequal = unequal if close else grave
        self._in_array(x, y, unequal, count, close, where)

    def _in_array(self, x, y, unequal, count, close, where):
        numpy = sys.modules["numpy"]
        place = tuple(int(one) for one in numpy.argwhere(unequal)[0]) if x.ndim else ()
        word = f" row {place[0]}" if x.ndim == 1 else f"[{', '.join(map(str, place))}]" if place else ""
        more = f" (and {count - 1} more of {x.size})" if count > 1 else ""
        one, other = x[place], y[place]
        said = (one.item(), other.item()) if x.dtype.kind not in "mM" else (str(one), str(other))
        self.differ((where, word), f"{said[0]!r} != {said[1]!r}{more}", close=close, count=count)

    def _column(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"dtype {a[1]} != {b[1]}")
        else:
            self.walk(a[2], b[2], where)

    def _index(self, a, b, where):
        if len(a[2]) != len(b[2]):
            self.differ(where, f"{len(a[2])} levels != {len(b[2])} levels")
            return
        self._each(a[1], b[1], (where, ".names"))
        for number, (one, other) in enumerate(zip(a[2], b[2])):
            self.walk(one, other, where if len(a[2]) == 1 else (where, f" level {number}"))

    def _frame(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        before = self.count
        self.walk(a[2], b[2], (where, " columns"))
        rows, others = _rows(a[3]), _rows(b[3])
        if rows != others:
            self.differ(where, f"{rows} rows != {others} rows")
            return
        if len(a[4]) != len(b[4]):
            return
        if self.count == before:
            self._row_order(a, b, where, rows)
        self.walk(a[3], b[3], (where, " index"))
        names = _labels(a[2])
        for number, (one, other) in enumerate(zip(a[4], b[4])):
            self.walk(one, other, (where, f"[{names[number] if number < len(names) else number}]"))

    def _row_order(self, a, b, where, rows):
        """Say it in one sentence when the rows are the same and only their order differs."""
        if rows > 200_000 or not a[4]:
            return
        first, second = ([_cells(one[2]) for one in side[4]] for side in (a, b))
        if all(one is not None for one in first + second):
            mine, theirs = list(zip(*first)), list(zip(*second))
            if mine != theirs and sorted(mine) == sorted(theirs):
                self.differ(where, "the same rows in another order")

    def _series(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1]} != {b[1]}")
        self.walk(a[2], b[2], (where, ".name"))
        rows, others = _rows(a[3]), _rows(b[3])
        if rows != others:
            self.differ(where, f"{rows} rows != {others} rows")
            return
        self.walk(a[3], b[3], (where, " index"))
        self.walk(a[4], b[4], where)

    # ---- files

    def _file(self, a, b, where):
        if a[1] != b[1]:
            self.differ(where, f"{a[1] or 'no suffix'} != {b[1] or 'no suffix'}")
        elif a[2] != b[2]:
            if a[3] is not None and b[3] is not None:
                self.walk(a[3], b[3], where)
            else:
                plain_texts.compare(self, a[1], a[2], b[2], where)

    def close(self, x, y):
        """Whether two floats differ by no more than the tolerance."""
        return self._close(x, y)

    def _close(self, x, y):
        return abs(x - y) <= self.rtol * max(abs(x), abs(y)) and abs(x) != float("inf") != abs(y)


def _said(where):
    parts = []
    while where is not None:
        parts.append(where[1])
        where = where[0]
    return "".join(reversed(parts))


def _key(key):
    """A dict's key in a form that can be sorted and looked up."""
    return type(key).__name__, repr(key) if type(key) in _ATOMS else repr(key)[:5000]


def _rows(index):
    return _length(index[2][0][2]) if index[2] else 0


def _length(plain):
    if plain[0] == "array":
        return plain[2][0] if plain[2] else 1
    return _length(plain[3][-1]) if plain[0] == "object" else len(plain[-1])


def _cells(plain):
    """A column as texts, or None where that would say too little."""
    if plain[0] == "array":
        return [repr(one) for one in plain[3].tolist()]
    if plain[0] == "seq" and all(type(one) in _ATOMS for one in plain[2]):
        return [repr(one) for one in plain[2]]
    return None


def _labels(index):
    """Names of columns, as one would write them between brackets."""
    if len(index[2]) != 1:
        return []
    held = index[2][0][2]
    if held[0] == "seq":
        return [repr(one) if type(one) is not str else f'"{one}"' for one in held[2]]
    return [repr(one) for one in held[3].tolist()] if held[0] == "array" else []


def _short(plain):
    if type(plain) is not list:
        text = repr(plain)
        return text if len(text) <= 80 else f"{text[:77]}..."
    kind = plain[0]
    if kind in {"value", "skip", "opaque"}:
        return " ".join(str(one) for one in plain[1:])[:100]
    if kind == "scalar":
        return f"{plain[1]} {plain[2][3].item()!r}"
    if kind in {"seq", "set", "dict"}:
        return f"{plain[1]} of {len(plain[2])}"
    if kind in {"array", "objects"}:
        return f"array {plain[1]} {tuple(plain[2])}"
    return str(plain[1])[:80] if kind == "object" else kind
