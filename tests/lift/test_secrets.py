"""Credentials in notebooks: which texts are ones, which are not, and that none is left in the cells that are run."""

from __future__ import annotations

import ast
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotline.lift.reading import read
from pilotline.lift.secrets import Hider, Secret, SecretStays, named_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from pilotline.domain.notebooks import Notebook

GITHUB = "ghp_" + "a1B2" * 9
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQ\n-----END RSA PRIVATE KEY-----"

FOUND = {
    'password = "hunter2"': {"EXPLORE_PASSWORD": "hunter2"},
    'DB_PASSWORD = "sesame"': {"DB_PASSWORD": "sesame"},
    'warehousePassword = "Ab1!"': {"WAREHOUSE_PASSWORD": "Ab1!"},
    f'x = "{GITHUB}"': {"GITHUB_TOKEN": GITHUB},
    f'headers = {{"Authorization": "Bearer {JWT}"}}': {"EXPLORE_ACCESS_TOKEN": JWT},
    'key = "AKIAIOSFODNN7EXAMPLE"': {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
    'slack("xoxb-123456789012-abcdefABCDEF")': {"SLACK_TOKEN": "xoxb-123456789012-abcdefABCDEF"},
    'genai.configure(api_key="AIzaSyA1234567890abcdefghijklmnopqrstuv")': {
        "EXPLORE_API_KEY": "AIzaSyA1234567890abcdefghijklmnopqrstuv"
    },
    'openai.api_key = "sk-proj-abc123DEF456ghi789"': {"EXPLORE_API_KEY": "sk-proj-abc123DEF456ghi789"},
    'e = create_engine("postgresql://app:s3cr3t@db/orders")': {"ORDERS_DB_PASSWORD": "s3cr3t"},
    'e = create_engine(f"postgresql://app:s3cr3t@{host}/{name}")': {"DB_PASSWORD": "s3cr3t"},
    'c = "Driver=x;Server=y;UID=me;PWD=Qwe!23;Port=1"': {"DB_PASSWORD": "Qwe!23"},
    'psycopg2.connect(dbname="orders", user="me", password="grace")': {"ORDERS_DB_PASSWORD": "grace"},
    'pymysql.connect("host", "me", "pw-1234")': {"DB_PASSWORD": "pw-1234"},
    'requests.get(u, auth=("me", "letmein"))': {"EXPLORE_PASSWORD": "letmein"},
    'requests.get("https://x.org/v1?appid=0a1b2c3d4e5f6a7b")': {"EXPLORE_API_KEY": "0a1b2c3d4e5f6a7b"},
    'conf = {"user": "me", "password": "pAss-word"}': {"EXPLORE_PASSWORD": "pAss-word"},
    'os.environ["AWS_SECRET_ACCESS_KEY"] = "wJalrXUtnFEMI/K7MDENG"': {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"},
    'k = os.getenv("WEATHER_API_KEY", "0a1b2c3d4e5f")': {"WEATHER_API_KEY": "0a1b2c3d4e5f"},
    "%env WEATHER_API_KEY=0a1b2c3d4e5f": {"WEATHER_API_KEY": "0a1b2c3d4e5f"},
    f"!curl -H 'Authorization: token {GITHUB}' https://api.github.com": {"GITHUB_TOKEN": GITHUB},
    f'pem = """{PEM}"""': {"EXPLORE_PRIVATE_KEY": PEM},
    'def connect(user, password="p4ssw0rd"):\n    pass': {"EXPLORE_PASSWORD": "p4ssw0rd"},
    'user, password = "me", "p4ssw0rd"': {"EXPLORE_PASSWORD": "p4ssw0rd"},
    'token: str = "a8f5f167f44f4964e6c998dee827110c"': {"EXPLORE_TOKEN": "a8f5f167f44f4964e6c998dee827110c"},
    'raw = b"sk-live-9f8b2c77d1e04a6bb3c5"': {"EXPLORE_API_KEY": "sk-live-9f8b2c77d1e04a6bb3c5"},
}
NONE = [
    'columns = ["password", "token", "secret"]',
    'df = df.drop(columns=["password"])',
    'df["password"]',
    'df.rename(columns={"password": "pwd_hash"})',
    'df.agg({"token": "nunique", "password": "count"})',
    'pd.read_csv("users.csv", dtype={"password": "string"})',
    'schema = {"password": "varchar(20)"}',
    'password = ""',
    'password = "<your password>"',
    'api_key = "YOUR_API_KEY"',
    'api_key = "your-api-key-here"',
    'password = "********"',
    'password = os.environ["DB_PASSWORD"]',
    'password = getpass("password: ")',
    'token = "<PAD>"',
    'pad_token = "[PAD]"',
    'tokenizer = "bert-base-uncased"',
    'token_pattern = r"(?u)\\b\\w+\\b"',
    'TfidfVectorizer(token_pattern="[a-z]{3,}")',
    'for token in ["the", "cat"]: pass',
    'key = "customer_id"',
    'sort_key = "ordered_at"',
    'primary_key = "order_id"',
    'df.set_index(key="id_2024")',
    'md5 = ["5d41402abc4b2a76b9719d911017c592"]',
    'sha = "da39a3ee5e6b4b0d3255bfef95601890afd80709"',
    'url = "https://example.org/a?page=2&key=name"',
    'url = "postgresql://localhost:5432/orders"',
    'url = f"postgresql://{user}:{password}@{host}/orders"',
    'url = "postgresql://user:<password>@host/db"',
    'text = "Basic understanding"',
    'title = "Bearer of news"',
    'secret = "salary"',
    'author = "auth"',
    'pwd = "/home/me/project"',
    'ms = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA"',
    "sk = 'sk-learn-contrib'",
]


def book(folder: Path, *cells: str, name: str = "explore.ipynb") -> Notebook:
    raw = [
        {"cell_type": "markdown", "metadata": {}, "source": cell[3:]}
        if cell.startswith("md:")
        else {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for cell in cells
    ]
    path = folder / name
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": raw}), encoding="utf-8")
    return read(path)


@pytest.mark.parametrize(("cell", "secrets"), FOUND.items(), ids=[cell[:40] for cell in FOUND])
def test_a_credential_is_found_and_named(tmp_path: Path, cell: str, secrets: dict[str, str]) -> None:
    clean, found = named_secrets(book(tmp_path, cell))
    assert {one.name: one.value for one in found} == secrets
    assert not any(value in one.python + one.source for value in secrets.values() for one in clean.cells)


@pytest.mark.parametrize("cell", NONE)
def test_what_only_looks_like_one_stays(tmp_path: Path, cell: str) -> None:
    notebook = book(tmp_path, cell)
    clean, found = named_secrets(notebook)
    assert (found, clean.code[0].python) == ((), notebook.code[0].python)


def test_comments_markdown_and_saved_outputs_lose_it_too(tmp_path: Path) -> None:
    notebook = book(
        tmp_path,
        f"md:The token is {GITHUB}.",
        'password = "Tr0ub4dor&3"  # Tr0ub4dor&3, as told by Ann\n"""Never tell Tr0ub4dor&3."""',
        "# the password is hunter22\nx = 1",
    )
    clean, _ = named_secrets(notebook)
    assert [one.python or one.source for one in clean.cells] == [
        "The token is <GITHUB_TOKEN>.",
        (
            "password = __import__('os').environ['EXPLORE_PASSWORD']  # <EXPLORE_PASSWORD>, as told by Ann\n"
            '"""Never tell <EXPLORE_PASSWORD>."""'
        ),
        "# the password is <PASSWORD>\nx = 1",
    ]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    source = f'a = 1\npem = """{PEM}"""\nb = 2'
    clean, _ = named_secrets(book(tmp_path, source))
    assert ast.parse(clean.code[0].python).body[-1].lineno == ast.parse(source).body[-1].lineno


def test_one_that_must_be_written_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretStays) as raised:
        named_secrets(book(tmp_path, f'match token:\n    case "{GITHUB}":\n        x = 1'))
    assert (raised.value.code, raised.value.facts["cell"]) == ("PL175", 1)
    assert GITHUB not in raised.value.message


TEMPLATES = (
    "token = {0!r}",
    "conf = {{'url': 'x', 'api_key': {0!r}}}\ntoken = conf['api_key']",
    "url = {1!r}\ntoken = url.split(':')[2].split('@')[0]",
    "host = 'h'\nurl = f'mysql://me:{0}@{{host}}/db'\ntoken = url",
    "def f(password={0!r}):\n    return password\ntoken = f()",
    "token = ('GET'\n         ' Password={0};UID=me')",
    "token = b'Server=x;PWD={0};'.decode()",
    "password = {0!r}; token = f'{{password!r:>40}} {0}'",
)


@given(
    template=st.sampled_from(TEMPLATES),
    secret=st.from_regex(r"[A-Za-z]{4}[0-9]{3}[A-Za-z_~.-]{3,20}[0-9]", fullmatch=True),
)
def test_cells_give_the_same_without_the_literal(template: str, secret: str, tmp_path_factory) -> None:
    source = template.format(secret, f"postgres://app:{secret}@db/orders")
    clean, found = named_secrets(book(tmp_path_factory.mktemp("n"), source))
    python = clean.code[0].python
    assert secret not in python
    before: dict[str, object] = {}
    exec(source, before)  # noqa: S102 (a generated cell)
    after: dict[str, object] = {}
    os.environ.update({one.name: one.value for one in found})
    try:
        exec(python, after)  # noqa: S102
    finally:
        for one in found:
            del os.environ[one.name]
    assert after["token"] == before["token"]


def test_a_hider_takes_known_and_unknown_ones_out_of_a_text() -> None:
    hider = Hider([Secret(name="DB_PASSWORD", value="hunter22", what="password", cell=1, line=1)])
    assert hider.text(f"no access for 'hunter22' with {GITHUB} at postgres://a:b1c2@h/x; hunter221") == (
        "no access for '<DB_PASSWORD>' with <GITHUB_TOKEN> at postgres://a:<X_DB_PASSWORD>@h/x; hunter221"
    )
