"""The documentation holds: what it lists is what there is, its links lead somewhere, its marked commands work.

A fenced ``console`` block after a line ``<!-- run -->`` is executed: each ``$ command`` in turn, in a folder of the page's
own, which a line ``<!-- folder: shop -->`` makes a copy of ``examples/shop``. What stands below a command is its output, with
``...`` for anything; a command with nothing below it must merely succeed.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilotline.cli.commands import COMMANDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)])
ERROR_PAGES = sorted((DOCS / "reference" / "errors").glob("PL*.md"))
CODE = re.compile(r"PL\d{3}")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# Commands


def test_every_command_is_described_in_the_order_of_the_help():
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## pilotline (\w+)$", page, re.MULTILINE) == [command.name for command in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_of_a_command_is_described(command):
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    section = re.split(r"^## pilotline ", page, flags=re.MULTILINE)
    described = next(part for part in section if part.startswith(f"{command.name}\n"))
    parser = argparse.ArgumentParser(add_help=False)
    command.load().add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options if f"`{option}" not in described} == set()
    assert set(re.findall(r"^\| `(--[a-z-]+)", described, re.MULTILINE)) - options == set()


# Error codes


def codes_in_source() -> Counter[str]:
    """Every text in the source that is a code and nothing else; of classes, how many claim it."""
    found: Counter[str] = Counter()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.setdefault(node.value, 0)
            if isinstance(node, ast.ClassDef):
                found.update(codes_of_class(node))
    return found


def codes_of_class(node: ast.ClassDef) -> list[str]:
    return [
        statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(statement.value, ast.Constant)
        and CODE.fullmatch(str(statement.value.value))
        and ast.unparse(statement.targets[0] if isinstance(statement, ast.Assign) else statement.target) == "code"
    ]


def test_every_error_code_has_a_page_and_every_page_a_code():
    assert sorted(codes_in_source()) == [page.stem for page in ERROR_PAGES]


def test_no_two_errors_share_a_code():
    assert {code: classes for code, classes in codes_in_source().items() if classes > 1} == {}


@pytest.mark.parametrize("page", ERROR_PAGES, ids=lambda page: page.stem)
def test_an_error_page_says_what_happened_why_and_what_to_do(page):
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.stem}: \S.+\n", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What happened", "Why", "What to do"]
    sections = [part.partition("\n")[2].strip() for part in text.split("\n## ")[1:]]
    assert all(len(section) > 20 for section in sections)
    assert len(text.splitlines()) <= 25


# Links


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_project_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_codes_that_pages_speak_of_exist(page):
    spoken_of = set(CODE.findall(page.read_text(encoding="utf-8")))
    assert spoken_of - {error.stem for error in ERROR_PAGES} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_pages_type_exist(page):
    typed = re.findall(r"(?:^\$ |`)pilotline ([a-z]+)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(typed) - {command.name for command in COMMANDS} == set()


# Commands that are executed


@dataclass(frozen=True, slots=True)
class Typed:
    line: int
    command: str
    expected: str


def typed_in(page: str) -> list[Typed]:
    """The commands of all blocks that are marked to be run, with the output that is shown below each."""
    found: list[Typed] = []
    for block in re.finditer(r"^<!-- run -->\n+```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        line = page.count("\n", 0, block.start(1)) + 1
        for text in block[1].splitlines():
            if text.startswith("$ "):
                found.append(Typed(line, text[2:], ""))
            elif found:
                last = found.pop()
                found.append(Typed(last.line, last.command, f"{last.expected}{text}\n"))
            line += 1
    return found


def matches(expected: str, output: str) -> bool:
    """Whether the output is as shown, ``...`` standing for anything."""
    lines = [line.rstrip() for line in expected.splitlines()]
    pattern = "".join(
        "(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n" for line in lines
    )
    shown = "".join(line.rstrip() + "\n" for line in output.splitlines())
    return re.fullmatch(pattern, shown) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if typed_in(page.read_text(encoding="utf-8"))], ids=name_of)
def test_the_marked_commands_of_a_page_do_what_it_shows(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    folder = tmp_path / "project"
    if example := re.search(r"^<!-- folder: (\w+) -->$", text, re.MULTILINE):
        made = shutil.ignore_patterns(".pilotline", "data", "out", "__pycache__")
        shutil.copytree(ROOT / "examples" / example[1], folder, ignore=made)
    else:
        folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for typed in typed_in(text):
        ended = subprocess.run(
            ["sh", "-c", typed.command],
            cwd=folder,
            env={**os.environ, "PATH": path, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        where = f"{name_of(page)}:{typed.line}: $ {typed.command}\n{ended.stdout}"
        assert ended.returncode == 0, where
        assert not typed.expected or matches(typed.expected, ended.stdout), where


PAGE = """
<!-- run -->
```console
$ echo one; echo two
one
...
$ true
```

```console
$ false
```
"""


def test_only_marked_blocks_are_executed_with_the_output_below_each_command():
    assert typed_in(PAGE) == [Typed(4, "echo one; echo two", "one\n...\n"), Typed(7, "true", "")]


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("one\n", "one\n", True),
        ("one\n", "one \n", True),
        ("one\n", "two\n", False),
        ("one\n", "one\ntwo\n", False),
        ("one\n...\n", "one\ntwo\nthree\n", True),
        ("...\nthree\n", "one\ntwo\nthree\n", True),
        ("ran ... s\n", "ran 1.5 s\n", True),
        ("ran ... s\n", "ran 1.5 h\n", False),
    ],
)
def test_three_points_stand_for_anything(expected, output, same):
    assert matches(expected, output) is same
