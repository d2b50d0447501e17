"""Global random generators: set them to a known state, and see who draws from them."""

import importlib.util
import random
import re
import sys

_NUMPY_BASED = re.compile(r"\b(numpy|pandas|sklearn|scipy|seaborn|statsmodels|matplotlib|xgboost|lightgbm|polars|keras|tensorflow)\b")


def settle(seed, text=""):
    """Set the global generators of ``random``, NumPy (and torch, when loaded) to a state that depends on ``seed`` only.

    Args:
        seed: an integer; None leaves chance to itself.
        text: source of what will run: NumPy is imported first if it speaks of a library that is based on it.
    """
    if seed is None:
        return
    random.seed(seed)
    if "numpy" not in sys.modules and _NUMPY_BASED.search(text) and importlib.util.find_spec("numpy") is not None:
        import numpy  # noqa: F401
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
        _fixed_entropy(numpy, seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _fixed_entropy(numpy, seed):
    """Let ``default_rng()`` without a seed begin at a known state: each call at one of its own."""
    original = getattr(numpy.random, "default_rng", None)
    if original is None or getattr(original, "_pilotline", False):
        return
    count = [0]

    def default_rng(seed=None):
        if seed is None:
            count[0] += 1
            seed = [_BASE + begin, count[0]]
        return original(seed)

    begin = seed
    default_rng._pilotline = True
    default_rng.__doc__ = original.__doc__
    numpy.random.default_rng = default_rng


_BASE = 20_240_501


def state():
    """The state of each global generator, cheap to compare: name -> anything."""
    found = {"random": hash(random.getstate())}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        name, keys, position, has_gauss, cached = numpy.random.get_state()
        found["numpy"] = (hash(keys.tobytes()), position, has_gauss, cached)
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = hash(torch.get_rng_state().numpy().tobytes())
    return found


def capture():
    """The states of the global generators, to be given to ``restore``."""
    found = {"random": random.getstate()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        found["numpy"] = numpy.random.get_state()
    return found


def restore(states):
    """Set the global generators to what ``capture`` gave."""
    random.setstate(states["random"])
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy" in states:
        numpy.random.set_state(states["numpy"])
