# %%
def remember(value, seen=[]):
    seen.append(value)
    return sum(seen)


# %%
first = remember(3)
# %%
remember(4)  # changes what the next call gives
# %%
second = remember(10)
start = 5


def from_start(value, base=start):
    return value + base


# %%
start = 500
third = from_start(1)
# %%
final = first * 10000 + second * 100 + third
