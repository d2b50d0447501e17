"""What is known of a proof, in a file beside the module that goes into git with it: ``explore.proof.json``.

It holds no value of the data: names, verdicts and digests. Whoever edits the module afterwards has another module, and the
file says so by its digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Evidence", "digest_of", "evidence_path", "read_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """That a module gave what its notebook gave, in the environment of its lock; or that there is no notebook."""

    module: str
    module_sha256: str
    #: Relative to the module; empty where the module was written by hand, and there is nothing to prove.
    notebook: str
    notebook_sha256: str
    #: Of the lock that it was proven in.
    lock: str
    #: What of the outputs is equal: name -> verdict.
    outputs: Mapping[str, str]
    proofs: tuple[str, ...]
    not_proven: tuple[str, ...]
    wants: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    order: str | None = None
    proof: str = "full"

    def stands(self, module: Path) -> bool:
        """Whether a module is the one that was proven."""
        return digest_of(module) == self.module_sha256

    def as_text(self) -> str:
        """As it is written."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def evidence_path(module: Path) -> Path:
    """``explore.proof.json`` beside ``explore.py``."""
    return module.with_suffix(".proof.json")


def read_evidence(module: Path) -> Evidence | None:
    """What is known of a module's proof; None where nothing is, or the file cannot be understood."""
    try:
        raw: object = json.loads(evidence_path(module).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(raw, dict):
        return None
    facts: dict[str, Any] = {
        key: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for key, value in cast("dict[str, Any]", raw).items()
    }
    try:
        return Evidence(**facts)
    except TypeError:
        return None


def digest_of(path: Path) -> str:
    """The SHA-256 of a text file's content, whichever line ends git gave it here."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
