"""Processes that write to a lake, to be killed.

As a program: loads the libraries once, then forks a process for every line that it reads, so that each starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

TABLE_NAMES = ("t0", "t1", "t2")


class Writers:
    """Starts the functions of this file in processes of their own."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _ask(self, *words):
        self._server.stdin.write(json.dumps(words) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def start(self, function, *words):
        """Start a function; returns the process id."""
        return self._ask("start", function, *words)

    def wait(self, process):
        """What the process ended with; negative: the signal that killed it."""
        return os.waitstatus_to_exitcode(self._ask("wait", process))

    def close(self):
        self._server.communicate()


def serve():
    import pyiceberg.io.pyarrow  # noqa: F401 - so that the forked need not

    import pilotline.lake.files
    import pilotline.lake.frames
    import pilotline.lake.lake
    import pilotline.lake.postgres  # noqa: F401

    living = set()
    for line in sys.stdin:
        verb, first, *words = json.loads(line)
        if verb == "wait":
            living.discard(first)
            print(os.waitpid(first, 0)[1], flush=True)
            continue
        process = os.fork()
        if process == 0:
            globals()[first](*words)
            os._exit(0)
        living.add(process)
        print(process, flush=True)
    for process in living:
        os.kill(process, signal.SIGKILL)


def shop(name):
    from pilotline.domain.tables import TableName

    return TableName("shop", name)


def column(**columns):
    import pyarrow as pa

    return pa.table(columns)


def open_here(folder):
    from pilotline.lake.lake import open_lake
    from pilotline.lake.storage import s3_place

    named, bucket, tables = Path(folder) / "database", Path(folder) / "tables", None
    if bucket.exists():
        url, variables = json.loads(bucket.read_text())
        os.environ.update(variables)
        tables = s3_place(url)
    database = named.read_text() if named.exists() else None
    return open_lake(Path(folder), author="writer", database=database, tables=tables)


def publish_generations(folder, rounds, crash_at="", everything=False):  # noqa: FBT002 - comes as JSON
    """Publish the next generation of three tables, whose rows say it, with a row of somebody else's."""
    from pilotline.domain.tables import Replace

    os.environ["PILOTLINE_CRASH_AT"] = crash_at
    lake = open_here(folder)
    for _ in range(rounds):
        generation = sum(commit.kind in {"publish", "undo"} for commit in lake.log()) + 1
        name = f"run-{generation}-{len(lake.branches(every=True))}"
        lake.create_branch(name)
        for table in TABLE_NAMES:
            lake.write(name, shop(table), column(generation=[generation] * 100), Replace())
        lake.mark_checked(name, lake.branch(name).head)
        with lake.transaction() as tx:
            tx.execute("CREATE TABLE IF NOT EXISTS done (generation INTEGER)")
            tx.execute("INSERT INTO done VALUES (:generation)", generation=generation)
            lake.publish(name, within=tx)
        if everything:
            rebase_and_undo(lake, name, generation)


def rebase_and_undo(lake, name, generation):
    """Append on two branches, join them, publish them, take the last back and put it there again."""
    from pilotline.domain.tables import Append

    for side in ("a", "b"):
        lake.create_branch(f"{name}-{side}")
        lake.write(f"{name}-{side}", shop("t0"), column(generation=[generation]), Append())
    lake.publish(f"{name}-a", require_checked=False)
    lake.rebase(f"{name}-b")
    lake.publish(f"{name}-b", require_checked=False)
    lake.undo(lake.resolve("main").id)
    sweep_all(lake)


def sweep_all(lake):
    """Remove all that nothing needs, as if it were a year later."""
    from datetime import UTC, datetime, timedelta

    from pilotline.lake.sweeping import sweep

    sweep(lake, keep=timedelta(0), grace=timedelta(0), now=datetime.now(UTC) + timedelta(days=400), do=True)


def append_rows(folder, who, count):
    """Append one row after another to a table that others append to."""
    from pilotline.domain.tables import Append

    lake = open_here(folder)
    for number in range(count):
        lake.write("shared", shop("t0"), column(who=[who], n=[number]), Append())


if __name__ == "__main__":
    serve()
