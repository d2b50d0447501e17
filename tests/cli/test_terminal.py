from __future__ import annotations

import json
import os
import pty
import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from pilotline.cli.documents import dumps, plain
from pilotline.cli.progress import Progress, spell_seconds
from pilotline.cli.terminal import Out, table_lines, wants_colour


def test_a_table_aligns_words_left_and_numbers_right():
    rows = [["shop.orders", 40_000, None, True], ["shop.daily", 7, 0.123456789, False]]
    assert table_lines(["table", "rows", "share", "new"], rows) == [
        "table          rows     share  new",
        "shop.orders  40 000         -  yes",
        "shop.daily        7  0.123457  no",
    ]


def test_an_empty_table_is_its_heads():
    assert table_lines(["table", "rows"], []) == ["table  rows"]


def test_the_widest_column_is_cut_to_the_terminals_width():
    assert table_lines(["code", "what"], [["PL1", "a very long sentence indeed"]], width=20) == [
        "code  what",
        "PL1   a very long...",
    ]


def test_nothing_is_cut_in_a_pipe():
    text = "x" * 500
    out = Out(json=False, stdout=StringIO(), stderr=StringIO(), environ={})
    out.table(["what"], [[text]])
    assert out.stdout.getvalue() == f"what\n{text}\n"


def test_signs_that_take_two_columns_count_as_two():
    assert table_lines(["name", "n"], [["東京", 1], ["Oslo", 2]]) == ["name  n", "東京  1", "Oslo  2"]


def test_a_cell_is_one_line_whatever_is_in_it():
    assert table_lines(["what"], [["a\nb\tc"]]) == ["what", "a b c"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_colour_in_a_pipe_is_decided_by_the_environment(environ, expected):
    assert wants_colour(StringIO(), environ) is expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_as_exact_as_one_wants_to_read_them(seconds, expected):
    assert spell_seconds(seconds) == expected


def test_the_line_of_progress_says_what_how_far_how_long_and_how_much_longer():
    progress = Progress("lift shop.ipynb", None, 80)
    assert progress.line(1.0) == "lift shop.ipynb · 1 s"
    progress.step("proving")
    progress.reach(3, 4)
    assert progress.line(12.0) == "lift shop.ipynb: proving · 3 of 4 · 12 s, about 4 s left"


def test_progress_is_silent_in_a_pipe():
    out = Out(json=False, stdout=StringIO(), stderr=StringIO(), environ={})
    with out.progress("lift") as progress:
        progress.step("proving")
        time.sleep(0.7)
    assert (out.stdout.getvalue(), out.stderr.getvalue()) == ("", "")


def test_progress_is_drawn_on_a_terminal_and_leaves_nothing_behind():
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        out = Out(json=False, stdout=StringIO(), stderr=terminal, environ={"TERM": "xterm"})
        with out.progress("lift") as progress:
            progress.step("proving")
            drawn = os.read(ours, 10_000).decode()
            out.say("text in between")
        rest = os.read(ours, 10_000).decode()
    os.close(ours)
    assert re.fullmatch(r"(\r\x1b\[2Klift: proving · \d+(\.\d)? s)+", drawn)
    assert rest.endswith("\r\x1b[2K")
    assert out.stdout.getvalue() == "text in between\n"


@dataclass(frozen=True)
class Row:
    table: str
    rows: int


class Scalar:
    shape = ()

    def item(self):
        return 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (1.5, 1.5),
        (Path("a") / "b", "a/b"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=2), 120.0),
        (Row("shop.orders", 2), {"table": "shop.orders", "rows": 2}),
        ({1: (Row("a", 1),)}, {"1": [{"table": "a", "rows": 1}]}),
        ({"b", "a"}, ["a", "b"]),
        (Scalar(), 3),
        (b"\xff", "b'\\xff'"),
        (None, None),
    ],
)
def test_a_document_holds_any_value_in_terms_of_json(value, expected):
    assert plain(value) == expected
    assert json.loads(dumps(value)) == expected
