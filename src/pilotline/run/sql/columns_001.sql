-- What the columns of published tables were made of. Runs whose columns were made of the same share one set of rows.

CREATE TABLE column_set (
    digest TEXT NOT NULL,
    -- Empty for what decided about the rows, and so about every column.
    column_name TEXT NOT NULL,
    -- JSON: what it was made of, and what is not shown of that.
    edges TEXT NOT NULL,
    PRIMARY KEY (digest, column_name)
) {without_rowid};

CREATE TABLE column_lineage (
    run INTEGER NOT NULL,
    table_name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (run, table_name)
) {without_rowid};

CREATE INDEX column_lineage_by_table ON column_lineage (table_name, run);
