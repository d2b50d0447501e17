-- Runs that somebody answers for in place of their process.

-- Who does: the name of an order, whose lease says whether the run lives. Empty: the process that carries it out.
ALTER TABLE run ADD COLUMN kept TEXT NOT NULL DEFAULT '';

CREATE INDEX run_kept ON run (kept) WHERE kept <> '';
