"""Tell the right person when something is wrong, once, and once more when it is over.

What is wrong is told from what runs left: the last run of a pipeline failed, a table is older than its contract promises, a run
takes much longer than usual. Each open problem is one row; who sees it first opens it, and a message is one row a channel, which
is claimed before it is sent. So several schedulers tell once, and a message that could not be sent is sent later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from pilotline.domain.errors import FactoryError
from pilotline.factory.latency import latencies
from pilotline.factory.ledger import MIGRATIONS as ORDERS
from pilotline.factory.scheduling import MIGRATIONS as SCHEDULES
from pilotline.lake.database import named_statements
from pilotline.lake.ledger import time_text
from pilotline.run.records import PipelineOf, Records, pipelines_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.lake.database import Database, Session
    from pilotline.run.projects import Project

__all__ = ["Alert", "Alerting", "Channel", "News", "NotDelivered", "Promise", "promises_of"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "alerts.sql")
MIGRATIONS: Final = (_SQL / "alerts_001.sql",)

Kind: TypeAlias = Literal["failed", "late", "long"]
Word: TypeAlias = Literal["opened", "recovered"]

#: A run is long that takes so many times the median of those before, and at least so much more.
_TIMES: Final = 3
_MORE: Final = timedelta(minutes=1)
_FEWEST: Final = 3
#: How long one may take to send; then somebody else tries.
_CLAIM: Final = timedelta(minutes=2)
_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(hours=1)
_TRIES: Final = 30
_SAID: Final = 600


class NotDelivered(FactoryError):
    """A message could not be sent; it is tried again."""

    code = "PL573"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """How old a table may be."""

    table: str
    owner: str
    fresh: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that is wrong, or was."""

    id: int
    kind: Kind
    subject: str
    owner: str
    because: str
    run: str | None
    opened: datetime
    closed: datetime | None

    def said(self, word: Word) -> str:
        """In one sentence."""
        if word == "recovered":
            match self.kind:
                case "failed":
                    return f"{self.subject} runs again"
                case "late":
                    return f"{self.subject} is up to date again"
                case "long":
                    return f"{self.subject} has ended"
        match self.kind:
            case "failed":
                return f"{self.subject} failed{f' ({self.run})' if self.run else ''}: {self.because}"
            case "late":
                return f"{self.subject} is late: {self.because}"
            case "long":
                return f"{self.subject} takes longer than usual: {self.because}"

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "owner": self.owner,
            "because": self.because,
            "run": self.run,
            "opened": self.opened.isoformat(),
            "closed": self.closed.isoformat() if self.closed else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One alert to tell of."""

    alert: Alert
    word: Word

    @property
    def text(self) -> str:
        """In one sentence."""
        return self.alert.said(self.word)


class Channel(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str:
        """One word that stays, for the rows of what was sent."""
        ...

    def send(self, news: Sequence[News]) -> None:
        """Send some news as one message.

        Raises:
            NotDelivered: it did not get through.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    kind: Kind
    subject: str
    owner: str
    because: str
    run: str | None = None


def promises_of(project: Project) -> tuple[Promise, ...]:
    """What the contracts of a project's pipelines promise of their tables.

    Raises:
        BadContract: one cannot be understood.
    """
    from pilotline.run.projects import every_module
    from pilotline.run.reading import read_contract

    found: list[Promise] = []
    for module in every_module(project.folder):
        contract = read_contract(module, project)
        for output, table in contract.tables.items():
            if table.fresh is not None:
                name = str(contract.table_of(output))
                found.append(Promise(table=name, owner=contract.owner, fresh=table.fresh))
    return tuple(found)


