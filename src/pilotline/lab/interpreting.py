"""The interpreter that a notebook is run in: somebody's own, or one that is built from what the notebook itself asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pilotline.factory.declared import build_from_script, script_block
from pilotline.lift.interpreter import Interpreter, find_interpreter
from pilotline.run.projects import project_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pilotline.domain.notebooks import Notebook

__all__ = ["interpreter_for"]


def interpreter_for(notebook: Notebook, asked: str | None, progress: Callable[[str], None]) -> Interpreter:
    """The interpreter that was asked for; else what uv builds from the notebook's block (PEP 723); else what is found.

    Raises:
        NoInterpreter: what was asked for cannot be started.
        TooOld: it is older than Python 3.9.
        BadDeclaration: the block cannot be understood.
        BuildFailed: uv cannot build what it asks for.
    """
    if asked is not None or script_block(notebook.path) is None:
        return find_interpreter(notebook, asked)
    progress(f"building the environment that {notebook.path.name} asks for")
    kept = project_of(notebook.path.resolve().parent).own / "cache" / "scripts"
    python = build_from_script(notebook.path, kept)
    return replace(find_interpreter(notebook, str(python), why="built by uv from the notebook's own block"), built=True)
