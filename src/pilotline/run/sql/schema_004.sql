-- What a plan and a listing ask stays quick behind a million runs.

CREATE INDEX run_by_pipeline ON run (pipeline, number);

CREATE INDEX run_of_outcome ON run (pipeline, onto, outcome, number);

CREATE INDEX run_of_commit ON run (commit_id) WHERE commit_id IS NOT NULL;
