"""Import a lifted module as any program would, call its pipeline, and store what it returns.

python call_pipeline.py MODULE.py ANSWER.pickle NAME [NAME ...]
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path


def main(module: str, answer: str, *names: str) -> None:
    """Store the named results."""
    spec = importlib.util.spec_from_file_location("lifted", module)
    assert spec is not None
    assert spec.loader is not None
    lifted = importlib.util.module_from_spec(spec)
    sys.modules["lifted"] = lifted
    spec.loader.exec_module(lifted)
    results = lifted.pipeline()
    Path(answer).write_bytes(pickle.dumps({name: results[name] for name in names}))


if __name__ == "__main__":
    main(*sys.argv[1:])
