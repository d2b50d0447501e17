"""No secret travels: what looks like a credential in a notebook is read from the environment, by a name of its own.

That happens at the door, before anything is recorded: the literal becomes ``os.environ["ORDERS_DB_PASSWORD"]`` in the
cells as they are run, so that no slice, module or list of what was left behind can hold it. The notebook's file stays as
it is. Runs get the value in their environment. ``Hider`` takes it out of whatever is said of them.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pilotline.domain.errors import LiftError
from pilotline.lift.credentials import by_form, by_name, in_text, is_common, looks_random, said_in, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.notebooks import Cell, Notebook

#: How a secret is read where nothing has imported ``os``; written as ``os.environ`` in a module.
ENVIRON = "__import__('os').environ"
_GENERIC = frozenset(
    {"PASSWORD", "PASSWD", "PWD", "PW", "PASS", "PASSPHRASE", "TOKEN", "SECRET", "KEY", "AUTH", "AUTHORIZATION",
     "CREDENTIAL", "CREDENTIALS", "API_KEY", "APIKEY", "API_TOKEN", "PRIVATE_KEY", "ACCESS_TOKEN"}
)  # fmt: skip
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class SecretStays(LiftError):
    """A credential stands where it can't be replaced by a name."""

    code = "PL175"


class SecretInResult(LiftError):
    """What is wanted holds a credential."""

    code = "PL176"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A credential of a notebook and the environment variable that stands for it."""

    #: Name of the environment variable.
    name: str
    value: str
    what: str
    cell: int
    line: int

    def __repr__(self) -> str:
        """Without the value."""
        return f"Secret({self.name}: {self.what} in cell {self.cell})"


class Hider:
    """Takes credentials out of texts.

    Args:
        secrets: known by value; others are found by their form.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._known = sorted(
            {(one.value, one.name) for one in secrets if not is_common(one.value)}, key=lambda pair: -len(pair[0])
        )

    def text(self, text: str) -> str:
        """The text with ``<NAME>`` in place of each credential."""
        for value, name in self._known:
            for form in dict.fromkeys((value, value.encode("unicode_escape").decode(), repr(value)[1:-1])):
                if form in text:
                    text = _pattern(form).sub(f"<{name}>", text)
        found = sorted(in_text(text), key=lambda one: one.start, reverse=True) if _may_hold(text) else []
        for one in found:
            text = f"{text[: one.start]}<{one.name}>{text[one.end :]}"
        return text.replace(ENVIRON, "os.environ")

    def told(self, text: str) -> str:
        """A comment or a sentence, in which a credential may also be told by a word before it."""
        text = self.text(text)
        for one in sorted(said_in(text), key=lambda one: one.start, reverse=True):
            if not text[one.start : one.end].startswith("<"):
                text = f"{text[: one.start]}<{one.name}>{text[one.end :]}"
        return text

    def error(self, error: PilotlineError) -> None:
        """Take credentials out of an error that is on its way to the user."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        error.try_next = self.text(error.try_next)
        error.facts = {key: self.text(value) if isinstance(value, str) else value for key, value in error.facts.items()}

    def holds(self, text: str) -> str | None:
        """The name of a credential that is in a text: one that is known, or one that shows by its form."""
        known = (name for value, name in self._known if _pattern(value).search(text))
        return next(known, None) or next((one.name for one in by_form(text)), None)

    def value(self, value: Any) -> Any:
        """A value of plain dataclasses, lists and dicts with all its texts clean."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in cast("tuple[object, ...]", value))
        if isinstance(value, list):
            return [self.value(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in cast("dict[object, object]", value).items()}
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{one.name: self.value(getattr(value, one.name)) for one in fields(value)})
        return value


def _pattern(value: str) -> re.Pattern[str]:
    plain = re.escape(value)
    if len(value) >= 8 and looks_random(value):
        return re.compile(plain)
    # A word might be a part of another one.
    return re.compile(rf"(?<![A-Za-z0-9_]){plain}(?![A-Za-z0-9_])")


def _may_hold(text: str) -> bool:
    return len(text) < 1_000_000


@dataclass(frozen=True, slots=True)
class _Spot:
    """A part of a literal that is a credential."""

    start: int
    end: int
    what: str
    hint: str


