"""Start interpreters once and fork them: most of what a short notebook costs is importing its libraries.

A warmed process has imported libraries that a notebook or a module imports itself, and nothing else; each request is
carried out in a child forked from it, which has seen nothing but those imports. So only libraries go in whose import
has no effect beyond its own module, and only what the code imports at its top level: a pipeline that lives on an import
it lacks must fail in its proof as it would anywhere else.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Libraries that bear being forked after their import, which changes nothing outside themselves.
_INERT = frozenset(
    {"numpy", "pandas", "scipy", "sklearn", "matplotlib", "seaborn", "statsmodels", "patsy", "pyarrow", "joblib"}
)
#: Importing these is meant to change something.
_EFFECTS = re.compile(r"^sklearn\.(experimental|__check_build)|^matplotlib\.(testing|backends)")
#: Code with these words may change what an import does.
_MEDDLES = re.compile(
    r"environ|putenv|%env|sys\.(path|modules|meta_path)|setdlopenflags|reload\(|(?<!style)\.use\(|%pylab|%matplotlib\s+\w"
)
_INLINE = re.compile(r"%matplotlib\s+inline|run_line_magic\(\s*['\"]matplotlib['\"]\s*,\s*['\"]inline['\"]\s*\)")
#: Apple's libraries do not bear being forked.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
BOOT = Path(__file__).parent.parent / "guest" / "boot.py"
_SECONDS = 120.0


def imports_of(sources: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The modules among what these sources import at top level that may be imported before they run.

    Args:
        sources: cells or a module.
        folder: where they run; libraries that it shadows are left out.
    """
    text = "\n".join(sources)
    if _MEDDLES.search(_INLINE.sub("", text)):
        return ()
    found: dict[str, None] = {}
    for source in sources:
        with suppress(SyntaxError, ValueError):
            for name in _imported(ast.parse(source)):
                if name.partition(".")[0] in _INERT and not _EFFECTS.match(name):
                    found[name] = None
    shadowed = {path.stem for path in folder.rglob("*.py")} | {one.name for one in folder.rglob("*") if one.is_dir()}
    rc = any(folder.rglob("matplotlibrc"))
    roots = {name.partition(".")[0] for name in found}
    if roots & shadowed or (rc and roots & {"matplotlib", "seaborn"}):
        return ()
    return tuple(found)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                continue


class Child:
    """One request being carried out in a child of a warmed process."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.status: int | None = None
        self.begun = threading.Event()
        self.ended = threading.Event()

    def wait(self, timeout: float) -> int:
        """The exit status, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        if not self.ended.wait(timeout) or self.status is None:
            raise subprocess.TimeoutExpired("guest", timeout)
        return os.waitstatus_to_exitcode(self.status)

    def poll(self) -> int | None:
        """The exit status as ``subprocess`` says it, None while it runs."""
        if self.status is None:
            return None
        return os.waitstatus_to_exitcode(self.status)


class Warm:
    """A warmed process.

    Args:
        python: the interpreter.
        imports: modules to import first.
        own: an empty folder for it.
        environment: variables of the process and its children.
    """

    def __init__(self, python: Path, imports: Sequence[str], own: Path, environment: Mapping[str, str]) -> None:  # fmt: skip
        own.mkdir(parents=True, exist_ok=True)
        (own / "request").write_text(json.dumps({"kind": "warm", "imports": list(imports)}), encoding="utf-8")
        #: Seconds that the imports took, once they are done.
        self.seconds = 0.0
        self._count = 0
        self._children: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._fit = False
        # What it imports, it compiles once for all, as any run of the notebook does; its children leave nothing behind.
        variables = {key: value for key, value in environment.items() if key != "PYTHONDONTWRITEBYTECODE"}
        with (own / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), str(BOOT), str(own / "request")],
                cwd=own, env=variables, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self._asks = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, request: Path, cwd: Path) -> Child | None:
        """A child that carries out a request; None where the process is not fit for that."""
        if not self._ready.wait(_SECONDS) or not self._fit:
            return None
        child = Child()
        with self._lock:
            self._count += 1
            number = self._count
            self._children[number] = child
            line = json.dumps({"id": number, "request": str(request), "cwd": str(cwd)}) + "\n"
            try:
                self._asks.write(line.encode())
                self._asks.flush()
            except OSError:
                return None
        child.begun.wait(_SECONDS)
        return child if child.pid is not None else None

    def close(self) -> None:
        """End it and its children."""
        with suppress(OSError):
            self._asks.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=5)
        self._answers.close()

    def _read(self) -> None:
        for line in self._answers:
            facts: dict[str, Any] = json.loads(line)
            if "warm" in facts:
                self._fit, self.seconds = bool(facts["warm"]), float(facts["seconds"])
                self._ready.set()
                continue
            child = self._children[facts["id"]]
            if "pid" in facts:
                child.pid = facts["pid"]
                child.begun.set()
            else:
                child.status = facts["status"]
                child.ended.set()
        # It is gone, and all its children with it.
        self._fit = False
        self._ready.set()
        for child in list(self._children.values()):
            if child.status is None:
                child.status = signal.SIGKILL
            child.begun.set()
            child.ended.set()
