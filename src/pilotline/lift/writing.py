"""Write the module: imports, constants, definitions, one function a step, and ``pipeline``.

The user's own text is kept, comments included; only what has to be different is: indentation, paths that became
parameters, ``await``, ``global`` and IPython's calls.
"""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pilotline.domain.errors import LiftError
from pilotline.lift.plain_magics import NoEqual, plain_python
from pilotline.lift.secrets import ENVIRON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pilotline.domain.recordings import Info
    from pilotline.lift.grouping import Group
    from pilotline.lift.layout import Layout, Piece, Swap
    from pilotline.lift.parts import Part, Parts

_COPY_METHOD = frozenset(
    {"pandas.DataFrame", "pandas.Series", "numpy.ndarray", "pandas.Index", "scipy.sparse.csr_matrix"}
)
_FLAT = frozenset({"list", "dict", "set", "collections.deque", "collections.Counter", "collections.OrderedDict"})
_BUILTIN_TYPES = frozenset(
    {"int", "float", "str", "bool", "bytes", "complex", "list", "dict", "set", "tuple", "frozenset", "object"}
)


_SHORT = frozenset({"import pandas as pd", "import numpy as np", "import polars as pl"})


class NoPlainPython(LiftError):
    """A line that is needed has no equal in plain Python."""

    code = "PL142"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStep:
    """One step as it stands in the module."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cells: tuple[int, ...]
    lines: int
    docstring: str
    #: Databases and addresses that it was seen to reach.
    reaches: tuple[str, ...] = ()


@dataclass(slots=True)
class Module:
    """What ``write_module`` is given besides the steps."""

    title: str
    subtitle: str
    layout: Layout
    parts: Parts
    #: Key in what ``pipeline`` returns -> the name in ``pipeline`` that holds it.
    returns: dict[str, str] = field(default_factory=dict[str, str])
    #: Packages that the notebook installs: they are named at the top.
    requires: tuple[str, ...] = ()
    #: Name -> type, for the annotations of values that were only shown.
    shown: dict[str, Info] = field(default_factory=dict[str, "Info"])


class _Annotations:
    """Types as they are written in this module; collects the imports that only they need."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.needed: set[str] = set()

    def of(self, info: Info | None) -> str:
        if info is None or info.type in {"", "object", "module"}:
            return "object"
        if info.type == "NoneType":
            return "None"
        if info.type in _BUILTIN_TYPES:
            return info.type
        module, _, name = info.type.rpartition(".")
        if module == "__main__":
            return name if name in self.layout.module_names else "object"
        if not module or not name.isidentifier() or "<" in info.type or module.startswith("builtins"):
            return "object"
        for bound, line in self.layout.imports.items():
            if line == f"import {module} as {bound}" or (line == f"import {module}" and bound == module):
                return f"{bound}.{name}"
            if line in {f"from {module} import {name}", f"from {module} import {name} as {bound}"}:
                return bound
        short = {"pandas": "pd", "numpy": "np", "polars": "pl"}.get(module)
        if short and short not in self.layout.fixed:
            self.needed.add(f"import {module} as {short}")
            return f"{short}.{name}"
        if name in self.layout.fixed or any(part.startswith("_") for part in module.split(".")):
            return "object"
        self.needed.add(f"from {module} import {name}")
        return name


def write_module(module: Module, steps: Sequence[tuple[WrittenStep, Group]]) -> str:
    """The source of the module, formatted where a formatter is at hand.

    Raises:
        NoPlainPython: a needed line is a magic without an equal in Python, or awaits in a way that can't be written.
    """
    layout = module.layout
    annotations = _Annotations(layout)
    needs: set[str] = set()
    bodies = [_step_source(module, step, group, annotations, needs) for step, group in steps]
    definitions = [_part_source(part, needs) for part in _in_order(layout.module)]
    if layout.imports.get("os", "import os") == "import os" and "os" not in layout.module_names | _bound(steps):
        needs |= {"import os"} if ENVIRON in "\n".join([*bodies, *definitions]) else set()
    pipeline = _pipeline_source(module, steps)
    imports = _imports(layout, needs, annotations.needed)
    text = "\n\n".join(
        block
        for block in [
            _requirements(module.requires),
            _module_docstring(module),
            imports,
            *definitions,
            *bodies,
            pipeline,
            'if __name__ == "__main__":\n    print(pipeline())\n',
        ]
        if block
    )
    return formatted(text.replace(ENVIRON, "os.environ") if "import os" in needs else text)


