"""The Iceberg REST catalog over HTTP: what it answers to whom, and that nothing can be changed by it."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import load_catalog

from pilotline.domain.access import NotAllowed, Scope
from pilotline.domain.tables import Append, Replace, TableName
from pilotline.lake.lake import open_lake
from pilotline.lake.lending import Lender
from pilotline.lake.storage import s3_place
from pilotline.lake.sweeping import sweep
from pilotline.server.app import app
from pilotline.server.iceberg import ENDPOINTS, IcebergCatalog, page_of, paged, prefix_of, ref_of
from pilotline.server.tokens import Token

shop = sys.modules["shop"]
ORDERS = shop.ORDERS

TABLE = "/v1/main/namespaces/shop/tables/orders"


def location(served, warehouse, table="orders"):
    """The metadata's place, found as clients do: by the prefix that the config names."""
    prefix = served.ask(f"/v1/config?{urlencode({'warehouse': warehouse})}").json["overrides"]["prefix"]
    return served.ask(f"/v1/{prefix}/namespaces/shop/tables/{table}").json["metadata-location"]


# What is there


def test_the_config_names_the_warehouse_as_prefix_and_the_endpoints(served):
    assert served.ask("/v1/config?warehouse=main").json == {
        "defaults": {},
        "overrides": {"prefix": "main"},
        "endpoints": list(ENDPOINTS),
    }
    assert served.ask("/v1/config").json["overrides"] == {"prefix": "main"}


def test_every_endpoint_that_is_named_answers(served):
    for endpoint in served.ask("/v1/config").json["endpoints"]:
        method, path = endpoint.split(" ")
        answer = served.ask(path.format(prefix="main", namespace="shop", table="orders"), method)
        assert (answer.status, answer.body == b"") == ((200, False) if method == "GET" else (204, True))


def test_namespaces_and_tables_are_listed(served):
    assert served.ask("/v1/main/namespaces").json == {"namespaces": [["shop"], ["stock"]]}
    assert served.ask("/v1/main/namespaces?parent=shop").json == {"namespaces": []}
    assert served.ask("/v1/main/namespaces/shop").json == {"namespace": ["shop"], "properties": {}}
    assert served.ask("/v1/main/namespaces/shop/tables").json == {
        "identifiers": [{"namespace": ["shop"], "name": "nothing"}, {"namespace": ["shop"], "name": "orders"}]
    }
    assert served.ask("/v1/main/namespaces/shop/views").json == {"identifiers": []}
    assert served.ask(f"{TABLE}/credentials").json == {"storage-credentials": []}


@pytest.mark.parametrize("first", ["pageToken=&pageSize=1", "pageSize=1"])
def test_lists_come_in_pages_where_a_client_wants_them(served, first):
    for path, told in (
        ("/v1/main/namespaces", ({"namespaces": [["shop"]]}, {"namespaces": [["stock"]]})),
        (
            "/v1/main/namespaces/shop/tables",
            tuple({"identifiers": [{"namespace": ["shop"], "name": name}]} for name in ("nothing", "orders")),
        ),
    ):
        one = served.ask(f"{path}?{first}").json
        assert one == told[0] | {"next-page-token": one["next-page-token"]}
        following = urlencode({"pageToken": one["next-page-token"], "pageSize": 1})
        assert served.ask(f"{path}?{following}").json == told[1] | {"next-page-token": None}
    assert served.ask("/v1/main/namespaces?pageToken=").json == {
        "namespaces": [["shop"], ["stock"]],
        "next-page-token": None,
    }
    assert served.ask(f"/v1/main/namespaces?parent=shop&{first}").json == {"namespaces": [], "next-page-token": None}
    assert served.ask(f"/v1/main/namespaces/shop/views?{first}").json == {"identifiers": [], "next-page-token": None}


