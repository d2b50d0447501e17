-- Schedules: when orders of a pipeline are submitted.

CREATE TABLE schedule (
    -- project/pipeline
    name TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    -- As an order names it: the module's name, or its path in the project.
    pipeline TEXT NOT NULL,
    -- Empty: the project's folder as it is.
    release_id TEXT NOT NULL,
    onto TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- The schedule as a table of words, as JSON.
    timing TEXT NOT NULL,
    -- at: has times of its own. after: waits for tables.
    kind TEXT NOT NULL CHECK (kind IN ('at', 'after')),
    paused INTEGER NOT NULL,
    -- Until when it was looked at.
    seen TEXT NOT NULL,
    -- The next time; NULL where there is none.
    due TEXT,
    -- Of one that waits for tables: table -> the number of the commit whose state was taken last, as JSON.
    taken TEXT NOT NULL,
    since TEXT NOT NULL
) {without_rowid};

CREATE INDEX schedule_due ON schedule (due) WHERE kind = 'at' AND paused = 0;
CREATE INDEX schedule_after ON schedule (onto) WHERE kind = 'after' AND paused = 0;

-- The commit of each branch up to which schedules that wait for tables were looked at.
CREATE TABLE schedule_looked (
    onto TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) {without_rowid};
