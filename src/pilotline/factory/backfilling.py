"""Partitions: which values of a pipeline's partition are filled, by what, and orders for those that are not.

Nothing is stored for it: a partition is filled where a run that published it stands, and what orders there were says the rest.
So a backfill that was broken off is taken up by asking for the same again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pilotline.domain.errors import UsageError
from pilotline.domain.orders import Ask
from pilotline.lake.diff_page import framed, wide
from pilotline.run.taking import undone_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.domain.orders import Order, OrderNumber, Terms
    from pilotline.factory.ledger import Ledger
    from pilotline.lake.catalog import CatalogReader
    from pilotline.run.records import Records

__all__ = ["BadRange", "Filled", "State", "Wanted", "as_page", "as_text", "fill", "states_of", "values_between"]

State: TypeAlias = Literal["filled", "missing", "undone", "failed", "waiting", "running"]
#: Which of the partitions are ordered.
Wanted: TypeAlias = Literal["missing", "failed", "all"]

_FORMS: Final = (
    (re.compile(r"\d{4}"), "%Y"),
    (re.compile(r"\d{4}-\d{2}"), "%Y-%m"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "%Y-%m-%d"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}"), "%Y-%m-%dT%H"),
)
_MOST: Final = 100_000
_PAGE: Final = 1000
_MARKS: Final[Mapping[State, str]] = {
    "filled": "■", "missing": "·", "undone": "□", "failed": "✗", "waiting": "…", "running": "▶",
}  # fmt: skip
_COLOURS: Final[Mapping[State, str]] = {
    "filled": "#2a9d5c", "missing": "var(--line)", "undone": "#9a7fc4", "failed": "#d64545", "waiting": "#d9a62e",
    "running": "#3b82c4",
}  # fmt: skip
_STYLE: Final = """
svg text{font:11px ui-sans-serif,system-ui,sans-serif;fill:var(--dim)}header span{margin-right:18px;white-space:nowrap}
header i{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px;vertical-align:-1px}
ul{margin:0;padding:0;list-style:none}li{overflow-wrap:anywhere;white-space:pre-line}
"""


class BadRange(UsageError):
    """What is to be filled cannot be understood."""

    code = "PL532"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One partition, and what became of it."""

    value: str
    state: State
    #: The run that filled it, or the order that failed, waits or runs.
    by: str = ""
    at: datetime | None = None
    because: str = ""


def values_between(first: str, last: str) -> tuple[str, ...]:
    """The years, months, days or hours from one to another, both of them too, as the first is written.

    Raises:
        BadRange: they are not written alike, or the last one comes before the first.
    """
    form = next((form for pattern, form in _FORMS if pattern.fullmatch(first) and pattern.fullmatch(last)), None)
    if form is None:
        raise BadRange(
            f"{first!r} and {last!r} are no range: both are years, months, days or hours, as in 2026, 2026-01, 2026-01-31, 2026-01-31T06",
            try_next="pilotline backfill NAME --from 2026-01-01 --to 2026-01-31",
        )
    try:
        at, end = datetime.strptime(first, form), datetime.strptime(last, form)  # noqa: DTZ007 - a calendar's days
    except ValueError as error:
        raise BadRange(
            f"{first} to {last} names a time that no calendar has", try_next="give days that there are"
        ) from error
    if end < at:
        raise BadRange(f"{last} comes before {first}", try_next=f"--from {last} --to {first}")
    found: list[str] = []
    while True:
        found.append(f"{at.year:04}{at.strftime(form[2:])}")
        if at >= end:
            return tuple(found)
        if len(found) > _MOST:
            raise BadRange(f"{first} to {last} are more than {_MOST} partitions", try_next="fill it in parts")
        at = _following(at, form)


def _following(at: datetime, form: str) -> datetime:
    match form:
        case "%Y":
            return at.replace(year=at.year + 1)
        case "%Y-%m":
            return at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        case "%Y-%m-%d":
            return at + timedelta(days=1)
        case _:
            return at + timedelta(hours=1)


def states_of(
    values: Iterable[str],
    *,
    pipeline: str,
    ordered_as: str,
    ordered_by: frozenset[str],
    parameter: str,
    onto: str,
    lake: CatalogReader,
    records: Records,
    ledger: Ledger,
) -> tuple[Filled, ...]:
    """What became of each partition.

    Args:
        values: of the partition.
        pipeline: its name, as its runs have it.
        ordered_as: the same as orders have it: its path in the project, if it lies in a folder below.
        ordered_by: its project as orders have it: the name, or the folder where there was no release.
        parameter: that says the partition.
        onto: the branch that is published to.
        lake: for what was undone.
        records: of the runs.
        ledger: of the orders.
    """
    undone = undone_in(lake.log(onto))
    published: dict[str, Filled] = {}
    for past in records.every_published(pipeline, onto):
        value = past.parameters.get(parameter)
        if value is not None:
            state: State = "undone" if past.commit in undone else "filled"
            published[str(value)] = Filled(value=str(value), state=state, by=f"run-{past.number}", at=past.ended)
    ordered: dict[str, Order] = {}
    for order in _orders(ledger, ordered_as):
        if order.ask.partition and order.ask.onto == onto and order.ask.project in ordered_by:
            ordered.setdefault(order.ask.partition, order)
    return tuple(_filled(value, published.get(value), ordered.get(value)) for value in values)


