# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
sales["no such column"].sum()
# %%
final = int(sales["units"].sum())
