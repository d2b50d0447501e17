# %%
import numpy as np
import pandas as pd

rng = np.random.default_rng(20260101)
sales = pd.read_csv("data/sales.csv")


def blur(values, rng):
    return values + rng.normal(size=len(values))


# %%
blurred = blur(sales["units"].to_numpy(), rng)
# %%
# only a picture, but it draws
cloud = rng.uniform(size=(100, 2))
cloud.mean()
# %%
sample = rng.choice(len(sales), size=10, replace=False)
copy = rng
# %%
final = float(blurred[sample].sum()) + int(copy.integers(0, 1000))
