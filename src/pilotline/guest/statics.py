"""What can be said of one statement from its source alone."""

import ast
import builtins
import re

from . import magics, names

_NAMESPACE_CALLS = frozenset({"locals", "globals", "vars", "dir"})
#: Calls that take code, SQL or a formula in a string and may look names up for it in C, where nobody sees it.
_SQL_CALLS = frozenset({"sql", "execute", "query", "query_df", "from_query", "sqldf", "arrow", "executemany"})
_CODE_CALLS = frozenset({"eval", "exec", "evaluate"})
_CLOCK = frozenset(
    {"now", "utcnow", "today", "perf_counter", "monotonic", "process_time", "time_ns", "perf_counter_ns", "localtime",
     "gmtime", "ctime", "thread_time", "default_timer"}
)  # fmt: skip
_CODE_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "snakeviz", "memory"})
_BRACED = re.compile(r"(?<!\{)\{([^{}]+)\}|\$([A-Za-z_]\w*)")


class Facts:
    """What one statement does, read from its source.

    Attributes:
        reads: names looked up while it is executed, as far as its source shows.
        binds, always, deletes: as in ``names.Names``.
        attributes: attribute names in it.
        strings: string constants in it.
        takes_code, takes_sql: it calls something that takes code or SQL in a string.
        whole_namespace: it asks for all names at once.
        imports: bound name -> ``module`` or ``module:attribute``; ``*module`` for a star import.
        patches: expressions whose attribute it sets: ``(object, attribute or None)`` as AST and text.
        magics: ``(line or cell, name, line, body)`` of every magic.
        only_imports, only_defines: the statement is nothing else.
    """

    def __init__(self, node, python=lambda text: text):
        found = names.names_of(node)
        self.binds, self.always, self.deletes = set(found.binds), set(found.always), set(found.deletes)
        self.reads = set(found.now if _is_definition(node) else found.reads)
        self.strings = list(found.strings)
        self.attributes = set()
        self.takes_code = self.takes_sql = self.whole_namespace = False
        self.imports = {}
        self.patches = []
        self.magics = []
        self.only_imports = isinstance(node, (ast.Import, ast.ImportFrom))
        self.only_defines = _is_definition(node)
        self._python = python
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute):
                self.attributes.add(part.attr)
                if isinstance(part.ctx, (ast.Store, ast.Del)):
                    self.patches.append((part.value, part.attr))
            elif isinstance(part, ast.Call):
                self._call(part)
            elif isinstance(part, ast.Import):
                self._import(part)
            elif isinstance(part, ast.ImportFrom):
                self._import_from(part)
        for magic in self.magics:
            self._magic(*magic)

    @classmethod
    def crude(cls, node):
        """Every name and text in a statement that can't be read more closely."""
        facts = cls(ast.Pass())
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                (facts.reads if isinstance(part.ctx, ast.Load) else facts.binds).add(part.id)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                facts.strings.append(part.value)
        facts.takes_code = True
        return facts

    @property
    def reads_clock(self):
        """Whether the names in it are those of clocks; ``time.time`` is told apart by the recorder."""
        return not _CLOCK.isdisjoint(self.attributes)

    def _call(self, call):
        name = called_name(call.func)
        if isinstance(call.func, ast.Name):
            bare = not call.args and not call.keywords
            if name in _NAMESPACE_CALLS and (bare or name == "globals"):
                self.whole_namespace = True
            if name == "setattr" and len(call.args) >= 2:
                attribute = call.args[1].value if isinstance(call.args[1], ast.Constant) else None
                self.patches.append((call.args[0], attribute))
        if name in _CODE_CALLS:
            self.takes_code = True
        if name in _SQL_CALLS:
            self.takes_sql = True
        if (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Call)
            and called_name(call.func.value.func) == "get_ipython"
        ):
            texts = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else "" for a in call.args]
            texts += [""] * (3 - len(texts))
            if name in {"run_line_magic", "magic"}:
                self.magics.append(("line", texts[0], texts[1], ""))
            elif name == "run_cell_magic":
                self.magics.append(("cell", texts[0], texts[1], texts[2]))
            elif name in {"system", "getoutput", "system_piped", "system_raw"}:
                self.magics.append(("shell", name, texts[0], ""))

    def _import(self, node):
        for alias in node.names:
            if alias.asname:
                self.imports[alias.asname] = alias.name
            else:
                self.imports[alias.name.partition(".")[0]] = alias.name.partition(".")[0]

    def _import_from(self, node):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.imports["*" + module] = module
            else:
                self.imports[alias.asname or alias.name] = f"{module}:{alias.name}"

    def _magic(self, kind, name, line, body):
        if name in {"who", "whos", "who_ls", "reset"}:
            self.whole_namespace = True
        for match in _BRACED.finditer(line):
            self.reads |= _names_in(match.group(1) or match.group(2))
        if kind == "line" and name in _CODE_MAGICS:
            self._code(magics.body_of(line), binds=name != "timeit")
        elif kind == "cell" and name in _CODE_MAGICS:
            self._code(body, binds=name != "timeit")
            if name == "timeit":
                self._code(magics.body_of(line), binds=False)
        elif kind == "line" and name == "store":
            self.reads |= names.words_of(line)
        elif kind != "shell" and name not in magics.KNOWN:
            # Somebody's own magic: it may use any name that stands in it.
            self.strings += [line, body]
            self.takes_code = True

    def _code(self, text, *, binds):
        try:
            tree = ast.parse(self._python(text))
        except (SyntaxError, ValueError):
            return
        bound = set()
        for node in tree.body:
            inner = Facts(node, self._python)
            self.reads |= inner.reads - bound
            bound |= inner.always
            self.attributes |= inner.attributes
            self.strings += inner.strings
            self.patches += inner.patches
            self.takes_code |= inner.takes_code
            self.takes_sql |= inner.takes_sql
            self.whole_namespace |= inner.whole_namespace
            if binds:
                self.binds |= inner.binds
                self.always |= inner.always
                self.imports.update(inner.imports)


def called_name(function):
    """The last part of what is called: ``query`` for ``df.query(...)``."""
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def clock_words(words):
    """Whether any of these attribute or global names reads a clock."""
    return not _CLOCK.isdisjoint(words)


def _is_definition(node):
    """A statement that only makes a function: what its body reads is read when it is called."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return not node.decorator_list
    if isinstance(node, ast.ClassDef):
        return not node.decorator_list
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Lambda)


def _names_in(expression):
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return names.words_of(expression)
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}


def is_builtin(name):
    """Whether a name is one of Python's own."""
    return hasattr(builtins, name)
