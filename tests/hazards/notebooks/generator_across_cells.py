# %%
import itertools

import pandas as pd

units = pd.read_csv("data/sales.csv")["units"].tolist()
running = (value * 2 for value in units)
# %%
head = list(itertools.islice(running, 10))
# %%
next(running)  # looked at one
# %%
rest = sum(running)
# %%
final = sum(head) * 100000 + rest + len(list(running))
