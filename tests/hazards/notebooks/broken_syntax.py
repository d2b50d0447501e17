# %%
units = [1, 2, 3]
# %%
for value in units
    print(value)
# %%
final = sum(units)
