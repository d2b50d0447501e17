-- put_schedule --
INSERT INTO schedule (name, project, pipeline, release_id, onto, owner, timing, terms, kind, paused, seen, due, taken, since)
VALUES (:name, :project, :pipeline, :release_id, :onto, :owner, :timing, :terms, :kind, :paused, :seen, :due, :taken, :since)
ON CONFLICT (name) DO UPDATE SET
    project = excluded.project, pipeline = excluded.pipeline, release_id = excluded.release_id, onto = excluded.onto,
    owner = excluded.owner, timing = excluded.timing, terms = excluded.terms, kind = excluded.kind, paused = excluded.paused,
    seen = excluded.seen, due = excluded.due, taken = excluded.taken;

-- remove_schedule --
DELETE FROM schedule WHERE name = :name RETURNING name;

-- pause_schedule --
UPDATE schedule SET paused = :paused, seen = :seen, due = :due WHERE name = :name RETURNING name;

-- schedule_by_name --
SELECT name, project, pipeline, release_id, onto, owner, timing, paused, seen, due, taken, since, terms FROM schedule WHERE name = :name;

-- list_schedules --
SELECT name, project, pipeline, release_id, onto, owner, timing, paused, seen, due, taken, since, terms FROM schedule
WHERE :project = '' OR project = :project ORDER BY name;

-- due_schedules --
SELECT name, project, pipeline, release_id, onto, owner, timing, paused, seen, due, taken, since, terms FROM schedule
WHERE kind = 'at' AND paused = 0 AND due <= :now ORDER BY due LIMIT :most;

-- first_due --
SELECT min(due) FROM schedule WHERE kind = 'at' AND paused = 0;

-- waiting_schedules --
SELECT name, project, pipeline, release_id, onto, owner, timing, paused, seen, due, taken, since, terms FROM schedule
WHERE kind = 'after' AND paused = 0 AND onto = :onto ORDER BY name;

-- waited_for --
SELECT DISTINCT onto FROM schedule WHERE kind = 'after' AND paused = 0;

-- looked_at --
UPDATE schedule SET seen = :seen, due = :due WHERE name = :name;

-- took --
UPDATE schedule SET seen = :seen, taken = :taken WHERE name = :name;

-- branch_looked --
SELECT seq FROM schedule_looked WHERE onto = :onto;

-- look_at_branch --
INSERT INTO schedule_looked (onto, seq) VALUES (:onto, :seq) ON CONFLICT (onto) DO UPDATE SET seq = excluded.seq;

-- schedules_after --
SELECT name, project, pipeline, release_id, onto, owner, timing, paused, seen, due, taken, since, terms FROM schedule
WHERE kind = 'after' AND paused = 0 ORDER BY name;

-- changes_of_schedule --
-- What the last orders of a schedule were asked for, and when each was claimed, the oldest first.
SELECT o.number, o.state, e.at, e.kind, e.facts FROM factory_order AS o
JOIN factory_order_event AS e ON e.order_number = o.number
WHERE o.number IN (SELECT number FROM factory_order WHERE schedule = :schedule ORDER BY number DESC LIMIT 20)
AND e.kind IN ('change', 'claimed')
ORDER BY e.at, o.number, e.seq;
