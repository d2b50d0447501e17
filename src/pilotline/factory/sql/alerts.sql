-- open_alerts --
SELECT id, kind, subject, owner, because, run, opened, closed FROM alert WHERE closed IS NULL ORDER BY id;

-- alerts_lately --
SELECT id, kind, subject, owner, because, run, opened, closed FROM alert ORDER BY id DESC LIMIT :limit;

-- open_alert --
-- No row comes back where it is open already.
INSERT INTO alert (kind, subject, owner, because, run, opened)
VALUES (:kind, :subject, :owner, :because, :run, :opened)
ON CONFLICT (kind, subject) WHERE closed IS NULL DO NOTHING
RETURNING id;

-- close_alert --
UPDATE alert SET closed = :closed WHERE id = :id AND closed IS NULL RETURNING id;

-- add_delivery --
INSERT INTO delivery (alert, news, channel, due) VALUES (:alert, :news, :channel, :due)
ON CONFLICT (alert, news, channel) DO NOTHING;

-- forget_untold --
-- What was over before anybody was told of it needs no message at all.
DELETE FROM delivery WHERE alert = :alert AND news = 'opened' AND done IS NULL AND attempts = 0 RETURNING channel;

-- claim_deliveries --
UPDATE delivery SET claimed_until = :until, attempts = attempts + 1
WHERE channel = :channel AND done IS NULL AND due <= :now AND (claimed_until IS NULL OR claimed_until < :now)
RETURNING alert, news, attempts;

-- alert_by_id --
SELECT id, kind, subject, owner, because, run, opened, closed FROM alert WHERE id = :id;

-- delivered --
UPDATE delivery SET done = :done, claimed_until = NULL, because = '' WHERE alert = :alert AND news = :news AND channel = :channel
RETURNING alert;

-- not_delivered --
UPDATE delivery SET due = :due, claimed_until = NULL, because = :because, done = :done
WHERE alert = :alert AND news = :news AND channel = :channel
RETURNING alert;

-- deliveries_of --
SELECT news, channel, due, attempts, done, because FROM delivery WHERE alert = :alert ORDER BY news, channel;

-- ended_lately --
SELECT number, state, because, author, began, ended FROM run
WHERE pipeline = :pipeline AND project IN (:project, '') AND onto = 'main' AND ended IS NOT NULL AND state <> 'cancelled'
ORDER BY number DESC
LIMIT 20;

-- kept_back --
-- Whether a run was asked not to publish: then nobody waits for it.
SELECT facts FROM run_event WHERE run = :run AND kind = 'branch' ORDER BY seq LIMIT 1;

-- going_on --
SELECT number, project, pipeline, author, began FROM run WHERE state IN ('pending', 'running') ORDER BY number;

-- last_made --
-- When a table was last made, and by which pipeline.
SELECT r.project, r.pipeline, r.ended FROM lineage AS l JOIN run AS r ON r.number = l.run
WHERE l.kind = 'table' AND l.direction = 'out' AND l.name = :name AND r.state = 'published' AND r.onto = 'main'
ORDER BY r.number DESC
LIMIT 1;

-- last_unchanged --
-- A run that found nothing to do says that the tables are as new as their sources.
SELECT ended FROM run
WHERE pipeline = :pipeline AND project IN (:project, '') AND onto = 'main' AND state = 'unchanged' AND because LIKE :said
ORDER BY number DESC
LIMIT 1;

-- tried_again --
-- A run whose order is not settled: it is tried again, or is being tried.
SELECT number FROM factory_order WHERE pipeline = :pipeline AND run = :run AND state IN ('waiting', 'running') LIMIT 1;

-- last_order --
-- The order of a folder says the folder in place of the project's name.
SELECT state, run, because, owner, ended FROM factory_order
WHERE pipeline = :pipeline AND (release_id = '' OR project = :project)
AND onto = 'main' AND state IN ('done', 'failed', 'dead') AND ended IS NOT NULL
ORDER BY number DESC
LIMIT 1;

-- pipelines_ordered --
-- Each pipeline of each project that was released and ordered, found by jumping along the index.
WITH RECURSIVE name (pipeline) AS (
    SELECT min(pipeline) FROM factory_order WHERE release_id <> ''
    UNION ALL
    SELECT (SELECT min(o.pipeline) FROM factory_order AS o WHERE o.release_id <> '' AND o.pipeline > name.pipeline)
    FROM name WHERE name.pipeline IS NOT NULL
), ordered (pipeline, project) AS (
    SELECT name.pipeline, (SELECT min(o.project) FROM factory_order AS o WHERE o.release_id <> '' AND o.pipeline = name.pipeline)
    FROM name WHERE name.pipeline IS NOT NULL
    UNION ALL
    SELECT ordered.pipeline, (
        SELECT min(o.project) FROM factory_order AS o
        WHERE o.release_id <> '' AND o.pipeline = ordered.pipeline AND o.project > ordered.project
    )
    FROM ordered WHERE ordered.project IS NOT NULL
)
SELECT project, pipeline FROM ordered WHERE project IS NOT NULL;

-- folders_ordered --
-- The pipelines of folders that were ordered.
WITH RECURSIVE name (pipeline) AS (
    SELECT min(pipeline) FROM factory_order
    UNION ALL
    SELECT (SELECT min(o.pipeline) FROM factory_order AS o WHERE o.pipeline > name.pipeline)
    FROM name WHERE name.pipeline IS NOT NULL
)
SELECT pipeline FROM name WHERE pipeline IS NOT NULL;

-- partitions_failed --
-- Partitions whose last order has failed, and after which the pipeline did others: its own last order does not tell of them.
SELECT o.project, o.pipeline, o.partition_value, o.number, o.owner, o.because, o.ended FROM factory_order AS o
WHERE o.state IN ('failed', 'dead') AND o.partition_value <> '' AND o.onto = 'main'
AND NOT EXISTS (
    SELECT 1 FROM factory_order AS l
    WHERE l.pipeline = o.pipeline AND l.project = o.project AND l.onto = o.onto AND l.number > o.number
    AND l.partition_value = o.partition_value AND l.state IN ('done', 'failed', 'dead')
)
AND o.number < (
    SELECT max(l.number) FROM factory_order AS l
    WHERE l.pipeline = o.pipeline AND l.project = o.project AND l.onto = o.onto AND l.state IN ('done', 'failed', 'dead')
)
ORDER BY o.pipeline, o.project, o.partition_value;

-- published_since --
SELECT parameters FROM run
WHERE pipeline = :pipeline AND onto = 'main' AND state = 'published' AND ended > :ended;
