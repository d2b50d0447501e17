"""What expressions of Polars give where they meet a frame.

An expression is kept as it was written, and read when a method of a frame takes it: only then it is known which columns
it names. Whatever else it is given to leaves a gap, for a column that it names would go unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pilotline.run.columns.calls import Call, NotPlain, NotShown, labels_of, plain
from pilotline.run.columns.edges import NOTHING, Lineage, direct, indirect, union
from pilotline.run.columns.values import Expression, Function, Known, Listed, Mapped, Thing, Value, lineage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pilotline.run.columns.calls import Host
    from pilotline.run.columns.values import PolarsFrame

__all__ = [
    "MASKING", "ONE_VALUE", "Piece", "call_on_expression", "call_on_namespace", "column_of", "named_columns", "names_of", "pieces_of", "series", "touched",
]  # fmt: skip

#: A value for each row, each worked out from its own row, or from the rows around it.
_EACH_ROW: Final = frozenset({
    "abs", "add", "and_", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "arg_sort", "backward_fill",
    "bitwise_count_ones", "bitwise_count_zeros", "cast", "cbrt", "ceil", "clip", "cos", "cosh", "cot", "cum_count",
    "cum_max", "cum_min", "cum_prod", "cum_sum", "cumulative_eval", "cut", "degrees", "diff", "eq", "eq_missing", "ewm_mean",
    "ewm_mean_by", "ewm_std", "ewm_var", "exp", "fill_nan", "fill_null", "floor", "floordiv", "forward_fill", "ge", "gt",
    "hash", "interpolate", "interpolate_by", "is_between", "is_close", "is_duplicated", "is_finite", "is_first_distinct",
    "is_in", "is_infinite", "is_last_distinct", "is_nan", "is_not_nan", "is_not_null", "is_null", "is_unique", "le", "log",
    "log10", "log1p", "lt", "map_elements", "mod", "mul", "ne", "ne_missing", "neg", "not_", "or_", "pct_change", "peak_max", "peak_min",
    "pow", "qcut", "radians", "rank", "repeat_by", "replace", "replace_strict", "reverse", "rle_id", "rolling",
    "rolling_kurtosis", "rolling_map", "rolling_max", "rolling_max_by", "rolling_mean", "rolling_mean_by",
    "rolling_median", "rolling_median_by", "rolling_min", "rolling_min_by", "rolling_quantile", "rolling_quantile_by",
    "rolling_rank", "rolling_rank_by", "rolling_skew", "rolling_std", "rolling_std_by", "rolling_sum", "rolling_sum_by",
    "rolling_var", "rolling_var_by", "round", "round_sig_figs", "set_sorted", "shift", "shrink_dtype", "shuffle", "sign",
    "sin", "sinh", "sqrt", "sub", "tan", "tanh", "to_physical", "truediv", "truncate", "xor",
})  # fmt: skip
#: One value for all rows, or for all of a group.
ONE_VALUE: Final = frozenset({
    "all", "any", "approx_n_unique", "approx_quantile", "arg_max", "arg_min", "bitwise_and", "bitwise_or", "bitwise_xor",
    "count", "dot", "entropy", "first", "get", "has_nulls", "implode", "index_of", "is_empty", "is_sorted", "item",
    "kurtosis", "last", "len", "lower_bound", "max", "max_by", "mean", "median", "min", "min_by", "n_unique", "nan_max",
    "nan_min", "null_count", "product", "quantile", "skew", "std", "sum", "upper_bound", "var",
})  # fmt: skip
#: Of these nothing of the values is left.
MASKING: Final = frozenset({"approx_n_unique", "count", "has_nulls", "is_empty", "len", "n_unique", "null_count"})
#: Other values than there are rows.
_FREE: Final = frozenset({
    "arg_true", "arg_unique", "bottom_k", "bottom_k_by", "drop_nans", "drop_nulls", "explode",
    "extend_constant", "flatten", "gather", "gather_every", "head", "hist", "limit", "map_batches",
    "mode", "rle", "sample", "search_sorted", "slice", "tail", "top_k", "top_k_by", "unique", "unique_counts",
    "value_counts",
})  # fmt: skip
#: Of a series: what gives Python's own values, or those of another library.
_LEAVING: Final = frozenset({
    "to_list", "to_numpy", "to_arrow", "to_pandas", "item", "len", "is_empty", "equals", "n_chunks", "null_count",
})  # fmt: skip
_NAMESPACES: Final = frozenset({"str", "dt", "list", "arr", "cat", "bin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One column that an expression gives."""

    #: None where it is not known.
    name: str | None
    lineage: Lineage
    #: How many values it has is decided by the values: neither one for each row nor one for all.
    free: bool = False
    #: The column that it began with.
    root: str | None = None


