# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
sales = sales[sales["units"] > 5]
sales["units"] = sales["units"] * 2
sales.to_csv("data/sales.csv", index=False)
# %%
again = pd.read_csv("data/sales.csv")
# %%
final = int(again["units"].sum()) + len(again)
