"""What user code prints goes to a file, up to a limit, after which it goes nowhere."""

import io
import os
import sys

#: Bytes of each of stdout and stderr that are kept.
LIMIT = 8_000_000


#: Credentials, and what is written in their place.
_hidden = []


def hide(names):
    """Never write out what these environment variables hold."""
    values = [(os.environ.get(name, ""), name) for name in names]
    # Shorter ones can't be told from any other text.
    _hidden[:] = [
        (value, "<%s>" % name) for value, name in sorted(values, key=lambda one: -len(one[0])) if len(value) > 3
    ]


def hidden(value):
    """Plain data without the credentials that its texts hold."""
    if isinstance(value, str):
        for secret, name in _hidden:
            value = value.replace(secret, name)
        return value
    if isinstance(value, list):
        return [hidden(one) for one in value]
    if isinstance(value, dict):
        return {key: hidden(one) for key, one in value.items()}
    return value


class _Capped(io.RawIOBase):
    def __init__(self, descriptor, limit):
        super().__init__()
        self._descriptor = descriptor
        self._left = limit

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor

    def write(self, data):
        size = len(data)
        for secret, name in _hidden:
            data = bytes(data).replace(secret.encode(), name.encode())
        if self._left > 0:
            os.write(self._descriptor, bytes(data[: self._left]))
            self._left -= len(data)
            if self._left <= 0:
                os.write(self._descriptor, b"\n[cut: more was printed]\n")
        return size


def take_over(limit=LIMIT, live=False):
    """Put capped streams in the place of ``sys.stdout`` and ``sys.stderr``; ``live`` ones give each line out at once."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = io.BufferedWriter(_Capped(descriptor, limit), 1 << 16)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=live)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def mark(word, step):
    """Say in both streams that what follows belongs to a step; nothing where nobody listens."""
    if word:
        flush()
        for descriptor in (1, 2):
            try:
                os.write(descriptor, ("\x1e%s %s\n" % (word, step)).encode())
            except OSError:
                continue


def flush():
    """Write out what is still buffered."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue
