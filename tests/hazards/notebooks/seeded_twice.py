# %%
import numpy as np

np.random.seed(5)
first = np.random.rand(3)
# %%
state = np.random.get_state()
middle = np.random.rand(4)
# %%
np.random.seed(5)
again = np.random.rand(2)
# %%
np.random.set_state(state)
replayed = np.random.rand(1)
# %%
final = float(first[0] == again[0]) + float(middle[0] == replayed[0]) * 10 + float(np.random.rand())
