"""Tell another catalog of runs as they begin and end, as OpenLineage events, where somebody says where to.

A run tells of itself, for a few seconds at most; what the other side does not take is told later, by the next run or by the
factory. Nothing is kept for that: events are made from the rows of runs, which are also there for a run whose process was
killed. An event may come twice; its ids are the same then.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from pilotline.domain.errors import FactoryError
from pilotline.lake.database import named_statements
from pilotline.lake.ledger import time_text
from pilotline.run.errors import BadSettings
from pilotline.run.posting import post_json
from pilotline.run.records import GONE, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pilotline.lake.catalog import CatalogReader
    from pilotline.lake.database import Database
    from pilotline.run.projects import Project

__all__ = ["MIGRATIONS", "Emitter", "NotTaken", "Target", "Telling", "target_of", "waiting_by_project"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "openlineage.sql")
MIGRATIONS: Final = (_SQL / "openlineage_001.sql",)

#: Seconds that telling of itself may hold up a run.
_LIMIT: Final = 3.0
#: So long the events of a run are its own process's to tell.
_OWN: Final = timedelta(seconds=15)
#: How long one may tell what others left; then somebody else does.
_CLAIM: Final = timedelta(minutes=1)
_WAIT: Final = timedelta(seconds=5)
_LONGEST: Final = timedelta(minutes=10)
_AT_ONCE: Final = 100
#: Answers after which the same event may well be taken.
_LATER: Final = frozenset({401, 403, 404, 408, 425, 429})


class NotTaken(FactoryError):
    """Another catalog did not take an event; it is told later."""

    code = "PL518"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where events go."""

    kind: Literal["http", "file"]
    #: An address, or a path.
    where: str
    bearer: str = field(default="", repr=False)
    #: Seconds for one event.
    timeout: float = _LIMIT

    def send(self, event: Mapping[str, Any], *, within: float) -> bool:
        """Give it one event; whether it was taken. False: it is refused, and would be again.

        Raises:
            NotTaken: it may be taken later.
        """
        if self.kind == "file":
            try:
                with Path(self.where).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(event) + "\n")
            except OSError as error:
                raise self._not_taken(error) from error
            return True
        import urllib.error

        try:
            post_json(self.where, event, timeout=max(0.5, min(self.timeout, within)), bearer=self.bearer)
        except urllib.error.HTTPError as error:
            error.close()
            if 400 <= error.code < 500 and error.code not in _LATER:
                return False
            raise self._not_taken(f"HTTP {error.code}") from error
        except (OSError, ValueError) as error:
            raise self._not_taken(error) from error
        return True

    def _not_taken(self, why: object) -> NotTaken:
        # The address may hold a secret.
        where = urlsplit(self.where).hostname if self.kind == "http" else self.where
        return NotTaken(f"{where} did not take an event: {why}", try_next="nothing: it is told later", where=where)


def target_of(project: Project, environ: Mapping[str, str] | None = None) -> Target | None:
    """Where events of a project's runs go; None: nowhere.

    ``PILOTLINE_OPENLINEAGE_URL``, else ``[openlineage] url`` in the settings, else the variables of OpenLineage's own clients.

    Raises:
        BadSettings: they cannot be understood.
    """
    said = os.environ if environ is None else environ
    if said.get("OPENLINEAGE_DISABLED", "").lower() in {"true", "1"}:
        return None
    key = said.get("OPENLINEAGE_API_KEY", "")
    own = said.get("PILOTLINE_OPENLINEAGE_URL") or project.openlineage
    if own:
        return _target(own, key, project.folder)
    part = {
        name.removeprefix("OPENLINEAGE__TRANSPORT__"): value
        for name, value in said.items()
        if name.startswith("OPENLINEAGE__TRANSPORT__")
    }
    match part.get("TYPE", "").lower():
        case "":
            url = said.get("OPENLINEAGE_URL", "")
            return _target(_joined(url, said.get("OPENLINEAGE_ENDPOINT", "")), key, project.folder) if url else None
        case "http" if part.get("URL"):
            return _target(_joined(part["URL"], part.get("ENDPOINT", "")), _key(part) or key, project.folder)
        case "file" if part.get("LOG_FILE_PATH"):
            return Target(kind="file", where=str(project.folder / part["LOG_FILE_PATH"]))
        case kind:
            raise BadSettings(
                f"OPENLINEAGE__TRANSPORT__TYPE is {kind!r}: events go by http, with a URL, or into a file, with a LOG_FILE_PATH",
                try_next="PILOTLINE_OPENLINEAGE_URL=http://host:5000/api/v1/lineage, or OPENLINEAGE_DISABLED=true",
                setting="OPENLINEAGE__TRANSPORT__TYPE",
            )


