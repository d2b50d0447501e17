"""Names that are used without standing in the code: looked up in a notebook's frame by a library.

``df.query('@mu')``, ``pd.eval``, formulas of patsy and formulaic and others ask ``sys._getframe`` for the caller's
variables. Who asks is seen; the identifiers in the strings at hand are then names that were used.
"""

import sys

#: Packages that ask for a frame to name a line in a warning or a log, or to find the module of a class.
_HARMLESS = frozenset(
    {"logging", "warnings", "collections", "enum", "typing", "dataclasses", "abc", "traceback", "unittest", "joblib",
     "IPython", "pilotline_guest", "sklearn", "contextlib", "tqdm", "numpy", "matplotlib", "torch", "scipy", "asyncio",
     "threading", "six", "pkg_resources", "typing_extensions", "attr", "attrs", "pydantic", "functools", "types",
     "tensorflow", "keras", "absl", "pyarrow", "importlib", "_frozen_importlib", "setuptools", "traitlets", "decorator",
     "numba", "seaborn", "dateutil", "google", "xgboost", "lightgbm", "loguru", "multiprocessing", "concurrent"}
)  # fmt: skip
#: The parts of pandas that look names up.
_PANDAS = "pandas.core.computation"


class FrameWatch:
    """Sees which library looks at the frames of its callers."""

    def __init__(self):
        #: The library that asked for a frame, and so may look names up, since this was last emptied.
        self.looked = ""
        self._real = sys._getframe
        real = self._real
        watch = self

        def _getframe(depth=0, /):
            frame = real(depth + 1)
            if not watch.looked:
                watch.looked = _who_looks(real(1))
            return frame

        sys._getframe = _getframe

    def stop(self):
        """Give Python its own function back."""
        sys._getframe = self._real


def _who_looks(caller):
    """The package that asks, if it is one that looks names up; else nothing."""
    module = caller.f_globals.get("__name__", "")
    if module == "inspect":
        caller = caller.f_back
        module = caller.f_globals.get("__name__", "") if caller is not None else ""
    if type(module) is not str or module == "__main__":
        return ""
    root = module.partition(".")[0]
    if root == "pandas":
        return root if module.startswith(_PANDAS) else ""
    return "" if root in _HARMLESS else root
