"""When a pipeline runs: time zones, clocks that are put forward and back, what was missed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotline.domain.pipelines import Contract, contract_of, toml_of_contract
from pilotline.domain.schedules import (
    After,
    BadSchedule,
    Cron,
    Every,
    Once,
    OnChange,
    Tick,
    Timing,
    as_stored,
    describe_timing,
    due,
    next_after,
    timing_of,
)
from pilotline.domain.tables import TableName
from pilotline.factory.cron import cron_times


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def listed(said: object, since: str, until: str) -> list[str]:
    timing = timing_of(said)
    return [each.id for each in due(timing, at(since), at(until), cron_times)]


def cron(expression: str, timezone: str = "UTC", misfire: str = "all", **more: object) -> dict[str, object]:
    return {"cron": expression, "timezone": timezone, "misfire": misfire, "catch_up": 1000, **more}


@pytest.mark.parametrize(
    ("said", "since", "until", "expected"),
    [
        # Berlin's clocks go from 2:00 to 3:00 on 29 March 2026, and from 3:00 to 2:00 on 25 October.
        (cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00Z", "2026-03-30T12:00Z",
         ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
        (cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00Z", "2026-10-26T12:00Z",
         ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        (cron("0 * * * *", "Europe/Berlin"), "2026-10-24T23:30Z", "2026-10-25T03:00Z",
         ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"]),
        (cron("0 6 * * *", "America/New_York"), "2026-03-07T12:00Z", "2026-03-09T12:00Z",
         ["2026-03-08T10:00Z", "2026-03-09T10:00Z"]),
        # Lord Howe's clocks go forward by half an hour.
        (cron("0 6 * * *", "Australia/Lord_Howe"), "2026-10-02T20:00Z", "2026-10-04T20:00Z",
         ["2026-10-03T19:00Z", "2026-10-04T19:00Z"][:2]),
        (cron("0 0 29 2 *"), "2026-01-01T00:00Z", "2033-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
        (cron("0 0 31 * *"), "2026-01-01T00:00Z", "2026-06-30T00:00Z",
         ["2026-01-31T00:00Z", "2026-03-31T00:00Z", "2026-05-31T00:00Z"]),
        (cron("*/20 9 * * *"), "2026-01-01T00:00Z", "2026-01-01T12:00Z",
         ["2026-01-01T09:00Z", "2026-01-01T09:20Z", "2026-01-01T09:40Z"]),
        # As in every cron: a day of the month or a day of the week.
        (cron("0 0 13 * 5"), "2026-02-10T00:00Z", "2026-02-21T00:00Z", ["2026-02-13T00:00Z", "2026-02-20T00:00Z"]),
        (cron("0 6 * * *", exclude=["2026-12-25", "sat", "sunday"]), "2026-12-23T12:00Z", "2026-12-29T12:00Z",
         ["2026-12-24T06:00Z", "2026-12-28T06:00Z", "2026-12-29T06:00Z"]),
        ({"every": "5m", "misfire": "all"}, "2026-01-01T00:01Z", "2026-01-01T00:10Z", ["2026-01-01T00:05Z", "2026-01-01T00:10Z"]),
        ("once 2026-12-01T06:00+01:00", "2026-12-01T04:00Z", "2026-12-01T06:00Z", ["2026-12-01T05:00Z"]),
        ("once 2026-12-01T06:00+01:00", "2026-12-01T05:00Z", "2026-12-01T06:00Z", []),
        ("after sales.orders", "2026-01-01T00:00Z", "2027-01-01T00:00Z", []),
        ("on change within 10s", "2026-01-01T00:00Z", "2027-01-01T00:00Z", []),
    ],
)  # fmt: skip
def test_times_are_those_that_a_clock_on_the_wall_shows(said, since, until, expected):
    assert listed(said, since, until) == expected


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [("last", ["2026-01-05T06:00Z"]), ("all", ["2026-01-04T06:00Z", "2026-01-05T06:00Z"]), ("skip", [])],
)
def test_what_was_missed(misfire, expected):
    said = {"cron": "0 6 * * *", "misfire": misfire, "catch_up": 2}
    assert listed(said, "2025-01-01T00:00Z", "2026-01-05T09:00Z") == expected


def test_what_is_noticed_at_once_was_not_missed():
    assert listed({"cron": "0 6 * * *", "misfire": "skip"}, "2026-01-05T05:59Z", "2026-01-05T06:00:30Z") == [
        "2026-01-05T06:00Z"
    ]


INSTANTS = st.integers(1_735_689_600, 1_798_761_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SAID = st.sampled_from(
    [
        cron("*/7 * * * *"),
        cron("30 2 * * *", "Europe/Berlin"),
        cron("0 0 1 * *", "Asia/Kathmandu"),
        {"every": "90s", "misfire": "all", "catch_up": 10**6},
    ]
)


@given(SAID, INSTANTS, st.integers(0, 200_000), st.integers(0, 200_000))
@settings(max_examples=150, deadline=None)
def test_whenever_one_looks_each_time_is_found_once(said, start, first, second):
    timing = timing_of({**said, "catch_up": 10**6})
    middle, end = start + timedelta(seconds=first), start + timedelta(seconds=first + second)
    whole = due(timing, start, end, cron_times)
    assert whole == due(timing, start, middle, cron_times) + due(timing, middle, end, cron_times)
    assert len(set(whole)) == len(whole)
    assert all(start < each.at <= end for each in whole)
    following = next_after(timing, start, cron_times)
    assert whole[:1] == ((Tick(at=following),) if following is not None and following <= end else ())


@given(SAID, INSTANTS, st.integers(1, 30), st.integers(0, 900_000))
@settings(max_examples=100, deadline=None)
def test_the_limit_of_catching_up_holds_and_keeps_the_last(said, start, most, seconds):
    end = start + timedelta(seconds=seconds)
    every = due(timing_of({**said, "catch_up": 10**6}), start, end, cron_times)
    assert due(timing_of({**said, "catch_up": most}), start, end, cron_times) == every[-most:]
    assert due(timing_of({**said, "misfire": "last"}), start, end, cron_times) == every[-1:]


def test_jitter_is_the_same_whoever_asks_and_spreads():
    tick = Tick(at=at("2026-01-01T06:00Z"))
    put_off = {name: (tick.put_off(name, 300) - tick.at).total_seconds() for name in map(str, range(200))}
    assert put_off == {name: (tick.put_off(name, 300) - tick.at).total_seconds() for name in put_off}
    assert 0 <= min(put_off.values()) < 30
    assert 270 < max(put_off.values()) < 300
    assert tick.put_off("any", 0) == tick.at


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("0 6 * * *", Timing(trigger=Cron(expression="0 6 * * *"))),
        ("0 6 * * 1-5 Europe/Berlin", Timing(trigger=Cron(expression="0 6 * * 1-5", timezone="Europe/Berlin"))),
        ("after orders", Timing(trigger=After(tables=(TableName("shop", "orders"),)))),
        ("after any of a.b, c.d", Timing(trigger=After(tables=(TableName("a", "b"), TableName("c", "d")), any=True))),
        ("every 5m", Timing(trigger=Every(seconds=300))),
        ("on change", Timing(trigger=OnChange())),
        ("on change within 90s", Timing(trigger=OnChange(within=90))),
        ("on change of orders, a.b within 5m", Timing(trigger=OnChange(tables=(TableName("shop", "orders"), TableName("a", "b")), within=300))),
        ({"on_change": "a.b", "paused": True}, Timing(trigger=OnChange(tables=(TableName("a", "b"),)), paused=True)),
        ("once 2026-12-01T06:00Z", Timing(trigger=Once(at=at("2026-12-01T06:00Z")))),
        (
            {"cron": "0 6 * * *", "timezone": "Asia/Tokyo", "misfire": "all", "catch_up": 3, "jitter": "5m", "paused": True,
             "exclude": ["2026-12-25", "sun"]},
            Timing(trigger=Cron(expression="0 6 * * *", timezone="Asia/Tokyo"), misfire="all", catch_up=3, jitter=300,
                   paused=True, dates=frozenset({date(2026, 12, 25)}), weekdays=frozenset({6})),
        ),
    ],
)  # fmt: skip
def test_a_schedule_is_read_stored_and_written_back(said, expected):
    timing = timing_of(said, namespace="shop")
    assert timing == expected
    assert timing_of(as_stored(timing)) == timing
    contract = Contract(namespace="shop", timing=timing)
    import tomllib

    assert contract_of(tomllib.loads(toml_of_contract(contract)), namespace="x", path="x.toml") == contract
    assert describe_timing(timing)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("0 6 * *", "no cron expression of five fields"),
        ("at six", "no cron expression of five fields"),
        ("every now", "a span is written"),
        ("after", "after names one table"),
        ("after a.b.c", "is not a table name"),
        ("once 2026-12-01T06:00", "says its zone"),
        ({"cron": "0 6 * * *", "timezone": "Berlin"}, "no such time zone"),
        ({"corn": "0 6 * * *"}, "Did you mean cron?"),
        ({"cron": "0 6 * * *", "every": "5m"}, "says one of"),
        ({"every": "5m", "misfire": "maybe"}, "last, all or skip"),
        ({"every": "5m", "catch_up": 0}, "1 or more"),
        ({"every": "5m", "exclude": ["someday"]}, "dates"),
        ({"every": "5m", "timezone": "Europe/Berlin"}, "only cron has a timezone"),
        ({"every": "5m", "paused": "false"}, "paused is true or false"),
        ({"once": datetime.fromisoformat("2026-12-01T06:00")}, "says its zone"),
        ("on chance", "is written on change within 10s"),
        ("on change within now", "a span is written"),
        ({"on_change": False}, "on_change is true"),
        ({"on_change": True, "jitter": "5m"}, "takes all that came in one run"),
        ({"after": "a.b", "within": "5s"}, "only on_change promises anything"),
        (7, "a text or a table"),
    ],
)
def test_what_is_no_schedule_is_refused(said, why):
    with pytest.raises(BadSchedule) as caught:
        timing_of(said)
    assert why in caught.value.message


def test_a_cron_expression_that_only_looks_like_one_is_refused():
    with pytest.raises(BadSchedule):
        next_after(timing_of("99 6 * * *"), at("2026-01-01T00:00Z"), cron_times)


@pytest.mark.parametrize(
    "said", ["every 36526d", "every 99999999999999h", f"every {'9' * 400}s", "on change within 10000000h"]
)
def test_no_span_is_longer_than_calendars_are(said):
    with pytest.raises(BadSchedule, match="no span is longer than 36525d"):
        timing_of(said)


def test_a_span_may_be_as_long_as_a_century():
    assert timing_of("every 36525d").trigger == Every(seconds=36_525 * 86_400)
