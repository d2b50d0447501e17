"""The states of the global random generators, between the steps of a run: looked at, taken, set again."""

import random
import sys


def look():
    """The state of each generator, cheap to compare: name -> anything."""
    found = {"random": hash(random.getstate())}
    numpy = _numpy()
    if numpy is not None:
        state = numpy.get_state(legacy=False)
        found["numpy"] = hash(tuple(sorted(_flat(state).items())))
    torch = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        found["torch"] = hash(torch.get_rng_state().numpy().tobytes())
    return found


def take():
    """The states, to be given to ``put_back``."""
    found = {"random": random.getstate()}
    numpy = _numpy()
    if numpy is not None:
        found["numpy"] = numpy.get_state(legacy=False)
    torch = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        found["torch"] = torch.get_rng_state().numpy().tobytes()
    return found


def put_back(states):
    """Set the generators to what ``take`` gave."""
    random.setstate(states["random"])
    if "numpy" in states:
        import numpy.random

        numpy.random.set_state(states["numpy"])
    if "torch" in states:
        import torch

        torch.set_rng_state(torch.frombuffer(bytearray(states["torch"]), dtype=torch.uint8))


def _numpy():
    numpy = sys.modules.get("numpy.random")
    return numpy if hasattr(numpy, "get_state") and hasattr(numpy, "mtrand") else None


def _flat(state):
    """A state with its arrays as bytes."""
    found = {}
    for key, value in state.items():
        if isinstance(value, dict):
            found.update(("%s.%s" % (key, inner), one) for inner, one in _flat(value).items())
        else:
            found[key] = value.tobytes() if hasattr(value, "tobytes") else value
    return found
