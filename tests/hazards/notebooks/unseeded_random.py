# %%
import random

import numpy as np
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
noise = np.random.normal(size=len(sales))
# %%
print(random.random())
# %%
final = float((sales["units"] + noise).sum()) + random.random()
