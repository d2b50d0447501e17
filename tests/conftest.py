from __future__ import annotations

import importlib.util
import sys
import weakref
from pathlib import Path

import pytest

from pilotline.lake.database import SqliteDatabase
from pilotline.lake.postgres import PostgresDatabase

_SPEC = importlib.util.spec_from_file_location("services", Path(__file__).parent / "services.py")
services = importlib.util.module_from_spec(_SPEC)
sys.modules["services"] = services
_SPEC.loader.exec_module(services)


@pytest.fixture(scope="session")
def postgres():
    """A Postgres server of this test process's own; started when the first test asks for it."""
    server = services.Postgres()
    yield server
    server.close()


@pytest.fixture
def safe_postgres():
    """A server that a test may kill: what it said is done is on the disk."""
    server = services.Postgres(safe=True)
    yield server
    server.close()


@pytest.fixture(scope="session")
def bucket_server():
    """An S3 server of this test process's own; started when the first test asks for it."""
    server = services.Bucket()
    yield server
    server.close()


@pytest.fixture
def bucket(bucket_server, monkeypatch):
    """The URL of an empty prefix in a bucket; AWS's variables name its server."""
    for name, value in bucket_server.variables().items():
        monkeypatch.setenv(name, value)
    return bucket_server.new()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request) -> str | None:
    """Where the catalog is: None for SQLite, in a file of the test's own."""
    return request.getfixturevalue("postgres").database() if request.param == "postgres" else None


@pytest.fixture(params=["folder", "services"])
def lies(request, monkeypatch) -> str:
    """Where catalog and tables are: SQLite and a folder, or Postgres and S3. A project finds it in the environment."""
    if request.param == "services":
        monkeypatch.setenv("PILOTLINE_DATABASE", request.getfixturevalue("postgres").database())
        monkeypatch.setenv("PILOTLINE_TABLES", request.getfixturevalue("bucket"))
    return request.param


_OPENED = weakref.WeakSet()


def _noting(kind):
    init = kind.__init__

    def noted(self, *words, **more):
        init(self, *words, **more)
        _OPENED.add(self)

    kind.__init__ = noted


for _kind in (SqliteDatabase, PostgresDatabase):
    _noting(_kind)


@pytest.fixture(autouse=True)
def connections_end():
    """What a test left open is closed, or thousands of tests would hold more files than a process may name."""
    yield
    for database in list(_OPENED):
        database.close()
