"""Who may read what of a table: filters, masks, grants, and the Scope that they add up to.

A filter is read as SQL reads it: a comparison with NULL is unknown, and a row stays only where the whole is true. A mask
keeps the column's type and leaves NULL as it is; the actions are those that Iceberg's REST read restrictions name. A
reader that meets an action or a filter which it cannot apply refuses; it never goes on without it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from pilotline.domain.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pilotline.domain.tables import TableName

__all__ = [
    "EVERY_ROW",
    "And",
    "Compare",
    "EveryRow",
    "Filter",
    "FilterValue",
    "Grant",
    "In",
    "IsNull",
    "Mask",
    "MaskAction",
    "NotAllowed",
    "NotFilter",
    "Or",
    "Principal",
    "Scope",
    "StartsWith",
    "all_of",
    "any_of",
    "columns_of",
    "scope_for",
]

#: What a filter may compare a column with.
FilterValue: TypeAlias = str | int | float | bool | Decimal | date | datetime | bytes
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class EveryRow:
    """True for every row."""


@dataclass(frozen=True, slots=True)
class Compare:
    """``column op value``."""

    column: str
    op: Operator
    value: FilterValue


@dataclass(frozen=True, slots=True)
class In:
    """``column in (values)``; no values, no rows."""

    column: str
    values: tuple[FilterValue, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column is null``."""

    column: str


@dataclass(frozen=True, slots=True)
class StartsWith:
    """``column`` is a text that begins with ``prefix``."""

    column: str
    prefix: str


@dataclass(frozen=True, slots=True)
class And:
    """True where all parts are."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where some part is."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class NotFilter:
    """True where the part is false (not where it is unknown)."""

    part: Filter


Filter: TypeAlias = EveryRow | Compare | In | IsNull | StartsWith | And | Or | NotFilter

EVERY_ROW = EveryRow()


def all_of(*parts: Filter) -> Filter:
    """The filters joined by AND, flat, without those that are always true."""
    flat: list[Filter] = []
    for part in parts:
        if isinstance(part, And):
            flat.extend(part.parts)
        elif part != EVERY_ROW:
            flat.append(part)
    unique = tuple(dict.fromkeys(flat))
    if not unique:
        return EVERY_ROW
    return unique[0] if len(unique) == 1 else And(unique)


def any_of(*parts: Filter) -> Filter:
    """The filters joined by OR; one that is always true makes the whole so."""
    unique = tuple(dict.fromkeys(parts))
    if EVERY_ROW in unique:
        return EVERY_ROW
    return unique[0] if len(unique) == 1 else Or(unique)


def columns_of(where: Filter) -> frozenset[str]:
    """The columns that a filter looks at."""
    return frozenset(_columns(where))


def _columns(where: Filter) -> Iterator[str]:
    match where:
        case EveryRow():
            return
        case Compare(column=column) | In(column=column) | IsNull(column=column) | StartsWith(column=column):
            yield column
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from _columns(part)
        case NotFilter(part=part):
            yield from _columns(part)
        case _:
            assert_never(where)


#: replace-with-null: NULL. sha-256: 64 hexadecimal digits of the text or the bytes. mask-alphanum: digits become n, other
#: letters x, ``(),.-@`` stay. show-first-4, show-last-4: the other letters masked so. mask-to-default: 0, false, an empty
#: text, 1970-01-01. truncate-to-year, truncate-to-month: the first instant of it.
MaskAction: TypeAlias = Literal[
    "replace-with-null",
    "sha-256",
    "mask-alphanum",
    "show-first-4",
    "show-last-4",
    "mask-to-default",
    "truncate-to-year",
    "truncate-to-month",
]


@dataclass(frozen=True, slots=True, order=True)
class Mask:
    """What is shown instead of the values of a column."""

    column: str
    action: MaskAction


class NotAllowed(AccessError):
    """No grant lets the principal read this."""

    code = "PL401"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What of one table a reader gets to see, and why. Nothing of a table is read without one."""

    #: None: all columns, also those that come later.
    columns: tuple[str, ...] | None = None
    masks: tuple[Mask, ...] = ()
    rows: Filter = EVERY_ROW
    because: tuple[str, ...] = ()

    @classmethod
    def everything(cls, because: str) -> Scope:
        """All rows and columns as they are: for the owner of the disk that the lake lies on.

        Args:
            because: the reason, as it will stand in the audit.
        """
        return cls(because=(because,))

    @property
    def restricted(self) -> bool:
        """Whether anything of the table is kept back."""
        return self.columns is not None or bool(self.masks) or self.rows != EVERY_ROW

    @property
    def fingerprint(self) -> str:
        """Equal for scopes that show the same, whatever their reasons."""
        shown = repr((self.columns and tuple(sorted(self.columns)), tuple(sorted(self.masks)), self.rows))
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    def lets_see(self, column: str) -> bool:
        """Whether the column exists for this reader, masked or not."""
        return self.columns is None or column in self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody or something that reads."""

    name: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a principal or a group may read of the tables that match."""

    #: A principal's name, or ``group:NAME``.
    to: str
    #: ``sales.orders``, ``sales.*`` or ``*.*``.
    tables: str
    columns: tuple[str, ...] | None = None
    masks: tuple[Mask, ...] = ()
    rows: Filter = EVERY_ROW
    #: Who granted it and why.
    reason: str = field(default="")

    def reaches(self, principal: Principal, table: TableName) -> bool:
        """Whether the grant is for this principal and this table."""
        mine = self.to == principal.name or (
            self.to.startswith("group:") and self.to.removeprefix("group:") in principal.groups
        )
        namespace, _, name = self.tables.partition(".")
        return mine and namespace in {"*", table.namespace} and name in {"*", table.name}

    def __str__(self) -> str:
        return f"{self.to} may read {self.tables}" + (f" ({self.reason})" if self.reason else "")