@pytest.mark.parametrize(
    "asked", ["pageSize=0", "pageSize=-1", "pageSize=x", "pageSize=", "pageToken=?", "pageToken=_w=="]
)
@pytest.mark.parametrize(
    "path", ["/v1/main/namespaces", "/v1/main/namespaces/shop/tables", "/v1/main/namespaces/shop/views"]
)
def test_a_page_that_cannot_be_is_refused(served, path, asked):
    assert served.ask(f"{path}?{asked}").refusal == (400, "BadRequestException")


@given(names=st.sets(st.text(min_size=1, max_size=5), max_size=20), size=st.integers(1, 7))
def test_all_pages_together_are_the_list_in_order(names, size):
    told, page = [], page_of("", str(size))
    while page is not None:
        some, more = paged(names, page)
        assert len(some) <= size
        told += some
        page = page_of(more["next-page-token"], str(size)) if more["next-page-token"] is not None else None
    assert told == sorted(names)


def test_what_comes_while_a_client_turns_pages_neither_repeats_nor_hides_a_name():
    before = [f"t{number}" for number in range(0, 10, 2)]
    some, more = paged(before, page_of("", "2"))
    rest, _ = paged([*before, "t1", "t5", "t7"], page_of(more["next-page-token"], "20"))
    assert (some, rest) == (["t0", "t2"], ["t4", "t5", "t6", "t7", "t8"])


def test_a_table_that_is_as_a_client_has_it_is_not_sent_again(served):
    first = served.ask(TABLE)
    tag = first.headers["etag"]
    for said in (tag, f"W/{tag}", f'"other", {tag}'):
        again = served.ask(TABLE, **{"If-None-Match": said})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert served.ask(TABLE, **{"If-None-Match": '"other"'}).json == first.json
    assert served.ask(TABLE.replace("main", "review=2Fprices")).headers["etag"] != tag


def test_what_a_client_tells_of_a_scan_is_accepted(served):
    told = json.dumps({"report-type": "scan-report", "table-name": "orders", "snapshot-id": 1, "metrics": {}})
    answer = served.ask(f"{TABLE}/metrics", "POST", body=told)
    assert (answer.status, answer.body) == (204, b"")
    assert served.ask("/v1/main/namespaces/shop/tables/ordres/metrics", "POST").refusal == (404, "NoSuchTableException")
    assert served.ask(f"{TABLE}/metrics", "POST", Authorization="Bearer wrong").status == 401
    assert served.ask(f"{TABLE}/metrics").refusal == (405, "UnsupportedOperationException")


def test_a_table_is_answered_as_its_metadata_file_has_it(served):
    answer = served.ask(f"{TABLE}?snapshots=all").json
    assert answer == {
        "metadata-location": answer["metadata-location"],
        "metadata": json.loads(Path(answer["metadata-location"]).read_text()),
        "config": {},
    }
    assert answer["metadata"]["location"] == str(Path(answer["metadata-location"]).parents[1])


def test_what_is_said_of_a_namespace_is_answered(tmp_path):
    from pilotline.domain.tables import Namespace

    lake = open_lake(tmp_path)
    lake.put_namespace(Namespace(name="shop", comment="what we sell", owner="ann", properties={"team": "sales"}))
    catalog = IcebergCatalog(lake, lambda _: Scope.everything("the owner"))
    assert catalog.namespace("main", "shop") == {
        "namespace": ["shop"],
        "properties": {"team": "sales", "comment": "what we sell", "owner": "ann"},
    }
    lake.database.close()


# Branches, tags, commits


def test_two_states_are_open_at_once_and_a_branch_may_have_slashes(served):
    places = {at: location(served, at) for at in ("main", "review/prices", "opening", "main~1")}
    assert places["opening"] == places["main~1"]
    assert len(set(places.values())) == 3
    assert (
        places["review/prices"]
        == served.ask(f"/v1/{quote('review/prices', safe='')}/namespaces/shop/tables/orders").json["metadata-location"]
    )


def test_a_branch_is_looked_up_at_each_request_and_a_commit_stays(served):
    lake = served.lake
    lake.create_branch("moving")
    before = lake.resolve("moving").id
    first = location(served, "moving")
    lake.write("moving", ORDERS, shop.orders(20, 1), Append())
    assert location(served, "moving") != first
    assert location(served, before) == location(served, before[:8]) == first


