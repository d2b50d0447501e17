"""Results of steps that need not fit into memory: readers, data sets, relations, lazy frames, iterators of frames."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.run.conftest import metrics

from pilotline.domain.errors import PilotlineError
from pilotline.domain.plans import WriteTable
from pilotline.domain.tables import TableName
from pilotline.run.checking import WHOLE
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from tests.run.conftest import Project

HEAD = """
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

"""
BATCHES = "[pa.record_batch({'a': [1, 2], 's': ['x', None]}), pa.record_batch({'a': [3], 's': ['z']})]"
ROWS = [{"a": 1, "s": "x"}, {"a": 2, "s": None}, {"a": 3, "s": "z"}]
#: kind -> what a step gives back, what it is to the next one, and how that sums its column a.
KINDS = {
    "reader": (
        f"pa.RecordBatchReader.from_batches({BATCHES}[0].schema, iter({BATCHES}))",
        "pa.RecordBatchReader",
        "sum(sum(batch['a'].to_pylist()) for batch in made)",
    ),
    "dataset": (f"ds.dataset(pa.Table.from_batches({BATCHES}))", "ds.Dataset", "sum(made.to_table()['a'].to_pylist())"),
    "relation": (
        "duckdb.sql(\"select * from (values (1::BIGINT, 'x'), (2, NULL), (3, 'z')) t(a, s)\")",
        "duckdb.DuckDBPyRelation",
        "int(made.sum('a').fetchall()[0][0])",
    ),
    "lazy": (
        "pl.LazyFrame({'a': [1, 2, 3], 's': ['x', None, 'z']})",
        "pl.LazyFrame",
        "made.select(pl.col('a').sum()).collect().item()",
    ),
    "frames": (
        "(pd.DataFrame({'a': [1, 2, 3], 's': ['x', None, 'z']}).iloc[n : n + 1] for n in range(3))",
        "types.GeneratorType",
        "int(sum(frame['a'].sum() for frame in made))",
    ),
    "batches": (
        f"map(lambda batch: batch, {BATCHES})",
        "types.GeneratorType",
        "sum(sum(batch['a'].to_pylist()) for batch in made)",
    ),
}


def write(project: Project, body: str, *, more: str = "", flow: str = "", returns: str = "'made': made") -> None:
    text = f"import types\n{HEAD}{more}\n\ndef make():\n    {body}\n\n\n"
    text += f"def pipeline():\n    made = make()\n{flow}    return {{{returns}}}\n"
    project.write("explore.py", text)


def rows_of(project: Project, table: str = "made") -> list[dict[str, Any]]:
    lake, _ = open_lake_here(project.folder)
    return lake.scan(TableName("shop", table), WHOLE, "main").read_all().to_pylist()


def event(project: Project, name: str, step: str = "make") -> dict[str, Any]:
    return next(one for one in project.events if one["event"] == name and one.get("step") == step)


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_that_takes_a_stream_reads_all_of_it_as_a_thing_of_its_kind(project: Project, kind: str):
    body, is_a, total = KINDS[kind]
    steps = f"\ndef first(made):\n    assert isinstance(made, {is_a})\n    return {total}\n"
    steps += f"\n\ndef second(made, first):\n    assert isinstance(made, {is_a})\n    return 10 * ({total})\n"
    flow = "    one = first(made)\n    two = second(made, one)\n"
    write(project, f"return {body}", more=steps, flow=flow, returns="'one': one, 'two': two, 'made': made")
    outcome = project.run()
    assert metrics(outcome) == {"one": 6, "two": 60}
    assert rows_of(project) == ROWS
    assert event(project, "step")["results"][0]["shape"] == [3, 2]
    assert event(project, "step")["results"][0]["columns"] == ["a", "s"]
    assert project.run().state == "unchanged"
    # The next run takes the first step's result from its file.
    project.replace("explore.py", "10 * (", "100 * (")
    outcome = project.run()
    assert (metrics(outcome)["two"], outcome.steps["make"], outcome.steps["first"]) == (600, "reused", "reused")
    assert [stage.output for stage in project.plan(fresh=True).stages if isinstance(stage, WriteTable)] == ["made"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_published_by_a_run_that_computes_nothing(project: Project, kind: str):
    write(project, f"return {KINDS[kind][0]}", returns="")
    project.run()
    project.replace("explore.py", "return {}", "return {'made': made}")
    assert dict(project.run().steps) == {"make": "reused"}
    assert rows_of(project) == ROWS


def test_types_that_a_file_does_not_hold_come_back_as_they_were(project: Project):
    body = "return duckdb.sql(\"select sum(range) s, 'x'::ENUM('x', 'y') e, 1::UTINYINT u, [1] l from range(3)\")"
    steps = "\ndef types(made):\n    return '; '.join(map(str, made.types)) + ' ' + str(made.fetchall())\n"
    write(project, body, more=steps, flow="    told = types(made)\n", returns="'told': told, 'made': made")
    outcome = project.run()
    assert project.artifact(outcome, "told") == "HUGEINT; ENUM('x', 'y'); UTINYINT; INTEGER[] [(3, 'x', 1, [1])]"
    seconds = "pa.schema([('t', pa.timestamp('s')), ('d', pa.dictionary(pa.int8(), pa.string())), ('l', pa.list_(pa.int8()))])"
    body = f"return pa.RecordBatchReader.from_batches({seconds}, iter([]))"
    more = f"\ndef types(made):\n    return made.schema.equals({seconds}) + 0\n"
    write(project, body, more=more, flow="    same = types(made)\n", returns="'same': same")
    assert metrics(project.run()) == {"same": 1}
    project.replace(
        "explore.py", "return pa.RecordBatchReader.from_batches(", "return ds.dataset(pa.Table.from_batches([], "
    )
    project.replace("explore.py", ", iter([]))", "))")
    assert metrics(project.run()) == {"same": 1}


def test_frames_of_other_types_are_one_table_of_a_type_that_holds_them_all(project: Project):
    frames = (
        "yield from [pd.DataFrame({'a': [1, 2], 'b': [None, None]}), pd.DataFrame({'a': [0.5], 'b': ['x']}, index=[7])]"
    )
    write(project, frames.replace(", index=[7]", ""))
    project.run()
    assert rows_of(project) == [{"a": 1.0, "b": None}, {"a": 2.0, "b": None}, {"a": 0.5, "b": "x"}]
    write(project, frames)
    with pytest.raises(
        PilotlineError, match=r"frame 2 has the columns index, a, b, those before it had a, b"
    ) as caught:
        project.run()
    assert caught.value.code == "PL220"


def test_a_reader_of_chunks_is_published_as_the_rows_of_all_of_them(project: Project):
    (project.folder / "orders.csv").write_text("id,amount\n" + "".join(f"{n},{n / 2}\n" for n in range(10)))
    project.write(
        "explore.py",
        """
        from pathlib import Path

        import pandas as pd


        def read(orders_csv):
            return pd.read_csv(orders_csv, chunksize=3)


        def doubled(chunks):
            for chunk in chunks:
                yield chunk.assign(amount=chunk["amount"] * 2)


        def pipeline(*, orders_csv: Path = Path("orders.csv")):
            chunks = read(orders_csv)
            made = doubled(chunks)
            return {"made": made}
        """,
    )
    project.run()
    assert rows_of(project) == [{"id": n, "amount": float(n)} for n in range(10)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return duckdb.sql('select interval 1 month i')", "month_day_nano_interval"),
        ("return duckdb.sql(\"select ['12:00:00+05:30'::TIMETZ] t\")", r"does not hold TIME WITH TIME ZONE\[\]"),
        ("return pa.table({'a': pa.array([5]).dictionary_encode()}).to_reader()", "Unsupported cast"),
        (
            "yield from [pd.DataFrame({'a': [1]}), pd.DataFrame({'a': [open]}), pd.DataFrame({'a': [lambda: 1]})]",
            "frame 3",
        ),
        ("return pa.RecordBatchReader.from_batches(pa.schema([('a', pa.int8())] * 2), iter([]))", "two columns a"),
    ],
    ids=["type", "type of DuckDB's", "codes", "frame", "names"],
)
def test_a_stream_that_would_not_come_back_is_refused_by_code(project: Project, body: str, said: str):
    write(project, body)
    with pytest.raises(PilotlineError, match=said) as caught:
        project.run()
    assert caught.value.code == "PL353"


@pytest.mark.parametrize("body", ["(n for n in [1, 2])", "[pd.DataFrame({'a': [1]}), (n for n in [1, 2])]"], ids=str)
def test_what_can_be_read_only_once_and_is_no_stream_of_frames_is_not_read_twice(project: Project, body: str):
    take = "sum(made[1] if isinstance(made, list) else made)"
    steps = f"\ndef first(made):\n    return {take}\n\n\ndef second(made):\n    return {take}\n"
    write(project, f"return {body}", more=steps, flow="    one = first(made)\n", returns="'one': one")
    assert metrics(project.run()) == {"one": 3}
    write(
        project,
        f"return {body}",
        more=steps,
        flow="    one = first(made)\n    two = second(made)\n",
        returns="'two': two",
    )
    with pytest.raises(PilotlineError, match="can be read only once, and step first read it") as caught:
        project.run(fresh=True)
    assert caught.value.code == "PL354"


def test_what_only_looks_like_a_generator_is_handed_on_as_it_is(project: Project):
    steps = "\ndef first(made):\n    return made.execute('select 1').fetchone()[0]\n"
    steps += "\n\ndef second(made, first):\n    return first + made.execute('select 2').fetchone()[0]\n"
    flow = "    one = first(made)\n    two = second(made, one)\n"
    body = "return sqlite3.connect(':memory:').cursor()"
    write(project, body, more=f"import sqlite3\n{steps}", flow=flow, returns="'two': two")
    assert metrics(project.run()) == {"two": 3}
    read = "\ndef first(made):\n    return len(made.read())\n"
    (project.folder / "a.txt").write_text("abc")
    write(project, "return open('a.txt')", more=read, flow="    one = first(made)\n", returns="'one': one")
    assert metrics(project.run()) == {"one": 3}


def test_whole_numbers_of_more_than_64_bits_are_whole_numbers_in_the_table_where_they_fit(project: Project):
    body = "select sum(n) s, max(n)::UBIGINT u, sum(n * 1000000000000000000000000000000::HUGEINT) b from (values (4), (5)) t(n)"
    write(project, f"return duckdb.sql({body!r})")
    notes = next(one for one in project.run().made if one.output == "made").notes
    lake, _ = open_lake_here(project.folder)
    columns = {column.name: column.type for column in lake.table(TableName("shop", "made"), "main").columns}
    assert columns == {"s": "long", "u": "long", "b": "decimal(38, 0)"}
    assert rows_of(project) == [{"s": 9, "u": 5, "b": Decimal(9 * 10**30)}]
    assert notes == ("s: decimal128(38, 0) became int64", "u: uint64 became int64")


def test_what_a_stream_reaches_and_draws_while_it_is_read_is_part_of_its_step(project: Project):
    body = "yield from (pd.DataFrame({'r': [random.random()]}) for _ in range(3))"
    more = "\ndef then(made):\n    return random.random()\n"
    write(project, body, more="import random\n" + more, flow="    r = then(made)\n", returns="'made': made, 'r': r")
    first = metrics(project.run())
    assert event(project, "step")["draws"] == ["random"]
    project.replace("explore.py", "return random.random()", "return random.random() + 0")
    outcome = project.run()
    assert (dict(outcome.steps)["make"], metrics(outcome)) == ("reused", first)


def test_a_step_that_changes_another_argument_while_its_stream_is_read_is_refused(project: Project):
    more = (
        "\ndef lazily(made):\n    for n in range(2):\n        made.append(n)\n        yield pd.DataFrame({'n': [n]})\n"
    )
    write(project, "return [1]", more=more, flow="    frames = lazily(made)\n", returns="'frames': frames")
    with pytest.raises(PilotlineError) as caught:
        project.run()
    assert caught.value.code == "PL311"


# What goes wrong in the middle


FAILING = """
    def batches():
        yield pa.record_batch({'a': list(range(200_000))})
        AT_ONCE
        yield pa.record_batch({'a': [1]})
    """
MAKES = {
    "reader": "return pa.RecordBatchReader.from_batches(pa.schema([('a', pa.int64())]), batches())",
    "frames": "return (batch.to_pandas() for batch in batches())",
}


@pytest.mark.parametrize("kind", MAKES)
def test_an_exception_in_the_middle_of_a_stream_is_its_step_s(project: Project, kind: str):
    write(project, FAILING.strip().replace("AT_ONCE", "raise ValueError('no more orders')") + f"\n    {MAKES[kind]}")
    with pytest.raises(PilotlineError, match="step make raised ValueError: no more orders") as caught:
        project.run()
    assert caught.value.code == "PL310"
    assert "raise ValueError('no more orders')" in caught.value.message
    assert stored(project) == []


def test_a_step_is_tried_again_when_its_stream_fails(project: Project):
    failing = "Path('tried').exists() or (Path('tried').write_text(''), 1 / 0)"
    write(
        project,
        FAILING.strip().replace("AT_ONCE", failing) + f"\n    {MAKES['reader']}",
        more="from pathlib import Path\n",
    )
    project.write("explore.toml", '[tries]\nmake = { times = 2, wait = "1s" }\n')
    project.run()
    assert event(project, "again")["because"] == "ZeroDivisionError: division by zero"
    assert len(rows_of(project)) == 200_001


@pytest.mark.parametrize("kind", MAKES)
def test_a_kill_in_the_middle_of_a_stream_leaves_no_result(project: Project, kind: str):
    kill = "Path(FLAG).exists() or os.kill(os.getpid(), 9)"
    more = f"import os\nfrom pathlib import Path\n\nFLAG = {str(project.folder.parent / 'flag')!r}\n"
    write(project, FAILING.strip().replace("AT_ONCE", kill) + f"\n    {MAKES[kind]}", more=more)
    with pytest.raises(PilotlineError) as caught:
        project.run()
    assert (caught.value.code, caught.value.facts["status"]) == ("PL312", -signal.SIGKILL)
    assert stored(project) == []
    (project.folder.parent / "flag").touch()
    assert dict(project.run().steps) == {"make": "computed"}
    assert len(rows_of(project)) == 200_001


def test_what_a_run_that_was_killed_had_written_of_a_stream_is_gone_with_the_next_run(project: Project):
    kill = "Path(FLAG).exists() or (Path(FLAG).touch(), os.kill(os.getppid(), 9), time.sleep(60))"
    more = f"import os\nimport time\nfrom pathlib import Path\n\nFLAG = {str(project.folder.parent / 'flag')!r}\n"
    write(project, FAILING.strip().replace("AT_ONCE", kill) + f"\n    {MAKES['reader']}", more=more)
    command = [sys.executable, "-m", "pilotline", "run", "explore", "--python", sys.executable]
    killed = subprocess.run(command, cwd=project.folder, capture_output=True, check=False, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    left = project.folder / ".pilotline" / "runs" / "run-1" / "values"
    assert [path.stat().st_size > 0 for path in left.iterdir()] == [True]
    assert stored(project) == []
    assert dict(project.run().steps) == {"make": "computed"}
    assert not left.exists()
    assert len(rows_of(project)) == 200_001


@pytest.mark.parametrize("kind", [*MAKES, "lazy"])
def test_a_full_disk_in_the_middle_of_a_stream_is_said_by_code(project: Project, kind: str):
    # A limit on the size of files fails as a full disk does, for this process alone.
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    body = f"{limit}\n    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n    "
    if kind == "lazy":
        body += "return pl.select(a=pl.int_range(1_000_000).shuffle(seed=1)).lazy()"
    else:
        body += (
            FAILING.strip()
            .replace("AT_ONCE", "pass")
            .replace("range(200_000)", "random.sample(range(200_000), 200_000)")
        )
        body += f"\n    {MAKES[kind]}"
    write(project, body, more="import random\nimport resource\nimport signal\n")
    with pytest.raises(PilotlineError, match="what step make gave cannot be stored: ") as caught:
        project.run()
    assert caught.value.code == "PL334"
    assert stored(project) == []


def test_a_stored_stream_whose_bytes_are_others_is_computed_again(project: Project):
    write(project, f"return {KINDS['reader'][0]}", returns="")
    project.run()
    (path,) = [each for each in stored(project) if ".stream" in each.name]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    project.replace("explore.py", "return {}", "return {'made': made}")
    with pytest.raises(PilotlineError) as caught:
        project.run()
    assert caught.value.code == "PL335"
    project.run()
    assert rows_of(project) == ROWS


def test_a_lazy_frame_that_an_older_version_stored_as_a_pickle_is_taken_as_it_is(project: Project, monkeypatch):
    more = "\ndef rows(made):\n    return made.select(pl.len()).collect().item()\n"
    write(project, f"return {KINDS['lazy'][0]}", more=more, flow="    n = rows(made)\n", returns="'n': n")
    from pilotline.guest.results import Store, pack

    project.run()
    key = event(project, "step")["key"]
    store = Store(str(project.folder / ".pilotline" / "steps"))
    store.folder = str(next(path for path in stored(project) if path.name == key).parent.parent)
    head = store.head(key)
    assert head is not None
    import polars as pl

    old = {each: value for each, value in head.items() if each not in {"parts", "digests", "streams"}}
    store.keep(key, [pack(pl.LazyFrame({"a": [1, 2, 3, 4]}))], old)
    project.replace("explore.py", "'n': n", "'n': n, 'made': made")
    project.replace("explore.py", "collect().item()", "collect().item() + 0")
    outcome = project.run()
    assert (dict(outcome.steps)["make"], metrics(outcome)) == ("reused", {"n": 4})


def stored(project: Project) -> list[Path]:
    """The files of step results that were stored; what is left on the way there is none."""
    lies = [project.open().around.project.store]
    return [Path(folder) / name for place in lies for folder, _, names in os.walk(place) for name in names]


# Reading


READ = """
import pilotline


