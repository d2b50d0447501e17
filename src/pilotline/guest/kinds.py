"""Kinds of values: what a type is called in public, and which families of types can't be looked into."""

import sys

#: Packages whose objects are pictures: never results, never looked into.
FIGURES = frozenset(
    {"matplotlib", "mpl_toolkits", "seaborn", "plotly", "bokeh", "altair", "plotnine", "holoviews", "hvplot", "folium",
     "pygal", "graphviz", "pydot", "wordcloud", "missingno", "ipywidgets", "ipyleaflet", "IPython", "mpl_finance",
     "mplfinance", "yellowbrick", "cufflinks", "vega", "bqplot", "pyvis", "pythreejs"}
)  # fmt: skip
#: Packages whose objects keep their state where Python can't see it.
OPAQUE = frozenset(
    {"tensorflow", "keras", "pyspark", "py4j", "sqlalchemy", "requests", "urllib3", "http", "selenium", "duckdb", "dask",
     "distributed", "ray", "h5py", "tables", "netCDF4", "multiprocessing", "concurrent", "asyncio", "socket", "ssl",
     "subprocess", "sqlite3", "psycopg2", "psycopg", "pymysql", "boto3", "botocore", "google", "cv2", "spacy", "mlflow",
     "wandb", "optuna", "rpy2", "cffi", "_cffi_backend", "ctypes", "_ctypes", "zmq", "tqdm",
     "threading", "_thread", "queue", "selectors", "tempfile", "zipfile", "tarfile", "gzip", "bz2", "lzma", "shelve",
     "dbm", "csv", "_csv", "itertools", "unittest", "mmap", "weakref", "_weakref", "contextvars", "_contextvars", "contextlib"}
)  # fmt: skip
#: Packages whose objects carry nothing that a notebook computes with.
ATOMIC = frozenset({"logging", "warnings", "abc", "typing", "enum", "numbers", "inspect", "zoneinfo", "pytz"})
_KINDS = {
    "generator": "generators", "coroutine": "coroutines", "async_generator": "generators", "frame": "frames",
    "traceback": "tracebacks", "TextIOWrapper": "files", "BufferedReader": "files", "BufferedWriter": "files",
    "BufferedRandom": "files", "FileIO": "files", "Connection": "connections", "Cursor": "connections",
    "lock": "locks", "RLock": "locks", "_RLock": "locks", "Lock": "locks", "Semaphore": "locks", "Event": "locks",
    "Condition": "locks", "Thread": "threads", "socket": "sockets", "Popen": "processes", "module": "modules",
    "memoryview": "memoryviews", "ReferenceType": "weakrefs", "mmap": "mmaps",
}  # fmt: skip


def root_of(cls):
    """The package that a class comes from."""
    module = getattr(cls, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


def is_figure(value):
    """Whether a value is a picture or a part of one, or a container of nothing else."""
    cls = type(value)
    if root_of(cls) in FIGURES:
        return True
    if cls in {list, tuple} and value:
        return all(is_figure(one) for one in list(value)[:50])
    if cls is dict and value:
        return all(is_figure(one) for one in list(value.values())[:50])
    numpy = sys.modules.get("numpy")
    if numpy is not None and cls is getattr(numpy, "ndarray", None) and value.dtype == object and value.size:
        return all(is_figure(one) for one in value.ravel()[:50].tolist())
    pandas = sys.modules.get("pandas")
    if pandas is not None and cls is getattr(pandas, "Series", None) and str(value.dtype) == "object" and len(value):
        return all(is_figure(one) for one in list(value.iloc[:50]))
    return False


def opaque_kind(cls):
    """A word for what can't be looked into: ``generators``, ``locks``, ``files``, ... or the type's own name."""
    name = cls.__name__
    if name in _KINDS:
        return _KINDS[name]
    if root_of(cls) in FIGURES:
        return "figures"
    return public_name(cls)


_names = {}


def public_name(cls):
    """The shortest import path under which a class can be had: ``pandas.DataFrame``, ``int``, ``__main__.Thing``."""
    try:
        return _names[cls]
    except (KeyError, TypeError):
        pass
    try:
        found = _find_public_name(cls)
    except Exception:
        found = "object"
    try:
        _names[cls] = found
    except TypeError:
        pass
    return found


def _find_public_name(cls):
    module, name = type.__getattribute__(cls, "__module__"), type.__getattribute__(cls, "__qualname__")
    if module == "builtins" or not isinstance(module, str):
        return name
    if module == "__main__" or "<locals>" in name:
        return f"{module}.{name}"
    parts = module.split(".")
    head = name.partition(".")[0]
    for length in range(1, len(parts) + 1):
        path = ".".join(parts[:length])
        holder = sys.modules.get(path)
        if holder is not None and any(part.startswith("_") for part in parts[:length]) is False:
            inner = vars(holder).get(head)
            if inner is cls or (head != name and _inner(inner, name) is cls):
                return f"{path}.{name}"
    return f"{module}.{name}"


def _inner(holder, name):
    for part in name.split(".")[1:]:
        holder = vars(holder).get(part) if isinstance(holder, type) else None
    return holder
