"""What of a slice stands at module level, what becomes a parameter, and what is left for the steps.

Imports go to the top, definitions whose free names are all at module level follow them, and so do constants that
these need. Other named constants and the paths of source files become parameters of the pipeline. A function that
reads names of the notebook which change or are data stays a local function, written again in each step that calls it.
"""

from __future__ import annotations

import ast
import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pilotline.guest.names import is_builtin
from pilotline.lift.parts import free_in
from pilotline.lift.secrets import ENVIRON
from pilotline.lift.wanted import path_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.domain.recordings import Info
    from pilotline.lift.parts import Part, Parts
    from pilotline.lift.slicing import Kept, Slice

_MOST_PARAMETERS = 12
_PATH_CALLS = frozenset({"open", "loadtxt", "genfromtxt", "load", "connect", "Path", "fromfile", "read_text"})
_ATOMS = frozenset({"int", "float", "bool", "str"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A keyword parameter of ``pipeline``."""

    name: str
    annotation: str
    default: str
    #: The file that it names, as recorded; None for plain values.
    path: str | None = None
    #: The file is written, not read.
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """An expression in a part that is written otherwise: from (line, byte column) to the same, new text."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A kept part on its way into a step."""

    kept: Kept
    #: Parameters that it takes instead of literals.
    parameters: tuple[str, ...] = ()
    swaps: tuple[Swap, ...] = ()
    uses: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()
    renews: frozenset[str] = frozenset()
    #: Name under which the value that it shows is kept.
    shown_as: str | None = None
    #: What it shows is changed in place later: a copy has to be taken.
    snapshot: bool = False
    #: Parameters whose files it writes.
    writes: tuple[str, ...] = ()
    #: Import statements that have to stand beside it: its imports clash with others.
    heading: str = ""

    @property
    def part(self) -> Part:
        """The part itself."""
        return self.kept.part


@dataclass(slots=True)
class Layout:
    """Where everything of a slice goes."""

    #: Bound name -> import statement for it.
    imports: dict[str, str] = field(default_factory=dict[str, str])
    #: Import statements that are needed for their effect, or that stand in a ``try``.
    import_blocks: list[str] = field(default_factory=list[str])
    #: Definitions and constants at module level, and settings that hold throughout.
    module: list[Part] = field(default_factory=list["Part"])
    #: Names that the module has, other than imports.
    module_names: set[str] = field(default_factory=set[str])
    parameters: dict[str, Parameter] = field(default_factory=dict[str, Parameter])
    #: Name -> the definition that each step which uses it repeats.
    local_definitions: dict[str, Piece] = field(default_factory=dict[str, Piece])
    #: Those of them that are, or hold, a credential.
    secrets: set[str] = field(default_factory=set[str])
    body: list[Piece] = field(default_factory=list[Piece])
    #: Indexes of pieces in ``body`` that belong into one step with the piece before.
    glued: frozenset[int] = frozenset()
    #: The notebook makes the folders itself that it writes into.
    makes_folders: bool = False

    @property
    def fixed(self) -> set[str]:
        """Names that are the same everywhere in the module."""
        return set(self.imports) | self.module_names


def lay_out(parts: Parts, cut: Slice, names_shown: Mapping[int, str], extra_imports: Sequence[str] = ()) -> Layout:
    """Sort the kept parts of a slice.

    Args:
        parts: of the notebook.
        cut: the slice.
        names_shown: position of a part whose shown value is wanted -> its name.
        extra_imports: import statements to add.
    """
    layout = Layout()
    layout.import_blocks.extend(extra_imports)
    rest = _take_imports(layout, cut.kept)
    rest = _take_definitions(layout, parts, rest)
    rest = _take_constants(layout, rest)
    rest = _take_settings(layout, rest)
    pieces = [_piece(layout, parts, kept, names_shown) for kept in rest]
    pieces = [piece for piece in pieces if not _only_makes_known_folders(layout, piece)]
    body = [_with_snapshot(piece, pieces) for piece in _take_local_definitions(layout, pieces)]
    layout.body, layout.glued = _literals_beside_their_use(body)
    layout.makes_folders = any(piece.part.seen.makes_folders for piece in pieces)
    _order_module(layout)
    return layout


def _binders(kept: Sequence[Kept]) -> dict[str, list[Kept]]:
    found: dict[str, list[Kept]] = {}
    for one in kept:
        for name in one.part.makes:
            if ":" not in name and (name in one.needed or name not in one.part.renews):
                found.setdefault(name, []).append(one)
    return found


def _imported(part: Part) -> dict[str, str]:
    """Bound name -> import line, for an import statement (a star's names come from the recording)."""
    lines: dict[str, str] = {}
    match part.node:
        case ast.Import(names=aliases):
            for alias in aliases:
                name = alias.asname or alias.name.split(".")[0]
                line = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
                lines[name] = lines[name] + "\n" + line if name in lines else line
        case ast.ImportFrom(module=module, names=aliases, level=level):
            source = "." * level + (module or "")
            if aliases[0].name == "*":
                for name, target in part.seen.imports.items():
                    lines[name] = f"from {source} import {target.partition(':')[2] or name}"
                for name in part.seen.binds - set(lines):
                    lines[name] = f"from {source} import {name}"
            for alias in aliases:
                if alias.name != "*":
                    lines[alias.asname or alias.name] = f"from {source} import {alias.name}" + (
                        f" as {alias.asname}" if alias.asname else ""
                    )
        case _:
            pass
    return lines


def _take_imports(layout: Layout, kept: Sequence[Kept]) -> list[Kept]:
    binders = _binders(kept)
    used = {name for one in kept if not one.part.is_import for name in one.part.uses | free_in_part(one.part)}
    rest: list[Kept] = []
    for one in kept:
        part = one.part
        if not part.is_import:
            rest.append(one)
            continue
        if isinstance(part.node, ast.Try):
            if all(all(other.part.is_import for other in binders.get(name, [])) for name in part.makes):
                layout.import_blocks.append(part.text)
                layout.module_names |= {name for name in part.makes if ":" not in name}
            else:
                rest.append(one)
            continue
        lines = _imported(part)
        clash = False
        for name, line in lines.items():
            if name not in one.needed and "setting:import" not in one.needed:
                continue
            if name not in used and "setting:import" not in one.needed:
                continue
            others = [other for other in binders.get(name, []) if other is not one]
            if any(not other.part.is_import or _differs(_imported(other.part).get(name), line) for other in others):
                clash = True
                continue
            for each in line.split("\n"):
                known = layout.imports.get(name, "")
                if each not in known.split("\n"):
                    layout.imports[name] = f"{known}\n{each}" if known else each
        if clash:
            rest.append(one)
    return rest


def _differs(other: str | None, line: str) -> bool:
    # ``import a.b`` and ``import a.c`` bind the same name to the same module.
    if other is None:
        return True
    if other == line:
        return False
    plain = all(text.startswith("import ") and " as " not in text for text in (other, line))
    return not (plain and other.split()[1].split(".")[0] == line.split()[1].split(".", maxsplit=1)[0])


def free_in_part(part: Part) -> set[str]:
    """Names that a part may look up, now or when its functions run."""
    return set(part.names.reads)


def _take_definitions(layout: Layout, parts: Parts, kept: Sequence[Kept]) -> list[Kept]:
    binders = _binders(kept)
    constants = {one.part.position: name for one in kept if (name := _constant_name(one, binders, lists=True))}
    constant_names = set(constants.values())
    hoisted = {
        one.part.position: one
        for one in kept
        if one.part.is_definition
        and _name(one.part) not in layout.imports
        and len({other.part.position for other in binders.get(_name(one.part), [])}) <= 1
    }
    known = {name for part in parts.all for name in part.makes if ":" not in name}
    while True:
        names = {_name(one.part) for one in hoisted.values()}
        available = names | set(layout.imports) | layout.module_names | constant_names
        lost = [
            position
            for position, one in hoisted.items()
            if any(
                name not in available and (name in known or not is_builtin(name)) and name != _name(one.part)
                for name in free_in(one.part)
                if name in known
            )
            or _writes_globals(one.part)
        ]
        if not lost:
            break
        for position in lost:
            del hoisted[position]
    needed = {name for one in hoisted.values() for name in free_in(one.part)} & constant_names
    for one in kept:
        if one.part.position in hoisted:
            layout.module.append(one.part)
            layout.module_names.add(_name(one.part))
        elif constants.get(one.part.position) in needed:
            layout.module.append(one.part)
            layout.module_names.add(constants[one.part.position])
    positions = {part.position for part in layout.module}
    return [one for one in kept if one.part.position not in positions]


def _writes_globals(part: Part) -> bool:
    return any(isinstance(node, ast.Global) for node in ast.walk(part.node))


def _name(part: Part) -> str:
    node = part.node
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""


def _constant_name(one: Kept, binders: Mapping[str, Sequence[Kept]], *, lists: bool = False) -> str | None:
    """The name that a part gives to a constant which never changes; None where it does not."""
    part = one.part
    match part.node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            pass
        case _:
            return None
    if value is None or len(binders.get(name, [])) != 1 or part.seen.draws or part.seen.reads_files or one.shows:
        return None
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    info: Info | None = part.seen.state.get(name)
    if info is None or (info.type not in _ATOMS and not lists):
        return None
    if info.shares:
        return None
    return name


def _take_constants(layout: Layout, kept: Sequence[Kept]) -> list[Kept]:
    binders = _binders(kept)
    rest: list[Kept] = []
    wanted_directly = {name for one in kept for name in one.needed}
    for one in kept:
        name = _constant_name(one, binders, lists=True)
        value = one.part.node.value if isinstance(one.part.node, ast.Assign | ast.AnnAssign) else None
        if name is None or value is None or name not in wanted_directly:
            rest.append(one)
            continue
        info = one.part.seen.state[name]
        users = [other.part for other in kept if name in other.part.uses and other is not one]
        if not users:
            rest.append(one)
        elif info.type in _ATOMS and len(layout.parameters) < _MOST_PARAMETERS and name not in _nested_uses(kept, name):
            literal = ast.unparse(value)
            path = _file_named_by(ast.literal_eval(value), users)
            if path is not None and _only_passed(users, name):
                layout.parameters[name] = Parameter(name=name, annotation="Path", default=f"Path({literal})", path=path)
            else:
                layout.parameters[name] = Parameter(name=name, annotation=info.type, default=literal)
        else:
            layout.module.append(one.part)
            layout.module_names.add(name)
    return rest


def _nested_uses(kept: Sequence[Kept], name: str) -> set[str]:
    """The name, if a class of the notebook reads it: a class cannot take it as an argument."""
    return (
        {name} if any(isinstance(one.part.node, ast.ClassDef) and name in free_in(one.part) for one in kept) else set()
    )


def _file_named_by(value: object, users: Sequence[Part]) -> str | None:
    if not isinstance(value, str):
        return None
    for part in users:
        for path in part.seen.reads_files:
            if posixpath.normpath(value) == posixpath.normpath(path):
                return path
    return None


def _only_passed(users: Sequence[Part], name: str) -> bool:
    """Every use of the name is as an argument of a call that takes paths."""
    for part in users:
        fine: set[int] = set()
        for node in ast.walk(part.node):
            if isinstance(node, ast.Call) and _takes_paths(node):
                fine |= {id(argument) for argument in node.args}
                fine |= {id(word.value) for word in node.keywords}
        if any(isinstance(node, ast.Name) and node.id == name and id(node) not in fine for node in ast.walk(part.node)):
            return False
    return True


def _takes_paths(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _PATH_CALLS or name.startswith(("read_", "to_"))
        case _:
            return False


def _take_settings(layout: Layout, kept: Sequence[Kept]) -> list[Kept]:
    """Settings made before any other work hold throughout: they stand at module level."""
    rest: list[Kept] = []
    for one in kept:
        part = one.part
        made = {name for name in part.makes if not name.startswith("setting:")}
        only_settings = bool(part.makes) and not made and not part.seen.draws
        fixed = set(layout.imports) | layout.module_names
        if only_settings and not rest and {n for n in part.uses if ":" not in n and not is_builtin(n)} <= fixed:
            layout.module.append(part)
        else:
            rest.append(one)
    return rest


def _piece(layout: Layout, parts: Parts, kept: Kept, names_shown: Mapping[int, str]) -> Piece:
    part = kept.part
    swaps: list[Swap] = []
    parameters: list[str] = []
    writes: list[str] = []
    for path in part.seen.reads_files:
        if path in parts.written or not _is_before_written(parts, part, path):
            name = _written_before(layout, part, path, swaps)
            if name:
                parameters.append(name)
            continue
        name = _path_parameter(layout, part, path, swaps, written=False)
        if name:
            parameters.append(name)
    for path in part.seen.writes_files:
        if f"file:{path}" not in kept.needed:
            continue
        name = _path_parameter(layout, part, path, swaps, written=True)
        if name:
            parameters.append(name)
            writes.append(name)
    fixed = layout.fixed
    taken = {name for name in part.uses if name in layout.parameters}
    swapped = _names_swapped_away(part, swaps)
    uses = {name for name in part.uses if ":" not in name and name not in fixed and name not in layout.parameters}
    uses = {name for name in uses if name not in swapped and not (is_builtin(name) and name not in _made_in(parts))}
    return Piece(
        kept=kept,
        parameters=tuple(dict.fromkeys([*parameters, *sorted(taken)])),
        swaps=tuple(swaps),
        uses=frozenset(uses),
        makes=frozenset(name for name in part.makes if ":" not in name),
        renews=frozenset(name for name in part.renews if ":" not in name),
        shown_as=names_shown.get(part.position),
        writes=tuple(writes),
    )


def _only_makes_known_folders(layout: Layout, piece: Piece) -> bool:
    """It makes the folder of a file that is written to a parameter's path; the step that writes does so itself."""
    part = piece.part
    made = {posixpath.normpath(path) for path in part.seen.makes_folders}
    parents = {posixpath.dirname(one.path) for one in layout.parameters.values() if one.written and one.path}
    wanted = any(not name.startswith(("made:", "folder:")) for name in part.makes)
    return bool(made) and made <= parents and isinstance(part.node, ast.Expr) and not wanted and not piece.shown_as


def _literals_beside_their_use(pieces: Sequence[Piece]) -> tuple[list[Piece], frozenset[int]]:
    """A list or dict written out in the notebook and filled later moves down to where it is first used."""
    todo = list(pieces)
    moved: dict[int, list[Piece]] = {}
    kept: list[int] = []
    for at, piece in enumerate(todo):
        user = _first_use(todo, at) if _is_literal(piece) else None
        if user is None:
            kept.append(at)
            continue
        # It counts as standing where it is used: what names are is asked by position.
        part = replace(piece.part, position=todo[user].part.position)
        moved.setdefault(user, []).append(replace(piece, kept=replace(piece.kept, part=part)))
    body: list[Piece] = []
    glued: set[int] = set()
    for at in kept:
        body += moved.get(at, [])
        glued |= set(range(len(body) - len(moved.get(at, [])) + 1, len(body) + 1))
        body.append(todo[at])
    return body, frozenset(glued)


def _is_literal(piece: Piece) -> bool:
    match piece.part.node:
        case ast.Assign(targets=[ast.Name()], value=ast.List() | ast.Dict() | ast.Set() as value):
            pass
        case _:
            return False
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return False
    return not piece.uses and not piece.parameters and piece.shown_as is None and not piece.part.seen.draws


def _first_use(pieces: Sequence[Piece], at: int) -> int | None:
    (name,) = pieces[at].makes or {""}
    for later in range(at + 1, len(pieces)):
        if name in pieces[later].uses | pieces[later].makes | pieces[later].part.names.reads:
            return later
    return None


def _with_snapshot(piece: Piece, pieces: Sequence[Piece]) -> Piece:
    shown = piece.part.seen.shown
    if piece.shown_as is None or shown is None or not shown.info.mutable:
        return piece
    later = [other for other in pieces if other.part.position > piece.part.position]
    named = piece.part.names.reads
    return replace(piece, snapshot=any(named & (other.part.seen.changes | other.part.seen.unsure) for other in later))


def _made_in(parts: Parts) -> set[str]:
    return {name for part in parts.all for name in part.makes}


def _is_before_written(parts: Parts, part: Part, path: str) -> bool:
    return not any(path in other.seen.writes_files for other in parts.all[: part.position])


def _written_before(layout: Layout, part: Part, path: str, swaps: list[Swap]) -> str | None:
    """Read what an earlier line wrote from where that line was told to write it."""
    name = next((one.name for one in layout.parameters.values() if one.path == path and one.written), None)
    found = _expression_for(part, path, layout) if name and path not in part.seen.writes_files else None
    if name is None or found is None:
        return None
    node, call, _ = found
    swaps.append(_swap(node, name if _takes_paths(call) else f"str({name})"))
    return name


def _path_parameter(layout: Layout, part: Part, path: str, swaps: list[Swap], *, written: bool) -> str | None:
    """Put a parameter in the place of the expression that names a file; None where there is no such expression."""
    for parameter in layout.parameters.values():
        if parameter.path == path and parameter.name in part.uses:
            return parameter.name
    found = _expression_for(part, path, layout)
    if found is None:
        return None
    node, call, literal = found
    name = next((one.name for one in layout.parameters.values() if one.path == path and one.written == written), None)
    if name is None:
        if len(layout.parameters) >= _MOST_PARAMETERS + 8:
            return None
        name = path_name(path)
        taken = part.uses | part.makes | set(layout.imports) | layout.module_names
        while name in layout.parameters or name in taken:
            name += "_path"
        default = f"Path({literal or repr(path)})"
        layout.parameters[name] = Parameter(name=name, annotation="Path", default=default, path=path, written=written)
    text = name if _takes_paths(call) else f"str({name})"
    swaps.append(_swap(node, text))
    return name


def _expression_for(part: Part, path: str, layout: Layout) -> tuple[ast.expr, ast.Call, str | None] | None:
    base = posixpath.basename(path)
    for call in [node for node in ast.walk(part.node) if isinstance(node, ast.Call)]:
        for argument in [*call.args, *(word.value for word in call.keywords)]:
            match argument:
                case ast.Constant(value=str(text)) if posixpath.normpath(text) == posixpath.normpath(path):
                    return argument, call, repr(text)
                case ast.Constant():
                    continue
                case ast.Call() | ast.JoinedStr() | ast.BinOp():
                    if _is_path_of(argument, base, layout):
                        return argument, call, None
                case _:
                    continue
    return None


def _is_path_of(node: ast.expr, base: str, layout: Layout) -> bool:
    """An expression of constants and fixed names that ends in the file's name."""
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if not texts or not texts[-1].endswith(base):
        return False
    fixed = layout.fixed | {name for name, one in layout.parameters.items() if one.annotation == "str"}
    return all(name in fixed for name in _loaded(node)) and not any(
        isinstance(one, ast.Call) and not _is_join(one) for one in ast.walk(node)
    )


def _is_join(call: ast.Call) -> bool:
    return ast.unparse(call.func) in {"os.path.join", "Path", "pathlib.Path", "join", "osp.join", "path.join", "str"}


def _loaded(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _names_swapped_away(part: Part, swaps: Sequence[Swap]) -> set[str]:
    """Names that are used nowhere in a part but in expressions that are swapped."""
    if not swaps:
        return set()
    inside: set[str] = set()
    outside: set[str] = set()
    for node in ast.walk(part.node):
        if isinstance(node, ast.Name):
            spot = (node.lineno, node.col_offset)
            hit = any(swap.start <= spot < swap.end for swap in swaps)
            (inside if hit else outside).add(node.id)
    return inside - outside


def _swap(node: ast.expr, text: str) -> Swap:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return Swap(start=(node.lineno, node.col_offset), end=end, text=text)


def _take_local_definitions(layout: Layout, pieces: Sequence[Piece]) -> list[Piece]:
    """Definitions without effects of their own are repeated where they are needed."""
    makers: dict[str, list[Piece]] = {}
    for piece in pieces:
        for name in piece.makes:
            makers.setdefault(name, []).append(piece)
    rest: list[Piece] = []
    secrets: set[str] = set()
    for piece in pieces:
        name = _name(piece.part)
        plain = isinstance(piece.part.node, ast.FunctionDef | ast.AsyncFunctionDef) and not piece.uses
        # A credential is no value that goes from step to step: each step that needs it reads it.
        secret = _is_secret(piece) and piece.uses <= secrets and piece.shown_as is None
        if name and plain and len(makers[name]) == 1:
            layout.local_definitions[name] = piece
        elif _is_lambda(piece) and not piece.part.names.now - layout.fixed and len(makers.get(_target(piece), [])) == 1:
            layout.local_definitions[_target(piece)] = piece
        elif secret and len(makers.get(_target(piece), [])) == 1:
            layout.local_definitions[_target(piece)] = piece
            secrets.add(_target(piece))
            layout.secrets.add(_target(piece))
        else:
            rest.append(piece)
    return rest


def _is_lambda(piece: Piece) -> bool:
    match piece.part.node:
        case ast.Assign(targets=[ast.Name()], value=ast.Lambda(args=arguments)):
            return not arguments.defaults and not arguments.kw_defaults
        case _:
            return False


def _is_secret(piece: Piece) -> bool:
    """A name for a credential, or for a text, list or dict written out around some."""
    part = piece.part
    match part.node:
        case ast.Assign(targets=[ast.Name()], value=value) if ENVIRON in part.text or piece.uses:
            calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
            plain = all(ast.unparse(call.func) in {"__import__", "str"} or _is_encode(call) for call in calls)
            return plain and not part.seen.draws and not part.seen.reads_files
        case _:
            return False


def _is_encode(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in {"encode", "format", "strip"}


def _target(piece: Piece) -> str:
    match piece.part.node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return ""


def _order_module(layout: Layout) -> None:
    """Constants first, then definitions, each in the order of the notebook, bases before what is made of them."""
    layout.module.sort(key=lambda part: part.position)
