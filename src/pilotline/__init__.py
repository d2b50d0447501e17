"""Pilotline: from a notebook to a proven pipeline, and back."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pilotline.guest.client import ReadFailed, read

__all__ = ["ReadFailed", "__version__", "read"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Loaded when first asked for: `import pilotline` costs next to nothing.
    if name in {"ReadFailed", "read"}:
        from pilotline.guest import client

        return getattr(client, name)
    raise AttributeError(f"module 'pilotline' has no attribute {name!r}")