def _bound(steps: Sequence[tuple[WrittenStep, Group]]) -> set[str]:
    """Names that the steps bind."""
    return {name for _, group in steps for piece in group.pieces for name in piece.makes}


def _in_order(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.position)


def _requirements(packages: Sequence[str]) -> str:
    """What has to be installed, as PEP 723 says it."""
    if not packages:
        return ""
    return "\n".join(["# /// script", "# dependencies = [", *(f'#     "{one}",' for one in packages), "# ]", "# ///"])


def _module_docstring(module: Module) -> str:
    title = module.title.rstrip(".").replace("\\", "/").replace('"', "'")
    stop = "" if title.endswith(("?", "!")) else "."
    return f'"""{title[:1].upper() + title[1:]}{stop}\n\n{module.subtitle}\n"""'


def _imports(layout: Layout, needs: set[str], for_types: set[str]) -> str:
    lines = {line for text in layout.imports.values() for line in text.split("\n")} | needs
    if any(one.annotation == "Path" for one in layout.parameters.values()) and "Path" not in layout.imports:
        lines.add("from pathlib import Path")
    # What every value of these types has loaded anyway needs no guard.
    lines |= {line for line in for_types if line in _SHORT}
    for_types = for_types - lines
    plain = sorted(lines)
    blocks = ["\n".join(plain)] if plain else []
    blocks.extend(layout.import_blocks)
    if for_types:
        blocks.insert(0, "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING")
        blocks.append("if TYPE_CHECKING:\n" + "\n".join(f"    {line}" for line in sorted(for_types)))
    return "\n".join(blocks)


def _step_source(module: Module, step: WrittenStep, group: Group, annotations: _Annotations, needs: set[str]) -> str:
    layout, parts = module.layout, module.parts
    before = group.pieces[0].part.position
    after = group.pieces[-1].part.position + 1
    positional = [f"{name}: {annotations.of(parts.info(name, before))}" for name in group.inputs]
    files = [layout.parameters[name] for name in group.parameters if layout.parameters[name].annotation == "Path"]
    values = [layout.parameters[name] for name in group.parameters if layout.parameters[name].annotation != "Path"]
    signature = [*positional, *(f"{one.name}: Path" for one in files)]
    if values:
        signature += ["*", *(f"{one.name}: {one.annotation}" for one in values)]
    types = [annotations.of(module.shown.get(name) or parts.info(name, after)) for name in step.outputs]
    types = ["Path" if name in _written(group) else kind for name, kind in zip(step.outputs, types, strict=True)]
    result = "None" if not types else types[0] if len(types) == 1 else f"tuple[{', '.join(types)}]"
    lines = [f"def {step.name}({', '.join(signature)}) -> {result}:"]
    lines.append(f'    """{step.docstring}"""')
    deep = _deepcopy(module)
    lines.extend(f"    {_copy(name, parts.info(name, before), needs, deep)}" for name in group.copies)
    body = list(_body(layout, group, needs, deep))
    lines.extend(body)
    returned = ", ".join(step.outputs)
    lines.append(f"    return {returned}" if returned else "")
    return "\n".join(lines)


def _written(group: Group) -> set[str]:
    return {name for piece in group.pieces for name in piece.writes}


