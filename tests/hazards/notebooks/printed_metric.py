# %%
import numpy as np
import pandas as pd

sales = pd.read_csv("data/sales.csv").dropna()
# %%
slope, level = np.polyfit(sales["units"], sales["price"], 1)
error = sales["price"] - (level + slope * sales["units"])
# %%
print("looking at", len(error), "errors")
# %%
print(float(np.sqrt((error**2).mean())))
