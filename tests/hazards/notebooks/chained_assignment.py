# %%
import warnings

import pandas as pd

warnings.simplefilter("ignore")
sales = pd.read_csv("data/sales.csv")
# %%
# copy-on-write: neither of these reaches `sales`
sales["units"][sales["store"] == "West"] = 1000
column = sales["units"]
column.iloc[0] = 5000
# %%
west = sales[sales["store"] == "West"]
west["units"] = 7
# %%
# and this does
sales.loc[sales["store"] == "Nord", "units"] += 100
# %%
final = int(sales["units"].sum() + column.iloc[0] + west["units"].sum())
