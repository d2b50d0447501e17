"""Read a notebook from any of the forms that people keep them in.

Nothing is executed. Magics and shell lines become calls of ``get_ipython()``, as IPython itself would make them.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pilotline.domain.errors import LiftError, UsageError
from pilotline.domain.notebooks import Cell, Notebook, NotebookKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PERCENT = re.compile(r"^#\s*%%(?P<title>.*)$")
_MAGIC = re.compile(r"^\s*[%!?]|=\s*[%!]|\?\s*$", re.MULTILINE)
_IPYNB_VERSIONS = (3, 4)
#: Magics around code that is executed as it stands: the code is kept, the magic is not.
_TIMED_CELL = re.compile(r"\A\s*%%(time|capture|prun)\b.*")
_TIMED_LINE = re.compile(r"^([ \t]*)%(?:time|prun|memit)[ \t]+(?=[^\s-])(.*)", re.MULTILINE)


class NotANotebook(UsageError):
    """The file is no notebook that Pilotline can read."""

    code = "PL101"


class BrokenCell(LiftError):
    """A cell is not valid Python."""

    code = "PL112"
    exit_status = 2


def read(path: Path) -> Notebook:
    """The notebook in a file: .ipynb, percent-format .py, marimo .py or a plain script.

    Raises:
        NotANotebook: there is no such file, or it is none of these.
        BrokenCell: a cell is not valid Python, even as IPython reads it.
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.ipynb")) if path.parent.is_dir() else []
        what = "is a folder" if path.is_dir() else "does not exist"
        hint = f" Notebooks in that folder: {', '.join(near[:5])}." if near else ""
        raise NotANotebook(f"{path} {what}.{hint}", try_next="pilotline lift NOTEBOOK.ipynb", path=path)
    if path.suffix == ".ipynb":
        notebook = _read_ipynb(path)
    elif path.suffix == ".py":
        notebook = _read_python(path)
    else:
        raise NotANotebook(
            f"{path} is neither an .ipynb nor a .py file.", try_next="pilotline lift NOTEBOOK.ipynb", path=path
        )
    if not notebook.code:
        raise NotANotebook(f"{path} has no code in it.", try_next="pilotline lift NOTEBOOK.ipynb", path=path)
    return notebook


def _read_ipynb(path: Path) -> Notebook:
    try:
        raw: Any = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise NotANotebook(
            f"{path} is not a notebook: its JSON is broken ({error}).",
            try_next="open it in Jupyter and save it again",
            path=path,
        ) from None
    version = raw.get("nbformat") if isinstance(raw, dict) else None
    if version not in _IPYNB_VERSIONS:
        said = "has no nbformat" if version is None else f"is in nbformat {version}"
        raise NotANotebook(
            f"{path} {said}; Pilotline reads nbformat 3 and 4.", try_next=f"jupyter nbconvert --to notebook {path}"
        )
    book = cast("dict[str, Any]", raw)
    if version == 4:
        raw_cells = book.get("cells") or []
    else:
        raw_cells = [cell for sheet in book.get("worksheets") or [] for cell in sheet.get("cells") or []]
    metadata = book.get("metadata") or {}
    kernel = (metadata.get("kernelspec") or {}).get("name")
    language = (metadata.get("kernelspec") or {}).get("language") or (metadata.get("language_info") or {}).get("name")
    if language and str(language).lower() not in {"python", "python3", "ipython"}:
        raise NotANotebook(f"{path} is written in {language}; Pilotline lifts Python.", try_next="", path=path)
    cells = [_ipynb_cell(position, cell) for position, cell in enumerate(raw_cells) if isinstance(cell, dict)]
    saved = (metadata.get("language_info") or {}).get("version")
    return _numbered(path, "ipynb", cells, kernel=kernel, saved_python=saved)


