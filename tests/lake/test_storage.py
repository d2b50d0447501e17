"""A folder and a bucket hold files alike; and what goes wrong with a bucket is survived, or said."""

from __future__ import annotations

import itertools
import sys
import threading
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pilotline.domain.access import Scope
from pilotline.domain.tables import Append, Replace, TableName
from pilotline.lake.errors import BadStorage, LakeDamaged, StorageUnreachable
from pilotline.lake.lake import open_lake
from pilotline.lake.storage import LocalStorage, S3Storage, s3_place

services = sys.modules["services"]

OWNER = Scope.everything("the owner")
ORDERS = TableName("sales", "orders")


def write(storage, path, data):
    with storage.io(()).new_output(f"{storage.root}/{path}").create() as file:
        file.write(data)


class StorageContract:
    def test_what_was_written_is_read_listed_and_removed(self, storage):
        assert list(storage.files()) == []
        write(storage, "tables/a/one", b"1")
        write(storage, "tables/a/b/two", b"22")
        write(storage, "elsewhere", b"333")
        found = sorted(storage.files(), key=lambda each: each.path)
        assert [(each.path, each.size) for each in found] == [("tables/a/b/two", 2), ("tables/a/one", 1)]
        assert all(abs(datetime.now(UTC) - each.modified) < timedelta(minutes=5) for each in found)
        assert storage.read("tables/a/b/two") == b"22"
        storage.remove(["tables/a/b/two", "tables/a/never"])
        assert [each.path for each in storage.files()] == ["tables/a/one"]

    def test_a_file_that_is_not_there_is_said_to_be_missing(self, storage):
        with pytest.raises(FileNotFoundError):
            storage.read("tables/none")

    def test_files_written_under_a_former_root_are_found(self, storage):
        write(storage, "tables/a/one", b"1")
        with storage.io(("/once/here",)).new_input("/once/here/tables/a/one").open() as file:
            assert file.read() == b"1"


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        (tmp_path / "tables" / "a" / "b").mkdir(parents=True)
        return LocalStorage(tmp_path)


class TestS3Storage(StorageContract):
    @pytest.fixture
    def storage(self, bucket):
        return S3Storage(s3_place(f"{bucket}/lake"))


@pytest.mark.parametrize("url", ["s3:/x", "gs://bucket/x", "s3://", "s3://UPPER/x", "/folder", "s3://ab c/x"])
def test_what_is_no_place_is_refused(url):
    with pytest.raises(BadStorage, match="no place for tables") as caught:
        s3_place(url)
    assert caught.value.code == "PL243"


def test_endpoint_and_region_come_from_the_settings_before_the_environment(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    place = s3_place("s3://bucket/a/b/")
    assert (place.url, place.endpoint, place.region) == ("s3://bucket/a/b", "http://one", "eu-west-1")
    place = s3_place("s3://bucket", endpoint="http://two", region="r")
    assert (place.url, place.endpoint, place.region) == ("s3://bucket", "http://two", "r")


def test_a_server_that_is_not_there_and_wrong_keys_are_told_apart(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    lake = open_lake(tmp_path, tables=s3_place(bucket))
    lake.create_branch("mine")
    with pytest.raises(StorageUnreachable, match="does not let you in") as caught:
        lake.write("mine", ORDERS, pa.table({"a": [1]}), Replace())
    assert "AWS_PROFILE" in caught.value.try_next
    (port,) = services.free_ports(1)
    monkeypatch.setattr("pilotline.lake.storage._ATTEMPTS", 2)
    lake = open_lake(tmp_path, tables=s3_place(bucket, endpoint=f"http://127.0.0.1:{port}"))
    with pytest.raises(StorageUnreachable, match="does not answer") as caught:
        lake.write("mine", ORDERS, pa.table({"a": [1]}), Replace())
    assert caught.value.code == "PL242"
    assert lake.tables("mine") == ()


def test_a_bucket_that_is_not_there_is_said_so():
    storage = S3Storage(s3_place("s3://bucket/x", endpoint="http://127.0.0.1:1"))
    said = "When reading key 'x' in bucket 'bucket': AWS Error NO_SUCH_BUCKET during HeadObject operation"
    with pytest.raises(StorageUnreachable, match="has no such bucket") as caught, storage.errors():
        raise OSError(said)
    assert "make the bucket" in caught.value.try_next


def test_a_file_that_was_removed_from_the_bucket_is_said_to_be_gone(bucket, tmp_path):
    lake = open_lake(tmp_path, tables=s3_place(bucket))
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"a": [1]}), Replace())
    lake.storage.remove([each.path for each in lake.storage.files() if each.path.endswith(".parquet")])
    with pytest.raises(LakeDamaged):
        lake.scan(ORDERS, OWNER, "mine").read_all()


