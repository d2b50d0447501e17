"""A recording: what was seen, statement by statement, when a notebook ran once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What was seen of one value."""

    #: Import path of its type, public where there is one: ``pandas.DataFrame``, ``int``, ``__main__.Thing``.
    type: str
    shape: tuple[int, ...] | None = None
    #: Column name -> dtype, for frames.
    columns: Mapping[str, str] | None = None
    #: Source text of the value where it is a short constant.
    literal: str | None = None
    mutable: bool = True
    #: Kinds of parts that cannot be pickled.
    holds: tuple[str, ...] = ()
    #: Functions of the notebook that it contains.
    functions: tuple[str, ...] = ()
    #: Classes of the notebook of which it contains instances.
    classes: tuple[str, ...] = ()
    #: Other names that reach the same mutable object or memory.
    shares: tuple[str, ...] = ()
    #: Has ``predict`` or ``transform`` and a learned state.
    fitted: bool = False
    #: A container of atoms only.
    flat: bool = False
    #: Bytes, where it was cheap to say.
    size: int | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Info:
        """From the recorder's JSON."""
        holds = raw.get("holds") or ()
        return cls(
            type=str(raw.get("type", "object")),
            shape=tuple(raw["shape"]) if raw.get("shape") is not None else None,
            columns=raw.get("columns"),
            literal=raw.get("literal"),
            mutable=bool(raw.get("mutable", True)),
            holds=tuple(holds),
            functions=tuple(raw.get("functions") or ()),
            classes=tuple(raw.get("classes") or ()),
            shares=tuple(raw.get("shares") or ()),
            fitted=bool(raw.get("fitted", False)),
            flat=bool(raw.get("flat", False)),
            size=raw.get("size"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value that a cell showed."""

    how: Literal["expression", "display", "print"]
    #: The expression, as written; for several printed values a tuple of them.
    source: str
    info: Info
    #: Its text, cut.
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One process-wide setting that a statement changed."""

    kind: str
    key: str
    #: It only alters how things look.
    look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One top-level statement as it was executed."""

    cell: int
    index: int
    #: First and last line within the cell's Python, from 1.
    line: int
    end_line: int
    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    #: Names whose value changed in place, aliases included.
    changes: frozenset[str] = frozenset()
    #: Names reached whose value may have changed: it can't be looked into.
    unsure: frozenset[str] = frozenset()
    reads_files: tuple[str, ...] = ()
    writes_files: tuple[str, ...] = ()
    removes_files: tuple[str, ...] = ()
    makes_folders: tuple[str, ...] = ()
    lists_folders: tuple[str, ...] = ()
    draws: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    settings: tuple[Setting, ...] = ()
    clock: bool = False
    network: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    #: Shell lines that were not run, as they would have started a program.
    skipped: tuple[str, ...] = ()
    #: It looked at the whole namespace: ``locals()``, ``globals()``, ``dir()``.
    whole_namespace: bool = False
    #: Bound name -> ``module`` or ``module:attribute``.
    imports: Mapping[str, str] = field(default_factory=dict[str, str])
    shown: Shown | None = None
    #: Name -> what it was after the statement, for the names bound or changed.
    state: Mapping[str, Info] = field(default_factory=dict[str, Info])
    seconds: float = 0.0

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Statement:
        """From the recorder's JSON."""

        def names(key: str) -> frozenset[str]:
            return frozenset(raw.get(key) or ())

        def texts(key: str) -> tuple[str, ...]:
            return tuple(str(item) for item in raw.get(key) or ())

        shown: Mapping[str, Any] | None = raw.get("shown")
        return cls(
            cell=int(raw["cell"]),
            index=int(raw["index"]),
            line=int(raw["line"]),
            end_line=int(raw["end_line"]),
            reads=names("reads"),
            binds=names("binds"),
            deletes=names("deletes"),
            changes=names("changes"),
            unsure=names("unsure"),
            reads_files=texts("reads_files"),
            writes_files=texts("writes_files"),
            removes_files=texts("removes_files"),
            makes_folders=texts("makes_folders"),
            lists_folders=texts("lists_folders"),
            draws=names("draws"),
            seeds=names("seeds"),
            settings=tuple(
                Setting(kind=str(s["kind"]), key=str(s.get("key", "")), look=bool(s.get("look")))
                for s in raw.get("settings") or ()
            ),
            clock=bool(raw.get("clock")),
            network=texts("network"),
            processes=texts("processes"),
            databases=texts("databases"),
            installs=texts("installs"),
            skipped=texts("skipped"),
            whole_namespace=bool(raw.get("whole_namespace")),
            imports=dict(raw.get("imports") or {}),
            shown=None
            if not shown
            else Shown(
                how=shown["how"],
                source=str(shown.get("source", "")),
                info=Info.of(shown.get("info") or {}),
                text=str(shown.get("text", "")),
            ),
            state={name: Info.of(info) for name, info in (raw.get("state") or {}).items()},
            seconds=float(raw.get("seconds") or 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was seen when a notebook ran once."""

    statements: tuple[Statement, ...]
    python: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seconds: float = 0.0
    cpu: float = 0.0
    #: What stopped it, if something did: cell, line, type, message, traceback, code.
    error: Mapping[str, Any] | None = None
    captured: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Recording:
        """From the recorder's JSON."""
        return cls(
            statements=tuple(Statement.of(one) for one in raw.get("statements") or ()),
            python=dict(raw.get("python") or {}),
            seconds=float(raw.get("seconds") or 0.0),
            cpu=float(raw.get("cpu") or 0.0),
            error=raw.get("error"),
            captured=tuple(raw.get("captured") or ()),
        )
