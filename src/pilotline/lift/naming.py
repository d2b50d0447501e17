"""Names and docstrings of steps: after what they produce, in the words of the notebook where it has some."""

from __future__ import annotations

import ast
import keyword
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pilotline.guest.names import is_builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.domain.notebooks import Notebook
    from pilotline.lift.grouping import Group
    from pilotline.lift.parts import Parts

_SCORES = (
    r"\.(score|mean_squared_error)\(|\b(\w+_score|\w+_error|cross_val_\w+|classification_report|confusion_matrix)\("
)
#: What a call in a step tells of its work, the strongest first.
_VERBS: tuple[tuple[str, str], ...] = (
    (r"\.(fit|fit_transform|partial_fit)\(", "fit"),
    (r"\btrain_test_split\(", "split"),
    (_SCORES, "score"),
    (r"\.predict(_proba)?\(", "predict"),
    (r"\.(merge|join)\(|\bconcat\(|\bmerge\(", "join"),
    (r"\.(groupby|pivot_table|resample|agg|crosstab)\(|\bpivot_table\(|\bcrosstab\(", "summarise"),
    (
        r"\.(dropna|fillna|drop|drop_duplicates|rename|replace|astype)\(|\.loc\[.*\]\s*=|\.columns\s*=|to_datetime\(",
        "clean",
    ),
    (r"\.to_(csv|parquet|json|excel|sql|feather|pickle)\(|\.dump\(|\.write\(", "export"),
)
#: What does more than read a file and tidy it.
_MAKING = tuple(pattern for pattern, verb in _VERBS if verb in {"fit", "join", "summarise"})
_SENTENCES = {
    "fit": "Fit {what} on {source}",
    "split": "Split {source} into {what}",
    "score": "Score {what} on {source}",
    "predict": "Predict {what} from {source}",
    "join": "Join {source} into {what}",
    "summarise": "Summarise {source} as {what}",
    "clean": "Clean {source}",
    "export": "Write {what} from {source}",
    "read": "Read {what} from {source}",
    "make": "Make {what} from {source}",
    "refine": "Refine {source}",
}
_WORDS_IN_A_NAME = 5
_LONGEST = 36
#: Names that say nothing of what they hold.
_EMPTY_NAMES = frozenset(
    {"df", "df1", "df2", "df3", "data", "dataset", "x", "y", "res", "result", "results", "tmp", "temp", "out", "output",
     "frame", "table", "final", "d", "new_df", "df_new", "a", "b", "values"}
)  # fmt: skip
#: A heading with one of these talks to its reader; it names nothing.
_CHATTY = frozenset(
    {"let", "lets", "let's", "we", "our", "i", "you", "your", "my", "now", "here", "look", "looking", "check", "checking",
     "try", "trying", "some", "more", "again", "next", "first", "step", "part", "exercise", "question", "solution", "answer",
     "what", "which", "why", "how", "todo", "test", "conclusion", "introduction", "see", "show", "this", "that", "it",
     "chapter", "section", "appendix"}
)  # fmt: skip
_FILE_ENDINGS = re.compile(r"_(csv|tsv|txt|json|jsonl|parquet|xlsx?|pkl|pickle|joblib|feather|db|sqlite|html|zip|gz)$")
_MODEL_PARTS = re.compile(r"_?(score|accuracy|error|mse|rmse|mae|r2|auc|f1)$")


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
    """The notebook's heading, or the first line of its docstring, or its file name in words."""
    headings = [
        (len(match[1]), _plain(match[2]), any(other.number for other in notebook.cells[:at]))
        for at, cell in enumerate(notebook.cells)
        if cell.kind == "markdown"
        for match in re.finditer(r"^(#{1,6})\s+(.*)$", cell.source, re.MULTILINE)
        if _plain(match[2])
    ]
    if headings:
        level, text, late = headings[0]
        # One of several at its level names a part, not the whole.
        alone = sum(1 for other, _, _ in headings if other <= level) == 1
        if (alone and len(headings) > 1) or (not late and len(text.split()) > 1):
            return text
    first = next((cell.python for cell in notebook.code), "")
    said = ast.get_docstring(ast.parse(first)) if first.startswith(('"', "'", "r")) else None
    if said and _plain(said.splitlines()[0]):
        return _plain(said.splitlines()[0])
    stem = re.sub(r"([_\-\s]+v?\d+)+$", "", notebook.path.stem) or notebook.path.stem
    return re.sub(r"[_\-\s]+", " ", stem).strip().capitalize()


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
    name = _slug(heading)
    if not name or name in taken:
        name = _name_of_work(group, parts, produced)
    if name.count("_") and len(name) > _LONGEST:
        name = name[:_LONGEST].rsplit("_", 1)[0]
    name = re.sub(r"_+", "_", name).strip("_")
    if not name.isidentifier():
        name = "step"
    base, count = name, 2
    while name in taken or keyword.iskeyword(name) or is_builtin(name):
        name = f"{base}_{count}"
        count += 1
    taken.add(name)
    return name


def _slug(heading: str) -> str:
    """A heading of a few words as a name; empty where it is none."""
    text = re.sub(r"^[\d.]+[.)]?\s*", "", heading.lower()).strip()
    words = re.findall(r"[\w']+", re.sub(r"\(.*?\)", "", text))
    words = [word for word in words if word not in {"the", "a", "an"}]
    if not 1 < len(words) <= _WORDS_IN_A_NAME or text.endswith(("?", "!")) or any(word in _CHATTY for word in words):
        return ""
    slug = "_".join(words)
    return slug if slug.isascii() and slug.isidentifier() and len(slug) <= _LONGEST else ""


