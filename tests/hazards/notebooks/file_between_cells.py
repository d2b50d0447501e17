# %%
import json
from pathlib import Path

import numpy as np

Path("settings").mkdir(exist_ok=True)
# %%
Path("settings/shop.json").write_text(json.dumps({"factor": 3, "stores": ["West"]}))
np.save("settings/weights.npy", np.arange(4.0))
# %%
settings = json.loads(Path("settings/shop.json").read_text())
settings["factor"] = 5
Path("settings/shop.json").write_text(json.dumps(settings))


# %%
def load():
    return json.load(open("settings/shop.json"))


# %%
final = float(np.load("settings/weights.npy").sum()) * load()["factor"] + len(load()["stores"])
