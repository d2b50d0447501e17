"""Names for what Arrow, pandas and pyiceberg hand over. They ship no complete types, so these say what a value is."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = [
    "ArrowArray",
    "ArrowBatch",
    "ArrowDataset",
    "ArrowReader",
    "ArrowSchema",
    "ArrowTable",
    "ArrowType",
    "PandasFrame",
    "compute",
]

ArrowTable: TypeAlias = Any  # pyarrow.Table
ArrowReader: TypeAlias = Any  # pyarrow.RecordBatchReader
ArrowBatch: TypeAlias = Any  # pyarrow.RecordBatch
ArrowDataset: TypeAlias = Any  # pyarrow.dataset.Dataset
ArrowSchema: TypeAlias = Any  # pyarrow.Schema
ArrowArray: TypeAlias = Any  # pyarrow.Array or ChunkedArray
ArrowType: TypeAlias = Any  # pyarrow.DataType
PandasFrame: TypeAlias = Any  # pandas.DataFrame


def compute() -> Any:
    """Arrow's functions on arrays; most are made at import, where no type checker sees them."""
    import pyarrow.compute

    return pyarrow.compute
