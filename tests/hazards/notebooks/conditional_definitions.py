# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
exact = len(sales) > 10
# %%
if exact:
    RATE = 3

    def score(value):
        return value * RATE
else:

    def score(value):
        return -1


# %%
if not exact:
    RATE = 1000
for attempt in range(3):
    if attempt == 1:

        def bonus():
            return attempt


# %%
final = int(score(sales["units"].max())) * 100 + bonus()
