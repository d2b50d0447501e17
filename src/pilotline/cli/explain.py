"""Print what an error code means and what to do about it; without a code, list all codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.errors import UnknownCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "explain"
HELP = "print what an error code means and what to do"


def add_arguments(parser: ArgumentParser) -> None:
    """The code."""
    parser.add_argument("code", nargs="?", help="such as PL151; all codes are listed without one")


def pages() -> dict[str, Path]:
    """Code -> its page: beside the package where it is installed, in docs/ in a checkout."""
    package = Path(__file__).parent.parent
    for folder in (package / "pages" / "errors", package.parent.parent / "docs" / "reference" / "errors"):
        found = {path.stem: path for path in sorted(folder.glob("PL[0-9]*.md"))}
        if found:
            return found
    return {}


def run(args: Namespace, out: Out) -> int:
    """Print the page, or the list of codes.

    Raises:
        UnknownCode: there is no such code.
    """
    known = pages()
    if args.code is None:
        codes = [{"code": code, "title": title_of(path.read_text(encoding="utf-8"))} for code, path in known.items()]
        out.table(["code", "what"], [list(one.values()) for one in codes])
        out.document({"codes": codes})
        return 0
    number = re.fullmatch(r"(?:PL)?(\d+)", args.code.strip().upper())
    code = f"PL{number[1]:0>3}" if number else args.code
    if code not in known:
        raise UnknownCode(args.code, list(known))
    text = known[code].read_text(encoding="utf-8").strip()
    for line in text.splitlines():
        out.say(out.styled(line.lstrip("# "), "bold") if line.startswith("#") else line)
    out.document({"code": code, "title": title_of(text), **sections_of(text)})
    return 0


def title_of(page: str) -> str:
    """What stands after the code in the page's first line."""
    first = page.partition("\n")[0].lstrip("# ")
    return first.partition(": ")[2] or first


def sections_of(page: str) -> dict[str, str]:
    """The page's sections under JSON names: ``what_happened``, ``why``, ``what_to_do``."""
    sections = [part.partition("\n") for part in page.split("\n## ")[1:]]
    return {heading.strip().lower().replace(" ", "_"): text.strip() for heading, _, text in sections}
