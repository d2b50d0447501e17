"""What a run refuses, rather than publish a number that the plain module would not have given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.run.conftest import metrics

from pilotline.domain.errors import PilotlineError
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import Project


def refused(project: Project, **asked: object) -> PilotlineError:
    """The refusal of a run, after asserting that nothing was published by it."""
    lake, _ = open_lake_here(project.folder)
    before = [commit.id for commit in lake.log("main")]
    with pytest.raises(PilotlineError) as caught:
        project.run(**asked)
    assert [commit.id for commit in lake.log("main")] == before
    return caught.value


def plainly(project: Project, module: str = "explore") -> dict[str, object]:
    """What the module gives when Python runs it, with no tool around."""
    code = f"import json, {module}; print(json.dumps({module}.pipeline()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=project.folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


# What hangs together outside of the steps' results


@pytest.mark.parametrize(
    ("state", "use"),
    [
        ("SHARED = [1]", "SHARED.append(2); return len(SHARED)"),
        ("import random\nSHARED = random.Random(3)", "return SHARED.random()"),
        ("import numpy as np\nSHARED = np.random.default_rng(3)", "return float(SHARED.random())"),
        ("import numpy as np\nSHARED = np.zeros(3)", "SHARED[1] += 1; return float(SHARED.sum())"),
        ("SHARED = 1", "global SHARED; SHARED += 1; return SHARED"),
        ("class Kept:\n    pass\n\n\nSHARED = Kept()\nSHARED.n = 1", "SHARED.n += 1; return SHARED.n"),
        ("class SHARED:\n    n = 1", "SHARED.n += 1; return SHARED.n"),
        ("def SHARED(x, seen=[]):\n    seen.append(x)\n    return len(seen)", "return SHARED(1)"),
        ("def SHARED():\n    SHARED.n = getattr(SHARED, 'n', 0) + 1\n    return SHARED.n", "return SHARED()"),
        ("import shelf\nSHARED = 0", "shelf.THINGS.append(1); return len(shelf.THINGS)"),
    ],
    ids=["list", "random", "generator", "array", "global", "object", "class", "default", "function", "module"],
)
def test_a_step_that_changes_what_stands_outside_of_it_is_refused(project: Project, state: str, use: str):
    project.write("shelf.py", "THINGS = []\n")
    text = f"{state}\n\n\ndef helper():\n    {use}\n\n\ndef first() -> float:\n    return helper()\n\n\n"
    text += "def pipeline():\n    one = first()\n    return {'one': one}\n"
    (project.folder / "explore.py").write_text(text)
    error = refused(project)
    assert (error.code, error.facts["step"], error.facts["line"]) == (
        "PL337",
        "first",
        text.splitlines().index("    one = first()") + 1,
    )
    assert error.facts["names"] in {"SHARED", "shelf.THINGS"}


@pytest.mark.parametrize(
    ("state", "use"),
    [
        ("import functools\n\n\n@functools.cache\ndef SHARED():\n    return 4\n", "return SHARED()"),
        ("import logging\nSHARED = logging.getLogger('mine')", "SHARED.warning('seen'); return 4"),
        ("import re\nSHARED = re.compile('a+')", "return len(SHARED.findall('aabaaca')) + 1"),
        ("SHARED = {'a': 4}", "copied = dict(SHARED); copied['b'] = 1; return copied['a']"),
        ("class SHARED:\n    n = 4\n\n\nSHARED.own = SHARED", "return SHARED.own.n"),
        ("import threading\nSHARED = threading.Lock()", "SHARED.acquire(); SHARED.release(); return 4"),
    ],
    ids=["cache", "logger", "pattern", "copy", "class in itself", "lock"],
)
def test_what_stands_outside_may_be_used(project: Project, state: str, use: str):
    text = f"{state}\n\n\ndef first() -> float:\n    {use}\n\n\ndef pipeline():\n    one = first()\n    return {{'one': one}}\n"
    (project.folder / "explore.py").write_text(text)
    assert metrics(project.run()) == {"one": 4.0}


def test_a_generator_that_a_step_draws_from_is_an_argument_that_it_changes(project: Project):
    project.write(
        "explore.py",
        """
        import numpy as np


        def make():
            return np.random.default_rng(0)


        def draw(rng) -> float:
            return float(rng.random())


        def pipeline():
            rng = make()
            one = draw(rng)
            return {"one": one}
        """,
    )
    error = refused(project)
    assert (error.code, error.facts["arguments"]) == ("PL311", "rng")


def test_what_importing_draws_belongs_to_what_steps_draw(project: Project):
    project.write(
        "explore.py",
        """
        import random

        WEIGHTS = [random.random() for _ in range(3)]


        def weigh(*, plus: int) -> float:
            return sum(WEIGHTS) + plus


        def draw() -> float:
            return random.random()


        def fixed() -> int:
            return 4


        def pipeline(*, plus: int = 0):
            weight = weigh(plus=plus)
            drawn = draw()
            four = fixed()
            return {"weight": weight, "drawn": drawn, "four": four}
        """,
    )
    project.run()
    project.replace("explore.py", "range(3)", "range(4)")
    outcome = project.run()
    assert outcome.steps == {"weigh": "computed", "draw": "computed", "fixed": "reused"}
    project.replace("explore.py", "import random\n", "import random\n\nrandom.seed(0)\n")
    assert metrics(project.run()) == plainly(project)


# Files


def test_an_input_that_is_changed_while_it_is_read_publishes_nothing_and_keeps_nothing(project: Project):
    project.write("numbers.txt", "1 2 3")
    project.write(
        "explore.py",
        """
        from pathlib import Path


        def load(numbers: Path, *, late: bool) -> int:
            found = sum(map(int, numbers.read_text().split()))
            if late:
                import os
                with open(os.environ["TEST_ORIGINAL"], "a") as file:
                    file.write(" 4")
            return found


        def pipeline(*, numbers: Path = Path("numbers.txt"), late: bool = False):
            total = load(numbers, late=late)
            return {"total": total}
        """,
    )
    os.environ["TEST_ORIGINAL"] = str(project.folder / "numbers.txt")
    try:
        error = refused(project, parameters={"late": "true"})
    finally:
        del os.environ["TEST_ORIGINAL"]
    assert (error.code, error.facts["path"]) == ("PL336", "numbers.txt")
    assert metrics(project.run()) == {"total": 10.0}


def test_what_a_run_writes_stays_out_of_the_project_whoever_writes_it(project: Project):
    import pandas as pd

    before = pd.DataFrame({"z": [9]})
    before.to_parquet(project.folder / "out.parquet")
    (project.folder / "log.txt").write_text("mine\n")
    project.write(
        "explore.py",
        """
        from pathlib import Path

        import pandas as pd


        def make(out: Path) -> Path:
            with open("log.txt", "a") as file:
                file.write("run\\n")
            pd.DataFrame({"a": [1, 2, 3]}).to_parquet(out)
            return out


        def pipeline(*, out: Path = Path("out.parquet")):
            made = make(out)
            return {"made": made}
        """,
    )
    outcome = project.run()
    pd.testing.assert_frame_equal(pd.read_parquet(project.folder / "out.parquet"), before)
    assert (project.folder / "log.txt").read_text() == "mine\n"
    (project.folder / "copy.parquet").write_bytes(project.artifact(outcome, "made"))
    assert pd.read_parquet(project.folder / "copy.parquet")["a"].tolist() == [1, 2, 3]


def test_a_file_read_in_c_and_named_nowhere_is_seen(project: Project):
    import pandas as pd

    pd.DataFrame({"a": [1, 2]}).to_parquet(project.folder / "beside.parquet")
    project.write(
        "explore.py",
        """
        import pyarrow.parquet as pq


        def look() -> int:
            return pq.read_table("beside" + "." + "parquet")["a"].to_pylist()[-1]


        def pipeline():
            last = look()
            return {"last": last}
        """,
    )
    assert metrics(project.run()) == {"last": 2.0}
    pd.DataFrame({"a": [1, 5]}).to_parquet(project.folder / "beside.parquet")
    assert metrics(project.run()) == {"last": 5.0}


# The store

TWO = """
    import os
    import resource


    def first() -> list:
        return list(range(10_000))


    def second(numbers, *, plus: int) -> int:
        {more}
        return sum(numbers) + plus


    def pipeline(*, plus: int = 0):
        numbers = first()
        total = second(numbers, plus=plus)
        return {{"total": total}}
