-- Who reads which table, a row a day: runs are not in it, what they read stands in their lineage.

CREATE TABLE table_read (
    name TEXT NOT NULL,
    -- Empty for the table itself; else a column that the reader asked for by name.
    column_name TEXT NOT NULL,
    day TEXT NOT NULL,
    principal TEXT NOT NULL,
    -- read: as a frame. show, sql: by these commands. catalog: by another engine.
    via TEXT NOT NULL CHECK (via IN ('read', 'show', 'sql', 'catalog')),
    reads INTEGER NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (name, column_name, day, principal, via)
) {without_rowid};
