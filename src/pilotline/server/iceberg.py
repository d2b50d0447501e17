"""What an Iceberg REST catalog answers, as plain functions; it is read-only.

A client says with its option ``warehouse`` which state of all tables it wants to see: a branch, a tag, a commit or a time.
``config`` answers with the prefix that all its other requests then carry, so two states can be open at once. A branch is
looked up at each request; a commit or a tag stays what it is.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pilotline.domain.errors import UsageError
from pilotline.domain.tables import MAIN, TableName
from pilotline.lake.catalog import no_namespace
from pilotline.lake.lending import Lender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pilotline.domain.access import Scope
    from pilotline.domain.tables import Namespace
    from pilotline.lake.lake import Lake

__all__ = ["ENDPOINTS", "IcebergCatalog", "Page", "page_of", "paged", "prefix_of", "ref_of"]

#: Names in one page of a list.
LARGEST_PAGE: Final = 1000

_NAMESPACE: Final = "/v1/{prefix}/namespaces/{namespace}"
#: What there is, as clients are told.
ENDPOINTS: Final = (
    "GET /v1/{prefix}/namespaces",
    f"GET {_NAMESPACE}",
    f"HEAD {_NAMESPACE}",
    f"GET {_NAMESPACE}/tables",
    f"GET {_NAMESPACE}/tables/{{table}}",
    f"HEAD {_NAMESPACE}/tables/{{table}}",
    f"GET {_NAMESPACE}/tables/{{table}}/credentials",
    f"POST {_NAMESPACE}/tables/{{table}}/metrics",
    f"GET {_NAMESPACE}/views",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list a client asks for."""

    #: What comes after this name.
    after: str = ""
    #: At most so many.
    size: int = LARGEST_PAGE


def page_of(token: str | None, size: str | None) -> Page | None:
    """The page that a client asks for with ``pageToken`` or ``pageSize``; None where it wants all at once.

    Raises:
        UsageError: the size is no number above 0, or no answer of ours had that token.
    """
    if token is None and size is None:
        return None
    if size is not None and not re.fullmatch("0*[1-9][0-9]{0,8}", size):
        raise UsageError(f"{size!r} is no size of a page", try_next="ask for 1 or more")
    try:
        after = base64.b64decode((token or "").encode(), b"-_", validate=True).decode()
    except ValueError:
        raise UsageError("this pageToken is none of this server's", try_next="begin with an empty one") from None
    return Page(after=after, size=min(int(size or LARGEST_PAGE), LARGEST_PAGE))


def paged(names: Iterable[str], page: Page | None) -> tuple[list[str], dict[str, str | None]]:
    """The names of a page in their order, and what the answer says of the next one.

    A token says after which name it goes on: so no name is told twice or left out that is there all the while.
    """
    there = sorted(names)
    if page is None:
        return there, {}
    rest = there[bisect_right(there, page.after) :]
    more = len(rest) > page.size
    token = base64.urlsafe_b64encode(rest[page.size - 1].encode()).decode() if more else None
    return rest[: page.size], {"next-page-token": token}


def prefix_of(ref: str) -> str:
    """A reference as one part of a path that is the same whether a client encodes it again or not."""
    return quote(ref, safe="").replace("%", "=")


def ref_of(prefix: str) -> str:
    """The reference that ``prefix_of`` made the prefix from."""
    return re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), prefix.encode()).decode(
        errors="replace"
    )


class IcebergCatalog:
    """A lake as an Iceberg REST catalog.

    Args:
        lake: whose tables.
        scope_of: what the reader may see of a table.
    """

    def __init__(
        self, lake: Lake, scope_of: Callable[[TableName], Scope], counted: Callable[[str], None] = lambda _: None
    ) -> None:
        self._lake = lake
        self._lender = Lender(lake)
        self._scope_of = scope_of
        self._counted = counted

    def config(self, warehouse: str) -> dict[str, Any]:
        """What a client must know first.

        Raises:
            NoSuchRef: the warehouse is no branch, tag, commit or time.
        """
        ref = warehouse or MAIN
        self._lake.resolve(ref)
        return {"defaults": {}, "overrides": {"prefix": prefix_of(ref)}, "endpoints": list(ENDPOINTS)}

    def namespaces(self, ref: str, parent: str = "", page: Page | None = None) -> dict[str, Any]:
        """The namespaces that have tables; none has another within.

        Raises:
            NoSuchRef: no such state, or ``parent`` is no namespace.
        """
        known = self._namespaces(ref)
        if parent:
            self._known(known, parent)
        names, more = paged(() if parent else known, page)
        return {"namespaces": [[name] for name in names], **more}

    def namespace(self, ref: str, name: str) -> dict[str, Any]:
        """What is known of a namespace.

        Raises:
            NoSuchRef: no such state or namespace.
        """
        found = self._known(self._namespaces(ref), name)
        said = {"comment": found.comment, "owner": found.owner}
        return {
            "namespace": [name],
            "properties": dict(found.properties) | {key: text for key, text in said.items() if text},
        }

    def tables(self, ref: str, namespace: str, page: Page | None = None) -> dict[str, Any]:
        """The tables of a namespace.

        Raises:
            NoSuchRef: no such state or namespace.
        """
        there = [info.table.name for info in self._lake.tables(ref) if info.table.namespace == namespace]
        if not there:
            self._known(self._namespaces(ref), namespace)
        names, more = paged(there, page)
        return {"identifiers": [{"namespace": [namespace], "name": name} for name in names], **more}

    def views(self, ref: str, namespace: str, page: Page | None = None) -> dict[str, Any]:
        """There are none.

        Raises:
            NoSuchRef: no such state or namespace.
        """
        self._known(self._namespaces(ref), namespace)
        names, more = paged((), page)
        return {"identifiers": names, **more}

    def table(self, ref: str, namespace: str, name: str) -> dict[str, Any]:
        """What an engine needs to read a table.

        Raises:
            NoSuchRef: no such state.
            NoSuchTable: no such table there.
            LakeError: its files cannot be handed out; see ``Lender.lend``.
        """
        table = TableName(namespace, name)
        lent = self._lender.lend(table, self._scope_of(table), ref)
        self._counted(str(table))
        return {"metadata-location": lent.metadata_location, "metadata": lent.metadata, "config": dict(lent.storage)}

    def find_table(self, ref: str, namespace: str, name: str) -> None:
        """Say nothing where a table is there.

        Raises:
            NoSuchRef: no such state.
            NoSuchTable: no such table there.
        """
        self._lake.table(TableName(namespace, name), ref)

    def credentials(self, ref: str, namespace: str, name: str) -> dict[str, Any]:
        """None are handed out: who reads the files shows credentials of his own.

        Raises:
            NoSuchRef: no such state.
            NoSuchTable: no such table there.
        """
        self.find_table(ref, namespace, name)
        return {"storage-credentials": []}

    def _namespaces(self, ref: str) -> dict[str, Namespace]:
        return {one.name: one for one in self._lake.namespaces(ref)}

    def _known(self, known: dict[str, Namespace], name: str) -> Namespace:
        if name not in known:
            raise no_namespace(name, known)
        return known[name]
