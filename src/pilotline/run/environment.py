"""The project's interpreter and a fingerprint of what is installed there, without starting it while nothing changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import UsageError
from pilotline.guest.keys import digest
from pilotline.run.digests import mark_of
from pilotline.run.errors import ProcessDied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CondaPackage", "Environment", "NoEnvironment", "choose_python", "environment_of", "neighbours"]

_GUEST: Final = Path(__file__).parent.parent / "guest"
_NEIGHBOURS: Final = (".venv", "venv", "env", ".env", ".conda")
_PROGRAMS: Final = ("bin/python", "Scripts/python.exe", "python.exe") if os.name == "nt" else ("bin/python",)


class NoEnvironment(UsageError):
    """No Python interpreter that starts."""

    code = "PL307"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """What conda notes of a package that it installed."""

    version: str
    channel: str
    #: Distributions of Python that it brought, as Python's own metadata calls them.
    distributions: tuple[str, ...] = ()
    #: Top-level modules that it brought.
    modules: tuple[str, ...] = ()
    #: Distribution of a package index -> version, where the package's own notes say that it is the same.
    index: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter and what is installed with it."""

    python: str
    version: str
    #: Distribution -> version.
    versions: Mapping[str, str]
    requires: Mapping[str, tuple[str, ...]]
    #: Top-level module -> the distributions that bring it.
    modules: Mapping[str, tuple[str, ...]]
    standard: frozenset[str]
    #: Where modules are looked for that belong neither to Python nor to a distribution.
    places: tuple[Path, ...]
    #: What changes when the interpreter is replaced, or something is installed or removed.
    marks: tuple[str, ...] = ()
    #: What a distribution can make use of without requiring it.
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    #: Distribution -> where it was installed from, where that was no index.
    direct: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Distributions that conda installed: an index may have the same version, built otherwise, or may not.
    conda: frozenset[str] = frozenset()
    #: Conda's name of a package -> what it notes of it.
    packages: Mapping[str, CondaPackage] = field(default_factory=dict[str, CondaPackage])

    def fingerprint(self, modules: Iterable[str]) -> str:
        """One text for the interpreter and all that some modules bring with them.

        So does what those that are imported can make use of without requiring it: with pyarrow beside it, pandas gives other
        values, which nothing without pyarrow can read. A module that no distribution claims may come from anywhere, so then
        everything counts.
        """
        found = self._distributions(modules)
        taken = self._reached([*found, *self._used_by(found), *(self.versions if None in found else ())])
        return digest("environment", self.version, *(f"{name}=={self.versions[name]}" for name in sorted(taken)))

    def _used_by(self, names: Iterable[str | None]) -> Iterator[str]:
        """What distributions can make use of without requiring it."""
        for name in names:
            yield from self.optional.get(name or "", ())

    def needed(self, modules: Iterable[str], more: Iterable[str] = ()) -> Mapping[str, str]:
        """The distributions that some modules bring with them, and ``more`` of them, each with its version.

        What those that are imported can make use of without requiring it counts too, where it is installed: what they do
        may depend on it. A module that no distribution claims is the project's own.
        """
        found = [*(name for name in self._distributions(modules) if name is not None), *more]
        taken = self._reached([*found, *self._used_by(found)])
        return {name: self.versions[name] for name in sorted(taken)}

    def by_conda_alone(self, modules: Iterable[str]) -> Mapping[str, str]:
        """Of some modules, those that conda installed and no distribution of Python claims: module -> conda's package."""
        found: dict[str, str] = {}
        for module in sorted({name.partition(".")[0] for name in modules}):
            if module not in self.modules and module not in self.standard:
                for name, package in self.packages.items():
                    if module in package.modules:
                        found[module] = name
        return found

    def conda_package_of(self, distribution: str) -> str | None:
        """Conda's name of the package that brought a distribution."""
        return next((name for name, one in self.packages.items() if distribution in one.distributions), None)

    def _distributions(self, modules: Iterable[str]) -> list[str | None]:
        """What brings some modules; None among them for one that no distribution claims."""
        found: list[str | None] = []
        for module in {name.partition(".")[0] for name in modules}:
            if module in self.modules:
                found += self.modules[module]
            elif module not in self.standard:
                found.append(None)
        return found

    def _reached(self, names: Iterable[str | None]) -> frozenset[str]:
        """Installed distributions, and all that they require."""
        waiting = list(names)
        taken: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name is not None and name not in taken and name in self.versions:
                taken.add(name)
                waiting += self.requires.get(name, ())
        return frozenset(taken)


