"""What a wanted value needs, case by case: the numbers of the statements that have to be kept."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilotline.lift.slicing import slice_for
from pilotline.lift.wanted import asked_for

_SPEC = importlib.util.spec_from_file_location("recorded", Path(__file__).parent / "recorded.py")
recorded = importlib.util.module_from_spec(_SPEC)
sys.modules["recorded"] = recorded
_SPEC.loader.exec_module(recorded)


@dataclass(frozen=True)
class Case:
    """Cells of one statement each, a wanted name and the positions that its slice keeps."""

    name: str
    cells: tuple[str, ...]
    want: str
    keeps: str


PLAIN = [
    Case("a dead end is left behind", ("a = 1", "b = 2", "c = a + 1"), "c", "0 2"),
    Case("mutation through an alias", ("a = []", "b = a", "b.append(1)"), "a", "0 1 2"),
    Case("an alias that nobody changes is not needed", ("a = []", "b = a", "a.append(1)"), "a", "0 2"),
    Case("what is overwritten is not needed", ("a = 1", "a = 2", "b = a"), "b", "1 2"),
    Case("augmented assignment needs what was there", ("a = 1", "a += 2", "b = 5"), "a", "0 1"),
    Case("a loop that accumulates", ("n = 0", "for i in range(3):\n    n += i", "i"), "n", "0 1"),
    Case(
        "a loop's variable is its own",
        ("for i in range(3):\n    pass", "t = 0", "for i in (1, 2):\n    t += i"),
        "t",
        "1 2",
    ),
    Case("a name bound on one path only", ("a = 1", "if a > 5:\n    a = 2", "b = a"), "b", "0 1 2"),
    Case(
        "a function's global is read where it is called",
        ("k = 2", "def f(x):\n    return x * k", "k = 5", "y = f(3)"),
        "y",
        "1 2 3",
    ),
    Case(
        "a function that calls another",
        ("def g(x):\n    return x + 1", "def f(x):\n    return g(x)", "def h():\n    pass", "y = f(1)"),
        "y",
        "0 1 3",
    ),
    Case(
        "a function that changes a global",
        ("n = 0", "def bump():\n    global n\n    n += 1", "bump()", "print(n)"),
        "n",
        "0 1 2",
    ),
    Case("a nested list changed through its container", ("a = [1]", "d = {'x': a}", "d['x'].append(2)"), "a", "0 1 2"),
    Case("an attribute set later", ("class T:\n    pass", "t = T()", "t.a = 3", "u = T()"), "t", "0 1 2"),
    Case(
        "a class attribute set through the class",
        ("class T:\n    n = 0", "t = T()", "T.n = 3", "x = t.n"),
        "x",
        "0 1 2 3",
    ),
    Case(
        "a generator half consumed", ("g = (i for i in range(9))", "first = next(g)", "rest = sum(g)"), "rest", "0 1 2"
    ),
    Case("an iterator half consumed", ("it = iter([1, 2, 3])", "next(it)", "x = next(it)"), "x", "0 1 2"),
    Case(
        "a default argument that remembers",
        ("def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)", "f(1)", "n = f(2)"),
        "n",
        "0 1 2",
    ),
    Case("a comprehension's variable is its own", ("x = 9", "ys = [x for x in range(3)]"), "ys", "1"),
    Case(
        "deleted and tested for",
        ("v = 1", "del v", "try:\n    v\n    w = 1\nexcept NameError:\n    w = 2"),
        "w",
        "0 1 2",
    ),
    Case("names in eval", ("a = 2", "b = 3", "c = eval('a * 7')"), "c", "0 2"),
    Case("names in an f-string", ("a = 2", "b = 3", "c = f'{a}'"), "c", "0 2"),
    Case("tuple targets", ("a, b = 1, 2", "b = 3", "c = a"), "c", "0 2"),
    Case("a walrus", ("if (n := 4) > 3:\n    m = n", "k = n"), "k", "0 1"),
    Case("a dict changed by its method", ("d = {}", "d.update(a=1)", "d.get('a')", "x = d['a']"), "x", "0 1 3"),
    Case("sorted in place", ("a = [3, 1]", "a.sort()", "b = a[0]"), "b", "0 1 2"),
    Case(
        "draws before a draw",
        ("import random", "random.seed(3)", "a = random.random()", "b = random.random()"),
        "b",
        "0 1 2 3",
    ),
    Case(
        "a seed makes earlier draws matter no more",
        ("import random", "a = random.random()", "random.seed(3)", "b = random.random()"),
        "b",
        "0 2 3",
    ),
    Case(
        "a decorator",
        ("def twice(f):\n    return lambda x: 2 * f(x)", "@twice\ndef g(x):\n    return x", "y = g(2)"),
        "y",
        "0 1 2",
    ),
    Case(
        "an environment variable",
        ("import os", "os.environ['PL_TEST_A'] = '7'", "x = int(os.environ['PL_TEST_A'])"),
        "x",
        "0 1 2",
    ),
]

FRAMES = [
    Case(
        "the repair with loc",
        ("import pandas as pd", "d = pd.DataFrame({'s': ['PR', 'CA'], 'v': [1, 2]})", "mask = d['s'] == 'PR'", "d.loc[mask, 's'] = 'Puerto Rico'", "d.head()", "n = (d['s'] == 'PR').sum()"),
        "n", "0 1 2 3 5",
    ),
    Case(
        "column names, inplace, insert and pop",
        ("import pandas as pd", "d = pd.DataFrame({'a': [2, 1], 'b': [3, 4]})", "d.columns = ['x', 'y']", "d.sort_values('x', inplace=True)", "d.insert(0, 'z', 1)", "d.pop('y')", "d.describe()", "t = d.to_csv()"),
        "t", "0 1 2 3 4 5 7",
    ),
    Case(
        "a name in a query",
        ("import pandas as pd", "d = pd.DataFrame({'a': [1, 5]})", "low = 3", "high = 9", "e = d.query('a > @low')"),
        "e", "0 1 2 4",
    ),
    Case(
        "a view of an array",
        ("import numpy as np", "a = np.arange(6)", "v = a[2:4]", "v *= 10", "w = a.copy()", "s = a.sum()"),
        "s", "0 1 2 3 5",
    ),
    Case(
        "a model fitted in a later cell",
        ("from sklearn.linear_model import LinearRegression", "m = LinearRegression()", "X = [[0.0], [1.0]]", "m.fit(X, [0.0, 2.0])", "m.score(X, [0.0, 2.0])", "p = m.predict([[2.0]])"),
        "p", "0 1 2 3 5",
    ),
    Case(
        "NumPy's global generator",
        ("import numpy as np", "np.random.seed(1)", "a = np.random.rand(3)", "c = np.arange(3)", "b = np.random.rand(3)"),
        "b", "0 1 2 4",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", [*PLAIN, *FRAMES], ids=lambda case: case.name)
def test_a_slice_keeps_what_is_needed_and_nothing_else(case: Case, tmp_path: Path) -> None:
    notebook = recorded.notebook_of(list(case.cells), tmp_path)
    parts = recorded.parts_from(notebook)
    cut = slice_for(parts, asked_for(parts, [case.want]), "steps")
    assert " ".join(str(one.part.position) for one in cut.kept) == case.keeps
