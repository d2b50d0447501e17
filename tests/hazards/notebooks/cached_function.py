# %%
from functools import lru_cache

rate = 2


@lru_cache(maxsize=None)
def price(units):
    return units * rate


# %%
first = price(10)
# %%
rate = 100
# %%
second = price(10)  # still the old one: it was cached before the rate changed
third = price(11)
# %%
final = first * 1000000 + second * 10000 + third + price.cache_info().hits
