"""What a run keeps in the database: what its process says that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.lake import ledger
from pilotline.run import emitting, logs, records, usage
from pilotline.run.columns import keeping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["COMPONENTS"]

#: Each component of the database that a run has to do with, with its scripts.
COMPONENTS: Final[Mapping[str, Sequence[Path]]] = {
    "lake": ledger.MIGRATIONS,
    "run": records.MIGRATIONS,
    "logs": logs.MIGRATIONS,
    "usage": usage.MIGRATIONS,
    "columns": keeping.MIGRATIONS,
    "openlineage": emitting.MIGRATIONS,
}
