from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pilotline.lake.lake import open_lake
from pilotline.lake.storage import s3_place

_SPEC = importlib.util.spec_from_file_location("shop", Path(__file__).parent / "shop.py")
shop = importlib.util.module_from_spec(_SPEC)
sys.modules["shop"] = shop
_SPEC.loader.exec_module(shop)


@pytest.fixture(scope="package")
def served(tmp_path_factory):
    """A filled lake in a folder, and its server."""
    folder = tmp_path_factory.mktemp("served")
    server = shop.Served(shop.filled(open_lake(folder)), folder)
    yield server
    server.stop()


@pytest.fixture
def served_from_bucket(bucket, bucket_server, tmp_path):
    """The same in S3."""
    tables = s3_place(f"{bucket}/lake")
    server = shop.Served(shop.filled(open_lake(tmp_path, tables=tables)), tmp_path, PILOTLINE_TABLES=tables.url)
    yield server
    server.stop()
