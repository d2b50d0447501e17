"""Bring the tables of a component from version to version, also while processes of older code are at work on them.

A script that only adds, ``x.sql``, is run by the first process that knows it: older code goes on beside it. One that takes
away what older code uses, ``x.after.sql``, waits until no process of such code is left, and so does whatever comes behind
it; code works with and without the last scripts of this kind. What older code knows is in the table of processes, and the
oldest code that the tables still serve is written down, so that code can tell "newer" from "too new" for scripts it never saw.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.lake.errors import LakeTooNew, UpgradeWaits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pilotline.lake.catalog import Transaction

__all__ = [
    "MIGRATIONS", "OLDEST", "SQL", "Process", "advance", "make", "may_advance", "named_statements", "processes",
    "processes_waited_for", "refuse_too_new", "statements_of", "takes_away", "undo",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One that is at work on a database."""

    name: str
    #: Of Pilotline.
    version: str
    #: Component -> how many of its scripts its code knows.
    knows: Mapping[str, int]
    began: datetime
    #: When it is taken for gone, unless it says before that it is still here.
    until: datetime


_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def named_statements(path: Path) -> dict[str, str]:
    """The statements of a file, each under its ``-- name --`` line."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


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


_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "upgrade.sql")
MIGRATIONS: Final = (_SQL / "upgrade_001.sql",)
#: What each transaction asks first: it costs a database nothing, and no parameter is in it.
OLDEST: Final = SQL["every_oldest"]


def takes_away(script: Path) -> bool:
    """Whether a script waits until no process of code that does not know it is left."""
    return script.name.endswith(".after.sql")


def make(tx: Transaction) -> None:
    """Make the table that the versions are in, where it is missing."""
    tx.execute("CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, version INTEGER NOT NULL)")


def may_advance(tx: Transaction, component: str, scripts: Sequence[Path]) -> bool:
    """Whether scripts are missing of which one could be run now, seen without the write lock."""
    missing = scripts[_version(tx, component) :]
    if not missing or not all(map(takes_away, missing)):
        return bool(missing)
    return not _older(tx, component, len(scripts) - len(missing) + 1)


def advance(tx: Transaction, component: str, scripts: Sequence[Path], words: Mapping[str, str], where: str) -> None:
    """Run the scripts that are missing, in a transaction that has the write lock; the last ones may have to wait.

    Raises:
        UpgradeWaits: one has to wait that others stand behind, without which this code cannot work.
    """
    began = version = _version(tx, component)
    oldest = 0
    for number, script in enumerate(scripts[began:], began + 1):
        if takes_away(script):
            if older := _older(tx, component, number):
                if not all(map(takes_away, scripts[number:])):
                    raise UpgradeWaits(where, [f"{each.name} ({each.version})" for each in older])
                break
            oldest = number
        for statement in statements_of(script, words):
            tx.execute(statement)
        version = number
    if version > began:
        tx.execute(SQL["set_version"], component=component, version=version)
    if oldest:
        tx.execute(SQL["set_oldest"], component=component, version=oldest)


def processes_waited_for(tx: Transaction, migrations: Mapping[str, Sequence[Path]]) -> tuple[Process, ...]:
    """The processes of older code that scripts wait for which were not run yet."""
    found = {
        each.name: each
        for component, scripts in migrations.items()
        if (version := _version(tx, component)) < len(scripts)
        for each in _older(tx, component, len(scripts) if takes_away(scripts[-1]) else version + 1)
    }
    return tuple(found.values())


def processes(tx: Transaction) -> tuple[Process, ...]:
    """Those that are at work, by the database's clock; the first one first."""
    return tuple(
        Process(
            name=name, version=version, knows=json.loads(knows), began=datetime.fromisoformat(began),
            until=datetime.fromisoformat(until),
        )
        for name, version, knows, began, until in tx.execute(SQL["processes"])
    )  # fmt: skip


def refuse_too_new(oldest: Sequence[tuple[Any, ...]], known: Mapping[str, int], where: str) -> None:
    """Refuse tables that code which knows so many scripts of each component cannot work with.

    Raises:
        LakeTooNew: there are such.
    """
    for component, version in oldest:
        if known.get(component, version) < version:
            raise LakeTooNew(
                f"the {component} tables of {where} serve Pilotline from their version {version} on, this one knows"
                f" {known[component]}",
                try_next="uv tool upgrade pilotline",
                path=where,
            )


def undo(
    tx: Transaction, scripts: Sequence[Path], component: str, version: int, where: str, words: Mapping[str, str]
) -> None:
    """Run the ways back from the version that there is; each script ``x.sql`` has its own in ``x.down.sql``.

    Raises:
        LakeTooNew: one has none, or the tables are of a version that is not known.
    """
    now = _version(tx, component)
    back = [script.with_suffix(".down.sql") for script in reversed(scripts[version:now])]
    if now > len(scripts) or not all(script.exists() for script in back):
        raise LakeTooNew(
            f"{where} has version {now} of its {component} tables, and there is no way back to {version}",
            try_next="uv tool upgrade pilotline",
            path=where,
        )
    for script in back:
        for statement in statements_of(script, words):
            tx.execute(statement)
    left = min(version, now)
    tx.execute(SQL["set_version"], component=component, version=left)
    oldest = [number for number, script in enumerate(scripts[:left], 1) if takes_away(script)]
    tx.execute(SQL["set_oldest"], component=component, version=max(oldest, default=0))


def _version(tx: Transaction, component: str) -> int:
    rows = tx.execute(SQL["version_of"], component=component)
    return int(rows[0][0]) if rows else 0


def _older(tx: Transaction, component: str, number: int) -> list[Process]:
    """The processes at work whose code does not know a script. Whose code has no such component, that has no need of it."""
    return [each for each in processes(tx) if each.knows.get(component, number) < number]
