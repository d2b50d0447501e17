"""Random notebooks: programs over frames, series, arrays, lists, dictionaries, numbers, functions and objects.

Every statement can be executed whatever came before it, so a program always runs to its end. Values are made, given
other names, changed in place through any of them, put into containers, looked at and thrown away, as in an afternoon's
notebook, only denser.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = """\
import random
import numpy as np
import pandas as pd
np.random.seed(1)
random.seed(1)
class Counter:
    total = 0
    def __init__(self):
        self.items = [0]
    def bump(self, by):
        self.items.append(by)
        self.total += by
        return self
"""


@dataclass(frozen=True)
class Form:
    """One form of statement: what it takes, what it makes, its text."""

    text: str
    #: Kinds of the names that it takes, in order: they stand for {0}, {1}, ...
    takes: tuple[str, ...] = ()
    #: Kind of the name that it binds, which stands for {new}; empty where it binds none.
    makes: str = ""


FORMS = [
    # frames
    Form("{new} = pd.DataFrame({{'a': [{k}, 2, 3, 4], 'b': [1.5, {j}, 0.5, 2.0], 'c': list('xyxz')}})", (), "frame"),
    Form("{0}['d'] = {0}['a'] * {k}", ("frame",)),
    Form("{0}['b'] = {0}['b'] + {1}", ("frame", "number")),
    Form("{0}.loc[{0}['a'] > {k}, 'b'] = {j}.0", ("frame",)),
    Form("{0}.loc[len({0}) + 90] = {0}.iloc[0]", ("frame",)),
    Form("{new} = {0}", ("frame",), "frame"),
    Form("{new} = {0}.copy()", ("frame",), "frame"),
    Form("{new} = {0}[{0}['a'] != {k}]", ("frame",), "frame"),
    Form("{new} = {0}.query('a != @{1}')", ("frame", "number"), "frame"),
    Form("{new} = pd.concat([{0}, {1}], ignore_index=True)", ("frame", "frame"), "frame"),
    Form("{new} = {0}.merge({1}[['a']], on='a', how='left').head(6)", ("frame", "frame"), "frame"),
    Form("{new} = {0}.groupby('c', as_index=False)[['a', 'b']].sum()", ("frame",), "frame"),
    Form("{0}.sort_values('b', inplace=True, kind='stable')", ("frame",)),
    Form("{0}.drop(columns=['d'], errors='ignore', inplace=True)", ("frame",)),
    Form("{0}.insert(0, 'e{k}', {j}, allow_duplicates=True)", ("frame",)),
    Form("{0}.index = range({k}, {k} + len({0}))", ("frame",)),
    Form("for step in range({k}):\n    {0}['a'] = {0}['a'] + step", ("frame",)),
    Form("{0}.head()", ("frame",)),
    Form("{0}.describe()", ("frame",)),
    # series
    Form("{new} = {0}['a']", ("frame",), "series"),
    Form("{new} = {0}", ("series",), "series"),
    Form("{0} += {k}", ("series",)),
    Form("{0}.iloc[:1] = {k}", ("series",)),
    Form("{new} = {0}.cumsum()", ("series",), "series"),
    Form("{new} = int({0}.sum())", ("series",), "number"),
    Form("{0}.name = 'named'", ("series",)),
    # arrays
    Form("{new} = np.arange(6.0) + {k}", (), "array"),
    Form("{new} = {0}[1:4]", ("array",), "array"),
    Form("{new} = {0}.reshape(-1)", ("array",), "array"),
    Form("{new} = {0}", ("array",), "array"),
    Form("{0} *= 2", ("array",)),
    Form("{0}[:1] = {k}", ("array",)),
    Form("{0}.sort()", ("array",)),
    Form("np.add({0}, {k}, out={0})", ("array",)),
    Form("{new} = {0} + {k}", ("array",), "array"),
    Form("{new} = float({0}.sum())", ("array",), "number"),
    Form("{new} = {0}['b'].to_numpy(copy=True)", ("frame",), "array"),
    # lists
    Form("{new} = [{k}, {j}]", (), "list"),
    Form("{new} = {0}", ("list",), "list"),
    Form("{new} = list({0})", ("list",), "list"),
    Form("{0}.append({k})", ("list",)),
    Form("{0}.append({1})", ("list", "number")),
    Form("{0} += [{k}]", ("list",)),
    Form("{0} = {0} + [{k}]", ("list",)),
    Form("{0}[0] = {k}", ("list",)),
    Form("{0}.sort(key=str)", ("list",)),
    Form("{0}.extend({1}[:2])", ("list", "list")),
    Form("{new} = [one * 2 for one in {0}]", ("list",), "list"),
    Form("{new} = [{1} for {1} in {0}]", ("list", "number"), "list"),
    Form("for value in {0}:\n    {1} += value", ("list", "number")),
    Form("{new} = sum({0})", ("list",), "number"),
    Form("while len({0}) < {k}:\n    {0}.append(len({0}))", ("list",)),
    Form("random.shuffle({0})", ("list",)),
    # containers of what can change
    Form("{new} = [{0}, {1}]", ("list", "list"), "nest"),
    Form("{new} = {{'k': {0}, 'n': {1}}}", ("list", "number"), "dict"),
    Form("{new} = {0}", ("nest",), "nest"),
    Form("{new} = {0}", ("dict",), "dict"),
    Form("{new} = dict({0})", ("dict",), "dict"),
    Form("{0}[0].append({k})", ("nest",)),
    Form("{0}['k'].append({k})", ("dict",)),
    Form("{0}['x'] = {1}", ("dict", "number")),
    Form("{0}.update(n={k})", ("dict",)),
    Form("{new} = {0}['k']", ("dict",), "list"),
    Form("first, *rest = {0}\nfirst.append({k})", ("nest",)),
    # numbers
    Form("{new} = {k}", (), "number"),
    Form("{new} = {0} + {1}", ("number", "number"), "number"),
    Form("{0} += {k}", ("number",)),
    Form("{new} = {0} * 2 if {0} > {k} else -{0}", ("number",), "number"),
    Form("if {0} > {k}:\n    {1} = {j}", ("number", "number")),
    Form("try:\n    {0} = {1}[99]\nexcept IndexError:\n    {0} = {0} - 1", ("number", "list")),
    Form("({new} := {k})", (), "number"),
    Form("print({0})", ("number",)),
    # functions
    Form("def {new}(v):\n    return v + {0}", ("number",), "function"),
    Form("def {new}(v, extra={0}):\n    return v + extra", ("number",), "function"),
    Form("def {new}(v):\n    {0}.append(v)\n    return len({0})", ("list",), "function"),
    Form("def {new}(v):\n    global {0}\n    {0} += 1\n    return v", ("number",), "function"),
    Form("def {new}(v):\n    return {0}(v) * 2", ("function",), "function"),
    Form("{new} = lambda v: v + {0}", ("number",), "function"),
    Form("{new} = (lambda k: lambda v: v * k)({0})", ("number",), "function"),
    Form("{new} = {0}({1})", ("function", "number"), "number"),
    Form("{0}({k})", ("function",)),
    Form("{new} = [{0}(one) for one in (1, 2)]", ("function",), "list"),
    # objects
    Form("{new} = Counter()", (), "object"),
    Form("{new} = {0}", ("object",), "object"),
    Form("{0}.bump({1})", ("object", "number")),
    Form("{new} = {0}.bump({k})", ("object",), "object"),
    Form("{0}.items = {1}", ("object", "list")),
    Form("{new} = {0}.items", ("object",), "list"),
    Form("{new} = {0}.total", ("object",), "number"),
    Form("Counter.total = {k}", ()),
    # chance
    Form("{new} = float(np.random.rand())", (), "number"),
    Form("{new} = random.random()", (), "number"),
    Form("np.random.seed({k})", ()),
    Form("random.seed({k})", ()),
    Form("{new} = np.random.default_rng({k})", (), "generator"),
    Form("{new} = {0}", ("generator",), "generator"),
    Form("{new} = float({0}.random())", ("generator",), "number"),
    Form("{new} = {0}.sample(2, random_state={1})", ("frame", "generator"), "frame"),
    # names
    Form("del {0}", ("number",)),
    Form("{0}, {1} = {1}, {0}", ("list", "list")),
]
#: What a program can be asked for.
WANTED = ("frame", "series", "array", "list", "dict", "nest", "number", "object")


@dataclass
class Program:
    """A notebook and what is wanted of it."""

    cells: list[str]
    wanted: list[str]

    def __repr__(self) -> str:
        """As one would type it."""
        return f"Program(cells={self.cells!r}, wanted={self.wanted!r})"

    @property
    def text(self) -> str:
        """The program in one piece."""
        return "\n".join(self.cells)


@dataclass
class _Names:
    by_kind: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_{self.count}"


@st.composite
def programs(draw: Callable, longest: int = 16) -> Program:
    """Programs of up to so many statements."""
    names = _Names()
    statements: list[str] = []
    for _ in range(draw(st.integers(4, longest))):
        possible = [form for form in FORMS if _can(form, names)]
        form = draw(st.sampled_from(possible))
        taken: list[str] = []
        for kind in form.takes:
            left = [name for name in names.by_kind[kind] if name not in taken]
            taken.append(draw(st.sampled_from(left)))
        new = ""
        if form.makes:
            old = [name for name in names.by_kind.get(form.makes, []) if name not in taken]
            # A name used again, or a new one.
            new = draw(st.sampled_from([*old, ""])) or names.fresh(form.makes)
        statements.append(form.text.format(*taken, new=new, k=draw(st.integers(0, 5)), j=draw(st.integers(1, 4))))
        if new and new not in names.by_kind.setdefault(form.makes, []):
            names.by_kind[form.makes].append(new)
        if form.text == "del {0}":
            names.by_kind["number"].remove(taken[0])
    live = [name for kind in WANTED for name in names.by_kind.get(kind, [])]
    if not live:
        statements.append("number_0 = 1")
        live = ["number_0"]
    wanted = draw(st.lists(st.sampled_from(live), min_size=1, max_size=2, unique=True))
    cells = [HEAD]
    while statements:
        size = draw(st.integers(1, 3))
        cells.append("\n".join(statements[:size]))
        statements = statements[size:]
    return Program(cells=cells, wanted=wanted)


def _can(form: Form, names: _Names) -> bool:
    if form.text == "del {0}" and len(names.by_kind.get("number", [])) < 2:
        return False
    return all(len(names.by_kind.get(kind, [])) >= form.takes.count(kind) for kind in form.takes)
