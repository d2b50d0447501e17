# %%
import math
import statistics

import pandas as pd

original = statistics.mean
# %%
statistics.mean = lambda values: original(values) * 10
pd.DataFrame.revenue = lambda self: (self["units"] * self["price"]).sum()
# %%
sales = pd.read_csv("data/sales.csv")
loud = statistics.mean([1, 2, 3])
# %%
statistics.mean = original
quiet = statistics.mean([1, 2, 3])
# %%
final = round(float(sales.revenue()), 6) + loud * 1000 + quiet + math.floor(2.5)
