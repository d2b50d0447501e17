-- Back to the first schema; what people said of tables is lost from listings, and stays in the tables' files.

DROP TABLE namespace;

ALTER TABLE pointer DROP COLUMN expired;

ALTER TABLE pointer DROP COLUMN owner;

ALTER TABLE pointer DROP COLUMN comment;
