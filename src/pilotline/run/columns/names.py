"""Names that belong to pandas: what else is an attribute of a frame is one of its columns."""

from __future__ import annotations

from typing import Final

__all__ = ["OF_FRAMES", "OF_RESULTS", "PURE", "READ", "TIMES", "is_known"]

OF_FRAMES: Final = frozenset({
    "T", "abs", "add", "add_prefix", "add_suffix", "agg", "aggregate", "align", "all", "any", "append", "apply",
    "applymap", "argmax", "argmin", "argsort", "array", "as_unit", "asfreq", "asi8", "asof", "asof_locs", "assign",
    "astype", "at", "at_time", "attrs", "autocorr", "axes", "backfill", "between", "between_time", "bfill",
    "boxplot", "case_when", "cat", "ceil", "clip", "columns", "combine", "combine_first", "compare",
    "convert_dtypes", "copy", "corr", "corrwith", "count", "cov", "cummax", "cummin", "cumprod", "cumsum", "date",
    "day", "day_name", "day_of_week", "day_of_year", "dayofweek", "dayofyear", "days_in_month", "daysinmonth",
    "delete", "describe", "diff", "difference", "div", "divide", "divmod", "dot", "drop", "drop_duplicates",
    "droplevel", "dropna", "dt", "dtype", "dtypes", "duplicated", "empty", "eq", "equals", "eval", "ewm",
    "expanding", "explode", "factorize", "ffill", "fillna", "filter", "first_valid_index", "flags", "floor",
    "floordiv", "freq", "freqstr", "from_arrow", "from_dict", "from_records", "ge", "get", "get_indexer",
    "get_indexer_for", "get_indexer_non_unique", "get_level_values", "get_loc", "get_slice_bound", "groupby", "gt",
    "has_duplicates", "hasnans", "head", "hist", "hour", "iat", "identical", "idxmax", "idxmin", "iloc", "index",
    "indexer_at_time", "indexer_between_time", "infer_objects", "inferred_freq", "inferred_type", "info", "insert",
    "interpolate", "intersection", "is_", "is_copy", "is_leap_year", "is_monotonic_decreasing",
    "is_monotonic_increasing", "is_month_end", "is_month_start", "is_normalized", "is_quarter_end",
    "is_quarter_start", "is_unique", "is_year_end", "is_year_start", "isetitem", "isin", "isna", "isnull",
    "isocalendar", "item", "items", "iteritems", "iterrows", "itertuples", "join", "keys", "kurt", "kurtosis",
    "last_valid_index", "le", "list", "loc", "lookup", "lt", "mad", "map", "mask", "max", "mean", "median", "melt",
    "memory_usage", "merge", "microsecond", "min", "minute", "mod", "mode", "month", "month_name", "mul",
    "multiply", "name", "names", "nanosecond", "nbytes", "ndim", "ne", "nlargest", "nlevels", "normalize", "notna",
    "notnull", "nsmallest", "nunique", "pad", "pct_change", "pipe", "pivot", "pivot_table", "plot", "pop", "pow",
    "prod", "product", "putmask", "quantile", "quarter", "query", "radd", "rank", "ravel", "rdiv", "rdivmod",
    "reindex", "reindex_like", "rename", "rename_axis", "reorder_levels", "repeat", "replace", "resample",
    "reset_index", "resolution", "rfloordiv", "rmod", "rmul", "rolling", "round", "rpow", "rsub", "rtruediv",
    "sample", "searchsorted", "second", "select", "select_dtypes", "sem", "set_axis", "set_flags", "set_index",
    "set_names", "shape", "shift", "size", "skew", "slice_indexer", "slice_locs", "slice_shift", "snap",
    "sort_index", "sort_values", "sortlevel", "sparse", "squeeze", "stack", "std", "str", "strftime", "struct",
    "style", "sub", "subtract", "sum", "swapaxes", "swaplevel", "symmetric_difference", "tail", "take", "time",
    "timetz", "to_clipboard", "to_csv", "to_dict", "to_excel", "to_feather", "to_flat_index", "to_frame", "to_hdf",
    "to_html", "to_iceberg", "to_json", "to_julian_date", "to_latex", "to_list", "to_markdown", "to_numpy",
    "to_orc", "to_parquet", "to_period", "to_pickle", "to_pydatetime", "to_records", "to_series", "to_sql",
    "to_stata", "to_string", "to_timestamp", "to_xarray", "to_xml", "tolist", "transform", "transpose", "truediv",
    "truncate", "tshift", "tz", "tz_convert", "tz_localize", "tzinfo", "union", "unique", "unit", "unstack",
    "update", "value_counts", "values", "var", "view", "weekday", "where", "xs", "year",
})  # fmt: skip
#: What a result of DuckDB's has beside that.
OF_RESULTS: Final = frozenset({
    "df", "to_df", "fetchdf", "fetch_df", "pl", "arrow", "to_arrow_table", "fetch_arrow_table", "fetchall",
    "fetchone", "fetchnumpy", "fetchmany", "limit", "order", "project", "aggregate", "execute", "show", "create",
    "create_view", "write_csv", "write_parquet",
})  # fmt: skip
#: Parts of times, which accessors and indexes have as attributes.
TIMES: Final = frozenset({
    "date", "time", "timetz", "year", "month", "day", "hour", "minute", "second", "microsecond", "nanosecond",
    "dayofweek", "day_of_week", "weekday", "dayofyear", "day_of_year", "quarter", "is_month_start", "is_month_end",
    "is_quarter_start", "is_quarter_end", "is_year_start", "is_year_end", "is_leap_year", "daysinmonth",
    "days_in_month", "days", "seconds", "microseconds", "nanoseconds", "components", "start_time", "end_time",
    "qyear", "week", "weekofyear", "tz", "freq", "unit",
})  # fmt: skip
#: What their functions give is made of what they are given, and objects of what they took in; nothing comes from elsewhere
#: but from files that are named.
PURE: Final = frozenset({
    "numpy", "scipy", "sklearn", "statsmodels", "math", "cmath", "statistics", "datetime", "re", "json", "decimal",
    "fractions", "collections", "itertools", "functools", "operator", "string", "random", "time", "calendar",
    "dateutil", "pytz", "zoneinfo", "matplotlib", "seaborn", "plotly", "altair", "xgboost", "lightgbm", "catboost",
    "warnings", "logging", "os", "pathlib", "typing", "dataclasses", "io", "tqdm", "unicodedata", "textwrap",
    "hashlib", "uuid", "sys", "copy", "enum", "numbers", "heapq", "bisect", "csv", "contextlib", "gc", "shutil",
    "tempfile", "pprint", "locale", "traceback", "types", "abc", "platform", "getpass", "imblearn", "threadpoolctl",
    "joblib",
})  # fmt: skip
#: Libraries whose functions are read by name.
READ: Final = frozenset({"pandas", "polars", "numpy", "duckdb", "pilotline", "builtins", "__future__"})


def is_known(path: str) -> bool:
    """Whether it is known what a library's functions work on, and that its constants are made of nothing else."""
    top = path.partition(".")[0]
    return top in PURE or top in READ
