"""How fast a run of an order records its steps, and whether a million past orders slow listings and claims down."""

from __future__ import annotations

import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Result, Spread

from pilotline.domain.orders import Ask
from pilotline.factory.ledger import Ledger
from pilotline.lake.lake import open_lake
from pilotline.run.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "ledger"
GOAL = "300 step records a second on SQLite, each a transaction that asks for the claim; listings as fast behind 1 M orders"

_RECORDS = 1500
_PAST = 1_000_000
_LEASE = timedelta(hours=1)


class _Keeper:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        claim = ledger.claim("bench", _LEASE)
        assert claim is not None
        self._claim = claim

    @property
    def name(self) -> str:
        return self._claim.order.name

    def hold(self, within: object) -> None:
        self._ledger.hold(self._claim, within)

    def done(self, within: object, number: int, state: str) -> None:
        self._ledger.finish(self._claim, number, state, within=within)


def measure() -> Result:
    """Records a second; the peer is the same without a claim that is asked for."""
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as home:
        lake = open_lake(Path(home))
        ledger = Ledger(lake.database)
        ledger.submit(Ask(pipeline="bench", project=home))
        plain = Records(lake.database)
        number = _run(lake.database, plain)
        without = _rate(plain, number, "a")
        kept = _rate(plain.kept_by(_Keeper(ledger)), number, "b")
        _fill(lake.database, 0, 1000)
        before = _looks(ledger)
        _fill(lake.database, 1000, _PAST)
        after = _looks(ledger)
        lake.database.close()
    slower = after["listing"].median / before["listing"].median
    return Result(
        figure=kept,
        unit="records/s",
        goal=300,
        peer="without a claim, records/s",
        peer_figure=without,
        ok=kept >= 300 and slower < 2,
        command="Records.note, one step a transaction",
        data={
            "past_orders": _PAST,
            **{f"{name}_before_s": each.as_data() for name, each in before.items()},
            **{f"{name}_after_s": each.as_data() for name, each in after.items()},
        },
    )


def _run(database: object, records: Records) -> int:
    records.runs(1)
    with database.writing() as tx:
        rows = tx.execute(
            "INSERT INTO run (pipeline, module, state, onto, base, outcome, parameters, recipes, environment, author, began, host,"
            " pid, pid_began) VALUES ('bench', 'bench', 'running', 'main', '', '', '{}', '{}', '', '', '', '', 0, '')"
            " RETURNING number"
        )
    return int(rows[0][0])


def _rate(records: Records, run: int, prefix: str) -> float:
    began = time.perf_counter()
    for number in range(_RECORDS):
        event = {"event": "step", "step": f"{prefix}{number}", "key": "k" * 40, "outcome": "computed", "seconds": 0.1}
        records.note(run, [event | {"at": time.time()}])
    return _RECORDS / (time.perf_counter() - began)


def _fill(database: object, first: int, last: int) -> None:
    with database.writing() as tx:
        tx.execute(
            "WITH RECURSIVE n (i) AS (SELECT :first + 1 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
            " INSERT INTO factory_order (id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due,"
            " origin, schedule, attempts, owner, fresh, state, submitted, ended)"
            " SELECT 'x' || i, 'p' || (i % 100), '/p', '', 'main', '{}', '', '', 0, :at, 'schedule', 's' || (i % 100), 1, '', 0,"
            " 'done', :at, :at FROM n",
            first=first,
            last=last,
            at="2026-01-01T00:00:00.000000+00:00",
        )


def _looks(ledger: Ledger) -> dict[str, Spread]:
    def took(call: Callable[[], object]) -> Spread:
        figures: list[float] = []
        for _ in range(50):
            began = time.perf_counter()
            call()
            figures.append(time.perf_counter() - began)
        return Spread.of(figures)

    return {
        "listing": took(ledger.orders),
        "claim_of_nothing": took(lambda: ledger.claim("bench", _LEASE)),
    }
