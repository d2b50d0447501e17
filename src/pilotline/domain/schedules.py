"""When a pipeline runs: at certain times, when tables were published, again and again, or once.

All here is pure: what is due between two instants follows from the schedule alone, so a scheduler that was away knows what
it missed, and two of them come to the same. Each time has an id of its own, so that no time is ordered twice.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, assert_never, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pilotline.domain.errors import UsageError, did_you_mean
from pilotline.domain.tables import BadTableName, TableName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "LATE", "LONGEST", "After", "BadSchedule", "Cron", "CronTimes", "Every", "Misfire", "OnChange", "Once", "Tick", "Timing", "Trigger", "WaitsForNothing",
    "as_stored", "describe_timing", "due", "next_after", "span_of", "span_said", "timing_of", "waiting_for",
]  # fmt: skip

#: The times of an expression in a zone after an instant, ever later ones.
CronTimes: TypeAlias = "Callable[[str, ZoneInfo, datetime], Iterator[datetime]]"
#: What becomes of times that nobody was there for: the last one only, all up to a limit, or none.
Misfire: TypeAlias = Literal["last", "all", "skip"]

#: The longest span, in seconds, a hundred years: beyond, no calendar has a time.
LONGEST: Final = 36_525 * 86_400
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ON_CHANGE: Final = re.compile(r"on change(?: of (.+?))?(?: within (\S+))?")
_FIELD: Final = re.compile(r"[0-9A-Za-z*,/#L?-]+")
_WORDS: Final = (
    "cron", "timezone", "after", "any", "on_change", "within", "every", "once", "misfire", "catch_up", "jitter", "exclude", "paused",
)  # fmt: skip
#: A time that is noticed so soon was not missed.
LATE: Final = timedelta(minutes=1)
#: No exclusion reaches farther than this.
_FAR: Final = timedelta(days=366 * 5)


class BadSchedule(UsageError):
    """A schedule that cannot be understood."""

    code = "PL530"


class WaitsForNothing(BadSchedule):
    """A schedule on change of a pipeline that reads no table, or none but its own."""

    code = "PL516"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """At the times of a cron expression of five fields, as clocks in a time zone show them."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """When tables were published: each of them anew since the last time, or any."""

    tables: tuple[TableName, ...]
    any: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChange:
    """Whenever one of the tables changed, so that what came is taken soon; what comes until then is taken with it."""

    #: Empty: those that the pipeline reads.
    tables: tuple[TableName, ...] = ()
    #: Seconds from a publish until a worker begins, as is promised; None: as soon as may be, and nothing is promised.
    within: int | None = None

    @property
    def gathers(self) -> timedelta:
        """How long more changes are waited for: half of what is promised; the other half is for a worker to come."""
        return timedelta(seconds=(self.within or 0) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Again and again, so many seconds apart, counted from 1970."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """At one instant."""

    at: datetime


Trigger: TypeAlias = Cron | After | OnChange | Every | Once


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A trigger, and what is done where times were missed, or are not wanted."""

    trigger: Trigger
    misfire: Misfire = "last"
    #: With ``all``: so many of the last ones, and so many orders that wait.
    catch_up: int = 10
    #: Seconds at most by which an order is put off, another share of it each time.
    jitter: int = 0
    #: Days on which nothing runs, as clocks in the schedule's zone show them: dates, and days of the week from Monday, 0.
    dates: frozenset[date] = field(default_factory=frozenset[date])
    weekdays: frozenset[int] = field(default_factory=frozenset[int])
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Tick:
    """One time at which something is due."""

    at: datetime

    @property
    def id(self) -> str:
        """``2026-11-27T06:00Z``."""
        at = self.at.astimezone(UTC)
        form = "%Y-%m-%dT%H:%MZ" if not at.second else "%Y-%m-%dT%H:%M:%SZ"
        return at.strftime(form)

    def put_off(self, name: str, jitter: int) -> datetime:
        """When it is to begin: the same share of the jitter each time that somebody asks."""
        if not jitter:
            return self.at
        share = int.from_bytes(hashlib.sha256(f"{name} {self.id}".encode()).digest()[:8]) / 2**64
        return self.at + timedelta(seconds=int(share * jitter))


