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
            f"there is no error code {wrong!r}.{did_you_mean(wrong.upper().replace('O', '0'), known)}",
            try_next="pilotline explain",
            wrong=wrong,
        )


class AlreadyAProject(UsageError):
    """``pilotline init`` where there are settings; they are never overwritten."""

    code = "PL004"


class BrokenSettings(UsageError):
    """A project's settings that are not TOML, or a setting that cannot be."""

    code = "PL006"


class NotWritten(UsageError):
    """A file that somebody asked for cannot be written."""

    code = "PL360"

    def __init__(self, path: object, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}",
            try_next="name a file in a folder that you may write to",
            path=str(path),
        )


class Stopped(PilotlineError):
    """Ctrl-C."""

    code = "PL005"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("stopped by the keyboard; nothing is half published.")


class Bug(PilotlineError):
    """An exception that nobody foresaw: ours to repair. Exit status 70, so that no script takes it for a refusal."""

    exit_status = 70

    @classmethod
    def from_exception(cls, error: Exception, *, debug: bool) -> Bug:
        """The exception as a coded error.

        Args:
            error: what was raised.
            debug: with the whole traceback in the message.
        """
        from pathlib import PurePath
        from traceback import extract_tb, format_exception

        frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
        where = f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        message = f"this is a bug in Pilotline, not in your work: {type(error).__name__}: {error}{where}"
        if debug:
            return cls(f"{message}\n{''.join(format_exception(error)).rstrip()}")
        return cls(message, try_next="run it again with PILOTLINE_DEBUG=1 and report what it prints")
