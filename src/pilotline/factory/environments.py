"""The environment of a pipeline: locked to what was installed where its notebook ran, built from the lock, never changed.

A lock is a requirements file with the exact version and the hashes of every distribution, which pip and uv read alike; a
comment at its top says the version of Python. (PEP 751's ``pylock.toml`` says the same, but pip cannot install one yet.)
An environment is built once for each lock, in a folder named after it, and is whole when its marker is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import FactoryError, UsageError
from pilotline.lift.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from pilotline.run.environment import Environment

__all__ = [
    "BuildFailed",
    "Environments",
    "Lock",
    "NoEqual",
    "NoUv",
    "NotLockable",
    "alone",
    "called",
    "find_uv",
    "lock_for",
    "lock_path",
    "uv",
]

_HEAD: Final = "# Python "
_MARKER: Final = "pilotline-ready"
#: Never in a lock: the run brings its own part of Pilotline, and the others are the environment's own tools.
_LEFT_OUT: Final = frozenset({"pilotline", "pip", "setuptools", "wheel", "uv"})
_MOST_SAID: Final = 12


class NoUv(UsageError):
    """There is no uv to lock or build environments with."""

    code = "PL550"


class NotLockable(FactoryError):
    """What is installed cannot be had again in the very same version from an index."""

    code = "PL551"


class NoEqual(NotLockable):
    """What conda installed has no equal on a package index, from which the factory could install it."""

    code = "PL575"


class BuildFailed(FactoryError):
    """An environment could not be built from its lock."""

    code = "PL552"


class BadLock(FactoryError):
    """A file is no lock of a pipeline."""

    code = "PL553"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Exact versions of everything that a pipeline needs."""

    #: As it is written: one line ``# Python 3.11.7``, then requirements with hashes.
    text: str

    @property
    def python(self) -> str:
        """The version of Python: ``3.11.7``.

        Raises:
            BadLock: the first line does not say it.
        """
        found = re.match(rf"{_HEAD}(\d+\.\d+(?:\.\d+)?)", self.text)
        if found is None:
            raise BadLock(
                "the lock does not say which Python it is for", try_next="pilotline land NAME writes it again"
            )
        return found[1]

    @property
    def key(self) -> str:
        """What identifies the environment: a digest of all but comments."""
        lines = [line for line in self.text.splitlines() if line and not line.startswith("#")]
        minor = ".".join(self.python.split(".")[:2])
        return hashlib.sha256("\n".join([minor, *lines]).encode()).hexdigest()[:20]

    @property
    def versions(self) -> dict[str, str]:
        """Distribution -> version."""
        return dict(re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s\\;]+)", self.text, re.MULTILINE))


def lock_path(module: Path) -> Path:
    """Where the lock of a pipeline stands: ``explore.lock`` beside ``explore.py``."""
    return module.with_suffix(".lock")


def find_uv() -> str:
    """The program uv: of the tool's own environment, else on the path.

    Raises:
        NoUv: there is none.
    """
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        return find_uv_bin()
    found = shutil.which("uv")
    if found is None:
        raise NoUv("there is no uv here to build environments with", try_next="pip install uv")
    return found


def lock_for(environment: Environment, modules: Iterable[str], *, more: Iterable[str] = (), note: str = "") -> Lock:
    """Pin what some modules need to the versions that are installed.

    Args:
        environment: where the notebook ran.
        modules: what the pipeline imports, anywhere.
        more: distributions that it needs, too.
        note: a line that the lock says besides.

    Raises:
        NotLockable: a distribution was not installed from an index, or the index does not have that version.
        NoEqual: the same, of what conda installed.
        NoUv: there is no uv.
    """
    modules = tuple(modules)
    installed = environment.needed(modules, more)
    needed = {
        name: _upstream(environment, name, version) for name, version in installed.items() if name not in _LEFT_OUT
    }
    needed |= _of_conda_alone(environment, modules)
    elsewhere = {name: environment.direct[name] for name in needed if name in environment.direct}
    local = {name: version for name, version in needed.items() if "+" in version}
    if elsewhere or local:
        told = [f"{name} from {where}" for name, where in elsewhere.items()]
        told += [f"{name} {version}" for name, version in local.items() if name not in elsewhere]
        raise NotLockable(
            f"installed is what no index has, so that no other machine could install it: {', '.join(told)}",
            try_next="install released versions of them, run the notebook, and lift it again",
            packages=sorted({*elsewhere, *local}),
        )
    number = re.search(r"\d+\.\d+\.\d+", environment.version)
    head = f"{_HEAD}{number[0] if number else environment.version}\n"
    head += f"# {note}\n" if note else ""
    if not needed:
        return Lock(text=head)
    done = _compiled(environment, needed)
    if done.returncode:
        raise _not_lockable(environment, needed, done.stderr)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("#", "--index", "--extra-index"))]
    return Lock(text=head + "\n".join(lines).strip("\n") + "\n")


