"""What a query in the code makes of the columns that it reads.

Queries are read as statements are: each part of it is a frame, and each expression has what the columns in it have. What
decides rows (joins, filters, groups, order) holds for every column of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.calls import Call, Host, NotPlain, NotShown, plain
from pilotline.run.columns.edges import NOTHING, Lineage, Source, direct, indirect, union
from pilotline.run.columns.values import Frame, Known, PolarsFrame, Rest, Series, Thing, Value, lineage_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["call_on_connection", "duckdb_call", "query_frame", "read_query"]

_ASKING: Final = frozenset({"sql", "query", "execute", "from_query", "query_df"})
_READING: Final = {
    "read_csv": "csv",
    "from_csv_auto": "csv",
    "read_parquet": "parquet",
    "from_parquet": "parquet",
    "read_json": "json",
}
#: The parts of a select that are read; one with any other part is not.
_PARTS: Final = frozenset({
    "expressions", "from", "from_", "joins", "where", "group", "having", "qualify", "order", "limit", "offset",
    "distinct", "with", "with_", "kind", "hint",
})  # fmt: skip
_MASKING: Final = frozenset({"Count", "CountIf", "ApproxDistinct", "MD5", "SHA", "SHA2", "MD5Digest"})


def duckdb_call(host: Host, name: str, call: Call) -> Value:
    """What a function of DuckDB's module gives.

    Raises:
        NotShown: that is not known.
    """
    if name == "connect":
        return Thing.of(NOTHING, "duckdb")
    return call_on_connection(host, Thing.of(NOTHING, "duckdb"), name, call)


def call_on_connection(host: Host, connection: Thing, name: str, call: Call) -> Value:
    """What a method of a connection to DuckDB gives.

    Raises:
        NotShown: that is not known.
    """
    if name in _ASKING:
        text = _text(call)
        found = query_frame(host, text, connection.named, dialect="duckdb")
        more = union(lineage_of(each) for each in [*call.args[1:], *call.named.values()])
        found.rows |= connection.cell.lineage | indirect(more, "FILTER")
        return found
    if name == "register":
        connection.named[str(call.plain(0, "view_name"))] = call.args[1]
        return connection
    if name in {"df", "from_df", "table", "view"}:
        if isinstance(call.args[0], Frame):
            return call.args[0].copy()
        found = _named(host, str(call.plain(0)), connection.named)
        if found is None:
            raise NotShown("which table is meant is not known")
        return found
    if name in _READING:
        found = host.sources.file(str(call.plain(0)), None, _READING[name])
        if found is None:
            raise NotShown("which file is read is not known")
        return found
    if name in {"close", "begin", "commit", "install_extension", "load_extension", "create_function", "unregister"}:
        if name == "create_function":
            raise NotShown("functions made for SQL are not read", touches=True)
        return Known(None)
    raise NotShown(f"what {name} of a connection gives is not read", touches=True)


def _text(call: Call) -> str:
    try:
        return str(plain(call.args[0] if call.args else next(iter(call.named.values()))))
    except NotPlain:
        raise NotShown("the SQL is not written out") from None


def read_query(host: Host, call: Call, *, table: bool) -> Value:
    """What is read from another database by a query or a table's name.

    Raises:
        NotShown: that is not known.
    """
    connection = call.at(1, "con")
    text = _text(call)
    if isinstance(connection, Thing) and connection.kind == "duckdb":
        return query_frame(host, text, connection.named, dialect="duckdb")
    if table or text.isidentifier():
        return Frame({}, rest=Rest(Source("database", text)))
    found = query_frame(host, text, None, dialect="")
    more = call.named.get("params")
    if more is not None:
        found.rows |= indirect(lineage_of(more), "FILTER")
    columns = call.plain(-1, "index_col", None)
    if columns is not None:
        from pilotline.run.columns.frames import call_on_frame

        return call_on_frame(host, found, "set_index", Call([Known(columns)]))
    return found


def query_frame(host: Host, text: str, named: dict[str, Value] | None, *, dialect: str) -> Frame:
    """The columns of what a query gives.

    Args:
        host: the machine that reads the code around.
        text: the SQL.
        named: the tables of a connection by name; None: they are tables of another database.
        dialect: of the SQL.

    Raises:
        NotShown: that is not known.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        statements = [each for each in sqlglot.parse(text, dialect=dialect or None) if each is not None]
    except SqlglotError:
        raise NotShown("the SQL is not understood") from None
    found = Frame({})
    for statement in statements:
        if isinstance(statement, exp.Create) and named is not None and statement.args.get("kind") in {"TABLE", "VIEW"}:
            body = statement.args.get("expression")
            if not isinstance(body, exp.Query):
                raise NotShown("a table that is made by SQL is not read")
            named[statement.this.name] = _Query(host, named, {}).relation(body)
        elif isinstance(statement, exp.Query):
            found = _Query(host, named, {}).relation(statement)
        else:
            raise NotShown(f"what {statement.key} does is not read")
    return found


