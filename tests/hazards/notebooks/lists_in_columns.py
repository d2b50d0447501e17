# %%
import pandas as pd

orders = pd.DataFrame({"order": [1, 2, 3], "tags": [["new"], [], ["gift", "late"]]})
copied = orders.copy()
# %%
orders.at[1, "tags"].append("added")
# %%
for tags in orders["tags"]:
    tags.insert(0, "all")
# %%
flat = orders.explode("tags")
# %%
final = "/".join(flat["tags"]) + str(sum(map(len, copied["tags"])))
