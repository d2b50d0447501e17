"""The values of a pipeline's parameters: defaults, and what was set on the command line."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pilotline.domain.errors import did_you_mean
from pilotline.run.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.pipelines import Contract, Parameter, ParameterValue

__all__ = ["assignments", "settle", "with_partition"]

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """``name=value`` texts as a mapping.

    Raises:
        BadParameter: one has no ``=``.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadParameter(f"{text!r} sets nothing", try_next="--set name=value", text=text)
        found[name.strip()] = value
    return found


def with_partition(given: Mapping[str, str], partition: str, contract: Contract, *, name: str) -> dict[str, str]:
    """What was set, and the value of the parameter that says the partition.

    Args:
        given: what was set.
        partition: the value; empty: none was asked for.
        contract: of the pipeline.
        name: of the pipeline.

    Raises:
        BadParameter: the pipeline has no partitions, or its parameter was set to something else.
    """
    if not partition:
        return dict(given)
    parameter = contract.partition
    if not parameter:
        raise BadParameter(
            f"{name} has no partitions: its contract does not say which parameter is one",
            try_next=f'write partition = "day" into {name}.toml, for a parameter day of the pipeline',
            partition=partition,
        )
    if given.get(parameter, partition) != partition:
        raise BadParameter(
            f"{parameter} is set to {given[parameter]!r}, and the partition is {partition!r}", try_next="leave one away"
        )
    return {**given, parameter: partition}


def settle(parameters: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, ParameterValue]:
    """The value of every parameter; None for a default that only the project's interpreter knows.

    Raises:
        BadParameter: one is set that is not there, has no value, or is given one of another kind.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            have = f"it has {', '.join(known)}" if known else "it has none"
            raise BadParameter(
                f"the pipeline has no parameter {name!r}.{did_you_mean(name, known) or f' {have[0].upper()}{have[1:]}.'}",
                try_next="pilotline plan",
                parameter=name,
                known=list(known),
            )
    values: dict[str, ParameterValue] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = _value(parameter, given[parameter.name])
        elif parameter.default is None:
            raise BadParameter(
                f"the parameter {parameter.name!r} has no default and is not set",
                try_next=f"pilotline run --set {parameter.name}=VALUE",
                parameter=parameter.name,
            )
        else:
            values[parameter.name] = parameter.value
    return values


def _value(parameter: Parameter, text: str) -> ParameterValue:
    """A text as the kind of value that the parameter takes: by its annotation, else by its default."""
    kind = parameter.annotation.replace(" ", "").replace("|None", "").replace("Optional[", "").rstrip("]")
    if parameter.kind == "file":
        listed = isinstance(parameter.value, list | tuple) or kind.lower().startswith(("list", "tuple", "sequence"))
        return [part for part in text.split(",") if part] if listed else text
    if parameter.kind == "table" or kind == "str":
        return text
    if not kind and parameter.known and parameter.value is not None:
        kind = type(parameter.value).__name__
    if kind == "str":
        return text
    try:
        match kind:
            case "int":
                return int(text.replace("_", ""))
            case "float":
                return float(text)
            case "bool":
                return _TRUTH[text.strip().lower()]
            case _:
                return _literal(text)
    except (ValueError, KeyError) as error:
        raise BadParameter(
            f"{text!r} is no value for {parameter.name}, which takes {kind}",
            try_next=f"pilotline run --set {parameter.name}={parameter.default}",
            parameter=parameter.name,
            value=text,
        ) from error


def _literal(text: str) -> Any:
    if text in {"None", "null"}:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, str | int | float | bool | list | tuple | dict | None) else text
