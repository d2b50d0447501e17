# %%
import os

os.environ["SHOP_RATE"] = "0.25"


def rate():
    return float(os.getenv("SHOP_RATE", "9"))


# %%
low = rate()
# %%
os.environ.update(SHOP_RATE="0.5")
os.environ.setdefault("SHOP_BONUS_THAT_NOBODY_SETS", "40")
# %%
high = rate()
del os.environ["SHOP_RATE"]
# %%
final = low * 100 + high * 10 + rate() + int(os.environ["SHOP_BONUS_THAT_NOBODY_SETS"])
