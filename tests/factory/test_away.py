"""What is away for a moment: a package index, the database when a worker starts."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from pilotline.domain.orders import Ask
from pilotline.factory.alerting import Alerting
from pilotline.factory.committed import File
from pilotline.factory.ledger import Ledger
from pilotline.factory.releases import Release, Released, Releases, opening_for, pack
from pilotline.factory.worker import Worker

MODULE = b"def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
LOCK = f"# Python {'.'.join(map(str, sys.version_info[:3]))}\niniconfig==2.0.0 \\\n    --hash=sha256:{'0' * 64}\n"


def test_an_environment_that_cannot_be_built_is_tried_three_times(lake, tmp_path, monkeypatch):
    for name, value in (("PILOTLINE_ENVIRONMENTS", tmp_path / "environments"), ("UV_CACHE_DIR", tmp_path / "cache")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("UV_OFFLINE", "1")
    releases = Releases(lake.database, lake.storage)
    release = Release(
        id="r1", project="shop", commit="c", ref="main", archive="releases/r1.tar.gz", size=1, author="ann", at=datetime.now(UTC),
        pipelines=(Released(name="daily", module="daily.py", lock="", python="3.11"),),
    )  # fmt: skip
    releases.keep(release, pack({"daily.py": File(content=MODULE), "daily.lock": File(content=LOCK.encode())}))
    with lake.database.writing() as tx:
        releases.add(release, within=tx)
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    ledger = Ledger(lake.database, clock=lambda: now[0])
    number = ledger.submit(Ask(pipeline="daily", project="shop", release="r1", owner="ann"))
    worker = Worker(ledger, opening=opening_for(releases, tmp_path / "kept"))
    states = []
    for _ in range(4):
        worker.work(once=True)
        states.append(ledger.order(number).state)
        assert ledger.claim("another", timedelta(minutes=1)) is None  # it waits a little each time
        now[0] += timedelta(minutes=15)
    order = ledger.order(number)
    assert states == ["waiting", "waiting", "failed", "failed"]
    assert (order.token, order.failures, order.run) == (3, {"died": 3}, None)
    assert order.because.startswith("PL552: ")
    assert [kind for _, kind, _ in ledger.events(number)].count("try failed") == 2
    (news,) = Alerting(lake.database).look([], [])
    assert (news.word, news.alert.kind, news.alert.subject) == ("opened", "failed", "daily")


def test_a_worker_that_is_to_end_says_that_there_is_no_database(tmp_path):
    (tmp_path / "pilotline.toml").write_text('[lake]\ndatabase = "postgresql://nobody@127.0.0.1:1/none"\n')
    done = subprocess.run(
        [sys.executable, "-m", "pilotline", "worker", "--once"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "PL241" in done.stderr
    assert "nothing is due" not in done.stdout
