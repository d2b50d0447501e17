"""What can go wrong when a pipeline is planned and run.

RunError                     PL300
├── NoPipeline               PL301  no module to run, or several
├── BadPipeline              PL302  ``pipeline`` is more than a straight line of calls
├── MissingSecret            PL178  the environment lacks a credential that the contract names
├── BadParameter             PL303  ``--set`` names none, or the value does not fit
├── BadContract              PL304  (domain.pipelines)
├── BadCheck                 PL305  (domain.checks)
├── NoSuchRun                PL306
├── BadSettings              PL308  the project's settings cannot be understood
├── StepFailed               PL310  the user's code raised
├── ChangedArguments         PL311  a step changed what it was given
├── ProcessDied              PL312  the project's interpreter ended without an answer
├── CannotKeep               PL313  an output is neither table nor number and cannot be stored
├── CheckFailed              PL320  a check of severity error did not pass; nothing was published
├── OutcomeHeld              PL321  this very outcome was undone and waits to be released
├── RunCancelled             PL322  stopped by the user
├── NotStored                PL334  no room, or no permission, to keep what was computed
├── DamagedResult            PL335  what is stored of a step is not what was stored
├── InputChanged             PL336  a file was changed while the run was reading it
├── ChangedModule            PL337  a step changed what stands at the top of its module
├── RunTimedOut              PL338  it took longer than it may
├── MadeByOthers             PL340  a table made of changes cannot be made anew: others write to it too
├── RowsRemoved              PL341  a table that is read as changes lost rows
├── TakenMeanwhile           PL342  another run took the same changes
├── StreamNotKept            PL353  a result that comes as a stream would not come back as it is
└── ReadOnce                 PL354  two steps take what can be read only once
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotline.domain.errors import RunError, UsageError
from pilotline.domain.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from pilotline.domain.tables import TableName

__all__ = [
    "BadParameter",
    "BadPipeline",
    "BadSettings",
    "CannotKeep",
    "ChangedArguments",
    "ChangedModule",
    "CheckFailed",
    "DamagedResult",
    "InputChanged",
    "MadeByOthers",
    "MissingSecret",
    "NoPipeline",
    "NoSuchRun",
    "NotStored",
    "OutcomeHeld",
    "ProcessDied",
    "ReadOnce",
    "RowsRemoved",
    "RunCancelled",
    "RunTimedOut",
    "StepFailed",
    "StreamNotKept",
    "TakenMeanwhile",
]


class NoPipeline(UsageError):
    """There is no module with a pipeline, or there are several and none was named."""

    code = "PL301"


class BadPipeline(UsageError):
    """The function ``pipeline`` is more than a straight line of calls."""

    code = "PL302"


class BadSettings(UsageError):
    """The project's settings cannot be understood."""

    code = "PL308"


class MissingSecret(RunError):
    """A credential that the pipeline reads from the environment is not there.

    Args:
        pipeline: its name.
        missing: the environment variables.
    """

    code = "PL178"

    def __init__(self, pipeline: str, missing: Sequence[str]) -> None:
        names = ", ".join(missing)
        several = "s" if len(missing) > 1 else ""
        super().__init__(
            f"{pipeline} reads the credential{several} {names} from the environment, which does not have "
            f"{'them' if several else 'it'}.",
            try_next=f"export {missing[0]}=...",
            secrets=list(missing),
        )


class BadParameter(UsageError):
    """A parameter that is not there, has no value, or has one of another kind."""

    code = "PL303"


class NoSuchRun(UsageError):
    """No run of that number."""

    code = "PL306"


class StepFailed(RunError):
    """A step raised; the message ends in the user's own frames."""

    code = "PL310"

    def __init__(
        self, message: str, *, frames: Sequence[Mapping[str, Any]], try_next: str = "", **facts: object
    ) -> None:
        super().__init__(message, try_next=try_next, **facts)
        #: From the outermost: ``file``, ``line``, ``name``, ``text``; or ``folded`` and ``count``.
        self.frames = tuple(frames)


class ChangedArguments(RunError):
    """A step changed what it was given."""

    code = "PL311"


class ProcessDied(RunError):
    """The project's interpreter ended without an answer."""

    code = "PL312"


class CannotKeep(RunError):
    """An output is neither table nor number, and cannot be stored."""

    code = "PL313"


class CheckFailed(RunError):
    """A check of severity error did not pass; nothing was published."""

    code = "PL320"


class OutcomeHeld(RunError):
    """This very outcome was published and taken back; it is held until somebody releases it."""

    code = "PL321"


class RunCancelled(RunError):
    """Stopped by the user; what was computed is kept."""

    code = "PL322"
    exit_status = 130


class NotStored(RunError):
    """There is no room, or no permission, to keep what was computed."""

    code = "PL334"


class DamagedResult(RunError):
    """What is stored of a step is not what was stored; it was forgotten."""

    code = "PL335"


class InputChanged(RunError):
    """A file was changed while the run was reading it, so that its results belong to no state of the file."""

    code = "PL336"


class ChangedModule(RunError):
    """A step changed what stands at the top of its module."""

    code = "PL337"


class RunTimedOut(RunError):
    """It took longer than it may; what was computed is kept."""

    code = "PL338"


class MadeByOthers(RunError):
    """A table that is made of changes cannot be made anew from all rows, since other pipelines write to it too."""

    code = "PL340"

    def __init__(self, pipeline: str, table: TableName, others: Sequence[str]) -> None:
        super().__init__(
            f"--fresh makes {table} anew from all that {pipeline} reads, and would lose what {', '.join(others)} wrote to it",
            try_next=f"give {pipeline} a table of its own in {pipeline}.toml",
            table=str(table),
            pipelines=list(others),
        )


class RowsRemoved(RunError):
    """A table that is read as what came to it lost rows, or had rows changed, since the last publish."""

    code = "PL341"

    def __init__(self, pipeline: str, table: TableName, since: str, removed: int) -> None:
        super().__init__(
            f"{plural(removed, 'row')} of {table} went or changed since {since};"
            f" what was made of them would stay in what {pipeline} publishes",
            try_next=f"pilotline run {pipeline} --fresh makes its tables anew from all rows",
            table=str(table),
            removed=removed,
        )


class TakenMeanwhile(RunError):
    """Another run of the same pipeline published what it made of the same changes, or such a publish was undone."""

    code = "PL342"

    def __init__(self, pipeline: str) -> None:
        super().__init__(
            f"what {pipeline} had taken before changed while this run was going on: another run of it published, or one"
            " was undone; nothing was published",
            try_next=f"pilotline run {pipeline}",
            pipeline=pipeline,
        )


class StreamNotKept(RunError):
    """A result that comes as a stream cannot be written to a file and come back as it is."""

    code = "PL353"


class ReadOnce(RunError):
    """Two steps take what can be read only once, and is no stream of frames that is kept in a file."""

    code = "PL354"
