from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest

from pilotline import __version__
from pilotline.cli import commands, main
from pilotline.cli.commands import COMMANDS, Command
from pilotline.domain.errors import PilotlineError


def test_help_names_every_command_in_its_order(pilotline):
    said = pilotline("--help")
    assert (said.returncode, said.stderr) == (0, "")
    listed = [line.split()[0] for line in said.stdout.splitlines() if line.startswith("  ")]
    assert listed == [command.name for command in COMMANDS]


@pytest.mark.parametrize("words", [["help"], ["-h"], ["--help"]])
def test_help_is_found_under_any_of_its_names(pilotline, words):
    assert pilotline(*words).stdout == pilotline("--help").stdout


def test_without_a_command_the_help_is_shown_and_the_status_says_bad_usage(pilotline):
    said = pilotline()
    assert (said.returncode, said.stdout) == (2, pilotline("--help").stdout)


def test_help_as_json_is_the_list_of_commands(pilotline):
    document = json.loads(pilotline("--help", "--json").stdout)
    assert document == {"commands": [{"name": command.name, "help": command.help} for command in COMMANDS]}


def test_version_is_the_packages(pilotline):
    assert pilotline("--version").stdout == f"pilotline {__version__}\n"
    assert json.loads(pilotline("--version", "--json").stdout) == {"version": __version__}


def test_help_of_a_command_is_its_own(pilotline):
    said = pilotline("help", "explain")
    assert said.returncode == 0
    assert said.stdout.startswith("usage: pilotline explain [-h] [--json] [code]\n\nPrint what an error code means")
    assert said.stdout == pilotline("explain", "--help").stdout


def test_a_wrong_command_gets_near_names_and_status_2(pilotline):
    said = pilotline("lfit", "x.ipynb")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == "PL002: there is no command 'lfit'. Did you mean lift or limit?\n  next: pilotline --help\n"


def test_a_wrong_option_gets_near_names_and_status_2(pilotline):
    said = pilotline("lift", "x.ipynb", "--tiemout=3")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == (
        "PL001: pilotline lift has no use for '--tiemout'. Did you mean --timeout?\n  next: pilotline lift --help\n"
    )


@pytest.mark.parametrize(
    "command", ["deploy --commit", "queue", "releases --use", "schedule pause", "cancel", "show", "lift"]
)
def test_a_word_in_another_encoding_than_utf_8_is_refused(pilotline, command):
    said = pilotline(*command.split(), os.fsdecode(b"Erl\xf6se"))
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith(f"PL001: pilotline {command.split()[0]}: 'Erl\\udcf6se' is no text: ")


@pytest.mark.parametrize(
    ("command", "code"),
    [("plan", "PL301"), ("submit", "PL301"), ("ci", "PL301"), ("backfill", "PL301"), ("plan --python", "PL307")],
)
def test_what_is_too_long_for_a_name_is_not_there(tmp_path, monkeypatch, capsys, command, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "explore.py").write_text("def pipeline():\n    return {}\n")
    assert main.main([*command.split(), "x" * 5000]) == 2
    assert capsys.readouterr().err.startswith(code)


def test_a_wrong_option_before_the_command_is_refused(pilotline):
    said = pilotline("--jsno", "ls")
    assert (said.returncode, said.stderr) == (
        2,
        "PL001: pilotline has no use for '--jsno'. Did you mean --json?\n  next: pilotline --help\n",
    )


def test_a_missing_argument_is_one_sentence(pilotline):
    said = pilotline("lift")
    assert said.returncode == 2
    assert said.stderr == (
        "PL001: pilotline lift: the following arguments are required: notebook.\n  next: pilotline lift --help\n"
    )


@pytest.mark.parametrize("words", [["--json", "lfit"], ["lfit", "--json"]])
def test_an_error_as_json_is_the_one_document_and_the_text_goes_to_stderr(pilotline, words):
    said = pilotline(*words)
    assert said.returncode == 2
    assert json.loads(said.stdout) == {
        "error": {
            "code": "PL002",
            "message": "there is no command 'lfit'. Did you mean lift or limit?",
            "try_next": "pilotline --help",
            "facts": {"command": "lfit", "known": [command.name for command in COMMANDS]},
        }
    }
    assert said.stderr.startswith("PL002: ")


def test_every_command_of_the_table_says_of_itself_what_the_table_says():
    for command in COMMANDS:
        if find_spec(command.module):
            module = import_module(command.module)
            assert (command.name, command.help) == (module.NAME, module.HELP)


class Fake(ModuleType):
    """A command that does what a test says."""

    NAME = "fake"
    HELP = "do what a test says"

    def __init__(self, action):
        super().__init__("fake_command", "Do what a test says.")
        self.action = action

    def add_arguments(self, parser):
        parser.add_argument("--rows", type=int)

    def run(self, args, out):
        return self.action(args, out)


