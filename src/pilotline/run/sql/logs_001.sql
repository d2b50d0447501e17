-- What the user's code printed in runs, so that it can be read wherever the database can.

CREATE TABLE run_output (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    stream TEXT NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    step TEXT NOT NULL,
    -- Lines that came together.
    text TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) {without_rowid};
