"""Find the interpreter that a notebook runs in: the user's own, not the tool's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import LiftError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pilotline.domain.notebooks import Notebook

_OLDEST = (3, 9)
_NEIGHBOURS = (".venv", "venv", "env", ".env", ".conda")


class NoInterpreter(LiftError):
    """No Python was found that could run the notebook."""

    code = "PL130"
    exit_status = 2


class TooOld(LiftError):
    """The interpreter is older than what the recorder runs on."""

    code = "PL131"
    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """An interpreter and why it was chosen."""

    path: Path
    why: str
    version: tuple[int, int, int]
    #: It was built for this notebook, where nobody would look for it.
    built: bool = False

    def __str__(self) -> str:
        """Version, path and reason, for the receipt."""
        return f"Python {'.'.join(map(str, self.version))} at {self.path} ({self.why})"


def find_interpreter(notebook: Notebook, asked: str | None, *, why: str = "--python") -> Interpreter:
    """The interpreter to run a notebook in: asked for, its kernel's, the active environment's, a neighbouring one, ours.

    Args:
        notebook: what is run.
        asked: an interpreter or the folder of an environment.
        why: who asked for it.

    Raises:
        NoInterpreter: what was asked for cannot be started.
        TooOld: it is older than Python 3.9.
    """
    if asked is not None:
        path = shutil.which(asked) or asked
        if Path(path).is_dir():
            path = str(_python_in(Path(path)) or path)
        version = _version(path)
        if version is None:
            raise NoInterpreter(
                f"{asked} is no Python interpreter that starts.", try_next="pilotline lift NOTEBOOK --python PATH"
            )
        return _checked(Interpreter(path=Path(path), why=why, version=version))
    for path, reason in _candidates(notebook):
        version = _version(str(path))
        if version is not None:
            return _checked(Interpreter(path=path, why=reason, version=version))
    raise NoInterpreter("No Python interpreter was found.", try_next="pilotline lift NOTEBOOK --python PATH")


def _checked(found: Interpreter) -> Interpreter:
    if found.version < _OLDEST:
        raise TooOld(
            f"{found} is too old: notebooks are recorded on Python 3.9 and later.",
            try_next="pilotline lift NOTEBOOK --python PATH",
        )
    return found


def _candidates(notebook: Notebook) -> Iterator[tuple[Path, str]]:
    kernel = _kernel_python(notebook.kernel) if notebook.kernel else None
    if kernel is not None and notebook.kernel not in {"python3", "python"}:
        yield kernel, f"the notebook's kernel {notebook.kernel}"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = os.environ.get(variable)
        python = _python_in(Path(folder)) if folder else None
        if python is not None and Path(sys.prefix) != Path(folder or ""):
            yield python, f"the active environment, {variable}"
    folder = notebook.path.resolve().parent
    for parent in (folder, *folder.parents):
        for name in _NEIGHBOURS:
            python = _python_in(parent / name)
            if python is not None:
                yield python, f"the environment {name} beside the notebook"
    if (named := _conda_named(folder)) is not None:
        yield named
    if kernel is not None:
        yield kernel, f"the notebook's kernel {notebook.kernel}"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder_text = os.environ.get(variable)
        python = _python_in(Path(folder_text)) if folder_text else None
        if python is not None:
            yield python, f"the active environment, {variable}"
    yield Path(sys.executable), "the one that Pilotline runs in"


def _python_in(environment: Path) -> Path | None:
    for name in ("bin/python", "Scripts/python.exe", "python.exe"):
        if (environment / name).is_file():
            return environment / name
    return None


def _conda_named(folder: Path) -> tuple[Path, str] | None:
    """The interpreter of the environment that an ``environment.yml`` beside or above a notebook names, if conda has it."""
    for place in (folder, *folder.parents):
        for file in ("environment.yml", "environment.yaml"):
            try:
                found = re.search(r"(?m)^name:[ \t]*['\"]?([^'\"\s#]+)", (place / file).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError):
                continue
            try:
                # Conda notes here wherever it made an environment.
                known = (Path.home() / ".conda" / "environments.txt").read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                return None
            for line in known if found else ():
                if found and Path(line).name == found[1] and (python := _python_in(Path(line))):
                    return python, f"conda's environment {found[1]}, as {file} names it"
            return None
    return None


def _kernel_python(name: str) -> Path | None:
    """The interpreter that a kernel spec starts."""
    places = [Path(sys.prefix) / "share/jupyter", Path.home() / ".local/share/jupyter", Path.home() / "Library/Jupyter"]
    places += [Path(part) for part in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if part]
    places += [Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter")]
    for place in places:
        try:
            spec: Any = json.loads((place / "kernels" / name / "kernel.json").read_text(encoding="utf-8"))
            python = shutil.which(str(spec["argv"][0]))
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        if python:
            return Path(python)
    return None


def _version(path: str) -> tuple[int, int, int] | None:
    if Path(path) == Path(sys.executable):
        return sys.version_info[:3]
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3])"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        one, two, three = (int(part) for part in done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return one, two, three
