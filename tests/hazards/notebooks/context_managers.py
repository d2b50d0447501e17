# %%
import contextlib
import decimal
import io

import numpy as np
import pandas as pd

depth = []


@contextlib.contextmanager
def level(name):
    depth.append(name)
    yield len(depth)
    depth.pop()


# %%
with decimal.localcontext() as context:
    context.prec = 3
    third = decimal.Decimal(1) / 3
# %%
with level("a"), level("b") as deep:
    inside = list(depth)
# %%
with np.errstate(divide="ignore"), pd.option_context("display.precision", 2):
    shown = str(pd.Series([1.23456]))
    infinite = np.float64(1.0) / np.array([0.0])
# %%
buffer = io.StringIO()
with contextlib.redirect_stdout(buffer):
    print("kept", end="")
# %%
final = f"{third} {deep} {inside} {depth} {shown.split()[1]} {infinite[0]} {buffer.getvalue()}"
