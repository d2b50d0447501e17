"""Check a change before it is merged: the tests, the proof, the plan, and what it would do to the data of production.

Each pipeline is run on a branch of production's own tables, as a run does it, and not published. The branch is compared
with what stands there now. What is found is one value, which pages and terminals show (see ``ci_page``).
"""

from __future__ import annotations

import glob
import json
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from xml.etree import ElementTree as ET

from pilotline.domain.checks import Unique
from pilotline.domain.errors import PilotlineError, UsageError
from pilotline.domain.tables import MergeOn, TableName
from pilotline.factory.environments import Environments, Lock, lock_path
from pilotline.lab.evidence import digest_of, read_evidence
from pilotline.lift.temporary import temporary_folder
from pilotline.run.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pilotline.domain.pipelines import Contract, Pipeline
    from pilotline.domain.plans import Plan
    from pilotline.lake.diff import TableDiff
    from pilotline.lake.lake import Lake
    from pilotline.run.carrying import Outcome
    from pilotline.run.opening import Opened
    from pilotline.run.records import Records

__all__ = [
    "Checked",
    "CheckedRule",
    "Cost",
    "Metric",
    "NoBase",
    "Person",
    "Reader",
    "Report",
    "Tests",
    "check",
    "modules_changed",
    "run_tests",
]

Proof: TypeAlias = Literal["stands", "edited since", "written by hand", "not recorded"]

#: Files that belong to all pipelines of a project: where one of them changed, all did.
_SHARED: Final = ("uv.lock", "pyproject.toml", "pilotline.toml", "requirements.txt", "environment.yml")
_TIMEOUT: Final = 1800
#: So far back it is looked who read a table.
_DAYS: Final = 90
_MOST_SAID: Final = 4000


class NoBase(UsageError):
    """Git does not know what to compare with."""

    code = "PL571"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """What became of the tests beside a pipeline."""

    #: none: there are none. broken: they could not be run at all.
    outcome: Literal["passed", "failed", "none", "broken"]
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    #: The tests that failed, by name.
    names: tuple[str, ...] = ()
    #: The end of what they printed.
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number as it stands and as it would be."""

    name: str
    before: float | None
    after: float | None
    before_text: str = ""
    after_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A pipeline that reads a table."""

    table: str
    pipeline: str
    run: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who read a table by hand, or with another engine, in the last days."""

    table: str
    name: str
    #: read, show, sql, or catalog: another engine.
    via: str
    reads: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the next run in production would compute, and what that took until now."""

    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu: float = 0.0
    #: Steps among them that were never computed in a run that is recorded.
    unknown: tuple[str, ...] = ()
    #: What computing took here.
    measured_seconds: float = 0.0
    measured_cpu: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRule:
    """What became of one check of the contract."""

    table: str
    name: str
    severity: str
    outcome: str
    offending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One pipeline, and what its change would do."""

    name: str
    module: str
    tests: Tests
    proof: Proof
    plan: Plan | None = None
    #: What the run on the branch came to; None where it was stopped.
    outcome: Outcome | None = None
    error: PilotlineError | None = None
    branch: str = ""
    diffs: tuple[TableDiff, ...] = ()
    #: Tables that the run writes, whether they differ or not.
    tables: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    rules: tuple[CheckedRule, ...] = ()
    readers: tuple[Reader, ...] = ()
    people: tuple[Person, ...] = ()
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0

    @property
    def passes(self) -> bool:
        """Whether its tests and its checks passed, and it ran to its end."""
        return self.error is None and self.tests.outcome in {"passed", "none"}

    @property
    def changes_data(self) -> bool:
        """Whether a table or a number would be another one."""
        return bool(self.diffs) or any(each.before_text != each.after_text for each in self.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All pipelines that were checked."""

    onto: str
    #: The commit of production's tables that was compared with.
    commit: str
    pipelines: tuple[Checked, ...]
    #: Pipelines that were left alone since nothing of theirs changed.
    unchanged: tuple[str, ...] = ()
    #: What of git was compared with; empty: all pipelines were checked.
    base: str = ""
    #: Nothing is published yet, or this is not where production is.
    nothing_there: bool = False

    @property
    def passes(self) -> bool:
        """Whether all pass."""
        return all(each.passes for each in self.pipelines)

    @property
    def changes_data(self) -> bool:
        """Whether any would change data."""
        return any(each.changes_data for each in self.pipelines)


