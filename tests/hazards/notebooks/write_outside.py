# %%
from pathlib import Path

import pandas as pd

sales = pd.read_csv("data/sales.csv")
# %%
outside = Path("..") / "written-by-a-notebook.txt"
outside.write_text("must not be there")
# %%
final = int(sales["units"].sum()) + len(outside.read_text())
