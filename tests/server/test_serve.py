"""The command: what it prints, and how it ends."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from http.client import BadStatusLine, HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog

from pilotline.lake.lake import open_lake

shop = sys.modules["shop"]


def test_it_prints_where_it_listens_and_ends_with_the_keyboard(tmp_path):
    server = shop.Served(open_lake(tmp_path), tmp_path)
    assert set(server.document) == {"address", "token", "warehouse"}
    assert server.ask("/v1/main/namespaces").json == {"namespaces": []}
    assert server.stop(signal.SIGINT) == 0


def test_it_ends_when_it_is_told_to(tmp_path):
    assert shop.Served(open_lake(tmp_path), tmp_path).stop(signal.SIGTERM) == -signal.SIGTERM


def test_a_token_that_was_given_is_not_printed(tmp_path):
    server = shop.Served(open_lake(tmp_path), tmp_path, PILOTLINE_TOKEN="sixteen-letters-or-more")  # noqa: S106
    assert server.token is None
    assert server.ask("/v1/config", Authorization="Bearer sixteen-letters-or-more").status == 200
    server.process.send_signal(signal.SIGINT)
    said, told = server.process.communicate(timeout=30)
    assert "sixteen-letters-or-more" not in said + told
    assert "as in PILOTLINE_TOKEN" in told


def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path, monkeypatch):
    certificate, key = (Path(__file__).with_name(f"only-for-tests.{suffix}") for suffix in ("pem", "key"))
    server = shop.Served(open_lake(tmp_path), tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key))
    assert server.address.startswith("https://127.0.0.1:")
    place = server.address.removeprefix("https://")
    connection = HTTPSConnection(place, timeout=30, context=ssl.create_default_context(cafile=certificate))
    connection.request("GET", "/v1/main/namespaces", headers={"Authorization": f"Bearer {server.token}"})
    assert connection.getresponse().read() == b'{"namespaces":[]}'
    connection.close()
    with pytest.raises((BadStatusLine, ConnectionError)):
        server.ask("/v1/config")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    catalog = load_catalog("over-tls", type="rest", uri=server.address, token=server.token)
    assert catalog.list_namespaces() == []
    assert server.stop() == 0


def test_it_says_the_same_to_people(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "pilotline", "serve", "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    first = process.stdout.readline()
    assert first.startswith("the tables are served at http://127.0.0.1:")
    connection = HTTPConnection(first.split()[5].strip(",").removeprefix("http://"), timeout=30)
    connection.request("GET", "/v1/config")
    assert connection.getresponse().status == 401
    connection.close()
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[-1], told) == (0, "stopped", "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--host", "0.0.0.0"], "PL402"),  # noqa: S104
        (["--token-file", "none"], "PL403"),
        (["--tls-cert", "none", "--tls-key", "none"], "PL348"),
        (["--tls-cert", "none"], "PL001"),
        (["--host", "192.0.2.1", "--expose"], "PL501"),
        (["--port", "70000"], "PL001"),
        (["--port", "x"], "PL001"),
    ],
)
def test_what_cannot_be_is_refused_by_code(words, code, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "pilotline", "serve", *words],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=60,
        env={name: value for name, value in os.environ.items() if name != "PILOTLINE_TOKEN"},
    )  # fmt: skip
    assert (ended.returncode in {1, 2}, ended.stderr.partition(":")[0]) == (True, code)
