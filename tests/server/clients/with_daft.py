# /// script
# requires-python = ">=3.11"
# dependencies = ["daft==0.7.26", "pyiceberg==0.12.0"]
# ///
"""Run Python from the standard input that makes a Daft frame `orders`; print its columns as JSON."""

from __future__ import annotations

import json
import sys

names = {}
exec(sys.stdin.read(), names)  # noqa: S102 - the test hands it over
print(json.dumps(names["orders"].to_pydict(), default=str))
