-- Releases: a commit of a project with its locks, as the factory runs it.

CREATE TABLE release (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    -- What the commit was called where it was deployed: a branch or a tag.
    ref TEXT NOT NULL,
    -- Its files, in the lake's storage.
    archive TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- Name, module, lock, schedule and owner of each pipeline, as JSON.
    pipelines TEXT NOT NULL,
    author TEXT NOT NULL,
    at TEXT NOT NULL
) {without_rowid};

CREATE INDEX release_of_project ON release (project, at);

-- Which release of a project new orders are made from.
CREATE TABLE release_current (
    project TEXT PRIMARY KEY,
    release_id TEXT NOT NULL REFERENCES release (id),
    since TEXT NOT NULL,
    author TEXT NOT NULL
) {without_rowid};
