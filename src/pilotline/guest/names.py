"""Which names a piece of Python reads and binds in the namespace around it.

``names_of`` looks at one statement as if it stood at module level: names inside functions, lambdas, comprehensions
and class bodies count as read when they are free there, since that is where Python will look for them. A name that
the statement has certainly bound before it reads it (a loop's target in the loop's body) is not read from outside.
"""

import ast
import builtins
import re
import symtable

_BUILTINS = frozenset(dir(builtins))
_WORD = re.compile(r"[^\W\d]\w*")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Names:
    """What a statement does with the names of its module.

    Attributes:
        reads: names looked up outside of what it binds itself, in its own code and in functions that it defines.
        now: the part of ``reads`` that is looked up while it is executed (not inside function bodies).
        binds: names that it may bind: assignments, imports, definitions, loop targets, ``with ... as``, walrus.
        always: the part of ``binds`` that is bound whenever the statement completes (not under if/for/while/try).
        deletes: names that it deletes.
        strings: every string constant in it.
    """

    __slots__ = ("always", "binds", "deletes", "now", "reads", "strings")

    def __init__(self, reads, now, binds, always, deletes, strings):
        self.reads = reads
        self.now = now
        self.binds = binds
        self.always = always
        self.deletes = deletes
        self.strings = strings


def names_of(node):
    """The ``Names`` of one top-level statement, given as an AST node."""
    flow = _Flow()
    bound = set()
    flow.statement(node, bound)
    strings = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return Names(flow.reads, flow.now, flow.binds, bound - flow.deletes, flow.deletes, strings)


def words_of(text):
    """The identifiers that stand in a text: candidates for names used by ``query``, ``eval``, SQL or a formula."""
    return set(_WORD.findall(text))


def is_builtin(name):
    """Whether a name is one of Python's own."""
    return name in _BUILTINS


def free_names(node):
    """Names that a function, lambda or class definition looks up in the module when its body runs."""
    source = (
        ast.unparse(ast.fix_missing_locations(node))
        if not isinstance(node, ast.expr)
        else "(" + ast.unparse(node) + ")"
    )
    free = set()
    for child in symtable.symtable(source, "<names>", "exec").get_children():
        _globals_of(child, free)
    return free


def _globals_of(table, free):
    for symbol in table.get_symbols():
        if symbol.is_global() or (table.get_type() == "class" and symbol.is_referenced() and not symbol.is_free()):
            free.add(symbol.get_name())
    for child in table.get_children():
        _globals_of(child, free)


