-- start_run --
-- pending: its branch is not open yet.
INSERT INTO run (project, pipeline, module, state, onto, base, outcome, parameters, recipes, environment, author, began, host, pid, pid_began, kept, resumes)
VALUES (:project, :pipeline, :module, 'pending', :onto, :base, :outcome, :parameters, :recipes, :environment, :author, :began, :host, :pid, :pid_began, :kept, :resumes)
RETURNING number;

-- note_unchanged --
INSERT INTO run (project, pipeline, module, state, onto, base, outcome, parameters, recipes, environment, author, began, ended, host, pid, pid_began, kept, because)
VALUES (:project, :pipeline, :module, 'unchanged', :onto, :base, :outcome, :parameters, '{}', :environment, :author, :began, :began, :host, :pid, :pid_began, :kept, :because)
RETURNING number;

-- open_branch_of_run --
UPDATE run SET state = 'running', branch = :branch WHERE number = :number AND state = 'pending' RETURNING number;

-- publish_run --
-- In the transaction that publishes its tables. No row comes back where somebody took the run to be dead meanwhile.
UPDATE run SET state = 'published', ended = :ended, commit_id = :commit_id, outcome = :outcome
WHERE number = :number AND state = 'running'
RETURNING number;

-- end_unpublished_run --
-- It did all that was asked, and was asked not to publish.
UPDATE run SET state = 'unchanged', ended = :ended, because = :because WHERE number = :number AND state = 'running' RETURNING number;

-- fail_run --
UPDATE run SET state = 'failed', ended = :ended, because = :because
WHERE number = :number AND state IN ('pending', 'running')
RETURNING number;

-- cancel_run --
UPDATE run SET state = 'cancelled', ended = :ended, because = :because
WHERE number = :number AND state IN ('pending', 'running')
RETURNING number;

-- fail_kept_runs --
-- What somebody answered for and lets go.
UPDATE run SET state = 'failed', ended = :ended, because = :because
WHERE kept = :kept AND state IN ('pending', 'running')
RETURNING number, branch;

-- runs_kept --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run WHERE kept = :kept AND kept <> '' ORDER BY number;

-- unfinished_runs --
SELECT number, pipeline, branch, host, pid, pid_began, outcome, kept FROM run WHERE state IN ('pending', 'running') ORDER BY number;

-- last_published --
SELECT number, outcome, commit_id, ended, parameters, base FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published'
ORDER BY number DESC
LIMIT 1;

-- published_with_outcome --
SELECT number, outcome, commit_id, ended, parameters, base FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published' AND outcome = :outcome
ORDER BY number DESC
LIMIT 1;

-- published_after --
SELECT number, outcome, commit_id, ended, parameters, base FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published' AND number > :number
ORDER BY number;

-- every_published --
SELECT number, outcome, commit_id, ended, parameters, base FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published'
ORDER BY number;

-- published_before --
SELECT number, outcome, commit_id, ended, parameters, base FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published' AND number < :number
ORDER BY number DESC
LIMIT 1;

-- last_recipes --
SELECT recipes FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND recipes <> '{}' AND state <> 'pending'
ORDER BY number DESC
LIMIT 1;

-- interrupted --
-- The last run of a pipeline, where it was stopped or its process is gone.
SELECT number, resumes FROM run
WHERE number = (
    SELECT max(number) FROM run WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
    AND onto = :onto AND state NOT IN ('unchanged', 'pending')
) AND (state IN ('cancelled', 'running') OR (state = 'failed' AND because = :gone));

-- resumed_by --
SELECT resumes FROM run WHERE number = :number;

-- run_by_number --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run WHERE number = :number;

-- list_runs --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run ORDER BY number DESC LIMIT :limit;

-- run_of_commit --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run WHERE commit_id = :commit_id;

-- add_event --
INSERT INTO run_event (run, seq, at, kind, facts)
VALUES (:run, (SELECT coalesce(max(seq), 0) + 1 FROM run_event WHERE run = :run), :at, :kind, :facts);

-- events_of_run --
SELECT at, kind, facts FROM run_event WHERE run = :run ORDER BY seq;

-- note_step --
INSERT INTO step_result (run, step, key, outcome, seconds, cpu, size, facts)
VALUES (:run, :step, :key, :outcome, :seconds, :cpu, :size, :facts)
ON CONFLICT (run, step) DO UPDATE SET
    key = excluded.key, outcome = excluded.outcome, seconds = excluded.seconds, cpu = excluded.cpu,
    size = excluded.size, facts = excluded.facts;

-- steps_of_run --
SELECT step, key, outcome, seconds, cpu, size, facts FROM step_result WHERE run = :run;

-- last_facts --
-- What a step was seen to do when it was computed last. CROSS: runs are looked through one by one, and not too many.
SELECT s.facts FROM run AS r CROSS JOIN step_result AS s
WHERE r.pipeline = :pipeline AND (r.project IN (:project, '') OR :project = '')
AND r.number > coalesce((SELECT number FROM run WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 1 OFFSET :among), 0)
AND s.run = r.number AND s.step = :step AND s.outcome = 'computed'
ORDER BY r.number DESC
LIMIT 1;

-- add_artifact --
INSERT INTO artifact (run, name, kind, type, file, sha256, size, because)
VALUES (:run, :name, :kind, :type, :file, :sha256, :size, :because);

-- add_metric --
INSERT INTO metric (run, name, value, text) VALUES (:run, :name, :value, :text);

