-- Orders: what the factory is asked to make, who holds each, how it ended.

-- The database's own clock: the only one by which processes decide about each other.
CREATE VIEW factory_clock AS SELECT {now} AS at;

CREATE TABLE factory_order (
    number {id},
    -- The same id is the same order, however often it is submitted.
    id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    project TEXT NOT NULL,
    -- Empty: the project's folder as it is.
    release_id TEXT NOT NULL,
    onto TEXT NOT NULL,
    parameters TEXT NOT NULL,
    partition_value TEXT NOT NULL,
    -- Orders of one key run at the same time only as far as its limit goes; empty: no limit.
    key TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due TEXT NOT NULL,
    origin TEXT NOT NULL,
    schedule TEXT NOT NULL,
    -- Seconds.
    timeout REAL,
    attempts INTEGER NOT NULL,
    owner TEXT NOT NULL,
    fresh INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'dead')),
    submitted TEXT NOT NULL,
    -- The fencing token: grows with every claim, and what is written for an older one does not count.
    token INTEGER NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '',
    began TEXT,
    -- The end of the lease.
    until TEXT,
    ended TEXT,
    -- Kind of failure -> how often, as JSON.
    failures TEXT NOT NULL DEFAULT '{}',
    take_overs INTEGER NOT NULL DEFAULT 0,
    cancelled_by TEXT NOT NULL DEFAULT '',
    run INTEGER,
    result TEXT NOT NULL DEFAULT '',
    because TEXT NOT NULL DEFAULT ''
);

CREATE INDEX factory_order_waiting ON factory_order (priority DESC, due, number) WHERE state = 'waiting';
CREATE INDEX factory_order_running ON factory_order (key) WHERE state = 'running';
CREATE INDEX factory_order_of_state ON factory_order (state, number);
CREATE INDEX factory_order_of_pipeline ON factory_order (pipeline, number);
CREATE INDEX factory_order_of_schedule ON factory_order (schedule, number);
CREATE INDEX factory_order_ended ON factory_order (ended) WHERE ended IS NOT NULL;

CREATE TABLE factory_order_event (
    order_number INTEGER NOT NULL REFERENCES factory_order (number),
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (order_number, seq)
) {without_rowid};

-- How many orders may run at once: of all (with an empty name), of a pipeline, of a key.
CREATE TABLE factory_limit (
    kind TEXT NOT NULL CHECK (kind IN ('all', 'pipeline', 'key')),
    name TEXT NOT NULL,
    most INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) {without_rowid};
