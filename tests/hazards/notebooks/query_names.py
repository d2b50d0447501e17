# %%
import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
min_units = 8
wanted_stores = ["West", "Nord"]
factor = 1.5
# %%
min_units = min_units + 1
big = sales.query("units >= @min_units and store in @wanted_stores")
# %%
big = big.copy()
big.eval("weighted = units * @factor", inplace=True)
# %%
min_units = 0
final = float(big.weighted.sum()) + len(sales.query("units > @min_units"))
