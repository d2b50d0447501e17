# %%
words = {"sencha", "rooibos", "lapsang", "assam", "chai", "oolong", "mint"}
# %%
order = list(words)
# %%
final = "-".join(order)
