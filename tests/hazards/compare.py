"""Whether a value is the true one."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

_RELATIVE = 1e-9


def same(got: Any, true: Any) -> bool:
    """Whether ``got`` is ``true``: floats within 1e-9 of each other, all else exactly; a function is asked."""
    import numpy as np
    import pandas as pd

    if callable(true):
        return bool(true(got))
    if isinstance(true, pd.DataFrame):
        return _raises_nothing(pd.testing.assert_frame_equal, got, true)
    if isinstance(true, pd.Series):
        return _raises_nothing(pd.testing.assert_series_equal, got, true)
    if isinstance(true, np.ndarray):
        return isinstance(got, np.ndarray) and np.allclose(got, true, rtol=_RELATIVE, atol=0)
    if isinstance(true, Number) and isinstance(got, str):  # what a print showed
        return same(float(got), true)
    if isinstance(true, float):
        return math.isclose(got, true, rel_tol=_RELATIVE)
    if isinstance(true, list | tuple):
        return len(got) == len(true) and all(map(same, got, true))
    return bool(got == true)


def _raises_nothing(assert_equal: Any, got: Any, true: Any) -> bool:
    try:
        assert_equal(got, true, check_exact=False, rtol=_RELATIVE, check_freq=False)
    except AssertionError:
        return False
    return True
