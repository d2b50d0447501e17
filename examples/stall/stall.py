"""What a market stall takes in a day: a pipeline written by hand, with no notebook behind it."""

from pathlib import Path

import pandas as pd


def read_sales(sales_csv: Path) -> pd.DataFrame:
    """One row a sale; amounts in euros."""
    return pd.read_csv(sales_csv, parse_dates=["day"])


def takings_by_day(sales: pd.DataFrame, *, min_amount: float) -> pd.DataFrame:
    """Takings and number of sales of each day, without small change."""
    counted = sales[sales["amount"] >= min_amount]
    return counted.groupby("day", as_index=False).agg(takings=("amount", "sum"), sales=("amount", "size"))


def best_takings(takings: pd.DataFrame) -> float:
    """The takings of the best day."""
    return float(takings["takings"].max())


def pipeline(*, sales_csv: Path = Path("sales.csv"), min_amount: float = 1.0) -> dict[str, object]:
    """What `pilotline run` carries out, step by step; `python stall.py` does too."""
    sales = read_sales(sales_csv)
    takings = takings_by_day(sales, min_amount=min_amount)
    best = best_takings(takings)
    return {"takings": takings, "best": best}


if __name__ == "__main__":
    print(pipeline())
