"""Two states of a project: what of its pipelines is another one, and what a run would compute again for it.

A state is a commit of git, taken out into a scratch folder, or the folder as it is. Nothing is run and no table is looked at:
code, locks and contracts alone are read, so that a release can be compared with a release anywhere.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, assert_never

from pilotline.domain.checks import toml_of
from pilotline.domain.errors import PilotlineError
from pilotline.domain.pipelines import Constant, FromParameter, FromResult
from pilotline.domain.tables import describe_mode
from pilotline.factory.environments import BadLock, Lock, lock_path
from pilotline.lab.ci import NoBase
from pilotline.lift.temporary import temporary_folder
from pilotline.run.digests import ABSENT, Digests
from pilotline.run.environment import choose_python, environment_of
from pilotline.run.projects import Project, every_module
from pilotline.run.reading import read_pipeline

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from pilotline.domain.pipelines import Argument, Contract, Pipeline, Step
    from pilotline.run.environment import Environment
    from pilotline.run.reading import Reading

__all__ = ["Changed", "Comparison", "PipelineChange", "compare", "locked"]

Kind: TypeAlias = Literal["code", "environment", "parameter", "file", "schedule", "check", "table", "contract"]

_LOCKS: Final = ("uv.lock", "pylock.toml", "requirements.txt")
_PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One thing that is another one; None where there is none."""

    kind: Kind
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineChange:
    """What is different about one pipeline."""

    name: str
    module: str
    change: Literal["new", "gone", "changed", "broken"]
    changes: tuple[Changed, ...] = ()
    #: Steps that the next run computes again, each with why.
    recomputed: tuple[tuple[str, str], ...] = ()
    #: Of how many.
    steps: int = 0
    #: What is wrong with it, where it cannot be read.
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two states of a project."""

    before: str
    after: str
    #: Packages of the locks, at the top of the project.
    packages: tuple[Changed, ...]
    pipelines: tuple[PipelineChange, ...]

    @property
    def same(self) -> bool:
        """Whether a run of either does the same."""
        return not self.packages and not self.pipelines


def compare(
    folder: Path, before: str, after: str = "", *, module: Path | None = None, python: str | None = None
) -> Comparison:
    """Compare two states of a project.

    Args:
        folder: of the project, in a repository of git.
        before: a commit, branch or tag of git.
        after: another; empty: the folder as it is.
        module: this pipeline alone.
        python: the interpreter that tells which package a module comes from, if not the project's own.

    Raises:
        NoBase: git does not know one of them, or the project is not in it.
        NoEnvironment: the interpreter cannot be started.
    """
    own = Project(folder=folder).own / "cache"
    environment = environment_of(choose_python(folder, python), own)
    with _taken_out(folder, before) as old, _taken_out(folder, after) as new:
        names = {str(path.relative_to(side)) for side in (old, new) for path in every_module(side)}
        if module is not None:
            names &= {str(module.relative_to(folder))}
        found = [_Pair(old, new, name, environment).change() for name in sorted(names)]
        packages = tuple(_differences("environment", locked(old), locked(new)))
    return Comparison(
        before=_short(folder, before), after=_short(folder, after) if after else "the folder as it is",
        packages=packages, pipelines=tuple(one for one in found if one is not None),
    )  # fmt: skip


def locked(folder: Path) -> Mapping[str, str]:
    """The package versions that a project's lock names: ``uv.lock``, ``pylock.toml`` or exact ``requirements.txt``."""
    for name in _LOCKS:
        path = folder / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if path.suffix == ".txt":
            return {_normal(package): version for package, version in _PINNED.findall(text)}
        with suppress(tomllib.TOMLDecodeError):
            raw: dict[str, Any] = tomllib.loads(text)
            listed: list[dict[str, Any]] = raw.get("package") or raw.get("packages") or []
            return {_normal(str(one["name"])): str(one["version"]) for one in listed if "version" in one}
    return {}


# -- states ------------------------------------------------------------------------------------------------------------


