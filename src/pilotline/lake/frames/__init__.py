"""Frames as tables, and tables as the frames that they were.

    to_table(frame)      -> Tabled(table, notes, coercions)     notes: JSON, kept with the table
    restore(table, notes) -> the frame, equal to what it was
    to_stream(rows)      -> Streamed(reader, coercions)         for what need not be in memory all at once

Named index levels become columns; an unnamed index that just counts is dropped; any other becomes the column ``index``.
Column names become unique texts. Missing values become NULL. A type that a table cannot hold becomes one that can, the
change is reported, and the notes say how to take it back. What no table can hold is refused.
"""

from __future__ import annotations

from pilotline.lake.frames.coerce import Coercion, Tabled, to_table
from pilotline.lake.frames.restore import combine_notes, restore
from pilotline.lake.frames.streams import Streamed, to_stream

__all__ = ["Coercion", "Streamed", "Tabled", "combine_notes", "restore", "to_stream", "to_table"]