@pytest.fixture
def faulty(bucket, bucket_server):
    proxy = services.Faulty(bucket_server.endpoint)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("fate", ["500", "503", "lost", "slow"])
def test_requests_that_go_wrong_now_and_then_do_no_harm(faulty, bucket, tmp_path, fate):
    lake = open_lake(tmp_path, tables=s3_place(bucket, endpoint=faulty.endpoint))
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"n": [0]}), Replace())
    asked = itertools.count(1)
    faulty.SLOW_SECONDS = 0.2
    faulty.plan = lambda _method, _path: fate if next(asked) % 8 == 0 else "ok"
    for number in range(1, 4):
        lake.write("mine", ORDERS, pa.table({"n": [number]}), Append())
        assert lake.scan(ORDERS, OWNER, "mine").read_all().column("n").to_pylist() == list(range(number + 1))
    assert sum(seen == fate for *_, seen in faulty.seen) > 3
    faulty.plan = lambda _method, _path: "ok"
    fresh = open_lake(tmp_path, tables=s3_place(bucket, endpoint=faulty.endpoint))
    assert fresh.table(ORDERS, "mine").rows == 4
    assert fresh.scan(ORDERS, OWNER, "mine").read_all().num_rows == 4


def test_a_server_that_fails_for_good_leaves_the_table_as_it_was(faulty, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("pilotline.lake.storage._ATTEMPTS", 2)
    lake = open_lake(tmp_path, tables=s3_place(bucket, endpoint=faulty.endpoint))
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"n": [0]}), Replace())
    before = lake.resolve("mine")
    # It breaks down at each of the requests of a write in turn.
    for healthy in range(5):
        left = iter(range(healthy))
        lock = threading.Lock()

        def plan(_method, _path, left=left, lock=lock):
            with lock:
                return "500" if next(left, None) is None else "ok"

        faulty.plan = plan
        with pytest.raises(StorageUnreachable):
            lake.write("mine", ORDERS, pa.table({"n": [1]}), Append())
        faulty.plan = lambda _method, _path: "ok"
        assert lake.resolve("mine") == before
        assert lake.scan(ORDERS, OWNER, "mine").read_all().column("n").to_pylist() == [0]


def test_a_lake_that_was_copied_from_a_folder_to_a_bucket_is_read_and_written_there(bucket, bucket_server, tmp_path):
    from pyarrow.fs import LocalFileSystem, copy_files

    lake = open_lake(tmp_path)
    lake.create_branch("mine")
    lake.write("mine", ORDERS, pa.table({"n": [1]}), Replace())
    copy_files(
        str(tmp_path / ".pilotline" / "tables"),
        f"{bucket.removeprefix('s3://')}/lake/tables",
        source_filesystem=LocalFileSystem(),
        destination_filesystem=bucket_server._filesystem(),
    )
    (tmp_path / ".pilotline" / "tables").rename(tmp_path / "gone")
    there = open_lake(tmp_path, tables=s3_place(f"{bucket}/lake"))
    there.write("mine", ORDERS, pa.table({"n": [2]}), Append())
    assert there.scan(ORDERS, OWNER, "mine").read_all().column("n").to_pylist() == [1, 2]