def scope_for(principal: Principal, table: TableName, grants: Iterable[Grant]) -> Scope:
    """What the grants together let a principal see of a table.

    No cell is shown that no single grant shows. Grants that agree on rows add up their columns, and grants that agree
    on columns and masks add up their rows. Where neither holds, the rows add up and only what every one of
    them shows is left of the columns.

    Raises:
        NotAllowed: no grant reaches the table.
    """
    mine = [grant for grant in grants if grant.reaches(principal, table)]
    if not mine:
        raise NotAllowed(
            f"{principal.name} may not read {table}: no grant reaches it",
            try_next=f"ask an owner of {table} for a grant",
            principal=principal.name,
            table=str(table),
        )
    because = tuple(str(grant) for grant in mine)
    for grant in mine:
        if grant.columns is None and not grant.masks and grant.rows == EVERY_ROW:
            return Scope(because=(str(grant),))
    if all(grant.rows == mine[0].rows for grant in mine):
        return _same_rows(mine, because)
    return Scope(
        columns=_common_columns(mine),
        masks=_all_masks(mine),
        rows=any_of(*(grant.rows for grant in mine)),
        because=because,
    )


def _same_rows(grants: list[Grant], because: tuple[str, ...]) -> Scope:
    """Columns add up; a column stays masked unless some grant shows it bare."""
    listed = [grant.columns for grant in grants if grant.columns is not None]
    columns = tuple(dict.fromkeys(chain.from_iterable(listed))) if len(listed) == len(grants) else None

    def bare(column: str) -> bool:
        return any(
            (grant.columns is None or column in grant.columns) and all(mask.column != column for mask in grant.masks)
            for grant in grants
        )

    masks = tuple(mask for mask in _all_masks(grants) if not bare(mask.column))
    return Scope(columns=columns, masks=masks, rows=grants[0].rows, because=because)


def _common_columns(grants: list[Grant]) -> tuple[str, ...] | None:
    limited = [grant.columns for grant in grants if grant.columns is not None]
    if not limited:
        return None
    return tuple(column for column in limited[0] if all(column in columns for columns in limited))


def _all_masks(grants: list[Grant]) -> tuple[Mask, ...]:
    """One mask a column: where grants differ in the action, the value is not shown at all."""
    actions: dict[str, set[MaskAction]] = {}
    for grant in grants:
        for mask in grant.masks:
            actions.setdefault(mask.column, set()).add(mask.action)
    return tuple(
        Mask(column, next(iter(found)) if len(found) == 1 else "replace-with-null")
        for column, found in sorted(actions.items())
    )
