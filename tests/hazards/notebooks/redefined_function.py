# %%
import pandas as pd

units = pd.read_csv("data/sales.csv")["units"].tolist()


def weight(value):
    return value


def clean(values):
    return [weight(value) for value in values if value > 3]


# %%
before = sum(clean(units))


# %%
def weight(value):
    return value * 10


# %%
after = sum(clean(units))
old_weight = weight


# %%
def weight(value):
    return old_weight(value) + 1


# %%
final = before * 1000000 + after + sum(clean(units))
