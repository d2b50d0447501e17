"""Old orders and what runs printed are let go, as the settings say; what is young, runs and tables stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilotline.domain.orders import Ask
from pilotline.factory.forgetting import Kept, forget, kept_of
from pilotline.factory.ledger import Ledger
from pilotline.run.errors import BadSettings
from pilotline.run.logs import Logs
from pilotline.run.output import Line
from pilotline.run.projects import Project
from pilotline.run.records import Records


def test_what_is_too_old_is_let_go_and_nothing_else(lake):
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    ledger, logs = Ledger(lake.database, clock=lambda: now[0]), Logs(lake.database)
    Records(lake.database)
    for day in (1, 40, 100):
        now[0] = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        number = ledger.submit(Ask(id=f"day {day}", pipeline="p", project="/shop"))
        ledger.cancel(number, "somebody")
        with lake.database.writing() as tx:
            tx.execute(
                "INSERT INTO run (number, pipeline, module, state, onto, base, outcome, parameters, recipes, environment,"
                " author, began, ended, host, pid, pid_began, kept) VALUES (:day, 'p', 'p.py', 'failed', 'main', '', '', '{}', '{}', '',"
                " 'a', :at, :at, 'h', 1, '', '')",
                day=day,
                at=now[0].isoformat(),
            )
        logs.add(day, 0, [Line(at=0.0, stream="stdout", step="s", text="said")])
    waiting = ledger.submit(Ask(id="waits", pipeline="p", project="/shop"))
    assert forget(Kept(orders=None, logs=None), ledger, logs) == (0, 0)
    assert forget(Kept(orders=timedelta(days=90), logs=timedelta(days=30)), ledger, logs) == (1, 2)
    assert [order.ask.id for order in ledger.orders()] == ["waits", "day 100", "day 40"]
    assert ledger.events(waiting) != []
    assert [len(logs.after(day)[1]) for day in (1, 40, 100)] == [0, 0, 1]


def test_how_long_is_a_setting(tmp_path):
    project = Project(folder=tmp_path)
    assert kept_of(project) == Kept(orders=timedelta(days=90), logs=timedelta(days=30))
    (tmp_path / "pilotline.toml").write_text('[factory]\nkeep_orders = "forever"\nkeep_logs = "12h"\n')
    assert kept_of(project) == Kept(orders=None, logs=timedelta(hours=12))
    (tmp_path / "pilotline.toml").write_text('[factory]\nkeep_logs = "a while"\n')
    with pytest.raises(BadSettings, match="keep_logs"):
        kept_of(project)
