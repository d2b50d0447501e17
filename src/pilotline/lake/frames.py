"""Frames as tables, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilotline.lake.catalog import FrameNotes

__all__ = ["combine_notes"]


def combine_notes(before: FrameNotes | None, now: FrameNotes | None) -> FrameNotes | None:
    """What a table still is as a frame after rows of another frame joined it: only what both agree on."""
    return now if before == now else None
