"""Make a plan: which steps must be computed and why, what will be written, what will be checked. Nothing is changed.

A step's recipe is told part by part (code, arguments, files, tables, environment, seed), so that what differs from the
last run can be said in words. Recipes, and the keys of the results that a step takes, make its content key.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, assert_never

from pilotline.domain.access import Scope
from pilotline.domain.checks import toml_of
from pilotline.domain.pipelines import BadContract, Constant, FromParameter, FromResult
from pilotline.domain.plans import (
    ChangesInput,
    CreateBranch,
    FileInput,
    Held,
    KeepArtifact,
    Plan,
    Publish,
    RunCheck,
    RunStep,
    TableInput,
    Unchanged,
    WriteTable,
)
from pilotline.domain.tables import CommitId, Replace, TableName, describe_mode
from pilotline.guest.keys import Generators, base_key, digest, final_key, repeatable
from pilotline.guest.results import Store
from pilotline.run.code import address_in
from pilotline.run.digests import ABSENT
from pilotline.run.errors import MadeByOthers, MissingSecret
from pilotline.run.parameters import settle
from pilotline.run.reading import names_a_table
from pilotline.run.records import run_name
from pilotline.run.taking import left_off, made_of_changes, replaces_by_changes, undo_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.domain.pipelines import Pipeline, Step
    from pilotline.domain.plans import Input, Stage
    from pilotline.domain.tables import TableInfo, WriteMode
    from pilotline.lake.catalog import CatalogReader
    from pilotline.run.digests import Digests
    from pilotline.run.environment import Environment
    from pilotline.run.projects import Project
    from pilotline.run.reading import Code, Reading
    from pilotline.run.records import PastRun, Records

__all__ = ["WHOLE", "Around", "Asked", "outcome_of", "plan"]

#: Types of what is published as a table, without their module.
_TABLES: Final = frozenset(
    [
        "DataFrame",
        "Series",
        "LazyFrame",
        "ndarray",
        "Table",
        "RecordBatch",
        "RecordBatchReader",
        "Dataset",
        "DuckDBPyRelation",
    ]
)
#: Variables that differ from one prompt of a shell to the next.
_OF_THE_SHELL: Final = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES"})
#: Everybody who can open a lake on a disk can read all of it.
WHOLE: Final = Scope.everything("the lake lies on one's own disk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks of a run, beside the pipeline itself."""

    onto: str = "main"
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Compute every step again, and publish also what was held.
    fresh: bool = False
    publish: bool = True
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a plan looks at beside the pipeline and the lake."""

    project: Project
    environment: Environment
    digests: Digests
    records: Records


def plan(reading: Reading, lake: CatalogReader, asked: Asked, around: Around) -> Plan:
    """What a run of a pipeline would do now.

    Args:
        reading: the pipeline and the code of its steps.
        lake: looked at, never changed.
        asked: by the user.
        around: the project, its interpreter and what runs left behind.

    Raises:
        BadParameter: a parameter that is not there, has no value, or has one of another kind.
        NoSuchRef: there is no branch ``onto``.
        MissingSecret: the environment lacks a credential that the contract names.
    """
    missing = [name for name in reading.pipeline.contract.secrets if not os.environ.get(name)]
    if missing:
        raise MissingSecret(reading.pipeline.name, missing)
    return _Planner(reading, lake, asked, around).plan()


def outcome_of(pipeline: Pipeline, keys: Mapping[str, str], identities: Mapping[str, str]) -> str:
    """What identifies an outcome: the keys of all outputs, and how they are published; empty where a key is not known."""
    contract = pipeline.contract
    parts: list[str] = []
    for output in pipeline.outputs:
        match output.value:
            case FromResult(step=step, index=index):
                if not keys[step]:
                    return ""
                made = f"{keys[step]}/{index}"
            case FromParameter(name=name):
                made = identities[name]
        mode = contract.mode_of(output.name)
        parts.append(f"{output.name} {made} {contract.table_of(output.name)} {describe_mode(mode)}")
    return digest("outcome", *parts, *(f"{check.table} {toml_of(check)}" for check in contract.checks))


class _Planner:
    def __init__(self, reading: Reading, lake: CatalogReader, asked: Asked, around: Around) -> None:
        self.reading = reading
        self.pipeline = reading.pipeline
        self.lake = lake
        self.asked = asked
        self.around = around
        self.base = lake.resolve(asked.onto)
        self.tables = {info.table: info for info in lake.tables(self.base)}
        self.parameters = settle(self.pipeline.parameters, asked.parameters)
        self.inputs: dict[tuple[str, str], Input] = {}
        self.recipes: dict[str, dict[str, str]] = {}
        self.reaches: dict[str, tuple[str, ...]] = {}
        self.before = around.records.recipes(self.pipeline.name)
        self.hints = around.records.facts(self.pipeline.name, [step.name for step in self.pipeline.steps])
        self.interrupted = around.records.interrupted(self.pipeline.name, asked.onto)
        self.store = Store(str(around.project.store))
        contract = self.pipeline.contract
        #: Table -> the parameter that takes what came to it.
        self.changes_of: dict[str, str] = {}
        for name in contract.changes:
            if not names_a_table(self.parameters[name]):
                raise BadContract(
                    f"{self.pipeline.name}.toml: changes = [{name!r}] names no table, but {self.parameters[name]!r}",
                    try_next=f'{name}: str = "namespace.table" in the pipeline\'s parameters',
                    path=f"{self.pipeline.name}.toml",
                )
        self.changing = made_of_changes(self.pipeline)
        #: The last run whose publish stands, where the pipeline is made of what came since.
        self.taken: PastRun | None = None
        if contract.changes and not asked.fresh:
            self.taken = left_off(around.records, lake, self.pipeline, asked.onto)
        #: The tables as that run read them.
        self.before_tables: dict[TableName, str] = {}
        if self.taken is not None:
            self.before_tables = {info.table: info.snapshot for info in lake.tables(lake.resolve(self.taken.base))}

    def plan(self) -> Plan:
        stages = self._steps()
        keys = {stage.step: stage.key for stage in stages}
        returned = [each.value.name for each in self.pipeline.outputs if isinstance(each.value, FromParameter)]
        identities = {name: self._identity(name) for name in returned}
        outcome = outcome_of(self.pipeline, keys, identities)
        nothing = None if self.asked.fresh or not self.asked.publish else self._nothing_to_do(outcome)
        self.around.digests.save()
        return Plan(
            pipeline=self.pipeline,
            onto=self.asked.onto,
            base=self.base,
            stages=() if nothing else (*self._branch(), *stages, *self._outputs(), *self._end()),
            parameters=self.parameters,
            inputs=tuple(self.inputs.values()),
            python=self.around.environment.python,
            environment=self.around.environment.version.partition(" (")[0],
            outcome=outcome,
            nothing=nothing,
            resumes=run_name(self.interrupted[0]) if self.interrupted else None,
            recipes=self.recipes,
            identities=identities,
            set=frozenset(self.asked.parameters),
            importing=self.reading.importing,
            code_marks={
                str(path): self.reading.marks[str(path)] for path in (self.pipeline.module, *self.reading.local)
            },
            file_marks=dict(self.around.digests.marks),
            reaches=self.reaches,
        )

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _steps(self) -> list[RunStep]:
        generators = Generators(self.pipeline.contract.seed, self.reading.importing)
        finals: dict[str, str] = {}
        computed: set[str] = set()
        stages: list[RunStep] = []
        for step in self.pipeline.steps:
            stage = self._step(step, generators, finals, computed)
            finals[step.name] = stage.key
            if not stage.reuse:
                computed.add(step.name)
            stages.append(stage)
        return stages

    def _step(self, step: Step, generators: Generators, finals: Mapping[str, str], computed: set[str]) -> RunStep:
        code = self.reading.code[step.name]
        parts = self._recipe(step, code)
        self.recipes[step.name] = parts
        recipe = digest(*(f"{name}={value}" for name, value in sorted(parts.items())))
        taken = [(finals[each.step], each.index) for each in step.arguments.values() if isinstance(each, FromResult)]
        waits_for = next((each for each in step.after if not finals[each]), None)
        if waits_for is not None:
            return RunStep(step=step.name, key="", reuse=False, why=f"{waits_for} is computed in every run")
        base = base_key(recipe, taken)
        known = self.store.facts(base)
        facts = self._counted(step, code, known)
        final, reuse = self._look_up(base, facts, generators)
        if not reuse and known is None and (hinted := self.hints.get(step.name, {}).get("draws")):
            # It was never computed like this; it will draw as it did when it was computed last.
            facts = {**facts, "draws": hinted}
            final, _ = self._look_up(base, facts, generators)
        draws = facts.get("draws") or ()
        reaches: Sequence[str] = facts.get("reaches") or ()
        generators.drawn(draws, final)
        if reaches and not reuse:
            return RunStep(step=step.name, key="", reuse=False, why=f"it is computed in every run ({reaches[0]})")
        if self.asked.fresh:
            return RunStep(step=step.name, key=final, reuse=False, why="asked for with --fresh")
        if reuse:
            return RunStep(step=step.name, key=final, reuse=True, why="nothing that it depends on changed")
        if facts.get("stays"):
            why = f"its result cannot be stored ({facts['stays']})"
            return RunStep(step=step.name, key=final, reuse=False, why=why)
        return RunStep(step=step.name, key=final, reuse=False, why=self._why(step, parts, computed, draws))

    def _counted(self, step: Step, code: Code, known: Mapping[str, Any] | None) -> dict[str, Any]:
        """What is known of a step, the clock among it, without what the contract takes for repeatable."""
        allowed = self.pipeline.contract.repeatable.get(step.name, ())
        told = [*code.reaches]
        taken = [each.name for each in step.arguments.values() if isinstance(each, FromParameter)]
        told += [f"network: {address} as {name}" for name in taken if (address := address_in(self.parameters[name]))]
        self.reaches[step.name] = tuple(told)
        found: list[str] = [*((known or {}).get("reaches") or ()), *told]
        left = [each for each in dict.fromkeys(found) if not repeatable(each, allowed)]
        return {**(known or {}), "reaches": left}

    def _look_up(self, base: str, facts: Mapping[str, Any], generators: Generators) -> tuple[str, bool]:
        """The final key, and whether there are results under it. What a key cannot cover is taken from a broken-off run."""
        runs = [run_name(number) for number in self.interrupted] if facts.get("reaches") else [""]
        finals = [final_key(base, facts, generators, run) for run in runs]
        if not self.asked.fresh:
            for final in finals:
                if self.store.has(final):
                    return final, True
        return finals[0] if finals else base, False

    def _recipe(self, step: Step, code: Code) -> dict[str, str]:
        parts = {
            "code": code.digest,
            "environment": self.around.environment.fingerprint(code.modules),
            "shape": f"{step.unpacks} {len(step.results)}",
        }
        ordinal = 0
        for name, argument in step.arguments.items():
            match argument:
                case FromParameter(name=parameter):
                    parts[f"parameter {parameter} as {name}"] = self._identity(parameter)
                case FromResult():
                    parts[f"argument {name}"] = f"result {ordinal}"
                    ordinal += 1
                case Constant(source=source):
                    parts[f"argument {name}"] = f"constant {source}"
                case _:
                    assert_never(argument)
        for text in code.texts:
            self._named_in_code(text, parts)
        # A credential is in no key: neither the value nor what could be guessed from.
        for name in sorted(set(code.environ) - set(self.pipeline.contract.secrets)):
            parts[f"environment variable {name}"] = self._variable(name)
        return parts

    def _variable(self, name: str) -> str:
        if name != "*":
            return digest(os.environ.get(name, ""), str(name in os.environ))
        left_out = {*_OF_THE_SHELL, *self.pipeline.contract.secrets}
        return digest(*(f"{key}={value}" for key, value in sorted(os.environ.items()) if key not in left_out))

    def _identity(self, name: str) -> str:
        """What a parameter's value is: for a file its content too, for a table its snapshot."""
        parameter = next(each for each in self.pipeline.parameters if each.name == name)
        value = self.parameters[name]
        if not parameter.known and name not in self.asked.parameters:
            return f"default {parameter.default} {self.reading.code[''].digest}"
        said = json.dumps(value, sort_keys=True)
        if parameter.kind == "file":
            paths: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
            return f"file {said} {' '.join(self._file(str(path), name) for path in paths)}"
        if parameter.kind == "table" or (parameter.annotation in {"str", ""} and self._table(value) is not None):
            info = self._table(value)
            if info is None:
                return f"table {said} absent"
            if name in self.pipeline.contract.changes:
                return self._changes(info, name)
            self._reads(TableInput(table=info.table, snapshot=info.snapshot, parameter=name))
            return f"table {info.table} {info.snapshot} {WHOLE.fingerprint}"
        return f"value {said}"

    def _changes(self, info: TableInfo, name: str) -> str:
        before = self.before_tables.get(info.table)
        self._reads(
            ChangesInput(
                table=info.table,
                snapshot=info.snapshot,
                parameter=name,
                since=CommitId(self.taken.base) if self.taken and before else None,
                run=run_name(self.taken.number) if self.taken else None,
                still=before == info.snapshot,
            )
        )
        return f"changes {info.table} {before or ''}..{info.snapshot} {WHOLE.fingerprint}"

    def _reads(self, table: TableInput | ChangesInput) -> None:
        key = ("table", str(table.table))
        if isinstance(table, ChangesInput):
            self.changes_of.setdefault(key[1], table.parameter)
        there = self.changes_of.get(key[1])
        if there is not None and (there != table.parameter or isinstance(self.inputs.get(key, table), TableInput)):
            raise BadContract(
                f"{self.pipeline.name}.toml: {there} is read as what came to {table.table}, and the pipeline reads all of"
                " it too; by its name alone nobody could tell which is meant",
                try_next=f"read {table.table} in one way",
                path=f"{self.pipeline.name}.toml",
            )
        self.inputs[key] = table

    def _mode(self, output: str) -> WriteMode:
        """How an output is written now: what is made of changes is made anew where the whole table is read again."""
        mode, table = self.pipeline.contract.mode_of(output), self.pipeline.contract.table_of(output)
        if output not in self.changing:
            return mode
        if isinstance(mode, Replace):
            raise replaces_by_changes(self.pipeline.name, output, table)
        if not self.asked.fresh or table not in self.tables:
            return mode
        others = self.around.records.other_makers_of(str(table), self.pipeline.name)
        if others:
            raise MadeByOthers(self.pipeline.name, table, others)
        return Replace()

    def _file(self, text: str, parameter: str = "") -> str:
        path = self.pipeline.folder / text
        sha256 = self.around.digests.of(path)
        if sha256 != ABSENT:
            self.inputs["file", text] = FileInput(path=text, sha256=sha256, parameter=parameter)
        return sha256

    def _table(self, value: object) -> TableInfo | None:
        return self.tables.get(TableName.parse(value)) if names_a_table(value) else None

    def _named_in_code(self, text: str, parts: dict[str, str]) -> None:
        """A text in a step's code that names a file or a table belongs to what the step depends on."""
        info = self._table(text)
        if info is not None:
            parts[f"table {info.table}"] = f"{info.snapshot} {WHOLE.fingerprint}"
            if ("table", text) not in self.inputs or text in self.changes_of:
                self._reads(TableInput(table=info.table, snapshot=info.snapshot))
            return
        path = self.pipeline.folder / text
        try:
            there = path.is_file()
        except (OSError, ValueError):
            return
        if there:
            parts[f"file {text}"] = self.around.digests.of(path)
            self.inputs.setdefault(("file", text), FileInput(path=text, sha256=parts[f"file {text}"]))

    # -- why -----------------------------------------------------------------------------------------------------------

    def _why(self, step: Step, parts: Mapping[str, str], computed: set[str], draws: Iterable[str]) -> str:
        before = self.before.get(step.name)
        if before is None:
            return "it was never run"
        said = [_change(name, before.get(name), parts.get(name)) for name in sorted({*before, *parts})
                if before.get(name) != parts.get(name)]  # fmt: skip
        said += [f"{each} is computed again" for each in step.after if each in computed]
        if said:
            return ", ".join(dict.fromkeys(said))
        if draws:
            return "the random state before it is another one"
        return "its result is not in the store"

    # -- what comes of it ----------------------------------------------------------------------------------------------

    def _branch(self) -> tuple[Stage, ...]:
        return (CreateBranch(base=self.base.id, onto=self.asked.onto, name=self.asked.branch),)

    def _outputs(self) -> list[Stage]:
        """What becomes of each output, as far as the contract and the last runs tell; the run itself decides by the value."""
        contract = self.pipeline.contract
        stages: list[Stage] = []
        for output in self.pipeline.outputs:
            kind = self._kind_of(output.name, output.value)
            if kind == "table":
                stages.append(
                    WriteTable(output=output.name, table=contract.table_of(output.name), mode=self._mode(output.name))
                )
            else:
                sort = "metric" if kind == "metric" else "artifact" if kind else "unknown"
                stages.append(KeepArtifact(output=output.name, kind=sort))
        return stages

    def _kind_of(self, name: str, value: FromResult | FromParameter) -> str:
        contract = self.pipeline.contract
        if name in contract.tables or contract.table_of(name) in self.tables:
            return "table"
        kind = ""
        if isinstance(value, FromResult):
            results: Sequence[Mapping[str, Any]] = self.hints.get(value.step, {}).get("results") or ()
            kind = str(results[value.index]["type"]) if value.index < len(results) else ""
            kind = kind or _annotated(self.pipeline.step(value.step), value.index)
        if kind in {"int", "float", "bool"} or kind.startswith(("numpy.float", "numpy.int", "numpy.bool", "np.float")):
            return "metric"
        if _is_table(kind):
            return "table"
        return "artifact" if kind else ""

    def _end(self) -> list[Stage]:
        stages: list[Stage] = [RunCheck(check=check) for check in self.pipeline.contract.checks]
        if self.asked.publish:
            stages.append(Publish(onto=self.asked.onto))
        return stages

    # -- nothing to do -------------------------------------------------------------------------------------------------

    def _nothing_to_do(self, outcome: str) -> Unchanged | Held | None:
        """Whether an earlier run published this outcome and it still stands; or was taken back, and is held."""
        records, name, onto = self.around.records, self.pipeline.name, self.asked.onto
        changes = [each for each in self.inputs.values() if isinstance(each, ChangesInput)]
        if (
            self.taken is not None
            and changes
            and all(each.still for each in changes)
            and self.changing.issuperset(each.name for each in self.pipeline.outputs)
        ):
            still = tuple(each.table for each in changes)
            return Unchanged(run=run_name(self.taken.number), at=self.taken.ended, still=still)
        past = records.published_with(name, onto, outcome) if outcome else None
        if past is None:
            return None
        made = [(TableName.parse(row[0]), row[1]) for row in records.rows_of("tables", past.number)]
        unchanged = Unchanged(run=run_name(past.number), at=past.ended)
        later = [each for each in records.published_after(name, onto, past.number) if each.outcome != outcome]
        stands = all(table in self.tables and self.tables[table].snapshot == state for table, state in made)
        # Numbers and artifacts are those of the last run that published.
        if made and stands and not (later and len(made) < len(self.pipeline.outputs)):
            return unchanged
        undo = undo_of(past.commit, self.lake.log(onto))
        if undo is not None and made:
            return Held(run=run_name(past.number), undone_by=undo.author, at=undo.at)
        if not made:
            return None if later else unchanged
        modes = {self.pipeline.contract.table_of(each.name): self.pipeline.contract.mode_of(each.name)
                 for each in self.pipeline.outputs}  # fmt: skip
        if any(isinstance(modes.get(table, Replace()), Replace) for table, _ in made):
            return None
        return None if any(self._rewrites(each, past) for each in later) else unchanged

    def _rewrites(self, later: PastRun, past: PastRun) -> bool:
        """Whether a later run may have written over what an earlier one wrote by partition or key."""
        partition = self.pipeline.contract.partition
        return not partition or later.parameters.get(partition) == past.parameters.get(partition)