def named_columns(host: Host, *names: Value) -> Expression:
    """The expression that names columns."""
    return Expression("col", names, lineage=host.gap("what becomes of an expression of Polars is not read"))


def series(name: str | None, lineage: Lineage) -> Expression:
    """A series, which needs no frame to be known."""
    return Expression("series", (Known(name),), lineage=lineage)


def column_of(frame: PolarsFrame, name: str) -> Lineage:
    """What a column was made of.

    Raises:
        NotShown: it is not known to be there.
    """
    found = frame.get(name)
    if found is None:
        raise NotShown(f"no column {name!r} is known here")
    return found


# -- how expressions are made of others --------------------------------------------------------------------------------


def call_on_expression(host: Host, of: Expression, name: str, call: Call) -> Value:
    """What a method of an expression gives: another one.

    Raises:
        NotShown: that is not known.
    """
    if call.says("in_place"):
        raise NotShown(f"what {name} does in place is not read", touches=True)
    if name in _LEAVING and _is_series(of):
        return Thing.of(direct(lineage_of(of) | call.lineage, "TRANSFORMATION"))
    if name == "pipe":
        return host.call(call.args[0], [of, *call.args[1:]])
    if name in {"alias", "rename"}:
        return Expression("alias", (of, call.at(0, "name") or Known(None)))
    if name in {"then", "when", "otherwise"}:
        return Expression(f"or {name}" if name == "when" else name, (of, *call.args), dict(call.named))
    if name in {"filter", "over", "sort", "sort_by", "exclude"} or name in _EACH_ROW | ONE_VALUE | _FREE:
        return Expression(f".{name}", (of, *call.args), dict(call.named))
    raise NotShown(f"the method {name} of an expression is not read", touches=True)


def _is_series(value: Value) -> bool:
    """Whether it needs no frame; else it is an expression."""
    parts = [each for each in value.parts if isinstance(each, Expression)] if isinstance(value, Expression) else []
    return (isinstance(value, Expression) and value.operation == "series") or (
        bool(parts) and all(map(_is_series, parts))
    )


def call_on_namespace(of: Expression, namespace: str, name: str, call: Call) -> Value:
    """What ``of.namespace.name(...)`` gives.

    Raises:
        NotShown: that is not known.
    """
    if namespace == "name" and name in {"suffix", "prefix", "keep", "to_lowercase", "to_uppercase"}:
        return Expression(f"name.{name}", (of, *call.args))
    if namespace == "struct" and name == "field" and len(call.args) == 1:
        return Expression("struct.field", (of, *call.args))
    if namespace not in _NAMESPACES or name in {"to_struct", "json_decode"}:
        raise NotShown(f"the method {namespace}.{name} of an expression is not read")
    free = name == "explode"
    return Expression(".explode" if free else ".each", (of, *call.args), dict(call.named))


# -- what they give ----------------------------------------------------------------------------------------------------


def names_of(frame: PolarsFrame, name: str) -> list[str]:
    """The columns that a name means: itself, all, or those that a pattern fits.

    Raises:
        NotShown: the columns are not known.
    """
    if name != "*" and not (name.startswith("^") and name.endswith("$")):
        return [name]
    if not frame.closed:
        raise NotShown("the columns of the frame are not known")
    return [each for each in frame.columns if name == "*" or re.search(name, each)]


def pieces_of(host: Host, frame: PolarsFrame, value: Value) -> list[Piece]:
    """The columns that something gives which a frame takes as an expression; a text names a column.

    Raises:
        NotShown: they are not known.
    """
    match value:
        case Expression():
            return _evaluated(host, frame, value)
        case Known(value=str() as name):
            return [Piece(name=each, lineage=column_of(frame, each), root=each) for each in names_of(frame, name)]
        case Known():
            return [Piece(name="literal", lineage=NOTHING)]
        case Listed(items=items, more=None, lineage=lineage):
            found = [piece for each in items for piece in pieces_of(host, frame, each)]
            return [replace(each, lineage=each.lineage | lineage) for each in found]
        case _:
            return [Piece(name=None, lineage=lineage_of(value), free=True)]


