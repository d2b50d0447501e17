"""A plan: the stages that a run will do, and why. Made without side effects; explained and carried out from one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pilotline.domain.checks import Check
    from pilotline.domain.pipelines import ParameterValue, Pipeline
    from pilotline.domain.tables import Commit, CommitId, SnapshotId, TableName, WriteMode

__all__ = [
    "ChangesInput",
    "CreateBranch",
    "FileInput",
    "Held",
    "Input",
    "KeepArtifact",
    "Plan",
    "Publish",
    "RunCheck",
    "RunStep",
    "Stage",
    "TableInput",
    "Unchanged",
    "WriteTable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInput:
    """A file or folder that the pipeline reads."""

    #: As written: relative to the project, where it lies inside.
    path: str
    sha256: str
    #: The parameter that names it; empty where a step's code does.
    parameter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInput:
    """A table of the lake that the pipeline reads, pinned."""

    table: TableName
    snapshot: SnapshotId
    parameter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesInput:
    """A table of the lake of which the pipeline reads what came since its last publish."""

    table: TableName
    snapshot: SnapshotId
    parameter: str
    #: The state that the last publish read, and the run that did; None: all of the table is new.
    since: CommitId | None = None
    run: str | None = None
    #: Whether nothing came to the table since.
    still: bool = False


Input: TypeAlias = FileInput | TableInput | ChangesInput


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBranch:
    """Open a branch for the run; without a name it is called after the run's number."""

    base: CommitId
    onto: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """Compute a step, or take what it gave before."""

    step: str
    #: Its content key; empty where an earlier step must run before it can be known.
    key: str
    reuse: bool
    #: Why it must be computed, or what makes it reusable.
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTable:
    """Write an output to the branch as a table."""

    output: str
    table: TableName
    mode: WriteMode


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepArtifact:
    """Keep an output that is no table: a model, a file, a number. What is a frame after all is written as a table."""

    output: str
    #: unknown: only the value itself will tell.
    kind: Literal["artifact", "metric", "unknown"] = "artifact"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """Judge a check on the branch."""

    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Move all tables of the branch to ``onto``, with the run's own record, in one transaction."""

    onto: str


Stage: TypeAlias = CreateBranch | RunStep | WriteTable | KeepArtifact | RunCheck | Publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """There is nothing to do: an earlier run published this very outcome and it still stands."""

    run: str
    at: datetime
    #: The tables to which nothing came since that run, where it is their changes that the pipeline is made of.
    still: tuple[TableName, ...] = ()

    @property
    def because(self) -> str:
        """Why there is nothing to do: ``run-7 published the same``."""
        if self.still:
            return f"{self.run} took all that there is of {', '.join(map(str, self.still))}"
        return f"{self.run} published the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """There is nothing to do: this outcome was published and taken back. It is held until somebody releases it."""

    run: str
    undone_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do."""

    pipeline: Pipeline
    onto: str
    base: Commit
    stages: tuple[Stage, ...]
    #: Every parameter with its value, as JSON would say it.
    parameters: Mapping[str, ParameterValue]
    inputs: tuple[Input, ...]
    #: The project's interpreter, and what was found in its environment.
    python: str
    environment: str
    #: Identifies the outcome: the keys of all outputs and how they are published.
    outcome: str
    #: Set where ``stages`` is empty.
    nothing: Unchanged | Held | None = None
    #: A run that died on the way and is taken up again.
    resumes: str | None = None
    #: What a step's key is made of beside the results that it takes, part by part; by step.
    recipes: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])
    #: What of a step no key can cover, as far as its code and parameters tell; by step.
    reaches: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    #: The parameters that somebody set; the others have their defaults.
    set: frozenset[str] = frozenset()
    #: A digest of what runs when the module is imported and may draw random numbers; empty where nothing does.
    importing: str = ""
    #: Size, time and inode of every file that keys were made from, the modules' own and those of inputs.
    code_marks: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])
    file_marks: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])
    #: What identifies the parameters that the pipeline returns as they are.
    identities: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def steps(self) -> tuple[RunStep, ...]:
        """The stages that are steps."""
        return tuple(stage for stage in self.stages if isinstance(stage, RunStep))

    @property
    def publishes(self) -> bool:
        """Whether it ends in a publish."""
        return any(isinstance(stage, Publish) for stage in self.stages)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that the stages judge."""
        return tuple(stage.check for stage in self.stages if isinstance(stage, RunCheck))