def named_secrets(notebook: Notebook) -> tuple[Notebook, tuple[Secret, ...]]:
    """The notebook with its credentials read from the environment, and what they are.

    Raises:
        SecretStays: one stands where a text has to be written out.
    """
    trees = {cell.number: _tree(cell.python) for cell in notebook.code}
    names = _Names(notebook.path.stem)
    for cell in notebook.code:
        for node, spots in _spots(trees[cell.number]):
            value = _text(node)
            for spot in spots:
                names.add(value[spot.start : spot.end], spot, cell.number, getattr(node, "lineno", 1))
    hider = Hider(names.secrets)
    cells = tuple(
        _clean(cell, trees[cell.number], names, hider) if cell.number else _clean_text(cell, hider)
        for cell in notebook.cells
    )
    for cell in cells:
        left = hider.holds(cell.python)
        if left is not None:
            raise SecretStays(
                f"Cell {cell.number} holds a credential ({left}) where it can't be replaced by a name.",
                try_next=f'read it from the environment in the notebook: os.environ["{left}"]',
                cell=cell.number,
            )
    return replace(notebook, cells=cells), names.secrets


def _tree(source: str) -> ast.Module:
    return cast("ast.Module", compile(source, "<cell>", "exec", _FLAGS, dont_inherit=True))


def _text(node: ast.Constant) -> str:
    return node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)


class _Names:
    """Environment variables for credentials: one a value."""

    def __init__(self, stem: str) -> None:
        self._stem = re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(_?v?\d+)+$", "", stem.upper())).strip("_") or "NOTEBOOK"
        self._by_value: dict[str, Secret] = {}

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(self._by_value.values())

    def add(self, value: str, spot: _Spot, cell: int, line: int) -> None:
        if value in self._by_value:
            return
        name = re.sub(r"[^A-Z0-9]+", "_", words_of(spot.hint).upper()).strip("_") or "SECRET"
        if name in _GENERIC or name[0].isdigit():
            name = f"{self._stem}_{name}" if not self._stem[0].isdigit() else f"NOTEBOOK_{name}"
        base, count = name, 2
        while name in {one.name for one in self.secrets}:
            name, count = f"{base}_{count}", count + 1
        self._by_value[value] = Secret(name=name, value=value, what=spot.what, cell=cell, line=line)

    def name_of(self, value: str) -> str | None:
        found = self._by_value.get(value)
        return found.name if found else None


# ---- where they stand


def _spots(tree: ast.Module) -> Iterator[tuple[ast.Constant, list[_Spot]]]:
    """Literals with credentials in them."""
    named = dict(_named_literals(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str | bytes):
            continue
        value = _text(node)
        name, column = named.get(id(node), ("", False))
        spots = [_Spot(one.start, one.end, one.what, _better(name, one.name)) for one in in_text(value)]
        if not spots and name and by_name(name, value, column=column):
            spots = [_Spot(0, len(value), words_of(name).replace("_", " "), name)]
        if not spots and name in _SHELL:
            spots = [_Spot(one.start, one.end, one.what, one.name) for one in said_in(value)]
        if spots:
            yield node, spots


_SHELL = frozenset({"%shell", "%env"})


def _better(name: str, usual: str) -> str:
    """The name that the notebook gives a credential, where it is one that says so."""
    word = words_of(name)
    if word in {"auth", "authorization", "bearer"}:
        return usual
    return name if word and by_name(name, "a1B2c3D4e5F6g7H8") and name not in _SHELL else usual


def _named_literals(tree: ast.Module) -> Iterator[tuple[int, tuple[str, bool]]]:
    """For a literal the name that it is given, and whether that may be a column's."""
    columns = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _about_columns(call)
        for argument in ast.walk(call)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _pairs(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _pairs(target, value)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    match key, value:
                        case ast.Constant(value=str(name)), ast.Constant() if id(node) not in columns:
                            yield id(value), (name, True)
                        case _:
                            continue
            case ast.Call():
                if id(node) not in columns:
                    yield from _arguments(node)
            case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args) | ast.Lambda(args=args):
                yield from _defaults(args)
            case _:
                continue


def _about_columns(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in {"rename", "agg", "aggregate", "astype", "replace", "read_csv", "read_table", "read_excel",
                            "read_parquet", "groupby", "merge", "sort_values", "drop", "pivot_table", "transform"}  # fmt: skip
        case _:
            return False


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[int, tuple[str, bool]]]:
    match target, value:
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))):
            for one, other in zip(targets, values, strict=False):
                yield from _pairs(one, other)
        case ((ast.Name(id=name) | ast.Attribute(attr=name)), ast.Constant()):
            yield id(value), (name, False)
        case ast.Subscript(value=held, slice=ast.Constant(value=str(name))), ast.Constant():
            yield id(value), (name, "environ" not in ast.unparse(held))
        case _:
            return


