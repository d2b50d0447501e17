"""All that this code keeps in the database: what a process of the factory says that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pilotline.factory import alerting, ledger, releases, scheduling
from pilotline.run import components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["COMPONENTS"]

#: Each component of the database, with its scripts.
COMPONENTS: Final[Mapping[str, Sequence[Path]]] = {
    **components.COMPONENTS,
    "factory": ledger.MIGRATIONS,
    "schedules": scheduling.MIGRATIONS,
    "releases": releases.MIGRATIONS,
    "alerts": alerting.MIGRATIONS,
}