class Alerting:
    """Looks for problems, opens and closes alerts, and has messages sent.

    Args:
        database: the catalog's, where the rows of runs are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        Records(database)
        database.register("factory", ORDERS)
        database.register("schedules", SCHEDULES)
        database.register("alerts", MIGRATIONS)

    def look(self, promises: Iterable[Promise], channels: Iterable[Channel]) -> tuple[News, ...]:
        """Open alerts for what is wrong now, close those that are over, and note whom to tell.

        Returns:
            What is new. It is sent by ``deliver``.
        """
        names = [channel.name for channel in channels]
        with self._database.writing() as tx:
            now = tx.now()
            problems = {(each.kind, each.subject): each for each in self._problems(tx, promises, now)}
            standing = [_alert(row) for row in tx.execute(SQL["open_alerts"])]
            news: list[News] = []
            for alert in standing:
                if (alert.kind, alert.subject) not in problems:
                    news += self._close(tx, alert, now, names)
            for problem in problems.values():
                news += self._open(tx, problem, now, names)
        return tuple(news)

    def deliver(self, channels: Iterable[Channel]) -> int:
        """Send what is due, each channel's as one message; returns how many messages got through."""
        sent = 0
        for channel in channels:
            with self._database.writing() as tx:
                now = tx.now()
                rows = tx.execute(
                    SQL["claim_deliveries"], channel=channel.name, now=time_text(now), until=time_text(now + _CLAIM)
                )
                news = [
                    News(alert=_alert(tx.execute(SQL["alert_by_id"], id=alert)[0]), word=word)
                    for alert, word, _ in sorted(rows)
                ]
            if not news:
                continue
            try:
                channel.send(news)
            except NotDelivered as error:
                self._put_off(channel, rows, error)
            else:
                sent += 1
                with self._database.writing() as tx:
                    done = time_text(tx.now())
                    for alert, word, _ in rows:
                        tx.execute(SQL["delivered"], alert=alert, news=word, channel=channel.name, done=done)
        return sent

    def open(self) -> tuple[Alert, ...]:
        """What is wrong, as it was seen last."""
        with self._database.reading() as tx:
            return tuple(_alert(row) for row in tx.execute(SQL["open_alerts"]))

    def lately(self, limit: int = 50) -> tuple[Alert, ...]:
        """The last alerts, newest first, those that are over among them."""
        with self._database.reading() as tx:
            return tuple(_alert(row) for row in tx.execute(SQL["alerts_lately"], limit=limit))

    def deliveries(self, alert: int) -> list[tuple[Any, ...]]:
        """Whom an alert was told: news, channel, due, attempts, done, and why it could not be."""
        with self._database.reading() as tx:
            return tx.execute(SQL["deliveries_of"], alert=alert)

    # -- opening and closing -------------------------------------------------------------------------------------------

    def _open(self, tx: Session, problem: _Problem, now: datetime, channels: Sequence[str]) -> list[News]:
        rows = tx.execute(
            SQL["open_alert"], kind=problem.kind, subject=problem.subject, owner=problem.owner,
            because=problem.because[:_SAID], run=problem.run, opened=time_text(now),
        )  # fmt: skip
        if not rows:
            return []
        alert = int(rows[0][0])
        for channel in channels:
            tx.execute(SQL["add_delivery"], alert=alert, news="opened", channel=channel, due=time_text(now))
        return [News(alert=_alert(tx.execute(SQL["alert_by_id"], id=alert)[0]), word="opened")]

    def _close(self, tx: Session, alert: Alert, now: datetime, channels: Sequence[str]) -> list[News]:
        if not tx.execute(SQL["close_alert"], id=alert.id, closed=time_text(now)):
            return []
        untold = {row[0] for row in tx.execute(SQL["forget_untold"], alert=alert.id)}
        told = {row[1] for row in tx.execute(SQL["deliveries_of"], alert=alert.id)}
        for channel in channels:
            if channel in told and channel not in untold:
                tx.execute(SQL["add_delivery"], alert=alert.id, news="recovered", channel=channel, due=time_text(now))
        return [News(alert=_alert(tx.execute(SQL["alert_by_id"], id=alert.id)[0]), word="recovered")]

    def _put_off(self, channel: Channel, rows: Sequence[tuple[Any, ...]], error: NotDelivered) -> None:
        with self._database.writing() as tx:
            now = tx.now()
            for alert, word, attempts in rows:
                wait = min(_WAIT * 2 ** min(attempts - 1, 10), _LONGEST_WAIT)
                tx.execute(
                    SQL["not_delivered"], alert=alert, news=word, channel=channel.name, due=time_text(now + wait),
                    because=error.message[:_SAID], done=time_text(now) if attempts >= _TRIES else None,
                )  # fmt: skip

    # -- what is wrong -------------------------------------------------------------------------------------------------

    def _problems(self, tx: Session, promises: Iterable[Promise], now: datetime) -> Iterable[_Problem]:
        usual: dict[PipelineOf, timedelta] = {}
        pipelines = _pipelines(tx)
        for pipeline in pipelines:
            listed = tx.execute(SQL["ended_lately"], project=pipeline.project, pipeline=pipeline.name)
            rows = [row for row in listed if not _kept_back(tx, row) and not _tried_again(tx, pipeline.name, row)]
            failure = _failure(tx, pipeline, rows, pipeline.said_among(pipelines))
            if failure is not None:
                yield failure
            took = [(_time(row[5]) - _time(row[4])).total_seconds() for row in rows if row[1] == "published"][:10]
            if len(took) >= _FEWEST:
                usual[pipeline] = timedelta(seconds=median(took))
        for number, project, name, author, began in tx.execute(SQL["going_on"]):
            took, pipeline = now - _time(began), PipelineOf(project=project, name=name)
            if pipeline in usual and took > max(usual[pipeline] * _TIMES, usual[pipeline] + _MORE):
                because = f"{name} has been running for {_span(took)}, it takes {_span(usual[pipeline])} else"
                yield _Problem(kind="long", subject=f"run-{number}", owner=author, because=because, run=f"run-{number}")
        yield from _failed_partitions(tx)
        for promise in promises:
            yield from _late(tx, promise, now)
        for each in latencies(tx, now):
            if each.missed:
                yield _Problem(kind="late", subject=each.schedule, owner=each.owner, because=each.because)


