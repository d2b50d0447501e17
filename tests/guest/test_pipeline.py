from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pilotline.guest
from pilotline.guest.compare import Comparison
from pilotline.guest.portable import load
from pilotline.guest.travel import CannotTravel, store, why_not

BOOT = Path(pilotline.guest.__file__).parent / "boot.py"


def run_guest(folder: Path, module: str, mode: str, *, python: str = sys.executable, **more: Any) -> dict[str, Any]:
    """Run a module's pipeline as the tool does: in a process of its own, through the guest's door."""
    work, own = folder / "work", folder / mode
    work.mkdir(exist_ok=True)
    own.mkdir()
    path = own / "explore.py"
    path.write_text(module)
    request = {
        "protocol": 1, "kind": "pipeline", "module": str(path), "mode": mode, "folder": str(work), "seed": 0,
        "allow": [], "values": str(own / "values"), **{one: str(own / one) for one in ("result", "events", "stdout", "stderr")},
    }  # fmt: skip
    (own / "request").write_text(json.dumps(request | more))
    done = subprocess.run(
        [python, "-B", str(BOOT), str(own / "request")], cwd=work, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads((own / "result").read_text())


def values_of(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["error"] is None, answer["error"]
    return {one["name"]: load(one["path"]) for one in answer["outputs"]}


def differences(first: Any, second: Any) -> list[str]:
    found = Comparison()
    found.run(first, second)
    return [f"{one.where}: {one.what}" for one in found.differences]


PLAIN = """
def numbers(): return [1, 2, 3]
def total(values, *, by=1): return sum(values) * by
def both(values): return min(values), max(values)
def pipeline(*, by: int = 2) -> dict[str, object]:
    values = numbers()
    result = total(values, by=by)
    low, high = both(values)
    return {"result": result, "low": low, "high": high, "by": by}
"""


@pytest.mark.parametrize("mode", ["plain", "isolated"])
def test_a_pipeline_gives_the_same_as_it_stands_and_step_by_step(mode: str, tmp_path: Path):
    assert values_of(run_guest(tmp_path, PLAIN, mode)) == {"result": 12, "low": 1, "high": 3, "by": 2}


@pytest.mark.parametrize("mode", ["plain", "isolated"])
def test_parameters_are_taken_from_the_request(mode: str, tmp_path: Path):
    module = """
from pathlib import Path
def read(source): return (type(source).__name__ != "str", source.read_text())
def pipeline(*, source: Path = Path("a.txt"), n: int = 1):
    told = read(source)
    return {"told": told, "n": n}
"""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "b.txt").write_text("B")
    answer = run_guest(tmp_path, module, mode, parameters={"source": "b.txt", "n": 5})
    assert values_of(answer) == {"told": ["seq", "tuple", [True, "B"]], "n": 5}


def test_steps_are_told_one_by_one_with_what_they_gave(tmp_path: Path):
    answer = run_guest(tmp_path, PLAIN, "isolated", steps=True)
    assert [(one["name"], one["results"], one["changed_arguments"]) for one in answer["steps"]] == [
        ("numbers", ["values"], []),
        ("total", ["result"], []),
        ("both", ["low", "high"], []),
    ]
    assert load(answer["steps"][2]["portables"]["high"]) == 3
    events = [json.loads(line) for line in (tmp_path / "isolated" / "events").read_text().splitlines()]
    assert events[1] == {"event": "step", "step": "total", "number": 2, "of": 3}


MUTATION = """
def start(): return {"items": [1, 2], "rest": (3, [4])}
def use(told):
    told["rest"][1].append(5)
    return sum(told["items"])
def pipeline():
    told = start()
    total = use(told)
    return {"told": told, "total": total}
"""


def test_a_step_that_changes_its_argument_is_named(tmp_path: Path):
    answer = run_guest(tmp_path, MUTATION, "isolated")
    assert answer["steps"][1]["changed_arguments"] == ["told"]
    plain = run_guest(tmp_path, MUTATION, "plain")
    assert differences(values_of(plain)["told"], values_of(answer)["told"]) == ["value['rest'][1]: 2 parts != 1 parts"]


CHANGES: list[tuple[str, str, str, list[str]]] = [
    ("a cell of a frame", "pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 5", ["x"]),
    ("a new column", "pd.DataFrame({'a': [1, 2]})", "x['b'] = 1", ["x"]),
    ("an element of an array", "np.zeros(3)", "x[1] = 2", ["x"]),
    ("a view of an array", "np.zeros((3, 3))", "x[1:].T[0] += 1", ["x"]),
    ("a fitted model", "LinearRegression()", "x.fit([[1], [2]], [1, 2])", ["x"]),
    ("a generator drawn from", "np.random.default_rng(1)", "x.normal()", ["x"]),
    ("a list in a column", "pd.Series([[1], [2]])", "x[0].append(3)", ["x"]),
    ("nothing", "pd.DataFrame({'a': [1, 2]})", "x = x.assign(b=1)", []),
    ("only what is worked out when asked", "Lazy()", "x.total", []),
    ("its copy", "np.zeros(3)", "y = x.copy(); y[0] = 1", []),
    ("an engine of an index", "pd.Series([1, 2], index=list('ab'))", "x['a']; x.index.is_unique", []),
]


def test_every_change_of_an_argument_is_seen(tmp_path: Path):
    steps = "".join(
        f"def make{n}(): return {made}\ndef use{n}(x):\n    {done}\n    return 1\n"
        for n, (_, made, done, _) in enumerate(CHANGES)
    )
    calls = "".join(f"    x{n} = make{n}()\n    y{n} = use{n}(x{n})\n" for n in range(len(CHANGES)))
    module = f"""
import functools
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
class Lazy:
    @functools.cached_property
    def total(self): return 3
{steps}
def pipeline():
{calls}
    return {{"y": y0}}
"""
    told = [one["changed_arguments"] for one in run_guest(tmp_path, module, "isolated")["steps"][1::2]]
    assert dict(zip((one[0] for one in CHANGES), told, strict=True)) == {one[0]: one[3] for one in CHANGES}


def test_a_mutable_default_is_an_argument_too(tmp_path: Path):
    module = """
def use(x):
    x.append(1)
    return len(x)
def pipeline(*, x: list = [0]):
    a = use(x)
    b = use(x)
    return {"a": a, "b": b}
"""
    answer = run_guest(tmp_path, module, "isolated")
    assert [one["changed_arguments"] for one in answer["steps"]] == [["x"], ["x"]]
    assert values_of(answer) == {"a": 2, "b": 2}
    assert values_of(run_guest(tmp_path, module, "plain")) == {"a": 2, "b": 3}


ALIAS = """
import numpy as np
def make():
    a = np.zeros(3)
    return a, a[:2]
def change(b):
    b = b.copy()
    b += 1
    return b
def pipeline():
    a, b = make()
    b = change(b)
    return {"a": a, "b": b}
"""


def test_results_of_one_step_do_not_share_memory_with_each_other(tmp_path: Path):
    module = ALIAS.replace("    b = b.copy()\n", "")
    plain, apart = (values_of(run_guest(tmp_path, module, mode)) for mode in ("plain", "isolated"))
    assert differences(plain["a"], apart["a"]) == ["value row 0: 1.0 != 0.0 (and 1 more of 3)"]
    assert differences(plain["b"], apart["b"]) == []


GLOBALS = """
SEEN = []
def first():
    SEEN.append(1)
    return 1
def second(x): return len(SEEN)
def pipeline():
    x = first()
    n = second(x)
    return {"n": n}
"""


def test_isolated_steps_share_no_globals(tmp_path: Path):
    plain, apart = (values_of(run_guest(tmp_path, GLOBALS, mode)) for mode in ("plain", "isolated"))
    assert (plain, apart) == ({"n": 1}, {"n": 0})


RANDOM = """
import random
import numpy as np
def one(): return random.random(), float(np.random.rand())
def two(x): return random.random(), float(np.random.rand())
def pipeline():
    x = one()
    y = two(x)
    return {"x": x, "y": y}
"""


def test_random_generators_go_on_from_step_to_step(tmp_path: Path):
    plain, apart = (values_of(run_guest(tmp_path, RANDOM, mode)) for mode in ("plain", "isolated"))
    assert differences(plain["x"], apart["x"]) == []
    assert differences(plain["y"], apart["y"]) == []
    assert differences(plain["x"], plain["y"]) != []


def test_the_seed_decides_the_draws(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = values_of(run_guest(tmp_path / "a", RANDOM, "plain", seed=0))
    other = values_of(run_guest(tmp_path / "b", RANDOM, "plain", seed=1))
    assert differences(first["x"], other["x"]) != []


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("(i for i in range(3))", "a generator: TypeError: cannot pickle 'generator' object"),
        ("{'a': [1, lambda: 1]}", "a lambda at ['a'][1]: "),
        ("__import__('threading').Lock()", "a lock: TypeError: cannot pickle '_thread.lock' object"),
    ],
)
def test_what_cannot_travel_is_named_with_the_part_and_the_step(made: str, why: str, tmp_path: Path):
    module = f"""
def make(): return {made}
def use(x): return 1
def pipeline():
    x = make()
    y = use(x)
    return {{"y": y}}
"""
    error = run_guest(tmp_path, module, "isolated")["error"]
    assert (error["code"], error["step"], error["value"]) == ("PL145", "make", "x")
    assert error["message"].startswith(f"x cannot travel from step make: {why}")
    assert values_of(run_guest(tmp_path, module, "plain")) == {"y": 1}


