"""What a running pipeline reads from the lake: it asks over a socket of this machine, the tool scans and hands a file over.

Every read is of the run's base commit, whatever is published meanwhile. The run's process never opens the lake itself.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import PilotlineError
from pilotline.domain.tables import TableName
from pilotline.guest.streams import write_batches
from pilotline.lake.errors import Expired, RowsWent
from pilotline.run.errors import RowsRemoved
from pilotline.run.planning import WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from pilotline.domain.plans import ChangesInput
    from pilotline.domain.tables import Commit
    from pilotline.lake.arrow_types import ArrowReader
    from pilotline.lake.catalog import CatalogReader

__all__ = ["ReadServer"]

#: Seconds for which the end of a run waits for a read that nobody waits for any more.
_PATIENCE: Final = 5.0


@dataclass(slots=True)
class ReadServer:
    """Answers ``pilotline.read`` of one run, in a thread.

    Args:
        lake: where to read.
        at: the commit that is read.
        folder: where the files that are handed over are put.
    """

    lake: CatalogReader
    at: Commit
    folder: Path
    #: The tables that are read as what came to them.
    changes: Sequence[ChangesInput] = ()
    #: Who reads, for messages.
    pipeline: str = ""
    #: Why a read was refused for which the run must end, whatever the user's code makes of it.
    refused: PilotlineError | None = None
    #: Table -> snapshot of what was read.
    read: dict[str, str] = field(default_factory=dict[str, str])
    _place: Any = None
    _thread: threading.Thread | None = None
    _ended: bool = False
    _count: int = 0

    def __enter__(self) -> Self:
        # A path for a socket may have about 100 letters, so it does not lie in the project.
        self._place = tempfile.TemporaryDirectory(prefix="pilotline-")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.address)
        listening.listen()
        self._thread = threading.Thread(target=self._serve, args=(listening,), daemon=True, name="pilotline-read")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # Who waits to be called does not notice that the socket is closed: the last call wakes it.
        self._ended = True
        with suppress(OSError), socket.socket(socket.AF_UNIX) as last:
            last.connect(self.address)
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self._place.cleanup()

    @property
    def address(self) -> str:
        """The socket's path: the value of ``PILOTLINE_READ``."""
        return str(Path(self._place.name) / "read")

    def _serve(self, listening: socket.socket) -> None:
        with listening, closing(self.lake):
            while not self._ended:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    stream = connection.makefile("rw", encoding="utf-8")
                    line = stream.readline()
                    if line:
                        stream.write(json.dumps(self._answer(line)) + "\n")
                        stream.flush()

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            return self._scan(asked)
        except PilotlineError as error:
            return {"error": error.as_json()}
        except Exception as error:
            return {"error": {"code": "PL330", "message": f"{type(error).__name__}: {error}", "try_next": ""}}

    def _came(self, taken: ChangesInput, columns: Sequence[str] | None) -> ArrowReader:
        from pilotline.lake.changing import came

        try:
            return came(self.lake, taken.table, WHOLE, str(taken.since), self.at, columns=columns)
        except Expired as error:
            error.try_next = f"pilotline run {self.pipeline} --fresh makes its tables anew from all rows"
            self.refused = error
            raise
        except RowsWent as error:
            self.refused = RowsRemoved(self.pipeline, taken.table, str(taken.run), error.removed)
            raise self.refused from error

    def _scan(self, asked: dict[str, Any]) -> dict[str, Any]:
        import pyarrow as pa

        name = TableName.parse(str(asked["table"]))
        at = self.lake.resolve(asked["at"]) if asked.get("at") else self.at
        info = self.lake.table(name, at)
        taken = None if asked.get("at") else next((each for each in self.changes if each.table == name), None)
        if asked.get("since"):
            from pilotline.lake.changing import came

            reader = came(self.lake, name, WHOLE, asked["since"], at, columns=asked.get("columns"))
        elif taken is None or taken.since is None:
            reader = self.lake.scan(name, WHOLE, at, columns=asked.get("columns"))
        else:
            reader = self._came(taken, asked.get("columns"))
        self._count += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"read-{self._count}"
        self.read[str(name)] = info.snapshot
        notes = self.lake.frame_notes(name, at)
        if asked.get("plain"):
            from pilotline.guest.dumping import dump
            from pilotline.lake.frames.restore import to_pandas

            dump(to_pandas(reader.read_all(), notes), str(path))
            return {"path": str(path), "notes": None, "commit": at.id, "plain": True}
        if asked.get("form") == "parquet":
            write_batches(reader, str(path))
            return {"path": str(path), "notes": None, "commit": at.id, "plain": False, "form": "parquet"}
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return {"path": str(path), "notes": dict(notes) if notes else None, "commit": at.id, "plain": False}