def choose_python(folder: Path, asked: str | None) -> Path:
    """The interpreter of a project: asked for, the active environment's, one beside it or above, the tool's own.

    Raises:
        NoEnvironment: what was asked for is not there.
    """
    if asked is not None:
        path = Path(shutil.which(asked) or asked)
        # What is too long for a name is none.
        with suppress(OSError):
            if path.is_dir():
                path = _python_in(path) or path
            if path.is_file():
                return path.absolute()
        raise NoEnvironment(f"there is no interpreter {asked}", try_next="pilotline run --python PATH", asked=asked)
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        active = os.environ.get(variable)
        if active and Path(active) != Path(sys.prefix) and (python := _python_in(Path(active))):
            return python
    for python in neighbours(folder):
        if python.is_file():
            return python
    return Path(sys.executable)


def neighbours(folder: Path) -> Iterator[Path]:
    """Where an interpreter beside a folder or above it might be."""
    for parent in (folder, *folder.parents):
        for name in _NEIGHBOURS:
            yield from (parent / name / program for program in _PROGRAMS)


def _python_in(environment: Path) -> Path | None:
    return next((environment / name for name in _PROGRAMS if (environment / name).is_file()), None)


def environment_of(python: Path, cache: Path) -> Environment:
    """What is installed with an interpreter; it is started only where something changed since it was asked last.

    Raises:
        NoEnvironment: it cannot be started.
        ProcessDied: it was killed, or did not answer in time; asked again it may well.
    """
    path = cache / f"environment-{digest(str(python))[:16]}.json"
    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
        if "packages" in known["facts"] and known["marks"] == _marks(python, known["facts"]):
            return _environment(python, known["facts"])
    except (OSError, ValueError, KeyError):
        pass
    try:
        done = subprocess.run(
            [str(python), "-B", str(_GUEST / "environment.py")],
            capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if key not in {"PYTHONHOME", "PYTHONPATH"}},
        )  # fmt: skip
        facts: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        if isinstance(error, subprocess.TimeoutExpired) or getattr(error, "returncode", 0) < 0:
            raise ProcessDied(
                f"the interpreter {python} was asked what is installed: {error}", try_next="the same once more"
            ) from error
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NoEnvironment(
            f"the interpreter {python} cannot be asked what is installed: {said[-1] if said else error}",
            try_next="pilotline run --python PATH",
            python=str(python),
        ) from error
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps({"marks": _marks(python, facts), "facts": facts}), encoding="utf-8")
    temporary.replace(path)
    return _environment(python, facts)


def _marks(python: Path, facts: Mapping[str, Any]) -> list[Any]:
    """What changes when the interpreter is replaced, or when something is installed or removed."""
    return [[place, list(mark_of(place) or ())] for place in _looked_at(python, facts)]


def _looked_at(python: Path, facts: Mapping[str, Any]) -> list[str]:
    return [str(python), str(Path(facts["prefix"]) / "pyvenv.cfg"), *facts["sites"]]


def _environment(python: Path, facts: Mapping[str, Any]) -> Environment:
    sites: list[str] = facts["sites"]
    standard_folder = str(Path(os.__file__).parent)
    places = [
        Path(place)
        for place in facts["path"]
        if place not in sites and place != standard_folder and not place.endswith(("lib-dynload", ".zip"))
        and not (Path(place) / "os.py").is_file()
    ]  # fmt: skip
    return Environment(
        python=str(python),
        version=f"{facts['implementation']} {facts['version']}",
        versions=facts["versions"],
        requires=facts["requires"],
        modules=facts["modules"],
        standard=frozenset(facts["standard"] or sys.stdlib_module_names),
        places=tuple(places),
        marks=tuple(_looked_at(python, facts)),
        optional=facts["optional"],
        direct=facts["direct"],
        conda=frozenset(facts["conda"]),
        packages={
            name: CondaPackage(
                version=told["version"], channel=told["channel"], distributions=tuple(told["distributions"]),
                modules=tuple(told["modules"]), index=dict(filter(None, map(_of_index, told["purls"]))),
            )
            for name, told in facts["packages"].items()
        },
    )  # fmt: skip


def _of_index(purl: str) -> tuple[str, str] | None:
    """Name and version that a package URL gives on Python's index; None where it is for another one."""
    found = re.fullmatch(r"pkg:pypi/([A-Za-z0-9._-]+)@([^?#]+)(?:[?#].*)?", purl)
    return (re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]) if found else None
