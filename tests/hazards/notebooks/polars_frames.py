# %%
import polars as pl

sales = pl.read_csv("data/sales.csv")
# %%
sales = sales.with_columns((pl.col("units") * 2).alias("double"))
lazy = sales.lazy().filter(pl.col("store") == "West")
# %%
sales[0, "double"] = 1000
# %%
table = lazy.group_by("product").agg(pl.col("double").sum()).sort("product").collect()
# %%
final = int(table["double"].sum()) + int(sales["double"][0])
