-- Which runs another catalog was told of. Events are made from the rows of runs, so none of them is kept here.

CREATE TABLE openlineage (
    -- Each project has a catalog of its own.
    project TEXT PRIMARY KEY,
    -- All runs up to this one are told of, or began before anybody was to be told.
    told INTEGER NOT NULL,
    -- Not before: the other side did not answer.
    due TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    because TEXT NOT NULL DEFAULT '',
    -- Somebody tells what others left; after this time somebody else may.
    claimed_until TEXT
) {without_rowid};

-- Of the runs after that one: how far each is told of.
CREATE TABLE openlineage_run (
    run INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    told TEXT NOT NULL CHECK (told IN ('start', 'end'))
) {without_rowid};
