"""Results that need not fit into memory: written as they come, and opened anew by whoever takes them.

    a reader or a data set of Arrow's, a DuckDB relation, a lazy Polars frame   a Parquet file
    an iterator of frames                                                       a file of packed frames, one after another

Whoever takes one gets a thing of the same kind over the file: it can be read once more by each who takes it, though what
was returned could be read only once. No library is imported here that the value at hand is not of.
"""

import base64
import contextlib
import errno
import hashlib
import importlib.util
import itertools
import json
import os
import re
import struct

from .results import CannotTravel, pack, unpack, write_all

#: So many rows are written, and can be read, at once; so many bytes at least, where there are fewer rows in a batch.
_ROWS = 122_880
_BYTES = 32 * 1024 * 1024
_BLOCK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LENGTH = struct.Struct("<Q")
_FRAMES = {"pandas": ("DataFrame",), "polars": ("DataFrame",), "pyarrow": ("RecordBatch", "Table")}
#: Kinds by where their class lies and what it is called.
_KINDS = {
    ("pyarrow", "RecordBatchReader"): "reader",
    ("pyarrow", "Dataset"): "dataset",
    ("duckdb", "DuckDBPyRelation"): "relation",
    ("polars", "LazyFrame"): "lazy",
}
#: Types of DuckDB's that Arrow does not know: zones are dropped, bits are bytes, the largest whole numbers wrap around.
_LOST = re.compile(r"\b(TIME WITH TIME ZONE|BIT|UHUGEINT|BIGNUM|VARINT)\b")
_NAMES = {
    "reader": "pyarrow.RecordBatchReader",
    "dataset": "pyarrow.dataset.Dataset",
    "relation": "duckdb.DuckDBPyRelation",
    "lazy": "polars.LazyFrame",
}


class CannotKeep(Exception):
    """What comes as a stream cannot be written to a file and be the same again."""


class NoRoom(Exception):
    """Writing failed; what was to be written has no part in that."""


class Stream:
    """What stands for a result that is in a file of its own.

    Attributes:
        path: the file.
        about: JSON-ready: kind, type, size, digest, and, as far as they are known, rows, columns and what its types were.
    """

    __slots__ = ("about", "path")

    def __init__(self, path, about):
        self.path = path
        self.about = about

    def open(self):
        """The result, to be read from its beginning."""
        return open_kind(self.about["kind"], self.path, self.about)

    def frames(self):
        """The frames of an iterator, one after another."""
        return _unpacked(self.path)

    def refuse_damaged(self):
        """Raise ValueError where the file is not the one that was written."""
        if _digest(self.path) != self.about["digest"]:
            raise ValueError("its bytes are not those that were stored")


def keep(value, path):
    """Write a value that comes as a stream.

    Args:
        value: anything.
        path: of the file.

    Returns:
        A ``Stream``; the value itself where it is of no such kind. Of an iterator the first item was then taken, so it is
        one like it.

    Raises:
        CannotKeep: it would not come back as it is.
        NoRoom: the file cannot be written.
    """
    kind = kind_of(value)
    if kind is None:
        return value
    if kind == "frames":
        first = list(itertools.islice(value, 1))
        if not first or not _is_frame(first[0]):
            return _resumed(first, value)
        about = {"type": "iterator of %s" % _name(first[0]), **_write_frames(_resumed(first, value), path)}
    else:
        about = {"type": _NAMES[kind], **(_write_lazy if kind == "lazy" else _write_batches)(value, kind, path)}
    with _writing():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    return Stream(path, dict(about, kind=kind, size=os.path.getsize(path), digest=_digest(path)))


def kind_of(value):
    """The kind of stream that a value may be; None for others."""
    for base in type(value).__mro__:
        kind = _KINDS.get((_root(base).lstrip("_"), base.__name__))
        if kind == "relation" and not _has_arrow():
            return None
        if kind is not None:
            return kind
    may_be = type(value).__name__ in ("generator", "map") or _root(type(value)) in _FRAMES
    return "frames" if may_be and _passes(value) else None


