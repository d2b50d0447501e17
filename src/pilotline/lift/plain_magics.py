"""What a line of IPython's own syntax is in plain Python, where it has an equal."""

from __future__ import annotations

import ast
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class NoEqual(Exception):
    """There is none; the argument says what to do instead."""


def plain_python(node: ast.stmt, needed: Iterable[str]) -> tuple[str, set[str]]:
    """The text, and the imports that it needs.

    Args:
        node: a statement that calls ``get_ipython()``.
        needed: names that have to be bound by it.

    Raises:
        NoEqual: it has no equal in Python.
    """
    match node:
        case ast.Assign(targets=[target], value=ast.Call() as call):
            text, imports = _value(call)
            return f"{ast.unparse(target)} = {text}", imports
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr="run_line_magic"), args=[ast.Constant(value=str(name)), line])
        ):
            return _line(name, line, sorted(needed))
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr="run_cell_magic"), args=[ast.Constant(value=str(name)), line, body])
        ):
            return _cell(name, line, body)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="system"), args=[command])):
            return f"subprocess.run({ast.unparse(command)}, shell=True, check=True)", {"import subprocess"}
        case _:
            raise NoEqual("write that line in Python in the notebook")


def _value(call: ast.Call) -> tuple[str, set[str]]:
    match call:
        case ast.Call(func=ast.Attribute(attr="getoutput"), args=[command]):
            text = f"subprocess.run(\n    {ast.unparse(command)}, shell=True, capture_output=True, text=True, check=True\n)"
            return f"{text}.stdout.splitlines()", {"import subprocess"}
        case ast.Call(func=ast.Attribute(attr="run_line_magic"), args=[ast.Constant(value="pwd"), _]):
            return "os.getcwd()", {"import os"}
        case ast.Call(
            func=ast.Attribute(attr="run_line_magic"), args=[ast.Constant(value="env"), ast.Constant(value=str(name))]
        ) if name.strip().isidentifier():
            return f"os.environ.get({name.strip()!r})", {"import os"}
        case _:
            raise NoEqual("write that line in Python in the notebook")


def _line(name: str, line: ast.expr, needed: list[str]) -> tuple[str, set[str]]:
    match name, line:
        case "cd", ast.Constant(value=str(folder)):
            return f"os.chdir({folder.strip()!r})", {"import os"}
        case (("env" | "set_env"), ast.Constant(value=str(text))):
            variable, equals, value = text.partition("=")
            if not equals:
                variable, _, value = text.strip().partition(" ")
            return f"os.environ[{variable.strip()!r}] = {value.strip()!r}", {"import os"}
        case (("env" | "set_env"), ast.JoinedStr(values=[ast.Constant(value=str(text)), *rest])):
            variable, equals, value = text.partition("=")
            if equals and not any(one in value for one in "\"'"):
                left = ast.JoinedStr(values=[*([ast.Constant(value=value)] if value else []), *rest])
                # A credential that is read from the very variable is there already.
                if ast.unparse(left).strip("f\"'").endswith(f"environ['{variable.strip()}']}}") and not value:
                    return "", set()
                return f"os.environ[{variable.strip()!r}] = {ast.unparse(left)}", {"import os"}
            raise NoEqual("set it by os.environ in the notebook")
        case "run", _:
            return _run(line, needed)
        case _:
            raise NoEqual("write that line in Python in the notebook")


def _run(line: ast.expr, needed: list[str]) -> tuple[str, set[str]]:
    """``%run setup.py``: the names that are needed of what the script binds."""
    if isinstance(line, ast.Constant):
        words = shlex.split(str(line.value))
        if len(words) != 1:
            raise NoEqual("import what the script does from a module, and call it with arguments")
        path, file = repr(words[0]), words[0]
    else:
        path = file = ast.unparse(line)
    if "ipynb" in file:
        raise NoEqual("save that notebook as a script (jupyter nbconvert --to script) and %run the script")
    if not needed:
        return f'runpy.run_path({path}, run_name="__main__")', {"import runpy"}
    if len(needed) == 1:
        return f'{needed[0]} = runpy.run_path({path}, run_name="__main__")[{needed[0]!r}]', {"import runpy"}
    lines = [f'ran = runpy.run_path({path}, run_name="__main__")', *(f"{name} = ran[{name!r}]" for name in needed)]
    return "\n".join(lines), {"import runpy"}


def _cell(name: str, line: ast.expr, body: ast.expr) -> tuple[str, set[str]]:
    if name not in {"writefile", "file"}:
        raise NoEqual("write that cell in Python in the notebook")
    text = ast.unparse(line)
    if "py" in text.rpartition(".")[2] or text.endswith("_py)"):
        raise NoEqual("keep that module as a file beside the notebook, and delete the cell that writes it")
    if isinstance(line, ast.Constant):
        words = shlex.split(str(line.value))
        if len(words) != 1:
            raise NoEqual("write that file in Python in the notebook")
        text = f"Path({words[0]!r})"
    elif isinstance(line, ast.Call):
        text = ast.unparse(line.args[0])
    return f'{text}.write_text({ast.unparse(body)}, encoding="utf-8")', {"from pathlib import Path"}