"""


def stored(project: Project, step: str) -> Path:
    """Where the result of a step is."""
    key = next(event["key"] for event in project.events if event["event"] == "step" and event["step"] == step)
    return project.folder / ".pilotline" / "store" / key[:2] / key


@pytest.mark.parametrize("harm", ["cut", "flipped", "removed between plan and use"])
def test_a_damaged_result_is_never_used_and_computed_again(project: Project, harm: str):
    project.write("explore.py", TWO.format(more="pass"))
    assert metrics(project.run()) == {"total": 49995000.0}
    path = stored(project, "first")
    data = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(data[:-100])
    elif harm == "flipped":
        data[-50] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(b"")
    if harm != "removed between plan and use":
        error = refused(project, parameters={"plus": "1"})
        assert (error.code, error.facts["step"]) == ("PL335", "first")
    outcome = project.run(parameters={"plus": "1"})
    assert (metrics(outcome), outcome.steps["first"]) == ({"total": 49995001.0}, "computed")


def test_no_room_to_store_a_result_is_said_by_code_and_the_next_run_takes_up(project: Project):
    project.write(
        "explore.py",
        """
        import os
        import resource


        def first() -> int:
            return 5


        def second(many, *, room: int) -> list:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            return list(range(10_000))


        def third(numbers) -> int:
            return len(numbers)


        def pipeline(*, room: int = 20_000):
            many = first()
            numbers = second(many, room=room)
            total = third(numbers)
            return {"total": total}
        """,
    )
    error = refused(project)
    assert (error.code, error.facts["step"]) == ("PL334", "second")
    assert "File too large" in error.message
    outcome = project.run(parameters={"room": "20_000_000"})
    assert outcome.steps == {"first": "reused", "second": "computed", "third": "computed"}


def test_a_store_that_cannot_be_written_is_said_by_code(project: Project):
    project.write("explore.py", TWO.format(more="pass"))
    project.plan()
    (project.folder / ".pilotline").mkdir(exist_ok=True)
    (project.folder / ".pilotline" / "store").write_text("in the way")
    error = refused(project)
    assert (error.code, error.facts["step"]) == ("PL334", "first")
    assert "Not a directory" in error.message


# The contract


@pytest.mark.parametrize(
    ("contract", "code", "said"),
    [
        ("[tables.totl]\n", "PL304", "names nothing that the pipeline returns. Did you mean total?"),
        ("[repeatable]\nfrist = ['network']\n", "PL304", "[repeatable] names nothing that the pipeline has a step. Did you mean first?"),
        ("partition = 'plsu'\n", "PL304", "partition = 'plsu' names nothing that the pipeline has a parameter. Did you mean plus?"),
        ("[tables.numbers]\ntable = 'x.y'\n[tables.total]\ntable = 'x.y'\n", "PL304", "numbers and total are both published as x.y"),
        ("changes = ['plsu']\n", "PL304", "changes = ['plsu'] names nothing that the pipeline has a parameter. Did you mean plus?"),
        ("changes = ['plus']\n", "PL304", "changes = ['plus'] names no table, but "),
        ("[tables.total]\npartition_by = 4\n", "PL304", "partition_by is a list of texts"),
    ],
    ids=["output", "step", "partition", "table twice", "changes", "changes of a number", "layout"],
)  # fmt: skip
def test_a_contract_that_speaks_of_another_pipeline_is_refused(project: Project, contract: str, code: str, said: str):
    project.write("explore.py", TWO.format(more="pass").replace('{"total"', '{"numbers": numbers, "total"'))
    project.write("explore.toml", contract)
    with pytest.raises(PilotlineError) as caught:
        project.plan()
    assert caught.value.code == code
    assert said in caught.value.message


# Nothing to do


def test_a_metric_is_made_again_though_its_tables_stand(project: Project):
    project.write(
        "explore.py",
        """
        import pandas as pd


        def table() -> pd.DataFrame:
            return pd.DataFrame({"a": [1]})


        def double(*, by: int) -> int:
            return 2 * by


        def pipeline(*, by: int = 1):
            frame = table()
            answer = double(by=by)
            return {"frame": frame, "answer": answer}
        """,
    )
    assert metrics(project.run()) == {"answer": 2.0}
    assert metrics(project.run(parameters={"by": "5"})) == {"answer": 10.0}
    again = project.run()
    assert (again.state, metrics(again), set(again.steps.values())) == ("published", {"answer": 2.0}, {"reused"})
    assert project.run().state == "unchanged"


def test_a_step_that_reaches_out_is_done_in_every_run_though_its_result_cannot_be_stored(
    project: Project, tmp_path: Path
):
    mark = tmp_path / "mark"
    project.write(
        "explore.py",
        f"""
        import subprocess


        def tell():
            subprocess.run(["sh", "-c", "echo told >> {mark}"], check=True)
            return lambda: 1


        def other(*, by: int) -> int:
            return by


        def pipeline(*, by: int = 1):
            told = tell()
            answer = other(by=by)
            return {{"answer": answer}}
        """,
    )
    project.run()
    project.run(parameters={"by": "2"})
    assert mark.read_text() == "told\ntold\n"


def test_a_module_that_is_imported_by_a_name_put_together_is_read_in_every_run(project: Project):
    project.write("rules/one.py", "VALUE = 1\n")
    project.write("rules/__init__.py", "")
    project.write(
        "explore.py",
        """
        import importlib


        def look(*, which: str) -> int:
            return importlib.import_module("rules." + which).VALUE


        def fixed() -> int:
            return 4


        def pipeline(*, which: str = "one"):
            value = look(which=which)
            four = fixed()
            return {"value": value, "four": four}
        """,
    )
    assert metrics(project.run()) == {"value": 1.0, "four": 4.0}
    project.write("rules/one.py", "VALUE = 2\n")
    outcome = project.run()
    assert (metrics(outcome), outcome.steps) == ({"value": 2.0, "four": 4.0}, {"look": "computed", "fixed": "computed"})


def test_an_address_that_only_a_library_in_c_would_reach_is_read_in_every_run(project: Project):
    project.write(
        "explore.py",
        """
        def look(where: str) -> int:
            return len(where)


        def pipeline(*, where: str = "s3://bucket/table"):
            length = look(where)
            return {"length": length}
        """,
    )
    project.run()
    assert project.why() == {"look": "it is computed in every run (network: s3:// as where)"}
    assert project.why(parameters={"where": "bucket"}) == {"look": 'where changed from "s3://bucket/table" to "bucket"'}
    project.write("explore.toml", "[repeatable]\nlook = ['network']\n")
    project.run()
    assert project.run().state == "unchanged"


def test_reading_all_of_the_environment_counts_all_of_it(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.write(
        "explore.py",
        """
        import os


        def look() -> int:
            return len([name for name in os.environ if name.startswith("MINE_")])


        def pipeline():
            many = look()
            return {"many": many}
        """,
    )
    monkeypatch.setenv("MINE_A", "1")
    assert metrics(project.run()) == {"many": 1.0}
    assert project.why() == {}
    monkeypatch.setenv("MINE_B", "1")
    assert project.why() == {"look": "the environment changed"}
    assert metrics(project.run()) == {"many": 2.0}


CALL_BACK = """import socket
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()):
        return 4"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (CALL_BACK, "network: 127.0.0.1"),
        ("import subprocess\n    return len(subprocess.run(['true']).args)", "processes: true"),
        ("return len(open('FOLDER/' + 'of' + '_mine').read())", "read: FOLDER/of_mine"),
    ],
    ids=["network", "program", "file elsewhere"],
)
def test_a_step_that_reached_out_is_computed_in_every_run_and_the_plan_says_why(
    project: Project, tmp_path: Path, body: str, said: str
):
    (tmp_path / "of_mine").write_text("four")
    body, said = body.replace("FOLDER", str(tmp_path)), said.replace("FOLDER", str(tmp_path))
    text = f"def look() -> int:\n    {body}\n\n\ndef pipeline():\n    seen = look()\n    return {{'seen': seen}}\n"
    (project.folder / "explore.py").write_text(text)
    project.run()
    assert project.why() == {"look": f"it is computed in every run ({said})"}
    assert project.run().steps == {"look": "computed"}