def check(
    folder: Path,
    modules: Iterable[Path],
    *,
    onto: str = "main",
    python: str | None = None,
    keep: bool = False,
    pictures: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Checked, ...]:
    """Check some pipelines of a project.

    Args:
        folder: of the project.
        modules: of the pipelines.
        onto: the branch of the tables that is production.
        python: the interpreter, if not the project's own.
        keep: leave the branches where the data is, to be looked at.
        pictures: find out how columns are spread over the rows that differ.
        tell: is told what is done now.
    """
    return tuple(
        _Checker(folder, module, onto=onto, python=python, keep=keep, pictures=pictures, tell=tell).check()
        for module in modules
    )


class _Checker:
    def __init__(
        self,
        folder: Path,
        module: Path,
        *,
        onto: str,
        python: str | None,
        keep: bool,
        pictures: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.module = module
        self.onto = onto
        self.python = python
        self.keep = keep
        self.pictures = pictures
        self.tell = tell
        self.facts: dict[str, Any] = {}

    def check(self) -> Checked:
        from pilotline.run.opening import open_pipeline

        began = time.perf_counter()
        name = self.module.stem
        tests = Tests(outcome="broken")
        try:
            python, pytest = self._environment()
            opened = open_pipeline(str(self.module), self.module.parent, python=python)
            self.tell(f"{name}: tests")
            tests = run_tests(self.module, opened.around.environment.python, pytest=pytest)
            self.tell(f"{name}: data")
            self._data(opened)
        except PilotlineError as error:
            self.facts["error"] = error
            if tests.outcome == "broken" and not tests.said:
                tests = Tests(outcome="broken", said=error.message)
        return Checked(
            name=name, module=str(self.module.relative_to(self.folder)), tests=tests,
            proof=proof_of(self.module), seconds=time.perf_counter() - began, **self.facts,
        )  # fmt: skip

    def _environment(self) -> tuple[str | None, Path | None]:
        """The interpreter that was asked for; else of the pipeline's lock, with pytest beside; else the project's own."""
        lock = lock_path(self.module)
        if self.python is not None or not lock.is_file():
            return self.python, None
        self.tell(f"{self.module.stem}: environment")
        environments = Environments()
        python = environments.python_for(Lock(text=lock.read_text(encoding="utf-8")))
        return str(python), environments.pytest_for(python)

    def _data(self, opened: Opened) -> None:
        """Run it on a branch of production, compare, and throw the branch away."""
        from pilotline.run.carrying import carry_out
        from pilotline.run.planning import Asked, plan

        made = plan(opened.reading, opened.lake, Asked(onto=self.onto, publish=False), opened.around)
        self.facts["plan"] = made
        records = opened.around.records
        wanted = _tables_of(made.pipeline)
        self.facts["readers"] = _readers(records, wanted, made.pipeline.name)
        self.facts["people"] = _people(opened.lake, wanted)
        error: PilotlineError | None = None
        outcome: Outcome | None = None
        try:
            outcome = carry_out(made, opened.lake, opened.around, lambda _: None)
            branch, run = outcome.branch or "", outcome.run
        except PilotlineError as stopped:
            error = stopped
            branch, run = str(stopped.facts.get("branch") or ""), str(stopped.facts.get("run") or "")
        self.facts |= {"outcome": outcome, "error": error, "branch": branch if self.keep else ""}
        number = int(run.partition("-")[2]) if run else 0
        try:
            if number:
                self._compare(opened, made, branch, number)
        finally:
            if branch and not self.keep:
                with suppress(PilotlineError):
                    opened.lake.discard(branch)

    def _compare(self, opened: Opened, made: Plan, branch: str, number: int) -> None:
        from pilotline.domain.access import Scope
        from pilotline.lake.diff import diff

        records, outcome = opened.around.records, self.facts["outcome"]
        if branch:
            whole = Scope.everything("a check in the project's own lake")
            keys = _keys_of(made.pipeline.contract)
            there = {info.table: {column.name for column in info.columns} for info in opened.lake.tables(branch)}
            known = {table: columns for table, columns in keys.items() if set(columns) <= there.get(table, set())}
            found = diff(
                opened.lake, made.base.id, branch, lambda _: whole, keys=known, spreads=self.pictures
            )  # fmt: skip
            self.facts["diffs"] = found.tables
        written = [one.where for one in outcome.made if one.kind == "table"] if outcome else []
        self.facts["tables"] = tuple(
            dict.fromkeys([*written, *(str(one.table) for one in self.facts.get("diffs", ()))])
        )
        touched = [*_tables_of(made.pipeline), *map(TableName.parse, self.facts["tables"])]
        self.facts["readers"] = _readers(records, touched, made.pipeline.name)
        self.facts["people"] = _people(opened.lake, touched)
        self.facts["rules"] = tuple(
            CheckedRule(table=row[0], name=row[1], severity=row[2], outcome=row[3], offending=row[4])
            for row in records.rows_of("verdicts", number)
        )
        if outcome is not None:
            self.facts["metrics"] = _metrics(outcome, records.metrics_before(records.run(number)))
        self.facts["cost"] = _cost(made, records, number, self.onto)


# -- what changed ------------------------------------------------------------------------------------------------------


def modules_changed(folder: Path, modules: Sequence[Path], base: str) -> tuple[Path, ...]:
    """Those of some pipelines of which a file is another one than where this line left a base of git.

    Raises:
        NoBase: git does not know the base, or this is no git repository.
    """
    changed = _changed_files(folder, base)
    if any(path.name in _SHARED for path in changed):
        return tuple(modules)
    return tuple(module for module in modules if any(path in changed for path in _files_of(module, folder))
                 or any(_beside(module) in path.parents for path in changed))  # fmt: skip


def _changed_files(folder: Path, base: str) -> frozenset[Path]:
    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, encoding="utf-8", check=False)

    top = git("rev-parse", "--show-toplevel")
    merged = git("merge-base", "--", base, "HEAD")
    if top.returncode or merged.returncode:
        raise NoBase(
            f"git cannot compare with {base}: {(top.stderr or merged.stderr).strip() or 'the histories do not meet'}",
            try_next="git fetch --unshallow origin, or leave --base away: all pipelines are checked then",
            base=base,
        )
    listed = git("diff", "--name-only", "-z", "--no-renames", merged.stdout.strip()).stdout
    new = git("ls-files", "-z", "--others", "--exclude-standard", "--full-name").stdout
    root = Path(top.stdout.strip())
    return frozenset(root / name for name in (listed + new).split("\0") if name)


