# %%
import time
from datetime import datetime

import pandas as pd

started = time.perf_counter()
print("run at", datetime.now())
# %%
sales = pd.read_csv("data/sales.csv")
# %%
final = int(sales["units"].sum())
print(f"{time.perf_counter() - started:.2f} s")