@contextmanager
def _taken_out(folder: Path, ref: str) -> Generator[Path]:
    """The project's folder as a commit of git has it; itself where none is named."""
    if not ref:
        yield folder
        return
    # Called in a folder below the top, git gives that folder alone, by names within it.
    done = subprocess.run(["git", "archive", "--format=tar", ref], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoBase(
            f"git cannot take out {ref}: {said[0] if said else 'it is not there'}",
            try_next="git log --oneline, for what there is",
            base=ref,
        )
    with temporary_folder("state") as place:
        # The same name: without any settings it is that of the tables' namespace.
        into = place / folder.name
        into.mkdir()
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(into, filter="data")
        yield into


def _short(folder: Path, ref: str) -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", f"{ref}^{{commit}}"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    short = done.stdout.strip()
    if not short or ref == short:
        return ref
    return short if ref.startswith(short) else f"{ref} ({short})"


# -- one pipeline ------------------------------------------------------------------------------------------------------


class _Pair:
    """A pipeline in both states."""

    def __init__(self, old: Path, new: Path, name: str, environment: Environment) -> None:
        self.sides = (old, new)
        self.name = name
        self.own = tuple(_own_lock(side / name) for side in self.sides)
        locks = [own or locked(side) for own, side in zip(self.own, self.sides, strict=True)]
        self.environments = tuple(_with_lock(environment, lock) for lock in locks)
        self.errors: list[str] = []
        self.readings = tuple(self._read(place) for place in (0, 1))

    def _read(self, place: int) -> Reading | None:
        path = self.sides[place] / self.name
        if not path.is_file():
            return None
        try:
            return read_pipeline(path, Project(folder=self.sides[place]), self.environments[place])
        except PilotlineError as error:
            self.errors.append(f"{error.code}: {error.message}")
            return None

    def change(self) -> PipelineChange | None:
        """What is different; None where nothing is."""
        told: dict[str, Any] = {"name": Path(self.name).stem, "module": self.name}
        if self.errors:
            return PipelineChange(**told, change="broken", error=self.errors[-1])
        match self.readings:
            case (None, None):
                return None
            case (None, new) if new is not None:
                names = [step.name for step in new.pipeline.steps]
                why = tuple((name, "the pipeline is new") for name in names)
                return PipelineChange(**told, change="new", recomputed=why, steps=len(names))
            case (old, None) if old is not None:
                return PipelineChange(**told, change="gone")
            case (old, new) if old is not None and new is not None:
                return self._changed(old, new, told)
            case _:
                return None

    def _changed(self, old: Reading, new: Reading, told: Mapping[str, Any]) -> PipelineChange | None:
        changes = [*self._code(old, new), *self._parameters(old.pipeline, new.pipeline)]
        changes += _contracts(old.pipeline.contract, new.pipeline.contract)
        changes += _differences("table", _outputs(old.pipeline), _outputs(new.pipeline))
        changes += _differences("environment", *self.own)
        recomputed = tuple(self._recomputed(old, new, changes))
        if not changes and not recomputed:
            return None
        return PipelineChange(
            **told, change="changed", changes=tuple(changes), recomputed=recomputed, steps=len(new.pipeline.steps)
        )

    def _code(self, old: Reading, new: Reading) -> Iterable[Changed]:
        before = {step.name: _said(step) + old.code[step.name].digest for step in old.pipeline.steps}
        after = {step.name: _said(step) + new.code[step.name].digest for step in new.pipeline.steps}
        for name in dict.fromkeys([*after, *before]):
            if before.get(name) != after.get(name):
                yield Changed(
                    kind="code", name=name, before="there" if name in before else None,
                    after="there" if name in after else None,
                )  # fmt: skip

    def _parameters(self, old: Pipeline, new: Pipeline) -> Iterable[Changed]:
        before = {each.name: each.default or "" for each in old.parameters}
        after = {each.name: each.default or "" for each in new.parameters}
        yield from _differences("parameter", before, after)
        for each in new.parameters:
            if each.kind == "file" and isinstance(each.value, str) and before.get(each.name) == after[each.name]:
                first, second = (self._file(place, each.value) for place in (0, 1))
                # What git does not hold is told by the run alone.
                if ABSENT not in {first, second} and first != second:
                    yield Changed(kind="file", name=each.value, before=first[:8], after=second[:8])

    def _file(self, place: int, name: str) -> str:
        path = (self.sides[place] / self.name).parent / name
        return Digests(self.sides[place] / ".pilotline" / "cache" / "files.json").of(path)

    def _recomputed(self, old: Reading, new: Reading, changes: Iterable[Changed]) -> Iterable[tuple[str, str]]:
        named = {(one.kind, one.name): one for one in changes}
        again: set[str] = set()
        for step in new.pipeline.steps:
            why = self._why(step, old, new, named)
            why += [f"{each} is computed again" for each in step.after if each in again]
            if why:
                again.add(step.name)
                yield step.name, ", ".join(dict.fromkeys(why))

    def _why(self, step: Step, old: Reading, new: Reading, named: Mapping[tuple[str, str], Changed]) -> list[str]:
        found: list[str] = []
        code = named.get(("code", step.name))
        if code is not None:
            found.append("its code changed" if code.before else "it is new")
        for each in step.arguments.values():
            if isinstance(each, FromParameter):
                parameter = next((one for one in new.pipeline.parameters if one.name == each.name), None)
                if ("parameter", each.name) in named:
                    found.append(f"{each.name} is another one")
                elif parameter is not None and ("file", str(parameter.value)) in named:
                    found.append(f"{parameter.value} is another one")
        if code is None or code.before:
            modules = {*old.code[step.name].modules, *new.code[step.name].modules}
            first, second = (environment.fingerprint(modules) for environment in self.environments)
            if first != second:
                found.append("its packages changed")
        return found


def _own_lock(module: Path) -> Mapping[str, str]:
    """The versions of the lock beside a pipeline, Python among them; nothing where there is none."""
    try:
        lock = Lock(text=lock_path(module).read_text(encoding="utf-8"))
        return {"python": lock.python, **{_normal(name): version for name, version in lock.versions.items()}}
    except (OSError, UnicodeDecodeError, BadLock):
        return {}


def _with_lock(environment: Environment, versions: Mapping[str, str]) -> Environment:
    """An environment with the versions of a lock, for the packages that both know."""
    known = {name: versions.get(name, version) for name, version in environment.versions.items()}
    return replace(environment, versions=known)


def _contracts(old: Contract, new: Contract) -> Iterable[Changed]:
    yield from _differences("schedule", _one("schedule", old.schedule), _one("schedule", new.schedule))
    first, second = ({f"{check.table} {toml_of(check)}": check.severity for check in one.checks} for one in (old, new))
    yield from _differences("check", first, second)
    told = [
        {
            **_one("owner", one.owner),
            **_one("partition", one.partition),
            **_one("changes", ", ".join(one.changes)),
            **_one("secrets", ", ".join(sorted(one.secrets))),
            **_one(
                "repeatable", "; ".join(f"{name} {', '.join(words)}" for name, words in sorted(one.repeatable.items()))
            ),
            **_one("tries", "; ".join(f"{name} {tries.times}" for name, tries in sorted(one.tries.items()))),
            **_one("orders", ", ".join(f"{word} {value}" for word, value in one.terms.as_stored().items())),
            **_one("seed", "" if one.seed == 0 else str(one.seed)),
        }
        for one in (old, new)
    ]
    yield from _differences("contract", *told)


def _outputs(pipeline: Pipeline) -> dict[str, str]:
    contract = pipeline.contract
    return {
        each.name: f"{contract.table_of(each.name)} ({describe_mode(contract.mode_of(each.name))})"
        for each in pipeline.outputs
    }


def _one(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}


def _differences(kind: Kind, before: Mapping[str, str], after: Mapping[str, str]) -> list[Changed]:
    return [
        Changed(kind=kind, name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _said(step: Step) -> str:
    """How a step is called: another argument is another step."""
    return repr((step.function, step.unpacks, {name: _argument(each) for name, each in step.arguments.items()}))


def _argument(argument: Argument) -> str:
    match argument:
        case FromParameter(name=name):
            return f"parameter {name}"
        case FromResult(step=step, index=index):
            return f"result {step} {index}"
        case Constant(source=source):
            return f"constant {source}"
    assert_never(argument)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
