"""Tables on branches. The only place that knows pyiceberg and DuckDB; nothing is read without a Scope."""
