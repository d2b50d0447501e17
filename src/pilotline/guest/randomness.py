"""The states of the global random generators: seen, taken and set again."""

import random
import sys


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
