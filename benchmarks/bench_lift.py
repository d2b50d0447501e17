"""What the lift itself costs, recording and proof aside: slicing, grouping and writing of a notebook of 100 cells."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from measuring import Result, Spread

from pilotline.domain.recordings import Recording
from pilotline.lift.guestcall import Guest
from pilotline.lift.lifting import lift
from pilotline.lift.parts import parts_of
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for
from pilotline.lift.wanted import asked_for

NAME = "lift"
GOAL = "lifting itself, recording and proof aside, under 1 s for 100 cells"

_LIMIT = 1.0
_RUNS = 7


def cells() -> list[str]:
    """A hundred cells of the usual kind: tables that grow by columns, dead ends, totals, names used again."""
    made = [
        "import numpy as np\nimport pandas as pd",
        "rng = np.random.default_rng(7)\norders = pd.DataFrame({'shop': rng.integers(0, 9, 500), 'amount': rng.random(500)})",
    ]
    for number in range(1, 33):
        made += [
            f"orders['part_{number}'] = orders['amount'] * {number}\norders.loc[orders['shop'] == {number % 9}, 'part_{number}'] = 0.0",
            f"def scaled_{number}(table, factor={number}.5):\n    return table['part_{number}'] * factor\n\nsummary = scaled_{number}(orders)\nsummary.describe()",
            f"by_shop_{number} = orders.groupby('shop')['part_{number}'].sum()\ntotal_{number} = by_shop_{number}.sum()\nby_shop_{number}.head()",
        ]
    made += ["totals = pd.Series({n: globals()[f'total_{n}'] for n in ()} or {1: total_1, 32: total_32})", "totals"]
    return made


def measure() -> Result:
    """CPU seconds from the recording to the module's source; the peer is the run of the notebook."""
    with tempfile.TemporaryDirectory(prefix="bench-lift-") as home:
        raw = [{"cell_type": "code", "metadata": {}, "source": one, "outputs": []} for one in cells()]
        path = Path(home) / "hundred.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}))
        book = read(path)
        with scratch_for(book) as scratch:
            request = {
                "kind": "record",
                "cells": [{"number": one.number, "source": one.python} for one in book.code],
                "folder": str(scratch.root),
                "seed": 0,
            }
            answer = Guest(Path(sys.executable), request, cwd=scratch.folder, own=scratch.own, seconds=600.0).wait()
        recording = Recording.of(answer)
        figures: list[float] = []
        for _ in range(_RUNS):
            began = _cpu()
            parts = parts_of(book.code, recording)
            wanted = asked_for(parts, ("totals", "total_16", "by_shop_30", f"cell:{len(book.code)}"))
            source = lift(book, parts, wanted).source
            figures.append(_cpu() - began)
    spread = Spread.of(figures)
    return Result(
        figure=spread.median,
        unit="CPU-s",
        goal=_LIMIT,
        peer="a run of the notebook, watched",
        peer_figure=float(answer["cpu"]),
        ok=spread.median < _LIMIT,
        command="pilotline lift hundred.ipynb",
        data={"spread": spread.as_data(), "cells": len(book.code), "lines written": len(source.splitlines())},
    )


def _cpu() -> float:
    """CPU seconds of this process and of what it waited for: the formatter is a program of its own."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
