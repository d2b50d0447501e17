"""What each step of a run took and gave, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pilotline.run.records import StepRow

__all__ = ["StepFigures", "figures_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """One step of one run. None: not known, or there is no such thing."""

    step: str
    #: computed; reused: a result was stored under its key; postponed: nothing asked for what cannot be stored.
    outcome: str
    #: Rows of the frames, arrays and collections that it was given, and of those that it gave.
    rows_in: int | None
    rows_out: int | None
    #: Of what it gave, as it is stored.
    bytes: int | None
    #: Wall and CPU seconds of the call that succeeded; of a reused step, when it was computed.
    seconds: float | None
    cpu: float | None
    #: The most resident bytes of the process while the step ran, what it held before among them.
    memory: int | None

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return asdict(self)


def figures_of(rows: Iterable[StepRow]) -> tuple[StepFigures, ...]:
    """The figures of a run's steps."""
    return tuple(
        StepFigures(
            step=row.step,
            outcome=row.outcome,
            rows_in=_rows(row.facts.get("given")),
            rows_out=_rows(row.facts.get("results")),
            bytes=row.size,
            seconds=row.seconds,
            cpu=row.cpu,
            memory=row.facts.get("memory"),
        )
        for row in rows
    )


def _rows(values: Iterable[Mapping[str, object]] | None) -> int | None:
    shapes = [each["shape"] for each in values or () if each.get("shape")]
    counts = [shape[0] for shape in shapes if isinstance(shape, list) and shape and isinstance(shape[0], int)]
    return sum(counts) if counts else None
