# %%
from collections import Counter, defaultdict, deque

import pandas as pd

sales = pd.read_csv("data/sales.csv")
parts = {name: part.copy() for name, part in sales.groupby("store")}
# %%
for name, part in parts.items():
    part["share"] = part["units"] / part["units"].sum()
# %%
index = defaultdict(list)
for row in sales.itertuples():
    index[row.product].append(row.units)
index["ghost"]
# %%
recent = deque(sales["units"], maxlen=5)
recent.rotate(2)
tally = Counter(sales["product"])
tally.subtract({"tea": 3})
# %%
both = pd.concat(list(parts.values()))
final = round(float(both["share"].max()), 12) * 1000 + len(index) * 100 + recent[0] + tally["tea"]
