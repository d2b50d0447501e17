"""Numbers are written by one rule, wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import pilotline
from pilotline.domain.numbers import amount, plural


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (amount(7), "7"),
        (amount(3562), "3 562"),
        (amount(-1_234_567), "-1 234 567"),
        (amount(71573.125, ".1f"), "71 573.1"),
        (amount(2237165.57, ".6g"), "2.23717e+06"),
        (plural(1, "row"), "1 row"),
        (plural(3562, "row"), "3 562 rows"),
        (plural(0, "branch"), "0 branches"),
    ],
)
def test_thousands_stand_apart_by_a_blank(said, expected):
    assert said == expected


def test_no_other_code_writes_thousands_by_a_rule_of_its_own():
    package = Path(pilotline.__file__).parent
    others = [
        path.name
        for path in package.rglob("*.py")
        if path.name != "numbers.py"
        and any(rule in path.read_text(encoding="utf-8") for rule in (":,}", ':,".', ":,."))
    ]
    assert others == []
