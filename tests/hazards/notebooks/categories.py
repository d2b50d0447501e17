# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
sizes = pd.CategoricalDtype(["small", "medium", "large", "huge"], ordered=True)
# %%
sales["size"] = pd.cut(sales["units"], [0, 5, 10, 100], labels=["small", "medium", "large"]).astype(sizes)
# %%
table = sales.groupby("size", observed=False)["units"].agg(["count", "sum"])
# %%
ranked = sales.sort_values(["size", "units", "day"], ascending=[False, True, True], kind="stable")
codes = ranked["size"].cat.codes
above = int((sales["size"] > "small").sum())
# %%
final = int((codes.to_numpy() * range(len(codes))).sum()) + above
