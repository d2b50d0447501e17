"""The hazards in one table: which notebook, what is asked of it, and what must come of it.

`proven`: nothing but a proof in isolated steps will do. `refused`: nothing but a refusal by code will do.
`either`: both are honest; a proof must still be of the right value, which is what the tests insist on everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import values as v

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE / "notebooks"
FILES = HERE / "files"

SALES = ("data/sales.csv",)
#: Beginnings of the codes that speak of a notebook. PL100 is none: it says no more than that something failed.
ANY_REFUSAL = ("PL11", "PL12", "PL14", "PL15")
#: The notebook as saved does not run, or does not give what it gave: say so, whatever the reason.
NOT_AS_SAVED = ("PL110", "PL151", "PL152", "PL154")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One notebook that is hard to lift."""

    name: str
    #: File name in `notebooks/`.
    path: str
    #: What is passed to ``--want``: names, or ``cell:N``.
    wanted: tuple[str, ...] = ("final",)
    expect: Literal["proven", "refused", "either"] = "proven"
    #: Codes (or beginnings of codes) by which it may be refused.
    codes: tuple[str, ...] = ANY_REFUSAL
    #: The true values, worked out without the notebook; None where there is nothing to compute.
    value: Callable[[Path], dict[str, Any]] | None = None
    #: What the notebook needs beside it, from `files/`.
    files: tuple[str, ...] = SALES
    #: Further arguments of `pilotline lift`.
    args: tuple[str, ...] = ()
    #: The notebook as saved no longer gives what its session gave: the cell that shows it, and what that gives now.
    #: This may be proven only with a diagnostic on that cell.
    replayed: tuple[int, Any] | None = None
    #: Cells that a proven pipeline may be made of at most.
    keeps_at_most: int | None = None
    #: Literals that must not appear in anything that is written or printed.
    secrets: tuple[str, ...] = ()
    #: Variables that a proven pipeline needs: the names under which it asks for them, in the order of ``secrets``.
    variables: tuple[str, ...] = ()
    #: One of the sixteen on which other tools were measured.
    sixteen: bool = False

    @property
    def notebook(self) -> Path:
        """Where it is."""
        return NOTEBOOKS / self.path

    @property
    def session(self) -> Path | None:
        """What was executed, where the notebook does not say it."""
        path = HERE / "sources" / f"{Path(self.path).stem}.session"
        return path if path.exists() else None


def _first(name: str, value: Callable[[Path], dict[str, Any]], **more: Any) -> Hazard:
    return Hazard(name=name, path=f"{name}.ipynb", value=value, sixteen=True, **more)


def _book(name: str, value: Callable[[Path], dict[str, Any]] | None, **more: Any) -> Hazard:
    return Hazard(name=name, path=f"{name}.ipynb", value=value, **more)


def _text(name: str, value: Callable[[Path], dict[str, Any]] | None, **more: Any) -> Hazard:
    return Hazard(name=name, path=f"{name}.py", value=value, **more)


SIXTEEN = (
    _first("h01_clean", v.clean, wanted=("final", "by_store")),
    _first("h02_inplace_df", v.inplace_frame),
    _first("h03_fit", v.fitted, wanted=("final", "bayes", "ridge"), files=()),
    _first("h04_alias", v.aliases),
    _first("h05_globals", v.rebound_globals),
    _first("h06_class", v.notebook_class, files=()),
    _first("h07_magics", v.magics, args=("--allow", "subprocess")),
    _first("h08_messy", v.messy, keeps_at_most=5),
    _first("h09_star", v.stars, files=()),
    _first("h10_outoforder", v.out_of_order, files=()),
    _first("h11_reassign", v.reassigned),
    _first("h12_files", v.hidden_files),
    _first("h13_random", v.global_random),
    _first("h14_control", v.control_flow),
    _first("h15_unpicklable", v.cannot_travel, files=()),
    _first("h16_process_state", v.process_state),
)

