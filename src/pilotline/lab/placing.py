"""Put lifted files in their place: all or none, and never silently over what somebody wrote."""

from __future__ import annotations

import difflib
import hashlib
import json
import keyword
import os
import re
import sys
from typing import TYPE_CHECKING, Any, cast

from pilotline.domain.errors import LiftError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LEDGER = "lifted.json"


class WouldOverwrite(LiftError):
    """A file is there already that was not written by a lift, or was edited since."""

    code = "PL150"


def module_name(notebook: Path, taken: frozenset[str] = frozenset()) -> str:
    """The name of the module for a notebook: ``explore_v15.ipynb`` -> ``explore``.

    Args:
        notebook: its path.
        taken: names of modules that the notebook imports, which a module beside it must not hide.
    """
    stem = re.sub(r"[^0-9a-z]+", "_", notebook.stem.lower()).strip("_")
    short = re.sub(r"(_(v|version|copy|final|draft|new|old)?_?\d*)+$", "", stem)
    name = short if len(short) >= 3 else stem
    if not name or name[0].isdigit():
        name = f"lifted_{name}".rstrip("_")
    hidden = set(sys.stdlib_module_names) | taken | {"pandas", "numpy", "sklearn", "matplotlib", "scipy", "pilotline"}
    if name in hidden or name.startswith("test_") or not name.isidentifier() or keyword.iskeyword(name):
        name = f"{name}_pipeline"
    if notebook.suffix == ".py" and notebook.stem == name:
        name = f"{name}_pipeline"
    return name


def check_place(folder: Path, files: Mapping[str, str | bytes], *, force: bool) -> dict[str, str]:
    """What would change in files that are there, as differences by name.

    Args:
        folder: where the files go.
        files: name -> new text.
        force: write over hand-edited files too.

    Raises:
        WouldOverwrite: a file was edited since it was lifted, or no lift wrote it.
    """
    known = _ledger(folder)
    changes: dict[str, str] = {}
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            continue
        old = path.read_bytes()
        if old == _bytes(text):
            continue
        difference = _difference(name, old, _bytes(text))
        if known.get(name) != _digest(old) and not force:
            what = "was edited since it was lifted" if name in known else "is there already and was not lifted"
            raise WouldOverwrite(
                f"{path.name} {what}; nothing was written. The difference:\n{_first_lines(difference)}",
                try_next="pilotline lift NOTEBOOK --force   (to write over it)",
                path=path,
            )
        changes[name] = _first_lines(difference)
    return changes


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _difference(name: str, old: bytes, new: bytes) -> str:
    """What changes in a file, line by line; a word where it is no text."""
    try:
        before, after = old.decode(), new.decode()
    except UnicodeDecodeError:
        return f"{name} is no text; it has {len(old)} bytes, and would have {len(new)}"
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{name} (as it is)", f"{name} (lifted)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def place(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files, each whole or not at all, and remember what was written."""
    temporary: list[tuple[Path, Path]] = []
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            beside.write_bytes(_bytes(text))
            temporary.append((beside, path))
        for beside, path in temporary:
            beside.replace(path)
    finally:
        for beside, _ in temporary:
            beside.unlink(missing_ok=True)
    known = _ledger(folder) | {name: _digest(text) for name, text in files.items()}
    ledger = folder / ".pilotline" / _LEDGER
    ledger.parent.mkdir(exist_ok=True)
    beside = ledger.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    beside.replace(ledger)


def remember(folder: Path, name: str, lift: Mapping[str, object]) -> None:
    """Keep how a module was lifted: from which notebook, with which wishes, by which interpreter."""
    path = folder / ".pilotline" / "lifts" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(lift, indent=1), encoding="utf-8")
    beside.replace(path)


def remembered(folder: Path, name: str) -> dict[str, Any] | None:
    """How a module was lifted; None where that is not known here."""
    try:
        raw: object = json.loads((folder / ".pilotline" / "lifts" / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", raw) if isinstance(raw, dict) else None


def _ledger(folder: Path) -> dict[str, str]:
    try:
        raw: object = json.loads((folder / ".pilotline" / _LEDGER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in cast("dict[object, object]", raw).items()} if isinstance(raw, dict) else {}


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(_bytes(content)).hexdigest()


def _first_lines(difference: str, most: int = 60) -> str:
    lines = difference.splitlines()
    more = [f"... {len(lines) - most} more lines"] if len(lines) > most else []
    return "\n".join(lines[:most] + more)
