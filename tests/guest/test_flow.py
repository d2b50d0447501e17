from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from pilotline.guest import flow as flow_module
from pilotline.guest.flow import FlowError, read_flow

HEAD = '''"""Daily revenue."""
from pathlib import Path
import pilotline
LIMIT = 3

def read_orders(orders_csv): return orders_csv
def daily(orders, *, least): return orders
def fit(revenue): return 1, 2
def load(table): return pilotline.read(table)
def save(x, path=None): return path
def note(x): pass
'''

GOOD = (
    HEAD
    + '''
def pipeline(*, orders_csv: Path = Path("data") / "orders.csv", least: float = 10.0, sold: str = "sales.orders",
             label: str = "a.b", top: int = LIMIT) -> dict[str, object]:
    """The whole."""
    orders = read_orders(orders_csv)
    revenue: object = daily(orders, least=least)
    model, error = fit(revenue)
    other = load(sold)
    again = daily(other, least=-1)
    note(label)
    return {"revenue": revenue, "model": model, "again": again}
'''
)


def test_a_flow_says_parameters_steps_and_what_is_returned():
    flow = read_flow(GOOD)
    assert [(p.name, p.kind, p.default, p.value) for p in flow.parameters] == [
        ("orders_csv", "file", "Path('data') / 'orders.csv'", "data/orders.csv"),
        ("least", "value", "10.0", 10.0),
        ("sold", "table", "'sales.orders'", "sales.orders"),
        ("label", "value", "'a.b'", "a.b"),
        ("top", "value", "LIMIT", 3),
    ]
    assert [(s.name, s.function, s.results, s.unpacks, s.reads_from) for s in flow.steps] == [
        ("read_orders", "read_orders", ("orders",), False, []),
        ("daily", "daily", ("revenue",), False, [0]),
        ("fit", "fit", ("model", "error"), True, [1]),
        ("load", "load", ("other",), False, []),
        ("daily_2", "daily", ("again",), False, [3]),
        ("note", "note", (), False, []),
    ]
    assert [(a.parameter, a.kind, a.name, a.step, a.value) for a in flow.steps[4].arguments] == [
        ("orders", "result", "other", 3, None),
        ("least", "literal", None, None, -1),
    ]
    assert {key: (a.kind, a.name, a.step) for key, a in flow.returns.items()} == {
        "revenue": ("result", "revenue", 1),
        "model": ("result", "model", 2),
        "again": ("result", "again", 4),
    }
    assert (flow.doc, flow.module_doc) == ("The whole.", "Daily revenue.")
    assert json.loads(json.dumps(flow.as_json()))["steps"][1]["reads_from"] == [0]


def test_a_rebound_name_means_the_step_that_bound_it_last():
    flow = read_flow(HEAD + 'def pipeline():\n    x = load("a")\n    x = daily(x, least=1)\n    return {"x": x}\n')
    assert flow.steps[1].reads_from == [0]
    assert flow.returns["x"].step == 1


class Wrong(NamedTuple):
    what: str
    body: str
    message: str


WRONG = [
    Wrong("arithmetic", "x = 1 + 2\n    return {'x': x}", "line 14: `x = 1 + 2` is not a call of one step"),
    Wrong("a loop", "for i in []: load(i)\n    return {}", "line 14: `for i in []:` is not a plain call"),
    Wrong(
        "a method",
        "x = load('t')\n    y = x.sum()\n    return {'y': y}",
        "line 15: `x.sum` is not a step of this module",
    ),
    Wrong("a library call", "x = print(1)\n    return {'x': x}", "line 14: `print` is not a function of this module"),
    Wrong(
        "an expression given",
        "x = load('t' * 2)\n    return {'x': x}",
        "line 14: the argument `'t' * 2` is neither a name nor a literal",
    ),
    Wrong(
        "a call inside a call",
        "x = load(load('t'))\n    return {'x': x}",
        "line 14: the argument `load('t')` is neither a name nor a literal",
    ),
    Wrong(
        "an unknown name", "x = load(y)\n    return {'x': x}", "line 14: `y` is not a parameter or an earlier result"
    ),
    Wrong("a missing argument", "x = daily(1)\n    return {'x': x}", "line 14: `daily` is called without `least`"),
    Wrong(
        "too many arguments",
        "x = load(1, 2)\n    return {'x': x}",
        "line 14: `load` takes 1 arguments by position, here are 2",
    ),
    Wrong(
        "an unknown keyword",
        "x = load(1, at=2)\n    return {'x': x}",
        "line 14: `load` is given `at` but has no such parameter",
    ),
    Wrong("no return", "x = load(1)", "line 14: `pipeline` does not end in a returned dict"),
    Wrong("a return of a name", "x = load(1)\n    return x", "line 15: `pipeline` does not end in a returned dict"),
    Wrong(
        "a returned expression",
        "x = load(1)\n    return {'x': x + 1}",
        "line 15: `'x': x + 1` is not a text with the name of a result",
    ),
    Wrong("two results of one name", "x = load(1)\n    return {'x': x, 'x': x}", "line 15: `x` is returned twice"),
    Wrong(
        "an attribute bound",
        "x = load(1)\n    x.a = load(2)\n    return {'x': x}",
        "line 15: `x.a = load(2)` binds something else than one or more different names",
    ),
    Wrong("itself", "x = pipeline()\n    return {'x': x}", "line 14: `pipeline` is not a function of this module"),
    Wrong("an augmented name", "x = load(1)\n    x += 1\n    return {'x': x}", "line 15: `x += 1` is not a plain call"),
    Wrong("starred arguments", "x = load(*[1])\n    return {'x': x}", "line 14: `*[1]` unpacks its arguments"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.what)
def test_anything_but_straight_calls_is_refused_with_the_line_and_the_mend(case: Wrong):
    with pytest.raises(FlowError) as caught:
        read_flow(HEAD + "\ndef pipeline():\n    " + case.body + "\n")
    assert str(caught.value) == case.message
    assert caught.value.mend


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "line 1: there is no function `pipeline`"),
        ("def pipeline(\n", "line 1: not Python: '(' was never closed"),
        ("def pipeline(a):\n    return {}\n", "line 1: `a` is not a keyword parameter"),
        ("def pipeline(**k):\n    return {}\n", "line 1: `k` is not a keyword parameter"),
        ("async def pipeline():\n    return {}\n", "line 1: `pipeline` is async"),
        ("@cache\ndef pipeline():\n    return {}\n", "line 1: `pipeline` is decorated"),
        ("def pipeline():\n    return {}\npipeline = 3\n", "line 1: there is no function `pipeline`"),
    ],
)
def test_a_module_without_a_readable_pipeline_is_refused(source: str, message: str):
    with pytest.raises(FlowError) as caught:
        read_flow(source)
    assert str(caught.value) == message


def test_reading_a_flow_needs_only_python_3_9(oldest_python: str):
    code = f"""
import sys, importlib.util
spec = importlib.util.spec_from_file_location("flow", {str(Path(flow_module.__file__))!r})
module = importlib.util.module_from_spec(spec); sys.modules["flow"] = module; spec.loader.exec_module(module)
print([s.name for s in module.read_flow({GOOD!r}).steps])
"""
    done = subprocess.run([oldest_python, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['read_orders', 'daily', 'fit', 'load', 'daily_2', 'note']\n", "")
