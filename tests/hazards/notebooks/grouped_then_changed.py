# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
groups = sales.groupby("store")
sizes = groups.size()
# %%
tables = {name: group for name, group in groups}
# %%
tables["West"].loc[:, "units"] = 0
sales["units"] = sales["units"] + 1
# %%
final = int(sizes.max() + sales.groupby("store")["units"].sum().max() + tables["West"]["units"].sum())
