# %%
import pickle

import pandas as pd


class Rule:
    factor = 2

    def __init__(self, limit):
        self.limit = limit

    def hits(self, values):
        return sum(value > self.limit for value in values) * self.factor


# %%
rule = Rule(6)
with open("rule.pkl", "wb") as file:
    pickle.dump({"rule": rule, "frame": pd.read_csv("data/sales.csv")}, file)
# %%
Rule.factor = 5
rule.limit = 1000
# %%
with open("rule.pkl", "rb") as file:
    kept = pickle.load(file)
# %%
final = kept["rule"].hits(kept["frame"]["units"]) * 10 + kept["rule"].factor
