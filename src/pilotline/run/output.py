"""What the user's code prints: read from pipes as it comes, whoever writes it, and kept line by line.

The guest marks in the stream itself where a step begins and ends, so each line belongs to its step whatever the load. Lines
lose the values of secrets before anything is written: a value that comes in two pieces is put together first.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pilotline.run.redacting import Redactor

__all__ = ["Line", "Output"]

Stream: TypeAlias = Literal["stdout", "stderr"]

#: Bytes of each stream that are kept.
_LIMIT: Final = 8_000_000
#: A line that grows longer is given out in pieces.
_LONGEST: Final = 65_536
_CUT: Final = "[cut: more was printed]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that the user's code printed."""

    #: Seconds since 1970, by this machine's clock.
    at: float
    stream: Stream
    #: Empty for what was printed while the module was imported.
    step: str
    text: str

    def as_json(self) -> Mapping[str, object]:
        """JSON-ready."""
        return {"at": self.at, "stream": self.stream, "step": self.step or None, "text": self.text}


class Output:
    """Reads what a run's process prints, in threads of its own.

    Args:
        folder: of the run: ``output.jsonl``, and ``stdout`` and ``stderr`` as they were printed.
        redactor: takes secrets out.
        mark: what the guest writes before the name of a step, and nobody else knows.
    """

    def __init__(self, folder: Path, redactor: Redactor, mark: str) -> None:
        self._folder = folder
        self._redactor = redactor
        self._mark = b"\x1e" + mark.encode()
        self._lock = threading.Lock()
        self._waiting: list[Line] = []
        self._threads: list[threading.Thread] = []
        self._lines = _private(folder / "output.jsonl")

    def listen(self, stream: Stream, descriptor: int) -> None:
        """Read a pipe until nobody can write to it any more."""
        thread = threading.Thread(target=self._read, args=(stream, descriptor), daemon=True, name=f"pilotline-{stream}")
        thread.start()
        self._threads.append(thread)

    def take(self) -> list[Line]:
        """The lines that came since this was asked last."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def end(self, timeout: float = 2.0) -> None:
        """Wait for the last lines; what a process that got away still holds open is not waited for."""
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            self._lines.close()

    def _read(self, stream: Stream, descriptor: int) -> None:
        teller = _Teller(self, stream, _private(self._folder / stream))
        rest = b""
        try:
            while data := os.read(descriptor, 1 << 16):
                rest = self._whole_lines(teller, rest + data)
                self._flush(teller)
            teller.say(rest)
            teller.end_line()
            self._flush(teller)
        except OSError:
            return
        finally:
            os.close(descriptor)
            teller.close()

    def _whole_lines(self, teller: _Teller, data: bytes) -> bytes:
        """Tell what can be told of some bytes, and give back what may be half a mark."""
        while (place := data.find(self._mark)) >= 0:
            end = data.find(b"\n", place)
            if end < 0:
                teller.say(data[:place])
                return data[place:]
            teller.say(data[:place])
            teller.begin(data[place + len(self._mark) : end].decode("utf-8", "replace").strip())
            data = data[end + 1 :]
        half = data.rfind(b"\x1e", max(0, len(data) - len(self._mark)))
        whole = len(data) if half < 0 else half
        teller.say(data[:whole])
        return data[whole:]

    def add(self, line: Line) -> None:
        """Keep one line."""
        with self._lock:
            if not self._lines.closed:
                self._waiting.append(line)
                self._lines.write(json.dumps(line.as_json()) + "\n")

    def _flush(self, teller: _Teller) -> None:
        teller.flush()
        with self._lock:
            if not self._lines.closed:
                self._lines.flush()

    def clean(self, text: str) -> str:
        """A text without secrets, and without what no database takes."""
        return self._redactor.text(text).replace("\x00", "\ufffd")

    @property
    def overlap(self) -> int:
        """So many signs of a line that goes on are held back: a secret may begin in them."""
        return self._redactor.longest


class _Teller:
    """Cuts one stream into lines."""

    def __init__(self, output: Output, stream: Stream, plain: _Private) -> None:
        self._output = output
        self._stream: Stream = stream
        self._plain = plain
        self._step = ""
        self._left = _LIMIT
        self._text = ""
        self._bytes = b""

    def begin(self, step: str) -> None:
        self.end_line()
        self._step = step

    def say(self, data: bytes) -> None:
        if not data or self._left <= 0:
            return
        *lines, last = (self._bytes + data).split(b"\n")
        for each in lines:
            self._tell(self._text + each.decode("utf-8", "replace"))
            self._text = ""
        self._bytes = last
        if len(last) > _LONGEST:
            # Cut where no sign of several bytes is torn.
            text = self._output.clean(self._text + last.decode("utf-8", "ignore"))
            keep = self._output.overlap
            cut = len(text) - keep
            self._tell(text[:cut])
            self._text, self._bytes = text[cut:], b""

    def end_line(self) -> None:
        text = self._text + self._bytes.decode("utf-8", "replace")
        self._text, self._bytes = "", b""
        if text:
            self._tell(text)

    def flush(self) -> None:
        self._plain.flush()

    def close(self) -> None:
        self._plain.close()

    def _tell(self, text: str) -> None:
        if self._left <= 0:
            return
        self._left -= len(text) + 1
        said = self._output.clean(text.removesuffix("\r")) if self._left > 0 else _CUT
        self._output.add(Line(at=time.time(), stream=self._stream, step=self._step, text=said))
        self._plain.write(said + "\n")


class _Private:
    """A file that its owner alone may read; a full disk costs lines, and never the run."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError:
            return

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            return

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:
            return


def _private(path: Path) -> _Private:
    return _Private(path)
