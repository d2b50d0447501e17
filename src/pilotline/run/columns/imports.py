"""What an import binds: modules of the project's own, read as the pipeline's is, and libraries by their names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pilotline.run.columns.edges import NOTHING, Lineage
from pilotline.run.columns.names import is_known
from pilotline.run.columns.values import Library, Module, Scope, Thing, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from pilotline.run.columns.calls import Sources

__all__ = ["Imports"]


class Imports:
    """Reads each module of the project's own once.

    Args:
        sources: where the code of modules comes from.
        read: reads the statements of a module, which bind names in a scope.
        gap: a gap at the line that is read now.
    """

    def __init__(self, sources: Sources, read: Callable[[str, Scope], None], gap: Callable[[str], Lineage]) -> None:
        self._sources = sources
        self._read = read
        self._gap = gap
        self._modules: dict[str, Module] = {}

    def bound(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> dict[str, Value]:
        """The names that an import binds in a scope."""
        if isinstance(node, ast.Import):
            paths = {each.asname or each.name.partition(".")[0]: each for each in node.names}
            return {name: self._found(each.name if each.asname else name) for name, each in paths.items()}
        name = _whole_name(node, scope)
        module = self._module(name)
        if module is not None and node.names[0].name == "*":
            return {each: value for each, value in module.scope.names.items() if not each.startswith("_")}
        return {
            each.asname or each.name: self._library(f"{name}.{each.name}")
            if module is None
            else self.named_in(module, each.name)
            for each in node.names
        }

    def named_in(self, module: Module, name: str) -> Value:
        """What a module has by a name: its own, or a module inside of it."""
        if name in module.scope.names:
            return module.scope.names[name]
        whole = f"{module.name}.{name}"
        return self._module(whole) or Thing.of(self._gap(f"nothing is known of {whole}"))

    def _found(self, path: str) -> Value:
        return self._module(path) or self._library(path)

    def _library(self, path: str) -> Library:
        return Library(path, NOTHING if is_known(path) else self._gap(f"what {path} holds is not read"))

    def _module(self, name: str) -> Module | None:
        if name in self._modules:
            return self._modules[name]
        found = self._sources.module(name)
        if found is None:
            return None
        scope = Scope(file=found.file, package=found.package)
        made = Module(name, scope, self._gap(f"what becomes of the module {name} is not read"))
        # Before it is read: it may import what imports it.
        self._modules[name] = made
        self._read(found.text, scope)
        return made


def _whole_name(node: ast.ImportFrom, scope: Scope) -> str:
    if not node.level:
        return node.module or ""
    around = scope.module.package.split(".")
    return ".".join([*around[: len(around) - node.level + 1], *([node.module] if node.module else [])])