def _target(url: str, key: str, folder: Path) -> Target:
    if url.startswith(("http://", "https://")) and urlsplit(url).hostname:
        return Target(kind="http", where=url, bearer=key)
    if url.startswith("file:") or "://" not in url:
        path = unquote(urlsplit(url).path) if url.startswith("file:") else url
        return Target(kind="file", where=str(folder / path))
    raise BadSettings(
        f"the address for OpenLineage events, {url.partition('://')[0]}://..., is no http:// or https:// address and no file",
        try_next="PILOTLINE_OPENLINEAGE_URL=http://host:5000/api/v1/lineage",
        setting="PILOTLINE_OPENLINEAGE_URL",
    )


def _joined(url: str, endpoint: str) -> str:
    return f"{url.rstrip('/')}/{(endpoint or 'api/v1/lineage').lstrip('/')}"


def _key(part: Mapping[str, str]) -> str:
    """The key for HTTP, as OpenLineage's clients take it: a table of JSON, or a variable of its own."""
    try:
        held: object = json.loads(part.get("AUTH", "{}"))
    except ValueError:
        held = {}
    found: Mapping[str, str] = held if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    return part.get("AUTH__API_KEY") or found.get("apiKey") or found.get("api_key") or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What came of telling what was left."""

    events: int
    #: Runs whose event was refused: they are told of no more.
    refused: tuple[str, ...] = ()
    #: Why it ended before all was told.
    because: str = ""


class Emitter:
    """Tells of the runs of one project.

    Args:
        target: where.
        database: the catalog's, where the rows of runs are.
        lake: for the columns of tables.
        project: whose runs.
    """

    def __init__(self, target: Target, database: Database, lake: CatalogReader, project: str) -> None:
        self._target = target
        self._database = database
        self._lake = lake
        self._project = project
        self._records = Records(database, project=project)
        self._starting: threading.Thread | None = None
        database.register("openlineage", MIGRATIONS)

    def begun(self, number: int) -> None:
        """Tell that a run of this process began, beside it: it need not wait."""
        with self._database.writing() as tx:
            tx.execute(SQL["begin_telling"], project=self._project, told=number - 1, now=time_text(tx.now()))
        self._starting = threading.Thread(target=self._start, args=(number,), daemon=True, name="pilotline-openlineage")
        self._starting.start()

    def ended(self, number: int) -> Telling:
        """Tell what became of a run of this process, and what others left, for a few seconds at most."""
        end = time.monotonic() + _LIMIT
        if self._starting is not None:
            self._starting.join(_LIMIT)
        try:
            if not self._may():
                return Telling(events=0, because="the other side did not answer a moment ago")
            told = self._tell(number, end)
        except NotTaken as error:
            self._put_off(error)
            return Telling(events=0, because=error.message)
        left = self.catch_up(seconds=end - time.monotonic())
        return Telling(events=told + left.events, refused=left.refused, because=left.because)

    def catch_up(self, *, seconds: float = 30.0, heard: Callable[[str], None] = lambda _: None) -> Telling:
        """Tell of runs whose own process did not: it was killed, or the other side was away. One at a time does.

        Args:
            seconds: no longer than so.
            heard: is told of events that are refused.
        """
        end, events, refused = time.monotonic() + seconds, 0, list[str]()
        with self._database.writing() as tx:
            now = tx.now()
            rows = tx.execute(
                SQL["claim_telling"], project=self._project, now=time_text(now), until=time_text(now + _CLAIM)
            )
        if not rows or seconds <= 0:
            return Telling(events=0)
        told, because = int(rows[0][0]), ""
        try:
            while time.monotonic() < end and (some := self._untold(told, now)):
                for number in some:
                    events += self._tell(number, end, refused)
                    if time.monotonic() > end:
                        break
        except NotTaken as error:
            self._put_off(error)
            because = error.message
        finally:
            self._advance(told)
            with self._database.writing() as tx:
                tx.execute(SQL["let_go"], project=self._project)
        for name in refused:
            heard(f"an OpenLineage event of {name} was refused, and is not told again")
        return Telling(events=events, refused=tuple(refused), because=because)

    def waiting(self) -> int:
        """How many runs have ended that are not told of."""
        return waiting_by_project(self._database).get(self._project, 0)

    # -- small things --------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        try:
            if self._may():
                self._tell(number, time.monotonic() + _LIMIT, only="start")
        except NotTaken as error:
            self._put_off(error)
        except Exception:  # noqa: S110 - what is told is no reason for a run to fail, and is told at its end
            pass
        finally:
            self._database.close()

    def _may(self) -> bool:
        with self._database.reading() as tx:
            rows = tx.execute(SQL["standing"], project=self._project)
            return not rows or datetime.fromisoformat(rows[0][1]) <= tx.now()

    def _tell(self, number: int, end: float, refused: list[str] | None = None, *, only: str = "") -> int:
        from pilotline.run.openlineage import events_of

        with self._database.reading() as tx:
            rows = tx.execute(SQL["told_so_far"], run=number)
        told = rows[0][0] if rows else ""
        run = self._records.run(number)
        events = events_of(run, self._records, self._lake, self._project)
        count = 0
        for what, event in zip(("start", "end"), events, strict=False):
            if told == "end" or (what == "start" and told == "start") or (only and what != only):
                continue
            if time.monotonic() >= end:
                break
            if not self._target.send(event, within=end - time.monotonic()) and refused is not None:
                refused.append(run.name)
            count += 1
            with self._database.writing() as tx:
                tx.execute(SQL["note_told"], run=number, project=self._project, told=what)
                tx.execute(SQL["answered"], project=self._project)
        return count

    def _untold(self, told: int, now: datetime) -> list[int]:
        with self._database.reading() as tx:
            rows = tx.execute(
                SQL["untold_runs"],
                told=told,
                project=self._project,
                before=(now - _OWN).isoformat(),
                gone=GONE,
                most=_AT_ONCE,
            )
        return [int(row[0]) for row in rows]

    def _put_off(self, error: NotTaken) -> None:
        with self._database.writing() as tx:
            rows = tx.execute(SQL["standing"], project=self._project)
            if not rows:
                return
            now = tx.now()
            wait = min(_WAIT * 2 ** min(int(rows[0][2]), 20), _LONGEST)
            tx.execute(
                SQL["did_not_answer"], project=self._project, due=time_text(now + wait), because=error.message[:500]
            )

    def _advance(self, told: int) -> None:
        """Forget which runs were told of, up to the first that was not."""
        with self._database.writing() as tx:
            ((first,),) = tx.execute(SQL["first_untold"], told=told, project=self._project)
            ((last,),) = tx.execute(SQL["last_of_project"], project=self._project)
            to = int(first) - 1 if first is not None else int(last or 0)
            if to > told:
                tx.execute(SQL["advance"], project=self._project, to=to)
                tx.execute(SQL["forget_told"], project=self._project, to=to)


def waiting_by_project(database: Database) -> Mapping[str, int]:
    """Projects whose runs are told of elsewhere -> how many have ended that are not told of; the tables are registered."""
    with database.reading() as tx:
        return {
            project: int(tx.execute(SQL["count_untold"], project=project, told=told)[0][0])
            for project, told, _, _ in tx.execute(SQL["all_standing"])
        }