def _body(layout: Layout, group: Group, needs: set[str], deep: _DeepCopy) -> Iterable[str]:
    defined: set[str] = set()
    bound = {name for piece in group.pieces for name in piece.makes} | set(group.inputs) | set(group.parameters)
    for piece in group.pieces:
        for name in sorted(group.definitions, key=lambda one: layout.local_definitions[one].part.position):
            local = layout.local_definitions[name]
            if name not in defined and (
                name in piece.uses or name in piece.part.names.reads or _used_later(layout, group, name, piece)
            ):
                defined.add(name)
                yield _indented(_nonlocal(_piece_source(local, needs, deep), bound))
        text = _piece_source(piece, needs, deep)
        if not text.strip():
            continue
        text = _nonlocal(text, bound)
        for path in piece.writes:
            if "/" in layout.parameters[path].default and not layout.makes_folders:
                yield f"    {path}.parent.mkdir(parents=True, exist_ok=True)"
        comments = "\n".join(piece.part.comments)
        yield _indented(comments + "\n" + text if comments else text)


def _used_later(layout: Layout, group: Group, name: str, piece: Piece) -> bool:
    """A definition that another definition of this piece calls has to stand before it."""
    from pilotline.lift.parts import free_in

    users = [
        other for other in group.definitions if other != name and name in free_in(layout.local_definitions[other].part)
    ]
    return any(user in piece.uses or user in piece.part.names.reads for user in users)


def _nonlocal(text: str, bound: set[str]) -> str:
    """Inside a step the notebook's globals are its local names."""

    def swap(match: re.Match[str]) -> str:
        names = [name.strip() for name in match[2].split(",")]
        return f"{match[1]}nonlocal {', '.join(names)}" if all(name in bound for name in names) else match[0]

    return re.sub(r"^([ \t]+)global ([\w, ]+)$", swap, text, flags=re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DeepCopy:
    """How a deep copy is called in a module, and the import for it."""

    call: str
    line: str


def _deepcopy(module: Module) -> _DeepCopy:
    """``copy.deepcopy`` where the notebook imports ``copy`` and calls nothing else so; else its own import."""
    names = {name for part in module.parts.all for name in part.names.binds | part.makes}
    if module.layout.imports.get("copy") == "import copy":
        return _DeepCopy(call="copy.deepcopy", line="import copy")
    if "deepcopy" not in names:
        return _DeepCopy(call="deepcopy", line="from copy import deepcopy")
    return _DeepCopy(call="_deepcopy", line="from copy import deepcopy as _deepcopy")


def _copy(name: str, info: Info | None, needs: set[str], deep: _DeepCopy) -> str:
    if info is not None and (info.type in _COPY_METHOD or (info.flat and info.type in _FLAT)):
        return f"{name} = {name}.copy()"
    needs.add(deep.line)
    return f"{name} = {deep.call}({name})"


def _piece_source(piece: Piece, needs: set[str], deep: _DeepCopy) -> str:
    part = piece.part
    text = piece.heading + _swapped(part, piece.swaps)
    if piece.shown_as:
        text = _shown_source(piece, text)
        if piece.snapshot:
            needs.add(deep.line)
            name, _, value = text.partition(" = ")
            text = f"{name} = {deep.call}({value})" if "#" not in value else f"{text}\n{name} = {deep.call}({name})"
    needed = frozenset(name for name in piece.kept.needed & part.makes if ":" not in name)
    return _plain_python(part, text, needs, needed)


def _part_source(part: Part, needs: set[str]) -> str:
    comments = "\n".join(part.comments)
    text = _plain_python(part, part.text, needs)
    return comments + "\n" + text if comments else text


def _swapped(part: Part, swaps: Sequence[Swap]) -> str:
    if not swaps:
        return part.text
    first = min([part.node.lineno, *(mark.lineno for mark in getattr(part.node, "decorator_list", []))])
    rows = [row.encode() for row in part.text.split("\n")]
    offset = 0 if part.alone else part.node.col_offset
    for swap in sorted(swaps, key=lambda one: one.start, reverse=True):
        (row, column), (last, end) = swap.start, swap.end
        row, last = row - first, last - first
        column -= offset if row == 0 else 0
        end -= offset if last == 0 else 0
        rows[row : last + 1] = [rows[row][:column] + swap.text.encode() + rows[last][end:]]
    return "\n".join(row.decode() for row in rows)


def _shown_source(piece: Piece, text: str) -> str:
    """The value that a line shows, kept under a name."""
    node = piece.part.node
    shown = piece.part.seen.shown
    if not isinstance(node, ast.Expr) or shown is None:
        # Shown by a statement inside a block: nothing there that a pipeline could return.
        raise NoPlainPython(
            f"Cell {piece.part.cell} shows its value inside a block; it can't become a result.",
            try_next="--want the NAME that holds it",
            cell=piece.part.cell,
            line=piece.part.seen.line,
        )
    value = node.value
    if shown.how != "expression" and isinstance(value, ast.Call):
        tree = _reparsed(text)
        call = tree.value if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call) else value
        arguments = [ast.get_source_segment(text, argument) or ast.unparse(argument) for argument in call.args]
        arguments = [f"({one})" if "\n" in one and not one.startswith(("f'", 'f"', "(")) else one for one in arguments]
        source = arguments[0] if len(arguments) == 1 else f"({', '.join(arguments)})"
        if len(arguments) == 1 and isinstance(call.args[0], ast.Starred):
            source = f"({source},)"
        return f"{piece.shown_as} = {source}"
    body = text.rstrip()
    comment = ""
    tree = _reparsed(body)
    if isinstance(tree, ast.Expr):
        segment = ast.get_source_segment(body, tree.value) or ast.unparse(tree.value)
        before = body[: body.index(segment)] if segment in body else ""
        after = body[body.index(segment) + len(segment) :] if segment in body else ""
        if before.strip().startswith("(") and after.strip().startswith(")"):
            segment = f"({segment})"
        elif "#" in after:
            comment = "  " + after[after.index("#") :]
        body = segment
    if "\n" in body and not body.startswith(("(", "[", "{")) and _unclosed(body):
        body = f"({body})"
    return f"{piece.shown_as} = {body}{comment}"


