"""What a step's code is: its own syntax tree and that of every module-level name it can reach.

Comments, layout and docstrings are not part of it. A name is reached from a function's free names, and from texts that
are expressions of their own: ``df.query("amount > @LIMIT")``, SQL over frames, formulas. Where code can reach anything
(``globals()``, ``eval`` of a computed text) it is taken to reach all of its module.

Besides, some things are read off the code that no key can cover or that only the code tells: calls of the clock, addresses
of stores and databases that are reached by libraries written in C, environment variables, and texts that name a file or a
table.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Reached", "Source", "address_in"]

_ANYTHING = frozenset({"globals", "vars", "locals", "exec", "eval", "__import__", "import_module"})
_EXPRESSIONS = frozenset({"query", "eval", "exec", "sql", "execute", "from_formula"})
_WORD = re.compile(r"[^\W\d]\w*")
_PATH = re.compile(r"[^\n\0*?<>|\"']{1,300}\.\w{1,12}|[^\n\0*?<>|\"']{0,200}/[^\n\0*?<>|\"']{1,200}")
#: A call of one of these reads the clock whatever it is called on ...
_CLOCK_OF_ANY = frozenset({"now", "today", "utcnow", "time_ns", "localtime", "gmtime", "ctime"})
#: ... and of these when it stands alone or on one of those modules.
_CLOCK = frozenset({"time.time", "time.strftime", "time.asctime", "datetime.now", "date.today"})
#: Readers in C open these without Python's knowing; other addresses are seen when they are reached.
_ADDRESS = re.compile(
    r"(s3a?|s3n|gs|gcs|abfss?|adl|az|hdfs|r2|hf|postgres|postgresql|mysql|mariadb|mssql|oracle|redshift|snowflake|mongodb"
    r"|clickhouse|bigquery|trino|databricks)(\+\w+)?://"
)
_C_CLIENTS = frozenset({
    "psycopg", "psycopg2", "pyodbc", "oracledb", "cx_Oracle", "MySQLdb", "pymssql", "ibm_db", "snowflake", "turbodbc",
    "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_snowflake", "adbc_driver_flightsql",
})  # fmt: skip
_CLOCK_TEXTS = frozenset({"now", "today"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def address_in(text: object) -> str:
    """The beginning of an address that is reached without Python's knowing, such as ``s3://``; empty where there is none."""
    found = _ADDRESS.match(text) if isinstance(text, str) else None
    return found[0] if found else ""


@dataclass(slots=True)
class Reached:
    """What can be reached from some names of a module."""

    #: Syntax trees without docstrings, in the order of the file.
    code: list[str] = field(default_factory=list[str])
    #: Modules imported, dotted; of ``from a import b`` both ``a`` and ``a.b``.
    modules: set[str] = field(default_factory=set[str])
    #: What no key can cover: ``clock: time.time() in line 12``, ``network: s3:// in line 3``.
    reaches: list[str] = field(default_factory=list[str])
    #: Environment variables; ``*`` where any may be read.
    environ: set[str] = field(default_factory=set[str])
    #: Texts that may name a file or a table.
    texts: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class _Part:
    """One top-level statement."""

    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]
    #: It does something besides binding names: it belongs to all steps.
    acts: bool
    #: It calls something when the module is imported, which may draw random numbers.
    calls: bool
    anything: bool


