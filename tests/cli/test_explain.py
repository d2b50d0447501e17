from __future__ import annotations

import json

import pytest

from pilotline.cli.explain import pages, sections_of, title_of

PAGE = """# PL002: there is no such command

## What happened
The first word is none.

## Why
It was mistyped.

## What to do
Type another.
"""


def test_a_page_has_a_title_and_three_sections():
    assert title_of(PAGE) == "there is no such command"
    assert sections_of(PAGE) == {
        "what_happened": "The first word is none.",
        "why": "It was mistyped.",
        "what_to_do": "Type another.",
    }


@pytest.mark.parametrize("asked", ["PL002", "pl002", "002", "2"])
def test_a_code_is_explained_by_its_page(pilotline, asked):
    said = pilotline("explain", asked)
    page = pages()["PL002"].read_text(encoding="utf-8")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == page.replace("## ", "").replace("# ", "")


def test_the_page_as_json_has_its_sections(pilotline):
    document = json.loads(pilotline("explain", "PL002", "--json").stdout)
    assert list(document) == ["code", "title", "what_happened", "why", "what_to_do"]
    assert (document["code"], document["title"]) == ("PL002", title_of(pages()["PL002"].read_text(encoding="utf-8")))


def test_without_a_code_all_are_listed(pilotline):
    lines = pilotline("explain").stdout.splitlines()
    assert lines[0].split() == ["code", "what"]
    assert [line.split()[0] for line in lines[1:]] == list(pages())


def test_a_wrong_code_gets_near_ones_and_status_2(pilotline):
    said = pilotline("explain", "PLOO2")
    assert (said.returncode, said.stdout) == (2, "")
    facts, following = said.stderr.splitlines()
    assert facts.startswith("PL003: there is no error code 'PLOO2'. Did you mean PL002")
    assert following == "  next: pilotline explain"