def _arguments(call: ast.Call) -> Iterator[tuple[int, tuple[str, bool]]]:
    function = ast.unparse(call.func)
    short = function.rpartition(".")[2]
    for word in call.keywords:
        match word:
            case ast.keyword(arg=str(name), value=ast.Constant()):
                yield id(word.value), (_with_database(name, call), False)
            case ast.keyword(arg="auth" | "basic_auth", value=ast.Tuple(elts=[_, ast.Constant() as secret])):
                yield id(secret), ("password", False)
            case _:
                continue
    match call.args:
        case [ast.Constant(value=str(name)), ast.Constant() as value] if short in {
            "getenv", "setdefault", "putenv", "setenv", "get",
        }:  # fmt: skip
            yield id(value), (name, True)
        case [_, ast.Constant() as value] if short in {"login", "HTTPBasicAuth", "HTTPDigestAuth", "set_password"}:
            yield id(value), ("password", False)
        case [_, _, ast.Constant() as value, *_] if short == "connect":
            yield id(value), ("db_password", False)
        case [ast.Constant(value=str(magic)), *rest] if short in {"run_line_magic", "run_cell_magic"}:
            for one in rest:
                yield id(one), ("%env" if magic in {"env", "set_env"} else "%shell", False)
        case [ast.Constant() as line] if short in {"system", "getoutput"} and "get_ipython" in function:
            yield id(line), ("%shell", False)
        case _:
            return


def _with_database(name: str, call: ast.Call) -> str:
    """``connect(dbname="orders", password="...")`` -> ``orders_password``."""
    if words_of(name) not in {"password", "passwd", "pwd"}:
        return name
    for word in call.keywords:
        match word:
            case ast.keyword(arg="database" | "dbname" | "db", value=ast.Constant(value=str(base))) if (
                base.isidentifier()
            ):
                return f"{base}_db_password"
            case _:
                continue
    return name