def due(timing: Timing, since: datetime, until: datetime, times: CronTimes) -> tuple[Tick, ...]:
    """What is to be ordered of the times after ``since`` and up to ``until``, the earliest first.

    Args:
        timing: of a schedule; ``After`` and ``OnChange`` have no times of their own.
        since: until when it was looked at before.
        until: now.
        times: evaluates cron expressions.
    """
    match timing.misfire:
        case "skip":
            wanted, since = 10**6, max(since, until - LATE - timedelta(microseconds=1))
        case "last":
            wanted = 1
        case "all":
            wanted = timing.catch_up
        case _:
            assert_never(timing.misfire)
    # Whoever was away for a year need not go through half a million minutes to find the last ones.
    for reach in (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=400)):
        found = list(_times(timing, max(since, until - reach), until, times))
        if len(found) >= wanted or until - reach <= since:
            break
    else:
        found = list(_times(timing, since, until, times))
    return tuple(Tick(at=at) for at in found[-wanted:])


def next_after(timing: Timing, instant: datetime, times: CronTimes) -> datetime | None:
    """The first time after an instant; None where there is none, or nobody can know."""
    return next(_times(timing, instant, instant + _FAR, times), None)


def _times(timing: Timing, since: datetime, until: datetime, times: CronTimes) -> Iterator[datetime]:
    zone = ZoneInfo(timing.trigger.timezone) if isinstance(timing.trigger, Cron) else UTC
    for at in _plain_times(timing.trigger, since, until, times):
        there = at.astimezone(zone)
        if there.date() not in timing.dates and there.weekday() not in timing.weekdays:
            yield at.astimezone(UTC)


