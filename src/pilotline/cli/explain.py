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
    parser.add_argument("code", nargs="?", help="such as PL151")


def pages() -> dict[str, Path]:
    """Code -> its page: beside the package where it is installed, in docs/ in a checkout."""
    here = Path(__file__).parent.parent
    for folder in (here / "pages", here.parent.parent / "docs" / "reference" / "errors"):
        found = {path.stem: path for path in sorted(folder.glob("PL*.md"))}
        if found:
            return found
    return {}


def run(args: Namespace, out: Out) -> int:
    """Print the page, or the list of codes."""
    known = pages()
    if args.code is None:
        rows = [[code, _title(path)] for code, path in known.items()]
        out.table(["code", "what"], rows)
        out.document({"codes": [{"code": code, "title": title} for code, title in rows]})
        return 0
    code = re.sub(r"^(?:PL)?(\d+)$", r"PL\1", args.code.strip().upper())
    if code not in known:
        raise UnknownCode(args.code, list(known))
    text = known[code].read_text(encoding="utf-8")
    out.say(text.rstrip())
    out.document({"code": code, "title": _title(known[code]), "text": text})
    return 0


def _title(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.partition(":")[2].strip() or first.lstrip("# ")
