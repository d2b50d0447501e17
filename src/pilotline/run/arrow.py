"""The tables that a run's process hands over: an Arrow file, or a dump of columns where it has no pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotline.guest.dumping import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotline.lake.arrow_types import ArrowTable

__all__ = ["table_of"]


def table_of(output: Mapping[str, Any]) -> tuple[ArrowTable, Mapping[str, Any] | None]:
    """The table of an output, and the notes of what it was as a frame.

    Raises:
        NotATable: it holds what no table can.
    """
    if output["form"] == "arrow":
        import pyarrow as pa

        with pa.memory_map(output["path"]) as source:
            return pa.ipc.open_file(source).read_all(), output["notes"]
    from pilotline.lake.frames import to_table

    tabled = to_table(load(output["path"]))
    return tabled.table, tabled.notes
