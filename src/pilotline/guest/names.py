"""Which names a piece of Python reads and binds in the namespace around it.

``names_of`` looks at one statement (or expression) as if it stood at module level: names inside functions, lambdas,
comprehensions and class bodies count as read when they are free there, since that is where Python will look for them.
"""

import ast
import builtins
import re
import symtable

_BUILTINS = frozenset(dir(builtins))
_WORD = re.compile(r"[^\W\d]\w*")


class Names:
    """What a statement does with the names of its module.

    Attributes:
        reads: names looked up, in its own code and in the bodies of functions that it defines.
        now: the part of ``reads`` that its own code looks up while it is executed (not inside function bodies).
        binds: names that it may bind: assignments, imports, definitions, loop targets, ``with ... as``, walrus.
        always: the part of ``binds`` that is bound whenever the statement completes (not under if/for/while/try).
        deletes: names that it deletes.
        strings: every string constant in it.
    """

    def __init__(self, reads, now, binds, always, deletes, strings):
        self.reads = reads
        self.now = now
        self.binds = binds
        self.always = always
        self.deletes = deletes
        self.strings = strings


def names_of(node):
    """The ``Names`` of one top-level statement, given as an AST node.

    Raises:
        SyntaxError: the node is no valid module-level code.
    """
    source = ast.unparse(node) if not isinstance(node, ast.expr) else "(" + ast.unparse(node) + ")"
    source = _without_await(source)
    reads, now, binds, deletes = set(), set(), set(), set()
    _walk_table(symtable.symtable(source, "<names>", "exec"), reads, now, binds, top=True)
    always = set()
    _always(node, always)
    for part in _own_parts(node):
        if isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Del):
                deletes.add(part.id)
            elif isinstance(part.ctx, ast.Load):
                now.add(part.id)
    for part in ast.walk(node):
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            reads.add(part.target.id)
            now.add(part.target.id)
    strings = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return Names(reads, now & reads, binds, always & binds, deletes, strings)


def words_of(text):
    """The identifiers that stand in a text: candidates for names used by ``query``, ``eval``, SQL or a formula."""
    return set(_WORD.findall(text))


def is_builtin(name):
    """Whether a name is one of Python's own."""
    return name in _BUILTINS


def _without_await(source):
    # symtable refuses a top-level await before 3.13; the names are the same without it.
    return re.sub(r"\bawait\b", "      ", re.sub(r"\basync (for|with)\b", r"\1", source)) if "await" in source or "async " in source else source


def _walk_table(table, reads, now, binds, top):
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if top:
            if symbol.is_referenced():
                reads.add(name)
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                binds.add(name)
        elif symbol.is_global() or (symbol.is_free() and False):
            if symbol.is_referenced() or not symbol.is_assigned():
                reads.add(name)
            if symbol.is_declared_global() and symbol.is_assigned():
                # A function that assigns a global: the recording tells whether it did; it both needs and makes it.
                reads.add(name)
        elif table.get_type() == "class" and symbol.is_referenced() and not symbol.is_assigned():
            reads.add(name)
    for child in table.get_children():
        _walk_table(child, reads, now, binds, top=False)


def _own_parts(node):
    """All nodes that are evaluated when the statement is executed: function and lambda bodies left out."""
    todo = [node]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo.extend(part.decorator_list)
            todo.extend(part.args.defaults)
            todo.extend(d for d in part.args.kw_defaults if d is not None)
            todo.extend(a.annotation for a in _arguments(part.args) if a.annotation is not None)
            if part.returns is not None:
                todo.append(part.returns)
        elif isinstance(part, ast.Lambda):
            todo.extend(part.args.defaults)
            todo.extend(d for d in part.args.kw_defaults if d is not None)
        else:
            todo.extend(ast.iter_child_nodes(part))


def _arguments(arguments):
    every = list(getattr(arguments, "posonlyargs", [])) + list(arguments.args) + list(arguments.kwonlyargs)
    return every + [a for a in (arguments.vararg, arguments.kwarg) if a is not None]


def _always(node, into):
    """Names that are certainly bound once the statement is through."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        into.add(node.name)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            into.add(alias.asname or alias.name.split(".")[0])
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            _targets(target, into)
    elif isinstance(node, ast.AugAssign):
        _targets(node.target, into)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        _targets(node.target, into)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None:
                _targets(item.optional_vars, into)
        for child in node.body:
            _always(child, into)
    elif isinstance(node, ast.If) and node.orelse:
        ways = []
        for branch in (node.body, node.orelse):
            bound = set()
            for child in branch:
                _always(child, bound)
            ways.append(bound)
        into |= ways[0] & ways[1]


def _targets(target, into):
    if isinstance(target, ast.Name):
        into.add(target.id)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            _targets(element, into)
    elif isinstance(target, ast.Starred):
        _targets(target.value, into)