def read(orders):
    READS


def total(orders):
    assert isinstance(orders, TYPE)
    return TOTAL


def pipeline(*, orders: str = "shop.made"):
    rows = read(orders)
    total = total(rows)
    return {"total": total, "again": rows}
"""


@pytest.mark.parametrize("kind", ["reader", "dataset", "lazy", "relation"])
def test_a_step_reads_a_table_as_a_stream_of_the_kind_that_it_asks_for(project: Project, kind: str, monkeypatch):
    import pilotline

    write(project, f"return {KINDS['lazy'][0]}")
    project.run()
    _, is_a, total = KINDS[kind]
    text = READ.replace("READS", f"return pilotline.read(orders, as_={kind!r})").replace("TYPE", is_a)
    text = text.replace("total(orders)", "summed(orders)").replace("total(rows)", "summed(rows)")
    project.write("reads.py", HEAD + text.replace("TOTAL", total.replace("made", "orders")))
    outcome = project.run("reads")
    assert metrics(outcome) == {"total": 6}
    assert rows_of(project, "again") == ROWS
    # In a notebook it is the same call.
    monkeypatch.chdir(project.folder)
    summed = {
        "reader": lambda made: sum(made.read_all()["a"].to_pylist()),
        "dataset": lambda made: sum(made.to_table()["a"].to_pylist()),
        "lazy": lambda made: made.collect()["a"].sum(),
        "relation": lambda made: made.sum("a").fetchall()[0][0],
    }
    assert summed[kind](pilotline.read("shop.made", as_=kind)) == 6


def test_a_check_counts_all_rows_that_offend_it_and_shows_the_first_in_the_order_of_their_keys(project: Project):
    write(project, "return pl.LazyFrame({'a': [9, 3, *range(3), 9, *range(5), None, None], 'b': range(13)})")
    project.write("explore.toml", '[tables.made]\nchecks = [{ unique = ["a"], severity = "warn" }]\n')
    (verdict,) = project.run().verdicts
    assert (verdict.outcome, verdict.offending, verdict.columns) == ("failed", 10, ("a", "b"))
    assert [row[0] for row in verdict.rows] == ["0", "0", "1", "1", "2"]
    write(project, "return pl.LazyFrame({'a': [1, 2, None, None], 'b': range(4)})")
    (verdict,) = project.run().verdicts
    assert verdict.outcome == "passed"
