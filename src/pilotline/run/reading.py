"""Read a pipeline from its module and contract, and what the code of each step reaches.

Nothing is imported. What was read is remembered beside the marks of all files that it was read from, so that an
unchanged project is not parsed again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from pilotline.domain.errors import did_you_mean
from pilotline.domain.pipelines import (
    BadContract,
    Constant,
    Contract,
    FromParameter,
    FromResult,
    Output,
    Parameter,
    Pipeline,
    Step,
    contract_of,
)
from pilotline.domain.schedules import OnChange, waiting_for
from pilotline.domain.tables import BadTableName, TableName
from pilotline.guest.keys import digest
from pilotline.run.digests import mark_of
from pilotline.run.errors import BadPipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pilotline.domain.pipelines import Argument
    from pilotline.domain.schedules import Timing
    from pilotline.run.code import Reached
    from pilotline.run.environment import Environment
    from pilotline.run.projects import Project

__all__ = [
    "Code",
    "Reading",
    "names_a_table",
    "read_contract",
    "read_parameters",
    "read_pipeline",
    "text_of",
    "with_tables",
]

#: Counts what is kept in the cache; another number makes it read anew.
_FORM: Final = 6
_MOST_LOCAL_MODULES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the code of one step is and reaches."""

    digest: str
    modules: tuple[str, ...]
    #: What no key can cover, as far as the code tells: ``clock: time.time() in line 12``.
    reaches: tuple[str, ...] = ()
    environ: tuple[str, ...] = ()
    #: Texts in it that may name a file or a table.
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A pipeline with the code of its steps, by name; under ``""`` that of all of the module."""

    pipeline: Pipeline
    code: Mapping[str, Code]
    #: Modules of the project itself that are imported.
    local: tuple[Path, ...]
    #: Every file that was looked at, also those that are not there but would be read if they were; size, time, inode.
    marks: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])
    #: A digest of what runs when the module is imported and may draw random numbers; empty where nothing does.
    importing: str = ""


def read_pipeline(module: Path, project: Project, environment: Environment) -> Reading:
    """Read a module and the contract beside it.

    Raises:
        BadPipeline: there is no ``pipeline``, or it is more than a straight line of calls.
        BadContract: the contract cannot be understood, or names what the pipeline has not.
    """
    cache = project.own / "cache" / f"module-{digest(str(module))[:16]}.json"
    places = [module.parent, *(place for place in environment.places if place != module.parent)]
    facts = _remembered(cache, places)
    if facts is None:
        facts = _read(module, places, environment)
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(facts), encoding="utf-8")
        temporary.replace(cache)
    reading = _reading(facts, module, read_contract(module, project))
    _fits(reading.pipeline)
    return reading


def read_contract(module: Path, project: Project) -> Contract:
    """The contract beside a module; the defaults where there is none.

    Raises:
        BadContract: it cannot be understood.
        WaitsForNothing: it is scheduled on change, and reads no table.
    """
    path = module.with_suffix(".toml")
    try:
        data = path.read_bytes()
    except OSError:
        return contract_of({}, namespace=project.namespace, path=path.name)
    import tomllib

    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadContract(
            f"{path.name} is not TOML: {error}", try_next="pilotline explain PL304", path=path.name
        ) from error
    contract = contract_of(raw, namespace=project.namespace, path=path.name)
    return replace(contract, timing=with_tables(contract.timing, module, contract)) if contract.timing else contract


def with_tables(timing: Timing, module: Path, contract: Contract) -> Timing:
    """A schedule; one on change with the tables that the pipeline reads: those of its changes, where it takes any.

    Raises:
        WaitsForNothing: there are none.
    """
    if not isinstance(timing.trigger, OnChange):
        return timing
    from pilotline.guest.flow import FlowError, read_flow

    try:
        flow = read_flow(module.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, FlowError):
        return timing  # Whoever reads the module is told what is wrong with it.
    facts = [each.as_json() for each in flow.parameters]
    named = {
        each["name"]: each["value"]
        for each in facts
        if each["constant"]
        and names_a_table(each["value"])
        and (each["kind"] == "table" or each["annotation"] in {"str", "", None})
    }
    taken = contract.changes or tuple(named)
    reads = [TableName.parse(named[name]) for name in taken if name in named]
    return waiting_for(timing, reads, [contract.table_of(output) for output in flow.returns])


def names_a_table(value: object) -> TypeGuard[str]:
    """Whether a value of a parameter is a text that could be the name of a table."""
    if not isinstance(value, str) or value.count(".") != 1:
        return False
    namespace, _, name = value.partition(".")
    if not (namespace.isidentifier() and name.isidentifier()):
        return False
    try:
        TableName(namespace, name)
    except BadTableName:
        return False
    return True


def read_parameters(module: Path) -> tuple[Parameter, ...]:
    """The parameters of a pipeline, for which its interpreter is not needed.

    Raises:
        BadPipeline: it cannot be read, or is more than a straight line of calls.
    """
    flow, _ = _flow_of(module)
    return _parameters(parameter.as_json() for parameter in flow.parameters)


def _remembered(cache: Path, places: Sequence[Path]) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return None
    if facts.get("form") != _FORM or facts["places"] != [str(place) for place in places]:
        return None
    for path, mark in facts["marks"].items():
        if list(mark_of(path) or ()) != mark:
            return None
    return facts


def text_of(module: Path) -> str:
    """The text of a module, which is Python.

    Raises:
        BadPipeline: it cannot be read, or is none.
    """
    return _flow_of(module)[1]


def _flow_of(module: Path) -> tuple[Any, str]:
    """The flow of a module, and the module's text."""
    from pilotline.guest.flow import FlowError, read_flow

    try:
        text = module.read_text(encoding="utf-8")
        return read_flow(text), text
    except FlowError as error:
        raise BadPipeline(
            f"{module.name}, {error}", try_next=error.mend, module=module.name, line=error.line
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadPipeline(f"{module.name} cannot be read: {error}", try_next="pilotline explain PL302") from error


def _read(module: Path, places: Sequence[Path], environment: Environment) -> dict[str, Any]:
    from pilotline.run.code import Source

    # Looked at before it is read: what is written meanwhile makes the cache stale, not wrong.
    mark = mark_of(module)
    flow, text = _flow_of(module)
    source = Source(text)
    looked_up = _Locals(places, environment)
    code: dict[str, Any] = {}
    for step in flow.steps:
        constants = [argument.text for argument in step.arguments if argument.kind == "literal"]
        names = [step.function, *(text for text in constants if text.isidentifier())]
        code[step.name] = looked_up.code_of(source.reached_from(names), module)
    code[""] = looked_up.code_of(source.everything(), module)
    marks = {str(module): list(mark or ()), **looked_up.marks}
    return {
        "form": _FORM,
        "places": [str(place) for place in places],
        "marks": marks,
        "local": sorted(looked_up.found),
        "importing": looked_up.importing(source.at_import()),
        "code": code,
        "summary": (flow.module_doc or flow.doc or "").strip().partition("\n")[0],
        **_flow_facts(flow, source.results()),
    }


def _flow_facts(flow: Any, results: Mapping[str, str]) -> dict[str, Any]:
    return {
        "parameters": [parameter.as_json() for parameter in flow.parameters],
        "steps": [
            {
                "name": step.name,
                "function": step.function,
                "arguments": [argument.as_json() for argument in step.arguments],
                "results": list(step.results),
                "unpacks": step.unpacks,
                "line": step.line,
                "annotation": results.get(step.function, ""),
            }
            for step in flow.steps
        ],
        "returns": {key: argument.as_json() for key, argument in flow.returns.items()},
    }


class _Locals:
    """Modules of the project itself: looked up where its interpreter would, read, and looked through for more."""

    def __init__(self, places: Sequence[Path], environment: Environment) -> None:
        self._places = places
        self._environment = environment
        self.found: dict[str, Any] = {}
        #: Also of files that are not there: were they made, they would be imported.
        self.marks: dict[str, list[int]] = {}

    def code_of(self, reached: Any, module: Path) -> dict[str, Any]:
        """The facts of what was reached, modules of the project taken in."""
        parts = [digest(*reached.code)]
        modules, reaches = set(reached.modules), list(reached.reaches)
        environ, texts = set(reached.environ), set(reached.texts)
        outside: set[str] = set()
        seen: set[str] = set()
        waiting = [(name, module) for name in sorted(modules)]
        while waiting:
            name, importer = waiting.pop()
            for path in self._files_of(name, importer):
                if str(path) in seen or len(seen) > _MOST_LOCAL_MODULES or path == module:
                    continue
                seen.add(str(path))
                facts = self._facts(path)
                parts.append(f"{path.name} {facts['digest']}")
                reaches += facts["reaches"]
                environ |= set(facts["environ"])
                texts |= set(facts["texts"])
                waiting += [(inner, path) for inner in facts["modules"]]
            if not name.startswith(".") and not self._is_local(name.partition(".")[0]):
                outside.add(name.partition(".")[0])
        return {
            "digest": digest(*parts[:1], *sorted(parts[1:])),
            "modules": sorted(outside),
            "reaches": reaches,
            "environ": sorted(environ),
            "texts": sorted(texts),
        }

    def importing(self, reached: Reached) -> str:
        """A digest of what importing the module and the project's other modules does besides defining."""
        parts = [*reached.code, *(self.found[path]["importing"] for path in sorted(self.found))]
        return digest(*parts) if any(parts) else ""

    def _facts(self, path: Path) -> dict[str, Any]:
        from pilotline.run.code import Source

        if str(path) not in self.found:
            self.marks[str(path)] = list(mark_of(path) or ())
            text = path.read_text(encoding="utf-8", errors="replace")
            try:
                source = Source(text)
                reached = source.everything()
            except SyntaxError:
                self.found[str(path)] = {
                    "digest": digest(text), "reaches": [], "environ": [], "texts": [], "modules": [], "importing": "",
                }  # fmt: skip
            else:
                self.found[str(path)] = {
                    "importing": digest(*code) if (code := source.at_import().code) else "",
                    "digest": digest(*reached.code),
                    "reaches": [f"{each} of {path.name}" for each in reached.reaches],
                    "environ": sorted(reached.environ),
                    "texts": sorted(reached.texts),
                    "modules": sorted(reached.modules),
                }
        return self.found[str(path)]

    def _is_local(self, root: str) -> bool:
        return any(True for _ in self._files_of(root, None))

    def _files_of(self, name: str, importer: Path | None) -> Iterable[Path]:
        """The files that importing a dotted name executes, where they are the project's own."""
        places = self._places
        if name.startswith("."):
            places = [importer.parent] if importer else []
            name = name[1:]
        root = name.partition(".")[0]
        if root in self._environment.standard or (root in self._environment.modules and len(places) != 1):
            # A file beside the module would be imported in its place; so it is only looked whether there is one.
            places = places[:1]
        parts = name.split(".")
        found: list[Path] = []
        for place in places:
            folder = place
            for part in parts:
                package, plain = folder / part / "__init__.py", folder / f"{part}.py"
                if self._there(package):
                    found.append(package)
                elif self._there(plain):
                    found.append(plain)
                    break
                elif not (folder / part).is_dir():
                    break
                folder = folder / part
            if found:
                break
        return found

    def _there(self, path: Path) -> bool:
        mark = mark_of(path)
        if mark is None:
            self.marks[str(path)] = []
        return mark is not None


def _reading(facts: Mapping[str, Any], module: Path, contract: Contract) -> Reading:
    names: list[str] = [step["name"] for step in facts["steps"]]
    steps = tuple(
        Step(
            name=step["name"],
            function=step["function"],
            arguments={each["parameter"]: _argument(each, facts, names) for each in step["arguments"]},
            results=tuple(step["results"]),
            unpacks=step["unpacks"],
            line=step["line"],
            annotation=step["annotation"],
        )
        for step in facts["steps"]
    )
    outputs: list[Output] = []
    for name, each in facts["returns"].items():
        value = _argument(each, facts, names)
        if not isinstance(value, Constant):
            outputs.append(Output(name=name, value=value))
    return Reading(
        pipeline=Pipeline(
            name=module.stem,
            module=module,
            folder=module.parent,
            parameters=_parameters(facts["parameters"]),
            steps=steps,
            outputs=tuple(outputs),
            contract=contract,
            summary=facts["summary"],
        ),
        code={step: _code(each) for step, each in facts["code"].items()},
        local=tuple(Path(path) for path in facts["local"]),
        importing=facts["importing"],
        marks={**facts["marks"], str(module.with_suffix(".toml")): ()},
    )


def _parameters(facts: Iterable[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name=each["name"],
            kind=each["kind"],
            default=each["default"],
            value=each["value"],
            known=each["constant"],
            annotation=each["annotation"] or "",
        )
        for each in facts
    )


def _fits(pipeline: Pipeline) -> None:
    """See that the contract speaks of this pipeline.

    Raises:
        BadContract: it names an output, step or parameter that is not there, or one table for two outputs.
    """
    contract, path = pipeline.contract, f"{pipeline.name}.toml"
    outputs = [each.name for each in pipeline.outputs]
    steps = list(dict.fromkeys(name for each in pipeline.steps for name in (each.name, each.function)))
    parameters = [each.name for each in pipeline.parameters]
    named = (
        ("[tables.{}]", "returns", contract.tables, outputs),
        ("{} in [repeatable]", "has a step", contract.repeatable, steps),
        ("{} in [tries]", "has a step", contract.tries, steps),
        ("partition = {!r}", "has a parameter", [contract.partition] if contract.partition else [], parameters),
        ("changes = [{!r}]", "has a parameter", contract.changes, parameters),
    )
    for where, has, words, known in named:
        for word in words:
            if word not in known:
                have = did_you_mean(word, known) or (f" It has {', '.join(known)}." if known else "")
                raise BadContract(
                    f"{path}: {where.format(word)} names nothing that the pipeline {has}.{have}",
                    try_next=f"mend {path}", path=path, word=word,
                )  # fmt: skip
    places: dict[str, str] = {}
    for output in outputs:
        table = str(contract.table_of(output)) if output in contract.tables else output
        if table in places:
            raise BadContract(
                f"{path}: {places[table]} and {output} are both published as {table}",
                try_next=f"mend {path}", path=path,
            )  # fmt: skip
        places[table] = output


def _argument(each: Mapping[str, Any], facts: Mapping[str, Any], names: Sequence[str]) -> Argument:
    match each["kind"]:
        case "parameter":
            return FromParameter(each["name"])
        case "result":
            results: list[str] = facts["steps"][each["step"]]["results"]
            # Of a name bound twice in one statement the last one holds.
            return FromResult(names[int(each["step"])], len(results) - 1 - results[::-1].index(each["name"]))
        case _:
            return Constant(each["text"])


def _code(each: Mapping[str, Any]) -> Code:
    return Code(
        digest=each["digest"],
        modules=tuple(each["modules"]),
        reaches=tuple(each["reaches"]),
        environ=tuple(each["environ"]),
        texts=tuple(each["texts"]),
    )