def _evaluated(host: Host, frame: PolarsFrame, of: Expression) -> list[Piece]:
    operation, parts = of.operation, of.parts
    match operation:
        case "col":
            return [piece for each in parts for text in _texts(each) for piece in pieces_of(host, frame, Known(text))]
        case "series":
            return [Piece(name=plain(parts[0]), lineage=of.lineage, free=True, root=plain(parts[0]))]
        case "literal":
            return [Piece(name="literal", lineage=lineage_of(parts[0]))]
        case "element" | "len":
            return [Piece(name=operation if operation == "len" else "", lineage=NOTHING)]
        case "alias":
            name = _plain_name(parts[1])
            return [replace(each, name=name) for each in pieces_of(host, frame, parts[0])]
        case "chosen":
            return _chosen(host, frame, of)
        case "nameless":
            return [replace(each, name=None) for each in pieces_of(host, frame, parts[0])]
        case "operator":
            return _worked_out(host, frame, parts)
        case "row by row":
            return _side_by_side(host, frame, of)
        case "when" | "or when" | "then" | "otherwise":
            return _conditional(host, frame, of)
        case ".exclude":
            gone = {name for each in parts[1:] for text in _texts(each) for name in names_of(frame, text)}
            return [each for each in pieces_of(host, frame, parts[0]) if each.root not in gone]
        case _:
            made = [_applied(host, frame, of, each) for each in pieces_of(host, frame, parts[0])]
            if operation.removeprefix(".") in ONE_VALUE and _is_series(of):
                # A number of Python's, which has no name.
                return [replace(each, name=None) for each in made]
            return [replace(each, name=_renamed(operation, parts[1:], each)) for each in made]


def _plain_name(value: Value) -> str:
    try:
        return str(plain(value))
    except NotPlain:
        raise NotShown("how a column is called is not known") from None


def _texts(value: Value) -> list[str]:
    try:
        held = plain(value)
    except NotPlain:
        held = None
    found = [each for each in labels_of(held) if isinstance(each, str)]
    if not found or len(found) != len(labels_of(held)):
        raise NotShown("which columns are meant is not known")
    return found


def _chosen(host: Host, frame: PolarsFrame, of: Expression) -> list[Piece]:
    """One of several, by a condition."""
    ways = [pieces_of(host, frame, each) for each in of.parts]
    if len({len(way) for way in ways}) > 1:
        raise NotShown("which columns an expression gives depends on data")
    return [
        Piece(
            name=each[0].name if len({one.name for one in each}) == 1 else None,
            lineage=union(one.lineage for one in each) | of.lineage,
            free=any(one.free for one in each),
            root=each[0].root if len({one.root for one in each}) == 1 else None,
        )
        for each in zip(*ways, strict=True)
    ]


def _operand(host: Host, frame: PolarsFrame, value: Value) -> list[Piece]:
    """What stands beside an operator: a text is itself there."""
    if isinstance(value, Expression | Listed):
        return pieces_of(host, frame, value)
    return [Piece(name="literal", lineage=lineage_of(value), free=not isinstance(value, Known))]


def _worked_out(host: Host, frame: PolarsFrame, parts: Sequence[Value]) -> list[Piece]:
    sides = [_operand(host, frame, each) for each in parts]
    count = max(map(len, sides))
    if any(len(side) not in {1, count} for side in sides):
        raise NotShown("which columns go together is not known")
    made: list[Piece] = []
    named = _is_named_by_left(parts)
    for place in range(count):
        row = [side[0] if len(side) == 1 else side[place] for side in sides]
        lineage = direct(union(each.lineage for each in row), "TRANSFORMATION")
        name = row[0].name if named else None
        made.append(replace(row[0], name=name, lineage=lineage, free=any(each.free for each in row)))
    return made


def _is_named_by_left(parts: Sequence[Value]) -> bool:
    """Whether the result of an operator is called as what stands left; what a series gives may be one of Python's numbers."""
    left = parts[0]
    if _is_series(left):
        return isinstance(left, Expression) and left.operation == "series" and not isinstance(parts[-1], Expression)
    return isinstance(left, Expression) or not _is_series(parts[-1])


def _side_by_side(host: Host, frame: PolarsFrame, of: Expression) -> list[Piece]:
    """One column of several, row by row, called as the first; what is given by name only says how."""
    held = [piece for each in of.parts for piece in pieces_of(host, frame, each)]
    lineage = direct(union(each.lineage for each in held), "TRANSFORMATION") | touched(host, frame, of.named.values())
    if not held:
        raise NotShown("which columns an expression takes is not known")
    return [Piece(name=held[0].name, lineage=lineage, free=any(each.free for each in held), root=held[0].root)]


