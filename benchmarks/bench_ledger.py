"""How fast a run of an order records its steps; whether a million past orders and runs slow listings, claims and plans down."""

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
GOAL = (
    "300 step records a second on SQLite, each a transaction that asks for the claim; behind 1 M orders and 1 M runs a listing, a"
    " claim and what a plan asks take less than twice as long, or 2 ms"
)

_RECORDS = 1500
_PAST = 1_000_000
_LEASE = timedelta(hours=1)
_STEPS = ("first", "second")
#: What takes no longer than this is quick, however much quicker it was before; in seconds.
_QUICK = 0.002


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
        before = _looks(ledger, plain)
        _fill(lake.database, 1000, _PAST)
        after = _looks(ledger, plain)
        lake.database.close()
    slow = [name for name, each in after.items() if each.median > _QUICK and each.median >= 2 * before[name].median]
    return Result(
        figure=kept,
        unit="records/s",
        goal=300,
        peer="without a claim, records/s",
        peer_figure=without,
        ok=kept >= 300 and not slow,
        command="Records.note, one step a transaction",
        data={
            "past_orders": _PAST,
            "past_runs": _PAST,
            "slower": slow,
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

    with database.writing() as tx:
        numbers = "WITH RECURSIVE n (i) AS (SELECT :first + 1 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
        # Above the run that records were counted for.
        tx.execute(
            f"{numbers} INSERT INTO run (number, pipeline, module, state, onto, branch, base, outcome, parameters, recipes,"
            " environment, author, began, ended, host, pid, pid_began, commit_id, kept)"
            " SELECT 1000 + i, 'p' || (i % 100), 'p', 'published', 'main', 'run-' || i, '', 'o' || i, '{}', '{\"first\": {}}', '', '',"
            " :at, :at, '', 0, '', 'c' || i, 'order-' || i FROM n",
            first=first, last=last, at="2026-01-01T00:00:00.000000+00:00",
        )  # fmt: skip
        for step in _STEPS:
            tx.execute(
                f"{numbers} INSERT INTO step_result (run, step, key, outcome, seconds, cpu, size, facts)"
                " SELECT 1000 + i, :step, 'k' || i, 'computed', 1.0, 1.0, 10, '{}' FROM n",
                first=first, last=last, step=step,
            )  # fmt: skip


def _looks(ledger: Ledger, records: Records) -> dict[str, Spread]:
    def took(call: Callable[[], object]) -> Spread:
        figures: list[float] = []
        for _ in range(50):
            began = time.perf_counter()
            call()
            figures.append(time.perf_counter() - began)
        return Spread.of(figures)

    return {
        "listing": took(ledger.orders),
        "listing_of_state": took(lambda: ledger.orders(state="done")),
        "listing_of_pipeline": took(lambda: ledger.orders(pipeline="p7")),
        "claim_of_nothing": took(lambda: ledger.claim("bench", _LEASE)),
        "listing_of_runs": took(records.runs),
        "runs_of_an_order": took(lambda: records.runs_kept("order-500")),
        "run_of_a_commit": took(lambda: records.run_of("c500")),
        "plan": took(lambda: _asked_by_a_plan(records)),
        "costs": took(lambda: records.costs("p7", _STEPS)),
    }


def _asked_by_a_plan(records: Records) -> None:
    records.facts("p7", _STEPS)
    records.recipes("p7")
    records.last_published("p7", "main")
    records.published_with("p7", "main", "another")
    records.interrupted("p7", "main")
