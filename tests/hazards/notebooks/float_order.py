# %%
import math

import numpy as np
import pandas as pd

values = [1e16, 1.0, -1e16, 1e-3] * 3 + [0.1] * 10
# %%
forward = 0.0
for value in values:
    forward += value
# %%
values.sort()
backward = 0.0
for value in values:
    backward += value
# %%
exact = math.fsum(values)
frame = pd.DataFrame({"value": values}).sort_values("value", key=np.abs)
# %%
running = 0.0
for value in frame["value"]:
    running = running + value
final = [forward, backward, exact, running]
