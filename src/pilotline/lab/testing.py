"""Write the tests beside a lifted module: each step on a small sample of the project's files.

What is expected is what the steps really gave on the sample, in the proof. Where the pipeline cannot run on a sample the
tests say so and use the files themselves.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pilotline.lift.layout import Parameter
    from pilotline.lift.lifting import Lifted
    from pilotline.lift.writing import WrittenStep

_FEW_COLUMNS = 4
_MOST_COLUMNS = 14
_FEW_VALUES = 8
#: Fixtures that pytest has already, and words that a test needs for itself.
_TAKEN = frozenset(
    {"request", "cache", "capfd", "capsys", "caplog", "monkeypatch", "tmp_path", "tmp_path_factory", "recwarn", "pytest",
     "pytestconfig", "record_property", "testdir", "pytester", "doctest_namespace", "Path", "os", "DATA", "HERE", "pipeline"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What tests run on, and what the steps gave there."""

    #: ``sample``: files in a folder of their own; ``whole``: the project's own files; ``nothing``: no files are read.
    of: Literal["sample", "whole", "nothing"]
    #: For each sampled source its name in the folder of the sample.
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Files and folders that the steps name themselves, or take: they are copied to where the tests run.
    copied: Sequence[str] = ()
    #: Step -> an expression for what it gives instead of what it would read from a database.
    rows: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Why the project's own files are used.
    why: str = ""
    #: What each step gave.
    steps: Sequence[Mapping[str, Any]] = ()
    #: Environment variables with credentials that the steps read.
    secrets: Sequence[str] = ()


def names_in_sample(paths: Sequence[str]) -> dict[str, str]:
    """A file name for each source in the folder of the sample: its own, or its path's where two would be the same."""
    bases = [PurePosixPath(path).name for path in paths]
    return {
        path: base if bases.count(base) == 1 else re.sub(r"[^\w.]+", "_", path.strip("./"))
        for path, base in zip(paths, bases, strict=True)
    }


def tests_for(lifted: Lifted, module: str, notebook: str, sample: Sample) -> str:
    """The text of the pytest module.

    Args:
        lifted: the pipeline.
        module: its name.
        notebook: file name of the notebook.
        sample: what the tests run on.
    """
    return "\n".join(_Tests(lifted, module, notebook, sample).lines()) + "\n"


