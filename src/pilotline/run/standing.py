"""Whether what was published still stands, told from marks of files alone.

When a plan finds nothing to do, everything that it looked at is noted: the marks (size, time, inode) of each file, the
environment variables, the catalog's own files. As long as none of them differs, making the plan again would find the
same, so it need not be made: neither the project's interpreter is started nor the catalog opened. Anything else, and the
plan is made. This module imports next to nothing, because that is what a run without work costs.
"""

# pathlib costs more to import than all that is done here.
# ruff: noqa: PTH105, PTH109, PTH110, PTH112, PTH116, PTH118, PTH120, PTH123
from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from pilotline.run.opening import Opened

__all__ = ["catalog_marks", "note", "said", "stands"]

#: Another number makes what was noted worthless.
_FORM = 1
_MOST_FILES = 5_000
_MOST_NOTES = 50
#: Nanoseconds in which a file may change twice without its time showing it.
_RACY = 20_000_000
#: Where the interpreter and the catalog are looked for depends on these.
_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX", "PILOTLINE_DATABASE")


def said(words: Sequence[object]) -> str:
    """One text for what was asked of a run."""
    return json.dumps([os.getcwd(), *words])


def stands(asked: str) -> dict[str, Any] | None:
    """What was noted for this very question, if nothing has changed since; else None.

    Args:
        asked: see ``said``.
    """
    own = _own_folder(os.getcwd())
    if own is None:
        return None
    try:
        with open(os.path.join(own, "cache", "stands.json"), "rb") as file:
            noted = json.loads(file.read())[asked]
        if noted["form"] != _FORM:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for path, mark in noted["marks"].items():
        if _mark(path) != mark:
            return None
    for name, value in noted["variables"].items():
        if _hidden(os.environ.get(name)) != value:
            return None
    return None if catalog_marks(own) != noted["catalog"] else noted["found"]


def note(
    asked: str, opened: Opened, catalog: Sequence[Any], found: Mapping[str, Any], looked_at: Iterable[str]
) -> None:
    """Note that there was nothing to do.

    Args:
        asked: see ``said``.
        opened: the pipeline and all around it.
        catalog: the marks of the catalog's files before the plan was made.
        found: what to say; JSON-ready.
        looked_at: files, and folders with all that is in them, whose content was read.
    """
    own = str(opened.around.project.own)
    marks: dict[str, Any] = {}
    for path in (*opened.reading.marks, *opened.around.environment.marks, *looked_at):
        marks[path] = _mark(path)
        if os.path.isdir(path) and path not in opened.around.environment.marks:
            for root, folders, files in os.walk(path):
                for name in (*folders, *files):
                    whole = os.path.join(root, name)
                    marks[whole] = _mark(whole)
                    if len(marks) > _MOST_FILES:
                        return
    newest = time.time_ns() - _RACY
    if any(mark and mark[1] > newest for mark in (*marks.values(), *catalog)):
        return
    variables = {name for code in opened.reading.code.values() for name in code.environ} | set(_VARIABLES)
    variables -= set(opened.reading.pipeline.contract.secrets)
    if "*" in variables:
        return
    path = os.path.join(own, "cache", "stands.json")
    try:
        with open(path, "rb") as file:
            notes = json.loads(file.read())
    except (OSError, ValueError):
        notes = {}
    notes.pop(asked, None)
    kept = dict(list(notes.items())[-_MOST_NOTES + 1 :])
    kept[asked] = {
        "form": _FORM,
        "marks": marks,
        "variables": {name: _hidden(os.environ.get(name)) for name in sorted(variables)},
        "catalog": catalog,
        "found": found,
    }
    half = f"{path}.{os.getpid()}"
    with open(half, "w", encoding="utf-8") as file:
        json.dump(kept, file)
    os.replace(half, path)


def catalog_marks(own: str) -> list[Any]:
    """The marks of the catalog's files. A log of writes that is empty is as good as none: reading makes one."""
    log = _mark(os.path.join(own, "catalog.sqlite-wal"))
    return [_mark(os.path.join(own, "catalog.sqlite")), log if log and log[0] else None]


def _mark(path: str) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _hidden(value: str | None) -> str | None:
    """A digest: what a variable holds may be a secret."""
    if value is None:
        return None
    from _blake2 import blake2b  # what hashlib gives, without all else that it imports

    return blake2b(value.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()


def _own_folder(here: str) -> str | None:
    while True:
        own = os.path.join(here, ".pilotline")
        if os.path.isdir(own):
            return own
        if os.path.exists(os.path.join(here, "pilotline.toml")):
            return None
        parent = os.path.dirname(here)
        if parent == here:
            return None
        here = parent