def _name_of_work(group: Group, parts: Parts, produced: tuple[str, ...]) -> str:
    verb = _verb(group, parts, produced)
    if verb == "split" and len(produced) > 1:
        return "split_train_test"
    subject = _subject(produced)
    if verb == "score":
        return f"score_{_MODEL_PARTS.sub('', subject) or 'model'}"
    if verb == "join":
        joined = [one for one in _came_from(group) if one not in _EMPTY_NAMES]
        if subject in _EMPTY_NAMES and joined:
            return "join_" + "_".join(joined[:3])
    if subject in _EMPTY_NAMES and verb != "calculate":
        better = [one for one in _came_from(group) if one not in _EMPTY_NAMES]
        subject = better[0] if better else subject
    if subject.startswith(verb + "_") or subject == verb:
        return subject if subject != verb else f"make_{subject}"
    return f"{verb}_{subject}"


def _subject(produced: tuple[str, ...]) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", produced[0].lower()).strip("_") if produced else "all"
    return _FILE_ENDINGS.sub("", word) or word


def _came_from(group: Group) -> list[str]:
    """What a step is made from, in words: its inputs, then the files that it reads."""
    files = [PurePosixPath(path).stem for piece in group.pieces for path in piece.part.seen.reads_files]
    words = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in (*group.inputs, *files)]
    return list(dict.fromkeys(word for word in words if word and not word[0].isdigit()))


def _verb(group: Group, parts: Parts, produced: tuple[str, ...]) -> str:
    text = "\n".join(piece.part.text for piece in group.pieces)
    if len(group.pieces) <= 3 and any(piece.writes for piece in group.pieces):
        return "export"
    reads = any(piece.part.seen.reads_files for piece in group.pieces)
    if reads and len(group.pieces) <= 6 and not any(re.search(pattern, text) for pattern in _MAKING):
        return "read"
    after = max(piece.part.position for piece in group.pieces) + 1
    info = parts.info(produced[0], after) if produced else None
    fitted = info is not None and info.fitted
    number = _is_number(group, produced[0], info.type if info else "") if produced else False
    if number:
        return "score" if re.search(_SCORES, text) else "calculate"
    for pattern, verb in _VERBS:
        if verb in {"fit", "score"} and not (fitted and verb == "fit"):
            continue
        if re.search(pattern, text):
            return verb
    if produced and produced[0] in group.inputs:
        return "refine"
    return "read" if reads else "make"


def _is_number(group: Group, name: str, kind: str) -> bool:
    for piece in group.pieces:
        if piece.shown_as == name and piece.part.seen.shown is not None:
            kind = piece.part.seen.shown.info.type
    return kind in {"int", "float", "numpy.float64", "numpy.float32", "numpy.int64"}


def docstring(
    group: Group,
    parts: Parts,
    headings: dict[int, str],
    remarks: dict[int, str],
    produced: tuple[str, ...],
    *,
    told: set[str],
) -> str:
    """One sentence and the cells that the step comes from.

    Args:
        group: the step.
        parts: of the notebook.
        headings: cell number -> heading above it.
        remarks: cell number -> what is said above it.
        produced: what the step returns, the most telling first.
        told: what earlier steps say; what this one takes from the notebook is added.
    """
    words = _said(group, headings, remarks, told)
    if words:
        told.add(words)
    else:
        words = _sentence(group, parts, produced)
    words = words[:1].upper() + words[1:]
    if len(words) > 150:
        words = words[:147].rsplit(" ", 1)[0] + "..."
    return f"{words.rstrip('.')} ({cells_said(group.cells)})."


def _said(group: Group, headings: dict[int, str], remarks: dict[int, str], told: set[str]) -> str:
    """What the notebook says of a step: the text or heading above it, or its first comment that is a sentence."""
    for piece in group.pieces:
        cell = piece.part.cell
        for words in (remarks.get(cell, ""), headings.get(cell, "")):
            if len(words.split()) > 1 and not words.endswith("?") and words not in told:
                return words
    for comment in group.pieces[0].part.comments[:1]:
        words = _plain(comment.lstrip("#").strip())
        if len(words.split()) > 2 and not words.endswith(("?", "...", "!")) and not re.search(r"[=({\[]", words):
            return words
    return ""


def _sentence(group: Group, parts: Parts, produced: tuple[str, ...]) -> str:
    """A plain sentence where the notebook says nothing: ``Join orders and products.csv into sales``."""
    verb = _verb(group, parts, produced)
    what = _listed(
        [_FILE_ENDINGS.sub(lambda end: "." + end[1], name) for name in produced[: 1 if verb == "fit" else 3]]
    )
    files = [PurePosixPath(path).name for piece in group.pieces for path in piece.part.seen.reads_files]
    source = _listed(list(dict.fromkeys([*group.inputs, *files]))[:4])
    if not source:
        return f"Make {what or 'the files'}"
    if verb in {"calculate", "score"}:
        return f"Calculate {what} from {source}"
    return _SENTENCES[verb].format(what=what or "the files", source=source)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


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
