# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
sales.attrs["factor"] = 3
# %%
west = sales[sales["store"] == "West"].copy()
# %%
west.attrs["note"] = "west only"
west["scaled"] = west["units"] * west.attrs["factor"]
# %%
final = int(west["scaled"].sum()) + len(west.attrs)
