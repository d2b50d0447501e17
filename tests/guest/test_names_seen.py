"""Which names a statement is said to read, bind and delete."""

from __future__ import annotations

import pytest


def test_names_are_read_through_functions_classes_and_instances_of_the_notebook(see):
    seen = see(
        "RATE = 2\nOFFSET = 1\nunused = 9",
        "def scaled(x):\n    return x * RATE\ndef shifted(x):\n    return scaled(x) + OFFSET",
        "class Model:\n    def fit(self, xs):\n        self.total = sum(shifted(x) for x in xs)\n        return self",
        "model = Model()\nmodels = {'one': model}",
        "a = shifted(3)",
        "models['one'].fit([1, 2])",
        "best = max([3, 1], key=lambda x: -x * RATE)",
    )
    assert seen.at("def scaled")["reads"] == []
    assert seen.at("a = shifted")["reads"] == ["OFFSET", "RATE", "scaled", "shifted"]
    assert {"OFFSET", "RATE", "scaled", "shifted", "models"} <= set(seen.at("models['one'].fit")["reads"])
    assert seen.at("models['one'].fit")["changes"] == ["model", "models"]
    assert seen.at("best =")["reads"] == ["RATE"]
    assert all("unused" not in one["reads"] for one in seen.answer["statements"])


def test_names_are_read_through_decorators_partials_methods_closures_and_caches(see):
    seen = see(
        "import functools\nK = 3\ncalls = []",
        "def noted(function):\n    @functools.wraps(function)\n    def inner(*a):\n        calls.append(1)\n"
        "        return function(*a)\n    return inner",
        "@noted\ndef f(x):\n    return x * K",
        "g = functools.partial(f, 2)\nclass Box:\n    def area(self):\n        return K\nbound = Box().area",
        "@functools.lru_cache(None)\ndef h(x):\n    return x + K",
        "one = g()",
        "two = bound()",
        "three = h(1)",
    )
    assert {"K", "calls", "g"} <= set(seen.at("one = g")["reads"])
    assert seen.at("one = g")["changes"] == ["calls"]
    assert {"K", "bound"} <= set(seen.at("two =")["reads"])
    assert seen.at("three =")["reads"] == ["K", "h"]
    assert seen.at("three =")["changes"] == []


def test_names_in_strings_are_read_when_somebody_looks_them_up(see):
    seen = see(
        "a = 1\nb = 2\nc = 3\nexpression = 'b + 1'\nlabel = 'c'",
        "x = eval('a + 1')",
        "y = eval(expression)",
        "exec('z = c')",
        "def run(text='a * 2'):\n    return eval(text)",
        "w = run()",
        "text = label + 'a'",
    )
    assert seen.at("x = eval")["reads"] == ["a"]
    assert seen.at("y = eval")["reads"] == ["b", "expression"]
    assert (seen.at("exec(")["reads"], seen.at("exec(")["binds"]) == (["c"], ["z"])
    assert seen.at("w = run")["reads"] == ["a", "run"]
    assert seen.at("text =")["reads"] == ["label"]


def test_names_in_queries_are_read_but_not_those_of_columns(see):
    seen = see(
        "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3], 'price': [1.0, 2.0, 3.0]})",
        "limit = 1\nprice = 'a name like a column'\nother = 5",
        "few = df.query('x > @limit and price < 3')",
        "more = df.eval('x * @other')",
        "plain = df['price']",
        "def cut(frame):\n    return frame.query('x > @limit')",
        "again = cut(df)",
    )
    assert seen.at("few =")["reads"] == ["df", "limit"]
    assert seen.at("more =")["reads"] == ["df", "other"]
    assert seen.at("plain =")["reads"] == ["df"]
    assert {"cut", "df", "limit"} <= set(seen.at("again =")["reads"])


def test_duckdb_reads_frames_that_its_sql_names(see):
    pytest.importorskip("duckdb")
    seen = see(
        "import duckdb\nimport pandas as pd\norders = pd.DataFrame({'n': [1, 2]})\nnumber = 7",
        "total = duckdb.sql('select sum(n) as number from orders').fetchall()",
    )
    assert seen.at("total =")["reads"] == ["duckdb", "orders"]


def test_globals_and_locals_count_as_reading_everything(see):
    seen = see("a = 1\nb = 2", "text = '{a}'.format(**locals())", "globals()['c'] = 3", "d = c")
    assert (seen.at("text =")["whole_namespace"], seen.at("text =")["reads"]) == (True, ["a", "b"])
    assert seen.at("globals()")["binds"] == ["c"]
    assert (seen.at("d = c")["whole_namespace"], seen.at("d = c")["reads"]) == (False, ["c"])


def test_binding_and_deleting_are_seen_however_they_are_done(see):
    seen = see(
        "x = 1",
        "from math import *",
        "import os.path as path, json",
        "for i in range(2):\n    last = i",
        "if x > 5:\n    never = 1",
        "def make():\n    global made\n    made = 5",
        "make()",
        "(y := 4)",
        "del x",
        "y = y",
    )
    assert {"sqrt", "pi"} <= set(seen.at("from math")["binds"])
    assert seen.at("from math")["imports"]["sqrt"] == "math:sqrt"
    assert seen.at("import os")["imports"] == {"path": "os.path", "json": "json"}
    assert seen.at("for i")["binds"] == ["i", "last"]
    assert seen.at("if x")["binds"] == []
    assert seen.at("make()")["binds"] == ["made"]
    assert seen.at("(y :=")["binds"] == ["y"]
    assert (seen.at("del x")["deletes"], seen.at("del x")["reads"]) == (["x"], [])
    assert (seen.at("y = y")["binds"], seen.at("y = y")["reads"]) == (["y"], ["y"])


def test_the_shells_own_names_appear_only_when_they_are_used(see):
    seen = see("2 + 3", "a = _ * 2", "b = Out[1]\nc = _1")
    assert seen.error is None
    assert seen.at("2 + 3")["binds"] == ["_", "_1", "__", "___"]
    assert seen.at("a = _")["reads"] == ["_"]
    assert (seen.at("b = Out")["reads"], seen.at("c = _1")["reads"]) == (["Out"], ["_1"])
    plain = see("2 + 3", "for _ in range(2):\n    pass")
    assert plain.at("2 + 3")["binds"] == []
