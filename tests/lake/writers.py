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


def publish_busily(folder, who, seconds):
    """Publish to tables that others write to as well, by every way of writing; note each publish that was reported.

    Of each publish one line is noted in a file of the writer's own: what a reader must find for ever after.
    """
    import random
    import time

    from pilotline.domain.access import Scope
    from pilotline.domain.tables import Append, MergeOn, Replace
    from pilotline.lake.errors import LakeBusy, NeedsRebase, PublishConflict

    lake = open_here(folder)
    everything = Scope.everything("the owner")
    chance = random.Random(who)
    end = time.monotonic() + seconds
    number = 0
    with Path(folder, f"noted-{who}").open("a", buffering=1, encoding="utf-8") as noted:
        while time.monotonic() < end:
            number += 1
            name = f"w{who}-{number}"
            kind = chance.choice(["append", "count", "merge", "own"])
            lake.create_branch(name)
            match kind:
                case "append":
                    lake.write(name, shop("appended"), column(who=[who], n=[number]), Append())
                case "count":
                    there = [info for info in lake.tables(name) if info.table == shop("counted")]
                    held = (
                        lake.scan(shop("counted"), everything, name).read_all().column("n")[0].as_py() if there else 0
                    )
                    lake.write(name, shop("counted"), column(n=[held + 1]), Replace())
                case "merge":
                    lake.write(name, shop("merged"), column(who=[who], n=[number]), MergeOn(keys=("who",)))
                case "own":
                    lake.write(name, shop(f"own_{who}"), column(n=[number]), Replace())
            while True:
                try:
                    lake.mark_checked(name, lake.branch(name).head)
                    lake.publish(name)
                except NeedsRebase:
                    lake.rebase(name)
                except PublishConflict:
                    lake.discard(name)
                    break
                except LakeBusy:
                    continue
                else:
                    noted.write(f"{kind} {number}\n")
                    break
    lake.database.close()


def wrong_after_many(folder, lake, many):
    """How often each way of writing was reported as published, and where the tables hold something else, in words."""
    from collections import Counter

    from pilotline.domain.access import Scope

    everything = Scope.everything("the owner")
    told = []
    for who in many:
        lines = Path(folder, f"noted-{who}").read_text(encoding="utf-8").splitlines()
        told += [(who, kind, int(number)) for kind, number in (line.split() for line in lines)]
    last = {(who, kind): number for who, kind, number in told}
    counts = Counter(kind for _, kind, _ in told)
    expected = {
        "appended": sorted((who, number) for who, kind, number in told if kind == "append"),
        "merged": sorted((who, number) for (who, kind), number in last.items() if kind == "merge"),
        "counted": [counts["count"]],
        **{f"own_{who}": [number] for (who, kind), number in last.items() if kind == "own"},
    }
    wrong = []
    for name, wanted in expected.items():
        rows = lake.scan(shop(name), everything, "main").read_all().to_pylist()
        found = sorted((row["who"], row["n"]) if "who" in row else row["n"] for row in rows)
        if found != wanted:
            wrong.append(f"{name}: {found} is there, {wanted} was told")
    return counts, wrong


def publish_without_room(folder, room):
    """Publish where no file may become longer than so many bytes; ends with 3 where that is said by code."""
    import resource

    from pilotline.lake.errors import NoRoom

    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        publish_generations(folder, 1000)
    except NoRoom:
        os._exit(3)


def publish_at_another_time(folder, rounds, hours):
    """Publish on a host whose clock is so many hours ahead, or behind."""
    import datetime as dt

    from pilotline.lake import lake, ledger

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(hours=hours)

    ledger.datetime = lake.datetime = Clock
    publish_generations(folder, rounds)


if __name__ == "__main__":
    serve()
