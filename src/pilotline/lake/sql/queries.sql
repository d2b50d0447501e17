-- branch_by_name --
-- The live branch of the name before any that is published or closed, then the latest.
SELECT b.id, b.name, b.parent_id, b.base_seq, b.head_seq, b.state, b.tainted, b.owner, b.run, b.because, b.opened, p.name
FROM branch AS b LEFT JOIN branch AS p ON p.id = b.parent_id
WHERE b.name = :name
ORDER BY b.state IN ('open', 'checked', 'failed') DESC, b.id DESC
LIMIT 1;

-- branch_by_id --
SELECT b.id, b.name, b.parent_id, b.base_seq, b.head_seq, b.state, b.tainted, b.owner, b.run, b.because, b.opened, p.name
FROM branch AS b LEFT JOIN branch AS p ON p.id = b.parent_id
WHERE b.id = :id;

-- list_branches --
SELECT b.id, b.name, b.parent_id, b.base_seq, b.head_seq, b.state, b.tainted, b.owner, b.run, b.because, b.opened, p.name
FROM branch AS b LEFT JOIN branch AS p ON p.id = b.parent_id
WHERE :every = 1 OR b.state IN ('open', 'checked', 'failed')
ORDER BY b.id;

-- open_branch --
INSERT INTO branch (name, parent_id, base_seq, head_seq, state, tainted, owner, run, opened)
VALUES (:name, :parent_id, :base_seq, :base_seq, 'open', :tainted, :owner, :run, :opened)
RETURNING id;

-- set_branch_state --
UPDATE branch SET state = :state, because = :because WHERE id = :id;

-- failed_ancestors --
-- The branch itself and those it descends from that failed or are tainted.
WITH RECURSIVE line (id, parent_id, name, state, tainted, depth) AS (
    SELECT id, parent_id, name, state, tainted, 0 FROM branch WHERE id = :id
    UNION ALL
    SELECT b.id, b.parent_id, b.name, b.state, b.tainted, line.depth + 1
    FROM line JOIN branch AS b ON b.id = line.parent_id
)
SELECT name FROM line WHERE state = 'failed' OR tainted <> 0 ORDER BY depth DESC;

-- next_commit --
-- Takes the next number of a branch; a change makes what was checked open again.
UPDATE branch
SET head_seq = head_seq + 1, state = CASE state WHEN 'checked' THEN 'open' ELSE state END
WHERE id = :branch_id
RETURNING head_seq;

-- add_commit --
INSERT INTO commit_log (id, branch_id, seq, parent, at, author, kind, message, run, merged, undoes)
VALUES (:id, :branch_id, :seq, :parent, :at, :author, :kind, :message, :run, :merged, :undoes);

-- commit_at --
-- The commit that a branch was at at a number; one without commits of its own is at its base.
WITH RECURSIVE line (branch_id, seq, parent_id, base_seq) AS (
    SELECT id, CAST(:seq AS INTEGER), parent_id, base_seq FROM branch WHERE id = :branch_id
    UNION ALL
    SELECT b.id, line.base_seq, b.parent_id, b.base_seq
    FROM line JOIN branch AS b ON b.id = line.parent_id
    WHERE line.seq <= line.base_seq
)
SELECT c.id, b.name, c.branch_id, c.seq, c.parent, c.at, c.author, c.kind, c.message, c.run, c.merged, c.undoes
FROM line
JOIN commit_log AS c ON c.branch_id = line.branch_id AND c.seq = line.seq AND c.seq > line.base_seq
JOIN branch AS b ON b.id = c.branch_id;

-- commits_by_prefix --
SELECT c.id, b.name, c.branch_id, c.seq, c.parent, c.at, c.author, c.kind, c.message, c.run, c.merged, c.undoes
FROM commit_log AS c JOIN branch AS b ON b.id = c.branch_id
WHERE c.id >= :prefix AND c.id < CAST(:prefix AS TEXT) || 'g'
LIMIT 3;

-- commit_before --
-- The last commit of main at or before a time.
SELECT c.id, b.name, c.branch_id, c.seq, c.parent, c.at, c.author, c.kind, c.message, c.run, c.merged, c.undoes
FROM commit_log AS c JOIN branch AS b ON b.id = c.branch_id
WHERE c.branch_id = 1 AND c.at <= :at
ORDER BY c.seq DESC
LIMIT 1;

