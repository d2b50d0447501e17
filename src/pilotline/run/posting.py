"""One JSON document to an address: how catalogs and people elsewhere are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["post_json"]


def post_json(url: str, document: Mapping[str, Any], *, timeout: float, bearer: str = "") -> None:
    """Post a document to an http or https address.

    Args:
        url: as the settings were checked for.
        document: what JSON knows.
        timeout: in seconds.
        bearer: a token that is sent along.

    Raises:
        OSError: it was not taken; ``urllib.error.HTTPError`` where there was an answer.
        ValueError: it is no address.
    """
    import urllib.request

    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
    request = urllib.request.Request(  # noqa: S310 - http or https, see above
        url, data=json.dumps(document).encode(), headers=headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310 - as above
        return