def _pipelines(tx: Session) -> tuple[PipelineOf, ...]:
    """All that were ever run or ordered; the order of a folder does not say the name of the project."""
    run = pipelines_run(tx)
    released = {PipelineOf(project=project, name=name) for project, name in tx.execute(SQL["pipelines_ordered"])}
    known = {each.name for each in (*run, *released)}
    folders = {PipelineOf(project="", name=name) for (name,) in tx.execute(SQL["folders_ordered"]) if name not in known}
    return tuple(sorted({*run, *released, *folders}))


def _tried_again(tx: Session, pipeline: str, row: tuple[Any, ...]) -> bool:
    """Whether a failed run is not the end of it: its order waits to be tried again. Whoever looks then looks further back."""
    return row[1] == "failed" and bool(tx.execute(SQL["tried_again"], pipeline=pipeline, run=row[0]))


def _failure(tx: Session, pipeline: PipelineOf, rows: Sequence[tuple[Any, ...]], said: str) -> _Problem | None:
    """The failure of a pipeline: of its last run, or of an order after it that came to no run at all."""
    order = tx.execute(SQL["last_order"], project=pipeline.project, pipeline=pipeline.name)
    if order:
        state, run, because, owner, ended = order[0]
        later = not rows or _time(ended) > _time(rows[0][5])
        if state != "done" and run is None and later:
            return _Problem(kind="failed", subject=said, owner=owner, because=_first(because))
    if not rows or rows[0][1] != "failed":
        return None
    number, _, because, author, _, _ = rows[0]
    return _Problem(kind="failed", subject=said, owner=author, because=_first(because), run=f"run-{number}")


def _failed_partitions(tx: Session) -> Iterable[_Problem]:
    """Partitions that failed and were not made since, of each pipeline as one problem: a backfill may have many."""
    found: dict[PipelineOf, list[tuple[Any, ...]]] = {}
    for row in tx.execute(SQL["partitions_failed"]):
        project, name, value, _, _, _, ended = row
        since = tx.execute(SQL["published_since"], pipeline=PurePosixPath(name).stem, ended=ended)
        if not any(value in map(str, json.loads(parameters).values()) for (parameters,) in since):
            found.setdefault(PipelineOf(project=project, name=name), []).append(row)
    for pipeline, rows in found.items():
        _, name, value, number, owner, because, _ = rows[0]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield _Problem(
            kind="failed", subject=f"{pipeline.said_among(found)} (partitions)", owner=owner,
            because=f"{value}{more}, by order-{number}: {_first(because)}; pilotline backfill {name} --failed makes them again",
        )  # fmt: skip


def _first(text: str) -> str:
    return next(iter(text.splitlines()), "")


def _late(tx: Session, promise: Promise, now: datetime) -> Iterable[_Problem]:
    rows = tx.execute(SQL["last_made"], name=promise.table)
    if not rows:
        return  # It was never made: nobody reads it yet.
    project, pipeline, made = rows[0]
    unchanged = tx.execute(SQL["last_unchanged"], project=project, pipeline=pipeline, said="%published the same")
    last = max([_time(made), *(_time(row[0]) for row in unchanged)])
    if now - last > promise.fresh:
        because = f"made {_span(now - last)} ago by {pipeline}, promised every {_span(promise.fresh)}"
        yield _Problem(kind="late", subject=promise.table, owner=promise.owner, because=because)


def _kept_back(tx: Session, row: tuple[Any, ...]) -> bool:
    """Whether nobody waits for a run: it was asked not to publish, as a check of a change is."""
    number, state, because = row[:3]
    if state == "published":
        return False
    if state == "unchanged":
        return because == "not asked to publish"
    events = tx.execute(SQL["kept_back"], run=number)
    facts: Mapping[str, Any] = json.loads(events[0][0]) if events else {}
    return facts.get("publishes") is False


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    for most, size, unit in ((120, 1, "s"), (7200, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < most:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 86400)} days"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _alert(row: tuple[Any, ...]) -> Alert:
    return Alert(
        id=row[0],
        kind=row[1],
        subject=row[2],
        owner=row[3],
        because=row[4],
        run=row[5],
        opened=_time(row[6]),
        closed=_time(row[7]) if row[7] else None,
    )