class _Tests:
    def __init__(self, lifted: Lifted, module: str, notebook: str, sample: Sample) -> None:
        self.lifted = lifted
        self.module = module
        self.notebook = notebook
        self.sample = sample
        self.parameters: dict[str, Parameter] = {one.name: one for one in lifted.parameters}
        #: Name of a value -> the fixture that holds it, and its place there if that holds several.
        self.held: dict[str, tuple[str, int | None, int]] = {}
        self.fixtures: set[str] = {*_TAKEN, *(step.name for step in lifted.steps)}
        #: What comes of chance, of the time or of a credential is not the same for everybody.
        self.uncertain = bool(lifted.draws or lifted.clock)
        self.private: set[str] = set()
        self.sources = _functions(lifted.source)
        #: Name of a value -> what it was like when it was last made.
        self.seen: dict[str, Mapping[str, Any]] = {}

    def lines(self) -> Iterator[str]:
        body = list(self._body())
        yield from self._docstring()
        if self.sample.secrets:
            yield "import os"
        if self.sample.copied:
            yield "import shutil"
        if any(re.search(r"\b(Path|HERE|DATA)\b", line) for line in body):
            yield "from pathlib import Path"
        yield ""
        if "pd." in "\n".join(body):
            yield "import pandas as pd"
        yield "import pytest"
        yield f"from {self.module} import {self._imported()}"
        yield ""
        text = "\n".join(body)
        if "DATA" in text:
            yield f'DATA = Path(__file__).parent / "test_{self.module}_data"'
        if "HERE" in text:
            yield "HERE = Path(__file__).parent"
        if self.sample.secrets:
            named = ", ".join(self.sample.secrets)
            missing = " or ".join(f'"{name}" not in os.environ' for name in self.sample.secrets)
            yield f'pytestmark = pytest.mark.skipif({missing}, reason="needs {named} in the environment")'
        yield ""
        yield from body

    def _imported(self) -> str:
        names = [step.name for step in self.lifted.steps if step.name not in self.sample.rows]
        return ", ".join(sorted([*names, *(["pipeline"] if self._joins else [])]))

    @property
    def _joins(self) -> bool:
        """Whether ``pipeline`` itself is tested: not where it would run over what steps left, or ask a database."""
        return not self.sample.copied and not self.sample.rows

    def _docstring(self) -> Iterator[str]:
        match self.sample.of:
            case "sample":
                yield f'"""Tests of {self.module}.py on a small sample of its files.'
                told = f"The sample, in test_{self.module}_data, keeps first and last rows, gaps and rare values. "
            case "whole":
                yield f'"""Tests of {self.module}.py on the files of the project.'
                told = f"It cannot be tested on a sample: {self.sample.why}. "
            case "nothing":
                yield f'"""Tests of {self.module}.py.'
                told = ""
        if self.sample.rows:
            told += "What comes from a database is made up here, in the likeness of it. "
        yield ""
        told += "What is expected is what the steps gave when they were lifted from "
        yield from textwrap.wrap(f"{told}{self.notebook}; change it when the pipeline changes on purpose.", 88)
        yield '"""'
        yield ""

    def _body(self) -> Iterator[str]:
        if self.sample.copied:
            yield from (
                '@pytest.fixture(scope="module", autouse=True)',
                "def in_a_copy_of_the_folder(tmp_path_factory):",
                '    """Steps name files themselves: they find them, and leave theirs, in a copy of the folder."""',
                '    folder = tmp_path_factory.mktemp("copy")',
                f"    for name in {list(self.sample.copied)!r}:",
                "        (folder / name).parent.mkdir(parents=True, exist_ok=True)",
                "        if (HERE / name).is_dir():",
                "            shutil.copytree(HERE / name, folder / name, dirs_exist_ok=True)",
                "        else:",
                "            shutil.copy(HERE / name, folder / name)",
                "    with pytest.MonkeyPatch.context() as patch:",
                "        patch.chdir(folder)",
                "        yield",
                "", "",
            )  # fmt: skip
        tests: list[str] = []
        for step, seen in zip(self.lifted.steps, self.sample.steps, strict=False):
            yield from self._fixture(step)
            if step.name not in self.sample.rows:
                tests += self._test(step, seen)
            else:
                self.seen.update(seen.get("describe") or {})
        yield from tests
        if self._joins:
            yield from self._whole()

    def _fixture(self, step: WrittenStep) -> Iterator[str]:
        if step.name in self.sample.rows:
            name = self._fixture_name(step)
            yield '@pytest.fixture(scope="module")'
            yield f"def {name}():"
            yield f"    return {self.sample.rows[step.name]}"
            yield ""
            yield ""
            self.held[step.outputs[0]] = (name, None, 1)
            return
        arguments, needed = self._arguments(step)
        takes = list(dict.fromkeys(fixture for fixture, _, _ in needed.values()))
        if not self.sample.copied and any(self._is_written(name) for name in step.inputs):
            takes.append("tmp_path_factory")
        name = self._fixture_name(step)
        yield '@pytest.fixture(scope="module")'
        yield f"def {name}({', '.join(takes)}):"
        for value, (fixture, place, count) in needed.items():
            if place is not None:
                yield f"    {_unpacked(value, place, count)} = {fixture}"
        yield f"    return {step.name}({', '.join(arguments)})"
        yield ""
        yield ""
        for place, value in enumerate(step.outputs):
            self.held[value] = (name, place if len(step.outputs) > 1 else None, len(step.outputs))

    def _fixture_name(self, step: WrittenStep) -> str:
        name = step.outputs[0] if len(step.outputs) == 1 else f"{step.name}_results"
        if name in self.fixtures or name.startswith(("test", "_")) or not name.isidentifier():
            name = f"{step.name}_result"
        while name in self.fixtures:
            name += "_"
        self.fixtures.add(name)
        return name

    def _arguments(self, step: WrittenStep) -> tuple[list[str], dict[str, tuple[str, int | None, int]]]:
        """Texts of a step's arguments, and the earlier values among them."""
        arguments: list[str] = []
        needed: dict[str, tuple[str, int | None, int]] = {}
        for name in step.inputs:
            parameter = self.parameters.get(name)
            if parameter is None:
                held = self.held[name]
                needed[name] = held
                arguments.append(held[0] if held[1] is None else name)
            elif parameter.annotation == "Path":
                arguments.append(self._path(parameter, "tmp_path_factory.mktemp('out')"))
            else:
                arguments.append(f"{name}={parameter.default}")
        # Values by name come last, as the steps take them.
        return sorted(arguments, key=lambda text: bool(re.match(r"\w+=", text))), needed

    def _is_written(self, name: str) -> bool:
        parameter = self.parameters.get(name)
        return parameter is not None and parameter.written

    def _path(self, parameter: Parameter, out: str) -> str:
        path = parameter.path or ""
        if self.sample.copied:
            return parameter.default
        if parameter.written:
            return f"{out} / {PurePosixPath(path).name!r}"
        if path in self.sample.files:
            return f"DATA / {self.sample.files[path]!r}"
        return f"HERE / {path!r}" if not path.startswith("/") else f"Path({path!r})"

    def _test(self, step: WrittenStep, seen: Mapping[str, Any]) -> Iterator[str]:
        described: Mapping[str, Mapping[str, Any]] = seen.get("describe") or {}
        results = list(seen.get("results") or step.outputs)
        asserts: list[str] = []
        used: set[str] = set()
        private = any(name in self.sources.get(step.name, "") for name in self.sample.secrets)
        if private or self.private.intersection(step.inputs):
            self.private.update(step.outputs)
        uncertain = self.uncertain or bool(self.private.intersection(step.outputs))
        before = [self.seen[name] for name in step.inputs if name in self.seen]
        for value, result in zip(step.outputs, results, strict=False):
            if result in described:
                said = list(_asserts(value, described[result], before, uncertain=uncertain))
                if said:
                    used.add(value)
                asserts += said
        self.seen.update(
            {value: described[one] for value, one in zip(step.outputs, results, strict=False) if one in described}
        )
        if not asserts:
            return
        fixture, _, _ = self.held[step.outputs[0]]
        yield f"def test_{step.name}({fixture}):"
        names = [value if value in used else "_" for value in step.outputs]
        if names != [fixture]:
            yield f"    {', '.join(names)} = {fixture}"
        yield from (f"    {line}" for line in asserts)
        yield ""
        yield ""

    def _whole(self) -> Iterator[str]:
        """That ``pipeline`` joins the steps."""
        given = [
            f"{one.name}={self._path(one, 'tmp_path')}" for one in self.lifted.parameters
            if one.annotation == "Path" and f"{one.name}: Path = " in self.lifted.source
        ]  # fmt: skip
        takes = "tmp_path" if any(" tmp_path /" in f" {text.partition('=')[2]}" for text in given) else ""
        keys = ", ".join(repr(one.name) for one in self.lifted.wanted)
        yield f"def test_pipeline_returns_all_that_is_published({takes}):"
        yield f"    returned = pipeline({', '.join(given)})"
        yield f"    assert set(returned) == {{{keys}}}"


