-- Whoever tells other catalogs again begins with the next run.

DROP TABLE openlineage_run;

DROP TABLE openlineage;
