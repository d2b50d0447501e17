DROP TABLE column_lineage;
DROP TABLE column_set;