@pytest.fixture
def fake(monkeypatch, capsys):
    def call(action, *words):
        monkeypatch.setitem(sys.modules, "fake_command", Fake(action))
        table = [Command("fake", "fake_command", Fake.HELP)]
        monkeypatch.setattr(commands, "COMMANDS", table)
        status = main.main(["fake", *words])
        return status, *capsys.readouterr()

    return call


def says_both(args, out):
    out.say("two tables")
    out.document({"tables": 2, "rows": args.rows})
    return 1


def test_text_goes_to_stdout_and_the_commands_status_is_kept(fake):
    assert fake(says_both) == (1, "two tables\n", "")


def test_with_json_stdout_is_the_document_and_text_goes_to_stderr(fake):
    status, stdout, stderr = fake(says_both, "--json", "--rows", "7")
    assert (status, json.loads(stdout), stderr) == (1, {"tables": 2, "rows": 7}, "two tables\n")


def test_an_error_after_the_document_replaces_it(fake):
    def action(_, out):
        out.document({"done": True})
        raise PilotlineError("no", try_next="yes", at=3)

    status, stdout, stderr = fake(action, "--json")
    error = {"code": "PL000", "message": "no", "try_next": "yes", "facts": {"at": 3}}
    assert (status, json.loads(stdout), stderr) == (1, {"error": error}, "PL000: no\n  next: yes\n")


def crash(*_):
    raise KeyError("lost")


def test_an_exception_of_ours_is_called_a_bug_and_has_a_status_of_its_own(fake):
    status, stdout, stderr = fake(crash)
    assert (status, stdout) == (70, "")
    first, second = stderr.splitlines()
    assert first.startswith(
        "PL000: this is a bug in Pilotline, not in your work: KeyError: 'lost' (test_main.py, line "
    )
    assert second == "  next: run it again with PILOTLINE_DEBUG=1 and report what it prints"


def test_the_traceback_of_a_bug_is_shown_where_asked_for(fake, monkeypatch):
    monkeypatch.setenv("PILOTLINE_DEBUG", "1")
    status, _, stderr = fake(crash)
    assert status == 70
    assert "Traceback (most recent call last):" in stderr
    assert stderr.endswith("KeyError: 'lost'\n")


def test_a_command_whose_module_is_missing_is_a_bug_and_no_traceback(fake, monkeypatch):
    monkeypatch.setattr(commands, "COMMANDS", [Command("gone", "pilotline.cli.never_written", "")])
    assert main.main(["gone"]) == 70


def test_ctrl_c_ends_with_130_and_one_sentence(fake):
    def interrupted(*_):
        raise KeyboardInterrupt

    status, stdout, stderr = fake(interrupted, "--json")
    assert status == 130
    assert stderr == "PL005: stopped by the keyboard; nothing is half published.\n"
    assert json.loads(stdout)["error"]["code"] == "PL005"


def test_a_second_document_is_a_bug(fake):
    def twice(_, out):
        out.document(1)
        out.document(2)

    assert fake(twice, "--json")[0] == 70


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    code = "import sys; from pilotline.cli.main import main; sys.exit(main(['explain']))"
    head, tail = os.pipe()
    os.close(head)
    ended = subprocess.run([sys.executable, "-c", code], stdout=tail, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(tail)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_on_a_terminal_commands_are_coloured_unless_no_color_says_otherwise(tmp_path):
    def on_a_terminal(**environ):
        ours, theirs = pty.openpty()
        clean = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
        subprocess.run(
            [sys.executable, "-m", "pilotline", "--help"],
            stdout=theirs,
            env=clean | {"TERM": "xterm"} | environ,
            check=True,
            timeout=60,
        )
        os.close(theirs)
        said = os.read(ours, 100_000)
        os.close(ours)
        return said

    assert b"\x1b[36mlift" in on_a_terminal()
    assert b"\x1b" not in on_a_terminal(NO_COLOR="1")


def test_colour_can_be_forced_into_a_pipe(pilotline):
    assert "\x1b[36mlift" in pilotline("--help", FORCE_COLOR="1").stdout
    assert "\x1b" not in pilotline("--help").stdout


def test_a_commands_help_wraps_its_text_and_keeps_its_examples(fake, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    told = Fake(lambda *_: 0)
    told.__doc__ = "Do what a test says, at some length.\n\npilotline fake --rows 3   three, in some more words\npilotline fake            none\n"
    monkeypatch.setitem(sys.modules, "told_command", told)
    monkeypatch.setattr(commands, "COMMANDS", [Command("told", "told_command", "")])
    assert main.main(["told", "--help"]) == 0
    assert (
        "\n\nDo what a test says, at some length.\n\npilotline fake --rows 3   three, in some more words\npilotline fake            none\n"
        in (capsys.readouterr().out)
    )
