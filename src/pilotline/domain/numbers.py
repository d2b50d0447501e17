"""Numbers as every terminal, page and message writes them, by one rule: ``3 562 rows``."""

from __future__ import annotations

__all__ = ["amount", "plural"]


def amount(number: float, how: str = "") -> str:
    """A number with its thousands apart: ``3 562``.

    Args:
        number: any.
        how: as in a format, such as ``.1f``.
    """
    return f"{number:,{how}}".replace(",", " ")


def plural(count: int, word: str) -> str:
    """``1 row``, ``3 562 rows``, ``3 branches``."""
    many = word + ("es" if word.endswith(("ch", "s", "x")) else "s")
    return f"{amount(count)} {word if count == 1 else many}"