def _compiled(environment: Environment, needed: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    with temporary_folder("lock") as scratch:
        pins = scratch / "pins.in"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in needed.items()), encoding="utf-8")
        return uv(
            "pip", "compile", "--quiet", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate",
            "--python", environment.python, str(pins),
        )  # fmt: skip


def _upstream(environment: Environment, name: str, version: str) -> str:
    """The version of what conda installed as those who made it call it: conda may put something of its own behind it."""
    package = environment.packages.get(environment.conda_package_of(name) or "")
    if package is None or version == package.version:
        return version
    behind = version.removeprefix(package.version)
    own = version == "0.0.0" or (behind != version and re.fullmatch(r"(?:\.post\d+)?(?:\+[\w.]+)?", behind))
    return package.version if own else version


def _of_conda_alone(environment: Environment, modules: Iterable[str]) -> dict[str, str]:
    """What an index has of the modules that conda installed without any of Python's metadata, by conda's own notes.

    Raises:
        NoEqual: they name nothing on an index.
    """
    found: dict[str, str] = {}
    without: dict[str, str] = {}
    for module, name in environment.by_conda_alone(modules).items():
        package = environment.packages[name]
        found |= package.index
        if not package.index:
            without[module] = name
    if without:
        told = [f"{module} comes with {_conda_said(environment, name)}" for module, name in without.items()]
        raise NoEqual(
            f"conda installed what no package index has under a name that conda notes: {', '.join(told)}",
            try_next="pip install it in that environment, if an index has it; then run the notebook, and lift it again",
            packages=sorted(set(without.values())),
        )
    return found


def _not_lockable(environment: Environment, needed: Mapping[str, str], said: str) -> NotLockable:
    # Uv names one at a time.
    missing: list[str] = []
    left, end = dict(needed), said
    while named := [name for name in left if re.search(rf"\b{re.escape(name)}==", end)]:
        missing += named
        left = {name: version for name, version in left.items() if name not in named}
        again = _compiled(environment, left) if left else None
        if again is None or again.returncode == 0:
            break
        end = again.stderr
    by_conda = [name for name in missing if name in environment.conda]
    told: list[str] = []
    for name in missing:
        package = environment.conda_package_of(name)
        by = f" (installed by conda{f' as {_conda_said(environment, package)}' if package else ''})"
        told.append(f"{name} {needed[name]}{by if name in environment.conda else ''}")
    kind = NoEqual if by_conda else NotLockable
    return kind(
        f"what is installed cannot be had again from the index: {', '.join(told) or 'some of it'}\n{called(said)}",
        try_next=(
            f"pip install {' '.join(by_conda)}, in that environment; then run the notebook, and lift it again"
            if by_conda
            else "install released versions of them, run the notebook, and lift it again"
        ),
        packages=missing,
    )


def _conda_said(environment: Environment, name: str) -> str:
    package = environment.packages[name]
    # The last part of a channel's address that is no platform's.
    parts = [part for part in package.channel.split("/") if part]
    channel = next((part for part in reversed(parts) if part != "noarch" and "-64" not in part), "")
    return f"{name} {package.version}{f' of {channel}' if channel else ''}"