def _named(host: Host, name: str, named: Mapping[str, Value] | None) -> Frame | None:
    if named is None:
        return Frame({}, rest=Rest(Source("database", name)))
    found = {key.lower(): value for key, value in named.items()}.get(name.lower()) or host.names().get(name)
    if isinstance(found, Series) and found.name is not None:
        return Frame({found.name: found.lineage}, found.rows)
    if isinstance(found, Frame):
        return found
    if isinstance(found, PolarsFrame):
        return Frame({**found.columns}, found.rows, rest=found.rest)
    if found is None and "." in name:
        return host.sources.file(name, None, "")
    return None


@dataclass(slots=True)
class _Query:
    """Reads one query."""

    host: Host
    named: dict[str, Value] | None
    #: What the query around it has given names to.
    parts: dict[str, Frame]
    #: The sources that an expression of it sees, by name; those of queries around it last.
    outer: list[dict[str, Frame]] = field(default_factory=list["dict[str, Frame]"])

    def relation(self, node: Any) -> Frame:
        """The columns of a query, a table or anything else that rows come from."""
        from sqlglot import exp

        parts = dict(self.parts)
        inner = _Query(self.host, self.named, parts, self.outer)
        held = node.args.get("with_") or node.args.get("with")
        if held is not None:
            if held.args.get("recursive"):
                raise NotShown("a query that calls itself is not read")
            for part in held.expressions:
                made = inner.relation(part.this)
                parts[part.alias.lower()] = _renamed(made, [each.name for each in part.args["alias"].columns])
        match node:
            case exp.Select():
                return inner.select(node)
            case exp.SetOperation():
                return inner.set_operation(node)
            case exp.Subquery():
                if node.args.get("pivots"):
                    raise NotShown("a pivot in SQL is not read")
                return _renamed(inner.relation(node.this), _alias_columns(node))
            case exp.Paren():
                return inner.relation(node.this)
            case exp.Table():
                return _renamed(inner.table(node), _alias_columns(node))
            case exp.Values():
                names = _alias_columns(node)
                if not names:
                    raise NotShown("values without names are not read")
                return Frame(dict.fromkeys(names, NOTHING))
            case _:
                raise NotShown(f"{node.key} in SQL is not read")

    def table(self, node: Any) -> Frame:
        from sqlglot import exp

        if any(node.args.get(part) for part in ("pivots", "laterals", "joins", "sample", "when")):
            raise NotShown("a part of the query is not read")
        if isinstance(node.this, exp.Func):
            text = node.this.this
            if isinstance(text, exp.Literal) and node.this.key in {"readcsv", "readparquet"}:
                found = self.host.sources.file(text.name, None, node.this.key.removeprefix("read"))
            elif isinstance(node.this, exp.Anonymous) and node.this.expressions:
                kind = str(node.this.this).lower().removeprefix("read_").removesuffix("_auto").removesuffix("_scan")
                found = self.host.sources.file(node.this.expressions[0].name, None, kind)
            elif node.this.expressions and node.this.key == "readparquet":
                found = self.host.sources.file(node.this.expressions[0].name, None, "parquet")
            else:
                found = None
            if found is None:
                raise NotShown(f"what {node.this.key} reads is not known")
            return found
        name = ".".join(part.name for part in node.parts)
        found = self.parts.get(name.lower()) or _named(self.host, name, self.named)
        if found is None:
            raise NotShown(f"nothing is known of {name} in the SQL")
        return found

    def set_operation(self, node: Any) -> Frame:
        from sqlglot import exp

        left, right = self.relation(node.left), self.relation(node.right)
        if not (left.closed and right.closed) or left.maybe or right.maybe:
            raise NotShown("the columns of a query are not known")
        rows = left.rows | right.rows
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            rows |= indirect(left.all | right.all, "FILTER")
        if node.args.get("by_name"):
            names = dict.fromkeys([*left.columns, *right.columns])
            return Frame({name: (left.get(name) or NOTHING) | (right.get(name) or NOTHING) for name in names}, rows)
        if len(left.columns) != len(right.columns):
            raise NotShown("the columns of a query are not known")
        if isinstance(node, exp.Except):
            return Frame(dict(left.columns), rows)
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        found = Frame({name: one | other for (name, one), other in pairs}, rows)
        self._order(node, found, {})
        return found

    def select(self, node: Any) -> Frame:
        """The columns of a select."""
        from sqlglot import exp

        for part, value in node.args.items():
            if value and part not in _PARTS:
                raise NotShown(f"{part.replace('_', ' ')} in SQL is not read")
        sources, shared, rows = self._sources(node)
        scope = _Query(self.host, self.named, self.parts, [sources, *self.outer])
        scope_shared = shared
        columns: dict[Any, Lineage] = {}
        rest: Rest | None = None
        maybe: set[Any] = set()
        grouped: list[Lineage] = []
        aliases: dict[str, Lineage] = {}
        nodes = node.expressions or [exp.Star()]
        for one in nodes:
            if isinstance(one, exp.Star) or (isinstance(one, exp.Column) and isinstance(one.this, exp.Star)):
                found, more = scope.star(one, sources, scope_shared)
                columns |= found
                rest = more or rest
                for source in sources.values():
                    maybe |= {name for name in source.maybe if name in found}
                continue
            lineage = scope.lineage(one, aliases, scope_shared)
            if not one.find(exp.AggFunc):
                grouped.append(lineage)
            name = one.alias_or_name
            if isinstance(one, exp.Alias | exp.Column) and name:
                columns[name] = lineage
                aliases[name.lower()] = lineage
            else:
                # The engine chooses a name.
                rest = Rest(None, lineage | (rest.all if rest else NOTHING))
        rows |= scope.clauses(
            node,
            aliases,
            scope_shared,
            [
                scope.lineage(one, {}, scope_shared)
                if not isinstance(one, exp.Star) and not isinstance(one.this, exp.Star)
                else NOTHING
                for one in nodes
            ],
            grouped,
        )
        made = Frame(columns, rows, rest=rest, maybe=maybe)
        distinct = node.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            made.rows |= indirect(scope.lineage(on, aliases, scope_shared) if on is not None else made.all, "FILTER")
        scope._order(node, made, aliases, scope_shared)
        return made

    def _sources(self, node: Any) -> tuple[dict[str, Frame], dict[str, Lineage], Lineage]:
        """The sources by name; the columns that joins share, which are in several; and what decides rows."""
        sources: dict[str, Frame] = {}
        shared: dict[str, Lineage] = {}
        rows = NOTHING
        origin = node.args.get("from_") or node.args.get("from")
        if origin is None:
            return sources, shared, rows
        joins = node.args.get("joins") or []
        for one in [origin.this, *(join.this for join in joins)]:
            name = one.alias_or_name
            if not name or name.lower() in sources:
                name = f"{name}#{len(sources)}"
            found = self.relation(one)
            sources[name.lower()] = found
            rows |= found.rows
        scope = _Query(self.host, self.named, self.parts, [sources, *self.outer])
        for place, join in enumerate(joins):
            if join.args.get("kind") in {"SEMI", "ANTI"} or join.args.get("side") in {"SEMI", "ANTI"}:
                raise NotShown("a semi join in SQL is not read")
            for key in join.args.get("using") or []:
                held = [each.get(_spelled(each, key.name)) for each in list(sources.values())[: place + 2]]
                lineage = union(each for each in held if each is not None)
                shared[key.name.lower()] = lineage
                rows |= indirect(lineage, "JOIN")
            if str(join.args.get("method") or "").upper() == "NATURAL":
                raise NotShown("a natural join in SQL is not read")
            if (on := join.args.get("on")) is not None:
                rows |= indirect(scope.lineage(on, {}, shared), "JOIN")
        return sources, shared, rows

    def star(
        self, node: Any, sources: Mapping[str, Frame], shared: Mapping[str, Lineage]
    ) -> tuple[dict[Any, Lineage], Rest | None]:
        """All columns."""
        from sqlglot import exp

        star = node if isinstance(node, exp.Star) else node.this
        table = node.table.lower() if isinstance(node, exp.Column) else ""
        without = {each.name.lower() for each in (star.args.get("except_") or star.args.get("except") or [])}
        if star.args.get("rename"):
            raise NotShown("renamed columns of a star in SQL are not read")
        replaced = {each.alias.lower(): self.lineage(each.this, {}, shared) for each in star.args.get("replace") or []}
        held = {name: each for name, each in sources.items() if not table or name == table}
        columns: dict[Any, Lineage] = {}
        rest: Rest | None = None
        for frame in held.values():
            for name, lineage in frame.columns.items():
                low = str(name).lower()
                if low in without:
                    continue
                if name in columns and low not in shared:
                    raise NotShown(f"two columns of a query are called {name}")
                columns[name] = replaced.get(low, shared.get(low, lineage))
            if frame.rest is not None:
                if len(held) > 1 or replaced:
                    raise NotShown("the columns of a table in the SQL are not known")
                rest = Rest(frame.rest.source, frame.rest.lineage, frame.rest.without | without)
        return columns, rest

    def clauses(
        self, node: Any, aliases: Mapping[str, Lineage], shared: Mapping[str, Lineage], selected: Sequence[Lineage],
        plain_ones: Sequence[Lineage],
    ) -> Lineage:  # fmt: skip
        """What filters and groups decide."""
        rows = NOTHING
        for part in ("where", "having", "qualify"):
            if (found := node.args.get(part)) is not None:
                rows |= indirect(self.lineage(found.this, aliases, shared), "FILTER")
        group = node.args.get("group")
        if group is not None:
            if any(group.args.get(part) for part in ("cube", "rollup", "grouping_sets", "totals")):
                raise NotShown("grouping sets in SQL are not read")
            if group.args.get("all"):
                rows |= indirect(union(plain_ones), "GROUP_BY")
            for key in group.expressions:
                rows |= indirect(self._numbered(key, aliases, shared, selected), "GROUP_BY")
        return rows

    def _numbered(
        self, key: Any, aliases: Mapping[str, Lineage], shared: Mapping[str, Lineage], selected: Sequence[Lineage]
    ) -> Lineage:
        from sqlglot import exp

        if isinstance(key, exp.Literal) and not key.is_string and 0 < int(key.name) <= len(selected):
            return selected[int(key.name) - 1]
        return self.lineage(key, aliases, shared)

    def _order(
        self, node: Any, made: Frame, aliases: Mapping[str, Lineage], shared: Mapping[str, Lineage] | None = None
    ) -> None:
        from sqlglot import exp

        order = node.args.get("order")
        if order is None:
            return
        if any(isinstance(each.this, exp.Var) for each in order.expressions):
            made.rows |= indirect(made.all, "SORT")
            return
        known = {**aliases, **{str(name).lower(): lineage for name, lineage in made.columns.items()}}
        selected = list(made.columns.values())
        why = [self._numbered(each.this, known, shared or {}, selected) for each in order.expressions]
        made.rows |= indirect(union(why), "SORT")

    def lineage(self, node: Any, aliases: Mapping[str, Lineage], shared: Mapping[str, Lineage]) -> Lineage:
        """What an expression was made of."""
        from sqlglot import exp

        def of(inner: Any) -> Lineage:
            return self.lineage(inner, aliases, shared) if hasattr(inner, "iter_expressions") else NOTHING

        match node:
            case None:
                return NOTHING
            case exp.Alias() | exp.Paren():
                return of(node.this)
            case exp.Column():
                return self._column(node, aliases, shared)
            case (
                exp.Literal() | exp.Boolean() | exp.Null() | exp.Star() | exp.DataType() | exp.Placeholder() | exp.Var()
            ):
                return NOTHING
            case exp.Subquery() | exp.Query():
                found = self.relation(node)
                return found.all | found.rows
            case exp.Exists():
                found = self.relation(node.this)
                return indirect(found.all | found.rows, "CONDITIONAL")
            case exp.Lambda() | exp.Columns() | exp.PositionalColumn() | exp.UDTF() | exp.Explode():
                raise NotShown(f"{node.key} in SQL is not read")
            case exp.Case():
                choices = [of(each.args["true"]) for each in node.args["ifs"]] + [of(node.args.get("default"))]
                conditions = [of(each.this) for each in node.args["ifs"]] + [of(node.this)]
                return direct(union(choices), "TRANSFORMATION") | indirect(union(conditions), "CONDITIONAL")
            case exp.If():
                choices = of(node.args.get("true")) | of(node.args.get("false"))
                return direct(choices, "TRANSFORMATION") | indirect(of(node.this), "CONDITIONAL")
            case exp.Filter():
                return of(node.this) | indirect(of(node.expression), "FILTER")
            case exp.Window():
                along = [*(node.args.get("partition_by") or [])]
                order = node.args.get("order")
                along += [each.this for each in order.expressions] if order is not None else []
                if node.alias and not along:
                    raise NotShown("named windows in SQL are not read")
                return of(node.this) | indirect(union(map(of, along)), "WINDOW")
            case exp.Order() | exp.Ordered() | exp.WithinGroup():
                return union(of(each) for each in node.iter_expressions())
            case _:
                found = union(of(each) for each in node.iter_expressions())
                kind = "AGGREGATION" if isinstance(node, exp.AggFunc) else "TRANSFORMATION"
                return direct(found, kind, masked=type(node).__name__ in _MASKING)

    def _column(self, node: Any, aliases: Mapping[str, Lineage], shared: Mapping[str, Lineage]) -> Lineage:
        name, table = node.name, node.table.lower()
        if not table and name.lower() in shared:
            return shared[name.lower()]
        for sources in self.outer:
            held = {key: each for key, each in sources.items() if not table or key == table}
            found = [
                lineage
                for each in held.values()
                if (spelled := _spelled(each, name)) in each.columns and (lineage := each.get(spelled)) is not None
            ]
            open_ones = [each for each in held.values() if not each.closed]
            if len(found) > 1 or (found and open_ones and len(held) > 1):
                raise NotShown(f"of which table the column {name} is, is not known")
            if found:
                return found[0]
            if not table and name.lower() in aliases:
                return aliases[name.lower()]
            if len(open_ones) > 1:
                raise NotShown(f"of which table the column {name} is, is not known")
            if open_ones and open_ones[0].rest is not None and (lineage := open_ones[0].rest.of(name)) is not None:
                return lineage
        if not table and name.lower() in aliases:
            return aliases[name.lower()]
        raise NotShown(f"no column {name} is known in the SQL")


def _spelled(frame: Frame, name: str) -> Any:
    """A column's name as the frame has it: SQL does not see case."""
    if name in frame.columns:
        return name
    return next((each for each in frame.columns if str(each).lower() == name.lower()), name)


def _alias_columns(node: Any) -> list[str]:
    alias = node.args.get("alias")
    return [each.name for each in alias.columns] if alias is not None else []


def _renamed(frame: Frame, names: Sequence[str]) -> Frame:
    if not names:
        return frame
    if not frame.closed or len(names) > len(frame.columns):
        raise NotShown("the columns of a query are not known")
    old = list(frame.columns.items())
    return Frame(
        {names[place] if place < len(names) else name: held for place, (name, held) in enumerate(old)}, frame.rows
    )