def _unclosed(text: str) -> bool:
    try:
        ast.parse(f"x = {text}")
    except SyntaxError:
        return True
    return False


def _reparsed(text: str) -> ast.stmt | None:
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        body = cast("ast.Module", compile(text, "<part>", "exec", flags, dont_inherit=True)).body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 else None


def _plain_python(part: Part, text: str, needs: set[str], needed: frozenset[str] = frozenset()) -> str:
    """IPython's calls and top-level ``await`` written as plain Python.

    Raises:
        NoPlainPython: there is no way to.
    """
    if "get_ipython()" in text:
        text = _without_shell(part, text, needs, needed)
    tree = _reparsed(text)
    if tree is not None and _awaits(tree):
        needs.add("import asyncio")
        names = sorted(part.names.binds)
        inner = _indented(text)
        given = f"\n    return {', '.join(names)}" if names else ""
        taken = f"{', '.join(names)} = " if names else ""
        text = f"async def awaited():\n{inner}{given}\n\n{taken}asyncio.run(awaited())"
    return text


def _awaits(tree: ast.stmt) -> bool:
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        todo.extend(ast.iter_child_nodes(node))
    return False


def _without_shell(part: Part, text: str, needs: set[str], needed: frozenset[str]) -> str:
    tree = _reparsed(text)
    match part.node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="run_line_magic" | "run_cell_magic" | "system"))) if (
            not part.names.binds and not part.makes
        ):
            return ""
        case _:
            pass
    try:
        plain, imports = plain_python(tree or part.node, needed)
    except NoEqual as error:
        raise NoPlainPython(
            f"Cell {part.cell} is needed, but has no equal in plain Python: {text.strip().splitlines()[0][:80]}",
            try_next=str(error),
            cell=part.cell,
            line=part.seen.line,
        ) from None
    needs |= imports
    return plain