def lost_type(relation):
    """The first type of a DuckDB relation whose values come out of Arrow as others, and nothing tells; None where none is."""
    return next((str(one) for one in relation.types if _LOST.search(str(one))), None)


def batches_of(value):
    """A reader of the rows of a data set or a relation."""
    return _BATCHES[kind_of(value)](value)


def reads_once(value):
    """Whether nothing is left of a value when it was read, as far as its type tells; a cursor may ask again."""
    known = type(value).__name__ in ("generator", "map", "filter", "zip")
    return _passes(value) and (known or _root(type(value)) in (*_FRAMES, "itertools", "_io", "_csv"))


def open_kind(kind, path, about=None):
    """A file as a thing of a kind.

    Args:
        kind: reader, dataset, relation, lazy or frames.
        path: of a Parquet file; for ``frames`` of packed ones.
        about: what ``keep`` knew of the types.
    """
    return _OPENED[kind](path, about or {})


@contextlib.contextmanager
def _writing():
    """Says of what goes wrong within that it was the writing."""
    try:
        yield
    except OSError as error:
        raise NoRoom(error.strerror or str(error)) from error


def _passes(value):
    return hasattr(type(value), "__next__")


def _root(kind):
    return (kind.__module__ or "").partition(".")[0]


def _has_arrow():
    return importlib.util.find_spec("pyarrow") is not None


def _is_frame(value):
    return any(base.__name__ in _FRAMES.get(_root(base), ()) for base in type(value).__mro__)


def _name(value):
    return "%s.%s" % (_root(type(value)), type(value).__name__)


def _resumed(first, rest):
    """A generator, as most of what is passed on here is one."""
    yield from first
    yield from rest


def _digest(path):
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            state.update(block)
    return state.hexdigest()


# ---- Arrow's readers and data sets, relations


def write_batches(batches, path):
    """Write what a reader of Arrow's gives to a Parquet file, a few batches at a time; the number of rows.

    Raises:
        CannotKeep: a file cannot hold it.
        NoRoom: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    try:
        with _writing():
            writer = pq.ParquetWriter(path, batches.schema, use_compliant_nested_type=False)
    except pa.ArrowNotImplementedError as error:
        raise CannotKeep(str(error)) from None
    try:
        for part in _parts(pa, batches, batches.schema):
            with _writing():
                writer.write_table(part, row_group_size=_ROWS)
            rows += part.num_rows
    finally:
        with _writing():
            writer.close()
    return rows


def _write_batches(value, kind, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = _BATCHES[kind](value)
    schema = batches.schema
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise CannotKeep("it has two columns %s" % ", ".join(twice))
    lost = lost_type(value) if kind == "relation" else None
    if lost:
        raise CannotKeep("a file does not hold %s" % lost)
    about = {"rows": write_batches(batches, path), "columns": list(schema.names)}
    if kind == "relation":
        about["types"] = [str(one) for one in value.types]
        return about
    found = pq.read_schema(path)
    if not found.equals(schema):
        try:
            found.empty_table().cast(schema)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise CannotKeep(str(error)) from None
        about["schema"] = base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")
    return about


def _parts(pa, batches, schema):
    """Small batches joined: a table each, for one group of rows or more."""
    held, rows, size = [], 0, 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _ROWS or size >= _BYTES:
            yield pa.Table.from_batches(held, schema)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _scanned(dataset):
    """A reader that does not read ahead: by default it does by more than a gigabyte, whoever takes the batches."""
    import pyarrow.dataset as ds

    usual = ds.ParquetFragmentScanOptions()
    form = getattr(dataset, "format", None)
    plain = isinstance(form, ds.ParquetFileFormat) and form.default_fragment_scan_options == usual
    options = ds.ParquetFragmentScanOptions(pre_buffer=False) if plain else None
    scanner = dataset.scanner(use_threads=False, batch_readahead=1, fragment_readahead=1, fragment_scan_options=options)
    return scanner.to_reader()


def _related(relation):
    for name in ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch", "record_batch"):
        if hasattr(relation, name):
            return getattr(relation, name)(_ROWS)
    raise CannotKeep("this version of DuckDB has no readers")


_BATCHES = {"reader": lambda value: value, "dataset": _scanned, "relation": _related}


def _schema(about):
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(about["schema"]))) if about.get("schema") else None


def _open_reader(path, about):
    import pyarrow as pa
    import pyarrow.parquet as pq

    # What is buffered before is all of the file.
    file = pq.ParquetFile(path, pre_buffer=False)
    schema = _schema(about)
    batches = file.iter_batches(batch_size=_ROWS)
    if schema is not None:
        batches = (one for batch in batches for one in pa.Table.from_batches([batch]).cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema or file.schema_arrow, batches)


def _open_dataset(path, about):
    import pyarrow.dataset as ds

    form = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False))
    return ds.dataset(path, schema=_schema(about), format=form)


def _open_relation(path, about):
    import duckdb

    relation = duckdb.read_parquet(path, hive_partitioning=False)
    columns, now = relation.columns, [str(one) for one in relation.types]
    types = about.get("types") or now
    if types == now:
        return relation
    # Whole numbers of 128 bits are decimals in a file, and enumerations are texts.
    named = ['"%s"' % name.replace('"', '""') for name in columns]
    cast = [
        name if kind == found else "CAST(%s AS %s) AS %s" % (name, kind, name)
        for name, kind, found in zip(named, types, now)
    ]
    return relation.project(", ".join(cast))


# ---- lazy frames


def _write_lazy(value, kind, path):
    import polars

    schema = value.collect_schema() if hasattr(value, "collect_schema") else value.schema
    try:
        if hasattr(value, "collect_batches"):
            value.sink_parquet(path, row_group_size=_ROWS)
        else:  # of old versions, not all frames can be written as they come
            value.collect().write_parquet(path, row_group_size=_ROWS)
    except Exception as error:
        # Polars reads while it writes, and does not say which of them went wrong; but only one of them needs room.
        said = re.search(r"os error (\d+)", str(error))
        if (int(said.group(1)) if said else getattr(error, "errno", None)) in _FULL:
            raise NoRoom(str(error)[:300]) from error
        raise
    again = polars.scan_parquet(path)
    found = again.collect_schema() if hasattr(again, "collect_schema") else again.schema
    changed = [name for name in schema if found.get(name) != schema[name]]
    if changed:
        raise CannotKeep("%s of type %s would come back as another" % (changed[0], schema[changed[0]]))
    return {"rows": again.select(polars.len()).collect().item(), "columns": list(schema)}


def _open_lazy(path, about):
    import polars

    return polars.scan_parquet(path, hive_partitioning=False)


# ---- iterators of frames


def _write_frames(frames, path):
    rows, columns = 0, None
    with _writing():
        file = open(path, "wb", buffering=0)
    with file:
        for number, frame in enumerate(frames):
            try:
                packed = pack(frame)
            except CannotTravel as error:
                raise CannotKeep("its frame %d cannot be stored: %s" % (number + 1, error)) from None
            with _writing():
                head = json.dumps(packed.lengths).encode("ascii")
                write_all(file, [_LENGTH.pack(len(head)), head, packed.stream, *packed.buffers])
            if _is_frame(frame):
                rows += len(frame)
                columns = columns or [str(one) for one in _labels(frame)]
    return {"rows": rows, "columns": columns}


def _labels(frame):
    return frame.schema.names if _root(type(frame)) == "pyarrow" else frame.columns


def _unpacked(path, about=None):
    with open(path, "rb") as file:
        while True:
            start = file.read(_LENGTH.size)
            if not start:
                return
            (length,) = _LENGTH.unpack(start)
            yield unpack([bytearray(file.read(each)) for each in json.loads(file.read(length))])


_OPENED = {
    "reader": _open_reader,
    "dataset": _open_dataset,
    "relation": _open_relation,
    "lazy": _open_lazy,
    "frames": _unpacked,
}