def test_a_state_at_a_time_is_found(served):
    now = datetime.now(UTC).isoformat()
    assert location(served, now) == location(served, "main")


@given(st.text(max_size=30))
def test_a_prefix_is_one_part_of_a_path_that_stands_for_its_reference(ref):
    prefix = prefix_of(ref)
    assert ref_of(prefix) == ref
    assert quote(prefix, safe="=") == prefix


@pytest.mark.parametrize("where", ["folder", "services"])
def test_many_ask_at_once_while_tables_are_published(where, request, tmp_path):
    environ = {}
    if where == "services":
        environ = {
            "PILOTLINE_DATABASE": request.getfixturevalue("postgres").database(),
            "PILOTLINE_TABLES": request.getfixturevalue("bucket"),
        }
    tables = s3_place(environ["PILOTLINE_TABLES"]) if environ else None
    lake = shop.filled(open_lake(tmp_path, database=environ.get("PILOTLINE_DATABASE"), tables=tables))
    server = shop.Served(lake, tmp_path, **environ)
    states = [lake.pointer(ORDERS, "main").snapshot]
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(server.ask, TABLE) for _ in range(200)]
        for number in range(5):
            lake.create_branch(f"n{number}")
            lake.write(f"n{number}", ORDERS, shop.orders(10 + number, 1), Append())
            lake.publish(f"n{number}", require_checked=False)
            states.append(lake.pointer(ORDERS, "main").snapshot)
    answers = [one.result() for one in asked]
    assert {answer.status for answer in answers} == {200}
    seen = {str(answer.json["metadata"]["current-snapshot-id"]) for answer in answers}
    assert seen <= set(states)
    assert str(server.ask(TABLE).json["metadata"]["current-snapshot-id"]) == states[-1]
    server.stop()
    lake.database.close()


def test_every_connection_outlives_a_restart_of_the_database(safe_postgres, tmp_path):
    url = safe_postgres.database()
    lake = shop.filled(open_lake(tmp_path, database=url))
    server = shop.Served(lake, tmp_path, PILOTLINE_DATABASE=url)
    with ThreadPoolExecutor(24) as pool:
        before = {answer.status for answer in pool.map(server.ask, [TABLE] * 100)}
        safe_postgres.kill()
        safe_postgres.start()
        after = {answer.status for answer in pool.map(server.ask, [TABLE] * 100)}
    assert (before, after) == ({200}, {200})
    server.stop()
    lake.database.close()


def test_a_database_that_is_started_again_is_asked_again(safe_postgres, tmp_path):
    url = safe_postgres.database()
    lake = shop.filled(open_lake(tmp_path, database=url))
    server = shop.Served(lake, tmp_path, PILOTLINE_DATABASE=url)
    before = server.ask(TABLE)
    safe_postgres.kill()
    gone = server.ask(TABLE)
    assert (before.status, gone.status) == (200, 503)
    assert "PL241" in str(gone.json)
    safe_postgres.start()
    assert server.ask(TABLE).json == before.json
    server.stop()
    lake.database.close()


# What is not there


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/config?warehouse=none", "NoSuchWarehouseException"),
        ("/v1/none/namespaces", "NoSuchNamespaceException"),
        ("/v1/none/namespaces/shop/tables", "NoSuchNamespaceException"),
        ("/v1/main/namespaces/none", "NoSuchNamespaceException"),
        ("/v1/main/namespaces/none/tables", "NoSuchNamespaceException"),
        ("/v1/main/namespaces/none/views", "NoSuchNamespaceException"),
        ("/v1/main/namespaces?parent=none", "NoSuchNamespaceException"),
        ("/v1/main/namespaces/shop%1Fdeeper/tables", "NoSuchNamespaceException"),
        ("/v1/none/namespaces/shop/tables/orders", "NoSuchTableException"),
        ("/v1/main/namespaces/none/tables/orders", "NoSuchTableException"),
        ("/v1/main/namespaces/shop/tables/ordres", "NoSuchTableException"),
        ("/v1/main/namespaces/shop/tables/not-a-name", "NoSuchTableException"),
        ("/v1/main/namespaces/shop/tables/ordres/credentials", "NoSuchTableException"),
        ("/v1/main/namespaces/shop/views/orders", "NoSuchViewException"),
        ("/v1/main/namespaces/", "NotFoundException"),
        (f"{TABLE}/", "NotFoundException"),
        (f"{TABLE}/plan", "NotFoundException"),
        ("/v1/main/namespaces/shop/tables/..%2F..%2Fcatalog", "NotFoundException"),
        ("/v1/elsewhere", "NotFoundException"),
        ("/", "NotFoundException"),
    ],
)
def test_what_is_not_there_is_said_in_icebergs_words(served, path, kind):
    assert served.ask(path).refusal == (404, kind)