class Source:
    """The source of one module.

    Args:
        text: what stands in the file.

    Raises:
        SyntaxError: it is not Python, or not of this version.
    """

    def __init__(self, text: str) -> None:
        self._parts = [_part(node) for node in _without_docstrings(ast.parse(text)).body if not _is_main_guard(node)]

    def reached_from(self, names: Iterable[str]) -> Reached:
        """What is reached from these names, with the statements that act on their own."""
        taken = {place for place, part in enumerate(self._parts) if part.acts}
        waiting = set(names)
        for place in taken:
            waiting |= self._parts[place].uses
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            seen.add(name)
            for place, part in enumerate(self._parts):
                if name in part.binds and place not in taken:
                    taken.add(place)
                    waiting |= part.uses - seen
        if any(self._parts[place].anything for place in taken):
            return self.everything()
        return self._told(sorted(taken))

    def at_import(self) -> Reached:
        """What runs when the module is imported and calls something, with all that this reaches."""
        places = {place for place, part in enumerate(self._parts) if part.acts or part.calls}
        if not places:
            return Reached()
        names = {name for place in places for name in self._parts[place].uses | self._parts[place].binds}
        return self.reached_from(names)

    def everything(self) -> Reached:
        """All of the module."""
        return self._told(range(len(self._parts)))

    def results(self) -> dict[str, str]:
        """What each function says that it gives, as source text."""
        functions = [part.node for part in self._parts if isinstance(part.node, ast.FunctionDef)]
        return {node.name: ast.unparse(node.returns) for node in functions if node.returns is not None}

    def _told(self, places: Iterable[int]) -> Reached:
        found = Reached()
        for place in places:
            node = self._parts[place].node
            found.code.append(ast.dump(node))
            for inner in ast.walk(node):
                _look(inner, found)
            if _reads_any_variable(node):
                found.environ.add("*")
        clients = sorted(_C_CLIENTS & {name.partition(".")[0] for name in found.modules})
        found.reaches += [f"network: the module {name}" for name in clients]
        return found


def _part(node: ast.stmt) -> _Part:
    binds = frozenset(_bound(node))
    uses = frozenset(_used(node))
    plain = isinstance(
        node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.AnnAssign
    )
    if isinstance(node, ast.Assign):
        plain = all(isinstance(inner, ast.Name | ast.Tuple | ast.List | ast.Starred) for inner in _targets(node))
    star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    return _Part(
        node=node, binds=binds, uses=uses, acts=not plain or star, calls=_calls(node), anything=bool(uses & _ANYTHING)
    )


_HARMLESS = frozenset({
    "Path", "pathlib.Path", "re.compile", "dict", "list", "set", "tuple", "frozenset", "str", "int", "float", "range",
    "logging.getLogger", "TypeVar", "dataclass", "namedtuple",
})  # fmt: skip


def _calls(node: ast.stmt) -> bool:
    """Whether a top-level statement calls something when it is executed, other than what is known to draw nothing."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return False
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        run = [*node.decorator_list, *arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]
    elif isinstance(node, ast.ClassDef):
        if any(_calls(inner) for inner in node.body):
            return True
        run = [*node.decorator_list, *node.bases]
    else:
        run = [node]
    called = [inner for part in run for inner in ast.walk(part) if isinstance(inner, ast.Call)]
    return any(ast.unparse(call.func) not in _HARMLESS for call in called)


def _targets(node: ast.Assign) -> Iterator[ast.expr]:
    waiting = list(node.targets)
    while waiting:
        target = waiting.pop()
        yield target
        if isinstance(target, ast.Tuple | ast.List):
            waiting += target.elts
        elif isinstance(target, ast.Starred):
            waiting.append(target.value)


def _is_main_guard(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds in its own scope."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    for inner in ast.iter_child_nodes(node):
        yield from _bound(inner)


def _used(node: ast.AST) -> set[str]:
    """Names that code takes from outside of itself, as Python's scopes have it."""
    if isinstance(node, _SCOPES):
        return _used_by_function(node)
    if isinstance(node, _COMPREHENSIONS):
        bound = {name for one in node.generators for name in _bound(one.target)}
        inner = {name for child in ast.iter_child_nodes(node) for name in _used(child)}
        return (inner - bound) | _used(node.generators[0].iter)
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, ast.Constant):
        return _names_in_text(node.value)
    found = {name for child in ast.iter_child_nodes(node) for name in _used(child)}
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _EXPRESSIONS or called in _ANYTHING:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    found |= set(_WORD.findall(argument.value))
        if called in {"eval", "query"} and isinstance(node.func, ast.Attribute):
            found.discard("eval")
    return found


