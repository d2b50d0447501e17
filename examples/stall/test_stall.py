"""The steps of the stall on a few sales."""

import pandas as pd
from stall import best_takings, takings_by_day

SALES = pd.DataFrame(
    {
        "day": pd.to_datetime(["2026-05-01", "2026-05-01", "2026-05-02"]),
        "stall": ["cheese", "bread", "bread"],
        "amount": [12.5, 0.4, 31.0],
    }
)


def test_small_change_is_not_counted():
    takings = takings_by_day(SALES, min_amount=1.0)
    assert takings["takings"].tolist() == [12.5, 31.0]
    assert takings["sales"].tolist() == [1, 1]


def test_the_best_day_is_the_one_with_the_highest_takings():
    assert best_takings(takings_by_day(SALES, min_amount=0.0)) == 31.0
