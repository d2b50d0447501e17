"""What monitoring wants to know, in the text format of Prometheus. Asked anew each time; no past is added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pilotline.factory.alerting import Alerting
from pilotline.factory.ledger import Ledger
from pilotline.factory.scheduling import Schedules
from pilotline.run.emitting import MIGRATIONS as OPENLINEAGE
from pilotline.run.emitting import waiting_by_project
from pilotline.run.records import Records
from pilotline.run.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pilotline.lake.lake import Lake

__all__ = ["metrics"]


def metrics(lake: Lake) -> str:
    """All of it.

    Args:
        lake: whose runs and tables are told of.
    """
    records = Records(lake.database)
    lines: list[str] = []
    going: Mapping[str, int] = {"pending": 0, "running": 0, **records.going_on()}
    newest = 0
    last: list[tuple[Mapping[str, str], float, float, float]] = []
    published: list[tuple[Mapping[str, str], float]] = []
    for pipeline in records.pipelines():
        own = records.of(pipeline.project)
        run = own.last_run(pipeline.name)
        newest = max(newest, run.number)
        label = {"project": pipeline.project, "pipeline": pipeline.name}
        ended = run.ended or datetime.now(UTC)
        good = 0.0 if run.state in {"failed", "cancelled"} else 1.0
        last.append((label, good, run.began.timestamp(), (ended - run.began).total_seconds()))
        past = own.last_published(pipeline.name, "main")
        if past is not None:
            published.append((label, past.ended.timestamp()))
    lines += _family("pilotline_runs_total", "counter", "Runs that were ever begun.", [({}, newest)])
    lines += _family(
        "pilotline_runs_unfinished", "gauge", "Runs that have not ended.",
        [({"state": state}, count) for state, count in sorted(going.items())],
    )  # fmt: skip
    lines += _family(
        "pilotline_orders", "gauge", "Orders that wait, also for their time, and that run.",
        [({"state": state}, count) for state, count in sorted(Ledger(lake.database).counts().items())],
    )  # fmt: skip
    for place, (name, told) in enumerate(
        (
            ("pilotline_pipeline_last_run_good", "0 where the last run failed or was stopped, else 1."),
            ("pilotline_pipeline_last_run_began_seconds", "When the last run began, in seconds since 1970."),
            ("pilotline_pipeline_last_run_took_seconds", "How long the last run took, or takes until now."),
        ),
        start=1,
    ):
        lines += _family(name, "gauge", told, [(row[0], float(str(row[place]))) for row in last])
    lines += _family(
        "pilotline_pipeline_published_seconds",
        "gauge",
        "When a pipeline last published, in seconds since 1970.",
        published,
    )
    alerts: dict[str, int] = {"failed": 0, "late": 0, "long": 0}
    for alert in Alerting(lake.database).open():
        alerts[alert.kind] += 1
    lines += _family(
        "pilotline_alerts_open", "gauge", "What is wrong, as it was seen last.",
        [({"kind": kind}, count) for kind, count in sorted(alerts.items())],
    )  # fmt: skip
    waited = Schedules(lake.database, Ledger(lake.database)).latencies()
    for name, told, seconds in (
        ("promised", "How soon after a publish a schedule promises to begin.", [each.within for each in waited]),
        (
            "latency",
            "From the publish that a schedule took last until a worker began on it.",
            [each.last for each in waited],
        ),
        (
            "waiting",
            "For how long changes wait that nobody has begun on.",
            [each.waiting or timedelta(0) for each in waited],
        ),
    ):
        samples = [
            ({"schedule": each.schedule}, span.total_seconds())
            for each, span in zip(waited, seconds, strict=True)
            if span is not None
        ]
        lines += _family(f"pilotline_schedule_{name}_seconds", "gauge", told, samples)
    lines += _family(
        "pilotline_schedule_promise_kept", "gauge", "0 where what a schedule promises is missed, else 1.",
        [({"schedule": each.schedule}, float(not each.missed)) for each in waited if each.within],
    )  # fmt: skip
    lake.database.register("openlineage", OPENLINEAGE)
    lines += _family(
        "pilotline_openlineage_waiting", "gauge", "Runs that ended and that another catalog was not told of yet.",
        [({"project": project}, count) for project, count in waiting_by_project(lake.database).items()],
    )  # fmt: skip
    lines += _family(
        "pilotline_table_rows", "gauge", "Rows of a table on main.",
        [({"table": str(info.table)}, info.rows) for info in lake.tables("main")],
    )  # fmt: skip
    lines += _family(
        "pilotline_table_reads_total", "counter", "Reads of a table by people and engines, runs not counted.",
        [({"table": name}, reads) for name, (reads, _) in sorted(Usage(lake.database).ever().items())],
    )  # fmt: skip
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, told: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{said}}} {value:.15g}" if said else f"{name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
