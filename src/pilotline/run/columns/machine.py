"""Read the code of steps without running it: what each variable was made of, statement by statement.

Straight-line code is followed exactly. Where it is not known whether something happens, or how often, what was before and
what comes are both kept, with the condition. What is not understood leaves a gap, and so does all that it may have changed.
"""

from __future__ import annotations

import ast
import operator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pilotline.run.columns.access import count_of, get_attribute, get_item, items_of, set_attribute, set_item, unpacked
from pilotline.run.columns.calls import Call, NotPlain, NotShown, change, combined, either, known, plain, spoil
from pilotline.run.columns.edges import NOTHING, Gap, Lineage, indirect, union
from pilotline.run.columns.imports import Imports
from pilotline.run.columns.libraries import call_library
from pilotline.run.columns.methods import call_method
from pilotline.run.columns.values import (
    Bound,
    Expression,
    Frame,
    Function,
    Grouped,
    Known,
    Library,
    Listed,
    Mapped,
    Module,
    PolarsFrame,
    PolarsGroups,
    Row,
    Scope,
    Series,
    Thing,
    Value,
    join,
    lineage_of,
    sketch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pilotline.run.columns.calls import Sources

__all__ = ["Machine", "TooLong"]

_DEEPEST: Final = 12
_MOST_ROUNDS: Final = 8
#: Expressions of a step that are read before it is given up: about a second.
_MOST_READ: Final = 200_000
#: Numbers, and lengths of texts, up to which products and powers are worked out.
_BIGGEST: Final = 10_000
_HARMLESS: Final = {"functools.lru_cache", "functools.cache", "lru_cache", "cache"}
_COMPARING: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.UAdd: operator.pos, ast.USub: operator.neg,
    ast.Not: operator.not_, ast.Invert: operator.invert, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_,
    ast.IsNot: operator.is_not, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


class TooLong(Exception):
    """Reading a step would take too long, as where loops of constants lie inside each other."""


class Machine:
    """Reads one module.

    Args:
        text: of the module.
        sources: where data come from.

    Raises:
        SyntaxError: it is not Python, or not of this version.
    """

    def __init__(self, text: str, sources: Sources) -> None:
        self.sources = sources
        self.control: Lineage = NOTHING
        self.weak = 0
        self.step = ""
        self.line = 0
        self._stack: list[ast.AST] = []
        self._scope = self._module = Scope()
        self._imports = Imports(sources, self._read_module, self.gap)
        self._returned: list[Value] = []
        #: Conditions under which the function, or the turn of a loop, may have been left already.
        self._left: Lineage | None = None
        self._read = 0
        self._block(_body(text), self._module)

    # -- what steps ask ------------------------------------------------------------------------------------------------

    def run(self, function: str, arguments: Mapping[str, Value], *, step: str) -> Value:
        """What a function of the module gives for these arguments."""
        self.step, self.control, self.weak = step, NOTHING, 0
        self._read, self._stack, self._left = 0, [], None
        found = self._module.get(function)
        if not isinstance(found, Function):
            return Thing.of(self.gap(f"{function} is no plain function of the module"))
        try:
            return self._apply(found, [], dict(arguments))
        except NotShown as error:
            return Thing.of(self.gap(error.why))
        except TooLong:
            return Thing.of(self.gap("its loops are too long to be read"))

    def constant(self, source: str) -> Value:
        """What an argument is that is written out in a call."""
        return self._value(ast.parse(source, mode="eval").body, self._module)

    # -- Host ----------------------------------------------------------------------------------------------------------

    def gap(self, why: str) -> Lineage:
        """See ``Host.gap``."""
        file = self._scope.module.file
        return frozenset({Gap(self.step, self.line, f"{why}, in {file}" if file else why)})

    def call(self, function: Value, arguments: Sequence[Value]) -> Value:
        """See ``Host.call``."""
        return self._called(function, Call(list(arguments)))

    def look_up(self, name: str) -> Value | None:
        """See ``Host.look_up``."""
        return self._scope.get(name)

    def names(self) -> dict[str, Value]:
        """See ``Host.names``."""
        found: dict[str, Value] = {}
        scope: Scope | None = self._scope
        while scope is not None:
            found = {**scope.names, **found}
            scope = scope.outer
        return found

    @contextmanager
    def perhaps(self, condition: Lineage) -> Generator[None]:
        """See ``Host.perhaps``."""
        control, weak = self.control, self.weak
        self.control, self.weak = control | condition, weak + 1
        try:
            yield
        finally:
            self.control, self.weak = control, weak

    # -- statements ----------------------------------------------------------------------------------------------------

    def _block(self, body: Sequence[ast.stmt], scope: Scope) -> str:
        """Read statements; gives how they end where nothing after them is reached: return, raise, break, continue."""
        for statement in body:
            self.line = statement.lineno
            before, self._scope = self._scope, scope
            try:
                ends = self._statement(statement, scope)
            except NotShown as error:
                self._lost(statement, scope, error.why)
                ends = ""
            finally:
                self._scope = before
            if ends:
                return ends
        return ""

    def _statement(self, node: ast.stmt, scope: Scope) -> str:
        match node:
            case ast.Expr(value=value):
                self._value(value, scope)
            case ast.Assign(targets=targets, value=value):
                found = self._value(value, scope)
                for target in targets:
                    self._assign(target, found, scope)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._assign(target, self._value(value, scope), scope)
            case ast.AugAssign():
                self._augment(node, scope)
            case ast.Return(value=value):
                found = self._value(value, scope) if value else Known(None)
                self._returned.append(self._under_control(found))
                return "return"
            case ast.If():
                return self._if(node, scope)
            case ast.For() | ast.While():
                return self._loop(node, scope)
            case ast.With(items=items, body=body):
                return self._with(items, body, scope)
            case ast.Try():
                return self._try(node, scope)
            case ast.FunctionDef(name=name, decorator_list=decorators):
                plain_one = all(ast.unparse(each).partition("(")[0] in _HARMLESS for each in decorators)
                why = f"{name} is decorated"
                scope.names[name] = Function(node, scope) if plain_one else Thing.of(self.gap(why))
            case ast.Import() | ast.ImportFrom():
                scope.names.update(self._imports.bound(node, scope))
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, scope)
            case ast.Assert(test=test):
                self._value(test, scope)
            case ast.Raise():
                return "raise"
            case ast.Break():
                return "break"
            case ast.Continue():
                return "continue"
            case ast.Pass():
                pass
            case _:
                word = type(node).__name__.lower().removesuffix("def")
                raise NotShown(f"what a {word} does is not read", touches=True)
        return ""

    def _read_module(self, text: str, scope: Scope) -> None:
        """Bind what a module of the project's own holds; whatever is read around goes on where it was."""
        around = (self.line, self.control, self.weak, self._returned, self._left)
        self.control, self.weak, self._returned, self._left = NOTHING, 0, [], None
        try:
            with suppress(SyntaxError):
                self._block(_body(text), scope)
        finally:
            self.line, self.control, self.weak, self._returned, self._left = around

    def _if(self, node: ast.If, scope: Scope) -> str:
        test = self._value(node.test, scope)
        decided = _truth(test)
        if decided is not None:
            return self._block(node.body if decided else node.orelse, scope)
        condition = indirect(lineage_of(test), "CONDITIONAL")
        with self.perhaps(condition):
            then = self._block(node.body, scope)
        with self.perhaps(condition):
            otherwise = self._block(node.orelse, scope)
        if then and otherwise:
            return otherwise if then == "raise" else then
        if (then or otherwise) not in {"", "raise"}:
            self._leave(condition)
        self._stay()
        return ""

    def _leave(self, condition: Lineage) -> None:
        """What follows is reached or not: until the function ends it stands under this condition."""
        self._left = (self._left or NOTHING) | condition | self.control

    def _stay(self) -> None:
        if self._left is not None:
            self.control |= self._left
            self.weak = max(self.weak, 1)

    def _loop(self, node: ast.For | ast.While, scope: Scope) -> str:
        over = self._value(node.iter if isinstance(node, ast.For) else node.test, scope)
        items = items_of(over) if isinstance(node, ast.For) else None
        if items is not None and isinstance(node, ast.For):
            for item in items:
                self._assign(node.target, item, scope)
                ends = self._block(node.body, scope)
                if ends in {"return", "raise"}:
                    return ends
                if ends == "break":
                    return ""
            return self._block(node.orelse, scope)
        condition = indirect(count_of(over) if isinstance(node, ast.For) else lineage_of(over), "CONDITIONAL")
        control = self.control
        with self.perhaps(condition):
            for _ in range(_MOST_ROUNDS):
                before = {name: sketch(value) for name, value in scope.names.items()}
                if isinstance(node, ast.For):
                    self._assign(node.target, unpacked(self, over), scope)
                else:
                    self.control |= indirect(lineage_of(self._value(node.test, scope)), "CONDITIONAL")
                self._block(node.body, scope)
                if before == {name: sketch(value) for name, value in scope.names.items()}:
                    break
            else:
                self.line = node.lineno
                self._lost(node, scope, "what the loop makes is not read")
            condition |= self.control - control
        if any(isinstance(each, ast.Return | ast.Break | ast.Continue) for each in ast.walk(node)):
            self._leave(condition)
        self._stay()
        return self._block(node.orelse, scope)

    def _with(self, items: Sequence[ast.withitem], body: Sequence[ast.stmt], scope: Scope) -> str:
        quiet = False
        for item in items:
            found = self._value(item.context_expr, scope)
            quiet |= "suppress" in ast.unparse(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, found, scope)
        if not quiet:
            return self._block(body, scope)
        with self.perhaps(self.gap("what follows an exception is not read")):
            self._block(body, scope)
        self._stay()
        return ""

    def _try(self, node: ast.Try, scope: Scope) -> str:
        if all(isinstance(handler.body[-1], ast.Raise) for handler in node.handlers):
            ends = self._block(node.body, scope) or self._block(node.orelse, scope)
        else:
            with self.perhaps(self.gap("what follows an exception is not read")):
                ends = self._block(node.body, scope) or self._block(node.orelse, scope)
                for handler in node.handlers:
                    if handler.name:
                        scope.names[handler.name] = Thing.of(self.gap("what an exception holds is not read"))
                    self._block(handler.body, scope)
            if ends and ends != "raise":
                self._leave(self.gap("what follows an exception is not read"))
            self._stay()
            ends = ""
        return self._block(node.finalbody, scope) or ends

    def _augment(self, node: ast.AugAssign, scope: Scope) -> None:
        load = ast.parse(ast.unparse(node.target), mode="eval").body
        old, more = self._value(load, scope), self._value(node.value, scope)
        if isinstance(old, Listed) and isinstance(node.op, ast.Add):
            call_method(self, old, "extend", Call([more]))
            return
        made = self._binary(node.op, old, more)
        if isinstance(old, Series | Frame) and isinstance(node.target, ast.Name):
            # The object itself is changed, whatever else knows it.
            change(self, old, lineage_of(made))
        self._assign(node.target, made, scope)

    def _delete(self, target: ast.expr, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                if not self.weak:
                    scope.names.pop(name, None)
            case ast.Subscript(value=value, slice=key):
                of = self._value(value, scope)
                call_method(self, of, "__delitem__", Call([self._value(key, scope)]))
            case _:
                raise NotShown(f"what is deleted is not read: {ast.unparse(target)}", touches=True)

    def _assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                value = self._under_control(value)
                old = scope.names.get(name)
                scope.names[name] = join(old, value) if self.weak and old is not None else value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                items = items_of(value)
                if items is None or len(items) != len(parts) or any(isinstance(each, ast.Starred) for each in parts):
                    one = unpacked(self, value)
                    items = [one for _ in parts]
                for part, item in zip(parts, items, strict=True):
                    self._assign(part, item, scope)
            case ast.Starred(value=inner):
                self._assign(inner, Listed([], value), scope)
            case ast.Subscript(value=of, slice=key):
                set_item(self, self._value(of, scope), self._key(key, scope), value)
            case ast.Attribute(value=of, attr=name):
                set_attribute(self, self._value(of, scope), name, value)
            case _:
                raise NotShown(f"what is assigned to is not read: {ast.unparse(target)}", touches=True)

    def _under_control(self, value: Value) -> Value:
        """A value that is chosen by the conditions that the code stands under."""
        if not self.control:
            return value
        match value:
            case Frame() | PolarsFrame():
                if not self.control <= value.rows:
                    value.rows |= self.control
            case Series():
                if not self.control <= value.rows:
                    value.rows |= self.control
            case Thing(cell=cell):
                if not self.control <= cell.lineage:
                    return Thing(type(cell)(cell.lineage | self.control), value.kind, value.named)
            case Listed() | Mapped():
                value.lineage |= self.control
            case Row(of=of):
                return value if self.control <= of.rows else Row(of.picked(self.control))
            case PolarsGroups(of=of, keys=keys, why=why):
                return value if self.control <= why else PolarsGroups(of, keys, why | self.control)
            case Expression(operation=operation, lineage=lineage):
                done = operation == "chosen" and self.control <= lineage
                return value if done else Expression("chosen", (value,), lineage=self.control)
            case Grouped(of=of):
                return Grouped(of.picked(self.control), value.keys, value.as_index, value.windows)
            case Known():
                return Thing.of(self.control)
            case _:
                return Thing.of(lineage_of(value) | self.control | self.gap("what is called depends on data"))
        return value

    def _lost(self, node: ast.AST, scope: Scope, why: str) -> None:
        """A statement is not understood: neither is what it binds, nor what it names as it may be changed."""
        gap = self.gap(why)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                if isinstance(inner.ctx, ast.Store):
                    scope.names[inner.id] = Thing.of(gap)
                elif (found := scope.get(inner.id)) is not None:
                    spoil(found, gap)
            elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
                scope.names[inner.name] = Thing.of(gap)
            elif isinstance(inner, ast.Return):
                self._returned.append(Thing.of(gap))

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        self._read += 1
        if self._read > _MOST_READ:
            raise TooLong
        match node:
            case ast.Constant(value=value):
                return Known(value)
            case ast.Name(id=name):
                found = scope.get(name)
                return found if found is not None else Library(f"builtins.{name}")
            case ast.JoinedStr(values=parts):
                return self._text(parts, scope)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                sort = list if isinstance(node, ast.List) else tuple if isinstance(node, ast.Tuple) else set
                return self._listed(elements, sort, scope)
            case ast.Dict():
                return self._mapped(node, scope)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self._value(left, scope), self._value(right, scope))
            case ast.UnaryOp(op=op, operand=operand):
                return self._operated([self._value(operand, scope)], op)
            case ast.BoolOp(op=op, values=values):
                return self._boolean(op, [self._value(each, scope) for each in values])
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [self._value(left, scope), *(self._value(each, scope) for each in others)]
                return self._operated(values, ops[0]) if len(ops) == 1 else combined(values)
            case ast.IfExp():
                return self._choice(node, scope)
            case ast.Subscript(value=of, slice=key):
                return self._or_gap(lambda: get_item(self, self._value(of, scope), self._key(key, scope)))
            case ast.Attribute(value=of, attr=name):
                found = self._value(of, scope)
                if isinstance(found, Module):
                    return self._imports.named_in(found, name)
                return self._or_gap(lambda: get_attribute(self, found, name))
            case ast.Call():
                return self._call(node, scope)
            case ast.Lambda():
                return Function(node, scope)
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                sort = set if isinstance(node, ast.SetComp) else list
                rows = self._comprehended(node.generators, [element], scope)
                return Listed([row[0] for row in rows[0]], rows[1][0] if rows[1] else None, sort, rows[2])
            case ast.DictComp(key=key, value=value):
                return self._dict_comprehended(node, key, value, scope)
            case ast.NamedExpr(target=target, value=value):
                found = self._value(value, scope)
                self._assign(target, found, scope)
                return found
            case ast.Slice(lower=lower, upper=upper, step=step):
                return combined([self._value(each, scope) for each in (lower, upper, step) if each is not None])
            case _:
                return Thing.of(self.gap(f"{ast.unparse(node)[:60]} is not read"))

    def _or_gap(self, work: Callable[[], Value]) -> Value:
        try:
            return work()
        except NotShown as error:
            return Thing.of(self.gap(error.why))

    def _key(self, node: ast.expr, scope: Scope) -> Value:
        """What stands in brackets: a slice of constants is known as one."""
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                parts = [self._value(each, scope) if each is not None else Known(None) for each in (lower, upper, step)]
                with suppress(NotPlain):
                    return Known(slice(*map(plain, parts)))
                return Thing.of(union(map(lineage_of, parts)), "slice")
            case ast.Tuple(elts=elements) if any(isinstance(each, ast.Slice) for each in elements):
                return Listed([self._key(each, scope) for each in elements], sort=tuple)
            case _:
                return self._value(node, scope)

    def _text(self, parts: Sequence[ast.expr], scope: Scope) -> Value:
        values = [self._value(part.value if isinstance(part, ast.FormattedValue) else part, scope) for part in parts]
        try:
            said = [
                format(plain(value), self._spec(part, scope)) if isinstance(part, ast.FormattedValue) else plain(value)
                for part, value in zip(parts, values, strict=True)
            ]
        except (NotPlain, ValueError, TypeError):
            return combined(values)
        return Known("".join(said))

    def _spec(self, part: ast.FormattedValue, scope: Scope) -> str:
        if part.conversion != -1:
            raise NotPlain
        return "" if part.format_spec is None else plain(self._value(part.format_spec, scope))

    def _listed(self, elements: Sequence[ast.expr], sort: type, scope: Scope) -> Value:
        found: list[Value] = []
        more: Value | None = None
        for element in elements:
            if not isinstance(element, ast.Starred):
                found.append(self._value(element, scope))
                continue
            inner = self._value(element.value, scope)
            items = items_of(inner)
            if items is None:
                one = unpacked(self, inner)
                more = one if more is None else join(more, one)
            else:
                found += items
        if more is not None:
            return Listed([], either([more, *found]), sort)
        return Listed(found, sort=sort)

    def _mapped(self, node: ast.Dict, scope: Scope) -> Value:
        made = Mapped({})
        for key, value in zip(node.keys, node.values, strict=True):
            found = self._value(value, scope)
            if key is None:
                if isinstance(found, Mapped):
                    made.items.update(found.items)
                    made.more = found.more or made.more
                    made.lineage |= found.lineage
                    continue
                return Thing.of(lineage_of(made) | lineage_of(found) | self.gap("the keys of a dict are not known"))
            self._put(made, self._value(key, scope), found)
        return made

    def _put(self, made: Mapped, key: Value, value: Value) -> None:
        try:
            made.items[plain(key)] = value
        except (NotPlain, TypeError):
            made.more = value if made.more is None else join(made.more, value)
            made.lineage |= lineage_of(key)

    def _choice(self, node: ast.IfExp, scope: Scope) -> Value:
        test = self._value(node.test, scope)
        decided = _truth(test)
        if decided is not None:
            return self._value(node.body if decided else node.orelse, scope)
        with self.perhaps(indirect(lineage_of(test), "CONDITIONAL")):
            return either([self._under_control(self._value(each, scope)) for each in (node.body, node.orelse)])

    def _binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        if isinstance(op, ast.Add) and isinstance(left, Listed) and isinstance(right, Listed):
            items = [*left.items, *right.items]
            more = [each for each in (left.more, right.more) if each is not None]
            lineage = left.lineage | right.lineage
            return Listed(items, either(more) if more else None, left.sort, lineage)
        if isinstance(op, ast.Div) and isinstance(left, Known) and isinstance(left.value, PurePosixPath):
            with suppress(NotPlain, TypeError):
                return Known(left.value / plain(right))
        return self._operated([left, right], op)

    def _operated(self, values: Sequence[Value], op: ast.AST) -> Value:
        if isinstance(op, ast.Is | ast.IsNot) and isinstance(values[1], Known) and values[1].value is None:
            whole = isinstance(values[0], Frame | Series | Listed | Mapped | Function | Library | PolarsFrame)
            if whole:
                return Known(isinstance(op, ast.IsNot))
        if any(isinstance(each, Expression) for each in values):
            # Python asks the right side of a comparison where the left one does not know how.
            turned = isinstance(op, _COMPARING) and not isinstance(values[0], Expression)
            return Expression("operator", tuple(reversed(values) if turned else values))
        try:
            held = [plain(each) for each in values]
            if isinstance(op, ast.Mult | ast.Pow) and max(map(_size, held)) > _BIGGEST:
                return combined(values)
            return known(_OPERATORS[type(op)](*held))
        except Exception:
            return combined(values)

    def _boolean(self, op: ast.boolop, values: Sequence[Value]) -> Value:
        for place, value in enumerate(values):
            decided = _truth(value)
            if decided is None:
                return Thing.of(union(map(lineage_of, values[place:])))
            if decided is isinstance(op, ast.Or):
                return value
        return values[-1]

    def _comprehended(
        self, generators: Sequence[ast.comprehension], wanted: Sequence[ast.expr], scope: Scope
    ) -> tuple[list[list[Value]], list[Value], Lineage]:
        """The elements, row by row; what any further ones are; and what decides how many there are."""
        rows: list[list[Value]] = []
        more: list[Value] = []
        why: Lineage = NOTHING
        inner = Scope(outer=scope)

        def go(place: int, sure: bool) -> None:  # noqa: FBT001
            nonlocal more, why
            if place == len(generators):
                found = [self._value(each, inner) for each in wanted]
                if sure:
                    rows.append(found)
                else:
                    more = [join(a, b) for a, b in zip(more, found, strict=True)] if more else found
                return
            one = generators[place]
            over = self._value(one.iter, inner)
            items = items_of(over)
            if items is None:
                why |= indirect(count_of(over), "CONDITIONAL")
            for item in [unpacked(self, over)] if items is None else items:
                self._assign(one.target, item, inner)
                tests = [self._value(test, inner) for test in one.ifs]
                decided = [_truth(test) for test in tests]
                if False in decided:
                    continue
                unsure = [test for test, known in zip(tests, decided, strict=True) if known is None]
                why |= indirect(union(map(lineage_of, unsure)), "CONDITIONAL")
                go(place + 1, sure and items is not None and not unsure)

        before, self._scope = self._scope, inner
        try:
            go(0, sure=True)
        finally:
            self._scope = before
        if more:
            for row in rows:
                more = [join(a, b) for a, b in zip(more, row, strict=True)]
            rows = []
        return rows, more, why

    def _dict_comprehended(self, node: ast.DictComp, key: ast.expr, value: ast.expr, scope: Scope) -> Value:
        rows, more, why = self._comprehended(node.generators, [key, value], scope)
        made = Mapped({}, lineage=why)
        for found_key, found in rows:
            self._put(made, found_key, found)
        if more:
            made.more = more[1]
            made.lineage |= lineage_of(more[0])
        return made

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        function = self._value(node.func, scope)
        call = Call([])
        for each in node.args:
            if not isinstance(each, ast.Starred):
                call.args.append(self._value(each, scope))
                continue
            inner = self._value(each.value, scope)
            items = items_of(inner)
            if items is None:
                gap = self.gap("the arguments of a call are not known")
                spoil(inner, gap)
                return Thing.of(gap)
            call.args += items
        for word in node.keywords:
            found = self._value(word.value, scope)
            if word.arg is not None:
                call.named[word.arg] = found
            elif isinstance(found, Mapped) and found.more is None and all(isinstance(key, str) for key in found.items):
                call.named.update({str(key): each for key, each in found.items.items()})
            else:
                gap = self.gap("the arguments of a call are not known")
                spoil(found, gap)
                return Thing.of(gap)
        return self._called(function, call)

    def _called(self, function: Value, call: Call) -> Value:
        line = self.line
        try:
            match function:
                case Function():
                    return self._apply(function, call.args, call.named)
                case Bound(of=of, name=name):
                    return call_method(self, of, name, call)
                case Library(path=path):
                    return call_library(self, path, call)
                case _:
                    return combined([Thing.of(lineage_of(function)), *(Thing.of(lineage_of(one)) for one in call.all)])
        except NotShown as error:
            self.line = line
            gap = self.gap(error.why)
            if error.touches:
                for each in (*call.all, function):
                    spoil(each, gap)
            return Thing.of(gap)

    def _apply(self, function: Function, args: Sequence[Value], named: Mapping[str, Value]) -> Value:
        node = function.node
        if len(self._stack) >= _DEEPEST or self._stack.count(node) > 1:
            raise NotShown("a function that calls itself is not read", touches=True)
        if any(
            isinstance(each, ast.Yield | ast.YieldFrom | ast.Await | ast.Nonlocal | ast.Global)
            for each in ast.walk(node)
        ):
            raise NotShown("what a generator, or a function that binds outer names, gives is not read", touches=True)
        scope = Scope(outer=function.scope)
        self._bind(node.args, args, named, scope, function.scope)
        line, control, weak, returned, before = self.line, self.control, self.weak, self._returned, self._scope
        left, self._left = self._left, None
        self._stack.append(node)
        self._returned = []
        self._scope = scope
        try:
            if isinstance(node, ast.Lambda):
                return self._value(node.body, scope)
            ends = self._block(node.body, scope)
            if not ends and not self._returned:
                return Known(None)
            if not ends:
                self._returned.append(self._under_control(Known(None)))
            return either(self._returned) if self._returned else Known(None)
        finally:
            self._stack.pop()
            self.line, self.control, self.weak = line, control, weak
            self._returned, self._scope, self._left = returned, before, left

    def _bind(
        self, spec: ast.arguments, args: Sequence[Value], named: Mapping[str, Value], scope: Scope, around: Scope
    ) -> None:
        places = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        scope.names.update(zip(places, args, strict=False))
        if spec.vararg is not None:
            scope.names[spec.vararg.arg] = Listed(list(args[len(places) :]), sort=tuple)
        keywords = {*places, *(each.arg for each in spec.kwonlyargs)}
        scope.names.update({name: value for name, value in named.items() if name in keywords})
        if spec.kwarg is not None:
            scope.names[spec.kwarg.arg] = Mapped({name: value for name, value in named.items() if name not in keywords})
        defaults = dict(zip(places[len(places) - len(spec.defaults) :], spec.defaults, strict=True))
        defaults |= {
            each.arg: default
            for each, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
            if default is not None
        }
        for name, default in defaults.items():
            if name not in scope.names:
                scope.names[name] = self._value(default, around)


def _size(held: Any) -> float:
    return abs(held) if isinstance(held, int | float) else len(held)


def _truth(value: Value) -> bool | None:
    """Whether a condition holds, where that is known."""
    try:
        return bool(plain(value))
    except (NotPlain, TypeError, ValueError):
        return None


def _body(text: str) -> list[ast.stmt]:
    """The statements of a module that run when it is imported."""
    return [node for node in ast.parse(text).body if not _is_main_guard(node)]


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