def _ipynb_cell(position: int, raw: dict[str, Any]) -> Cell:
    kind = raw.get("cell_type")
    source = _text(raw.get("input") if "input" in raw and kind == "code" else raw.get("source"))
    if kind == "heading":
        return Cell(kind="markdown", source="#" * int(raw.get("level") or 1) + " " + source, position=position)
    if kind != "code":
        return Cell(kind="markdown" if kind == "markdown" else "raw", source=source, position=position)
    count = raw.get("execution_count", raw.get("prompt_number"))
    return Cell(
        kind="code",
        source=source,
        position=position,
        count=count if isinstance(count, int) else None,
        shown=tuple(_saved_texts(raw.get("outputs") or [])),
    )


def _saved_texts(outputs: list[Any]) -> Iterator[str]:
    for output in outputs:
        if isinstance(output, dict) and output.get("output_type") in {"execute_result", "pyout"}:
            data = output.get("data") or output
            yield _text(data.get("text/plain", data.get("text")))


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(str(part) for part in value)
    return value if isinstance(value, str) else ""


def _read_python(path: Path) -> Notebook:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotANotebook(f"{path} is not UTF-8 text ({error}).", try_next="save it as UTF-8") from None
    lines = text.splitlines()
    if re.search(r"^import marimo\b", text, re.MULTILINE) and "@app.cell" in text:
        return _numbered(path, "marimo", list(_marimo_cells(text, path)))
    if any(_PERCENT.match(line) for line in lines):
        return _numbered(path, "percent", list(_percent_cells(lines)))
    return _numbered(path, "script", list(_script_cells(text, path)))


def _percent_cells(lines: list[str]) -> Iterator[Cell]:
    start, title, block = 1, "", list[str]()
    position = 0
    for number, line in enumerate([*lines, "# %%"], start=1):
        match = _PERCENT.match(line)
        if match is None:
            block.append(line)
            continue
        source = "\n".join(block).strip("\n")
        if source.strip():
            if "[markdown]" in title or "[md]" in title:
                words = "\n".join(re.sub(r"^#\s?", "", part) for part in source.strip("\"'\n").splitlines())
                yield Cell(kind="markdown", source=words, position=position, line=start)
            elif "[raw]" in title or (position == 0 and start == 1 and _only_comments(source)):
                yield Cell(kind="raw", source=source, position=position, line=start)
            else:
                yield Cell(kind="code", source=_uncomment_magics(source), position=position, line=start)
            position += 1
        start, title, block = number + 1, match["title"], []


def _only_comments(source: str) -> bool:
    """As the header that jupytext writes."""
    return all(
        not line.strip() or (line.startswith("#") and not re.match(r"# [%!]", line)) for line in source.splitlines()
    )


def _uncomment_magics(source: str) -> str:
    """Jupytext writes magics of percent files as comments."""
    return re.sub(r"^# (?=%{1,2}\w|!\w)", "", source, flags=re.MULTILINE)


def _script_cells(text: str, path: Path) -> Iterator[Cell]:
    """A plain script has no cells: statements with no blank line between them count as one."""
    tree = _parse(text, path, 0)
    lines = text.splitlines()
    blocks: list[tuple[int, int]] = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        last = node.end_lineno or node.lineno
        while first > 1 and lines[first - 2].lstrip().startswith("#"):
            first -= 1
        if blocks and not any(not line.strip() for line in lines[blocks[-1][1] : first - 1]):
            blocks[-1] = (blocks[-1][0], last)
        else:
            blocks.append((first, last))
    for position, (first, last) in enumerate(blocks):
        yield Cell(kind="code", source="\n".join(lines[first - 1 : last]), position=position, line=first)