def _defaults(args: ast.arguments) -> Iterator[tuple[int, tuple[str, bool]]]:
    positional = [*args.posonlyargs, *args.args]
    pairs = [
        *zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        if isinstance(default, ast.Constant):
            yield id(default), (argument.arg, False)


# ---- writing them otherwise


def _clean_text(cell: Cell, hider: Hider) -> Cell:
    return replace(cell, source=hider.told(cell.source))


def _clean(cell: Cell, tree: ast.Module, names: _Names, hider: Hider) -> Cell:
    if not names.secrets and "#" not in cell.python:
        return cell
    source = _rewritten(cell.python, tree, names)
    try:
        _tree(source)
    except SyntaxError:
        raise SecretStays(
            f"Cell {cell.number} holds a credential where it can't be replaced by a name.",
            try_next='read it from the environment in the notebook, as in os.environ["API_KEY"]',
            cell=cell.number,
        ) from None
    source = _comments_clean(source, hider)
    shown = tuple(hider.text(text) for text in cell.shown)
    return replace(cell, source=hider.told(cell.source), python=source, shown=shown)


def _rewritten(source: str, tree: ast.Module, names: _Names) -> str:
    """The source with credentials read from the environment; lines stay where they are as far as can be."""
    edits: list[tuple[ast.expr, str]] = []
    plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    named = {id(node): spots for node, spots in _spots(tree)}
    for node, inside in _outermost(tree):
        cuts = {id(one): _cuts(one, named.get(id(one), ()), names) for one in inside}
        if not any(cuts.values()):
            continue
        if isinstance(node, ast.Constant) and id(node) in plain:
            segment = ast.get_source_segment(source, node) or ""
            for secret in names.secrets:
                segment = segment.replace(secret.value, f"<{secret.name}>")
            edits.append((node, segment))
            continue
        new = _Read(cuts).visit(node)
        text = _unparsed(new)
        edits.append((node, text + "\n" * ((node.end_lineno or node.lineno) - node.lineno) if "\n" in text else text))
    rows = [row.encode() for row in source.split("\n")]
    for node, text in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        # Lines below keep their numbers: what spanned several goes on over as many, in parentheses.
        padded = f"({text}" + "\n" * (last - first) + ")" if last > first and "\n" not in text else text
        joined = rows[first][: node.col_offset] + padded.encode() + rows[last][node.end_col_offset or 0 :]
        rows[first : last + 1] = joined.split(b"\n")
    return "\n".join(row.decode() for row in rows)


def _outermost(tree: ast.Module) -> Iterator[tuple[ast.expr, list[ast.Constant]]]:
    """Literals that are written on their own, each with the constants in it: a text, or an f-string with all its parts."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.JoinedStr):
            yield node, [one for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str | bytes):
                yield node, [node]
        else:
            todo.extend(ast.iter_child_nodes(node))


def _cuts(node: ast.Constant, spots: Sequence[_Spot], names: _Names) -> list[tuple[int, int, str]]:
    """Where in a literal a credential stands: start, end, name."""
    value = _text(node)
    found = [(one.start, one.end) for one in spots]
    for secret in names.secrets:
        if not is_common(secret.value):
            found += [match.span() for match in _pattern(secret.value).finditer(value)]
    cuts: list[tuple[int, int, str]] = []
    for start, end in sorted(set(found), key=lambda span: (span[0], -span[1])):
        name = names.name_of(value[start:end])
        if name is not None and (not cuts or start >= cuts[-1][1]):
            cuts.append((start, end, name))
    return cuts


class _Read(ast.NodeTransformer):
    """Puts readings of the environment into literals."""

    def __init__(self, cuts: Mapping[int, list[tuple[int, int, str]]]) -> None:
        self._cuts = cuts

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        cuts = self._cuts.get(id(node))
        if not cuts:
            return node
        value = _text(node)
        if cuts[0][:2] == (0, len(value)):
            read = _environ(cuts[0][2])
        else:
            read = ast.JoinedStr(values=list(_parts(value, cuts)))
        if isinstance(node.value, bytes):
            return ast.Call(func=ast.Attribute(value=read, attr="encode", ctx=ast.Load()), args=[], keywords=[])
        return read

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        values: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.Constant) and self._cuts.get(id(part)):
                values += _parts(_text(part), self._cuts[id(part)])
            else:
                values.append(cast("ast.expr", self.visit(part)))
        return ast.JoinedStr(values=values)


def _parts(value: str, cuts: Sequence[tuple[int, int, str]]) -> Iterator[ast.expr]:
    at = 0
    for start, end, name in cuts:
        if start > at:
            yield ast.Constant(value=value[at:start])
        yield ast.FormattedValue(value=_environ(name), conversion=-1)
        at = end
    if at < len(value):
        yield ast.Constant(value=value[at:])


def _environ(name: str) -> ast.expr:
    return ast.parse(f"{ENVIRON}['{name}']", mode="eval").body


def _unparsed(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except ValueError:
        # Quotes and backslashes that no f-string of this Python can hold: joined by hand.
        if not isinstance(node, ast.JoinedStr):
            raise
        parts = [ast.unparse(one.value if isinstance(one, ast.FormattedValue) else one) for one in node.values]
        return "(" + " + ".join(parts) + ")"


def _comments_clean(source: str, hider: Hider) -> str:
    rows = source.split("\n")
    try:
        tokens = [one for one in tokenize.generate_tokens(io.StringIO(source).readline) if one.type == tokenize.COMMENT]
    except (tokenize.TokenError, SyntaxError):
        return source
    for token in tokens:
        row, column = token.start[0] - 1, token.start[1]
        clean = hider.told(token.string)
        if clean != token.string:
            rows[row] = rows[row][:column] + clean
    return "\n".join(rows)
