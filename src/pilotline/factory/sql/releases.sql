-- add_release --
-- The same commit of the same project is the same release, however often it is deployed.
INSERT INTO release (id, project, commit_id, ref, archive, size, pipelines, author, at)
VALUES (:id, :project, :commit_id, :ref, :archive, :size, :pipelines, :author, :at)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- make_current --
INSERT INTO release_current (project, release_id, since, author) VALUES (:project, :release_id, :since, :author)
ON CONFLICT (project) DO UPDATE SET release_id = excluded.release_id, since = excluded.since, author = excluded.author;

-- current_id --
SELECT release_id FROM release_current WHERE project = :project;

-- release_by_id --
SELECT id, project, commit_id, ref, archive, size, pipelines, author, at FROM release WHERE id = :id;

-- current_release --
SELECT r.id, r.project, r.commit_id, r.ref, r.archive, r.size, r.pipelines, r.author, r.at
FROM release_current AS c JOIN release AS r ON r.id = c.release_id WHERE c.project = :project;

-- list_releases --
SELECT r.id, r.project, r.commit_id, r.ref, r.archive, r.size, r.pipelines, r.author, r.at, c.release_id IS NOT NULL
FROM release AS r LEFT JOIN release_current AS c ON c.release_id = r.id
WHERE :project = '' OR r.project = :project
ORDER BY r.at DESC, r.id LIMIT :most;
