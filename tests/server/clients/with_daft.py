# /// script
# requires-python = ">=3.11"
# dependencies = ["daft==0.7.26", "pyiceberg==0.12.0"]
# ///
"""Run Python from the standard input that makes a Daft frame `orders`; print its columns as JSON."""

from __future__ import annotations

import json
import os
import sys

names = {}
exec(sys.stdin.read(), names)  # noqa: S102 - the test hands it over
print(json.dumps(names["orders"].to_pydict(), default=str), flush=True)
# Threads of Daft's own outlive its frames, and now and then bring down an interpreter that ends as usual.
os._exit(0)