def _functions(source: str) -> dict[str, str]:
    """The text of each function at module level."""
    lines = source.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _unpacked(value: str, place: int, count: int) -> str:
    return ", ".join(value if at == place else "_" for at in range(count))


def _asserts(
    value: str, one: Mapping[str, Any], before: Sequence[Mapping[str, Any]], *, uncertain: bool
) -> Iterator[str]:
    """What of a value is worth asserting; of one that chance or time make, only what it is like."""
    match one.get("kind"):
        case "frame":
            yield from _of_frame(value, one, before, uncertain=uncertain)
        case "series":
            column = one["columns"][0]
            yield f"assert len({value}) > 0" if uncertain else f"assert len({value}) == {one['rows']}"
            if not uncertain and _is_number(column.get("sum")):
                yield _equal(f"{value}.sum()", column["sum"])
        case "array":
            if not uncertain:
                yield f"assert {value}.shape == {tuple(one['shape'])!r}"
                if _is_number(one.get("sum")):
                    yield _equal(f"{value}.sum()", one["sum"])
        case "number":
            if one["value"] is not None and not uncertain:
                yield _equal(value, one["value"])
        case "atom":
            if not uncertain:
                yield (
                    f"assert {value} == {one['value']!r}"
                    if isinstance(one["value"], str)
                    else (f"assert {value} is {one['value']!r}")
                )
        case "container":
            if not uncertain:
                yield f"assert len({value}) == {one['length']}"
        case "object":
            if one["type"] in {"PosixPath", "WindowsPath"}:
                yield f"assert {value}.exists()"
            else:
                yield f'assert type({value}).__name__ == "{one["type"]}"'
        case _:
            return


