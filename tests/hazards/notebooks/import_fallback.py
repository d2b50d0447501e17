# %%
try:
    import a_library_that_is_not_there as fast

    READER = "fast"
except ImportError:
    import pandas as fast

    READER = "slow"
# %%
sales = fast.read_csv("data/sales.csv")
# %%
if READER == "slow":
    from statistics import median as middle
else:
    from statistics import mean as middle
# %%
final = float(middle(sales["units"])) + len(READER)
