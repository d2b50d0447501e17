"""``pilotline.read``: a table of the lake as a frame, by the same call in a notebook, in a run, on any machine.

In a run the tool serves the scans, at the commit that the run began on; ``PILOTLINE_READ`` says where. In a notebook the
lake of the project is read: by this interpreter where it can, else by the program ``pilotline``, which has an environment
of its own. What comes is an Arrow file, or a plain dump where there is neither pyarrow nor Polars; a Parquet file where the
table is not to be in memory.
"""

import atexit
import importlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import tempfile

from . import dumping, streams
from .borrowing import borrow

#: Folder of the package whose functions turn tables into the frames that they were.
HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: What ``as_`` may be, and what it needs.
_FORMS = {
    "pandas": None,
    "polars": "polars",
    "arrow": "pyarrow",
    "original": None,
    "reader": "pyarrow",
    "dataset": "pyarrow",
    "lazy": "polars",
    "relation": "duckdb",
}
#: Those that hold no rows until they are asked for some.
_STREAMED = ("reader", "dataset", "lazy", "relation")


class ReadFailed(Exception):
    """A table cannot be read.

    Attributes:
        code: see ``pilotline explain CODE``.
        message: what is wrong.
        try_next: what to do.
    """

    def __init__(self, message, code="PL330", try_next=""):
        super().__init__("%s: %s%s" % (code, message, "\n  next: " + try_next if try_next else ""))
        self.code = code
        self.message = message
        self.try_next = try_next


def read(table, *, at=None, since=None, as_="pandas", columns=None):
    """A table of the lake as a frame.

    Args:
        table: ``namespace.table``.
        at: a commit, a tag, a branch or a time, such as ``"main~2"`` or ``"2026-11-24"``; in a run by default the commit
            that the run began on, else the head of main.
        since: only the rows that came after this commit, tag or time.
        as_: ``pandas`` (as it was published), ``polars``, ``arrow``, or ``original`` (the very thing that was published:
            a series, an array, a Polars frame). Of a table that is larger than memory: ``reader`` (a
            ``pyarrow.RecordBatchReader``), ``dataset`` (Arrow's), ``lazy`` (a ``polars.LazyFrame``) or ``relation``
            (DuckDB's).
        columns: these only.

    Raises:
        ReadFailed: there is no such table or commit, or nothing to read it with; or rows went or changed since ``since``.
    """
    if as_ not in _FORMS:
        raise ReadFailed("as_ is one of %s, not %r" % (", ".join(_FORMS), as_))
    needed = _FORMS[as_]
    if needed and not _has(needed):
        raise ReadFailed("%s is not installed here" % needed, try_next="install it, or read as_='pandas'")
    plain = not _has("pyarrow") and as_ in ("pandas", "original")
    asked = {
        "table": str(table),
        "at": at,
        "since": since,
        "columns": list(columns) if columns else None,
        "plain": plain,
        "form": "parquet" if as_ in _STREAMED else None,
    }
    address = os.environ.get("PILOTLINE_READ")
    if address:
        return _framed(_ask_run(address, asked), as_)
    direct = _direct(asked, as_) if not plain else None
    return direct[0] if direct is not None else _ask_program(asked, as_)


def _has(module):
    return importlib.util.find_spec(module) is not None


def _ask_run(address, asked):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        stream = connection.makefile("rw", encoding="utf-8")
        stream.write(json.dumps(asked) + "\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise ReadFailed("the run that serves the lake has ended")
    answer = json.loads(line)
    if "error" in answer:
        error = answer["error"]
        raise ReadFailed(error["message"], error["code"], error.get("try_next", ""))
    return answer


def _direct(asked, as_):
    """The frame in a tuple, read by this interpreter; None where it has not what that needs."""
    if not all(_has(name) for name in ("pyiceberg", "pyarrow", "pilotline")):
        return None
    try:
        # By name: this module is also used where nothing of the house is installed.
        access, errors, tables, reading, opening, nothing, usage = (
            importlib.import_module("pilotline." + name)
            for name in (
                "domain.access", "domain.errors", "domain.tables", "lake.reading", "run.opening", "run.nothing", "run.usage"
            )
        )  # fmt: skip
    except ImportError:
        return None
    import pathlib

    lake, _ = opening.open_lake_here(pathlib.Path.cwd())
    if not lake.exists:
        raise _no_lake()
    scope = access.Scope.everything("the lake lies on one's own disk")
    try:
        name = tables.TableName.parse(asked["table"])
        at, columns, since = asked["at"] or "main", asked["columns"], asked["since"]
        how = "reader" if as_ in _STREAMED else as_
        frame = reading.read(lake, name, scope, at, since=since, columns=columns, as_=how)
        usage.Usage(lake.database).count(str(name), nothing.somebody(), "read", columns or ())
        return (_streamed(frame, as_) if as_ in _STREAMED else frame,)
    except errors.PilotlineError as error:
        raise ReadFailed(error.message, error.code, error.try_next) from None


def _ask_program(asked, as_):
    program = shutil.which("pilotline")
    if program is None:
        raise ReadFailed(
            "there is nothing here to read the lake with: the program pilotline is not on the path",
            code="PL331",
            try_next="uv tool install 'pilotline[tool]', or pip install 'pilotline[lake]' into this environment",
        )
    with tempfile.TemporaryDirectory(prefix="pilotline-") as folder:
        path = os.path.join(folder, "table")
        command = [program, "show", asked["table"], "--dump" if asked["plain"] else "--arrow", path, "--json"]
        if asked["at"]:
            command += ["--at", str(asked["at"])]
        if asked["since"]:
            command += ["--since", str(asked["since"])]
        for column in asked["columns"] or ():
            command += ["--column", column]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise ReadFailed("%s gave no answer: %s" % (program, done.stderr[-500:])) from None
        if "error" in answer:
            error = answer["error"]
            raise ReadFailed(error["message"], error["code"], error.get("try_next", ""))
        return _framed(dict(answer, path=path, plain=asked["plain"]), as_)


def _framed(answer, as_):
    """A handed over file as a frame."""
    if answer.get("plain"):
        return dumping.load(answer["path"])
    if answer.get("form") == "parquet":
        return streams.open_kind(as_, answer["path"])
    if as_ in _STREAMED:
        import pyarrow

        with pyarrow.OSFile(answer["path"], "rb") as source:
            file = pyarrow.ipc.open_file(source)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
            return _streamed(pyarrow.RecordBatchReader.from_batches(file.schema, batches), as_, copied=True)
    if as_ == "polars":
        import polars

        # Not by its path, which would map the file: it goes with the folder that it is in.
        with open(answer["path"], "rb") as source:
            return polars.read_ipc(source)
    import pyarrow

    with pyarrow.OSFile(answer["path"], "rb") as source:
        table = pyarrow.ipc.open_file(source).read_all().replace_schema_metadata(None)
    if as_ == "arrow":
        return table
    name = "restore" if as_ == "original" else "to_pandas"
    restore = borrow(HOUSE, "pilotline.lake.frames.restore", name)
    return restore(table, answer["notes"]) if restore is not None else table.to_pandas()


def _streamed(batches, as_, copied=False):
    """The rows that a reader gives as another thing; over a file that is there until the interpreter ends."""
    if as_ == "reader" and not copied:
        return batches
    folder = tempfile.mkdtemp(prefix="pilotline-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "table.parquet")
    streams.write_batches(batches, path)
    return streams.open_kind(as_, path)


def _no_lake():
    return ReadFailed(
        "no project with a lake is here or above %s" % os.getcwd(),
        code="PL332",
        try_next="change into the project's folder, or publish something first: pilotline run",
    )