def _used_by_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    arguments = node.args
    own = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    own |= {each.arg for each in (arguments.vararg, arguments.kwarg) if each is not None}
    body = node.body if isinstance(node.body, list) else [node.body]
    for part in body:
        own |= set(_bound(part))
        for inner in ast.walk(part):
            if isinstance(inner, ast.Global):
                own -= set(inner.names)
    inside = {name for part in body for name in _used(part)} - own
    for part in body:
        inside |= {name for inner in ast.walk(part) if isinstance(inner, ast.Global) for name in inner.names}
    outside = [*arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]
    outside += [
        each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if each.annotation
    ]
    if not isinstance(node, ast.Lambda):
        outside += [*node.decorator_list, *([node.returns] if node.returns else [])]
    return inside | {name for part in outside for name in _used(part)}


def _names_in_text(value: object) -> set[str]:
    """Names that a text may speak of: one of several words may be SQL, a formula, an expression."""
    if not isinstance(value, str) or len(value) > 100_000 or not any(mark in value for mark in " @~+*<>=\n"):
        return set()
    return set(_WORD.findall(value))


def _look(node: ast.AST, found: Reached) -> None:
    match node:
        case ast.Import(names=names):
            found.modules |= {alias.name for alias in names}
        case ast.ImportFrom(module=module, names=names, level=0) if module:
            found.modules |= {module, *(f"{module}.{alias.name}" for alias in names)}
        case ast.ImportFrom(module=module, names=names):
            inside = f"{module}." if module else ""
            found.modules |= {f".{inside}{alias.name}" for alias in names} | ({f".{module}"} if module else set())
        case ast.Constant(value=str(text)):
            if len(text) <= 500 and _PATH.fullmatch(text):
                found.texts.add(text)
            if address := address_in(text):
                found.reaches.append(f"network: {address} in line {node.lineno}")
        case ast.Call():
            _look_at_call(node, found)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))) if _is_environ(value):
            found.environ.add(name)
        case ast.Compare(left=ast.Constant(value=str(name)), comparators=[value]) if _is_environ(value):
            found.environ.add(name)
        case _:
            pass


def _look_at_call(node: ast.Call, found: Reached) -> None:
    called = ast.unparse(node.func)
    last = called.rpartition(".")[2]
    texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
    if called in {"os.getenv", "getenv"} or called.endswith("environ.get"):
        found.environ |= {text for text in texts[:1] if isinstance(text, str)}
    clock = called in _CLOCK or called == "time" or (last in _CLOCK_OF_ANY and len(node.args) <= 1)
    if last in {"Timestamp", "to_datetime", "datetime64", "Period"} and texts and texts[0] in _CLOCK_TEXTS:
        clock = True
    if last in {"localtime", "gmtime", "ctime"} and node.args:
        clock = False
    if clock:
        found.reaches.append(f"clock: {called}() in line {node.lineno}")


def _reads_any_variable(statement: ast.stmt) -> bool:
    """Whether the environment is read otherwise than by a name that stands there."""
    seen = understood = 0
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(attr="environ") | ast.Name(id="environ"):
                seen += 1
            case ast.Subscript(slice=key, ctx=ctx) if _is_environ(node.value):
                understood += isinstance(key, ast.Constant) or not isinstance(ctx, ast.Load)
            case ast.Compare(left=ast.Constant(), comparators=[right]) if _is_environ(right):
                understood += 1
            case ast.Call(func=ast.Attribute(value=value, attr=method), args=args) if _is_environ(value):
                named = bool(args) and isinstance(args[0], ast.Constant)
                understood += method == "update" or (named and method in {"get", "pop", "setdefault"})
            case ast.Call(func=function, args=[key, *_]) if ast.unparse(function) in {"os.getenv", "getenv"}:
                seen += not isinstance(key, ast.Constant)
            case _:
                pass
    return seen > understood


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )
