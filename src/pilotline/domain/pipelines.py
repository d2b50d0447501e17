"""A pipeline: steps joined by what they read and write; and the contract that stands beside its code.

The code says what is computed (one module with a function ``pipeline`` of straight-line calls); the contract, a TOML file
of the same name, says everything else: where results are published and how, which checks they must pass, who owns them
and when they are made. Without a contract the defaults hold: replace the table, in the namespace named after the folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pilotline.domain.checks import Check, check_of, toml_of
from pilotline.domain.errors import UsageError, did_you_mean
from pilotline.domain.orders import Terms
from pilotline.domain.schedules import BadSchedule, Timing, as_stored, describe_timing, timing_of
from pilotline.domain.tables import Replace, SetLayout, TableName, WriteMode, describe_mode, parse_mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Argument",
    "BadContract",
    "Constant",
    "Contract",
    "FromParameter",
    "FromResult",
    "Output",
    "Parameter",
    "ParameterValue",
    "Pipeline",
    "Step",
    "TableContract",
    "contract_of",
    "toml_of_contract",
]

#: What a parameter can be set to: plain data as JSON would say it, paths as texts.
ParameterValue: TypeAlias = "str | int | float | bool | Sequence[ParameterValue] | Mapping[str, ParameterValue] | None"


class BadContract(UsageError):
    """The TOML file beside a pipeline cannot be understood."""

    code = "PL304"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A keyword parameter of ``pipeline``."""

    name: str
    kind: Literal["file", "table", "value"]
    #: Its default as source text, such as ``Path("data/orders.csv")``; None where it must be given.
    default: str | None = None
    #: The default as plain data where ``known``.
    value: ParameterValue = None
    #: The default's value can be told from the source; else only the project's interpreter knows it.
    known: bool = True
    #: Its annotation as source text; empty where there is none.
    annotation: str = ""


