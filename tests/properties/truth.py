"""What a program, or a lifted module, gives: values as texts that do not depend on how they were compared elsewhere.

python truth.py program FILE NAME ...      executes the file, says the values of the names
python truth.py module FILE NAME ...       imports the module, calls its pipeline, says what it returns
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path


def said(value):
    """A text for a value: equal texts, equal values."""
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        columns = [[str(name), said(value.iloc[:, place])] for place, name in enumerate(value.columns)]
        return ["frame", type(value).__name__, said(value.index), columns]
    if isinstance(value, pd.Series):
        return ["series", str(value.dtype), repr(value.name), said(value.index), [repr(one) for one in value.tolist()]]
    if isinstance(value, pd.Index):
        return ["index", str(value.dtype), repr(value.name), [repr(one) for one in value.tolist()]]
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), list(value.shape), [repr(one) for one in value.ravel().tolist()]]
    if isinstance(value, np.generic):
        return ["scalar", str(value.dtype), repr(value.item())]
    if isinstance(value, dict):
        return ["dict", [[repr(key), said(one)] for key, one in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [said(one) for one in value]]
    if type(value).__name__ == "Counter":
        return ["object", said(vars(value))]
    return [type(value).__name__, repr(value)]


def serve():
    """Answer lines of JSON ``{"how", "path", "names", "cwd"}``, each in a child of its own."""
    import numpy as np  # noqa: F401
    import pandas as pd  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        into, out = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(into)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                found = answer(asked)
            except BaseException as error:
                found = {"error": f"{type(error).__name__}: {error}"}
            os.write(out, json.dumps(found).encode())
            os._exit(0)
        os.close(out)
        with os.fdopen(into, "rb") as file:
            data = file.read()
        os.waitpid(child, 0)
        sys.stdout.write(data.decode() + "\n")
        sys.stdout.flush()


def answer(asked):
    """The values of one program or module."""
    if asked["how"] == "program":
        space = {"__name__": "__main__"}
        source = Path(asked["path"]).read_text(encoding="utf-8")
        exec(compile(source, asked["path"], "exec"), space)  # noqa: S102 (what a notebook is)
    else:
        spec = importlib.util.spec_from_file_location("lifted", asked["path"])
        module = importlib.util.module_from_spec(spec)
        sys.modules["lifted"] = module
        spec.loader.exec_module(module)
        space = module.pipeline()
    return {name: said(space[name]) for name in asked["names"]}


if __name__ == "__main__":
    serve()
