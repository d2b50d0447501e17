"""What is submitted is looked at before it waits, and what is told of it is told in full and in this place's time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

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
        (("daily", "--release", "nix"), "PL561", "no release 'nix'"),
        (("daily", "--onto", "nix"), "PL203", "no branch 'nix'"),
        (("daily", "--due", "99999999999d"), "PL514", "is no time"),
        (("daily", "--timeout", "nan"), "PL001", "'nan' is no number of seconds"),
        (("daily", "--timeout", "1e300"), "PL001", "'1e300' is no number of seconds"),
        (("daily", "--priority", "9" * 20), "PL001", "no whole number from -1000000"),
        (("daily", "--attempts", "0"), "PL001", "no whole number from 1"),
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


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("queue", "9" * 30), "PL510"),
        (("queue", "²"), "PL510"),
        (("cancel", "9" * 30), "PL510"),
        (("logs", "9" * 30), "PL306"),
        (("logs", "²"), "PL306"),
        (("queue", "-n", "0"), "PL001"),
        (("releases", "-n", "9" * 20), "PL001"),
        (("usage", "--days", "9" * 12), "PL001"),
        (("factory", "--workers", "-1"), "PL001"),
        (("factory", "--lease", "nan"), "PL001"),
        (("serve", "--port", "99999"), "PL001"),
        (("ci", "--kind", "docker"), "PL001"),
        (("land", "daily", "--after", ""), "PL001"),
        (("lineage", "--openlineage", "ftp://x"), "PL001"),
        (("backfill", "parts", "--value", ""), "PL532"),
        (("backfill", "parts", "--from", "2026-13-01", "--to", "2026-13-02"), "PL532"),
    ],
)
def test_numbers_and_names_that_nothing_has_are_refused_by_code(shop, capsys, words, code):
    status, told = call(capsys, *words)
    assert (status, told["error"]["code"]) == (2, code), told


def test_years_may_go_to_the_last_one(shop, capsys):
    _, told = call(capsys, "backfill", "parts", "--from", "0998", "--to", "9999", "--dry-run")
    assert (told["partitions"][0]["value"], told["partitions"][-1]["value"]) == ("0998", "9999")


def test_a_page_is_written_into_a_folder_that_is_made_and_what_cannot_be_written_is_said_by_code(shop, capsys):
    days = ("backfill", "parts", "--value", "2026-01-01", "--dry-run", "--html")
    assert call(capsys, *days, str(shop / "new" / "page.html"))[0] == 0
    assert (shop / "new" / "page.html").read_text().startswith("<!doctype html>")
    for path in (shop, shop / "daily.py" / "page.html"):
        status, told = call(capsys, *days, str(path))
        assert (status, told["error"]["code"]) == (2, "PL360")
    status, told = call(capsys, "lineage", "--openlineage", str(shop / "none" / "runs.jsonl"))
    assert (status, told) == (0, {"runs": 0, "events": 0, "last": 0})


def test_a_terminal_without_its_signs_and_a_full_disk_behind_it_end_no_command_in_a_bug(shop):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    picture = [sys.executable, "-m", "pilotline", "backfill", "parts", "--value", "Köln", "--dry-run"]
    done = subprocess.run(picture, capture_output=True, env=ascii_only, check=False, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, b"K?ln  .", b"")
    done = subprocess.run([*picture, "--json"], capture_output=True, env=ascii_only, check=False, timeout=60)
    assert json.loads(done.stdout)["partitions"][0]["value"] == "Köln"
    for words in (picture, [*picture, "--json"]):
        with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert done.stderr.count("PL360: ") == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("after shop.orders", "shop/daily runs after shop.orders: nobody can know when"),
        ("once 2020-12-01T06:00Z", "shop/daily runs once 2020-12-01T06:00Z: there is no next time"),
    ],
)
def test_a_schedule_without_a_next_time_says_whether_one_can_be_known(shop, capsys, schedule, said):
    assert main(["schedule", "set", "daily", "--schedule", "0 6 * * *"]) == 0
    (shop / "daily.toml").write_text(f'schedule = "{schedule}"\n')
    assert main(["schedule", "set", "daily"]) == 0
    capsys.readouterr()
    assert main(["schedule", "next", "daily"]) == 0
    assert capsys.readouterr().out.strip() == said


def test_times_that_lie_seconds_apart_are_told_apart(shop, capsys):
    (shop / "daily.toml").write_text('schedule = "every 5s"\n')
    assert main(["schedule", "set", "daily"]) == 0
    capsys.readouterr()
    assert main(["schedule", "next", "daily", "--times", "20"]) == 0
    assert len(set(capsys.readouterr().out.splitlines())) == 20