@pytest.mark.parametrize(
    "ref", ["ma%00in", "main~%C2%B2", "0001-01-01", "9999-12-31T23:59:59-14:00", "%FF", "%ED%A0%80", "main~99999999999"]
)
def test_nothing_that_a_client_can_ask_for_is_taken_for_a_bug(url, ref, tmp_path):
    catalog = IcebergCatalog(shop.filled(open_lake(tmp_path, database=url)), lambda _: Scope.everything("the owner"))
    state = unquote(ref, errors="replace")
    for path in (
        f"/v1/{state}/namespaces",
        f"/v1/main/namespaces/{state}/tables/orders",
        f"/v1/{state}/namespaces/shop",
    ):
        assert in_process(catalog, path)[0] == 404
    assert in_process(catalog, "/v1/config", query=f"warehouse={ref}")[0] == 404


def test_a_refusal_names_its_code_and_what_is_near(served):
    message = served.ask("/v1/main/namespaces/shop/tables/ordres").json["error"]["message"]
    assert message.startswith("PL201: no table 'shop.ordres'")
    assert message.endswith("Did you mean shop.orders?")


def test_whether_a_table_is_there_is_told_without_a_body(served):
    answers = [served.ask(f"/v1/main/namespaces/shop/tables/{name}", "HEAD") for name in ("orders", "ordres")]
    assert [(answer.status, answer.body) for answer in answers] == [(204, b""), (404, b"")]


# Who may ask


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer é"]
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/config"), ("GET", TABLE), ("POST", TABLE), ("GET", "/none")])
def test_without_the_token_nothing_is_told(served, said, method, path):
    answer = served.ask(path, method, Authorization=said.format(token=served.token))
    assert answer.refusal == (401, "NotAuthorizedException")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def ask_for_token(served, authorization="", **form):
    return served.ask("/v1/oauth/tokens", "POST", body=urlencode(form), Authorization=authorization)