def test_what_cannot_be_read_back_is_named_too(tmp_path: Path):
    module = """
class Odd:
    def __init__(self, n): self.n = n
    def __reduce__(self): return (Odd, ())
def make(): return Odd(1)
def use(x): return 1
def pipeline():
    x = make()
    y = use(x)
    return {"y": y}
"""
    error = run_guest(tmp_path, module, "isolated")["error"]
    assert (error["code"], error["step"]) == ("PL145", "make")
    assert error["message"].startswith("x cannot travel from step make: it can't be read back: TypeError")


def test_a_step_that_raises_is_named_with_its_line(tmp_path: Path):
    module = "def go(): return 1 / 0\ndef pipeline():\n    x = go()\n    return {'x': x}\n"
    assert run_guest(tmp_path, module, "isolated")["error"] == {
        "code": None, "type": "ZeroDivisionError", "message": "division by zero", "step": "go", "line": 1,
        "text": "def go(): return 1 / 0",
    }  # fmt: skip


def test_a_step_whose_process_is_killed_is_named(tmp_path: Path):
    module = "import os\ndef go(): os.kill(os.getpid(), 9)\ndef pipeline():\n    x = go()\n    return {'x': x}\n"
    error = run_guest(tmp_path, module, "isolated")["error"]
    assert (error["code"], error["step"]) == ("PL115", "go")
    assert error["message"] == "the step's process was killed by signal 9, as when memory runs out"


