-- Back to the second schema; orders of schedules are queued as by default.

ALTER TABLE schedule DROP COLUMN terms;
