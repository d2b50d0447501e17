-- Several projects share one catalog, and may have pipelines of one name.

-- Empty: the run is older than this column. It counts as any project's, so that a pipeline goes on from where it left off.
ALTER TABLE run ADD COLUMN project TEXT NOT NULL DEFAULT '';

CREATE INDEX run_of_project ON run (pipeline, project);
