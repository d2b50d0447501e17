-- column_set_is_kept --
SELECT 1 FROM column_set WHERE digest = :digest LIMIT 1;

-- add_column_of_set --
INSERT INTO column_set (digest, column_name, edges) VALUES (:digest, :column_name, :edges)
ON CONFLICT (digest, column_name) DO NOTHING;

-- add_columns_of_run --
INSERT INTO column_lineage (run, table_name, digest) VALUES (:run, :table_name, :digest);

-- columns_of_run --
SELECT l.table_name, s.column_name, s.edges FROM column_lineage AS l JOIN column_set AS s ON s.digest = l.digest
WHERE l.run = :run ORDER BY l.table_name, s.column_name;
