-- add_output --
INSERT INTO run_output (run, seq, at, stream, step, text) VALUES (:run, :seq, :at, :stream, :step, :text);

-- output_after --
SELECT seq, at, stream, step, text FROM run_output WHERE run = :run AND seq > :seq ORDER BY seq LIMIT 1000;

-- runs_with_output_before --
SELECT number FROM run WHERE ended < :before AND EXISTS (SELECT 1 FROM run_output WHERE run = number) ORDER BY number LIMIT :most;

-- forget_output --
DELETE FROM run_output WHERE run = :run RETURNING seq;
