"""Files that were written, by their content: parsed where equal data may be written in unequal bytes."""

import bz2
import gzip
import hashlib
import lzma
import os
import pickle
import sqlite3
import sys

_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
_MOST_KEPT = 256 << 20


class WrittenFile:
    """A file that was written: compared by content."""

    def __init__(self, path):
        self.path = os.fspath(path)


def plain_file(porter, path):
    """The plain form of a file: kind, bytes (a digest of very large ones), what they hold where that can be told."""
    stem, suffix = os.path.splitext(path.lower())
    with open(path, "rb") as file:
        data = file.read()
    if suffix in _UNPACK:
        data = _UNPACK[suffix](data)
        suffix = os.path.splitext(stem)[1]
    held = None
    try:
        held = _held(path, suffix, data)
    except Exception:
        # Then only the bytes count.
        held = None
    plain = None if held is None else porter.of(held)
    if len(data) > _MOST_KEPT:
        data = hashlib.sha256(data).digest()
    return ["file", suffix, data, plain]


def _held(path, suffix, data):
    """What is in a file whose bytes may differ while its data do not."""
    if data[:15] == b"SQLite format 3":
        return _tables(path)
    pandas = sys.modules.get("pandas")
    if pandas is not None and suffix == ".parquet":
        return pandas.read_parquet(path)
    if pandas is not None and suffix == ".feather":
        return pandas.read_feather(path)
    if suffix in {".pkl", ".pickle"}:
        return pickle.loads(data)
    if suffix in {".joblib", ".sav"} and "joblib" in sys.modules:
        return sys.modules["joblib"].load(path)
    if suffix == ".npz" and "numpy" in sys.modules:
        with sys.modules["numpy"].load(path, allow_pickle=True) as archive:
            return {name: archive[name] for name in archive.files}
    if pandas is not None and suffix in {".h5", ".hdf5", ".hdf"}:
        with pandas.HDFStore(path, "r") as store:
            return {key: store[key] for key in store.keys()}
    return None


def _tables(path):
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("select name, sql from sqlite_master where type = 'table' order by name").fetchall()
        return {
            name: {
                "sql": sql,
                "rows": connection.execute('select * from "{}"'.format(name.replace('"', '""'))).fetchall(),
            }
            for name, sql in found
        }
    finally:
        connection.close()
