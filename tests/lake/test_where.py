"""A condition written as SQL becomes the filter that it says."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from pilotline.domain.access import And, Compare, In, IsNull, NotFilter, Or, StartsWith
from pilotline.lake.errors import BadFilter
from pilotline.lake.where import filter_from_sql

SAID = {
    "id > 3": Compare("id", ">", 3),
    "3 >= id": Compare("id", "<=", 3),
    "amount <> -1.5": Compare("amount", "!=", -1.5),
    "city = 'it''s'": Compare("city", "=", "it's"),
    '"a b" = 1': Compare("a b", "=", 1),
    "paid = true": Compare("paid", "=", True),
    "day = DATE '2026-01-02'": Compare("day", "=", date(2026, 1, 2)),
    "seen < TIMESTAMP '2026-01-02 03:04:05'": Compare("seen", "<", datetime.fromisoformat("2026-01-02T03:04:05")),
    "a = 1 AND b = 2 AND c = 3": And((Compare("a", "=", 1), Compare("b", "=", 2), Compare("c", "=", 3))),
    "a = 1 OR NOT b = 2": Or((Compare("a", "=", 1), NotFilter(Compare("b", "=", 2)))),
    "city IN ('a', 'b')": In("city", ("a", "b")),
    "city NOT IN ('a')": NotFilter(In("city", ("a",))),
    "id BETWEEN 1 AND 2": And((Compare("id", ">=", 1), Compare("id", "<=", 2))),
    "city IS NULL": IsNull("city"),
    "city IS NOT NULL": NotFilter(IsNull("city")),
    "city LIKE 'Bo%'": StartsWith("city", "Bo"),
}


@pytest.mark.parametrize("text", SAID)
def test_a_condition_is_read(text):
    assert filter_from_sql(text) == SAID[text]


@pytest.mark.parametrize(
    "text",
    ["", "id", "id >", "a = b", "lower(a) = 'x'", "a LIKE '%x'", "a LIKE 'x_%'", "id = (SELECT 1)", "1 = 1; SELECT 2",
     "id = 1 ORDER BY id", "id = 1 LIMIT 0", "t.id.x = 1", "a = NULL"],
)  # fmt: skip
def test_what_a_filter_cannot_say_is_refused(text):
    with pytest.raises(BadFilter, match="cannot be used as a condition"):
        filter_from_sql(text)