-- log --
WITH RECURSIVE line (branch_id, seq, parent_id, base_seq, depth) AS (
    SELECT id, CAST(:seq AS INTEGER), parent_id, base_seq, 0 FROM branch WHERE id = :branch_id
    UNION ALL
    SELECT b.id, least(line.seq, line.base_seq), b.parent_id, b.base_seq, line.depth + 1
    FROM line JOIN branch AS b ON b.id = line.parent_id
)
SELECT c.id, b.name, c.branch_id, c.seq, c.parent, c.at, c.author, c.kind, c.message, c.run, c.merged, c.undoes
FROM line
JOIN commit_log AS c ON c.branch_id = line.branch_id AND c.seq <= line.seq
JOIN branch AS b ON b.id = c.branch_id
WHERE CAST(:namespace AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM pointer AS p
    WHERE p.branch_id = c.branch_id AND p.from_seq = c.seq AND p.namespace = :namespace AND p.name = :name
)
ORDER BY line.depth, c.seq DESC
LIMIT :limit;

-- tables_of_commit --
SELECT namespace, name FROM pointer
WHERE branch_id = :branch_id AND from_seq = :seq
ORDER BY namespace, name;

-- pointer_at --
-- Where one table pointed at one state of a branch: the branch's own row, else its parent's at its base, and so on.
WITH RECURSIVE line (branch_id, seq, parent_id, base_seq, depth) AS (
    SELECT id, CAST(:seq AS INTEGER), parent_id, base_seq, 0 FROM branch WHERE id = :branch_id
    UNION ALL
    SELECT b.id, least(line.seq, line.base_seq), b.parent_id, b.base_seq, line.depth + 1
    FROM line JOIN branch AS b ON b.id = line.parent_id
)
SELECT
    p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count, p.columns,
    c.id, c.author, c.at, p.comment, p.owner, p.expired
FROM line
JOIN pointer AS p
    ON p.branch_id = line.branch_id AND p.namespace = :namespace AND p.name = :name
    AND p.from_seq <= line.seq AND (p.to_seq IS NULL OR p.to_seq > line.seq)
JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
ORDER BY line.depth
LIMIT 1;

-- pointers_at --
-- The same for every table.
WITH RECURSIVE line (branch_id, seq, parent_id, base_seq, depth) AS (
    SELECT id, CAST(:seq AS INTEGER), parent_id, base_seq, 0 FROM branch WHERE id = :branch_id
    UNION ALL
    SELECT b.id, least(line.seq, line.base_seq), b.parent_id, b.base_seq, line.depth + 1
    FROM line JOIN branch AS b ON b.id = line.parent_id
),
ranked AS (
    SELECT
        p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count,
        p.columns, p.comment, p.owner, p.expired,
        row_number() OVER (PARTITION BY p.namespace, p.name ORDER BY line.depth) AS place
    FROM line
    JOIN pointer AS p
        ON p.branch_id = line.branch_id AND p.from_seq <= line.seq AND (p.to_seq IS NULL OR p.to_seq > line.seq)
)
SELECT
    r.namespace, r.name, r.branch_id, r.from_seq, r.metadata_location, r.snapshot, r.operation, r.row_count, r.columns,
    c.id, c.author, c.at, r.comment, r.owner, r.expired
FROM ranked AS r
JOIN commit_log AS c ON c.branch_id = r.branch_id AND c.seq = r.from_seq
WHERE r.place = 1 AND r.metadata_location IS NOT NULL
ORDER BY r.namespace, r.name;

-- own_pointers --
-- What a branch itself changed and still holds.
SELECT
    p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count, p.columns,
    c.id, c.author, c.at, p.comment, p.owner, p.expired
FROM pointer AS p
JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
WHERE p.branch_id = :branch_id AND p.to_seq IS NULL
ORDER BY p.namespace, p.name;

-- pointers_since --
-- Every state that a branch itself gave a table after a number, oldest first.
SELECT
    p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count, p.columns,
    c.id, c.author, c.at, p.comment, p.owner, p.expired
FROM pointer AS p
JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
WHERE p.branch_id = :branch_id AND p.namespace = :namespace AND p.name = :name AND p.from_seq > :seq
ORDER BY p.from_seq;