def _conditional(host: Host, frame: PolarsFrame, of: Expression) -> list[Piece]:
    """``when(...).then(...)...otherwise(...)``, read from its end: conditions decide, and the first value gives the name."""
    conditions: list[Lineage] = []
    values: list[Piece] = []
    node: Value = of
    while isinstance(node, Expression) and node.operation in {"when", "or when", "then", "otherwise"}:
        # The first of the chain begins with its condition, the others with what stands before them.
        own = node.parts if node.operation == "when" else node.parts[1:]
        found = [piece for each in own for piece in pieces_of(host, frame, each)]
        if node.operation in {"then", "otherwise"}:
            values[:0] = found
        else:
            conditions += [each.lineage for each in found]
            conditions += [column_of(frame, name) for name in node.named]
            conditions.append(touched(host, frame, node.named.values()))
        node = Known(None) if node.operation == "when" else node.parts[0]
    if not values:
        raise NotShown("what a condition chooses is not known")
    lineage = direct(union(each.lineage for each in values), "TRANSFORMATION")
    lineage |= indirect(union(conditions), "CONDITIONAL")
    return [replace(values[0], lineage=lineage, free=any(each.free for each in values))]


def _applied(host: Host, frame: PolarsFrame, of: Expression, piece: Piece) -> Piece:
    """A column after a method; whatever the method is given may go in."""
    name = of.operation.removeprefix(".")
    if of.operation.startswith("name.") or of.operation == "struct.field":
        kept = piece.lineage if of.operation != "struct.field" else direct(piece.lineage, "TRANSFORMATION")
        return replace(piece, lineage=kept)
    given = [*of.parts[1:], *of.named.values()]
    more = touched(host, frame, given, piece.lineage)
    match name:
        case "filter":
            more |= union(column_of(frame, word) for word in of.named)
            return replace(piece, lineage=piece.lineage | indirect(more, "FILTER"), free=True)
        case "over":
            strategy = of.named.get("mapping_strategy")
            if strategy is not None and not (isinstance(strategy, Known) and strategy.value == "group_to_rows"):
                raise NotShown("rows that a window puts elsewhere are not read")
            return replace(piece, lineage=piece.lineage | indirect(more, "WINDOW"), free=False)
        case "sort":
            return replace(piece, lineage=piece.lineage | indirect(piece.lineage | more, "SORT"))
        case "sort_by":
            return replace(piece, lineage=piece.lineage | indirect(more, "SORT"))
        case _:
            kind = "AGGREGATION" if name in ONE_VALUE else "TRANSFORMATION"
            lineage = direct(piece.lineage | more, kind, masked=name in MASKING)
            free = name in _FREE or (piece.free and name not in ONE_VALUE)
            return replace(piece, lineage=lineage, free=free)


def _renamed(operation: str, given: Sequence[Value], piece: Piece) -> str | None:
    match operation:
        case "struct.field":
            return _plain_name(given[0])
        case "name.keep":
            return piece.root
        case "name.suffix" | "name.prefix" | "name.to_lowercase" | "name.to_uppercase":
            if piece.name is None or piece.name != piece.root:
                # Releases of Polars differ in what they take for the name.
                raise NotShown("how a column is called is not known")
            word = _plain_name(given[0]) if given else ""
            return {
                "suffix": piece.name + word, "prefix": word + piece.name,
                "to_lowercase": piece.name.lower(), "to_uppercase": piece.name.upper(),
            }[operation.removeprefix("name.")]  # fmt: skip
        case _:
            return piece.name


def touched(host: Host, frame: PolarsFrame, values: Iterable[Value], of: Lineage = NOTHING) -> Lineage:
    """What may go in by arguments: expressions, texts that may name columns, functions of what they are given."""
    found: list[Lineage] = []
    for value in values:
        match value:
            case Expression():
                found += [each.lineage for each in pieces_of(host, frame, value)]
            case Known(value=str() as text):
                found.append(frame.get(text) or NOTHING)
            case Listed(items=items, more=None):
                found += [touched(host, frame, items, of), value.lineage]
            case Mapped():
                found += [touched(host, frame, value.items.values(), of), lineage_of(value)]
            case Function():
                found.append(lineage_of(host.call(value, [Thing.of(of)])))
            case _:
                found.append(lineage_of(value))
    return union(found)
