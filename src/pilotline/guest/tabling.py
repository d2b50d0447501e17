"""What a pipeline returns, written so that the tool can read it without knowing a class of the user's.

Frames, series and arrays become an Arrow file with a note of what they were, where pyarrow imports here; else a dump of
their columns (``dumping``). What came as a stream is in a Parquet file already; frames of an iterator become a file each.
Numbers are told as they are. Files are copied. Everything else stays a pickle, which only the project that wrote it will
read.
"""

import json
import math
import os
import shutil

from . import dumping
from .borrowing import borrow
from .results import CannotTravel, pack
from .streams import Stream

_TABLES = {
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "LazyFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch"),
}


class Outputs:
    """Writes outputs into a folder.

    Args:
        request: has ``values``, the folder, and ``house``, where the tool's package lies.
    """

    def __init__(self, request):
        self.folder = request["values"]
        self.house = request.get("house")
        os.makedirs(self.folder, exist_ok=True)

    def write(self, name, value, number):
        """Write one output and say what it is: kind table, metric, file or artifact."""
        path = os.path.join(self.folder, "output-%d" % number)
        if isinstance(value, Stream):
            return self._stream(name, value, path)
        kind = "%s.%s" % (type(value).__module__, type(value).__qualname__)
        said = {"name": name, "type": kind.replace("builtins.", "")}
        metric = _metric(value)
        if metric is not None:
            return dict(said, kind="metric", value=metric)
        why = ""
        if _is_table(value):
            try:
                return dict(said, **self._table(value, path))
            except OSError:  # a full disk says nothing about the value
                raise
            except Exception as error:
                why = str(error)[:500]
        if isinstance(value, os.PathLike) and os.path.isfile(value):
            shutil.copyfile(value, path)
            return dict(said, kind="file", path=path, file=os.path.basename(os.fspath(value)), why=why)
        try:
            packed = pack(value)
        except CannotTravel as error:
            return dict(said, kind="lost", why=why or str(error))
        import pickle

        with open(path, "wb") as file:
            pickle.dump(value, file, protocol=5)
        return dict(said, kind="artifact", path=path, why=why, size=packed.size)

    def _stream(self, name, value, path):
        said = {"name": name, "type": value.about["type"], "rows": value.about["rows"], "coercions": [], "notes": None}
        if value.about["kind"] != "frames":
            return dict(said, kind="table", form="parquet", path=value.path, types=value.about.get("types"))
        parts = []
        try:
            for number, frame in enumerate(value.frames()):
                parts.append(self._table(_countless(frame), "%s-%d" % (path, number)))
        except OSError:
            raise
        except Exception as error:
            return dict(said, kind="lost", why="its frame %d: %s" % (len(parts) + 1, str(error)[:500]))
        coercions = dict.fromkeys(one for part in parts for one in part["coercions"])
        return dict(said, kind="table", form="parts", parts=parts, coercions=list(coercions))

    def _table(self, value, path):
        to_table = self._to_table()
        if to_table is None:
            notes = dumping.dump(value, path)
            return {
                "kind": "table",
                "form": "dump",
                "path": path,
                "notes": notes,
                "rows": notes["rows"],
                "coercions": [],
            }
        import pyarrow as pa

        tabled = to_table(pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, tabled.table.schema) as writer:
            writer.write_table(tabled.table)
        return {
            "kind": "table",
            "form": "arrow",
            "path": path,
            "notes": json.loads(json.dumps(tabled.notes)),
            "rows": tabled.table.num_rows,
            "coercions": [str(one) for one in tabled.coercions],
        }

    def _to_table(self):
        """The tool's own function, where this interpreter can run it."""
        return borrow(self.house, "pilotline.lake.frames.coerce", "to_table")


def _countless(frame):
    """A frame of several whose index only counts: where the count goes on in the next one, it is no column."""
    index = getattr(frame, "index", None)
    return frame.reset_index(drop=True) if type(index).__name__ == "RangeIndex" and index.name is None else frame


def _is_table(value):
    for base in type(value).__mro__:
        family = base.__module__.partition(".")[0]
        if base.__name__ in _TABLES.get(family, ()):
            return True
    return (
        type(value).__module__ == "numpy" and getattr(value, "ndim", 0) in (1, 2) and type(value).__name__ == "ndarray"
    )


def _metric(value):
    """A number as JSON says it; None for what is no number."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        if getattr(value.dtype, "kind", "") not in "biuf":
            return None
        value = value.item()
    if type(value).__name__ == "Decimal" and type(value).__module__ == "decimal":
        value = float(value)
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return None
