-- count_read --
INSERT INTO table_read (name, column_name, day, principal, via, reads, last)
VALUES (:name, :column_name, :day, :principal, :via, :reads, :last)
ON CONFLICT (name, column_name, day, principal, via) DO UPDATE SET
    reads = table_read.reads + excluded.reads, last = excluded.last;

-- reads_since --
SELECT name, column_name, principal, via, sum(reads), max(last) FROM table_read WHERE day >= :day
GROUP BY name, column_name, principal, via
ORDER BY name, column_name, principal, via;

-- reads_ever --
SELECT name, sum(reads), max(last) FROM table_read WHERE column_name = '' GROUP BY name ORDER BY name;

-- counted_since --
SELECT min(day) FROM table_read;

-- cost_of_pipeline --
-- What computing its steps took, in all runs since, also in those that failed.
SELECT count(DISTINCT r.number), coalesce(sum(s.seconds), 0), coalesce(sum(s.cpu), 0)
FROM run AS r JOIN step_result AS s ON s.run = r.number
WHERE r.pipeline = :pipeline AND (r.project IN (:project, '') OR :project = '')
AND r.onto = 'main' AND r.began >= :since AND s.outcome = 'computed';
