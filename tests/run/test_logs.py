"""What a run prints is kept line by line, by step, live, and without the values of secrets, wherever it is stored or shown."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pilotline.domain.errors import PilotlineError
from pilotline.run.logs import Logs
from pilotline.run.opening import open_lake_here
from pilotline.run.output import Line, Output
from pilotline.run.redacting import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import Project

HELD = "hunter2-Wachtmeister&Söhne/4711"

MODULE = """
    import os
    import subprocess
    import sys

    import pandas as pd

    print("importing", os.environ["SHOP_PASSWORD"])


    def read() -> pd.DataFrame:
        print("reading with", os.environ["SHOP_PASSWORD"])
        print("a warning", file=sys.stderr)
        os.write(1, b"written past Python\\n")
        subprocess.run(["sh", "-c", 'echo "from a child: $SHOP_PASSWORD"'])
        # In two pieces, with a pause, so that no single write holds all of it.
        password = os.environ["SHOP_PASSWORD"].encode()
        os.write(2, b"half " + password[:9])
        __import__("time").sleep(0.1)
        os.write(2, password[9:] + b" whole\\n")
        return pd.DataFrame({"a": [1, 2]})


    def note(frame) -> str:
        print("noting without a newline", end="")
        return "token=" + os.environ["SHOP_PASSWORD"]


    def pipeline(*, label: str = "none"):
        frame = read()
        said = note(frame)
        return {"frame": frame, "said": said}
"""
CONTRACT = '[secrets]\nSHOP_PASSWORD = "of the shop"\n'


@pytest.fixture(params=["sqlite", "postgres"])
def noisy(project: Project, request, monkeypatch) -> Project:
    if request.param == "postgres":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
    monkeypatch.setenv("SHOP_PASSWORD", HELD)
    project.write("explore.py", MODULE)
    project.write("explore.toml", CONTRACT + '\n[repeatable]\nread = ["processes", "clock"]\n')
    return project


def lines_of(project: Project, number: int) -> list[tuple[str, str, str]]:
    _, records = open_lake_here(project.folder)
    return [(line.stream, line.step, line.text) for line in Logs(records.database).after(number)[1]]


def test_every_line_belongs_to_its_step_and_stream_whoever_wrote_it(noisy):
    noisy.run()
    assert [text for stream, step, text in lines_of(noisy, 1) if step == "" and stream == "stdout"] == [
        "importing <SHOP_PASSWORD>"
    ]
    assert [text for stream, step, text in lines_of(noisy, 1) if (stream, step) == ("stdout", "read")] == [
        "reading with <SHOP_PASSWORD>",
        "written past Python",
        "from a child: <SHOP_PASSWORD>",
    ]
    assert [text for stream, step, text in lines_of(noisy, 1) if stream == "stderr"] == [
        "a warning",
        "half <SHOP_PASSWORD> whole",
    ]
    assert [text for _, step, text in lines_of(noisy, 1) if step == "note"] == ["noting without a newline"]
    kept = [json.loads(line) for line in (noisy.folder / ".pilotline/runs/run-1/output.jsonl").read_text().splitlines()]
    assert [(each["stream"], each["step"] or "", each["text"]) for each in kept if each["stream"] == "stdout"] == [
        line for line in lines_of(noisy, 1) if line[0] == "stdout"
    ]


def forms() -> list[bytes]:
    quoted = "hunter2-Wachtmeister%26S%C3%B6hne%2F4711"
    return [HELD.encode(), quoted.encode(), json.dumps(HELD)[1:-1].encode(), base64.b64encode(HELD.encode())]


def stored(project: Project) -> dict[str, bytes]:
    """Every file that a run left, but for what steps gave, and every row of the database."""
    own = project.folder / ".pilotline"
    found = {str(path): path.read_bytes() for path in (own / "runs").rglob("*") if path.is_file()}
    for path in own.glob("catalog.sqlite*"):
        found[str(path)] = path.read_bytes()
    lake, _ = open_lake_here(project.folder)
    with lake.database.reading() as tx:
        for table in ("run", "run_event", "step_result", "metric", "artifact", "lineage", "verdict", "run_output"):
            found[f"table {table}"] = repr(tx.execute(f"SELECT * FROM {table}")).encode()
    return found


def test_a_secret_is_in_no_file_of_a_run_no_row_and_no_output(noisy, capfd):
    outcome = noisy.run(parameters={"label": HELD})
    noisy.replace("explore.py", 'return "token="', 'raise ValueError("bad " + os.environ["SHOP_PASSWORD"]) # ')
    with pytest.raises(PilotlineError) as failed:
        noisy.run(parameters={"label": HELD})
    assert {where for where, data in stored(noisy).items() for form in forms() if form in data} == set()
    said = f"{outcome} {failed.value.as_json()} {failed.value} {noisy.events} {capfd.readouterr()}"
    assert [form for form in forms() if form.decode() in said] == []
    assert "<SHOP_PASSWORD>" in failed.value.message


def test_what_was_printed_last_is_kept_when_the_process_is_killed(noisy):
    noisy.replace(
        "explore.py", 'print("noting without a newline", end="")', 'print("last words"); os.kill(os.getpid(), 9)'
    )
    with pytest.raises(PilotlineError) as died:
        noisy.run()
    assert died.value.code == "PL312"
    assert ("stdout", "note", "last words") in lines_of(noisy, 1)


def pilotline(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pilotline", *words], cwd=project.folder, capture_output=True, encoding="utf-8",
        check=False, timeout=120,
    )  # fmt: skip


def test_the_command_shows_both_kinds_by_step_and_by_expression(noisy):
    noisy.run()
    said = json.loads(pilotline(noisy, "logs", "run-1", "--json").stdout)
    assert (said["run"], said["state"]) == ("run-1", "published")
    assert {line["from"] for line in said["lines"]} == {"user", "ours"}
    assert [line["at"] for line in said["lines"]] == sorted(line["at"] for line in said["lines"])
    assert [line["event"] for line in said["lines"] if line["from"] == "ours"][-1] == "published"
    only = json.loads(
        pilotline(noisy, "logs", "explore", "--step", "read", "--only", "user", "--grep", "^a w", "--json").stdout
    )
    assert [(line["stream"], line["text"]) for line in only["lines"]] == [("stderr", "a warning")]
    text = pilotline(noisy, "logs", "1", "--only", "ours").stdout
    assert "· step read computed in" in text
    assert "· wrote shop.frame, 2 rows (replace)" in text
    assert pilotline(noisy, "logs", "99").stderr.startswith("PL306")
    assert pilotline(noisy, "logs", "1", "--grep", "(").returncode == 2


def test_follow_shows_lines_while_they_come_and_ends_with_the_run(noisy):
    noisy.write("slow.toml", '[repeatable]\nwait = ["clock"]\n')
    noisy.write(
        "slow.py",
        """
        import time
        from pathlib import Path


        def wait(gate: str) -> int:
            print("waiting")
            while not Path(gate).exists():
                time.sleep(0.02)
            print("gone on")
            return 1


        def pipeline(*, gate: str = "never"):
            one = wait(gate)
            return {"one": one}
        """,
    )
    gate = noisy.folder.parent / "gate"
    here = [sys.executable, "-m", "pilotline"]
    run = subprocess.Popen([*here, "run", "slow", "--set", f"gate={gate}"], cwd=noisy.folder, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not any(text == "waiting" for _, _, text in lines_of(noisy, 1)):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert run.poll() is None, "the line is there while the run goes on"
        follow = subprocess.Popen(
            [*here, "logs", "slow", "--follow", "--only", "user"], cwd=noisy.folder, stdout=subprocess.PIPE, text=True
        )
        assert follow.stdout.readline().rstrip().endswith("wait  waiting")
        gate.touch()
        assert follow.stdout.readline().rstrip().endswith("wait  gone on")
        assert follow.wait(60) == 0
        assert run.wait(60) == 0
    finally:
        run.kill()
        run.wait()
    follow.stdout.close()


# What reads the pipes, by itself.


def printed(tmp_path: Path, *pieces: bytes, secret: str = "") -> list[Line]:
    redactor = Redactor.of(["TOKEN"], {"TOKEN": secret})
    output = Output(tmp_path, redactor, "abc")
    theirs, ours = os.pipe()
    output.listen("stdout", theirs)
    for piece in pieces:
        os.write(ours, piece)
        time.sleep(0.01)
    os.close(ours)
    output.end()
    return output.take()


def test_a_mark_that_comes_in_pieces_is_a_mark(tmp_path):
    lines = printed(tmp_path, b"one\ntw", b"o\x1e", b"abc st", b"ep\nthree\n\x1eabc \nfour")
    assert [(line.step, line.text) for line in lines] == [("", "one"), ("", "two"), ("step", "three"), ("", "four")]


def test_what_only_looks_like_a_mark_is_text(tmp_path):
    assert [line.text for line in printed(tmp_path, b"\x1eabd step\n\x1e", b"x\n")] == ["\x1eabd step", "\x1ex"]


def test_a_line_without_end_is_given_out_in_pieces_and_no_secret_hides_in_the_seam(tmp_path):
    held = "0123456789abcdef"
    pieces = [b"x" * 60_000, b"y" * 5_530 + held[:8].encode(), held[8:].encode() + b"z" * 70_000, b"\nend\n"]
    lines = printed(tmp_path, *pieces, secret=held)
    whole = "".join(line.text for line in lines[:-1])
    assert whole == "x" * 60_000 + "y" * 5_530 + "<TOKEN>" + "z" * 70_000
    assert len(lines) > 2
    assert lines[-1].text == "end"


def test_what_is_printed_beyond_the_limit_is_cut_and_said_to_be(tmp_path):
    lines = printed(tmp_path, *[(b"x" * 999 + b"\n") * 50] * 162)
    assert lines[-1].text == "[cut: more was printed]"
    assert sum(len(line.text) + 1 for line in lines) <= 8_000_100


@pytest.mark.parametrize(
    "text",
    [
        HELD,
        "https://me:hunter2-Wachtmeister%26S%C3%B6hne%2F4711@host",
        json.dumps({"a": HELD}),
        repr([HELD + "\\"]),
    ],
)
def test_a_secret_is_known_in_the_forms_in_which_it_is_written(text):
    assert "Wachtmeister" not in Redactor.of(["SHOP"], {"SHOP": HELD}).text(text)


def test_a_secret_of_several_lines_is_known_line_by_line_and_a_short_one_not_at_all():
    redactor = Redactor.of(["KEY", "SHORT"], {"KEY": "-----BEGIN KEY-----\nMIIEvQIBADANBg\n", "SHORT": "abc"})
    assert redactor.text("it is MIIEvQIBADANBg abc") == "it is <KEY> abc"


def test_a_variable_that_is_called_like_a_secret_is_one_though_no_contract_lists_it():
    held = {
        "SHOP_TOKEN": "s3cr3t-Value-9", "DB_PASSWORD": "correct-horse", "API_KEY": "x7", "DB_PASS": "postgres",
        "SHOP_REGION": "eu-central-1", "PWD": "/srv/shop-2026",
    }  # fmt: skip
    text = "s3cr3t-Value-9 correct-horse x7 postgres eu-central-1 /srv/shop-2026"
    assert Redactor.of([], held).text(text) == "<SHOP_TOKEN> <DB_PASSWORD> x7 postgres eu-central-1 /srv/shop-2026"
