"""What the commands that look at the lake share: opening it, references, and how values and ages are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotline.domain.access import Scope
from pilotline.domain.tables import MAIN, NoSuchTable, TableName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pilotline.domain.tables import Commit, TableInfo
    from pilotline.lake.catalog import CatalogReader
    from pilotline.lake.lake import Lake
    from pilotline.run.records import Records

#: Whoever can open a lake on a disk can read all of it.
WHOLE = Scope.everything("the lake lies on one's own disk")


def whole(_: TableName) -> Scope:
    """The scope of every table in a lake on one's own disk."""
    return WHOLE


def open_here(*, making: bool = False) -> tuple[Lake, Records]:
    """The lake and the runs of the project that the working folder belongs to.

    Args:
        making: where none is yet one is made. Else an empty one is looked at, elsewhere: a command in a wrong folder leaves
            nothing there, which would make a project of it and of all folders below.
    """
    from pilotline.run.opening import open_lake_here

    lake, records = open_lake_here(Path.cwd())
    if making or lake.exists:
        return lake, records
    import atexit
    from contextlib import ExitStack

    from pilotline.lake.lake import open_lake
    from pilotline.lift.temporary import temporary_folder
    from pilotline.run.records import Records

    stack = ExitStack()
    atexit.register(stack.close)
    nothing = open_lake(stack.enter_context(temporary_folder("nothing")))
    return nothing, Records(nothing.database, project=namespace_here())


def namespace_here() -> str:
    """Where a table's name without a namespace is looked for first."""
    from pilotline.run.projects import project_of

    return project_of(Path.cwd()).namespace


def ref_of(branch: str | None, at: str | None) -> str:
    """The reference that ``--branch`` and ``--at`` name: ``--at`` says more."""
    return at or branch or MAIN


def find_table(lake: CatalogReader, text: str, at: Commit) -> TableInfo:
    """The table that somebody means: ``namespace.table``, or ``table`` alone where one namespace has it.

    Raises:
        NoSuchTable: there is none, or several; near names are in the message.
        BadTableName: it cannot be a name.
    """
    tables = lake.tables(at)
    if "." not in text:
        found = [info for info in tables if info.table.name == text]
        if len(found) == 1:
            return found[0]
        own = [info for info in found if info.table.namespace == namespace_here()]
        if own:
            return own[0]
        if not found:
            near = [info.table.name for info in tables]
            from pilotline.domain.errors import did_you_mean

            raise NoSuchTable(
                f"no table '{text}' at {at.branch}.{did_you_mean(text, near)}", try_next="pilotline ls", table=text
            )
        text = str(found[0].table)
    return lake.table(TableName.parse(text), at)


def age(at: datetime) -> str:
    """How long ago: ``just now``, ``5 min ago``, ``3 h ago``, ``yesterday``, ``4 days ago``, then the date."""
    passed = datetime.now(UTC) - at
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{int(passed.total_seconds() // 60)} min ago"
    if passed < timedelta(hours=24):
        return f"{int(passed.total_seconds() // 3600)} h ago"
    if passed.days < 2:
        return "yesterday"
    return f"{passed.days} days ago" if passed.days < 15 else f"{at.astimezone():%Y-%m-%d}"


def moment(at: datetime) -> str:
    """An instant, in this machine's time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def size(count: float | None) -> str:
    """Bytes as one reads them: ``812 B``, ``2.1 KB``, ``38 MB``."""
    if count is None:
        return "-"
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def shown(value: object) -> object:
    """A value of a table as one reads it."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return float(f"{value:.6g}") if isfinite(value) else str(value)
        case datetime():
            midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
            return value.strftime("%Y-%m-%d") if midnight and value.tzinfo is None else value.isoformat(" ")
        case date():
            return value.isoformat()
        case bytes():
            return f"0x{value[:16].hex()}{'...' if len(value) > 16 else ''}"
        case _:
            return str(value)


def rows_as_json(rows: Iterable[dict[str, Any]]) -> list[dict[str, object]]:
    """Rows of a table in terms of JSON: instants and decimals as texts, bytes as hexadecimal."""
    return [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]
