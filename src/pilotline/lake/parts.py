"""A stream of rows: in other types, in parts that can be held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pilotline.lake.arrow_types import ArrowBatch, ArrowReader, ArrowSchema, ArrowTable

__all__ = ["PART_BYTES", "fitted", "parts_of"]

#: Bytes of Arrow that are held and written at once: some 60 to 150 MB of a file.
PART_BYTES: Final = 256 * 1024 * 1024


def fitted(batches: Iterable[ArrowBatch], schema: ArrowSchema) -> ArrowReader:
    """The batches with the columns of a schema, in its order and types."""
    import pyarrow as pa

    def cast() -> Generator[ArrowBatch]:
        for batch in batches:
            yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, cast())


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
