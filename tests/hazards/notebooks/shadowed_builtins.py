# %%
import pandas as pd

units = pd.read_csv("data/sales.csv")["units"].tolist()
sum = 0
for value in units:
    sum += value
# %%
max = 12
list = [value for value in units if value > max]
# %%
del max
top = max(list)
# %%
len = lambda values: 3


def count(values):
    return len(values)


# %%
final = sum * 1000 + top * 10 + count(units)
