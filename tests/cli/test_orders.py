"""What is submitted is looked at before it waits, and what is told of it is told in full and in this place's time."""

from __future__ import annotations

import json

import pytest

from pilotline.cli.main import main

MODULE = """
def times(n: int, by: int) -> int:
    return n * by


def pipeline(*, n: int = 3, day: str = "2026-01-01"):
    product = times(n, 2)
    return {"product": product}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pilotline.toml").write_text('namespace = "shop"\n')
    (tmp_path / "daily.py").write_text(MODULE)
    (tmp_path / "parts.py").write_text(MODULE)
    (tmp_path / "parts.toml").write_text('partition = "day"\n')
    return tmp_path


def call(capsys, *words: str):
    status = main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("daily", "--set", "m=1"), "PL303", "no parameter 'm'"),
        (("daily", "--set", "n=three"), "PL303", "'three' is no value for n, which takes int"),
        (("daily", "--partition", "2026-01-01"), "PL303", "daily has no partitions"),
        (("parts", "--partition", "2026-01-01", "--set", "day=2026-01-02"), "PL303", "day is set to '2026-01-02'"),
    ],
)
def test_what_a_worker_would_refuse_is_refused_when_it_is_submitted(shop, capsys, words, code, said):
    status, told = call(capsys, "submit", *words)
    assert (status, told["error"]["code"]) == (2, code)
    assert said in told["error"]["message"]
    assert call(capsys, "queue")[1]["orders"] == []


def test_a_partition_that_the_contract_no_longer_has_is_not_left_out_in_silence(shop, capsys):
    assert call(capsys, "submit", "parts", "--partition", "2026-01-02")[0] == 0
    (shop / "parts.toml").unlink()
    assert call(capsys, "worker", "--once")[0] == 0
    _, told = call(capsys, "queue", "1")
    assert (told["state"], told["because"].partition(":")[0]) == ("failed", "PL303")


def test_times_of_an_order_are_those_of_this_place(shop, capsys, monkeypatch):
    import re
    import time

    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        (shop / "daily.py").write_text(MODULE.replace("n * by", "n / 0"))
        assert call(capsys, "submit", "daily", "--attempts", "2")[0] == 0
        assert call(capsys, "worker", "--once")[0] == 0
        assert main(["queue", "1"]) == 0
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    said = capsys.readouterr().out
    claimed, again = re.search(r"(\S+ \d\d:\d\d):\d\d  claimed", said), re.search(r"again (\S+ \d\d:\d\d):\d\d", said)
    assert claimed
    assert again
    assert claimed[1][:10] == again[1][:10]
    assert claimed[1][11:13] in {again[1][11:13], f"{(int(again[1][11:13]) - 1) % 24:02}"}


def test_the_log_of_a_run_that_failed_ends_with_the_reason(shop, capsys):
    (shop / "daily.py").write_text(MODULE.replace("n * by", "n / 0"))
    assert call(capsys, "run", "daily")[0] == 1
    assert main(["logs", "daily"]) == 0
    assert "run-1 failed: PL310: step times raised ZeroDivisionError" in capsys.readouterr().out
