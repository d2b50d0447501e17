# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
table = sales.groupby(["store", "product"])[["units", "price"]].agg({"units": "sum", "price": "max"})
# %%
table.loc[("West", "tea"), "units"] = -1
wide = table["units"].unstack("product")
wide.columns.name = "what"
# %%
wide["all"] = wide.sum(axis=1)
stacked = wide.stack()
# %%
final = int(stacked.xs("all", level="what").sum() + table.index.nlevels)
