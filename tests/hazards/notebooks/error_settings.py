# %%
import warnings

import numpy as np

values = np.array([1.0, 0.0, 4.0])
# %%
np.seterr(divide="raise", invalid="ignore")
warnings.simplefilter("error")
# %%
try:
    inverse = 1.0 / values
except FloatingPointError:
    inverse = np.array([1.0, 99.0, 0.25])


# %%
def risky():
    warnings.warn("are you sure?", UserWarning, stacklevel=2)
    return 1


try:
    flag = risky()
except UserWarning:
    flag = 2
# %%
final = float(inverse.sum()) * 10 + flag
