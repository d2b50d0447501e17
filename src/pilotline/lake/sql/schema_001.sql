-- The catalog: branches, the commits on them, and which metadata file each table pointed at from when to when.

CREATE TABLE branch (
    id {id},
    name TEXT NOT NULL,
    -- NULL for main alone.
    parent_id INTEGER REFERENCES branch (id),
    -- The state of the parent that it was opened on; its own commits count on from there. -1 for main.
    base_seq INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'checked', 'failed', 'published', 'closed')),
    tainted INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL,
    run TEXT,
    because TEXT NOT NULL DEFAULT '',
    opened TEXT NOT NULL
);

CREATE UNIQUE INDEX branch_live_name ON branch (name) WHERE state IN ('open', 'checked', 'failed');
CREATE INDEX branch_name ON branch (name);

CREATE TABLE commit_log (
    id TEXT PRIMARY KEY,
    branch_id INTEGER NOT NULL REFERENCES branch (id),
    seq INTEGER NOT NULL,
    parent TEXT REFERENCES commit_log (id),
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    run TEXT,
    merged TEXT,
    undoes TEXT,
    UNIQUE (branch_id, seq)
);

-- A pointer is valid on its branch from from_seq until before to_seq; NULL: still. Without a metadata_location the table
-- was dropped. operation: append where rows were only added to what the table was before, else replace or drop.
CREATE TABLE pointer (
    branch_id INTEGER NOT NULL REFERENCES branch (id),
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER,
    metadata_location TEXT,
    snapshot TEXT,
    operation TEXT NOT NULL CHECK (operation IN ('append', 'replace', 'drop')),
    row_count INTEGER NOT NULL DEFAULT 0,
    -- [[name, type, nullable], ...] as JSON, so that listing opens no file.
    columns TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (branch_id, namespace, name, from_seq)
);

CREATE UNIQUE INDEX pointer_now ON pointer (branch_id, namespace, name) WHERE to_seq IS NULL;
CREATE INDEX pointer_of_commit ON pointer (branch_id, from_seq);

CREATE TABLE tag (
    name TEXT PRIMARY KEY,
    commit_id TEXT NOT NULL REFERENCES commit_log (id)
);

-- The folders that the lake has lain in: files written there name each other by full path.
CREATE TABLE place (
    root TEXT PRIMARY KEY,
    since TEXT NOT NULL
);

-- The state of main before anything was published.
INSERT INTO branch (name, parent_id, base_seq, head_seq, state, owner, opened)
VALUES ('main', NULL, -1, 0, 'open', '', {now});

INSERT INTO commit_log (id, branch_id, seq, parent, at, author, kind, message)
VALUES ({random_id}, 1, 0, NULL, {now}, '', 'init', 'an empty lake');
