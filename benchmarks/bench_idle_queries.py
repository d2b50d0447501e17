"""What a factory with nothing to do asks of Postgres, and how soon it hears of something to do all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Result, Spread, from_tests

from pilotline.domain.orders import Ask
from pilotline.factory.ledger import Ledger
from pilotline.lake.lake import open_lake

NAME = "idle-queries"
GOAL = "a factory and two more workers that are idle send Postgres at most 16 statements a second, and begin an order in 0.3 s"

_LIMIT = 16.0
_SECONDS = 30.0
_RUNS = 15
_SOON = 0.3


def measure() -> Result:
    """Statements a second of a factory and two workers, as the server's own log counts them."""
    postgres = from_tests("services", "services.py").Postgres()
    try:
        return _measure(postgres)
    finally:
        postgres.close()


def _measure(postgres: Any) -> Result:
    import psycopg

    url = postgres.database()
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as home:
        folder = Path(home) / "shop"
        folder.mkdir()
        (folder / "pilotline.toml").touch()
        (folder / "daily.py").write_text(
            "def one() -> int:\n    return 1\n\n\ndef pipeline():\n    n = one()\n    return {'n': n}\n"
        )
        (folder / "daily.toml").write_text('schedule = "after sales.orders"\n')
        environ = dict(os.environ, PILOTLINE_DATABASE=url)
        command = [sys.executable, "-m", "pilotline"]
        started = [
            subprocess.Popen([*command, "factory", "--port", "0"], cwd=folder, env=environ, stdout=subprocess.DEVNULL)
        ]
        started += [
            subprocess.Popen([*command, "worker"], cwd=folder, env=environ, stdout=subprocess.DEVNULL) for _ in range(2)
        ]
        try:
            time.sleep(6)
            log = postgres.data.parent / "log"
            with psycopg.connect(url, autocommit=True) as connection:
                # Of those that are connected already, too.
                connection.execute("ALTER SYSTEM SET log_statement = 'all'")
                connection.execute("SELECT pg_reload_conf()")
                time.sleep(1)
                before = log.stat().st_size
                time.sleep(_SECONDS)
                lines = log.read_bytes()[before:].decode().splitlines()
                connection.execute("ALTER SYSTEM RESET log_statement")
                connection.execute("SELECT pg_reload_conf()")
            said = [line for line in lines if "LOG:  statement:" in line or "LOG:  execute" in line]
            ledger = Ledger(open_lake(folder, database=url).database)
            soon = Spread.of([_begun(ledger, folder) for _ in range(_RUNS)])
            ledger.close()
        finally:
            for one in started:
                one.send_signal(signal.SIGTERM)
            for one in started:
                one.wait(60)
    rate = len(said) / _SECONDS
    return Result(
        figure=rate,
        unit="statements/s",
        goal=_LIMIT,
        peer="the limit",
        peer_figure=_LIMIT,
        ok=rate <= _LIMIT and soon.median <= _SOON,
        command="pilotline factory; pilotline worker; pilotline worker",
        data={"submit to claim, s": soon.as_data()},
    )


def _begun(ledger: Ledger, folder: Path) -> float:
    """From the submit to the claim, by the database's clock."""
    time.sleep(0.3)
    number = ledger.submit(Ask(pipeline="daily", project=str(folder), fresh=True, key=""))
    while (order := ledger.order(number)).state in {"waiting", "running"}:
        time.sleep(0.02)
    assert order.state == "done", order.because
    assert order.began is not None
    return (order.began - order.submitted).total_seconds()
