"""Every error that a user can meet.

PilotlineError
├── UsageError            PL0xx  bad usage or bad input; exit status 2
├── LiftError             PL1xx  a notebook could not be read, run, lifted or proven
├── LakeError             PL2xx  tables, branches, publishing
├── RunError              PL3xx  planning and running a pipeline
├── AccessError           PL4xx  somebody may not
└── FactoryError          PL5xx  the durable, many-user part

A code is never used again for something else. Each has a page, ``docs/reference/errors/PLnnn.md``
(what, why, what to do), which ``pilotline explain PLnnn`` prints and a test demands.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class PilotlineError(Exception):
    """Root of all errors that Pilotline raises on purpose.

    Args:
        message: the facts, in one sentence or two.
        try_next: the next command to type, or the edit to make.
        **facts: the values that the message speaks of, for ``--json`` and for handlers.

    A subclass that names a ``code`` of its own is one kind of mishap.
    """

    code: ClassVar[str] = "PL000"
    #: What a command exits with: 1 = Pilotline says no, 2 = bad usage or input.
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, try_next: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.try_next = try_next
        self.facts: Mapping[str, object] = facts

    def as_json(self) -> dict[str, object]:
        """The error as one JSON-ready object: code, message, try_next, facts."""
        return {
            "code": self.code,
            "message": self.message,
            "try_next": self.try_next,
            "facts": {key: _plain(value) for key, value in self.facts.items()},
        }


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return str(value)


class UsageError(PilotlineError):
    """The command or call is not understood, or its input is not usable."""

    code = "PL001"
    exit_status = 2


class LiftError(PilotlineError):
    """A notebook could not be read, run, lifted or proven."""

    code = "PL100"


class LakeError(PilotlineError):
    """Something about tables, branches or publishing."""

    code = "PL200"


class RunError(PilotlineError):
    """A pipeline could not be planned or run."""

    code = "PL300"


class AccessError(PilotlineError):
    """A principal may not do or see what was asked."""

    code = "PL400"


class FactoryError(PilotlineError):
    """Queue, releases, schedules, workers."""

    code = "PL500"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`` Did you mean sales.orders?`` with a leading blank, or nothing where no known name is near."""
    near = get_close_matches(wrong, list(known), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""
