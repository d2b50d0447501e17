-- begin_telling --
-- From this run on.
INSERT INTO openlineage (project, told, due) VALUES (:project, :told, :now) ON CONFLICT (project) DO NOTHING;

-- standing --
SELECT told, due, attempts, because FROM openlineage WHERE project = :project;

-- all_standing --
SELECT project, told, attempts, because FROM openlineage ORDER BY project;

-- claim_telling --
UPDATE openlineage SET claimed_until = :until
WHERE project = :project AND due <= :now AND (claimed_until IS NULL OR claimed_until < :now)
RETURNING told;

-- let_go --
UPDATE openlineage SET claimed_until = NULL WHERE project = :project RETURNING project;

-- told_so_far --
SELECT told FROM openlineage_run WHERE run = :run;

-- note_told --
INSERT INTO openlineage_run (run, project, told) VALUES (:run, :project, :told)
ON CONFLICT (run) DO UPDATE SET told = excluded.told;

-- answered --
UPDATE openlineage SET attempts = 0, because = '' WHERE project = :project AND attempts > 0 RETURNING project;

-- did_not_answer --
UPDATE openlineage SET attempts = attempts + 1, due = :due, because = :because WHERE project = :project RETURNING attempts;

-- untold_runs --
-- Runs that are not told of to the end. Of those that began or ended just now their own process tells, unless it is gone.
SELECT r.number, coalesce(o.told, '') FROM run AS r LEFT JOIN openlineage_run AS o ON o.run = r.number
WHERE r.number > :told AND r.project = :project AND coalesce(o.told, '') <> 'end'
AND ((r.ended IS NOT NULL AND (r.ended <= :before OR r.because = :gone)) OR (r.ended IS NULL AND o.told IS NULL AND r.began <= :before))
ORDER BY r.number LIMIT :most;

-- count_untold --
SELECT count(*) FROM run AS r LEFT JOIN openlineage_run AS o ON o.run = r.number
WHERE r.number > :told AND r.project = :project AND r.ended IS NOT NULL AND coalesce(o.told, '') <> 'end';

-- first_untold --
SELECT min(r.number) FROM run AS r LEFT JOIN openlineage_run AS o ON o.run = r.number
WHERE r.number > :told AND r.project = :project AND coalesce(o.told, '') <> 'end';

-- last_of_project --
SELECT max(number) FROM run WHERE project = :project;

-- advance --
UPDATE openlineage SET told = :to WHERE project = :project AND told < :to RETURNING told;

-- forget_told --
DELETE FROM openlineage_run WHERE project = :project AND run <= :to;
