# %% [markdown]
# ## Merge
# %%
import pandas as pd

areas = pd.read_csv("data/areas.csv")
people = pd.read_csv("data/people.csv")
names = pd.read_csv("data/names.csv")
# %%
merged = pd.merge(people, names, how="outer", left_on="region", right_on="abbreviation")
merged = merged.drop("abbreviation", axis=1)
merged.loc[merged["state"].isnull(), "region"].unique()
# %%
mask = merged["region"] == "PR"
merged.loc[mask, "state"] = "Puerto Rico"
merged.loc[merged["region"] == "USA", "state"] = "United States"
merged.isnull().any()
# %%
final = pd.merge(merged, areas, on="state", how="left")
final.dropna(inplace=True)
# %%
data2010 = final.query("year == 2010")
data2010 = data2010.set_index("state")
density = data2010["people"] / data2010["area"]
density = density.sort_values(ascending=False)
# %%
density_sum = float(density.sum())
density_sum