def _orders(ledger: Ledger, pipeline: str) -> Iterable[Order]:
    """The orders of a pipeline, newest first."""
    before: int | None = None
    while page := ledger.orders(pipeline=pipeline, before=before, limit=_PAGE):
        yield from page
        before = page[-1].number


def _filled(value: str, published: Filled | None, order: Order | None) -> Filled:
    if order is not None and order.state in {"waiting", "running"}:
        state: State = "running" if order.state == "running" else "waiting"
        return Filled(value=value, state=state, by=order.name, at=order.began or order.submitted)
    if published is not None and published.state == "filled":
        return published
    if order is not None and order.state in {"failed", "dead", "cancelled"}:
        return Filled(value=value, state="failed", by=order.name, at=order.ended, because=order.because)
    return published or Filled(value=value, state="missing")


def fill(
    partitions: Sequence[Filled],
    wanted: Wanted,
    ledger: Ledger,
    *,
    pipeline: str,
    project: str,
    release: str,
    onto: str,
    owner: str,
    terms: Terms,
    parallel: int,
) -> tuple[tuple[str, OrderNumber], ...]:
    """Order the partitions that are wanted, so many at once; those that wait or run already are left alone.

    Returns:
        Each value with its order.
    """
    key = f"backfill {pipeline}@{onto} of {project}"
    ledger.limit("key", key, parallel)
    found: list[tuple[str, OrderNumber]] = []
    for each in partitions:
        if not _is_wanted(each, wanted):
            continue
        number = ledger.submit(
            Ask(
                # After a failure or an undo it is another order; asked twice for the same, it is the same one.
                id=f"{key} {each.value} after {each.by or 'nothing'}",
                pipeline=pipeline,
                project=project,
                release=release,
                onto=onto,
                partition=each.value,
                key=key,
                # What is due now goes first.
                priority=terms.priority - 1,
                attempts=terms.tries,
                timeout=terms.timeout,
                origin="backfill",
                owner=owner,
                fresh=each.state in {"filled", "undone"},
            )
        )
        found.append((each.value, number))
    return tuple(found)


def _is_wanted(each: Filled, wanted: Wanted) -> bool:
    match wanted:
        case "missing":
            return each.state in {"missing", "undone", "failed"}
        case "failed":
            return each.state == "failed"
        case "all":
            return each.state not in {"waiting", "running"}


# -- pictures ----------------------------------------------------------------------------------------------------------


def _rows(partitions: Sequence[Filled]) -> dict[str, list[Filled]]:
    """Times by the part before their last: days by month, hours by day, months by year. Each name by itself."""
    rows: dict[str, list[Filled]] = {}
    for each in partitions:
        head, _, _ = each.value.rpartition("T" if "T" in each.value else "-")
        is_time = any(pattern.fullmatch(each.value) for pattern, _ in _FORMS)
        rows.setdefault(head if is_time else each.value, []).append(each)
    return rows


def counted(partitions: Sequence[Filled]) -> dict[State, int]:
    """How many are in each state, those that there are."""
    return {state: count for state in _MARKS if (count := sum(each.state == state for each in partitions))}


def as_text(partitions: Sequence[Filled]) -> str:
    """A picture for a terminal: one mark a partition, one line a month, a day or a year."""
    rows = _rows(partitions)
    wide = max((len(head) for head in rows), default=0)
    lines = [f"{head:<{wide}}  {''.join(_MARKS[each.state] for each in row)}" for head, row in rows.items()]
    said = "  ".join(f"{_MARKS[state]} {count} {state}" for state, count in counted(partitions).items())
    return "\n".join([*lines, "", said])


def as_page(pipeline: str, partitions: Sequence[Filled]) -> str:
    """The same as one page that needs nothing else; what is behind a mark shows where one points at it."""
    rows = _rows(partitions)
    side, left, top = 16, 20 + 7 * max((len(head) for head in rows), default=0), 6
    width = left + side * max((len(row) for row in rows.values()), default=1) + 20
    marks: list[str] = []
    for line, (head, row) in enumerate(rows.items()):
        y = top + line * (side + 2)
        marks.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(head or "all")}</text>')
        for place, each in enumerate(row):
            when = f", {each.at:%Y-%m-%d %H:%M}" if each.at else ""
            said = f"{each.value}: {each.state}{f' by {each.by}' if each.by else ''}{when}"
            said += f"\n{each.because[:400]}" if each.because else ""
            marks.append(
                f'<rect x="{left + place * side}" y="{y}" width="{side - 2}" height="{side - 2}" rx="2"'
                f' fill="{_COLOURS[each.state]}"><title>{escape(said)}</title></rect>'
            )
    height = top + len(rows) * (side + 2)
    legend = "".join(
        f'<span><i style="background:{_COLOURS[state]}"></i>{count} {state}</span>'
        for state, count in counted(partitions).items()
    )
    failed = "".join(
        f"<li><b>{escape(each.value)}</b> {escape(each.by)}: {escape(each.because[:600])}</li>"
        for each in partitions
        if each.state == "failed"
    )
    title = f"Partitions of {pipeline}"
    picture = f'<svg width="{width}" height="{height}" role="img" aria-label="which are filled">{"".join(marks)}</svg>'
    body = f"<section>{wide(picture)}</section>" + (
        f"<section><h2>What failed</h2><ul>{failed}</ul></section>" if failed else ""
    )
    return framed(title, f"<h1>{escape(title)}</h1><p>{legend}</p>", body, style=_STYLE)
