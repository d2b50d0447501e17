"""How long a diff takes in which few rows changed, beside reading the files that differ."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow.compute as pc
import volumes
from measuring import Result, Spread

from pilotline.domain.access import Scope
from pilotline.domain.tables import MergeOn, Replace, TableName
from pilotline.lake.diff import diff
from pilotline.lake.lake import open_lake

NAME = "lake-diff"
GOAL = "10 M rows of 10 columns of which 0.1 % changed, in a few files: at most 3 times as long as reading these files"

_LIMIT = 3.0
_RUNS = 5
_OWNER = Scope.everything("the owner")
_ORDERS = TableName("shop", "orders")


def measure() -> Result:
    """Seconds of a diff by those of reading the files that differ, in turns."""
    data = volumes.table()
    changed = data.slice(volumes.ROWS // 2, max(1, volumes.ROWS // 1000))
    place = changed.schema.get_field_index("amount")
    changed = changed.set_column(place, "amount", pc.add(changed.column("amount"), 1.0))
    ours: list[float] = []
    read: list[float] = []
    keyed: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-diff-") as home:
        lake = open_lake(Path(home), author="bench")
        lake.create_branch("before")
        lake.write("before", _ORDERS, data, Replace())
        lake.create_branch("after", "before")
        lake.write("after", _ORDERS, changed, MergeOn(keys=("id",)))
        del data
        for _ in range(_RUNS):
            began = time.perf_counter()
            for reader in lake.scan_difference(
                _ORDERS, _OWNER, "before", "after", columns=volumes.table(1).column_names
            ):
                reader.read_all()
            read.append(time.perf_counter() - began)
            began = time.perf_counter()
            (found,) = diff(lake, "before", "after", lambda _: _OWNER).tables
            ours.append(time.perf_counter() - began)
            assert (found.rows_added, found.rows_removed) == (changed.num_rows, changed.num_rows)
            began = time.perf_counter()
            (found,) = diff(lake, "before", "after", lambda _: _OWNER, keys={_ORDERS: ["id"]}).tables
            keyed.append(time.perf_counter() - began)
            assert found.rows_changed == changed.num_rows
        lake.database.close()
    figure = Spread.of(ours).median / Spread.of(read).median
    return Result(
        figure=figure,
        unit="times reading the files",
        goal=_LIMIT,
        peer="reading the files that differ, s",
        peer_figure=Spread.of(read).median,
        ratio=figure,
        ok=figure <= _LIMIT,
        command="diff(lake, before, after, scope)",
        data={
            "diff": Spread.of(ours).as_data(), "keyed": Spread.of(keyed).as_data(), "read": Spread.of(read).as_data(),
            "rows": volumes.ROWS,
        },
    )  # fmt: skip
