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
    """Sees whether a library looks at the frames of its callers."""

    def __init__(self):
        #: A library that may look names up has asked for a frame since this was last set to False.
        self.looked = False
        self._real = sys._getframe
        real = self._real
        watch = self

        def _getframe(depth=0, /):
            frame = real(depth + 1)
            if not watch.looked:
                watch.looked = _looks_names_up(real(1))
            return frame

        sys._getframe = _getframe

    def stop(self):
        """Give Python its own function back."""
        sys._getframe = self._real


def _looks_names_up(caller):
    module = caller.f_globals.get("__name__", "")
    if module == "inspect":
        caller = caller.f_back
        module = caller.f_globals.get("__name__", "") if caller is not None else ""
    if not isinstance(module, str) or module == "__main__":
        return False
    root = module.partition(".")[0]
    if root == "pandas":
        return module.startswith(_PANDAS)
    return root not in _HARMLESS
