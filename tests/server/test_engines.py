"""Other engines read what the lake reads, by the examples of the documentation as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import pytest

shop = sys.modules["shop"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "read-from-other-engines.md").read_text(encoding="utf-8")
CLIENTS = Path(__file__).parent / "clients"


def example(client, served, **replaced):
    """The code that the page shows for a client, with the server's address and token."""
    [code] = re.findall(rf"<!-- client: {client} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    for shown, real in ({"http://127.0.0.1:8181": served.address, "the token": served.token} | replaced).items():
        assert shown in code
        code = code.replace(shown, real)
    return code


def elsewhere(client, code):
    """What a client in an environment of its own prints; uv makes that from the lock beside its script."""
    uv = subprocess.run([".ci/find-uv"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if not os.access(os.environ.get("XDG_CACHE_HOME") or Path.home(), os.W_OK):
        environ.setdefault("UV_CACHE_DIR", str(ROOT / ".venv-uv" / "cache"))
    ended = subprocess.run(
        [uv, "run", "--quiet", "--frozen", "--python", sys.executable, "--script", str(CLIENTS / f"with_{client}.py")],
        cwd=ROOT,
        env=environ,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def expected(served, at="main"):
    return [row for row in shop.rows(served.lake, at) if row["amount"] > 10]


def as_text(rows):
    return sorted([row["id"], row["amount"], str(row["at"]), row["region"]] for row in rows)


@pytest.fixture(params=["folder", "bucket"])
def anywhere(request):
    return request.getfixturevalue("served" if request.param == "folder" else "served_from_bucket")


def run_here(client, served):
    names = {}
    with warnings.catch_warnings():
        # Polars would rather have a planner of its own.
        warnings.filterwarnings("ignore", message=".*polars_iceberg")
        exec(example(client, served), names)  # noqa: S102 - the documentation's own example
    return names["orders"]


def test_pyiceberg_reads_what_the_lake_reads(anywhere):
    found = run_here("pyiceberg", anywhere)
    assert as_text(found.astype(object).where(found.notna(), None).to_dict("records")) == as_text(expected(anywhere))


def test_polars_reads_what_the_lake_reads(anywhere):
    assert run_here("polars", anywhere).to_dicts() == expected(anywhere)


@pytest.mark.parametrize("at", ["main", "opening", "review/prices", "main~1"])
def test_pyiceberg_reads_each_table_at_each_state(served, at):
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("pilotline", type="rest", uri=served.address, token=served.token, warehouse=at)
    tables = [
        (namespace, table) for (namespace,) in catalog.list_namespaces() for _, table in catalog.list_tables(namespace)
    ]
    assert tables == [("shop", "nothing"), ("shop", "orders"), ("stock", "items")]
    for namespace, table in tables:
        name = shop.TableName(namespace, table)
        found = catalog.load_table((namespace, table)).scan().to_arrow()
        assert found.to_pylist() == shop.rows(served.lake, at, name)
        assert found.column_names == ["id", "amount", "at", "region"]


@pytest.mark.parametrize("size", ["1", "2", "100"])
def test_pyiceberg_lists_in_pages(served, size):
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(
        "pilotline", type="rest", uri=served.address, token=served.token,
        **{"rest-page-size": size, "snapshot-loading-mode": "refs"},
    )  # fmt: skip
    assert catalog.list_namespaces() == [("shop",), ("stock",)]
    assert catalog.list_tables("shop") == [("shop", "nothing"), ("shop", "orders")]
    assert catalog.list_views("shop") == []
    assert (catalog.namespace_exists("shop"), catalog.namespace_exists("none")) == (True, False)
    assert catalog.load_table("shop.orders").scan().to_arrow().to_pylist() == shop.rows(served.lake, "main")


def test_pyiceberg_asks_for_a_token_by_a_secret_and_cannot_write(served):
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(
        "pilotline", type="rest", uri=served.address, credential=f"me:{served.token}", warehouse="main",
        **{"oauth2-server-uri": f"{served.address}/v1/oauth/tokens"},
    )  # fmt: skip
    table = catalog.load_table("shop.orders")
    assert not catalog.table_exists("shop.ordres")
    with pytest.raises(NotImplementedError, match="not support"):
        table.append(table.scan().to_arrow())


def test_duckdb_reads_two_states_at_once_and_compares_them(served):
    [found] = elsewhere("duckdb", example("duckdb", served))
    known = shop.rows(served.lake, "main")
    assert sorted(found) == as_text(row for row in shop.rows(served.lake, "review/prices") if row not in known)
    assert len(found) == 2


def test_duckdb_asks_for_a_token_by_a_secret_and_is_refused_what_it_may_not(served):
    attach = example("duckdb", served).partition("SELECT")[0]
    by_secret = attach.replace(
        f"TOKEN '{served.token}'",
        f"CLIENT_ID 'me', CLIENT_SECRET '{served.token}', OAUTH2_SERVER_URI '{served.address}/v1/oauth/tokens'",
    )
    wrong = attach.replace(f"TOKEN '{served.token}'", "TOKEN 'wrong'")
    counted, nothing, insert, create = elsewhere(
        "duckdb",
        by_secret
        + """
        SELECT count(*) FROM main_now.stock.items;
        SELECT count(*) FROM main_now.shop.nothing;
        INSERT INTO main_now.shop.orders SELECT * FROM main_now.shop.orders;
        CREATE TABLE main_now.shop.more AS SELECT 1 AS n;
        """,
    )
    assert (counted, nothing) == ([[2]], [[0]])
    assert "read-only" in insert["error"]
    assert "read-only" in create["error"]
    assert "401" in elsewhere("duckdb", wrong)[0]["error"]


def test_duckdb_reads_from_a_bucket_with_credentials_of_its_own(served_from_bucket, bucket_server):
    code = example(
        "duckdb-s3",
        served_from_bucket,
        **{
            "the key": bucket_server.KEY,
            "its secret": bucket_server.SECRET,
            "s3.example.org": urlsplit(bucket_server.endpoint).netloc,
            "USE_SSL true": "USE_SSL false",
        },
    )
    [found] = elsewhere("duckdb", code)
    assert sorted(found) == as_text(expected(served_from_bucket))


def test_daft_reads_what_the_lake_reads(anywhere):
    found = elsewhere("daft", example("daft", anywhere))
    rows = [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    assert as_text(rows) == as_text(expected(anywhere))


def test_a_bucket_is_described_without_credentials(served_from_bucket, bucket_server):
    answer = served_from_bucket.ask("/v1/main/namespaces/shop/tables/orders").json
    assert answer["config"] == {
        "s3.endpoint": bucket_server.endpoint,
        "s3.path-style-access": "true",
        "s3.region": "us-east-1",
        "client.region": "us-east-1",
    }
    assert bucket_server.SECRET not in json.dumps(answer)