@dataclass(frozen=True, slots=True)
class FromParameter:
    """An argument that is a parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class FromResult:
    """An argument that is a result of an earlier step."""

    step: str
    #: Which of the step's results.
    index: int


@dataclass(frozen=True, slots=True)
class Constant:
    """An argument written out in the call, as its source text."""

    source: str


Argument: TypeAlias = FromParameter | FromResult | Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call in ``pipeline``: a plain function, what goes in and what comes out."""

    #: The function's name; of a function called twice the second call is ``name_2``.
    name: str
    function: str
    #: By the function's own names for them.
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    #: The variables that its value is bound to, in order.
    results: tuple[str, ...] = ()
    #: The value is a tuple that is taken apart; else it is bound whole to the one variable.
    unpacks: bool = False
    #: Where the call stands in the module, from 1.
    line: int = 0
    #: The result types as source text, where the function is annotated.
    annotation: str = ""

    @property
    def after(self) -> tuple[str, ...]:
        """The steps whose results it takes, each once."""
        return tuple(dict.fromkeys(each.step for each in self.arguments.values() if isinstance(each, FromResult)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One key of what ``pipeline`` returns."""

    name: str
    value: FromResult | FromParameter


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContract:
    """How one output is published as a table."""

    #: Where, if not under the output's own name in the contract's namespace.
    table: TableName | None = None
    mode: WriteMode = field(default_factory=Replace)
    #: How its files are divided and sorted; None: as they are.
    layout: SetLayout | None = None
    #: The longest that readers are promised to wait for the next publish; None: nothing is promised.
    fresh: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often a step is called in a run that raises."""

    times: int = 1
    #: Seconds before the second try, give or take a half; twice as long before each one after it, an hour at most.
    wait: float = 1.0
    #: Names of exceptions, or of classes that they descend from, after which it is tried again. Empty: any.
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """All of a pipeline that is not code."""

    namespace: str
    owner: str = ""
    #: When it runs in the factory; None: when it is asked for.
    timing: Timing | None = None
    #: What the global random generators are set to before the first step; None leaves them to chance.
    seed: int | None = 0
    tables: Mapping[str, TableContract] = field(default_factory=dict[str, TableContract])
    checks: tuple[Check, ...] = ()
    #: The parameter that says which partition a run makes.
    partition: str = ""
    #: Parameters whose table is read as what was added since the last publish.
    changes: tuple[str, ...] = ()
    #: Functions or steps allowed to reach outside without making their step unrepeatable: ``network``, ``clock``, ``files``.
    repeatable: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    #: Environment variables that the steps read credentials from, each with what it is.
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Steps, or their functions, that are tried again when they raise.
    tries: Mapping[str, Tries] = field(default_factory=dict[str, Tries])
    #: How the factory queues its orders.
    terms: Terms = field(default_factory=Terms)

    @property
    def schedule(self) -> str:
        """When it runs, in a few words: ``0 6 * * *`` or ``after sales.orders``."""
        return describe_timing(self.timing) if self.timing else ""

    def tries_of(self, step: Step) -> Tries:
        """How often a step is tried."""
        return self.tries.get(step.name) or self.tries.get(step.function) or Tries()

    def table_of(self, output: str) -> TableName:
        """The table that an output is published as."""
        own = self.tables.get(output)
        return own.table if own and own.table else TableName(self.namespace, output)

    def mode_of(self, output: str) -> WriteMode:
        """How an output's table is written."""
        own = self.tables.get(output)
        return own.mode if own else Replace()

    def layout_of(self, output: str) -> SetLayout | None:
        """How the files of an output's table are divided and sorted, where the contract says so."""
        own = self.tables.get(output)
        return own.layout if own else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Steps joined by what they read and write."""

    name: str
    #: The module that says it, and the folder that it is run in.
    module: Path
    folder: Path
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    contract: Contract
    summary: str = ""

    def step(self, name: str) -> Step:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)


_TOP = (
    "namespace",
    "owner",
    "schedule",
    "seed",
    "partition",
    "changes",
    "tables",
    "repeatable",
    "secrets",
    "tries",
    "orders",
)
_TRIES = ("times", "wait", "on")
_ORDERS = ("tries", "timeout", "priority", "key")
_TABLE = ("table", "mode", "partition_by", "sort_by", "checks", "allow_schema_change", "fresh")
_REACHES = ("network", "clock", "files", "processes")


def contract_of(raw: Mapping[str, Any], *, namespace: str, path: str) -> Contract:
    """The contract that a TOML document says.

    Args:
        raw: the document.
        namespace: where tables go if the document does not say.
        path: the file, for messages.

    Raises:
        BadContract: an unknown word, or a value of another kind.
        BadCheck: a check that cannot be understood.
        BadTableName: a name that no table can have.
        LakeError: an unknown write mode.
    """
    for key in raw:
        if key not in _TOP:
            raise _bad(path, f"{key!r} is no word of a contract.{did_you_mean(key, _TOP)}")
    seed = raw.get("seed", 0)
    if seed is False:
        seed = None
    elif not isinstance(seed, int) or isinstance(seed, bool):
        raise _bad(path, "seed is a whole number, or false")
    namespace = _text(path, raw, "namespace") or namespace
    tables: dict[str, TableContract] = {}
    checks: list[Check] = []
    for output, one in _table(path, raw, "tables").items():
        where = f"[tables.{output}]"
        if not isinstance(one, dict):
            raise _bad(path, f"{where} is a table of its own: mode, checks")
        own = cast("dict[str, Any]", one)
        for key in own:
            if key not in _TABLE:
                raise _bad(path, f"{key!r} is no word of {where}.{did_you_mean(key, _TABLE)}")
        name = _text(path, own, "table")
        table = TableName.parse(name, namespace=namespace) if name else None
        mode = parse_mode(_text(path, own, "mode") or "replace")
        if own.get("allow_schema_change") and isinstance(mode, Replace):
            mode = Replace(allow_schema_change=True)
        layout = SetLayout(partition_by=_list(path, own, "partition_by"), sort_by=_list(path, own, "sort_by"))
        said = "partition_by" in own or "sort_by" in own
        tables[output] = TableContract(table=table, mode=mode, layout=layout if said else None, fresh=_span(path, own))
        listed = own.get("checks", [])
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in cast("list[object]", listed)):
            raise _bad(path, f"checks of {where} is a list of tables, as in checks = [{{not_null = ['day']}}]")
        target = table or TableName(namespace, output)
        checks += [check_of(target, item) for item in cast("list[dict[str, Any]]", listed)]
    return Contract(
        namespace=namespace,
        owner=_text(path, raw, "owner"),
        timing=_timing(path, raw["schedule"], namespace) if raw.get("schedule") else None,
        seed=seed,
        tables=tables,
        checks=tuple(checks),
        partition=_text(path, raw, "partition"),
        changes=_list(path, raw, "changes"),
        repeatable=_repeatable(path, raw),
        secrets=_secrets(path, raw),
        tries=_tries(path, raw),
        terms=_terms(path, raw),
    )


_MOST: Final = 1000
_SPAN: Final = re.compile(r"(\d+)\s*(min|s|m|h|d)")
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def _span(path: str, raw: Mapping[str, Any]) -> timedelta | None:
    """A promise such as ``24h``."""
    text = _text(path, raw, "fresh")
    if not text:
        return None
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0 or found[2] == "s":
        raise _bad(path, f"fresh is {text!r}: 90m, 24h or 7d.")
    return int(found[1]) * _UNITS[found[2]]


def _span_said(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    for size, unit in ((24 * 60, "d"), (60, "h")):
        if minutes % size == 0 and (unit == "h" or minutes >= 2 * size):
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def _timing(path: str, said: object, namespace: str) -> Timing:
    try:
        return timing_of(said, namespace=namespace)
    except BadSchedule as error:
        raise _bad(path, f"schedule: {error.message}") from error


def _tries(path: str, raw: Mapping[str, Any]) -> dict[str, Tries]:
    found: dict[str, Tries] = {}
    for step, said in _table(path, raw, "tries").items():
        where = f"{step} in [tries]"
        own: Mapping[str, Any] = said if isinstance(said, dict) else {"times": said}
        for key in own:
            if key not in _TRIES:
                raise _bad(path, f"{key!r} is no word of {where}.{did_you_mean(key, _TRIES)}")
        wait = _seconds(path, own, "wait", where)
        found[step] = Tries(
            times=_whole(path, own, "times", where, least=1, default=1),
            wait=Tries().wait if wait is None else wait,
            on=_list(path, own, "on"),
        )
    return found


def _terms(path: str, raw: Mapping[str, Any]) -> Terms:
    own = _table(path, raw, "orders")
    for key in own:
        if key not in _ORDERS:
            raise _bad(path, f"{key!r} is no word of [orders].{did_you_mean(key, _ORDERS)}")
    timeout = _seconds(path, own, "timeout", "[orders]")
    return Terms(
        tries=_whole(path, own, "tries", "[orders]", least=1, default=1),
        timeout=None if timeout is None else timedelta(seconds=timeout),
        priority=_whole(path, own, "priority", "[orders]", least=-1000, default=0),
        key=_text(path, own, "key") if "key" in own else None,
    )


def _whole(path: str, raw: Mapping[str, Any], key: str, where: str, *, least: int, default: int) -> int:
    value = raw.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise _bad(path, f"{where}: {key} is a whole number from {least} to {_MOST}")
    return value


def _seconds(path: str, raw: Mapping[str, Any], key: str, where: str) -> float | None:
    """A span such as ``90s``, ``30m`` or ``2h``, in seconds; None where none is said."""
    if key not in raw:
        return None
    found = _SPAN.fullmatch(_text(path, raw, key).strip())
    if found is None or int(found[1]) == 0:
        raise _bad(path, f"{where}: {key} is a span such as 90s, 30m or 2h")
    return int(found[1]) * _UNITS[found[2]].total_seconds()


def _secrets(path: str, raw: Mapping[str, Any]) -> dict[str, str]:
    table = _table(path, raw, "secrets")
    for name in table:
        if not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise _bad(path, f"{name!r} in [secrets] is no name of an environment variable.")
    return {name: _text(path, table, name) for name in table}


def _repeatable(path: str, raw: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for step in (table := _table(path, raw, "repeatable")):
        found[step] = _list(path, table, step)
        for word in found[step]:
            if word not in _REACHES:
                raise _bad(path, f"{word!r} in [repeatable] is not one of {', '.join(_REACHES)}.")
    return found


def _text(path: str, raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise _bad(path, f"{key} is a text")
    return value


def _list(path: str, raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key, [])
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[object]", value)):
        raise _bad(path, f"{key} is a list of texts")
    return tuple(cast("list[str]", value))


def _table(path: str, raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise _bad(path, f"[{key}] is a table")
    return cast("dict[str, Any]", value)


def _bad(path: str, why: str) -> BadContract:
    return BadContract(f"{path}: {why}", try_next="pilotline explain PL304", path=path)


def toml_of_contract(contract: Contract, *, comments: Mapping[str, str] | None = None) -> str:
    """The contract as a TOML document that ``contract_of`` reads back to an equal one.

    Args:
        contract: what to write.
        comments: a line to put above a table's section, by output.
    """
    said = comments or {}
    lines: list[str] = [f'namespace = "{contract.namespace}"']
    lines += [
        f'{key} = "{value}"'
        for key, value in (
            ("owner", contract.owner),
            ("schedule", contract.schedule if _in_words(contract) else ""),
            ("partition", contract.partition),
        )
        if value
    ]
    if contract.seed != 0:
        lines.append(f"seed = {'false' if contract.seed is None else contract.seed}")
    if contract.changes:
        lines.append(f"changes = {list(contract.changes)!r}")
    outputs = list(contract.tables)
    for output in outputs:
        own = contract.tables[output]
        target = contract.table_of(output)
        lines += ["", *([f"# {said[output]}"] if output in said else []), f"[tables.{output}]"]
        if own.table:
            lines.append(f'table = "{own.table}"')
        lines.append(f'mode = "{describe_mode(own.mode)}"')
        if isinstance(own.mode, Replace) and own.mode.allow_schema_change:
            lines.append("allow_schema_change = true")
        if own.fresh is not None:
            lines.append(f'fresh = "{_span_said(own.fresh)}"')
        if own.layout is not None:
            lines += [
                f"{key} = {json.dumps(list(terms))}"
                for key, terms in (("partition_by", own.layout.partition_by), ("sort_by", own.layout.sort_by))
                if terms or not (own.layout.partition_by or own.layout.sort_by)
            ]
        checks = [toml_of(check) for check in contract.checks if check.table == target]
        if checks:
            lines += ["checks = [", *(f"    {check}," for check in checks), "]"]
    if contract.timing is not None and not _in_words(contract):
        lines += ["", "[schedule]", *(f"{key} = {_toml(value)}" for key, value in as_stored(contract.timing).items())]
    if contract.secrets:
        lines += ["", "# Read from the environment by name; the values stand nowhere here.", "[secrets]"]
        lines += [f'{name} = "{what}"' for name, what in contract.secrets.items()]
    if contract.tries:
        lines += ["", "[tries]", *(f"{step} = {_toml_tries(tries)}" for step, tries in contract.tries.items())]
    if contract.terms != Terms():
        lines += ["", "[orders]", *(f"{key} = {_toml(value)}" for key, value in contract.terms.as_stored().items())]
    if contract.repeatable:
        lines += ["", "[repeatable]", *(f"{step} = {list(words)!r}" for step, words in contract.repeatable.items())]
    return "\n".join(lines) + "\n"


def _toml_tries(tries: Tries) -> str:
    if tries == Tries(times=tries.times):
        return str(tries.times)
    said = [f"times = {tries.times}", f'wait = "{tries.wait:.0f}s"']
    return f"{{ {', '.join([*said, *([f'on = {_toml(list(tries.on))}'] if tries.on else [])])} }}"


def _in_words(contract: Contract) -> bool:
    """Whether a few words say all of the schedule."""
    if contract.timing is None:
        return True
    try:
        return timing_of(contract.schedule, namespace=contract.namespace) == contract.timing
    except BadSchedule:
        return False


def _toml(value: object) -> str:
    """Texts, numbers, lists of them and truths as TOML has them, which is how JSON has them."""
    return json.dumps(value)
