# %%
import sys

sys.path.append("lib")
# %%
import local_rules
from local_rules import RATE, discounted

# %%
local_rules.RATE = 4
# %%
first = discounted(100)
local_rules.SEEN.append(first)
# %%
final = first + RATE * 1000 + len(local_rules.SEEN)
