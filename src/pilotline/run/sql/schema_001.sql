-- Runs: what was attempted, what happened, what it read and wrote.

CREATE TABLE run (
    number {id},
    pipeline TEXT NOT NULL,
    module TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'published', 'unchanged', 'failed', 'cancelled')),
    onto TEXT NOT NULL,
    branch TEXT,
    base TEXT NOT NULL,
    -- Identifies what would be published; empty where that was not known beforehand.
    outcome TEXT NOT NULL,
    parameters TEXT NOT NULL,
    -- Step -> what its key was made of, so that the next plan can say what changed.
    recipes TEXT NOT NULL,
    environment TEXT NOT NULL,
    author TEXT NOT NULL,
    began TEXT NOT NULL,
    ended TEXT,
    -- The process that carries it out: so a run whose process is gone can be told.
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_began TEXT NOT NULL,
    resumes INTEGER REFERENCES run (number),
    commit_id TEXT,
    because TEXT NOT NULL DEFAULT ''
);

CREATE INDEX run_of_pipeline ON run (pipeline, onto, number);
CREATE INDEX run_unfinished ON run (state) WHERE state IN ('pending', 'running');

CREATE TABLE run_event (
    run INTEGER NOT NULL REFERENCES run (number),
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) {without_rowid};

CREATE TABLE step_result (
    run INTEGER NOT NULL REFERENCES run (number),
    step TEXT NOT NULL,
    key TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('computed', 'reused', 'postponed')),
    seconds REAL,
    cpu REAL,
    size INTEGER,
    facts TEXT NOT NULL,
    PRIMARY KEY (run, step)
) {without_rowid};

CREATE TABLE artifact (
    run INTEGER NOT NULL REFERENCES run (number),
    name TEXT NOT NULL,
    -- object: a pickle, which only this project reads. file: as the pipeline wrote it.
    kind TEXT NOT NULL CHECK (kind IN ('object', 'file')),
    type TEXT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- Why it is no table, where it might have been one.
    because TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, name)
) {without_rowid};

CREATE TABLE metric (
    run INTEGER NOT NULL REFERENCES run (number),
    name TEXT NOT NULL,
    -- NULL for what is no finite number; then the text says what it is.
    value REAL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, name)
) {without_rowid};

CREATE TABLE lineage (
    run INTEGER NOT NULL REFERENCES run (number),
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    kind TEXT NOT NULL CHECK (kind IN ('table', 'file', 'artifact')),
    -- A table's name, a file's path, an artifact's name.
    name TEXT NOT NULL,
    -- A table's snapshot, a file's sha256.
    state TEXT NOT NULL,
    -- The parameter that named an input, the output that a table was made of.
    role TEXT NOT NULL DEFAULT '',
    -- Of what was made: content key and number of the result.
    key TEXT NOT NULL DEFAULT '',
    row_count INTEGER,
    PRIMARY KEY (run, direction, kind, name)
) {without_rowid};

CREATE INDEX lineage_by_name ON lineage (kind, name, direction);

CREATE TABLE verdict (
    run INTEGER NOT NULL REFERENCES run (number),
    seq INTEGER NOT NULL,
    table_name TEXT NOT NULL,
    name TEXT NOT NULL,
    severity TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('passed', 'failed', 'not judged')),
    offending INTEGER NOT NULL,
    because TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL,
    PRIMARY KEY (run, seq)
) {without_rowid};
