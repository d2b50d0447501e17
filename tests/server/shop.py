"""A filled lake, and `pilotline serve` over it in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa

from pilotline.domain.access import Scope
from pilotline.domain.tables import Append, Replace, TableName

if TYPE_CHECKING:
    from pathlib import Path

    from pilotline.lake.lake import Lake

ORDERS = TableName("shop", "orders")
EVERYTHING = Scope.everything("the owner")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        error = self.json["error"]
        assert error["code"] == self.status
        return self.status, error["type"]


class Served:
    """`pilotline serve` in a process of its own, over a lake."""

    def __init__(self, lake: Lake, folder: Path, *words: str, **environ: str) -> None:
        self.lake = lake
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pilotline", "serve", "--port", "0", "--json", *words],
            cwd=folder,
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        said = ""
        while not said.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            said += line
        self.document = json.loads(said)
        self.address: str = self.document["address"]
        self.token: str = self.document["token"]

    def ask(self, path: str, method: str = "GET", *, body: str | None = None, **headers: str) -> Answer:
        """Send a request; with the token, where no other `Authorization` is given."""
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=30)
        sent = {"Authorization": f"Bearer {self.token}"} | headers
        connection.request(method, path, body, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


def orders(first: int, count: int) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "amount": pa.array([number * 2.5 for number in numbers], pa.float64()),
            "at": pa.array(
                [datetime(2026, 1, number, 12, tzinfo=UTC) for number in numbers], pa.timestamp("us", "UTC")
            ),
            "region": pa.array([None if number % 3 == 0 else "north" for number in numbers]),
        }
    )


def filled(lake: Lake) -> Lake:
    """Tables in two states that were published, the first with a tag, and a third on a branch."""
    lake.create_branch("first")
    lake.write("first", ORDERS, orders(1, 4), Replace())
    lake.write("first", TableName("shop", "nothing"), orders(1, 0), Replace())
    lake.write("first", TableName("stock", "items"), orders(1, 2), Replace())
    lake.publish("first", require_checked=False)
    lake.tag("opening", "main")
    lake.create_branch("second")
    lake.write("second", ORDERS, orders(5, 3), Append())
    lake.publish("second", require_checked=False)
    lake.create_branch("review/prices")
    lake.write("review/prices", ORDERS, orders(8, 2), Append())
    return lake


def rows(lake: Lake, at: str, name: TableName = ORDERS) -> list[dict[str, Any]]:
    return lake.scan(name, EVERYTHING, at).read_all().to_pylist()
