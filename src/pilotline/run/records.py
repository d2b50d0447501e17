"""The rows that runs leave behind, in the same database as the catalog, so that one transaction can hold both.

States: pending (its branch is not open yet), running, then one of published, unchanged (nothing to do, or asked not to
publish), failed, cancelled. Every change of state is one named statement.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from pilotline.lake.database import named_statements
from pilotline.run.errors import NoSuchRun

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from pilotline.domain.checks import Verdict
    from pilotline.domain.plans import Plan
    from pilotline.lake.catalog import Transaction
    from pilotline.lake.database import Database, Session

__all__ = [
    "GONE",
    "Keeper",
    "PastRun",
    "PipelineOf",
    "Records",
    "Run",
    "RunState",
    "StepRow",
    "pipelines_run",
    "run_name",
]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "queries.sql")
MIGRATIONS: Final = (_SQL / "schema_001.sql", _SQL / "schema_002.sql", _SQL / "schema_003.sql", _SQL / "schema_004.sql")

#: So many runs of a pipeline are looked through for when a step was computed last.
_AMONG: Final = 1000

#: Why a run failed whose process ended without saying anything.
GONE: Final = "its process is gone"

RunState: TypeAlias = Literal["pending", "running", "published", "unchanged", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt to carry out a plan."""

    number: int
    pipeline: str
    module: str
    state: RunState
    onto: str
    branch: str | None
    base: str
    outcome: str
    parameters: Mapping[str, Any]
    environment: str
    author: str
    began: datetime
    ended: datetime | None
    resumes: int | None
    commit: str | None
    because: str
    #: Empty where it is older than the noting of projects.
    project: str = ""

    @property
    def name(self) -> str:
        """``run-7``."""
        return run_name(self.number)

    @property
    def of(self) -> PipelineOf:
        """The pipeline that it carries out."""
        return PipelineOf(project=self.project, name=self.pipeline)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PipelineOf:
    """A pipeline as runs know it: several projects that share a catalog may each have one of the same name."""

    project: str
    name: str

    def said_among(self, others: Iterable[PipelineOf]) -> str:
        """Its name; with its project where another project has one of that name."""
        shared = any(each.name == self.name and each.project != self.project for each in others)
        return f"{self.project}/{self.name}" if shared and self.project else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that published, as a plan needs it."""

    number: int
    outcome: str
    commit: str
    ended: datetime
    parameters: Mapping[str, Any]
    #: The commit that it read.
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """What a run did about one step."""

    step: str
    key: str
    outcome: Literal["computed", "reused", "postponed"]
    seconds: float | None
    cpu: float | None
    size: int | None
    facts: Mapping[str, Any]


class Keeper(Protocol):
    """Who answers for a run in place of the process that carries it out: a worker's claim on an order.

    It is asked in every transaction that writes for the run, so that a run that was given to another one writes nothing.
    """

    @property
    def name(self) -> str:
        """What it is known by; the same for all attempts of which at most one is alive."""
        ...

    def hold(self, within: Transaction) -> None:
        """Raise where the run is no longer this process's to go on with."""
        ...

    def done(self, within: Transaction, number: int, state: RunState) -> None:
        """Hear, in the transaction that says so, that a run has published or had nothing to do. Raises as ``hold`` does."""
        ...


def run_name(number: int) -> str:
    """What a run and its branch are called."""
    return f"run-{number}"