def _files_of(module: Path, folder: Path) -> set[Path]:
    """The files that a pipeline is made of: its module, contract and tests, what it imports, the files that it names."""
    from pilotline.run.environment import choose_python, environment_of
    from pilotline.run.projects import project_of
    from pilotline.run.reading import read_pipeline

    found = {module, module.with_suffix(".toml"), lock_path(module), module.with_name(f"test_{module.name}")}
    project = project_of(folder)
    with suppress(PilotlineError):
        environment = environment_of(choose_python(module.parent, None), project.own / "cache")
        reading = read_pipeline(module, project, environment)
        found |= set(reading.local)
        named = [each.value for each in reading.pipeline.parameters if each.kind == "file"]
        found |= {(module.parent / name).resolve() for name in named if isinstance(name, str)}
    return found


def _beside(module: Path) -> Path:
    return module.with_name(f"test_{module.stem}_data")


# -- tests and proof ---------------------------------------------------------------------------------------------------


def run_tests(module: Path, python: str, *, pytest: Path | None = None) -> Tests:
    """Run the tests beside a module, in the project's interpreter.

    Args:
        module: ``explore.py``, beside ``test_explore.py``.
        python: the interpreter.
        pytest: a folder with pytest, for an interpreter that has none; whatever the interpreter has itself comes first.
    """
    path = module.with_name(f"test_{module.name}")
    if not path.is_file():
        return Tests(outcome="none")
    # What was compiled of a text of the same second and length would be taken for this one's.
    for compiled in (module.parent / "__pycache__").glob(f"{glob.escape(module.stem)}.*.pyc"):
        compiled.unlink(missing_ok=True)
    began = time.perf_counter()
    with temporary_folder("tests") as place:
        results = place / "results.xml"
        behind = f"import runpy, sys; sys.path.append({str(pytest)!r}); runpy.run_module('pytest', run_name='__main__')"
        start = ["-m", "pytest"] if pytest is None else ["-c", behind]
        command = [python, *start, "-q", "-p", "no:cacheprovider", f"--junitxml={results}", str(path)]
        try:
            done = subprocess.run(
                command, cwd=module.parent, capture_output=True, encoding="utf-8", errors="replace", check=False,
                stdin=subprocess.DEVNULL, timeout=_TIMEOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Tests(outcome="broken", said=f"they took longer than {_TIMEOUT} s", seconds=float(_TIMEOUT))
        took = time.perf_counter() - began
        said = (done.stdout + done.stderr).strip()[-_MOST_SAID:]
        if "No module named pytest" in done.stderr:
            said = f"pytest is not installed for {python}"
        try:
            cases = list(ET.parse(results).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it just now
        except (OSError, ET.ParseError):
            return Tests(outcome="broken", said=said, seconds=took)
    failed = tuple(
        str(case.get("name")) for case in cases if case.find("failure") is not None or case.find("error") is not None
    )
    skipped = sum(case.find("skipped") is not None for case in cases)
    # 5: pytest found no test in the file.
    outcome = "passed" if done.returncode == 0 else "none" if done.returncode == 5 else "failed"
    return Tests(
        outcome=outcome, passed=len(cases) - len(failed) - skipped, failed=len(failed), skipped=skipped, seconds=took,
        names=failed, said=said if outcome == "failed" else "",
    )  # fmt: skip


def proof_of(module: Path) -> Proof:
    """Whether a module is still the one that was proven: by what landed beside it, else by what a lift noted here."""
    evidence = read_evidence(module)
    if evidence is not None:
        if not evidence.notebook:
            return "written by hand"
        lock = lock_path(module)
        stands = evidence.stands(module) and (
            not lock.is_file() or Lock(text=lock.read_text(encoding="utf-8")).key == evidence.lock
        )
        return "stands" if stands else "edited since"
    try:
        known: dict[str, str] = json.loads((module.parent / ".pilotline" / "lifted.json").read_bytes())
    except (OSError, ValueError):
        return "not recorded"
    digest = known.get(module.name)
    if digest is None:
        return "not recorded"
    return "stands" if digest_of(module) == digest else "edited since"


# -- what it would do --------------------------------------------------------------------------------------------------


def _tables_of(pipeline: Pipeline) -> list[TableName]:
    """The tables that a pipeline may write, by what its contract says."""
    return [pipeline.contract.table_of(each.name) for each in pipeline.outputs]


def _keys_of(contract: Contract) -> dict[TableName, tuple[str, ...]]:
    """What makes a row of a table the same row: what it is merged on, else what a check says is unique."""
    found: dict[TableName, tuple[str, ...]] = {}
    for one in contract.checks:
        if isinstance(one.predicate, Unique):
            found.setdefault(one.table, tuple(one.predicate.columns))
    for output, table in contract.tables.items():
        if isinstance(table.mode, MergeOn):
            found[contract.table_of(output)] = tuple(table.mode.keys)
    return found


def _readers(records: Records, tables: Iterable[TableName], own: str) -> tuple[Reader, ...]:
    return tuple(
        Reader(table=table, pipeline=pipeline, run=f"run-{number}", at=at)
        for table in dict.fromkeys(map(str, tables))
        for pipeline, number, at in records.other_readers_of(table, own)
    )


def _people(lake: Lake, tables: Iterable[TableName]) -> tuple[Person, ...]:
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    wanted = {str(table) for table in tables}
    return tuple(
        Person(table=table, name=who, via=via, reads=reads, at=last)
        for table, column, who, via, reads, last in Usage(lake.database).since(since.date().isoformat())
        if table in wanted and not column
    )


def _metrics(outcome: Outcome, before: Mapping[str, tuple[float | None, str, int]]) -> tuple[Metric, ...]:
    now = {one.output: one for one in outcome.made if one.kind == "metric"}
    found: list[Metric] = []
    for name in sorted({*now, *before}):
        value, text, _ = before.get(name, (None, "", 0))
        new = now.get(name)
        found.append(
            Metric(
                name=name, before=value, after=new.value if new else None, before_text=text,
                after_text=new.where if new else "",
            )
        )  # fmt: skip
    return tuple(found)


def _cost(made: Plan, records: Records, number: int, onto: str) -> Cost:
    """What production would compute: steps whose recipe is another one than it was published with, and those after them."""
    published = records.published_recipes(made.pipeline.name, onto)
    known = records.costs(made.pipeline.name, [step.name for step in made.pipeline.steps])
    computed: list[str] = []
    for step in made.pipeline.steps:
        other = made.recipes.get(step.name) != published.get(step.name)
        if other or made.reaches.get(step.name) or any(each in computed for each in step.after):
            computed.append(step.name)
    rows = [row for row in records.steps(number) if row.outcome == "computed"]
    return Cost(
        steps=tuple(computed),
        seconds=sum(known[step][0] for step in computed if step in known),
        cpu=sum(known[step][1] or 0.0 for step in computed if step in known),
        unknown=tuple(step for step in computed if step not in known),
        measured_seconds=sum(row.seconds or 0.0 for row in rows),
        measured_cpu=sum(row.cpu or 0.0 for row in rows),
    )
