"""Carry out a plan: open a branch, compute the steps in one process, write tables, judge checks, publish.

Whatever ends it, nothing is half published: tables, the run's state, lineage, metrics and artifacts move in the one
transaction of the publish. What steps computed is kept by content key, so the next run takes up where this one stopped.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import secrets
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from pilotline.domain.errors import PilotlineError
from pilotline.domain.pipelines import Constant, FromParameter, FromResult
from pilotline.domain.plans import ChangesInput, FileInput, TableInput, WriteTable
from pilotline.domain.tables import MergeOn, Replace, TableName, describe_mode
from pilotline.guest.keys import digest
from pilotline.lake.errors import NeedsRebase
from pilotline.run.checking import judge
from pilotline.run.columns.keeping import Columns
from pilotline.run.columns.reading import Seen, columns_of_run
from pilotline.run.errors import (
    CannotKeep,
    CheckFailed,
    RunCancelled,
    TakenMeanwhile,
)
from pilotline.run.failures import failure, verdict_text
from pilotline.run.keeping import storing
from pilotline.run.logs import Logs, Printing
from pilotline.run.nothing import note_nothing, somebody
from pilotline.run.planning import outcome_of
from pilotline.run.process import run_steps
from pilotline.run.records import GONE, run_name
from pilotline.run.redacting import Redactor, plan_without_secrets
from pilotline.run.serving import ReadServer
from pilotline.run.taking import left_off, made_of_changes, replaces_by_changes
from pilotline.run.unused import KEEP, let_go_of_unused
from pilotline.run.working import beside, mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pilotline.domain.checks import Verdict
    from pilotline.domain.pipelines import Argument, Step, Tries
    from pilotline.domain.plans import Plan
    from pilotline.domain.tables import CommitId, WriteMode
    from pilotline.lake.catalog import Catalog, Published
    from pilotline.run.columns.reading import TableColumns
    from pilotline.run.emitting import Emitter
    from pilotline.run.planning import Around
    from pilotline.run.records import Keeper

__all__ = ["Made", "Outcome", "carry_out"]

#: How often a run is checked again on top of what others appended to the same tables meanwhile.
_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of one output."""

    output: str
    kind: Literal["table", "metric", "file", "object"]
    type: str
    #: Where: a table's name, an artifact's path; of a metric its value as text.
    where: str
    rows: int | None = None
    size: int | None = None
    #: ``schema_changes`` of the table and coercions of its columns, in words; or why it is no table.
    notes: tuple[str, ...] = ()
    value: float | None = None
    snapshot: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    run: str
    state: Literal["published", "unchanged"]
    branch: str | None
    commit: CommitId | None
    made: tuple[Made, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    #: Step -> computed, reused or postponed.
    steps: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    because: str = ""


def carry_out(
    plan: Plan,
    lake: Catalog,
    around: Around,
    emit: Callable[[Mapping[str, Any]], None],
    *,
    fresh: bool = False,
    timeout: float | None = None,
    keeper: Keeper | None = None,
) -> Outcome:
    """Do what a plan says.

    Args:
        plan: made from the same lake.
        lake: where to write and publish.
        around: the project, its interpreter, the rows of runs.
        emit: is told of each event as it happens.
        fresh: compute every step, whatever is stored.
        timeout: seconds that the steps may take.
        keeper: who answers for the run in place of this process. It is asked in each transaction that is written for the
            run, that of the publish among them, and what it raises ends the run.

    Raises:
        StepFailed: the user's code raised.
        ChangedArguments: a step changed what it was given.
        ProcessDied: the project's interpreter ended without an answer.
        CannotKeep: an output cannot be stored.
        CheckFailed: a check of severity error did not pass; nothing was published.
        PublishConflict: a table changed on both sides; nothing was published.
        OutcomeHeld: this outcome was undone and waits to be released.
        RunCancelled: the user stopped it.
        RunTimedOut: the steps took longer than they may.
        NotStored: there is no room, or no permission, to keep what was computed.
        DamagedResult: what is stored of a step is not what was stored.
        InputChanged: a file was changed while the run was reading it.
        ChangedModule: a step changed what stands at the top of its module.
    """
    if keeper is not None:
        around = replace(around, records=around.records.kept_by(keeper))
    if plan.nothing:
        told = note_nothing(plan, around)
        return Outcome(run=told.run, state="unchanged", branch=None, commit=None, because=told.because)
    author = plan.pipeline.contract.owner or somebody()
    with storing(around.project.own):
        return _Carrier(plan, lake, around, emit, author, fresh=fresh, timeout=timeout).carry_out()


def take_over(lake: Catalog, around: Around) -> None:
    """End the runs whose process is gone: their branches are kept to be looked at, and can never be published."""
    for number, branch, alive in around.records.unfinished():
        if alive:
            continue
        around.records.failed(number, GONE)
        _clear(around.project.runs / run_name(number))
        if branch:
            with suppress(PilotlineError):
                lake.mark_failed(branch, GONE)


class _Carrier:
    def __init__(
        self,
        plan: Plan,
        lake: Catalog,
        around: Around,
        emit: Callable[[Mapping[str, Any]], None],
        author: str,
        *,
        fresh: bool,
        timeout: float | None,
    ) -> None:
        self.plan = plan
        self.pipeline = plan.pipeline
        self.lake = lake
        self.around = around
        self.records = around.records
        self.emit = emit
        self.author = author
        self.fresh = fresh
        self.timeout = timeout
        self.keys: dict[str, str] = {}
        self.seen: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.steps: dict[str, str] = {}
        self.columns: tuple[TableColumns, ...] = ()
        self.kept = Columns(self.records.database)
        self.number = 0
        self.branch = ""
        self.read: dict[str, str] = {}
        self.emitter: Emitter | None = None
        self.interrupted = threading.Event()
        self.publishing = threading.Event()
        self.redactor = Redactor.of(self.pipeline.contract.secrets)

    def carry_out(self) -> Outcome:
        began = time.perf_counter()
        kept = self.around.project.kept_for("keep_results", KEEP)
        take_over(self.lake, self.around)
        self.number = self.records.start(plan_without_secrets(self.plan), author=self.author)
        self._emit_begun()
        wrong = ""
        try:
            with _interruptible(self.interrupted, self.publishing):
                outcome = self._stages()
        except KeyboardInterrupt:
            self._end("stopped by the user")
            self.records.cancelled(self.number, "stopped by the user")
            raise RunCancelled(
                f"{run_name(self.number)} was stopped; nothing was published, what it computed is kept",
                try_next="pilotline run takes up where it stopped",
                run=run_name(self.number),
            ) from None
        except PilotlineError as error:
            self.redactor.error(error)
            self._end(error.message)
            self.records.failed(self.number, f"{error.code}: {error.message}")
            wrong = f"{error.code}: {error.message}"
            error.facts = {**error.facts, "run": run_name(self.number), "branch": self.branch}
            raise
        except BaseException as error:
            self._end(self.redactor.text(repr(error)))
            self.records.failed(self.number, self.redactor.text(repr(error)))
            raise
        finally:
            _clear(self._folder)
            self._report(wrong)
            self._trace()
            self._emit_ended()
            if kept is not None:
                let_go_of_unused(self.around.project.store, kept)
        return Outcome(
            run=run_name(self.number), state=outcome.state, branch=self.branch, commit=outcome.commit, made=outcome.made,
            verdicts=outcome.verdicts, steps=dict(self.steps), seconds=time.perf_counter() - began,
        )  # fmt: skip

    @property
    def _folder(self) -> Path:
        return self.around.project.runs / run_name(self.number)

    def _trace(self) -> None:
        """Tell whoever collects traces, if anybody does. That they cannot be told changes nothing."""
        from pilotline.run.tracing import endpoint, export

        if endpoint(os.environ) is None:
            return
        try:
            export(self.records, self.number)
        except Exception as error:
            self._tell("no trace", because=f"{type(error).__name__}: {error}")

    def _emit_begun(self) -> None:
        """Tell another catalog that the run began, if anybody asked for that. That it cannot be told changes nothing."""
        from pilotline.run.emitting import Emitter, target_of

        try:
            target = target_of(self.around.project)
            if target is not None:
                namespace = self.around.project.namespace
                self.emitter = Emitter(target, self.records.database, self.lake, namespace)
                self.emitter.begun(self.number)
        except Exception as error:
            self._tell("no openlineage", because=f"{type(error).__name__}: {error}")

    def _emit_ended(self) -> None:
        if self.emitter is None:
            return
        try:
            told = self.emitter.ended(self.number)
        except Exception as error:
            self._tell("no openlineage", because=f"{type(error).__name__}: {error}")
            return
        if told.because:
            self._tell("no openlineage", because=f"{told.because}; it is told later")

    def _report(self, wrong: str) -> None:
        """Write the report. What it cannot tell is no reason to take back what was published."""
        from pilotline.run.report import write_report

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_report(
                plan_without_secrets(self.plan), self.number, self.records, self.lake, self._folder, error=wrong
            )
        except Exception as error:
            self._tell("no report", because=f"{type(error).__name__}: {error}")

    def _end(self, because: str) -> None:
        if self.branch:
            with suppress(PilotlineError):
                self.lake.mark_failed(self.branch, because[:500])

    def _tell(self, event: str, **facts: Any) -> None:
        self._heard([{"event": event, "at": time.time(), **facts}])

    def _heard(self, told: Sequence[Mapping[str, Any]]) -> None:
        events: Sequence[Mapping[str, Any]] = [self.redactor.data(dict(event)) for event in told]
        for event in events:
            if event["event"] == "step":
                self.keys[event["step"]] = event["key"]
                self.steps[event["step"]] = event["outcome"]
                self.seen[event["step"]] = event.get("results") or ()
        self.records.note(self.number, events)
        for event in events:
            self.emit(event)

    def _stages(self) -> Outcome:
        opening = self.plan.stages[0]
        wanted = getattr(opening, "name", "") or run_name(self.number)
        self.lake.create_branch(wanted, self.plan.base, owner=self.author, run=run_name(self.number))
        self.branch = wanted
        self.records.opened(self.number, wanted)
        self._tell("branch", branch=wanted, run=run_name(self.number), publishes=self.plan.publishes)
        outputs = self._compute()
        made = tuple(self._keep(output) for output in outputs)
        self.columns = self._columns(outputs, made) if self.plan.publishes else ()
        for _ in range(_TRIES):
            verdicts = self._judge()
            if not self.plan.publishes:
                self.records.kept_back(self.number, "not asked to publish")
                return Outcome(run="", state="unchanged", branch=self.branch, commit=None, made=made, verdicts=verdicts)
            self.publishing.set()
            if self.interrupted.is_set():
                raise KeyboardInterrupt
            try:
                published = self._publish(made)
            except NeedsRebase:
                self.publishing.clear()
                self._tell("rebase", branch=self.branch)
                self.lake.rebase(self.branch, author=self.author)
                # So that those who keep overtaking each other fall out of step.
                time.sleep(secrets.randbelow(50) / 1000)
                continue
            self._tell("published", commit=published.commit.id, tables=[str(table) for table in published.tables])
            return Outcome(
                run="", state="published", branch=self.branch, commit=published.commit.id, made=made, verdicts=verdicts
            )
        raise PublishingNeverEnds(self.plan.onto)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _compute(self) -> list[dict[str, Any]]:
        project, folder = self.around.project.folder, self.pipeline.folder
        # What is named in full is where it is.
        named = [
            folder / each.path for each in self.plan.inputs if isinstance(each, FileInput) and each.path[:1] != "/"
        ]
        work = beside(project, named, self._folder / "work")
        mirror(project, work)
        cwd = work / self.pipeline.folder.relative_to(self.around.project.folder)
        if any(isinstance(stage, WriteTable) for stage in self.plan.stages):
            # What writes tables takes a second to load: meanwhile the project's interpreter loads what it needs.
            threading.Thread(target=_load_lake, daemon=True, name="pilotline-load").start()
        changes = [each for each in self.plan.inputs if isinstance(each, ChangesInput)]
        values, name = self._folder / "values", self.pipeline.name
        with ReadServer(self.lake, self.plan.base, values, changes=changes, pipeline=name) as server:
            answer = run_steps(
                self.plan.python, self._request(work), cwd=cwd, own=self._folder,
                variables={"PILOTLINE_READ": server.address}, heard=self._heard, timeout=self.timeout,
                interrupted=self.interrupted.is_set, printed=Printing(Logs(self.records.database), self.number).hear,
                redactor=self.redactor,
            )  # fmt: skip
            self.read = dict(server.read)
        if server.refused is not None:
            raise server.refused
        if answer["error"]:
            raise failure(answer["error"], self.plan)
        return answer["outputs"]

    def _request(self, work: Path) -> dict[str, Any]:
        project, contract = self.around.project, self.pipeline.contract
        folder = self.pipeline.folder
        inside = [str(folder / each.path) for each in self.plan.inputs if isinstance(each, FileInput)]
        runs = [run_name(self.number)]
        if self.plan.resumes:
            runs += [run_name(each) for each in self.records.chain(int(self.plan.resumes.partition("-")[2]))]
        return {
            "module": str(self.pipeline.module),
            "name": self.pipeline.name,
            "project": str(project.folder),
            "work": str(work),
            "top": str(self._folder / "work"),
            "store": str(project.store),
            "values": str(self._folder / "values"),
            "quiet": [str(project.own)],
            "runs": runs,
            "seed": contract.seed,
            "secrets": list(contract.secrets),
            "importing": self.plan.importing,
            "code": {path: list(mark) for path, mark in self.plan.code_marks.items()},
            "fresh": self.fresh,
            "declared": inside,
            "parameters": {each.name: self._parameter(each.name) for each in self.pipeline.parameters},
            "steps": [
                {
                    "name": step.name,
                    "function": step.function,
                    "line": step.line,
                    "arguments": {name: _source(argument) for name, argument in step.arguments.items()},
                    "results": list(step.results),
                    "unpacks": step.unpacks,
                    "recipe": recipe_of(self.plan.recipes[step.name]),
                    "reaches": list(self.plan.reaches.get(step.name, ())),
                    "repeatable": list(contract.repeatable.get(step.name, ())),
                    "tries": _tries(contract.tries_of(step)),
                    "files": self._files_of(step),
                }
                for step in self.pipeline.steps
            ],
            "outputs": [{"name": each.name, "value": _source(each.value)} for each in self.pipeline.outputs],
        }

    def _files_of(self, step: Step) -> dict[str, list[int]]:
        """The marks of the files that a step's key was made from."""
        taken = {each.name for each in step.arguments.values() if isinstance(each, FromParameter)}
        recipe = self.plan.recipes[step.name]
        places = [
            str(self.pipeline.folder / each.path)
            for each in self.plan.inputs
            if isinstance(each, FileInput) and (each.parameter in taken or f"file {each.path}" in recipe)
        ]
        return {
            path: list(mark)
            for path, mark in self.plan.file_marks.items()
            if any(path == place or path.startswith(place + os.sep) for place in places)
        }

    def _parameter(self, name: str) -> dict[str, Any]:
        """How the guest gets a value: its own default, or what was set."""
        if name not in self.plan.set:
            return {"default": True}
        parameter = next(each for each in self.pipeline.parameters if each.name == name)
        value = self.plan.parameters[name]
        if parameter.kind == "file" and isinstance(value, str):
            return {"path": value}
        if parameter.kind == "file" and isinstance(value, list):
            return {"paths": value, "tuple": parameter.annotation.lower().startswith("tuple")}
        return {"value": value, "tuple": isinstance(value, tuple)}

    # -- outputs -------------------------------------------------------------------------------------------------------

    def _keep(self, output: Mapping[str, Any]) -> Made:
        name, kind = str(output["name"]), str(output["type"])
        key = output.get("key") or ""
        match output["kind"]:
            case "table":
                return self._write(output, name, kind, key)
            case "metric":
                value = output["value"]
                number = float(value) if isinstance(value, bool | int | float) else None
                return Made(output=name, kind="metric", type=kind, where=str(value), value=number, key=key)
            case "file" | "artifact" as sort:
                path, size = self._store_artifact(Path(output["path"]))
                notes = (output["why"],) if output.get("why") else ()
                return Made(
                    output=name, kind="file" if sort == "file" else "object", type=output.get("file") or kind,
                    where=path.name, size=size, notes=notes, key=key,
                )  # fmt: skip
            case _:
                raise CannotKeep(
                    f"the output {name}, a {kind}, is neither a table nor a number and cannot be stored: {output['why']}",
                    try_next="return what it holds as a frame, a number or a file",
                    output=name,
                )

    def _write(self, output: Mapping[str, Any], name: str, kind: str, key: str) -> Made:
        table, mode = self.pipeline.contract.table_of(name), self._mode_of(name)
        standing = self._standing(table, key) if isinstance(mode, Replace) and not self.fresh else None
        coercions = tuple(str(each) for each in output["coercions"])
        if standing is not None:
            return Made(
                output=name, kind="table", type=kind, where=str(table), rows=output["rows"], notes=coercions,
                snapshot=standing, key=key,
            )  # fmt: skip
        from pilotline.run.arrow import rows_of

        rows = rows_of(output)
        coercions += rows.coercions
        written = self.lake.write(
            self.branch, table, rows.data, mode, notes=rows.notes, layout=self.pipeline.contract.layout_of(name),
            author=self.author,
            message=f"{self.pipeline.name}: {name} ({describe_mode(mode)})",
        )  # fmt: skip
        self._tell("table", table=str(table), rows=output["rows"], mode=describe_mode(mode), output=name)
        return Made(
            output=name, kind="table", type=kind, where=str(table), rows=output["rows"],
            notes=(*written.schema_changes, *coercions), snapshot=written.snapshot, key=key,
        )  # fmt: skip

    def _mode_of(self, output: str) -> WriteMode:
        """As planned; what the plan could not know to be a table, as the contract says."""
        for stage in self.plan.stages:
            if isinstance(stage, WriteTable) and stage.output == output:
                return stage.mode
        mode = self.pipeline.contract.mode_of(output)
        if isinstance(mode, Replace) and output in made_of_changes(self.pipeline):
            raise replaces_by_changes(self.pipeline.name, output, self.pipeline.contract.table_of(output))
        return mode

    def _standing(self, table: TableName, key: str) -> str | None:
        """The snapshot of a table that holds this very result already."""
        maker = self.records.maker_of(str(table))
        if maker is None or not key or maker[5] != key:
            return None
        for info in self.lake.tables(self.branch):
            if info.table == table and info.snapshot == maker[4]:
                return maker[4]
        return None

    def _store_artifact(self, path: Path) -> tuple[Path, int]:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        target = self.around.project.artifacts / sha256[:2] / sha256
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_suffix(f".{threading.get_ident()}.tmp")
            shutil.copyfile(path, temporary)
            temporary.replace(target)
        return target, target.stat().st_size

    # -- checks and publish --------------------------------------------------------------------------------------------

    def _judge(self) -> tuple[Verdict, ...]:
        checks = self.plan.checks
        verdicts = judge(self.lake, self.branch, checks) if checks else ()
        self.records.judged(self.number, verdicts)
        for one in verdicts:
            self._tell("check", table=str(one.check.table), name=one.check.name, outcome=one.outcome,
                       severity=one.check.severity, because=one.because)  # fmt: skip
        stopping = [one for one in verdicts if one.stops]
        if stopping:
            raise CheckFailed(
                "\n".join(["nothing was published:", *(verdict_text(one) for one in stopping)]),
                try_next=f'pilotline sql --branch {self.branch} "select * from {stopping[0].check.table}"',
                checks=[one.check.name for one in stopping],
                tables=sorted({str(one.check.table) for one in stopping}),
                offending=[one.offending for one in stopping],
            )
        return verdicts

    def _publish(self, made: Sequence[Made]) -> Published:
        head = self.lake.branch(self.branch)
        self.lake.mark_checked(self.branch, head.head)
        with self.lake.transaction() as tx:
            published = self.lake.publish(
                self.branch, self.plan.onto, expect=head.base, within=tx, author=self.author,
                message=f"{self.pipeline.name} ({run_name(self.number)})",
            )  # fmt: skip
            self._refuse_taken()
            self._note_lineage(tx, made)
            outcome = outcome_of(self.pipeline, self.keys, self.plan.identities)
            if not self.records.published(tx, self.number, commit=published.commit.id, outcome=outcome):
                raise RunCancelled(
                    f"{run_name(self.number)} was ended by somebody else before it could publish",
                    try_next="pilotline run",
                )
        return published

    def _refuse_taken(self) -> None:
        """Within the transaction that publishes: what was taken before must be what the plan took it for."""
        changes = [each for each in self.plan.inputs if isinstance(each, ChangesInput)]
        if not changes:
            return
        past = left_off(self.records, self.lake, self.pipeline, self.plan.onto)
        if changes[0].run != (run_name(past.number) if past else None) and not self.fresh:
            raise TakenMeanwhile(self.pipeline.name)

    def _columns(self, outputs: Sequence[Mapping[str, Any]], made: Sequence[Made]) -> tuple[TableColumns, ...]:
        """What the columns of the tables were made of."""
        tables: list[Seen] = []
        for output, one in zip(outputs, made, strict=True):
            if one.kind == "table":
                table, mode = TableName.parse(one.where), self._mode_of(one.output)
                notes = output["notes"] if output["form"] == "arrow" else self.lake.frame_notes(table, self.branch)
                keys = mode.keys if isinstance(mode, MergeOn) else ()
                tables.append(Seen(output=one.output, table=one.where, notes=notes or {}, keys=keys))
        return columns_of_run(self.plan, self.lake, self.seen, tables)

    def _note_lineage(self, tx: Any, made: Sequence[Made]) -> None:
        add, number = self.records.add, self.number
        self.kept.keep(tx, number, self.columns)
        for each in self.plan.inputs:
            match each:
                case FileInput(path=path, sha256=sha256, parameter=parameter):
                    add(tx, "lineage", number, direction="in", kind="file", name=path, state=sha256, role=parameter,
                        key="", row_count=None)  # fmt: skip
                case TableInput(table=table, snapshot=snapshot, parameter=parameter):
                    add(tx, "lineage", number, direction="in", kind="table", name=str(table), state=snapshot,
                        role=parameter, key="", row_count=None)  # fmt: skip
                case ChangesInput(table=table, snapshot=snapshot, parameter=parameter, since=since):
                    add(tx, "lineage", number, direction="in", kind="table", name=str(table), state=snapshot,
                        role=parameter, key=f"since {since}" if since else "", row_count=None)  # fmt: skip
        known = {str(each.table) for each in self.plan.inputs if not isinstance(each, FileInput)}
        for name, snapshot in self.read.items():
            if name not in known:
                add(tx, "lineage", number, direction="in", kind="table", name=name, state=snapshot, role="", key="",
                    row_count=None)  # fmt: skip
        for one in made:
            match one.kind:
                case "metric":
                    add(tx, "metric", number, name=one.output, value=one.value, text=one.where)
                case "table":
                    add(tx, "lineage", number, direction="out", kind="table", name=one.where, state=one.snapshot,
                        role=one.output, key=one.key, row_count=one.rows)  # fmt: skip
                case "file" | "object" as kind:
                    add(tx, "artifact", number, name=one.output, kind=kind, type=one.type,
                        file=one.type if kind == "file" else "", sha256=one.where, size=one.size,
                        because="; ".join(one.notes))  # fmt: skip
                case _:
                    assert_never(one.kind)


class PublishingNeverEnds(PilotlineError):
    """Others kept publishing appends to the same tables."""

    code = "PL323"

    def __init__(self, onto: str) -> None:
        super().__init__(
            f"others kept publishing onto '{onto}' while this run was", try_next="pilotline run", onto=onto
        )


def _clear(folder: Path) -> None:
    """Remove what a run needs only while it goes on."""
    for left in ("work", "values"):
        shutil.rmtree(folder / left, ignore_errors=True)


def _load_lake() -> None:
    with suppress(ImportError):
        importlib.import_module("pilotline.lake.files")
        importlib.import_module("pilotline.lake.rewriting")


def recipe_of(parts: Mapping[str, str]) -> str:
    """One text for the parts of a recipe."""
    return digest(*(f"{name}={value}" for name, value in sorted(parts.items())))


def _tries(tries: Tries) -> dict[str, Any] | None:
    """How often a step is tried, for the guest; None: once."""
    return {"times": tries.times, "wait": tries.wait, "on": list(tries.on)} if tries.times > 1 else None


def _source(argument: Argument) -> list[Any]:
    match argument:
        case FromParameter(name=name):
            return ["parameter", name]
        case FromResult(step=step, index=index):
            return ["result", step, index]
        case Constant(source=source):
            return ["constant", source]
    assert_never(argument)


@contextmanager
def _interruptible(interrupted: threading.Event, publishing: threading.Event) -> Generator[None]:
    """Be stopped by SIGTERM as by Ctrl-C, where signals can be handled.

    The exception may be raised where Python ignores it, in the end of an object's life for one: the event stands. While
    it is published nothing is raised: what is published cannot be said to have been stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, __: object) -> None:
        interrupted.set()
        if not publishing.is_set():
            raise KeyboardInterrupt

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
