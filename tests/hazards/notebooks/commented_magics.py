# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---
# %%
# %matplotlib inline
# !echo as jupytext writes it
import pandas as pd

# %% [markdown]
# ## Sales

# %%
sales = pd.read_csv("data/sales.csv")  # %% not a cell

# %% A titled cell
final = int(sales["units"].sum())