def test_the_secret_of_a_client_is_the_token(served):
    basic = base64.b64encode(f"me:{served.token}".encode()).decode()
    answers = [
        ask_for_token(served, grant_type="client_credentials", client_id="me", client_secret=served.token),
        ask_for_token(served, f"Basic {basic}", grant_type="client_credentials"),
        ask_for_token(served, grant_type="urn:ietf:params:oauth:grant-type:token-exchange", subject_token=served.token),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert {answer.json["access_token"] for answer in answers} == {served.token}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


@pytest.mark.parametrize(
    ("authorization", "form", "status", "error"),
    [
        ("", {"grant_type": "client_credentials", "client_secret": "wrong"}, 401, "invalid_client"),
        ("", {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ("Basic ?", {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ("", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("", {}, 400, "unsupported_grant_type"),
        ("", {"grant_type": "x" * 20_000}, 413, "invalid_request"),
    ],
)
def test_other_secrets_and_grants_get_no_token(served, authorization, form, status, error):
    answer = ask_for_token(served, authorization, **form)
    assert (answer.status, answer.json["error"]) == (status, error)


# Nothing can be changed


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path", ["/v1/main/namespaces", TABLE, "/v1/main/tables/rename", "/v1/main/transactions/commit", "/v1/config"]
)
def test_whatever_writes_is_refused(served, method, path):
    before = served.lake.resolve("main").id
    answer = served.ask(path, method, body="{}")
    assert answer.refusal == (405, "UnsupportedOperationException")
    assert answer.headers["allow"] == "GET, HEAD"
    assert "read-only" in answer.json["error"]["message"]
    assert served.lake.resolve("main").id == before


# Tables that cannot be handed out


def in_process(catalog, path, method="GET", query=""):
    """The status and the JSON of an answer, without a network."""
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "server": ("here", 80), "scheme": "http",
        "headers": [(b"authorization", b"Bearer sixteen-letters-or-more")],
    }  # fmt: skip
    with suppress(RuntimeError):  # raised again, for the log
        asyncio.run(app(catalog, Token("sixteen-letters-or-more"))(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]


def test_a_table_is_handed_to_nobody_who_may_not_see_all_of_it(served):
    for scope in (Scope(columns=("id",)), Scope(columns=())):
        status, error = in_process(IcebergCatalog(served.lake, lambda _, one=scope: one), TABLE)
        assert (status, error["type"], error["message"][:5]) == (403, "ForbiddenException", "PL401")
        with pytest.raises(NotAllowed):
            Lender(served.lake).lend(ORDERS, scope, "main")


def test_a_bug_is_said_without_what_is_inside(served):
    def broken(_):
        raise RuntimeError("the password is 1234")

    status, error = in_process(IcebergCatalog(served.lake, broken), TABLE)
    assert (status, error["message"]) == (500, "this is a bug in Pilotline: RuntimeError")


def test_a_state_that_a_sweep_gave_up_is_not_there(tmp_path):
    lake = shop.filled(open_lake(tmp_path))
    old = lake.resolve("opening").id
    lake.create_branch("third")
    lake.write("third", TableName("stock", "items"), shop.orders(9, 1), Replace())
    lake.publish("third", require_checked=False)
    middle = lake.resolve("main").id
    lake.create_branch("fourth")
    lake.write("fourth", TableName("stock", "items"), shop.orders(10, 1), Replace())
    lake.publish("fourth", require_checked=False)
    now = datetime.now(UTC) + timedelta(days=1)
    sweep(lake, keep=timedelta(0), grace=timedelta(0), now=now, do=True)
    catalog = IcebergCatalog(lake, lambda _: Scope.everything("the owner"))
    status, error = in_process(catalog, f"/v1/{middle}/namespaces/stock/tables/items")
    assert (status, error["type"], error["message"][:5]) == (404, "NoSuchTableException", "PL244")
    assert catalog.table(old, "shop", "orders")["metadata-location"].endswith(".json")
    lake.database.close()


def test_a_table_that_lay_elsewhere_is_refused_until_it_is_written_again_or_linked(tmp_path):
    shop.filled(open_lake(tmp_path / "old")).database.close()
    shutil.move(tmp_path / "old", tmp_path / "new")
    lake = open_lake(tmp_path / "new")
    lake.create_branch("again")
    lake.write("again", TableName("stock", "items"), shop.orders(1, 2), Replace())
    lake.write("again", ORDERS, shop.orders(10, 1), Append())
    catalog = IcebergCatalog(lake, lambda _: Scope.everything("the owner"))
    for ref in ("main", "again"):
        status, error = in_process(catalog, f"/v1/{ref}/namespaces/shop/tables/orders")
        assert (status, error["type"], error["message"][:5]) == (422, "UnprocessableEntityException", "PL248")
    answer = catalog.table("again", "stock", "items")
    assert answer["metadata"]["location"].startswith(str(tmp_path / "new"))
    lake.database.close()

    (tmp_path / "old").symlink_to(tmp_path / "new")
    server = shop.Served(lake, tmp_path / "new")
    client = load_catalog("linked", type="rest", uri=server.address, token=server.token, warehouse="again")
    assert client.load_table("shop.orders").scan().to_arrow().to_pylist() == shop.rows(lake, "again")
    server.stop()
    lake.database.close()