def _annotated(step: Step, index: int) -> str:
    """What the function of a step says of one of its results."""
    text = step.annotation
    if step.unpacks and text.lower().startswith("tuple[") and "[" not in text[6:]:
        parts = text[6:].rstrip("]").split(",")
        return parts[index].strip() if index < len(parts) else ""
    return "" if step.unpacks else text


def _is_table(kind: str) -> bool:
    """Whether something of a type, as it was seen or annotated, is published as a table; of an iterator, what it gives."""
    of, _, items = kind.partition("[")
    if items and of.rpartition(".")[2] in {"Iterator", "Generator"}:
        kind = items.partition(",")[0].rstrip("]")
    return kind.rpartition(".")[2] in _TABLES


def _change(name: str, before: str | None, now: str | None) -> str:
    """One difference between two recipes, in words."""
    kind, _, rest = name.partition(" ")
    if name == "code":
        return "its code changed"
    if name == "environment":
        return "its packages changed"
    if kind == "parameter":
        parameter = rest.partition(" as ")[0]
        return _parameter_change(parameter, before, now)
    if kind in {"file", "table"}:
        return f"{rest} changed" if before and now else f"{rest} is read {'now' if now else 'no more'}"
    if kind == "environment":
        return "the environment changed" if rest.endswith("*") else f"the {name} changed"
    return f"its {name} changed"


def _parameter_change(name: str, before: str | None, now: str | None) -> str:
    if before is None or now is None:
        return f"{name} is given in another way"
    (kind, _, old), (other, _, new) = before.partition(" "), now.partition(" ")
    if kind == other == "value":
        return f"{name} changed from {old} to {new}"
    if kind == other == "file":
        # The value is JSON, its digests follow; a path may hold blanks.
        decode = json.JSONDecoder().raw_decode
        (old_path, _), (new_path, _) = decode(old), decode(new)
        return f"{name} is now {new_path}" if old_path != new_path else f"{new_path} changed"
    if kind == other == "table":
        return f"{new.partition(' ')[0]} changed"
    return f"{name} changed"
