"""Read a pipeline's flow from the source of its module.

A module has one function ``pipeline`` whose body is straight-line: each statement calls one step, the last returns a
dict of names. Nothing is imported or executed to read it, so a plan is made without starting the project's
interpreter:

    flow = parameters + steps + returns
    step = function + arguments (parameter -> where its value comes from) + results
    a value comes from = ("parameter", name) | ("result", step number, name) | ("literal", value)
"""

from __future__ import annotations

import ast
import difflib
import re
from typing import Any, NamedTuple

_TABLE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*\Z")
_PATHS = frozenset({"Path", "pathlib.Path", "PurePath", "pathlib.PurePath"})
_MISSING = object()
EXAMPLE = 'def pipeline(*, orders_csv: Path = Path("orders.csv")) -> dict[str, object]:'


class FlowError(Exception):
    """The module's ``pipeline`` is not the straight line of calls that it must be.

    Attributes:
        line: line in the module, from 1.
        message: what stands there.
        mend: the edit that puts it right.
    """

    code = "PL140"

    def __init__(self, line: int, message: str, mend: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message
        self.mend = mend


class Parameter(NamedTuple):
    """One keyword parameter of the pipeline."""

    name: str
    #: ``file`` (annotated ``Path``), ``table`` (a name that a step gives to ``pilotline.read``) or ``value``.
    kind: str
    #: Source text, or None.
    annotation: str | None
    #: Source text of the default, or None where the parameter must be given.
    default: str | None
    #: The default as plain data (paths as text) where ``constant``; else None.
    value: Any
    #: The default's value can be told from the source.
    constant: bool
    line: int

    def as_json(self) -> dict[str, Any]:
        """As one JSON-ready object."""
        return {**self._asdict(), "value": self.value if _is_json(self.value) else None}


class Argument(NamedTuple):
    """Where the value of one argument of a step comes from."""

    #: The step function's own name for it.
    parameter: str
    #: ``parameter`` (of the pipeline), ``result`` (of an earlier step) or ``literal``.
    kind: str
    #: Source text of the argument.
    text: str
    #: Its name in ``pipeline``; None for a literal.
    name: str | None = None
    #: Number of the step that made it; None unless ``kind`` is ``result``.
    step: int | None = None
    #: The literal.
    value: Any = None

    def as_json(self) -> dict[str, Any]:
        """As one JSON-ready object."""
        return {**self._asdict(), "value": self.value if _is_json(self.value) else None}


class Step(NamedTuple):
    """One call in the body of ``pipeline``."""

    number: int
    #: The function's name, with ``_2``, ``_3``... where it is called again.
    name: str
    #: Name of the module-level function.
    function: str
    #: In the order of the call.
    arguments: tuple[Argument, ...]
    #: Names that the call's value is bound to.
    results: tuple[str, ...]
    #: The value is a sequence that is taken apart, as in ``a, b = step()``.
    unpacks: bool
    #: Line of the call in the module.
    line: int
    #: First and last line of the function, decorators included.
    starts: int
    ends: int

    @property
    def reads_from(self) -> list[int]:
        """Numbers of the steps whose results it takes."""
        return sorted({argument.step for argument in self.arguments if argument.step is not None})

    def as_json(self) -> dict[str, Any]:
        """As one JSON-ready object."""
        arguments = [argument.as_json() for argument in self.arguments]
        return {**self._asdict(), "arguments": arguments, "results": list(self.results), "reads_from": self.reads_from}


class Flow(NamedTuple):
    """What ``pipeline`` of a module does."""

    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    #: Published name -> where the value comes from.
    returns: dict[str, Argument]
    #: Docstrings of ``pipeline`` and of the module.
    doc: str | None
    module_doc: str | None
    line: int

    def as_json(self) -> dict[str, Any]:
        """As one JSON-ready object."""
        return {
            "parameters": [parameter.as_json() for parameter in self.parameters],
            "steps": [step.as_json() for step in self.steps],
            "returns": {key: argument.as_json() for key, argument in self.returns.items()},
            "doc": self.doc,
            "module_doc": self.module_doc,
            "line": self.line,
        }


def read_flow(source: str) -> Flow:
    """The ``Flow`` of a module, given as text.

    Raises:
        FlowError: there is no ``pipeline``, or it is more than a straight line of calls.
    """
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise FlowError(error.lineno or 1, f"not Python: {error.msg}", "put the syntax right") from None
    return _Reader(module).flow()


class _Reader:
    def __init__(self, module: ast.Module) -> None:
        self.module = module
        self.functions: dict[str, Any] = {}
        self.constants: dict[str, ast.expr] = {}
        self.read_calls: set[str] = set()
        self._module_names()

    def _module_names(self) -> None:
        """What the module's own names are: functions, constants, and the ways to say ``pilotline.read``."""
        for node in self.module.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions[node.name] = node
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name == "pilotline":
                        self.read_calls.add((alias.asname or "pilotline") + ".read")
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if node.module == "pilotline" and alias.name == "read":
                        self.read_calls.add(alias.asname or "read")
            else:
                self._assigned(node)

    def _assigned(self, node: Any) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in ast.walk(target) if target is not None else ():
                if isinstance(name, ast.Name):
                    self.functions.pop(name.id, None)
                    self.constants.pop(name.id, None)
        plain = isinstance(node, (ast.Assign, ast.AnnAssign)) and len(targets) == 1 and isinstance(targets[0], ast.Name)
        if plain and node.value is not None:
            self.constants[targets[0].id] = node.value

    def flow(self) -> Flow:
        """The flow of the function ``pipeline``."""
        node = self.functions.get("pipeline")
        if node is None:
            raise FlowError(1, "there is no function `pipeline`", f"add one: `{EXAMPLE}`")
        if isinstance(node, ast.AsyncFunctionDef):
            raise FlowError(node.lineno, "`pipeline` is async", "make it a plain `def`; await inside the steps")
        if node.decorator_list:
            raise FlowError(node.decorator_list[0].lineno, "`pipeline` is decorated", "take the decorator off")
        body = list(node.body)
        doc = ast.get_docstring(node)
        if doc is not None:
            body = body[1:]
        bound = dict.fromkeys(argument.arg for argument in node.args.kwonlyargs)
        self._only_keywords(node)
        steps = []
        for number, part in enumerate(body[:-1]):
            step = self._step(number, part, bound)
            times = 1 + [earlier.function for earlier in steps].count(step.function)
            steps.append(step if times == 1 else step._replace(name=f"{step.function}_{times}"))
        returns = self._returns(body[-1] if body else node, bound)
        parameters = self._parameters(node, steps)
        return Flow(tuple(parameters), tuple(steps), returns, doc, ast.get_docstring(self.module), node.lineno)

    def _only_keywords(self, node: ast.FunctionDef) -> None:
        args = node.args
        for argument in list(getattr(args, "posonlyargs", ())) + args.args + [args.vararg, args.kwarg]:
            if argument is not None:
                raise FlowError(
                    argument.lineno,
                    f"`{argument.arg}` is not a keyword parameter",
                    f"name every parameter of `pipeline` after a star: `{EXAMPLE}`",
                )

    # -- parameters

    def _parameters(self, node: ast.FunctionDef, steps: list[Step]) -> list[Parameter]:
        read = self._read_parameters(steps)
        found = []
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults):
            annotation = ast.unparse(argument.annotation) if argument.annotation is not None else None
            value = _MISSING if default is None else self._constant(default)
            constant = value is not _MISSING
            kind = "value"
            if _names_path(argument.annotation):
                kind = "file"
            elif annotation in ("str", "'str'") and argument.arg in read and (default is None or _is_table(value)):
                kind = "table"
            found.append(
                Parameter(
                    name=argument.arg,
                    kind=kind,
                    annotation=annotation,
                    default=None if default is None else ast.unparse(default),
                    value=value if constant else None,
                    constant=constant,
                    line=argument.lineno,
                )
            )
        return found

    def _read_parameters(self, steps: list[Step]) -> set[str | None]:
        """Parameters of the pipeline that some step hands to ``pilotline.read``."""
        read = set()
        for step in steps:
            inner = set()
            for node in ast.walk(self.functions[step.function]):
                called = isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Name)
                if called and ast.unparse(node.func) in self.read_calls:
                    inner.add(node.args[0].id)
            read.update(a.name for a in step.arguments if a.kind == "parameter" and a.parameter in inner)
        return read

    def _constant(self, node: ast.expr, depth: int = 0) -> Any:
        """The value of a default: a literal, a path, or a constant of the module; ``_MISSING`` for all else."""
        if isinstance(node, ast.Name) and node.id in self.constants and depth < 5:
            return self._constant(self.constants[node.id], depth + 1)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PATHS and not node.keywords:
            parts = [self._constant(part, depth) for part in node.args]
            if all(isinstance(part, str) for part in parts):
                return "/".join(parts) or "."
            return _MISSING
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left, right = self._constant(node.left, depth), self._constant(node.right, depth)
            if isinstance(left, str) and isinstance(right, str):
                return left + "/" + right
            return _MISSING
        if isinstance(node, (ast.List, ast.Tuple)) and depth < 20:
            items = [self._constant(item, depth + 1) for item in node.elts]
            if any(item is _MISSING for item in items):
                return _MISSING
            return items if isinstance(node, ast.List) else tuple(items)
        return _literal(node)

    # -- steps

    def _step(self, number: int, node: ast.stmt, bound: dict[str, int | None]) -> Step:
        if isinstance(node, ast.Return):
            raise FlowError(node.lineno, "`return` before the last statement", "keep one `return`, at the end")
        results, unpacks, call = _targets(node)
        if not isinstance(call, ast.Call):
            what = "a call of one step" if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)) else "a plain call"
            raise FlowError(
                node.lineno,
                f"`{_first_line(node)}` is not {what}",
                "move it into a step: a function of this module that takes values and returns values",
            )
        function = self._function(call)
        arguments = self._arguments(call, function, bound)
        for name in results:
            bound[name] = number
        return Step(
            number=number,
            name=function.name,
            function=function.name,
            arguments=tuple(arguments),
            results=results,
            unpacks=unpacks,
            line=node.lineno,
            starts=min([function.lineno, *(part.lineno for part in function.decorator_list)]),
            ends=function.end_lineno or function.lineno,
        )

    def _function(self, call: ast.Call) -> ast.FunctionDef:
        text = ast.unparse(call.func)
        if not isinstance(call.func, ast.Name):
            mend = "write a function of this module that makes this call, and call that"
            raise FlowError(call.lineno, f"`{text}` is not a step of this module", mend)
        function = self.functions.get(text)
        if function is None or text == "pipeline":
            near = difflib.get_close_matches(text, [name for name in self.functions if name != "pipeline"], n=1)
            mend = f"did you mean `{near[0]}`?" if near else "define it at the top level of this module with `def`"
            raise FlowError(call.lineno, f"`{text}` is not a function of this module", mend)
        if isinstance(function, ast.AsyncFunctionDef):
            raise FlowError(call.lineno, f"step `{text}` is async", "make it a plain `def`")
        return function

    def _arguments(self, call: ast.Call, function: ast.FunctionDef, bound: dict[str, int | None]) -> list[Argument]:
        args = function.args
        positional = [a.arg for a in list(getattr(args, "posonlyargs", ())) + args.args]
        known = set(positional) | {a.arg for a in args.kwonlyargs}
        found = {}
        for position, part in enumerate(call.args):
            if isinstance(part, ast.Starred):
                raise FlowError(call.lineno, f"`{ast.unparse(part)}` unpacks its arguments", "name each argument")
            if position >= len(positional):
                raise FlowError(
                    call.lineno,
                    f"`{function.name}` takes {len(positional)} arguments by position, here are {len(call.args)}",
                    "name the parameter of each argument",
                )
            found[positional[position]] = self._argument(positional[position], part, bound)
        for keyword in call.keywords:
            if keyword.arg is None:
                raise FlowError(call.lineno, f"`**{ast.unparse(keyword.value)}` hides arguments", "name each argument")
            if keyword.arg in found or (keyword.arg not in known and args.kwarg is None):
                why = "twice" if keyword.arg in found else "but has no such parameter"
                raise FlowError(call.lineno, f"`{function.name}` is given `{keyword.arg}` {why}", "put the call right")
            found[keyword.arg] = self._argument(keyword.arg, keyword.value, bound)
        self._all_given(call, function, positional, found)
        return list(found.values())

    def _all_given(
        self, call: ast.Call, function: ast.FunctionDef, positional: list[str], found: dict[str, Argument]
    ) -> None:
        args = function.args
        optional = set(positional[len(positional) - len(args.defaults) :]) if args.defaults else set()
        optional |= {a.arg for a, default in zip(args.kwonlyargs, args.kw_defaults) if default is not None}
        needed = positional + [a.arg for a in args.kwonlyargs]
        missing = [name for name in needed if name not in found and name not in optional]
        if missing:
            names = "`, `".join(missing)
            raise FlowError(
                call.lineno, f"`{function.name}` is called without `{names}`", "give the step every value that it needs"
            )

    def _argument(self, parameter: str, node: ast.expr, bound: dict[str, int | None]) -> Argument:
        text = ast.unparse(node)
        if isinstance(node, ast.Name):
            if node.id not in bound:
                return self._module_constant(parameter, node, bound)
            step = bound[node.id]
            return Argument(parameter, "parameter" if step is None else "result", text, node.id, step)
        value = _literal(node)
        if value is _MISSING:
            raise FlowError(
                node.lineno,
                f"the argument `{text}` is neither a name nor a literal",
                "compute it in a step and give the step's result, or make it a parameter of `pipeline`",
            )
        return Argument(parameter, "literal", text, value=value)

    def _module_constant(self, parameter: str, node: ast.Name, bound: dict[str, int | None]) -> Argument:
        value = _literal(self.constants[node.id]) if node.id in self.constants else _MISSING
        if value is not _MISSING:
            return Argument(parameter, "literal", node.id, value=value)
        near = difflib.get_close_matches(node.id, list(bound), n=1)
        mend = f"did you mean `{near[0]}`?" if near else "make it a parameter, or let an earlier step return it"
        raise FlowError(node.lineno, f"`{node.id}` is not a parameter or an earlier result", mend)

    def _returns(self, node: ast.stmt, bound: dict[str, int | None]) -> dict[str, Argument]:
        mend = 'end `pipeline` with `return {"revenue": revenue, ...}`: names of results by their published names'
        if not isinstance(node, ast.Return) or not isinstance(node.value, ast.Dict):
            raise FlowError(node.lineno, "`pipeline` does not end in a returned dict", mend)
        returns = {}
        for key, value in zip(node.value.keys, node.value.values):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)) or not isinstance(value, ast.Name):
                raise FlowError(value.lineno, f"`{_item(key, value)}` is not a text with the name of a result", mend)
            if key.value in returns:
                raise FlowError(value.lineno, f"`{key.value}` is returned twice", "give each result a name of its own")
            if value.id not in bound:
                raise FlowError(value.lineno, f"`{value.id}` is not a parameter or a result", mend)
            step = bound[value.id]
            returns[key.value] = Argument(
                key.value, "parameter" if step is None else "result", value.id, value.id, step
            )
        return returns


