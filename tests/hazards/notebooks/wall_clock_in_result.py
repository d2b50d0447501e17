# %%
import time
from datetime import datetime

import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
sales["loaded_at"] = datetime.now()
stamp = time.time()
# %%
final = int(sales["units"].sum()) + stamp
