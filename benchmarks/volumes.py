"""The table that volumes are measured with: ten columns of the usual kinds."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa

#: As many rows as the goals speak of; ``PILOTLINE_BENCH_ROWS`` takes fewer for a quick look.
ROWS = int(os.environ.get("PILOTLINE_BENCH_ROWS", "10000000"))


def table(rows: int = ROWS) -> pa.Table:
    """Integers, floats, texts of few and of many values, dates, flags; seeded."""
    rng = np.random.default_rng(11)
    shops = pa.array([f"shop {number}" for number in range(50)])
    start = np.datetime64("2024-01-01", "us")
    return pa.table(
        {
            "id": pa.array(np.arange(rows)),
            "customer": pa.array(rng.integers(0, 1_000_000, rows)),
            "quantity": pa.array(rng.integers(1, 9, rows, dtype=np.int32)),
            "amount": pa.array(rng.random(rows).round(4) * 100),
            "discount": pa.array(rng.random(rows)),
            "weight": pa.array(rng.normal(size=rows)),
            "shop": shops.take(pa.array(rng.integers(0, 50, rows))),
            "paid": pa.array(rng.random(rows) > 0.1),
            "ordered_at": pa.array(start + rng.integers(0, 10**13, rows).astype("timedelta64[us]")),
            "score": pa.array(rng.random(rows)),
        }
    )