def _marimo_cells(text: str, path: Path) -> Iterator[Cell]:
    """The cells of a marimo notebook in the order in which marimo runs them: each after those whose names it takes."""
    lines = text.splitlines()
    found: list[_MarimoCell] = []
    for node in _parse(text, path, 0).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.With | ast.ClassDef):
            continue
        marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]
        if isinstance(node, ast.With) and any("app.setup" in ast.unparse(item) for item in node.items):
            # Whatever it binds is there for all, definitions among them.
            found.append(_marimo_cell(node.body, lines, takes=set(), gives=set(), first=True))
        elif any(mark.startswith("app.cell") for mark in marks) and not isinstance(node, ast.With | ast.ClassDef):
            body = [part for part in node.body if not isinstance(part, ast.Return)]
            gives = {
                one.id
                for part in node.body
                if isinstance(part, ast.Return) and part.value is not None
                for one in ast.walk(part.value)
                if isinstance(one, ast.Name)
            }
            found.append(_marimo_cell(body, lines, takes={one.arg for one in node.args.args}, gives=gives))
        elif any(mark.startswith(("app.function", "app.class_definition")) for mark in marks):
            source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            name = "" if isinstance(node, ast.With) else node.name
            found.append(_MarimoCell(source=source, line=node.lineno, takes=set(), gives={name}))
    for position, one in enumerate(_in_order([one for one in found if one.source.strip()])):
        yield Cell(kind="code", source=one.source, position=position, line=one.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class _MarimoCell:
    source: str
    line: int
    takes: set[str]
    gives: set[str]
    first: bool = False


def _marimo_cell(
    body: Sequence[ast.stmt], lines: Sequence[str], *, takes: set[str], gives: set[str], first: bool = False
) -> _MarimoCell:
    if not body:
        return _MarimoCell(source="", line=0, takes=takes, gives=gives)
    start, last = body[0].lineno, max(part.end_lineno or 0 for part in body)
    indent = body[0].col_offset
    source = "\n".join(line[indent:] for line in lines[start - 1 : last])
    return _MarimoCell(source=source, line=start, takes=takes, gives=gives, first=first)


def _in_order(cells: Sequence[_MarimoCell]) -> Iterator[_MarimoCell]:
    """Each after the cells that give what it takes; else as they stand."""
    todo = sorted(cells, key=lambda one: not one.first)
    while todo:
        missing = {name for one in todo for name in one.gives}
        ready = next((one for one in todo if not one.takes & (missing - one.gives)), todo[0])
        todo.remove(ready)
        yield ready


def _numbered(
    path: Path, kind: NotebookKind, cells: list[Cell], *, kernel: str | None = None, saved_python: str | None = None
) -> Notebook:
    number = 0
    done: list[Cell] = []
    for cell in cells:
        if cell.kind != "code" or not cell.source.strip():
            done.append(cell)
            continue
        number += 1
        python = to_python(cell.source, path, number)
        done.append(replace(cell, number=number, python=python, quiet=_is_quiet(cell.source)))
    return Notebook(path=path, kind=kind, cells=tuple(done), kernel=kernel, saved_python=saved_python)


def _is_quiet(source: str) -> bool:
    code = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(code) and re.sub(r"\s#[^'\"]*$", "", code[-1]).rstrip().endswith(";")


def to_python(source: str, path: Path, number: int) -> str:
    """Plain Python for a cell's source: IPython's own syntax becomes calls of ``get_ipython()``.

    Raises:
        BrokenCell: it is not valid Python even then.
    """
    source = _TIMED_CELL.sub("", source)
    source = _TIMED_LINE.sub(r"\1\2", source)
    if not source.lstrip().startswith("%%"):
        try:
            compile(source, path.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError):
            pass
        else:
            return source
    if _MAGIC.search(source) or source[:1].isspace():
        from IPython.core.inputtransformer2 import TransformerManager

        source = TransformerManager().transform_cell(source)
    _parse(source, path, number)
    return source


def _parse(source: str, path: Path, number: int) -> ast.Module:
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return cast("ast.Module", compile(source, path.name, "exec", flags, dont_inherit=True))
    except (SyntaxError, ValueError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        # Not the error's own text: that is read from the file, whose lines are not those of the cell.
        lines = source.splitlines()
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        where = f"Cell {number} of {path.name}" if number else path.name
        raise BrokenCell(
            f"{where} is not valid Python: {what} (line {line}{': ' + text if text else ''}).",
            try_next="mend or delete that cell, then lift again",
            cell=number or None,
            line=line,
        ) from None