def _targets(node: ast.stmt) -> tuple[tuple[str, ...], bool, ast.expr | None]:
    """(names bound, taken apart?, the value) of a statement; raises for targets that are not plain names."""
    if isinstance(node, ast.Expr):
        return (), False, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return (node.target.id,), False, node.value
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return (), False, None
    target = node.targets[0]
    if isinstance(target, ast.Name):
        return (target.id,), False, node.value
    if isinstance(target, (ast.Tuple, ast.List)) and all(isinstance(part, ast.Name) for part in target.elts):
        names = tuple(part.id for part in target.elts)
        if len(set(names) - {"_"}) == len([name for name in names if name != "_"]):
            return names, True, node.value
    raise FlowError(
        node.lineno,
        f"`{_first_line(node)}` binds something else than one or more different names",
        "bind the step's results to plain names: `a, b = step(x)`",
    )


def _names_path(annotation: ast.expr | None) -> bool:
    """Whether an annotation is ``Path``, ``Path | None``, or a list or tuple of paths."""
    if annotation is None:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return False
    if isinstance(annotation, ast.BinOp):
        return _names_path(annotation.left) or _names_path(annotation.right)
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value).rpartition(".")[2]
        if outer not in ("Optional", "Union", "list", "List", "tuple", "Tuple", "Sequence"):
            return False
        inner = annotation.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return any(_names_path(part) for part in parts)
    return isinstance(annotation, (ast.Name, ast.Attribute)) and ast.unparse(annotation) in _PATHS


def _is_table(value: Any) -> bool:
    return isinstance(value, str) and _TABLE.match(value) is not None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _MISSING


def _is_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def _first_line(node: ast.AST) -> str:
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 60 else text[:57] + "..."


def _item(key: ast.expr | None, value: ast.expr) -> str:
    return f"{ast.unparse(key)}: {ast.unparse(value)}" if key is not None else f"**{ast.unparse(value)}"
