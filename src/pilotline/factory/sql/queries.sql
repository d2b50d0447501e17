-- submit --
-- No row comes back where an order of this id is there already.
INSERT INTO factory_order (id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, submitted)
VALUES (:id, :pipeline, :project, :release_id, :onto, :parameters, :partition_value, :key, :priority, :due, :origin, :schedule, :timeout, :attempts, :owner, :fresh, :submitted)
ON CONFLICT (id) DO NOTHING
RETURNING number;

-- waiting_of_schedule --
-- The orders of a schedule that wait, the oldest first; how often each was claimed.
SELECT number, token FROM factory_order WHERE state = 'waiting' AND schedule = :schedule ORDER BY number;

-- move_on --
-- An order that waits becomes that of a later time, as its schedule asks for it by now.
UPDATE factory_order SET
    id = :id, pipeline = :pipeline, project = :project, onto = :onto, owner = :owner, release_id = :release_id,
    failures = CASE WHEN release_id = :release_id THEN failures ELSE '{}' END
WHERE number = :number AND state = 'waiting'
RETURNING number;

-- number_of --
SELECT number FROM factory_order WHERE id = :id;

-- expired --
-- Orders whose worker let its lease run out.
SELECT number, token, take_overs, cancelled_by, worker FROM factory_order
WHERE state = 'running' AND until <= :now
ORDER BY number;

-- claimable --
-- The next order that may be claimed: the first by priority and time whose limits leave room.
SELECT o.number FROM factory_order AS o
LEFT JOIN factory_limit AS k ON k.kind = 'key' AND k.name = o.key
LEFT JOIN factory_limit AS p ON p.kind = 'pipeline' AND p.name = o.pipeline
LEFT JOIN factory_limit AS a ON a.kind = 'all' AND a.name = ''
WHERE o.state = 'waiting' AND o.due <= :now
AND (o.release_id <> '' OR :project = '' OR o.project = :project)
AND (a.most IS NULL OR (SELECT count(*) FROM factory_order AS r WHERE r.state = 'running') < a.most)
AND (p.most IS NULL OR (
    SELECT count(*) FROM factory_order AS r WHERE r.state = 'running' AND r.pipeline = o.pipeline AND r.project = o.project
) < p.most)
AND (o.key = '' OR (
    SELECT count(*) FROM factory_order AS r WHERE r.state = 'running' AND r.key = o.key
) < coalesce(k.most, 1))
ORDER BY o.priority DESC, o.due, o.number
LIMIT 1;

-- next_due --
-- When the next order that waits is due, or the next lease runs out.
SELECT min(at) FROM (
    SELECT min(due) AS at FROM factory_order WHERE state = 'waiting' AND due > :now
    UNION ALL
    SELECT min(until) AS at FROM factory_order WHERE state = 'running'
) AS times;

-- claim --
UPDATE factory_order SET state = 'running', token = token + 1, worker = :worker, began = :now, until = :until, because = ''
WHERE number = :number AND state = 'waiting'
RETURNING number;

-- renew --
-- A lease that ran out is not renewed: somebody may have been told so.
UPDATE factory_order SET until = :until
WHERE number = :number AND token = :token AND state = 'running' AND until > :now AND cancelled_by = ''
RETURNING number;

-- held --
-- Whether a claim holds, or its own work has ended the order.
SELECT state, cancelled_by FROM factory_order
WHERE number = :number AND token = :token AND (state = 'done' OR (state = 'running' AND until > :now));

-- finish --
UPDATE factory_order SET state = 'done', ended = :now, until = NULL, run = :run, result = :result
WHERE number = :number AND token = :token AND state = 'running' AND until > :now AND cancelled_by = ''
RETURNING number;

-- running_as --
SELECT failures, attempts, cancelled_by FROM factory_order WHERE number = :number AND token = :token AND state = 'running';

-- end_order --
UPDATE factory_order SET state = :state, ended = :now, until = NULL, failures = :failures, because = :because
WHERE number = :number AND token = :token AND state = 'running'
RETURNING number;

-- wait_again --
UPDATE factory_order SET state = 'waiting', until = NULL, due = :due, failures = :failures, because = :because
WHERE number = :number AND token = :token AND state = 'running'
RETURNING number;

-- free --
-- Its worker went away, or gave it back: the next one may take it at once.
UPDATE factory_order SET state = 'waiting', until = NULL, take_overs = :take_overs, because = :because
WHERE number = :number AND token = :token AND state = 'running'
RETURNING number;

-- end_expired --
UPDATE factory_order SET state = :state, ended = :now, until = NULL, take_overs = :take_overs, because = :because
WHERE number = :number AND token = :token AND state = 'running'
RETURNING number;

-- cancel_waiting --
UPDATE factory_order SET state = 'cancelled', ended = :now, cancelled_by = :who, because = :because
WHERE number = :number AND state = 'waiting'
RETURNING number;

-- cancel_running --
-- Its worker stops it; from now on it cannot publish.
UPDATE factory_order SET cancelled_by = :who WHERE number = :number AND state = 'running' AND cancelled_by = ''
RETURNING number;

-- order_by_number --
SELECT number, id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, state, submitted, token, worker, began, until, ended, failures, take_overs, cancelled_by, run, result, because
FROM factory_order WHERE number = :number;

-- list_orders --
SELECT number, id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, state, submitted, token, worker, began, until, ended, failures, take_overs, cancelled_by, run, result, because
FROM factory_order WHERE number < :before ORDER BY number DESC LIMIT :most;

-- list_orders_of_state --
SELECT number, id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, state, submitted, token, worker, began, until, ended, failures, take_overs, cancelled_by, run, result, because
FROM factory_order WHERE state = :state AND number < :before ORDER BY number DESC LIMIT :most;

-- list_orders_of_pipeline --
SELECT number, id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, state, submitted, token, worker, began, until, ended, failures, take_overs, cancelled_by, run, result, because
FROM factory_order WHERE pipeline = :pipeline AND number < :before ORDER BY number DESC LIMIT :most;

-- list_orders_of_schedule --
SELECT number, id, pipeline, project, release_id, onto, parameters, partition_value, key, priority, due, origin, schedule, timeout, attempts, owner, fresh, state, submitted, token, worker, began, until, ended, failures, take_overs, cancelled_by, run, result, because
FROM factory_order WHERE schedule = :schedule AND number < :before ORDER BY number DESC LIMIT :most;

-- count_open --
SELECT state, count(*) FROM factory_order WHERE state IN ('waiting', 'running') GROUP BY state;

-- add_event --
INSERT INTO factory_order_event (order_number, seq, at, kind, facts)
VALUES (:number, (SELECT coalesce(max(seq), 0) + 1 FROM factory_order_event WHERE order_number = :number), :at, :kind, :facts);

-- events_of_order --
SELECT at, kind, facts FROM factory_order_event WHERE order_number = :number ORDER BY seq;

-- set_limit --
INSERT INTO factory_limit (kind, name, most) VALUES (:kind, :name, :most)
ON CONFLICT (kind, name) DO UPDATE SET most = excluded.most;

-- drop_limit --
DELETE FROM factory_limit WHERE kind = :kind AND name = :name;

-- list_limits --
SELECT kind, name, most FROM factory_limit ORDER BY kind, name;

-- forget_events --
DELETE FROM factory_order_event WHERE order_number IN (
    SELECT number FROM factory_order WHERE ended < :before ORDER BY ended, number LIMIT :most
);

-- forget_orders --
DELETE FROM factory_order WHERE number IN (SELECT number FROM factory_order WHERE ended < :before ORDER BY ended, number LIMIT :most)
RETURNING number;
