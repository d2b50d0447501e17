"""What a plan asks of the past is right and quick, however long a pipeline has been running."""

from __future__ import annotations

import time

import pytest

from pilotline.run.opening import open_lake_here

COUNT = 3000
AT = "2026-01-01T00:00:00.000000+00:00"
NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"


@pytest.fixture
def records(tmp_path, lies):
    """Runs of two pipelines in turn; one computed all but the step "seldom" each time, that one in run 1001 alone."""
    (tmp_path / "pilotline.toml").touch()
    lake, found = open_lake_here(tmp_path)
    found.runs()
    with lake.database.writing() as tx:
        tx.execute(
            f"{NUMBERS} INSERT INTO run (number, pipeline, module, state, onto, base, outcome, parameters, recipes, environment,"
            " author, began, ended, host, pid, pid_began, commit_id, kept)"
            " SELECT i, CASE i % 3 WHEN 2 THEN 'daily' ELSE 'other' END, 'm', 'published', 'main', '', 'o' || i, '{}', '{}', '', '',"
            " :at, :at, '', 0, '', 'c' || i, 'order-' || i FROM n",
            at=AT, count=COUNT,
        )  # fmt: skip
        for step in ("load", "fit", "seldom"):
            tx.execute(
                f"{NUMBERS} INSERT INTO step_result (run, step, key, outcome, seconds, cpu, size, facts)"
                " SELECT i, :step, 'k', CASE WHEN :step <> 'seldom' OR i = 1001 THEN 'computed' ELSE 'reused' END,"
                " 1.0 * i, NULL, 1, '{\"seen\": ' || i || '}' FROM n",
                step=step, count=COUNT,
            )  # fmt: skip
        for name in ("rows", "error"):
            tx.execute(
                f"{NUMBERS} INSERT INTO metric (run, name, value, text) SELECT i, :name, i, '' FROM n WHERE i % 2 = 0",
                name=name, count=COUNT,
            )  # fmt: skip
    yield found
    lake.database.close()


def test_the_last_times_of_each_step_and_number_are_found_at_once(records):
    began = time.perf_counter()
    assert records.facts("daily", ("load", "seldom", "never")) == {"load": {"seen": 2999}, "seldom": {"seen": 1001}}
    assert records.costs("daily", ("fit", "seldom", "never")) == {"fit": (2993.0, None), "seldom": (1001.0, None)}
    run = records.run(2999)
    assert records.metrics_before(run) == {"rows": (2996.0, "", 2996), "error": (2996.0, "", 2996)}
    assert [each.number for each in records.runs_kept("order-77")] == [77]
    assert records.runs_kept("") == ()
    assert records.run_of("c1234").number == 1234
    assert records.published_with("daily", "main", "o5").number == 5
    # It took minutes where each result was compared with all later ones.
    assert time.perf_counter() - began < 5
