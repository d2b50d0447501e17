-- Which processes are at work here, and the oldest code that the tables still serve.

-- The database's own clock: the only one by which processes decide about each other.
CREATE VIEW database_clock AS SELECT {now} AS at;

CREATE TABLE process (
    name TEXT PRIMARY KEY,
    -- Of Pilotline, for people.
    version TEXT NOT NULL,
    -- {component: how many of its scripts the code of this process knows} as JSON.
    knows TEXT NOT NULL,
    began TEXT NOT NULL,
    -- It is gone, unless it says before that it is still here.
    until TEXT NOT NULL
) {without_rowid};

-- Code that knows fewer scripts of a component than this cannot work with its tables any more.
CREATE TABLE schema_oldest (
    component TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) {without_rowid};