-- pointers_of_commit --
SELECT
    p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count, p.columns,
    c.id, c.author, c.at, p.comment, p.owner, p.expired
FROM pointer AS p
JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
WHERE p.branch_id = :branch_id AND p.from_seq = :seq
ORDER BY p.namespace, p.name;

-- end_pointer --
UPDATE pointer SET to_seq = :seq
WHERE branch_id = :branch_id AND namespace = :namespace AND name = :name AND to_seq IS NULL;

-- add_pointer --
INSERT INTO pointer (
    branch_id, namespace, name, from_seq, to_seq, metadata_location, snapshot, operation, row_count, columns, comment, owner
)
VALUES (
    :branch_id, :namespace, :name, :seq, NULL, :metadata_location, :snapshot, :operation, :row_count, :columns, :comment,
    :owner
);

-- last_before_drop --
-- Every state of a table that a line of commits has seen up to a number, newest first, drops among them.
WITH RECURSIVE line (branch_id, seq, parent_id, base_seq, depth) AS (
    SELECT id, CAST(:seq AS INTEGER), parent_id, base_seq, 0 FROM branch WHERE id = :branch_id
    UNION ALL
    SELECT b.id, least(line.seq, line.base_seq), b.parent_id, b.base_seq, line.depth + 1
    FROM line JOIN branch AS b ON b.id = line.parent_id
)
SELECT
    p.namespace, p.name, p.branch_id, p.from_seq, p.metadata_location, p.snapshot, p.operation, p.row_count, p.columns,
    c.id, c.author, c.at, p.comment, p.owner, p.expired
FROM line
JOIN pointer AS p
    ON p.branch_id = line.branch_id AND p.namespace = :namespace AND p.name = :name AND p.from_seq <= line.seq
JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
WHERE p.metadata_location IS NOT NULL
ORDER BY line.depth, p.from_seq DESC
LIMIT 1;

-- list_namespaces --
SELECT name, comment, owner, properties FROM namespace ORDER BY name;

-- put_namespace --
INSERT INTO namespace (name, comment, owner, properties) VALUES (:name, :comment, :owner, :properties)
ON CONFLICT (name) DO UPDATE SET comment = excluded.comment, owner = excluded.owner, properties = excluded.properties;

-- remove_namespace --
DELETE FROM namespace WHERE name = :name;

-- add_tag --
INSERT INTO tag (name, commit_id) VALUES (:name, :commit_id);

-- list_tags --
SELECT name, commit_id FROM tag ORDER BY name;

-- list_places --
SELECT root FROM place ORDER BY since;

-- add_place --
INSERT INTO place (root, since) VALUES (:root, :since) ON CONFLICT (root) DO NOTHING;

-- every_branch --
SELECT id, parent_id, base_seq, head_seq, state FROM branch ORDER BY id;

-- every_commit --
SELECT branch_id, seq, at, id FROM commit_log ORDER BY branch_id, seq;

-- every_state --
-- Every state of every table that has files.
SELECT branch_id, namespace, name, from_seq, to_seq, metadata_location, row_count, expired
FROM pointer WHERE metadata_location IS NOT NULL
ORDER BY namespace, name, branch_id, from_seq;

-- expire_state --
UPDATE pointer SET expired = :at
WHERE branch_id = :branch_id AND namespace = :namespace AND name = :name AND from_seq = :from_seq;

-- last_sweep --
SELECT coalesce(max(id), 0) FROM sweep;

-- note_sweep --
INSERT INTO sweep (id, at, paths) SELECT coalesce(max(id), 0) + 1, :at, :paths FROM sweep;

-- forget_sweeps --
DELETE FROM sweep WHERE id <= (SELECT max(id) FROM sweep) - :kept;

-- sweeps_since --
SELECT id, paths FROM sweep WHERE id > :since ORDER BY id;

-- states_without_commit --
SELECT p.branch_id, p.namespace, p.name, p.from_seq FROM pointer AS p
LEFT JOIN commit_log AS c ON c.branch_id = p.branch_id AND c.seq = p.from_seq
WHERE c.id IS NULL;

-- branches_without_head --
SELECT b.name, b.head_seq FROM branch AS b
LEFT JOIN commit_log AS c ON c.branch_id = b.id AND c.seq = b.head_seq
WHERE b.head_seq > b.base_seq AND c.id IS NULL;