class Environments:
    """Environments by lock, in a folder of this machine.

    Args:
        folder: where they are kept; by default in the user's cache, or ``PILOTLINE_ENVIRONMENTS``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        said = os.environ.get("PILOTLINE_ENVIRONMENTS")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = folder or (Path(said) if said else cache / "pilotline" / "environments")

    def python_for(self, lock: Lock) -> Path:
        """The interpreter of the environment of a lock, which is built where it is not there.

        Whoever comes while it is built waits. One that was left half built by a process that died is built again, and so is
        one in which somebody installed or removed something since.

        Raises:
            BuildFailed: it cannot be built.
            NoUv: there is no uv.
        """
        place = self.folder / lock.key
        python = place / "bin" / "python"
        # The Python that it was built on may have been removed since.
        if _stands(place, python, lock):
            return python
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder / f"{lock.key}.building") as held:
            if not _stands(place, python, lock):
                self._build(lock, place, python, held)
        return python

    def pytest_for(self, python: Path) -> Path:
        """A folder with pytest for the Python of an interpreter, beside the environments; made once.

        Raises:
            BuildFailed: it cannot be installed.
            NoUv: there is no uv.
        """
        asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        place = self.folder / f"pytest-{version}"
        if not (place / "ready").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with alone(self.folder / f"pytest-{version}.building") as held:
                if (place / "ready").exists():
                    return place
                # What somebody who was killed left half installed would count as installed.
                shutil.rmtree(place, ignore_errors=True)
                words = ("pip", "install", "--quiet", "--python", str(python), "--target", str(place), "pytest")
                done = uv(*words, held=held)
                if done.returncode:
                    raise BuildFailed(
                        f"pytest cannot be installed to run the tests with: {called(done.stderr)}",
                        try_next="see whether the index can be reached from here",
                    )
                (place / "ready").touch()
        return place

    def _build(self, lock: Lock, place: Path, python: Path, held: int) -> None:
        shutil.rmtree(place, ignore_errors=True)
        minor = ".".join(lock.python.split(".")[:2])
        # The same version where it is on this machine, one that is near, and only then one from elsewhere.
        for asked in ([lock.python, "--no-python-downloads"], [minor, "--no-python-downloads"], [lock.python]):
            made = uv("venv", "--quiet", "--no-project", "--python", *asked, str(place), held=held)
            if made.returncode == 0:
                break
        else:
            raise _failed(f"no Python {lock.python}", made.stderr, lock)
        if lock.versions:
            file = place / "lock.txt"
            file.write_text(lock.text, encoding="utf-8")
            done = uv(
                "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(file), held=held,
            )  # fmt: skip
            if done.returncode:
                shutil.rmtree(place, ignore_errors=True)
                raise _failed("its packages cannot be installed", done.stderr, lock)
        (place / _MARKER).write_text("\n".join([lock.key, *_installed(place)]), encoding="utf-8")


def _stands(place: Path, python: Path, lock: Lock) -> bool:
    """Whether an environment is built and as it was then."""
    try:
        built, *installed = (place / _MARKER).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    # The first markers said the key alone.
    return built == lock.key and installed in ([], _installed(place)) and python.exists()


def _installed(place: Path) -> list[str]:
    """What is installed there, as its folders say it."""
    return sorted(found.name for found in place.glob("lib/python*/site-packages/*.dist-info"))


def _failed(what: str, said: str, lock: Lock) -> BuildFailed:
    return BuildFailed(
        f"the environment {lock.key} cannot be built: {what}\n{called(said)}",
        try_next="see whether the index can be reached from here: uv pip download",
        lock=lock.key,
    )


def called(said: str) -> str:
    """The end of what uv said, to be shown below a message."""
    return "\n".join(f"  {line}" for line in said.strip().splitlines()[-_MOST_SAID:])


def uv(*words: str, held: int | None = None) -> subprocess.CompletedProcess[str]:
    """Call uv; a lock that is held is held until it ends, even where who called it is killed before."""
    left_out = {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"}
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    # From a folder that is no project's, so that only what the user and the machine set counts.
    with temporary_folder("uv") as nowhere:
        return subprocess.run(
            [find_uv(), *words],
            capture_output=True,
            text=True,
            check=False,
            env=env,
            cwd=nowhere,
            stdin=subprocess.DEVNULL,
            pass_fds=() if held is None else (held,),
        )


@contextmanager
def alone(path: Path) -> Generator[int]:
    """A block that one process at a time is in; a lock of the system's, which ends with its process.

    Yields:
        The number of the open file that holds the lock: a process that inherits it holds the lock, too.
    """
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
