# %%
prices = {"tea": 3, "coffee": 5, "cocoa": 4}
# %%
prices["tea"] = prices.pop("tea") + 1
# %%
prices |= {"milk": 1}
first = next(iter(prices))
# %%
prices.popitem()
order = {name: position for position, name in enumerate(prices)}
# %%
final = "".join(prices) + first + str(sum(position * prices[name] for name, position in order.items()))