def _indented(text: str) -> str:
    """Four columns to the right, but for the inside of strings that span lines."""
    inside: set[int] = set()
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = cast("ast.Module", compile(text, "<part>", "exec", flags, dont_inherit=True))
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and (node.end_lineno or node.lineno) > node.lineno:
            value = getattr(node, "value", "")
            if isinstance(node, ast.JoinedStr) or isinstance(value, str | bytes):
                inside |= _string_rows(text, node)
    rows = text.split("\n")
    return "\n".join(row if number in inside or not row.strip() else "    " + row for number, row in enumerate(rows, 1))


def _string_rows(text: str, node: ast.expr) -> set[int]:
    """Rows that begin inside a triple-quoted string; rows of implicitly joined strings do not."""
    import io
    import tokenize

    rows: set[int] = set()
    last = node.end_lineno or node.lineno
    depth = 0
    opened = 0
    starts = {getattr(tokenize, "FSTRING_START", -1), getattr(tokenize, "TSTRING_START", -1)}
    ends = {getattr(tokenize, "FSTRING_END", -1), getattr(tokenize, "TSTRING_END", -1)}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            first, end = token.start[0], token.end[0]
            if token.type in starts:
                depth += 1
                opened = first if depth == 1 else opened
            elif token.type in ends:
                depth -= 1
                if depth == 0:
                    rows |= set(range(opened + 1, end + 1))
            elif token.type == tokenize.STRING and end > first:
                rows |= set(range(first + 1, end + 1))
    except (tokenize.TokenError, SyntaxError):
        return set(range(node.lineno + 1, last + 1))
    return {row for row in rows if node.lineno < row <= last}


def _pipeline_source(module: Module, steps: Sequence[tuple[WrittenStep, Group]]) -> str:
    layout = module.layout
    used = {name for _, group in steps for name in group.parameters} | set(module.returns.values())
    signature = [
        f"{one.name}: {one.annotation} = {one.default}" for one in layout.parameters.values() if one.name in used
    ]
    head = f"def pipeline({'*, ' + ', '.join(signature) if signature else ''}) -> dict[str, object]:"
    lines = [head, '    """What `pilotline run` carries out, step by step; running this file does too."""']
    for step, group in steps:
        arguments = list(group.inputs)
        arguments += [name for name in group.parameters if layout.parameters[name].annotation == "Path"]
        arguments += [f"{name}={name}" for name in group.parameters if layout.parameters[name].annotation != "Path"]
        taken = f"{', '.join(_result(module, name) for name in step.outputs)} = " if step.outputs else ""
        lines.append(f"    {taken}{step.name}({', '.join(arguments)})")
    returned = ", ".join(f'"{key}": {name}' for key, name in module.returns.items())
    lines.append(f"    return {{{returned}}}")
    return "\n".join(lines)


def _result(module: Module, name: str) -> str:
    """A written path comes back under a name of its own: the parameter keeps saying where it was to go."""
    return written_name(name) if name in module.layout.parameters and module.layout.parameters[name].written else name


def written_name(parameter: str) -> str:
    """The name in ``pipeline`` of a file that was written to a parameter's path."""
    return f"{parameter}_written"


def formatted(text: str) -> str:
    """The text as ruff formats it, its imports sorted; as it is where ruff is not installed."""
    try:
        from ruff.__main__ import find_ruff_bin  # pyright: ignore[reportMissingImports]

        ruff = find_ruff_bin()
    except (ImportError, FileNotFoundError):
        return text
    options = ["--isolated", "--line-length", "100", "-"]
    for command in (["check", "--select", "I", "--fix", "--quiet", "--stdin-filename", "m.py"], ["format", "--quiet"]):
        done = subprocess.run(
            [ruff, *command, *options], input=text, capture_output=True, text=True, check=False, encoding="utf-8"
        )
        text = done.stdout if done.returncode == 0 and done.stdout.strip() else text
    return text
