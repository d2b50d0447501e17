"""What can go wrong before a command has begun, or in the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.domain.errors import PilotlineError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnknownCommand(UsageError):
    """``pilotline lfit``."""

    code = "PL002"

    def __init__(self, wrong: str, known: Sequence[str]) -> None:
        super().__init__(
            f"there is no command {wrong!r}.{did_you_mean(wrong, known)}",
            try_next="pilotline --help",
            command=wrong,
            known=list(known),
        )


class UnknownCode(UsageError):
    """``pilotline explain PL999``."""

    code = "PL003"

    def __init__(self, wrong: str, known: Sequence[str]) -> None:
        super().__init__(
            f"there is no error code {wrong!r}.{did_you_mean(wrong.upper(), known)}",
            try_next="pilotline explain",
            wrong=wrong,
        )


class AlreadyAProject(UsageError):
    """``pilotline init`` where there are settings; they are never overwritten."""

    code = "PL004"


class Stopped(PilotlineError):
    """Ctrl-C."""

    code = "PL005"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("stopped by the keyboard; nothing is half published.")


class Bug(PilotlineError):
    """An exception that nobody foresaw: ours to repair. Exit status 70, so that no script takes it for a refusal."""

    code = "PL000"
    exit_status = 70