def _of_frame(
    value: str, one: Mapping[str, Any], before: Sequence[Mapping[str, Any]], *, uncertain: bool
) -> Iterator[str]:
    """What a step did to a frame: columns that came as they are say nothing of it."""
    columns: list[Mapping[str, Any]] = one["columns"]
    names = [str(column["name"]) for column in columns]
    apart = bool(one.get("plain_names")) and len(set(names)) == len(names)
    known = {
        str(column["name"]): column for frame in before if frame.get("kind") == "frame" for column in frame["columns"]
    }
    fresh = [name for name in names if name not in known]
    if apart and known and set(known) <= set(names) and fresh and len(fresh) <= _MOST_COLUMNS:
        yield f"assert {{{', '.join(map(repr, fresh))}}} <= set({value}.columns)"
        if not uncertain:
            yield f"assert len({value}) == {one['rows']}"
    elif apart and len(names) == one["width"] and len(names) <= _MOST_COLUMNS:
        yield f"assert list({value}.columns) == {names!r}"
        if not uncertain:
            yield f"assert len({value}) == {one['rows']}"
    elif not uncertain:
        yield f"assert {value}.shape == ({one['rows']}, {one['width']})"
    if uncertain or not apart:
        return
    columns = [column for column in columns if column != known.get(str(column["name"]))]
    gaps = [column for column in columns if column["nulls"]]
    yield from (
        f"assert {value}[{column['name']!r}].isna().sum() == {column['nulls']}" for column in gaps[:_FEW_COLUMNS]
    )
    words = [column for column in columns if column.get("values") and len(column["values"]) <= _FEW_VALUES]
    for column in words[:_FEW_COLUMNS]:
        yield f"assert set({value}[{column['name']!r}].dropna()) == {{{', '.join(map(repr, column['values']))}}}"
    sums = [column for column in columns if _is_number(column.get("sum")) and not _is_key(str(column["name"]))]
    yield from (_equal(f"{value}[{column['name']!r}].sum()", column["sum"]) for column in sums[:_FEW_COLUMNS])
    times = [column for column in columns if isinstance(column.get("low"), str)]
    yield from (f"assert str({value}[{column['name']!r}].min()) == {column['low']!r}" for column in times[:1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_key(name: str) -> bool:
    return bool(re.search(r"(^|_)(id|key|code|year)$", name.lower()))


def _equal(text: str, value: float) -> str:
    if isinstance(value, int):
        return f"assert {text} == {value}"
    # Ten digits are more than the comparison looks at.
    return f"assert {text} == pytest.approx({float(f'{value:.10g}')!r})"
