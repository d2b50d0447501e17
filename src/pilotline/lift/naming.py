"""Names and docstrings of steps: after what they produce, in the words of the notebook where it has some."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from pilotline.guest.names import is_builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.notebooks import Notebook
    from pilotline.lift.grouping import Group
    from pilotline.lift.parts import Parts

#: What a call in a step tells of its work, the strongest first.
_VERBS: tuple[tuple[str, str], ...] = (
    (r"\.(fit|fit_transform|partial_fit)\(", "fit"),
    (r"\btrain_test_split\(", "split"),
    (
        r"\.(score|mean_squared_error)\(|\b(mean_squared_error|accuracy_score|r2_score|f1_score|cross_val_score)\(",
        "score",
    ),
    (r"\.predict(_proba)?\(", "predict"),
    (r"\.(merge|join)\(|\bconcat\(|\bmerge\(", "join"),
    (r"\.(groupby|pivot_table|resample|agg|crosstab)\(|\bpivot_table\(|\bcrosstab\(", "summarise"),
    (
        r"\.(dropna|fillna|drop|drop_duplicates|rename|replace|astype)\(|\.loc\[.*\]\s*=|\.columns\s*=|to_datetime\(",
        "clean",
    ),
    (r"\.to_(csv|parquet|json|excel|sql|feather|pickle)\(|\.dump\(|\.write\(", "export"),
)
_WORDS_IN_A_NAME = 4


def headings_of(notebook: Notebook) -> dict[int, str]:
    """Code cell number -> the heading that stands between it and the code cell before."""
    found: dict[int, str] = {}
    heading = ""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            for line in cell.source.splitlines():
                match = re.match(r"^#{1,6}\s+(.*)$", line)
                if match:
                    heading = _plain(match[1])
        elif cell.number:
            if heading:
                found[cell.number] = heading
            heading = ""
    return found


def remarks_of(notebook: Notebook) -> dict[int, str]:
    """Code cell number -> the first sentence of the text right above it, or of its leading comment."""
    found: dict[int, str] = {}
    text = ""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            lines = [
                line for line in cell.source.splitlines() if not re.match(r"^\s*(#|\||!\[|<|```|[-*_]{3,}\s*$)", line)
            ]
            words = _plain(" ".join(" ".join(lines).split()))
            text = re.split(r"(?<=[.!?:])\s", words)[0].rstrip(":") if words else text
        elif cell.number:
            if text:
                found[cell.number] = text
            text = ""
    return found


def title_of(notebook: Notebook) -> str:
    """The notebook's first heading, or its file name in words."""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            match = re.search(r"^#{1,3}\s+(.*)$", cell.source, re.MULTILINE)
            if match and _plain(match[1]):
                return _plain(match[1])
    return re.sub(r"[_\-\s]+", " ", notebook.path.stem).strip().capitalize()


def _plain(text: str) -> str:
    """Markdown's marks and links taken out; safe inside a docstring."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<[^>]+>|[*`$#]|\\", "", text)
    return text.replace('"""', "'''").strip(" \t:-\u2013\u2014")


def step_name(group: Group, parts: Parts, heading: str, produced: tuple[str, ...], taken: set[str]) -> str:
    """A name for the step, not taken yet; it is added to ``taken``.

    Args:
        group: the step.
        parts: of the notebook.
        heading: heading above its first cell, or empty.
        produced: what it returns, the most telling first.
        taken: names in use in the module.
    """
    words = heading.lower().split()
    name = ""
    if words and len(words) <= _WORDS_IN_A_NAME:
        slug = re.sub(r"\W+", "_", " ".join(re.sub(r"^\d+[.)]?\s*", "", heading.lower()).split())).strip("_")
        name = slug if slug.isascii() and slug.isidentifier() and len(words) > 1 else ""
    if not name or name in taken:
        name = f"{_verb(group, parts, produced)}_{_subject(produced)}"
    if name.count("_") and len(name) > 45:
        name = name[:45].rsplit("_", 1)[0]
    name = re.sub(r"_+", "_", name)
    if not name.isidentifier():
        name = "step"
    base, count = name, 2
    while name in taken or keyword.iskeyword(name) or is_builtin(name):
        name = f"{base}_{count}"
        count += 1
    taken.add(name)
    return name


def _subject(produced: tuple[str, ...]) -> str:
    return re.sub(r"[^a-z0-9]+", "_", produced[0].lower()).strip("_") if produced else "all"


def _verb(group: Group, parts: Parts, produced: tuple[str, ...]) -> str:
    text = "\n".join(piece.part.text for piece in group.pieces)
    if any(piece.writes for piece in group.pieces):
        return "export"
    reads = any(piece.part.seen.reads_files for piece in group.pieces)
    if reads and len(group.pieces) <= 6:
        return "read"
    fitted = any(
        (info := parts.info(name, group.pieces[-1].part.position + 1)) is not None and info.fitted for name in produced
    )
    for pattern, verb in _VERBS:
        if re.search(pattern, text) and (verb != "fit" or fitted) and not (produced and produced[0].startswith(verb)):
            return verb
    return "read" if reads else "make"


def docstring(group: Group, headings: dict[int, str], remarks: dict[int, str], produced: tuple[str, ...]) -> str:
    """One sentence and the cells that the step comes from."""
    words = ""
    for piece in group.pieces:
        words = remarks.get(piece.part.cell, "") or headings.get(piece.part.cell, "")
        if words:
            break
        if piece.part.comments:
            words = _plain(piece.part.comments[0].lstrip("#").strip())
            if words:
                break
    if not words:
        what = ", ".join(name.replace("_", " ") for name in produced[:3])
        source = ", ".join(name.replace("_", " ") for name in group.inputs[:3])
        words = f"Make {what or 'the files'}" + (f" from {source}" if source else "")
    words = words[:1].upper() + words[1:]
    if len(words) > 150:
        words = words[:147].rsplit(" ", 1)[0] + "..."
    return f"{words.rstrip('.')} ({cells_said(group.cells)})."


def cells_said(numbers: Sequence[int]) -> str:
    """3, 5, 6, 7 -> ``cells 3, 5-7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"cell{'s' if len(numbers) > 1 else ''} {said}"
