"""The database of the catalog: one connection a thread, SQL from named files that SQLite and Postgres both understand.

Readers see one state for as long as their block lasts. Writers take the write lock at the start of theirs, so what they
read in it is what they change. Other layers keep their rows in the same database, each under a name of its own with its
own list of migrations, so that one transaction can hold rows of several. Each transaction asks first whether the tables
still serve this code: a newer Pilotline may have taken away what it uses.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from pilotline.lake.bells import FileBell
from pilotline.lake.errors import LakeBusy, LakeDamaged, NoRoom
from pilotline.lake.migrating import (
    MIGRATIONS,
    OLDEST,
    advance,
    make,
    may_advance,
    named_statements,
    processes_waited_for,
    refuse_too_new,
    undo,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pilotline.lake.bells import Bell, Topic
    from pilotline.lake.migrating import Process

__all__ = ["Database", "Session", "SqliteDatabase", "Versioned", "named_statements"]


class Session:
    """One transaction of a Database.

    Args:
        run: executes one statement with ``:name`` parameters and fetches its rows.
        clock: the expression for the database's time.
    """

    def __init__(self, run: Callable[[str, Mapping[str, object]], list[tuple[Any, ...]]], clock: str) -> None:
        self._run = run
        self._clock = f"SELECT {clock}"
        #: What those who wait are to hear of when it is committed.
        self.announced: set[Topic] = set()

    def execute(self, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Run one statement with ``:name`` parameters and fetch its rows."""
        return self._run(statement, values)

    def now(self) -> datetime:
        """The time of the database: hosts may disagree."""
        return datetime.fromisoformat(self._run(self._clock, {})[0][0])

    def announce(self, topic: Topic) -> None:
        """Let those who wait for this hear of it, once the transaction is kept."""
        self.announced.add(topic)


class Database(Protocol):
    """Where the catalog's rows are; several processes and threads share it."""

    @property
    def where(self) -> str:
        """Which database it is, without any secret."""
        ...

    @property
    def exists(self) -> bool:
        """Whether anything was ever done here; looking does not make it."""
        ...

    def register(self, component: str, migrations: Sequence[Path]) -> None:
        """Say which scripts, one a version, make the tables of a component; run at the next use where missing.

        One whose name ends in ``.after.sql`` waits until no process is at work whose code does not know it.
        """
        ...

    def finish_upgrade(self) -> tuple[Process, ...]:
        """Run the scripts that waited for processes of older code; gives those that they wait for still."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """One state of the database, whatever others write meanwhile."""
        ...

    def writing(self) -> AbstractContextManager[Session]:
        """A transaction that holds the write lock from its start; all of it is kept, or nothing."""
        ...

    def versions(self) -> dict[str, int]:
        """The components that have tables here, each with their version."""
        ...

    def step_back(self, component: str, version: int) -> None:
        """Bring the tables of a component back to an earlier version, for an older Pilotline to use.

        Raises:
            LakeTooNew: this Pilotline does not know the way back.
        """
        ...

    def bell(self, *topics: Topic) -> Bell:
        """What rings when one of these was announced."""
        ...

    def close(self) -> None:
        """Close this thread's connection."""
        ...


class Versioned(ABC):
    """What both databases do alike about the versions of their tables.

    Args:
        words: what the databases say differently in scripts, as this one says it.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        #: Component -> its scripts, and whether its tables were seen to be brought forward.
        self._migrations: dict[str, tuple[Sequence[Path], bool]] = {"database": (MIGRATIONS, False)}
        self._lock = threading.Lock()

    @property
    @abstractmethod
    def where(self) -> str:
        """See ``Database.where``."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """See ``Database.reading``."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Session]:
        """See ``Database.writing``."""

    def register(self, component: str, migrations: Sequence[Path]) -> None:
        """Say which scripts, one a version, make the tables of a component; run at the next use where missing."""
        with self._lock:
            self._migrations[component] = (tuple(migrations), False)

    def finish_upgrade(self) -> tuple[Process, ...]:
        """See ``Database.finish_upgrade``."""
        there = self.versions()
        if all(there.get(name, 0) >= len(scripts) for name, (scripts, _) in self._migrations.items()):
            return ()  # Asked every few seconds by all that work, and nearly always so.
        with self._lock:
            self._migrations = {name: (scripts, False) for name, (scripts, _) in self._migrations.items()}
        with self.reading() as tx:
            return processes_waited_for(tx, {name: scripts for name, (scripts, _) in self._migrations.items()})

    def versions(self) -> dict[str, int]:
        """See ``Database.versions``."""
        with self.reading() as tx:
            return dict(tx.execute("SELECT component, version FROM schema_version ORDER BY component"))

    def step_back(self, component: str, version: int) -> None:
        """See ``Database.step_back``."""
        migrations, _ = self._migrations[component]
        with self.writing() as tx:
            undo(tx, migrations, component, version, self.where, self._words)

    def _refuse_if_too_new(self, oldest: Sequence[tuple[Any, ...]]) -> None:
        """Refuse tables that do not serve this code any more, by the oldest code that they serve."""
        refuse_too_new(oldest, {name: len(scripts) for name, (scripts, _) in self._migrations.items()}, self.where)