FURTHER = (
    # --- what the .ipynb says about how it was run ---
    _book("rerun_cell", v.rerun, expect="either", files=(), codes=NOT_AS_SAVED, replayed=(3, 88)),
    _book("deleted_cell", v.deleted_or_edited, expect="refused", files=(), codes=("PL110",)),
    _book("edited_cell", v.deleted_or_edited, expect="either", files=(), codes=NOT_AS_SAVED, replayed=(2, 35.0)),
    _book("quiet_error_outputs", v.units_sum),
    # --- IPython ---
    _book("top_level_await", v.awaits, files=("data/sales.csv", "data/areas.csv"), expect="either"),
    _book("timing_magics", v.timings),
    _book("shell_assignment", v.shell, expect="refused", codes=("PL121",)),
    _book("installs", v.units_sum),
    _book("history_names", v.history, expect="either"),
    _book("cell_magics", v.cell_magics, expect="either", files=()),
    _text("commented_magics", v.units_sum),
    _text("plain_script", v.plain_script, expect="either"),
    # --- results that no name holds ---
    _book("displayed_only", v.displayed, wanted=("cell:4", "cell:5")),
    _text("printed_metric", v.printed, wanted=("cell:4",)),
    # --- frames ---
    _text("repaired_merge", v.repaired_merge, wanted=("density_sum",), files=tuple(f"data/{n}.csv" for n in ("areas", "names", "people"))),
    _text("query_names", v.queries),
    _text("chained_assignment", v.chained),
    _text("frame_attrs", v.frame_attrs),
    _text("categories", v.categories, wanted=("final", "table")),
    _text("multi_index", v.multi_index, wanted=("final", "table")),
    _text("grouped_then_changed", v.grouped_then_changed),
    _text("lists_in_columns", v.lists_in_columns, files=()),
    _text("polars_frames", v.polars_frames),
    _text("callback_side_effects", v.callbacks),
    _text("containers_of_frames", v.containers),
    # --- arrays and numbers ---
    _text("array_in_place", v.array_in_place),
    _text("sorted_through_alias", v.sorted_alias, files=()),
    _text("float_order", v.float_order, files=()),
    # --- names and scopes ---
    _text("default_arguments", v.default_arguments, files=()),
    _text("loop_closures", v.loop_closures, files=()),
    _text("redefined_function", v.redefined),
    _text("shadowed_builtins", v.shadowed, expect="either"),
    _text("nested_globals", v.nested_globals, files=()),
    _text("conditional_definitions", v.conditional_definitions),
    _text("deleted_names", v.deleted_names, files=()),
    _text("code_in_strings", v.code_in_strings, files=(), expect="either"),
    _text("names_in_formats", v.names_in_formats, files=(), expect="either"),
    _text("mutual_recursion", v.mutual_recursion, files=()),
    # --- classes, state inside objects ---
    _text("class_attributes", v.class_attributes, files=()),
    _text("own_types", v.own_types),
    _text("cached_function", v.cached, files=(), expect="either"),
    _text("custom_pipeline", v.custom_pipeline, files=()),
    _text("pickle_round_trip", v.pickled, expect="either"),
    _text("dict_order", v.dict_order, files=()),
    _text("generator_across_cells", v.generators),
    _text("iterator_half_consumed", v.half_consumed),
    _text("context_managers", v.context_managers, files=()),
    _text("threads", v.threads, expect="either"),
    _text("plot_that_computes", v.plot_that_computes),
    # --- chance and order ---
    _text("shared_generator", v.shared_generator),
    _text("seeded_twice", v.seeded_twice, files=()),
    _text("unseeded_random", v.unseeded, expect="either", codes=("PL152",)),
    _text("set_order", v.set_order, files=(), expect="either", codes=("PL152",)),
    _text("wall_clock_in_result", v.wall_clock, expect="refused", codes=("PL152",)),
    _text("wall_clock_beside", v.units_sum),
    # --- settings of the process ---
    _text("monkeypatch", v.monkeypatched),
    _text("import_fallback", v.import_fallback),
    _text("environment_variables", v.environment, files=()),
    _text("error_settings", v.error_settings, files=()),
    _text("own_locale", v.own_locale, files=()),
    _text("changed_directory", v.changed_directory),
    _text("local_module", v.local_module, files=("lib/local_rules.py",), expect="either"),
    # --- files ---
    _text("sqlite_round_trip", v.sqlite_round_trip),
    _text("overwritten_input", v.overwritten),
    _text("file_between_cells", v.file_between_cells, files=()),
    # --- what must not get outside, and what cannot be finished ---
    _text("network_call", None, expect="refused", codes=("PL120",), files=()),
    _text("network_fallback", v.units_sum, expect="either", codes=("PL120",)),
    _text("other_program", v.other_program, expect="refused", codes=("PL121",), files=()),
    _text("write_outside", v.write_outside, expect="refused", codes=("PL122",)),
    _text("endless_loop", None, expect="refused", codes=("PL111",), files=(), args=("--timeout", "5")),
    _text("exception_in_the_middle", None, expect="refused", codes=("PL110",)),
    _text("broken_syntax", None, expect="refused", codes=("PL112",), files=()),
    _book("secret_literal", v.secret, expect="either", secrets=("sk-live-9f8b2c77d1e04a6bb3c5a1d2e3f40516", "hunter2-Correct-Horse"),
          variables=("SECRET_LITERAL_API_KEY", "SECRET_LITERAL_PASSWORD")),
)  # fmt: skip

HAZARDS = (*SIXTEEN, *FURTHER)
