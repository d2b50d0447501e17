"""Random numbers: the global generators are seeded, and who draws from them is seen.

A generator made without a seed gets one from ``seed`` and from the line that makes it, so that it is the same in every
run of that line, whatever ran before it.
"""

import hashlib
import linecache
import re
import sys
import zlib

_NUMPY = re.compile(
    r"\b(numpy|pandas|sklearn|scipy|seaborn|statsmodels|torch|tensorflow|keras|xgboost|lightgbm|matplotlib|polars"
    r"|pylab|jax|catboost|imblearn|cv2|skimage|networkx|gensim|umap|hdbscan|mlxtend|prophet)\b"
)
_SYSTEM_DRAWS = frozenset({"uuid1", "uuid4", "urandom", "token_hex", "token_bytes", "token_urlsafe", "SystemRandom"})


def settle(seed, text):
    """Seed the global generators, and those to come that nobody seeds, before the first cell.

    Args:
        seed: the seed; None leaves everything as it is.
        text: all source that will run; NumPy is imported only when this can need it.
    """
    if seed is None:
        return
    import random

    _give_entropy(seed, random)
    random.seed(seed)
    if _NUMPY.search(text) and seed_numpy(seed):
        return
    if "numpy" not in sys.modules:
        sys.meta_path.insert(0, _NumpyFinder(seed))


def seed_numpy(seed):
    """Seed NumPy's global generator and its source of entropy; whether NumPy is here."""
    try:
        import numpy.random
    except Exception:
        return False
    numpy.random.seed(seed % 2**32)
    bits = sys.modules.get("numpy.random.bit_generator")
    if hasattr(bits, "randbits"):
        bits.randbits = _Entropy(seed)
    return True


class _NumpyFinder:
    """Seeds NumPy in the moment after it is imported, when nothing said before that it would be."""

    def __init__(self, seed):
        self._seed = seed

    def find_spec(self, name, path=None, target=None):
        if name != "numpy":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("numpy")
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module
        seed = self._seed

        def exec_module(module):
            execute(module)
            seed_numpy(seed)

        spec.loader.exec_module = exec_module
        return spec


class _Entropy:
    """Instead of ``secrets.randbits``: the same bits for the same line of user code."""

    def __init__(self, seed):
        self._seed = seed
        self._times = {}

    def __call__(self, bits):
        line = _user_text()
        count = self._times[line] = self._times.get(line, 0) + 1
        found = b""
        while len(found) * 8 < bits:
            found += hashlib.sha256(f"{self._seed}/{line}/{count}/{len(found)}".encode()).digest()
        return int.from_bytes(found, "big") >> (len(found) * 8 - bits)


def _user_text():
    """The line of the innermost user code, without what a formatter may change in it."""
    frame = sys._getframe(2)
    outermost = frame
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<cell ") or frame.f_globals.get("__pilotline_user__"):
            break
        outermost = frame
        frame = frame.f_back
    frame = frame or outermost
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return re.sub(r"[\s,;()]", "", text.partition("#")[0]).replace("'", '"')


def _give_entropy(seed, random):
    """Let ``random.Random()`` and ``random.seed()`` without a seed take one from here."""
    entropy = _Entropy(seed)
    plain = random.Random.seed
    if getattr(plain, "__name__", "") == "_seed_or_entropy":
        return

    def _seed_or_entropy(self, a=None, version=2):
        plain(self, entropy(256) if a is None else a, version)

    _seed_or_entropy.__doc__ = plain.__doc__
    random.Random.seed = _seed_or_entropy
    if isinstance(getattr(random, "_inst", None), random.Random):
        random.seed = random._inst.seed


class RandomWatch:
    """Sees which global generators a statement draws from and which it seeds."""

    def __init__(self):
        import random

        self._random = random
        self._seeded = {}
        self._numpy = None
        self._torch = None
        self._wrap(random, "random", "seed", self._python_state)
        self._wrap(random, "random", "setstate", self._python_state)
        self._last = {"random": self._python_state()}
        self._drew_before = set()

    def before(self):
        """Before a statement."""
        self._seeded.clear()
        self._drew_before.clear()
        self._find_new()

    def after(self):
        """``(draws, seeds)`` of the statement that was just executed."""
        self._find_new()
        draws, seeds = set(), set()
        for name, state in self._states().items():
            seeded = self._seeded.get(name)
            if seeded is not None and name not in self._drew_before:
                seeds.add(name)
                if state != seeded:
                    draws.add(name)
            elif state != self._last.get(name, state) or name in self._drew_before:
                draws.add(name)
            self._last[name] = state
        return draws, seeds

    def _find_new(self):
        """Watch generators of libraries that were imported meanwhile."""
        numpy = sys.modules.get("numpy.random")
        if self._numpy is None and numpy is not None and hasattr(numpy, "get_state") and hasattr(numpy, "mtrand"):
            self._numpy = numpy
            self._last["numpy"] = self._numpy_state()
            self._wrap(numpy, "numpy", "seed", self._numpy_state)
            self._wrap(numpy, "numpy", "set_state", self._numpy_state)
        torch = sys.modules.get("torch")
        if self._torch is None and hasattr(torch, "manual_seed") and hasattr(torch, "get_rng_state"):
            self._torch = torch
            self._last["torch"] = self._torch_state()
            self._wrap(torch, "torch", "manual_seed", self._torch_state)
            self._wrap(torch, "torch", "set_rng_state", self._torch_state)

    def _states(self):
        states = {"random": self._python_state()}
        if self._numpy is not None:
            states["numpy"] = self._numpy_state()
        if self._torch is not None:
            states["torch"] = self._torch_state()
        return states

    def _python_state(self):
        return hash(self._random.getstate())

    def _numpy_state(self):
        generator = getattr(self._numpy.mtrand, "_rand", None)
        try:
            state = generator.get_state(legacy=False)
            inner = state["state"]
            key = inner.get("key")
            if key is None:
                return repr(state)
            return zlib.crc32(key), int(inner["pos"]), state.get("has_gauss"), state.get("gauss")
        except Exception:
            return None

    def _torch_state(self):
        try:
            return zlib.crc32(bytes(self._torch.get_rng_state().numpy()))
        except Exception:
            return None

    def _wrap(self, module, name, attribute, state):
        """Notice calls that set a generator's state to one of the caller's choice."""
        original = getattr(module, attribute)
        watch = self

        def noticing(*arguments, **options):
            before = state()
            result = original(*arguments, **options)
            given = [*arguments, *options.values()]
            if given and given[0] is not None:
                if name not in watch._seeded and before != watch._last.get(name):
                    watch._drew_before.add(name)
                watch._seeded[name] = state()
            return result

        noticing.__name__ = attribute
        noticing.__qualname__ = attribute
        noticing.__doc__ = getattr(original, "__doc__", None)
        noticing.__wrapped__ = original
        setattr(module, attribute, noticing)


def draws_from_system(words):
    """Whether any of these attribute names asks the operating system for randomness."""
    return not _SYSTEM_DRAWS.isdisjoint(words)
