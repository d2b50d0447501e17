-- Back to the second schema; which project a run belongs to is lost.

DROP INDEX run_of_project;

ALTER TABLE run DROP COLUMN project;
