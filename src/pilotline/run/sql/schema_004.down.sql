-- Back to the third schema; nothing is lost.

DROP INDEX run_of_commit;

DROP INDEX run_of_outcome;

DROP INDEX run_by_pipeline;