-- add_lineage --
INSERT INTO lineage (run, direction, kind, name, state, role, key, row_count)
VALUES (:run, :direction, :kind, :name, :state, :role, :key, :row_count)
ON CONFLICT (run, direction, kind, name) DO UPDATE SET
    state = excluded.state, role = excluded.role, key = excluded.key, row_count = excluded.row_count;

-- tables_of_run --
SELECT name, state, role, row_count FROM lineage WHERE run = :run AND direction = 'out' AND kind = 'table' ORDER BY name;

-- lineage_of_run --
SELECT direction, kind, name, state, role, row_count FROM lineage WHERE run = :run ORDER BY direction, kind, name;

-- artifacts_of_run --
SELECT name, kind, type, file, sha256, size, because FROM artifact WHERE run = :run ORDER BY name;

-- metrics_of_run --
SELECT name, value, text FROM metric WHERE run = :run ORDER BY name;

-- metrics_before --
-- Each number as the last run before this one published it.
SELECT m.name, m.value, m.text, m.run FROM metric AS m JOIN (
    SELECT before.name AS name, max(before.run) AS run FROM run AS r JOIN metric AS before ON before.run = r.number
    WHERE r.pipeline = :pipeline AND (r.project IN (:project, '') OR :project = '')
    AND r.onto = :onto AND r.state = 'published' AND r.number < :number
    GROUP BY before.name
) AS last ON last.name = m.name AND last.run = m.run;

-- add_verdict --
INSERT INTO verdict (run, seq, table_name, name, severity, outcome, offending, because, seconds)
VALUES (:run, (SELECT coalesce(max(seq), 0) + 1 FROM verdict WHERE run = :run), :table_name, :name, :severity, :outcome, :offending, :because, :seconds);

-- verdicts_of_run --
SELECT table_name, name, severity, outcome, offending, because, seconds FROM verdict WHERE run = :run ORDER BY seq;

-- makers_of_table --
SELECT r.number, r.pipeline, r.commit_id, l.role, l.state, l.key FROM lineage AS l JOIN run AS r ON r.number = l.run
WHERE l.kind = 'table' AND l.direction = 'out' AND l.name = :name AND r.state = 'published'
ORDER BY r.number DESC
LIMIT 1;

-- other_makers --
-- Pipelines beside one that published a table.
SELECT DISTINCT r.project, r.pipeline FROM lineage AS l JOIN run AS r ON r.number = l.run
WHERE l.kind = 'table' AND l.direction = 'out' AND l.name = :name AND r.state = 'published'
AND (r.pipeline <> :pipeline OR r.project NOT IN (:project, ''))
ORDER BY r.pipeline, r.project;

-- other_readers --
-- The pipelines beside one that read a table, each with its last run that did.
SELECT r.project, r.pipeline, max(r.number), max(r.ended) FROM lineage AS l JOIN run AS r ON r.number = l.run
WHERE l.kind = 'table' AND l.direction = 'in' AND l.name = :name
AND (r.pipeline <> :pipeline OR r.project NOT IN (:project, ''))
GROUP BY r.project, r.pipeline
ORDER BY r.pipeline, r.project;

-- published_recipes --
-- What the keys of a pipeline's steps were made of in the last run that published.
SELECT recipes FROM run
WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
AND onto = :onto AND state = 'published'
ORDER BY number DESC
LIMIT 1;

-- computed_lately --
-- What a step took in the last published runs that computed it; they are looked through as above.
SELECT s.seconds, s.cpu FROM run AS r CROSS JOIN step_result AS s
WHERE r.pipeline = :pipeline AND (r.project IN (:project, '') OR :project = '') AND r.state = 'published'
AND r.number > coalesce((SELECT number FROM run WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 1 OFFSET :among), 0)
AND s.run = r.number AND s.step = :step AND s.outcome = 'computed' AND s.seconds IS NOT NULL
ORDER BY r.number DESC
LIMIT 5;

-- last_run --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run WHERE pipeline = :pipeline AND (project IN (:project, '') OR :project = '')
ORDER BY number DESC LIMIT 1;

-- pipelines_run --
-- Each pipeline of each project once, found by jumping along the index: a million runs cost no more than a hundred.
WITH RECURSIVE name (pipeline) AS (
    SELECT min(pipeline) FROM run
    UNION ALL
    SELECT (SELECT min(r.pipeline) FROM run AS r WHERE r.pipeline > name.pipeline) FROM name WHERE name.pipeline IS NOT NULL
), made (pipeline, project) AS (
    SELECT name.pipeline, (SELECT min(r.project) FROM run AS r WHERE r.pipeline = name.pipeline)
    FROM name WHERE name.pipeline IS NOT NULL
    UNION ALL
    SELECT made.pipeline, (SELECT min(r.project) FROM run AS r WHERE r.pipeline = made.pipeline AND r.project > made.project)
    FROM made WHERE made.project IS NOT NULL
)
SELECT project, pipeline FROM made WHERE project IS NOT NULL ORDER BY pipeline, project;

-- runs_after --
SELECT number, pipeline, module, state, onto, branch, base, outcome, parameters, environment, author, began, ended, resumes, commit_id, because, project
FROM run WHERE number > :number ORDER BY number LIMIT :limit;

-- unfinished_by_state --
SELECT state, count(*) FROM run WHERE state IN ('pending', 'running') GROUP BY state;