class SqliteDatabase(Versioned):
    """A SQLite file in WAL that several processes and threads share.

    Args:
        path: of the file; it and its folder are made at first use.
        wait: seconds to wait for another process's write.
    """

    def __init__(self, path: Path, *, wait: float = 60.0) -> None:
        self.path = path
        self._wait = wait
        self._local = threading.local()
        super().__init__(_WORDS)

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    @contextmanager
    def reading(self) -> Generator[Session, None, None]:
        """One state of the database, whatever others write meanwhile."""
        connection = self._connection()
        if connection.in_transaction:
            yield _session(connection)
            return
        with _as_lake_errors(self.where):
            connection.execute("BEGIN")
        try:
            with _as_lake_errors(self.where):
                self._refuse_too_new(connection)
                yield _session(connection)
        finally:
            connection.rollback()

    @contextmanager
    def writing(self) -> Generator[Session, None, None]:
        """A transaction that holds the write lock from its start; all of it is kept, or nothing."""
        connection = self._connection()
        with _as_lake_errors(self.where):
            connection.execute("BEGIN IMMEDIATE")
        try:
            with _as_lake_errors(self.where):
                self._refuse_too_new(connection)
                yield _session(connection)
                connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def bell(self, *_: Topic) -> Bell:
        """What rings when anything was committed."""
        return FileBell(self.path)

    def close(self) -> None:
        """Close this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.pid != os.getpid():
            connection = self._connect()
            self._local.connection = connection
            self._local.pid = os.getpid()
        if connection.in_transaction:
            # Another thread registered a component meanwhile; its tables are made before the next transaction.
            return connection
        pending = [name for name, (_, done) in self._migrations.items() if not done]
        for component in pending:
            self._migrate(connection, component)
        return connection

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _as_lake_errors(self.where):
            connection = sqlite3.connect(self.path, timeout=self._wait, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            # A publish that was reported stays, even through a loss of power.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # Postgres calls the smaller of two so, and SQLite's own `min` is an aggregate there.
            connection.create_function("least", 2, min, deterministic=True)
        return connection

    def _refuse_too_new(self, connection: sqlite3.Connection) -> None:
        if oldest := connection.execute(OLDEST).fetchall():
            self._refuse_if_too_new(oldest)

    def _migrate(self, connection: sqlite3.Connection, component: str) -> None:
        scripts, _ = self._migrations[component]
        tx = _session(connection)
        with _as_lake_errors(self.where):
            if not _known(connection) or may_advance(tx, component, scripts):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    make(tx)
                    advance(tx, component, scripts, _WORDS, self.where)
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
        with self._lock:
            self._migrations[component] = (scripts, True)


def _session(connection: sqlite3.Connection) -> Session:
    return Session(lambda statement, values: connection.execute(statement, dict(values)).fetchall(), _WORDS["{now}"])


def _known(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is not None


#: What the databases say differently, and how SQLite says it.
_WORDS = {
    "{id}": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "{now}": "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')",
    "{random_id}": "lower(hex(randomblob(6)))",
    "{without_rowid}": "WITHOUT ROWID",
}


_NO_ROOM: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)


@contextmanager
def _as_lake_errors(where: str) -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise LakeBusy(
                "another process has been writing to the catalog for too long",
                try_next="run the command again; if it stays so, look for a process that hangs",
            ) from error
        if error.sqlite_errorcode & 0xFF in _NO_ROOM:
            raise NoRoom(where, str(error)) from error
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise LakeDamaged(f"the catalog cannot be read: {error}", try_next="restore it from a backup") from error
        raise