class _Flow:
    """Walks a statement in the order of execution; ``bound`` = what is certainly bound so far."""

    def __init__(self):
        self.reads = set()
        self.now = set()
        self.binds = set()
        self.deletes = set()

    def statement(self, node, bound):
        """Read one statement; adds to ``bound`` what it certainly binds."""
        way = getattr(self, "_" + type(node).__name__.lower(), None)
        if way is not None:
            way(node, bound)
        else:
            for child in ast.iter_child_nodes(node):
                self.expression(child, bound)

    def block(self, nodes, bound):
        for node in nodes:
            self.statement(node, bound)

    def expression(self, node, bound):
        """Read an expression, or any node without a rule of its own."""
        if node is None:
            return
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                if node.id not in bound:
                    self.reads.add(node.id)
                    self.now.add(node.id)
            elif isinstance(node.ctx, ast.Store):
                self.binds.add(node.id)
                bound.add(node.id)
            else:
                self.deletes.add(node.id)
        elif isinstance(node, ast.Lambda):
            self.reads |= free_names(node) - bound
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                self.expression(default, bound)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, bound)
        elif isinstance(node, ast.NamedExpr):
            self.expression(node.value, bound)
            self.expression(node.target, bound)
        elif isinstance(node, ast.stmt):
            self.statement(node, bound)
        else:
            for child in ast.iter_child_nodes(node):
                self.expression(child, bound)

    def _comprehension(self, node, bound):
        inner = set(bound)
        outer_binds = set(self.binds)
        for generator in node.generators:
            self.expression(generator.iter, inner)
            self.expression(generator.target, inner)
            for condition in generator.ifs:
                self.expression(condition, inner)
        if isinstance(node, ast.DictComp):
            self.expression(node.key, inner)
            self.expression(node.value, inner)
        else:
            self.expression(node.elt, inner)
        # A comprehension's targets are its own; only a walrus inside binds outside.
        walrus = {part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)}
        self.binds = outer_binds | walrus

    def _assign(self, node, bound):
        self.expression(node.value, bound)
        for target in node.targets:
            self.expression(target, bound)

    def _augassign(self, node, bound):
        if isinstance(node.target, ast.Name):
            if node.target.id not in bound:
                self.reads.add(node.target.id)
                self.now.add(node.target.id)
        else:
            self.expression(node.target, bound)
        self.expression(node.value, bound)
        self.expression(node.target, bound)

    def _annassign(self, node, bound):
        self.expression(node.annotation, bound)
        if node.value is not None:
            self.expression(node.value, bound)
            self.expression(node.target, bound)

    def _for(self, node, bound):
        self.expression(node.iter, bound)
        inner = set(bound)
        self.expression(node.target, inner)
        self.block(node.body, inner)
        self.block(node.orelse, set(bound))

    _asyncfor = _for

    def _while(self, node, bound):
        self.expression(node.test, bound)
        self.block(node.body, set(bound))
        self.block(node.orelse, set(bound))

    def _if(self, node, bound):
        self.expression(node.test, bound)
        ways = [set(bound), set(bound)]
        self.block(node.body, ways[0])
        self.block(node.orelse, ways[1])
        bound |= ways[0] & ways[1]

    def _with(self, node, bound):
        for item in node.items:
            self.expression(item.context_expr, bound)
            self.expression(item.optional_vars, bound)
        self.block(node.body, bound)

    _asyncwith = _with

    def _try(self, node, bound):
        self.block(node.body, set(bound))
        for handler in node.handlers:
            inner = set(bound)
            self.expression(handler.type, inner)
            if handler.name:
                self.binds.add(handler.name)
                inner.add(handler.name)
            self.block(handler.body, inner)
        self.block(node.orelse, set(bound))
        self.block(node.finalbody, bound)

    _trystar = _try

    def _match(self, node, bound):
        self.expression(node.subject, bound)
        for case in node.cases:
            inner = set(bound)
            for part in ast.walk(case.pattern):
                for field in ("name", "rest"):
                    name = getattr(part, field, None)
                    if isinstance(name, str):
                        self.binds.add(name)
                        inner.add(name)
                if isinstance(part, ast.expr):
                    self.expression(part, inner)
            self.expression(case.guard, inner)
            self.block(case.body, inner)

    def _functiondef(self, node, bound):
        for decorator in node.decorator_list:
            self.expression(decorator, bound)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            self.expression(default, bound)
        for part in ast.walk(node.args):
            if isinstance(part, ast.arg):
                self.expression(part.annotation, bound)
        self.expression(node.returns, bound)
        self.reads |= free_names(node) - bound - {node.name}
        self.binds.add(node.name)
        bound.add(node.name)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node, bound):
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            self.expression(part, bound)
        inner, binds = set(bound), set(self.binds)
        self.block(node.body, inner)
        for part in node.body:
            # Methods don't see the names of the class body.
            if isinstance(part, _SCOPES):
                self.reads |= free_names(part) - bound
        self.binds = binds | {node.name}
        self.reads -= {node.name} - bound
        bound.add(node.name)

    def _import(self, node, bound):
        for alias in node.names:
            if alias.name != "*":
                name = alias.asname or alias.name.split(".")[0]
                self.binds.add(name)
                bound.add(name)

    _importfrom = _import

    def _delete(self, node, bound):
        for target in node.targets:
            self.expression(target, bound)

    def _global(self, node, bound):
        """Says nothing at module level."""