class Records:
    """The rows of runs.

    Args:
        database: the catalog's.
        project: whose pipelines are asked about by name, and whose runs are begun here. Empty: those of any.
        keeper: who answers for the runs that are begun here; None: this process.
    """

    def __init__(self, database: Database, *, project: str = "", keeper: Keeper | None = None) -> None:
        self._database = database
        self._project = project
        self._keeper = keeper
        database.register("run", MIGRATIONS)

    @property
    def database(self) -> Database:
        """Where the rows are."""
        return self._database

    def kept_by(self, keeper: Keeper) -> Records:
        """The same rows, written in the name of a keeper."""
        return Records(self._database, project=self._project, keeper=keeper)

    def of(self, project: str) -> Records:
        """The same rows, asked about the pipelines of another project; empty: of any."""
        return Records(self._database, project=project, keeper=self._keeper)

    # -- what a plan asks ----------------------------------------------------------------------------------------------

    def last_published(self, pipeline: str, onto: str) -> PastRun | None:
        """The last run of a pipeline that published."""
        return self._past("last_published", pipeline, onto=onto)

    def published_with(self, pipeline: str, onto: str, outcome: str) -> PastRun | None:
        """The last run that published this very outcome."""
        return self._past("published_with_outcome", pipeline, onto=onto, outcome=outcome)

    def published_after(self, pipeline: str, onto: str, number: int) -> tuple[PastRun, ...]:
        """Runs of a pipeline that published after one of them."""
        rows = self._rows_of("published_after", pipeline, onto=onto, number=number)
        return tuple(_past_run(row) for row in rows)

    def every_published(self, pipeline: str, onto: str) -> tuple[PastRun, ...]:
        """The runs of a pipeline that published, the first one first."""
        return tuple(_past_run(row) for row in self._rows_of("every_published", pipeline, onto=onto))

    def published_before(self, pipeline: str, onto: str, number: int) -> PastRun | None:
        """The last run of a pipeline that published, of those before one."""
        return self._past("published_before", pipeline, onto=onto, number=number)

    def recipes(self, pipeline: str) -> Mapping[str, Mapping[str, str]]:
        """What the keys of a pipeline's steps were made of in its last run."""
        rows = self._rows_of("last_recipes", pipeline)
        return json.loads(rows[0][0]) if rows else {}

    def facts(self, pipeline: str, steps: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """What steps of a pipeline were seen to do when they were computed last, if that was not too many runs ago."""
        with self._database.reading() as tx:
            found = {
                step: tx.execute(SQL["last_facts"], pipeline=pipeline, project=self._project, step=step, among=_AMONG)
                for step in steps
            }
        return {step: json.loads(rows[0][0]) for step, rows in found.items() if rows}

    def interrupted(self, pipeline: str, onto: str) -> tuple[int, ...]:
        """The last run of a pipeline, where it was stopped or its process is gone, and those that it took up itself."""
        rows = self._rows_of("interrupted", pipeline, onto=onto, gone=GONE)
        if not rows or any(int(rows[0][0]) == each and alive for each, _, alive in self.unfinished()):
            return ()
        return self.chain(int(rows[0][0]))

    def chain(self, number: int) -> tuple[int, ...]:
        """A run and those that it took up, back to the one that began."""
        found = [number]
        while (before := self._rows("resumed_by", number=found[-1])) and before[0][0] is not None:
            found.append(int(before[0][0]))
        return tuple(found)

    def unfinished(self) -> list[tuple[int, str | None, bool]]:
        """Runs that have not ended: number, branch, and whether they may live.

        A run that has a keeper lives until the keeper says otherwise, wherever it is; another one as long as its process
        does, as far as this host can tell.
        """
        found: list[tuple[int, str | None, bool]] = []
        for number, _, branch, host, pid, pid_began, _, kept in self._rows("unfinished_runs"):
            alive = bool(kept) or host != socket.gethostname() or (_began(pid) == pid_began != "")
            found.append((int(number), branch, alive))
        return found

    # -- what is looked at ---------------------------------------------------------------------------------------------

    def run(self, number: int) -> Run:
        """One run.

        Raises:
            NoSuchRun: there is none of that number.
        """
        rows = self._rows("run_by_number", number=number)
        if not rows:
            raise NoSuchRun(f"there is no {run_name(number)}", try_next="pilotline log", run=number)
        return _run(rows[0])

    def runs(self, limit: int = 50) -> tuple[Run, ...]:
        """The last runs, newest first."""
        return tuple(_run(row) for row in self._rows("list_runs", limit=limit))

    def pipelines(self) -> tuple[PipelineOf, ...]:
        """The pipelines of all projects that were ever run, by name."""
        with self._database.reading() as tx:
            return pipelines_run(tx)

    def going_on(self) -> Mapping[str, int]:
        """How many runs have not ended, by state."""
        return {state: int(count) for state, count in self._rows("unfinished_by_state")}

    def after(self, number: int, limit: int = 500) -> tuple[Run, ...]:
        """Runs after one of them, oldest first."""
        return tuple(_run(row) for row in self._rows("runs_after", number=number, limit=limit))

    def last_run(self, pipeline: str) -> Run:
        """The last run of a pipeline, whatever became of it.

        Raises:
            NoSuchRun: it was never run.
        """
        rows = self._rows_of("last_run", pipeline)
        if not rows:
            raise NoSuchRun(f"{pipeline} was never run here", try_next="pilotline log --runs", pipeline=pipeline)
        return _run(rows[0])

    def runs_kept(self, keeper: str) -> tuple[Run, ...]:
        """The runs that somebody answered for, oldest first."""
        return tuple(_run(row) for row in self._rows("runs_kept", kept=keeper))

    def run_of(self, commit: str) -> Run | None:
        """The run that published a commit."""
        rows = self._rows("run_of_commit", commit_id=commit)
        return _run(rows[0]) if rows else None

    def steps(self, number: int) -> tuple[StepRow, ...]:
        """What a run did about its steps."""
        return tuple(
            StepRow(
                step=row[0],
                key=row[1],
                outcome=row[2],
                seconds=row[3],
                cpu=row[4],
                size=row[5],
                facts=json.loads(row[6]),
            )
            for row in self._rows("steps_of_run", run=number)
        )

    def events(self, number: int) -> list[tuple[datetime, str, dict[str, Any]]]:
        """What happened in a run, in order."""
        rows = self._rows("events_of_run", run=number)
        return [(datetime.fromisoformat(at), kind, json.loads(facts)) for at, kind, facts in rows]

    def rows_of(
        self, query: Literal["lineage", "artifacts", "metrics", "verdicts", "tables"], number: int
    ) -> list[tuple[Any, ...]]:
        """Rows of a run as they are: see ``sql/queries.sql``."""
        return self._rows(f"{query}_of_run", run=number)

    def metrics_before(self, run: Run) -> Mapping[str, tuple[float | None, str, int]]:
        """The numbers of a pipeline as they were published before a run: value, text, run."""
        rows = self._rows(
            "metrics_before", project=run.project, pipeline=run.pipeline, onto=run.onto, number=run.number
        )
        return {name: (value, text, number) for name, value, text, number in rows}

    def maker_of(self, table: str) -> tuple[int, str, str, str, str, str] | None:
        """The last run that published a table: number, pipeline, commit, output, snapshot, key."""
        rows = self._rows("makers_of_table", name=table)
        return cast("tuple[int, str, str, str, str, str]", rows[0]) if rows else None

    def other_makers_of(self, table: str, pipeline: str) -> tuple[str, ...]:
        """The pipelines that ever published a table, beside one of this project."""
        own = PipelineOf(project=self._project, name=pipeline)
        others = _without_older(self._rows_of("other_makers", pipeline, name=table))
        return tuple(each.said_among((own,)) for each in others)

    def other_readers_of(self, table: str, pipeline: str) -> tuple[tuple[str, int, datetime], ...]:
        """The pipelines that read a table, beside one of this project, each with the number and end of its last run that did."""
        own = PipelineOf(project=self._project, name=pipeline)
        rows = self._rows_of("other_readers", pipeline, name=table)
        last = {PipelineOf(project=row[0], name=row[1]): (int(row[2]), datetime.fromisoformat(row[3])) for row in rows}
        return tuple((each.said_among((own,)), *last[each]) for each in _without_older(rows))

    def published_recipes(self, pipeline: str, onto: str) -> Mapping[str, Mapping[str, str]]:
        """What the keys of a pipeline's steps were made of in the last run that published."""
        rows = self._rows_of("published_recipes", pipeline, onto=onto)
        return json.loads(rows[0][0]) if rows else {}

    def costs(self, pipeline: str, steps: Iterable[str]) -> Mapping[str, tuple[float, float | None]]:
        """Seconds and CPU seconds that steps of a pipeline take: the median of the last times that its last runs computed them."""
        with self._database.reading() as tx:
            found = {
                step: tx.execute(
                    SQL["computed_lately"], pipeline=pipeline, project=self._project, step=step, among=_AMONG
                )
                for step in steps
            }
        return {
            step: (
                median(row[0] for row in rows),
                median(cpu) if (cpu := [row[1] for row in rows if row[1] is not None]) else None,
            )
            for step, rows in found.items()
            if rows
        }

    # -- changes of state ----------------------------------------------------------------------------------------------

    def start(self, plan: Plan, *, author: str) -> int:
        """Begin a run: pending."""
        resumes = int(plan.resumes.partition("-")[2]) if plan.resumes else None
        recipes = json.dumps(plan.recipes)
        return self._insert("start_run", plan, author, recipes=recipes, resumes=resumes)

    def unchanged(self, plan: Plan, *, author: str, because: str) -> int:
        """Note that there was nothing to do."""
        return self._insert("note_unchanged", plan, author, because=because)

    def opened(self, number: int, branch: str) -> None:
        """Its branch is open: running."""
        with self._writing() as tx:
            tx.execute(SQL["open_branch_of_run"], number=number, branch=branch)

    def published(self, tx: Transaction, number: int, *, commit: str, outcome: str) -> bool:
        """Published, in the transaction of the publish. False where the run was taken to be dead meanwhile."""
        rows = tx.execute(SQL["publish_run"], number=number, ended=_now(), commit_id=commit, outcome=outcome)
        if rows and self._keeper is not None:
            self._keeper.done(tx, number, "published")
        return bool(rows)

    def kept_back(self, number: int, because: str) -> None:
        """Done, and not published because nobody asked for it."""
        with self._writing() as tx:
            rows = tx.execute(SQL["end_unpublished_run"], number=number, ended=_now(), because=because[:2000])
            if rows and self._keeper is not None:
                self._keeper.done(tx, number, "unchanged")

    def failed(self, number: int, because: str) -> None:
        """Failed, unless it has ended already."""
        self._end("fail_run", number, because)

    def cancelled(self, number: int, because: str) -> None:
        """Stopped by somebody, unless it has ended already."""
        self._end("cancel_run", number, because)

    def lost(self, tx: Transaction, keeper: str, because: str) -> tuple[str, ...]:
        """End the runs that somebody answered for and lets go; gives the branches that they had open."""
        rows = tx.execute(SQL["fail_kept_runs"], kept=keeper, ended=_now(), because=because[:2000])
        return tuple(branch for _, branch in rows if branch)

    # -- what happened -------------------------------------------------------------------------------------------------

    def note(self, number: int, events: Iterable[Mapping[str, Any]]) -> None:
        """Add events; those of steps also as results of steps."""
        with self._writing() as tx:
            for event in events:
                facts = {key: value for key, value in event.items() if key not in {"event", "at"}}
                at = datetime.fromtimestamp(event["at"], UTC).isoformat() if "at" in event else _now()
                tx.execute(
                    SQL["add_event"], run=number, at=at, kind=event["event"], facts=json.dumps(facts, default=str)
                )
                if event["event"] == "step":
                    told = {
                        key: event.get(key)
                        for key in ("draws", "reaches", "stays", "given", "results", "memory", "base")
                    }
                    tx.execute(
                        SQL["note_step"], run=number, step=event["step"], key=event["key"], outcome=event["outcome"],
                        seconds=event.get("seconds"), cpu=event.get("cpu"), size=event.get("size"),
                        facts=json.dumps(told, default=str),
                    )  # fmt: skip

    def judged(self, number: int, verdicts: Iterable[Verdict]) -> None:
        """Add the verdicts on the run's checks."""
        with self._writing() as tx:
            for one in verdicts:
                tx.execute(
                    SQL["add_verdict"], run=number, table_name=str(one.check.table), name=one.check.name,
                    severity=one.check.severity, outcome=one.outcome, offending=one.offending, because=one.because,
                    seconds=one.seconds,
                )  # fmt: skip

    def add(
        self, tx: Transaction, what: Literal["artifact", "metric", "lineage"], number: int, **values: object
    ) -> None:
        """Add a row about what a run read or made."""
        tx.execute(SQL[f"add_{what}"], run=number, **values)

    # -- small things --------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Generator[Transaction]:
        with self._database.writing() as tx:
            if self._keeper is not None:
                self._keeper.hold(tx)
            yield tx

    def _rows(self, query: str, /, **values: object) -> list[tuple[Any, ...]]:
        with self._database.reading() as tx:
            return tx.execute(SQL[query], **values)

    def _rows_of(self, query: str, pipeline: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Rows about the pipeline of a name that this project has."""
        return self._rows(query, pipeline=pipeline, project=self._project, **values)

    def _past(self, query: str, pipeline: str, /, **values: object) -> PastRun | None:
        rows = self._rows_of(query, pipeline, **values)
        return _past_run(rows[0]) if rows else None

    def _insert(self, name: str, plan: Plan, author: str, **values: object) -> int:
        kept = self._keeper.name if self._keeper is not None else ""
        with self._writing() as tx:
            rows = tx.execute(
                SQL[name], project=self._project, pipeline=plan.pipeline.name, module=str(plan.pipeline.module), onto=plan.onto,
                base=plan.base.id, outcome=plan.outcome, parameters=json.dumps(plan.parameters),
                environment=plan.environment, author=author, began=_now(), host=socket.gethostname(), pid=os.getpid(),
                pid_began=_began(os.getpid()), kept=kept, **values,
            )  # fmt: skip
            number = int(rows[0][0])
            if self._keeper is not None and name == "note_unchanged":
                self._keeper.done(tx, number, "unchanged")
            return number

    def _end(self, name: str, number: int, because: str) -> None:
        with self._database.writing() as tx:
            tx.execute(SQL[name], number=number, ended=_now(), because=because[:2000])


def pipelines_run(tx: Session) -> tuple[PipelineOf, ...]:
    """The pipelines of all projects that were ever run, by name."""
    return _without_older(tx.execute(SQL["pipelines_run"]))


def _without_older(rows: Iterable[tuple[Any, ...]]) -> tuple[PipelineOf, ...]:
    """Pipelines, of rows that begin with project and name: older runs, of no project, count to a project that has the name."""
    found = [PipelineOf(project=row[0], name=row[1]) for row in rows]
    named = {each.name for each in found if each.project}
    return tuple(each for each in found if each.project or each.name not in named)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _began(pid: int) -> str:
    """When a process began, in whatever words the system has for it; empty where there is no such process."""
    if sys.platform.startswith("linux"):
        try:
            # The second field is the program's name in brackets, which may hold blanks.
            return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        except OSError:
            return ""
    try:
        done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip()


def _past_run(row: tuple[Any, ...]) -> PastRun:
    return PastRun(
        number=row[0],
        outcome=row[1],
        commit=row[2],
        ended=datetime.fromisoformat(row[3]),
        parameters=json.loads(row[4]),
        base=row[5],
    )


def _run(row: tuple[Any, ...]) -> Run:
    return Run(
        number=row[0],
        pipeline=row[1],
        module=row[2],
        state=row[3],
        onto=row[4],
        branch=row[5],
        base=row[6],
        outcome=row[7],
        parameters=json.loads(row[8]),
        environment=row[9],
        author=row[10],
        began=datetime.fromisoformat(row[11]),
        ended=datetime.fromisoformat(row[12]) if row[12] else None,
        resumes=row[13],
        commit=row[14],
        because=row[15],
        project=row[16],
    )
