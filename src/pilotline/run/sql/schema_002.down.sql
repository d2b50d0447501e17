-- Back to the first schema; which order a run was for is lost.

DROP INDEX run_kept;

ALTER TABLE run DROP COLUMN kept;
