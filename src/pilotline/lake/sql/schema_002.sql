-- What people say of tables; states whose files were given up; namespaces that somebody speaks for.

ALTER TABLE pointer ADD COLUMN comment TEXT NOT NULL DEFAULT '';

ALTER TABLE pointer ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- When a sweep gave up the files of this state; NULL: they are there.
ALTER TABLE pointer ADD COLUMN expired TEXT;

CREATE TABLE namespace (
    name TEXT PRIMARY KEY,
    comment TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- {name: value} as JSON.
    properties TEXT NOT NULL
);
