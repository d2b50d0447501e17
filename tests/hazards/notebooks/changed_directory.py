# %%
import os

import pandas as pd

home = os.getcwd()
# %%
os.chdir("data")
# %%
sales = pd.read_csv("sales.csv")
os.makedirs("parts", exist_ok=True)
sales.head(10).to_csv("parts/head.csv", index=False)
# %%
os.chdir("parts")
head = pd.read_csv("head.csv")
# %%
os.chdir(home)
final = int(head["units"].sum()) * 1000 + len(pd.read_csv("data/sales.csv"))
