-- How the orders of a schedule are queued: tries, timeout, priority, key; as JSON.

ALTER TABLE schedule ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';
