"""The database of the catalog: one connection a thread, SQL from named files that SQLite and Postgres both understand.

Readers see one state for as long as their block lasts. Writers take the write lock at the start of theirs, so what they
read in it is what they change. Other layers keep their rows in the same database, each under a name of its own with its
own list of migrations, so that one transaction can hold rows of several.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from pilotline.lake.errors import LakeBusy, LakeDamaged, LakeTooNew, NoRoom

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Database", "Session", "SqliteDatabase", "named_statements", "statements_of", "undo"]

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def named_statements(path: Path) -> dict[str, str]:
    """The statements of a file, each under its ``-- name --`` line."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


class Session:
    """One transaction of a Database.

    Args:
        run: executes one statement with ``:name`` parameters and fetches its rows.
    """

    def __init__(self, run: Callable[[str, Mapping[str, object]], list[tuple[Any, ...]]]) -> None:
        self._run = run

    def execute(self, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Run one statement with ``:name`` parameters and fetch its rows."""
        return self._run(statement, values)


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
        """Say which scripts, one a version, make the tables of a component; run at the next use where missing."""
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

    def close(self) -> None:
        """Close this thread's connection."""
        ...


class SqliteDatabase:
    """A SQLite file in WAL that several processes and threads share.

    Args:
        path: of the file; it and its folder are made at first use.
        wait: seconds to wait for another process's write.
    """

    def __init__(self, path: Path, *, wait: float = 60.0) -> None:
        self.path = path
        self._wait = wait
        self._local = threading.local()
        self._migrations: dict[str, tuple[Sequence[Path], bool]] = {}
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def register(self, component: str, migrations: Sequence[Path]) -> None:
        """Say which scripts, one a version, make the tables of a component; run at the next use where missing."""
        with self._lock:
            self._migrations[component] = (tuple(migrations), False)

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
                yield _session(connection)
                connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def versions(self) -> dict[str, int]:
        """See ``Database.versions``."""
        with self.reading() as tx:
            return dict(tx.execute("SELECT component, version FROM schema_version ORDER BY component"))

    def step_back(self, component: str, version: int) -> None:
        """See ``Database.step_back``."""
        migrations, _ = self._migrations[component]
        with self.writing() as tx:
            undo(tx, migrations, component, version, self.where, _WORDS)

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

    def _migrate(self, connection: sqlite3.Connection, component: str) -> None:
        migrations, _ = self._migrations[component]
        with _as_lake_errors(self.where):
            version = _version(connection, component)
            if version < len(migrations):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, version INTEGER NOT NULL)"
                    )
                    version = _version(connection, component)  # another process may have been first
                    for script in migrations[version:]:
                        for statement in statements_of(script, _WORDS):
                            connection.execute(statement)
                    connection.execute(
                        "INSERT INTO schema_version VALUES (?, ?)"
                        " ON CONFLICT (component) DO UPDATE SET version = max(version, excluded.version)",
                        (component, len(migrations)),
                    )
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
        if version > len(migrations):
            raise LakeTooNew(
                f"{self.path} has version {version} of its {component} tables, this Pilotline knows {len(migrations)}",
                try_next="uv tool upgrade pilotline",
                path=str(self.path),
            )
        with self._lock:
            self._migrations[component] = (migrations, True)


def _session(connection: sqlite3.Connection) -> Session:
    return Session(lambda statement, values: connection.execute(statement, dict(values)).fetchall())


def _version(connection: sqlite3.Connection, component: str) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT version FROM schema_version WHERE component = ?", (component,)).fetchone()
    return int(row[0]) if row else 0


#: What the databases say differently, and how SQLite says it.
_WORDS = {
    "{id}": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "{now}": "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')",
    "{random_id}": "lower(hex(randomblob(6)))",
    "{without_rowid}": "WITHOUT ROWID",
}


def statements_of(script: Path, words: Mapping[str, str]) -> Iterator[str]:
    """The statements of a migration, each with its words in braces as a database says them."""
    text = script.read_text(encoding="utf-8")
    for word, said in words.items():
        text = text.replace(word, said)
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def undo(
    tx: Session, migrations: Sequence[Path], component: str, version: int, where: str, words: Mapping[str, str]
) -> None:
    """Run the ways back from the version that there is; each script ``x.sql`` has its own in ``x.down.sql``.

    Raises:
        LakeTooNew: one has none, or the tables are of a version that is not known.
    """
    ((now,),) = tx.execute("SELECT version FROM schema_version WHERE component = :component", component=component)
    back = [script.with_suffix(".down.sql") for script in reversed(migrations[version:now])]
    if now > len(migrations) or not all(script.exists() for script in back):
        raise LakeTooNew(
            f"{where} has version {now} of its {component} tables, and there is no way back to {version}",
            try_next="uv tool upgrade pilotline",
            path=where,
        )
    for script in back:
        for statement in statements_of(script, words):
            tx.execute(statement)
    tx.execute(
        "UPDATE schema_version SET version = :version WHERE component = :component",
        version=min(version, now),
        component=component,
    )


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
