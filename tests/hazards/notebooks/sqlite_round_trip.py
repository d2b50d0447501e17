# %%
import sqlite3

import pandas as pd

sales = pd.read_csv("data/sales.csv")
connection = sqlite3.connect("shop.sqlite")
# %%
sales.to_sql("sales", connection, index=False, if_exists="replace")
# %%
connection.execute("update sales set units = units + 1 where store = 'West'")
connection.commit()
# %%
back = pd.read_sql("select store, sum(units) as units from sales group by store order by store", connection)
connection.close()
# %%
final = int(back["units"].max() * 1000 + len(back))
