"""Take the values of secrets out of whatever is stored or shown of a run."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.plans import Plan

__all__ = ["Redactor", "plan_without_secrets"]

#: Shorter values cannot be told from any other text.
_SHORTEST: Final = 4
#: Of one that no contract declares, a shorter value may be any word.
_SHORTEST_UNDECLARED: Final = 8
#: A line of a value of several lines, such as a key, is looked for by itself.
_SHORTEST_LINE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """Puts ``<NAME>`` where a secret's value stands, also quoted for a URL, as JSON, or in base 64."""

    #: What is looked for and what is written in its place, the longest first.
    forms: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], environ: Mapping[str, str] | None = None) -> Self:
        """For the secrets that environment variables hold: those of these names, and others that are called like one."""
        held = os.environ if environ is None else environ
        found: dict[str, str] = {}
        for name in dict.fromkeys((*names, *_called_like_secrets(held))):
            value = held.get(name, "")
            if len(value) < _SHORTEST:
                continue
            encoded = base64.b64encode(value.encode()).decode()
            forms = [value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]]
            forms += [encoded, encoded.rstrip("=")]
            forms += [line for line in value.splitlines() if len(line) >= _SHORTEST_LINE]
            for form in forms:
                found.setdefault(form, f"<{name}>")
        return cls(forms=tuple(sorted(found.items(), key=lambda form: -len(form[0]))))

    @property
    def longest(self) -> int:
        """Signs of the longest that is looked for."""
        return len(self.forms[0][0]) if self.forms else 0

    def text(self, text: str) -> str:
        """A text without any of them."""
        for form, name in self.forms:
            if form in text:
                text = text.replace(form, name)
        return text

    def data(self, value: Any) -> Any:
        """Plain data, lists, dicts and frozen dataclasses without any of them."""
        if not self.forms:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                items = cast("dict[object, object]", value).items()
                return {self.data(key): self.data(item) for key, item in items}
            case list() | tuple():  # pyright: ignore[reportUnknownVariableType]
                items = [self.data(item) for item in cast("list[object]", value)]
                return items if isinstance(value, list) else tuple(items)
            case _:
                if is_dataclass(value) and not isinstance(value, type):
                    return replace(value, **{each.name: self.data(getattr(value, each.name)) for each in fields(value)})
                return value

    def error(self, error: PilotlineError) -> None:
        """Take them out of an error that is on its way to the user."""
        if self.forms:
            error.message = self.text(error.message)
            error.args = (error.message,)
            error.try_next = self.text(error.try_next)
            error.facts = self.data(dict(error.facts))


def _called_like_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    from pilotline.lift.credentials import by_name, is_common

    for name, value in environ.items():
        if len(value) >= _SHORTEST_UNDECLARED and by_name(name, value) and not is_common(value):
            yield name


def plan_without_secrets(plan: Plan) -> Plan:
    """A plan to be stored or shown: parameters may have been set to what is a secret."""
    redactor = Redactor.of(plan.pipeline.contract.secrets)
    if not redactor.forms:
        return plan
    return replace(
        plan, parameters=redactor.data(dict(plan.parameters)),
        recipes={step: redactor.data(dict(parts)) for step, parts in plan.recipes.items()},
        stages=redactor.data(plan.stages),
    )  # fmt: skip
