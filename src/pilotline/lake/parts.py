"""A stream of rows in parts that can be held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

    from pilotline.lake.arrow_types import ArrowReader, ArrowTable

__all__ = ["PART_BYTES", "parts_of"]

#: Bytes of Arrow that are held and written at once: some 60 to 150 MB of a file.
PART_BYTES: Final = 256 * 1024 * 1024


def parts_of(data: ArrowReader, size: int = PART_BYTES) -> Generator[ArrowTable]:
    """The batches of a reader joined to tables of about ``size`` bytes."""
    import pyarrow as pa

    held: list[Any] = []
    bytes_held = 0
    for batch in data:
        held.append(batch)
        bytes_held += batch.nbytes
        if bytes_held >= size:
            yield pa.Table.from_batches(held, schema=data.schema)
            held, bytes_held = [], 0
    if held:
        yield pa.Table.from_batches(held, schema=data.schema)
