-- add_output --
INSERT INTO run_output (run, seq, at, stream, step, text) VALUES (:run, :seq, :at, :stream, :step, :text);

-- output_after --
SELECT seq, at, stream, step, text FROM run_output WHERE run = :run AND seq > :seq ORDER BY seq LIMIT 1000;

-- forget_output --
DELETE FROM run_output WHERE run = :run RETURNING seq;
