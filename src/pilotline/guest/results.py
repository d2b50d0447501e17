"""Results of steps, stored durably by content key: a file each, there whole or not at all.

    <base>.facts    what was found out about the step when it ran: draws, reaches (JSON; absent where there is nothing)
    <final>         magic, length of the head, head (JSON), then the parts: for each result its pickle and its buffers,
                    last the states of the random generators where it drew
    <final>.streamN the result of that number, where it came as a stream; written before the head that tells of it

Pickle 5 hands over the buffers of arrays without copying them. They are read back writable, as they were.
"""

import hashlib
import io
import json
import os
import pickle
import struct

MAGIC = b"pilotline step 1\n"
_LENGTH = struct.Struct("<Q")


class CannotTravel(Exception):
    """A value that cannot be pickled."""


class Damaged(Exception):
    """What is stored is not what was stored."""


class Packed:
    """A value as bytes.

    Attributes:
        head: length of the pickle and of each buffer, and a digest of all.
    """

    __slots__ = ("buffers", "digest", "stream")

    def __init__(self, stream, buffers):
        self.stream = stream
        self.buffers = buffers
        state = hashlib.blake2b(stream, digest_size=16)
        for buffer in buffers:
            state.update(buffer)
        self.digest = state.hexdigest()

    @property
    def lengths(self):
        """Bytes of the pickle and of each buffer."""
        return [len(self.stream), *(buffer.nbytes for buffer in self.buffers)]

    @property
    def size(self):
        """Bytes."""
        return sum(self.lengths)

    def value(self):
        """The value anew, sharing nothing with the one that was packed."""
        return pickle.loads(self.stream, buffers=[bytearray(buffer) for buffer in self.buffers])


def pack(value):
    """A value as bytes.

    Raises:
        CannotTravel: it cannot be pickled.
    """
    buffers = []
    stream = io.BytesIO()
    try:
        pickle.Pickler(stream, protocol=5, buffer_callback=lambda one: buffers.append(one.raw())).dump(value)
    except Exception as error:
        raise CannotTravel("%s: %s" % (type(error).__name__, str(error)[:300])) from None
    return Packed(stream.getbuffer(), buffers)


def unpack(chunks):
    """The value of a pickle and its buffers."""
    return pickle.loads(chunks[0], buffers=chunks[1:])


class Store:
    """A folder of results.

    Args:
        folder: it is made when the first result comes.
    """

    def __init__(self, folder):
        self.folder = folder

    def path(self, key):
        """Where the file of a key is."""
        return os.path.join(self.folder, key[:2], key)

    def has(self, final):
        """Whether there are results under a final key."""
        return os.path.exists(self.path(final))

    def facts(self, base):
        """What was found out about a step, or None."""
        try:
            with open(self.path(base) + ".facts", "rb") as file:
                return json.loads(file.read())
        except (OSError, ValueError):
            return None

    def keep_facts(self, base, facts):
        """Note what was found out; nothing is written where there is nothing to say."""
        if any(facts.values()):
            self._write(self.path(base) + ".facts", [json.dumps(facts).encode("ascii")])

    def keep(self, final, packed, head):
        """Store packed results under a final key.

        Args:
            final: the key.
            packed: ``Packed`` values; None in the place of one that is described by the head alone.
            head: JSON-ready; ``parts`` is added.
        """
        parts = []
        chunks = []
        for one in packed:
            if one is None:
                parts.append(None)
                continue
            parts.append(one.lengths)
            chunks.append(one.stream)
            chunks.extend(one.buffers)
        text = json.dumps(dict(head, parts=parts, digests=[one and one.digest for one in packed])).encode("ascii")
        self._write(self.path(final), [MAGIC, _LENGTH.pack(len(text)), text, *chunks])

    def head(self, final):
        """The head of what is stored under a key; None where there is nothing, or nothing whole."""
        try:
            with open(self.path(final), "rb") as file:
                return self._head(file)
        except (OSError, ValueError):
            return None

    def load(self, final, index):
        """One value; ``index`` counts the parts.

        Raises:
            Damaged: it is not there, or not as it was stored.
        """
        try:
            return unpack(self._chunks(final, index))
        except Exception as error:
            raise Damaged("%s: %s" % (type(error).__name__, error)) from error

    def use(self, *keys):
        """Mark what is stored under keys as used: what nobody uses is let go after a while."""
        for key in keys:
            for path in (self.path(key), self.path(key) + ".facts"):
                try:
                    os.utime(path)
                except OSError:  # there is none, or it is another user's
                    continue

    def drop(self, final):
        """Forget what is stored under a final key."""
        try:
            os.unlink(self.path(final))
        except FileNotFoundError:
            pass

    def _chunks(self, final, index):
        with open(self.path(final), "rb") as file:
            head = self._head(file)
            parts = head["parts"]
            file.seek(sum(sum(part) for part in parts[:index] if part), os.SEEK_CUR)
            chunks = []
            state = hashlib.blake2b(digest_size=16)
            for length in parts[index]:
                chunk = bytearray(length)
                if file.readinto(chunk) != length:
                    raise ValueError("it is cut short")
                state.update(chunk)
                chunks.append(chunk)
        if state.hexdigest() != head["digests"][index]:
            raise ValueError("its bytes are not those that were stored")
        return chunks

    def _head(self, file):
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("%s is not a stored result" % file.name)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return json.loads(file.read(length))

    def _write(self, path, chunks):
        folder = os.path.dirname(path)
        temporary = "%s.%d.tmp" % (path, os.getpid())
        try:
            file = open(temporary, "wb", buffering=0)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            file = open(temporary, "wb", buffering=0)
        with file:
            write_all(file, chunks)
            os.fsync(file.fileno())
        os.replace(temporary, path)


def write_all(file, chunks):
    """Write to a file that has no buffer of its own."""
    small = []
    for chunk in chunks:
        view = memoryview(chunk)
        if view.nbytes < 65536:
            small.append(bytes(view))
            continue
        _drain(file, b"".join(small))
        small = []
        _drain(file, view.cast("B") if view.nbytes else b"")
    _drain(file, b"".join(small))


def _drain(file, data):
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]
