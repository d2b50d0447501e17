from __future__ import annotations

from dataclasses import dataclass

import pytest

from pilotline.guest.keys import digest
from pilotline.run.code import Source

MODULE = '''
"""Revenue."""
import os
import time
from datetime import datetime

import pandas as pd

LIMIT = 10
OTHER = 5
RATES = {"EU": 1.2}


def helper(x):
    return x * OTHER


def deeper(x):
    return helper(x)


class Tool:
    size = LIMIT


def step(orders, *, low):
    """What it does."""
    kept = orders[orders.amount > LIMIT]
    return deeper(kept)


def by_text(orders):
    return orders.query("amount > @LIMIT and 1 < 2")


def unrelated():
    return RATES


def by_class():
    return Tool()


def by_lambda(orders):
    return orders.apply(lambda row: row * OTHER)


def shadowing(LIMIT):
    return [OTHER for OTHER in LIMIT]


def anything():
    return globals()["RATES"]
'''


def key(text: str, function: str) -> str:
    return digest(*Source(text).reached_from([function]).code)


@dataclass(frozen=True)
class Change:
    name: str
    old: str
    new: str
    #: The functions whose key it changes.
    changes: frozenset[str]


FUNCTIONS = ("step", "by_text", "unrelated", "by_class", "by_lambda", "shadowing", "anything")
CHANGES = [
    Change("a comment", "    kept = ", "    # the big ones\n    kept = ", frozenset()),
    Change("layout", "return x * OTHER", "return (\n        x\n        * OTHER\n    )", frozenset()),
    Change("a docstring", "What it does.", "What it really does.", frozenset()),
    Change("the module's docstring", "Revenue.", "Costs.", frozenset()),
    Change("its own code", "orders.amount >", "orders.amount >=", frozenset({"step", "anything"})),
    Change("a function it calls through another", "x * OTHER", "x + OTHER", frozenset({"step", "anything"})),
    Change("a constant", "LIMIT = 10", "LIMIT = 11", frozenset({"step", "by_text", "by_class", "anything"})),
    Change("a constant that a lambda reads", "OTHER = 5", "OTHER = 6", frozenset({"step", "by_lambda", "anything"})),
    Change("a constant nobody else reads", "1.2", "1.3", frozenset({"unrelated", "anything"})),
    Change("a setting of the module", "LIMIT = 10", "LIMIT = 10\npd.set_option('a', 1)", frozenset(FUNCTIONS)),
    Change("a new function", "class Tool", "def more():\n    return 1\n\n\nclass Tool", frozenset({"anything"})),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_key_changes_with_what_the_step_can_reach_and_with_nothing_else(change: Change):
    assert change.old in MODULE
    changed = MODULE.replace(change.old, change.new, 1)
    seen = {name for name in FUNCTIONS if key(MODULE, name) != key(changed, name)}
    assert seen == change.changes


@pytest.mark.parametrize(
    ("body", "clock"),
    [
        ("return time.time()", ["time.time() in line 4"]),
        ("return datetime.now()", ["datetime.now() in line 4"]),
        ("return pd.Timestamp('now')", ["pd.Timestamp() in line 4"]),
        ("return pd.Timestamp.today()", ["pd.Timestamp.today() in line 4"]),
        ("return time.perf_counter()", []),
        ("return time.gmtime(0)", []),
        ("return pd.Timestamp('2026-01-01')", []),
    ],
)
def test_calls_of_the_clock_are_read_off_the_code(body: str, clock: list[str]):
    source = Source(f"import time, datetime\nimport pandas as pd\ndef step():\n    {body}\n")
    assert source.reached_from(["step"]).reaches == [f"clock: {each}" for each in clock]


def test_environment_variables_files_and_modules_are_told():
    reached = Source(
        "import os\nfrom tools.clean import fix\n"
        "def step():\n"
        "    return fix(os.environ['MODE'], os.getenv('LEVEL'), open('data/x.csv'), 'not a path')\n"
    ).reached_from(["step"])
    assert reached.environ == {"MODE", "LEVEL"}
    assert reached.texts == {"data/x.csv"}
    assert reached.modules == {"os", "tools.clean", "tools.clean.fix", "tools"} - {"tools"}


def test_a_name_bound_twice_belongs_to_the_key_both_times():
    module = "A = 1\nA = A + 1\ndef step():\n    return A\n"
    assert key(module, "step") != key(module.replace("A = 1", "A = 2"), "step")
    assert key(module, "step") != key(module.replace("+ 1", "+ 2"), "step")


@pytest.mark.parametrize(
    ("body", "variables"),
    [
        ("return os.environ['A'], 'B' in os.environ, os.environ.get('C', ''), os.getenv('D')", {"A", "B", "C", "D"}),
        ("os.environ['A'] = '1'; os.environ.update(B='2'); os.environ.setdefault('C', '3')", {"A"}),
        ("return os.environ[name]", {"*"}),
        ("return os.getenv(name)", {"*"}),
        ("return dict(os.environ)", {"*"}),
        ("return {key: environ[key] for key in environ}", {"*"}),
    ],
)
def test_variables_are_told_by_name_or_all_of_them(body: str, variables: set[str]):
    source = Source(f"import os\nfrom os import environ\ndef step(name):\n    {body}\n")
    assert source.reached_from(["step"]).environ == variables


@pytest.mark.parametrize(
    ("body", "reaches"),
    [
        ("return pl.read_csv('s3://bucket/x.csv')", ["network: s3:// in line 3"]),
        (
            "return create_engine(f'postgresql+psycopg2://{name}@host/db')",
            ["network: postgresql+psycopg2:// in line 3"],
        ),
        ("import psycopg2; return psycopg2.connect(name)", ["network: the module psycopg2"]),
        ("return 'http://www.w3.org/ns'", []),
    ],
)
def test_what_libraries_in_c_would_reach_unseen_is_read_off_the_code(body: str, reaches: list[str]):
    assert Source(f"import polars as pl\ndef step(name):\n    {body}\n").reached_from(["step"]).reaches == reaches