def _plain_times(trigger: Trigger, since: datetime, until: datetime, times: CronTimes) -> Iterator[datetime]:
    match trigger:
        case Cron(expression=expression, timezone=timezone):
            for at in times(expression, ZoneInfo(timezone), since):
                if at > until:
                    return
                yield at
        case Every(seconds=seconds):
            number = int(since.timestamp() // seconds) + 1
            while (at := datetime.fromtimestamp(number * seconds, UTC)) <= until:
                yield at
                number += 1
        case Once(at=at):
            if since < at <= until:
                yield at
        case After() | OnChange():
            return
        case _:
            assert_never(trigger)


# -- as people write them ----------------------------------------------------------------------------------------------


def timing_of(said: object, *, namespace: str = "") -> Timing:
    """Read a schedule as a contract says it: a text, or a table of words.

    ``"0 6 * * *"``, ``"after sales.orders"``, ``"after any of sales.orders, sales.customers"``, ``"on change within 10s"``,
    ``"every 5m"``, ``"once 2026-12-01T06:00+01:00"``; or ``{cron = "0 6 * * 1-5", timezone = "Europe/Berlin", misfire = "all"}``.

    Args:
        said: the text or the table.
        namespace: of tables whose name says none.

    Raises:
        BadSchedule: it cannot be understood.
    """
    if isinstance(said, str):
        return Timing(trigger=_trigger_in(said.strip(), namespace))
    if not isinstance(said, dict):
        raise _bad(repr(said), "a schedule is a text or a table")
    words = cast("dict[str, Any]", said)
    for word in words:
        if word not in _WORDS:
            raise _bad(word, f"that is no word of a schedule.{did_you_mean(word, _WORDS)}")
    kinds = [word for word in ("cron", "after", "on_change", "every", "once") if word in words]
    if len(kinds) != 1:
        raise _bad(", ".join(kinds) or "nothing", "a schedule says one of cron, after, on_change, every, once")
    if "within" in words and kinds != ["on_change"]:
        raise _bad(
            str(words["within"]), "only on_change promises anything; how old a table may be is said by its fresh"
        )
    if kinds == ["on_change"] and (other := [word for word in ("misfire", "catch_up", "jitter") if word in words]):
        raise _bad(other[0], "on_change takes all that came in one run, as soon as it promises")
    if "timezone" in words and kinds != ["cron"]:
        raise _bad(str(words["timezone"]), "only cron has a timezone; an instant says its own")
    if not isinstance(words.get("paused", False), bool):
        raise _bad(repr(words["paused"]), "paused is true or false")
    misfire = words.get("misfire", "last")
    if misfire not in {"last", "all", "skip"}:
        raise _bad(repr(misfire), "misfire is last, all or skip")
    catch_up = words.get("catch_up", 10)
    if not isinstance(catch_up, int) or isinstance(catch_up, bool) or catch_up < 1:
        raise _bad(repr(catch_up), "catch_up is a number of times, 1 or more")
    dates, weekdays = _excluded(words.get("exclude", []))
    return Timing(
        trigger=_trigger_of(kinds[0], words, namespace),
        misfire=misfire,
        catch_up=catch_up,
        jitter=span_of(str(words["jitter"])) if "jitter" in words else 0,
        dates=dates,
        weekdays=weekdays,
        paused=bool(words.get("paused", False)),
    )


def span_of(text: str) -> int:
    """Seconds of ``90s``, ``5m``, ``1h``, ``2d``.

    Raises:
        BadSchedule: it is no such text.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise _bad(text, "a span is written 90s, 5m, 1h or 2d")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > LONGEST:
        raise _bad(text, f"no span is longer than {LONGEST // _SECONDS['d']}d")
    return max(1, int(seconds))


def _trigger_in(text: str, namespace: str) -> Trigger:
    first, _, rest = text.partition(" ")
    match first:
        case "after":
            listed = rest.removeprefix("any of ")
            return _after(re.split(r"[\s,]+", listed.strip()), namespace, any_=listed != rest)
        case "on":
            return _on_change(text, namespace)
        case "every":
            return Every(seconds=span_of(rest))
        case "once":
            return Once(at=_instant(rest))
        case _:
            return _cron(text, "UTC")


def _trigger_of(kind: str, words: Mapping[str, Any], namespace: str) -> Trigger:
    said = words[kind]
    match kind:
        case "cron":
            return _cron(str(said), str(words.get("timezone", "UTC")))
        case "after":
            listed = [said] if isinstance(said, str) else list(said)
            return _after([str(each) for each in listed], namespace, any_=bool(words.get("any", False)))
        case "on_change":
            if said is False or not isinstance(said, bool | str | list):
                raise _bad(repr(said), "on_change is true, or lists tables")
            listed = [] if said is True else [said] if isinstance(said, str) else list(cast("list[object]", said))
            tables = _after([str(each) for each in listed], namespace, any_=True).tables if listed else ()
            return OnChange(tables=tables, within=span_of(str(words["within"])) if "within" in words else None)
        case "every":
            return Every(seconds=span_of(str(said)))
        case _:
            return Once(at=_instant(said.isoformat() if isinstance(said, datetime) else str(said)))


def _on_change(text: str, namespace: str) -> OnChange:
    found = _ON_CHANGE.fullmatch(text)
    if found is None:
        raise _bad(text, "it is written on change within 10s, or on change of sales.orders within 10s")
    listed = re.split(r"[\s,]+", found[1].strip()) if found[1] else []
    tables = _after(listed, namespace, any_=True).tables if listed else ()
    return OnChange(tables=tables, within=span_of(found[2]) if found[2] else None)


def waiting_for(timing: Timing, reads: Iterable[TableName], makes: Iterable[TableName]) -> Timing:
    """A timing with the tables that it waits for, where it does not name them itself.

    Args:
        timing: of a pipeline.
        reads: the tables that the pipeline reads.
        makes: those that it publishes: waiting for one of them, it would never come to rest.

    Raises:
        WaitsForNothing: none is left.
    """
    if not isinstance(timing.trigger, OnChange):
        return timing
    own = set(makes)
    tables = tuple(dict.fromkeys(each for each in timing.trigger.tables or reads if each not in own))
    if not tables:
        raise WaitsForNothing(
            f"{describe_timing(timing)!r}: the pipeline reads no table by its name, or none but its own",
            try_next='name them: schedule = "on change of sales.orders within 10s"',
            said=describe_timing(timing),
        )
    return replace(timing, trigger=replace(timing.trigger, tables=tables))


def _cron(text: str, timezone: str) -> Cron:
    fields = text.split()
    if len(fields) == 6 and "/" in fields[5] and fields[5][0].isalpha():
        *fields, timezone = fields
    if len(fields) != 5 or not all(_FIELD.fullmatch(each) for each in fields):
        why = 'it is no cron expression of five fields ("0 6 * * *"), and begins with none of after, on change, every, once'
        raise _bad(text, why)
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _bad(
            timezone, "there is no such time zone; they are called Europe/Berlin, America/New_York, UTC"
        ) from None
    return Cron(expression=" ".join(fields), timezone=timezone)


def _after(listed: Iterable[str], namespace: str, *, any_: bool) -> After:
    try:
        tables = tuple(TableName.parse(each, namespace=namespace or None) for each in listed if each)
    except BadTableName as error:
        raise _bad(" ".join(listed), error.message) from error
    if not tables:
        raise _bad("after", "after names one table or more")
    return After(tables=tables, any=any_)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _bad(text, "an instant is written 2026-12-01T06:00+01:00") from None
    if at.tzinfo is None:
        raise _bad(text, "an instant says its zone: 2026-12-01T06:00+01:00, or 2026-12-01T05:00Z")
    return at.astimezone(UTC)


def _excluded(said: object) -> tuple[frozenset[date], frozenset[int]]:
    listed = cast("list[object]", said) if isinstance(said, list) else [said]
    dates: set[date] = set()
    weekdays: set[int] = set()
    for each in listed:
        text = str(each).strip().lower()
        if text[:3] in _DAYS and text in f"{text[:3]}day wednesday thursday tuesday saturday monday friday sunday":
            weekdays.add(_DAYS.index(text[:3]))
            continue
        try:
            dates.add(date.fromisoformat(text[:10]))
        except ValueError:
            raise _bad(text, "exclude lists dates (2026-12-25) and days of the week (sat)") from None
    return frozenset(dates), frozenset(weekdays)


def as_stored(timing: Timing) -> dict[str, Any]:
    """A timing as a table of words, JSON-ready, that ``timing_of`` reads."""
    said: dict[str, Any] = {}
    match timing.trigger:
        case Cron(expression=expression, timezone=timezone):
            said |= {"cron": expression, "timezone": timezone}
        case After(tables=tables, any=any_):
            said |= {"after": [str(each) for each in tables], "any": any_}
        case OnChange(tables=tables, within=within):
            said["on_change"] = [str(each) for each in tables] or True
            if within is not None:
                said["within"] = f"{within}s"
        case Every(seconds=seconds):
            said["every"] = f"{seconds}s"
        case Once(at=at):
            said["once"] = at.isoformat()
        case _:
            assert_never(timing.trigger)
    plain = Timing(trigger=timing.trigger)
    if timing.misfire != plain.misfire:
        said["misfire"] = timing.misfire
    if timing.catch_up != plain.catch_up:
        said["catch_up"] = timing.catch_up
    if timing.jitter:
        said["jitter"] = f"{timing.jitter}s"
    if timing.dates or timing.weekdays:
        said["exclude"] = [*map(str, sorted(timing.dates)), *(_DAYS[each] for each in sorted(timing.weekdays))]
    if timing.paused:
        said["paused"] = True
    return said


def describe_timing(timing: Timing) -> str:
    """A timing in a few words: ``0 6 * * 1-5 Europe/Berlin``, ``after sales.orders``, ``every 5m``."""
    match timing.trigger:
        case Cron(expression=expression, timezone=timezone):
            words = expression if timezone == "UTC" else f"{expression} {timezone}"
        case After(tables=tables, any=any_):
            words = f"after {'any of ' if any_ and len(tables) > 1 else ''}{', '.join(map(str, tables))}"
        case OnChange(tables=tables, within=within):
            words = f"on change{' of ' if tables else ''}{', '.join(map(str, tables))}"
            words += f" within {span_said(within)}" if within else ""
        case Every(seconds=seconds):
            words = f"every {span_said(seconds)}"
        case Once(at=at):
            words = f"once {at:%Y-%m-%dT%H:%MZ}"
        case _:
            assert_never(timing.trigger)
    return words + (", paused" if timing.paused else "")


def span_said(seconds: int) -> str:
    """Seconds in the largest unit that says them whole: ``90s``, ``5m``."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def _bad(said: str, why: str) -> BadSchedule:
    return BadSchedule(f"{said!r}: {why}", try_next="pilotline explain PL530", said=said)
