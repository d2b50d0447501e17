-- What sweeps were about to remove: who wrote one of these files and did not name it yet must not name it any more.

CREATE TABLE sweep (
    -- One more than that of the sweep before.
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    -- [path, ...] as JSON.
    paths TEXT NOT NULL
);