def test_a_step_that_gives_more_values_than_are_taken_is_an_error_both_ways(tmp_path: Path):
    module = "def go(): return 1, 2, 3\ndef pipeline():\n    a, b = go()\n    return {'a': a}\n"
    assert run_guest(tmp_path, module, "plain")["error"]["type"] == "ValueError"
    assert run_guest(tmp_path, module, "isolated")["error"]["type"] == "ValueError"


def test_a_returned_path_stands_for_the_file(tmp_path: Path):
    module = """
from pathlib import Path
def write(n):
    path = Path("out.csv")
    path.write_text(f"n\\n{n}\\n")
    return path
def pipeline(*, n: int = 1):
    out = write(n)
    return {"out": out}
"""
    plain = values_of(run_guest(tmp_path, module, "plain"))
    apart = values_of(run_guest(tmp_path, module, "isolated", parameters={"n": 2}))
    assert plain == {"out": ["file", ".csv", b"n\n1\n", None]}
    assert differences(plain["out"], apart["out"]) == ["value['n'] line 2: 1 != 2"]


def test_nothing_is_written_outside_the_scratch_folder(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    module = f"def go(): open({str(home / 'x')!r}, 'w').close()\ndef pipeline():\n    x = go()\n    return {{'x': x}}\n"
    error = run_guest(tmp_path, module, "isolated", original=str(home))["error"]
    assert (error["code"], error["step"]) == ("PL122", "go")
    assert list(home.iterdir()) == []


def test_a_module_named_like_a_library_shadows_nothing(tmp_path: Path):
    from pilotline.guest.pipeline import module_name

    assert module_name("/a/explore.py") == "explore"
    assert module_name("/a/json.py") == "json_pipeline"
    assert module_name("/a/2024 sales.py") == "pipeline_2024_sales"


def test_the_oldest_python_runs_pipelines_without_any_library(tmp_path: Path, oldest_python: str):
    answer = run_guest(tmp_path, PLAIN, "isolated", python=oldest_python)
    assert answer["python"]["version"][:2] == [3, 9]
    assert [one["name"] for one in answer["outputs"]] == ["result", "low", "high", "by"]
    assert values_of(answer) == {"result": 12, "low": 1, "high": 3, "by": 2}


def test_the_reason_why_a_value_cannot_travel_is_found_deep_inside(tmp_path: Path):
    class Holder:
        def __init__(self) -> None:
            self.inner = {"k": [1, (i for i in [])]}

    assert why_not(Holder().__dict__) == "a generator at ['inner']['k'][1]: TypeError: cannot pickle 'generator' object"
    with pytest.raises(CannotTravel):
        store([lambda: 1], tmp_path / "x")
    assert not (tmp_path / "x").exists()


STREAMS = """
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
def made():
    table = pa.table({"a": [1, 2, 3], "s": ["x", None, "z"]})
    return MADE
def taken(rows):
    assert type(rows).__name__ in KINDS, type(rows)
    return TAKEN
def pipeline() -> dict[str, object]:
    rows = made()
    n = taken(rows)
    return {"n": n, "rows": rows}
"""


@pytest.mark.parametrize(
    ("made", "kinds", "taken", "rows"),
    [
        ("table.to_reader()", ["RecordBatchReader"], "sum(len(b) for b in rows)", "opaque"),
        ("ds.dataset(table)", ["InMemoryDataset", "FileSystemDataset"], "rows.count_rows()", "object"),
        ("duckdb.from_arrow(table)", ["DuckDBPyRelation"], "len(rows.fetchall())", "object"),
        ("pl.from_arrow(table).lazy()", ["LazyFrame"], "rows.collect().height", "object"),
        ("(table.slice(n, 1).to_pandas() for n in range(3))", ["generator"], "sum(len(f) for f in rows)", "opaque"),
    ],
    ids=["reader", "dataset", "relation", "lazy", "frames"],
)
def test_streams_travel_between_isolated_steps_and_are_compared_by_their_rows(
    tmp_path: Path, made: str, kinds: list[str], taken: str, rows: str
):
    module = STREAMS.replace("MADE", made).replace("KINDS", str(kinds)).replace("TAKEN", taken)
    plain = values_of(run_guest(tmp_path, module, "plain"))
    isolated = values_of(run_guest(tmp_path, module, "isolated"))
    assert plain["n"] == isolated["n"] == 3
    assert (plain["rows"][0], isolated["rows"][0]) == (rows, rows)
    # What can be read only once cannot be compared, which a lift refuses.
    assert differences(plain["rows"], isolated["rows"]) == []


def test_what_a_second_step_finds_in_a_spent_reader_differs_from_what_it_finds_where_steps_are_isolated(tmp_path: Path):
    module = STREAMS.replace("MADE", "table.to_reader()").replace("KINDS", "['RecordBatchReader']")
    module = module.replace("TAKEN", "sum(len(b) for b in rows)")
    module = module.replace('    return {"n": n, "rows": rows}', '    m = taken(rows)\n    return {"m": m}')
    plain = values_of(run_guest(tmp_path, module, "plain"))
    isolated = values_of(run_guest(tmp_path, module, "isolated"))
    assert (plain, isolated) == ({"m": 0}, {"m": 3})
