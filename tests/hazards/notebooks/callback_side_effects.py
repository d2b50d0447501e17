# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
seen = []
stats = {"calls": 0}
# %%
def price_of(row):
    stats["calls"] += 1
    if pd.isna(row["price"]):
        seen.append(row["units"])
        return 0.0
    return row["price"]


# %%
prices = sales.apply(price_of, axis=1)
# %%
sorted(seen, key=lambda value: stats.update(calls=stats["calls"] + 1) or value)
# %%
final = float(prices.sum()) + sum(seen) * 1000 + stats["calls"] * 100000
