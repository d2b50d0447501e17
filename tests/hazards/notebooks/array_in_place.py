# %%
import numpy as np
import pandas as pd

units = pd.read_csv("data/sales.csv")["units"].to_numpy().astype(float)
counts = np.zeros(3)
# %%
np.add.at(counts, [0, 1, 1, 2, 2, 2], 1)
# %%
np.multiply(units, 2, out=units)
units[units > 20] = 20
# %%
np.put(counts, [0], [50])
np.copyto(counts, 7, where=counts == 2)
window = np.lib.stride_tricks.sliding_window_view(units, 3)
# %%
units[:3] = -1
np.random.default_rng(3).shuffle(units)
# %%
final = float(units.sum() + counts.sum() * 1000 + window.max(axis=1).sum())
