"""The files of a release: damaged, gone, or in a storage that is away for a moment, which are three different things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import services
from pilotline.domain.orders import Ask, tries
from pilotline.factory.committed import File
from pilotline.factory.errors import DamagedRelease
from pilotline.factory.fulfilling import _kind
from pilotline.factory.ledger import Ledger
from pilotline.factory.releases import Release, Released, Releases, pack
from pilotline.lake.errors import StorageUnreachable
from pilotline.run.opening import open_lake_here

if TYPE_CHECKING:
    from pathlib import Path

MODULE = b'''"""A number."""


def one() -> int:
    return 41


def pipeline():
    number = one()
    return {"number": number}
'''
FILES = {"sums.py": MODULE, "sums.lock": b"# Python 3.11.0\n", "pilotline.toml": b'namespace = "shop"\n'}


def released(home: Path, files=FILES) -> tuple[Releases, Release]:
    """A release, as a deploy leaves it."""
    lake, _ = open_lake_here(home)
    archive = pack({path: File(content=content) for path, content in files.items()})
    release = Release(
        id="abc123", project="shop", commit="f" * 40, ref="main", archive="releases/shop/abc123.tar.gz", size=len(archive),
        pipelines=(Released(name="sums", module="sums.py", lock="none", python="3.11"),), author="ann", at=datetime.now(UTC),
    )  # fmt: skip
    releases = Releases(lake.database, lake.storage)
    releases.keep(release, archive)
    with lake.database.writing() as tx:
        releases.add(release, within=tx)
    return releases, release


@pytest.fixture
def home(tmp_path, lies) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "pilotline.toml").write_text('namespace = "shop"\n')
    return folder


@pytest.mark.parametrize("how", ["gone", "other", "short", "flipped", "no archive"])
def test_what_is_damaged_is_said_so_and_is_no_matter_of_time(home, tmp_path, how):
    releases, release = released(home)
    lake, _ = open_lake_here(home)
    whole = lake.storage.read(release.archive)
    match how:
        case "gone":
            lake.storage.remove([release.archive])
        case "other":
            lake.storage.write(release.archive, b"nothing of it")
        case "short":
            lake.storage.write(release.archive, whole[:-12])
        case "flipped":
            lake.storage.write(release.archive, whole[:60] + bytes([whole[60] ^ 0x40]) + whole[61:])
        case _:
            import gzip

            lake.storage.write(release.archive, gzip.compress(b"x" * 700))
    with pytest.raises(DamagedRelease) as caught:
        releases.unpack(release, tmp_path / "places")
    assert (caught.value.code, tries(_kind(caught.value), 5)) == ("PL562", 1)
    assert not (tmp_path / "places" / "shop-abc123" / "sums.py").exists()
    # What the message says puts it right.
    lake.storage.write(release.archive, whole)
    assert (releases.unpack(release, tmp_path / "places") / "sums.py").read_bytes() == MODULE


@pytest.fixture
def faulty(bucket, bucket_server, monkeypatch):
    with closing(services.Faulty(bucket_server.endpoint)) as proxy:
        monkeypatch.setenv("PILOTLINE_TABLES", bucket)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def test_a_storage_that_is_away_for_a_moment_is_no_damage(faulty, tmp_path, monkeypatch):
    monkeypatch.setattr("pilotline.lake.storage._ATTEMPTS", 2)
    (tmp_path / "pilotline.toml").write_text('namespace = "shop"\n')
    releases, release = released(tmp_path)
    faulty.plan = lambda _method, path: "503" if "/releases/" in path else "ok"
    with pytest.raises(StorageUnreachable) as caught:
        releases.unpack(release, tmp_path / "places")
    assert _kind(caught.value) == "infrastructure"
    faulty.plan = lambda _method, _path: "ok"
    assert (releases.unpack(release, tmp_path / "places") / "sums.py").read_bytes() == MODULE


def test_a_storage_that_says_no_is_not_asked_for_hours():
    refused = StorageUnreachable("does not let you in", refused=True)
    assert tries(_kind(refused), 1) == 3
    assert tries(_kind(StorageUnreachable("does not answer", refused=False)), 1) == 20


def test_an_order_whose_release_cannot_be_read_for_a_moment_is_done_all_the_same(faulty, tmp_path, monkeypatch):
    monkeypatch.setenv("PILOTLINE_ENVIRONMENTS", str(tmp_path / "environments"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "pilotline.toml").write_text('namespace = "shop"\n')
    lock = f"# Python {'.'.join(map(str, sys.version_info[:3]))}\n".encode()
    released(home, {**FILES, "sums.lock": lock})
    lake, records = open_lake_here(home)
    ledger = Ledger(lake.database)
    number = ledger.submit(Ask(pipeline="sums", project="shop", release="abc123"))
    # Longer than the store's own client tries.
    down_until = time.monotonic() + 20
    faulty.plan = lambda _method, path: "500" if "/releases/" in path and time.monotonic() < down_until else "ok"
    worker = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "worker", "--json"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ),
    )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while (order := ledger.order(number)).state in {"waiting", "running"}:
            assert time.monotonic() < end, order
            time.sleep(0.1)
    finally:
        worker.terminate()
        said = worker.communicate()[0]
    assert order.state == "done", (order, said)
    assert order.failures["infrastructure"] >= 1, json.dumps(dict(order.failures))
    assert sum(fate == "500" for *_, fate in faulty.seen) > 5
    assert [run.state for run in records.runs()] == ["published"]
