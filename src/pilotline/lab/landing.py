"""Land a pipeline: lock it, build its environment, prove it there, test it there, and commit it to a branch of its own.

Nothing is committed that was not proven in the very environment that production will run it in. The notebook runs with
all that it needs, at the same versions; the module with what its lock has, and nothing more.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
import shutil
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import FactoryError, UsageError
from pilotline.domain.schedules import describe_timing, next_after, timing_of
from pilotline.factory.committed import submodule_files
from pilotline.factory.cron import cron_times
from pilotline.factory.declared import declared_for
from pilotline.factory.environments import Environments, Lock, alone, lock_for, lock_path
from pilotline.factory.git import Repository
from pilotline.lab.ci import Tests, run_tests
from pilotline.lab.ci_files import files_for
from pilotline.lab.evidence import Evidence, digest_of, evidence_path, read_evidence
from pilotline.lab.interpreting import interpreter_for
from pilotline.lab.lifting import Options, prove_module
from pilotline.lab.placing import remembered
from pilotline.lift.credentials import in_text
from pilotline.lift.reading import read
from pilotline.run.environment import choose_python, environment_of
from pilotline.run.projects import find_module, project_of
from pilotline.run.reading import read_contract, read_pipeline, text_of, with_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from pilotline.domain.notebooks import Notebook
    from pilotline.domain.pipelines import Pipeline
    from pilotline.factory.declared import Declared
    from pilotline.lab.receipt import Receipt
    from pilotline.run.environment import Environment
    from pilotline.run.reading import Reading

__all__ = ["Landing", "Wishes", "contract_text", "land"]

_LIFTED: Final = re.compile(r"^Lifted from (?P<notebook>.+?): \d+ of \d+ cells", re.MULTILINE)
#: Files of a project that say what all of its pipelines are.
_OF_PROJECT: Final = ("pilotline.toml", "pyproject.toml")


class NotProvenHere(FactoryError):
    """In the environment of its lock the module does not give what its notebook gives."""

    code = "PL557"


class TestsFailed(FactoryError):
    """The tests beside a pipeline fail in the environment of its lock, or there are none."""

    code = "PL558"
    __test__ = False


class WouldCommitSecret(FactoryError):
    """A file that would be committed holds what looks like a credential."""

    code = "PL559"


class ChangedInSubmodule(UsageError):
    """What the pipeline needs of a submodule is not what the repository pins."""

    code = "PL567"


class NotebookGone(UsageError):
    """The notebook that a module was lifted from is not there."""

    code = "PL560"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody asks of a landing."""

    schedule: str = ""
    owner: str = ""
    branch: str = ""
    python: str | None = None
    notebook: str | None = None
    #: Paths, from the project's folder, that are committed too.
    more: tuple[str, ...] = ()
    push: str | None = None
    #: Write files for CI where there are none.
    ci: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What came of it."""

    pipeline: str
    branch: str
    commit: str
    #: Whether there was anything to commit.
    new: bool
    files: tuple[str, ...]
    lock: Lock
    python: str
    evidence: Evidence
    tests: Tests
    #: What git would not merge the branch over, until it knows it: files and folders that stand in the working tree.
    to_add: tuple[str, ...] = ()
    #: Files that it reads and that git does not have.
    missing: tuple[str, ...] = ()
    pushed: str | None = None
    #: Why the commit is not signed, where git is set to sign.
    unsigned: str = ""
    schedule: str = ""
    #: What the notebook's block or the project's environment.yml asks for, and what was installed otherwise.
    declared: Declared | None = None
    unmet: tuple[str, ...] = ()
    #: Seconds of each part.
    took: Mapping[str, float] = field(default_factory=dict[str, float])


class _Timed:
    """Says how long each part took: called with its name, a part begins and the one before ends."""

    def __init__(self, part: str) -> None:
        self._part, self._since = part, time.perf_counter()
        self._took: dict[str, float] = {}

    def __call__(self, part: str) -> None:
        now = time.perf_counter()
        self._took[self._part] = self._took.get(self._part, 0.0) + now - self._since
        self._part, self._since = part, now

    def parts(self) -> dict[str, float]:
        self(self._part)
        return self._took


def land(asked: str | None, here: Path, wishes: Wishes, progress: Callable[[str], None]) -> Landing:
    """Land a pipeline.

    Raises:
        NoPipeline: there is none of that name.
        NoRepository: the project is in no git repository.
        BadDeclaration: the notebook's block or the project's environment.yml cannot be understood.
        NotLockable: something is installed that no index has.
        BuildFailed: the environment cannot be built.
        NotProvenHere: there the module does not give what its notebook gives.
        NotebookGone: the notebook is not there.
        TestsFailed: the tests fail there, or there are none.
        ChangedInSubmodule: a file of a submodule is not as it is committed there.
        NotInCommit: a submodule is not here.
        WouldCommitSecret: something that looks like a credential would be committed.
        GitFailed: git refused.
    """
    timed = _Timed("environment")
    module = find_module(asked, here)
    project = project_of(module.parent)
    repository = Repository.around(module.parent)
    branch = wishes.branch or f"land/{module.stem}"
    _refuse_wishes(wishes, project.folder, repository, branch)
    contract = contract_text(module, wishes)
    notebook = _notebook_of(module, wishes.notebook)
    recalled = remembered(module.parent, module.stem) or {}
    declared = declared_for(notebook or module, project.folder)
    python = _python(module, notebook, wishes.python or _still_there(recalled.get("python")), progress)
    environment = environment_of(python, project.own / "cache")
    reading = read_pipeline(module, project, environment)
    if strange := [path for path in reading.local if not Path(path).is_relative_to(project.folder)]:
        raise UsageError(
            f"{module.stem} imports {', '.join(map(str, strange))}, which is not in the project {project.folder}",
            try_next="move it into the project, or install it from an index",
            paths=[str(path) for path in strange],
        )
    timed("lock")
    progress("locking what it needs")
    modules = sorted({name for code in reading.code.values() for name in code.modules})
    besides = _asked_besides(declared, environment, notebook)
    note = f"Asked for by {declared.said}" if declared else ""
    environments = Environments()
    # What tests and proof need besides is made meanwhile.
    with ThreadPoolExecutor(max_workers=2) as meanwhile:
        around = _meanwhile_around(meanwhile, module, notebook, environment, modules, besides)
        lock = lock_for(environment, modules, more=besides, note=note)
        timed("environment")
        progress("building its environment")
        landed = environments.python_for(lock)
        pytest = meanwhile.submit(environments.pytest_for, landed)
        timed("proof")
        evidence = _proven(module, notebook, lock, landed, recalled, around, progress)
        timed("tests")
        progress("testing it there")
        tests = run_tests(module, str(landed), pytest=pytest.result())
    _refuse_failed(module, tests)
    timed("commit")
    files = _files(module, reading, lock, evidence, contract, wishes.more)
    top = _at(repository, project.folder)
    ci = files_for(repository.root) if wishes.ci and not top else {}
    said = {f"{top}{path}": content for path, content in files.items()}
    # What an earlier landing left in the folder stands nowhere but on its branch.
    said |= {path: text.encode() for path, text in ci.items() if _ours(repository.root / path, text.encode())}
    _refuse_secrets(said)
    said = _without_submodules(repository, said)
    # One landing of the project after the other, or two would write the same files beside the module.
    project.own.mkdir(parents=True, exist_ok=True)
    with alone(project.own / "landing"):
        theirs = repository.theirs(wishes.push, branch) if wishes.push is not None else None
        committed = repository.commit(branch, said, _message(reading.pipeline, evidence, lock), theirs=theirs)
        for path, content in (*files.items(), *((path, said[path]) for path in ci if path in said)):
            _write(project.folder / path, content)
    pushed = None
    if wishes.push is not None:
        timed("push")
        progress(f"pushing to {wishes.push}")
        repository.ask("push", "--quiet", wishes.push, f"{branch}:{branch}")
        pushed = wishes.push
    return Landing(
        pipeline=module.stem, branch=branch, commit=committed.id, new=committed.new, unsigned=committed.unsigned,
        files=tuple(said), to_add=repository.in_the_way(committed.id), lock=lock, python=str(landed),
        evidence=evidence, tests=tests, missing=tuple(_missing(reading, repository, top, said)), pushed=pushed,
        schedule=describe_timing(timing_of(said_when)) if (said_when := tomllib.loads(contract).get("schedule")) else "",
        declared=declared, unmet=declared.unmet(environment) if declared else (), took=timed.parts(),
    )  # fmt: skip


def _refuse_wishes(wishes: Wishes, folder: Path, repository: Repository, branch: str) -> None:
    """What can be told before anything is built: paths, the branch, the remote."""
    for name in wishes.more:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.exists():
            raise UsageError(
                f"{name} is no file of the project in {folder}",
                try_next="--with PATH, from that folder"
                if not path.exists()
                else f"move it into {folder}, or have a pilotline.toml in a folder that holds both, and none below it",
            )
    if repository.maybe("check-ref-format", "--branch", branch) is None:
        raise UsageError(f"{branch!r} cannot be the name of a branch", try_next="pilotline land --branch land/NAME")
    remote = wishes.push
    if remote is not None and not {"/", ":"} & set(remote) and repository.maybe("remote", "get-url", remote) is None:
        raise UsageError(
            f"git knows no remote {remote!r} to push to",
            try_next=f"git remote add {remote} URL, or land without --push",
        )


# -- the notebook and its environment ----------------------------------------------------------------------------------


def _notebook_of(module: Path, asked: str | None) -> Path | None:
    """The notebook that a module was lifted from; None where it was written by hand.

    Raises:
        NotebookGone: it is not there.
        BadPipeline: the module cannot be read.
    """
    found = _LIFTED.search(ast.get_docstring(ast.parse(text_of(module))) or "")
    recalled = remembered(module.parent, module.stem)
    name = asked or (recalled or {}).get("notebook") or (found["notebook"] if found else None)
    if name is None:
        return None
    path = module.parent / str(name)
    if not path.is_file():
        raise NotebookGone(
            f"{module.stem} was lifted from {name}, which is not there, so it cannot be proven",
            try_next=f"pilotline land {module.stem} --notebook PATH",
            notebook=str(name),
        )
    return path


def _python(module: Path, notebook: Path | None, asked: str | None, progress: Callable[[str], None]) -> Path:
    if notebook is None:
        return choose_python(module.parent, asked)
    return interpreter_for(read(notebook), asked, progress).path


def _still_there(python: object) -> str | None:
    """An interpreter that is recalled, unless it is gone, as one that uv built may be."""
    return str(python) if python and (shutil.which(str(python)) or Path(str(python)).exists()) else None


def _asked_besides(declared: Declared | None, environment: Environment, notebook: Path | None) -> tuple[str, ...]:
    """Distributions that a script asks for and imports nowhere: something that it imports may load them."""
    if declared is None or declared.kind != "script" or notebook is None:
        return ()
    imported = {name for module in _imported(read(notebook)) for name in environment.modules.get(module, ())}
    return tuple(name for name in declared.names() if name in environment.versions and name not in imported)


def _meanwhile_around(
    meanwhile: Executor,
    module: Path,
    notebook: Path | None,
    environment: Environment,
    modules: Sequence[str],
    besides: Sequence[str],
) -> Callable[[], Path]:
    """What gives the interpreter that the notebook is run in again, at the same versions, with all that it imports."""

    def built() -> Path:
        wanted = {*modules, *(_imported(read(notebook)) if notebook else ()), "IPython"}
        return Environments().python_for(lock_for(environment, wanted, more=besides))

    before = read_evidence(module)
    if notebook is None or (before and before.stands(module) and before.notebook_sha256 == digest_of(notebook)):
        # As it was proven already, it is most likely not needed.
        return built
    return meanwhile.submit(built).result


def _proven(
    module: Path,
    notebook: Path | None,
    lock: Lock,
    landed: Path,
    recalled: Mapping[str, Any],
    around: Callable[[], Path],
    progress: Callable[[str], None],
) -> Evidence:
    if notebook is None:
        return Evidence(
            module=module.name, module_sha256=digest_of(module), notebook="", notebook_sha256="", lock=lock.key,
            outputs={}, proofs=(), not_proven=("it was written by hand: there is no notebook to compare it with",),
        )  # fmt: skip
    before = read_evidence(module)
    options = Options(
        wants=tuple(recalled.get("wants") or (before.wants if before else ())),
        allow=tuple(recalled.get("allow") or (before.allow if before else ())),
        order=recalled.get("order") or (before.order if before else None),  # pyright: ignore[reportArgumentType] - written by us
        proof=recalled.get("proof") or "full",
    )
    known = before is not None and before.stands(module) and before.notebook_sha256 == digest_of(notebook)
    if known and before is not None and before.lock == lock.key:
        return before
    progress("building the environment of the notebook, at the same versions")
    python = around()
    receipt = prove_module(notebook, module, replace(options, python=str(python)), progress, module_python=landed)
    if receipt.status != "proven":
        raise _not_proven(module, receipt, lock)
    return Evidence(
        module=module.name, module_sha256=digest_of(module), notebook=notebook.name, notebook_sha256=digest_of(notebook),
        lock=lock.key, outputs={one.name: one.verdict for one in receipt.outputs}, proofs=receipt.proofs,
        not_proven=receipt.not_proven, wants=options.wants, allow=options.allow, order=options.order, proof=options.proof,
    )  # fmt: skip


def _not_proven(module: Path, receipt: Receipt, lock: Lock) -> NotProvenHere:
    why = "; ".join(f"{one.code}: {one.message}" for one in receipt.diagnostics) or "it is not said why"
    return NotProvenHere(
        f"{module.stem} is not proven in the environment of its lock ({len(lock.versions)} packages,"
        f" Python {lock.python}); nothing was committed.\n{why}",
        try_next=f"pilotline lift {receipt.notebook}",
        notebook=receipt.notebook,
        codes=[one.code for one in receipt.diagnostics],
    )


def _imported(notebook: Notebook) -> set[str]:
    """The modules that a notebook imports anywhere."""
    found: set[str] = set()
    for cell in notebook.code:
        try:
            tree = ast.parse(cell.python)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def _refuse_failed(module: Path, tests: Tests) -> None:
    mend = f"pytest test_{module.name}"
    match tests.outcome:
        case "passed":
            return
        case "none":
            why = f"there is no test_{module.name} beside it"
            mend = f"write test_{module.name}, with a test of what a step or pipeline() returns"
        case "failed":
            why = f"{tests.failed} of its tests fail: {', '.join(tests.names[:5])}\n{tests.said}"
        case "broken":
            why = f"its tests cannot be run\n{tests.said}"
    raise TestsFailed(
        f"{module.stem} was not landed, for {why}",
        try_next=mend,
        failed=list(tests.names),
    )


# -- what is committed -------------------------------------------------------------------------------------------------


def contract_text(module: Path, wishes: Wishes) -> str:
    """The contract with its schedule and owner, all else as somebody wrote it."""
    path = module.with_suffix(".toml")
    text = path.read_bytes().decode() if path.exists() else ""
    # It keeps the line ends that somebody's editor gave it.
    ends = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n") if wishes.owner or wishes.schedule else text
    if wishes.schedule:
        timing = timing_of(wishes.schedule, namespace=project_of(module.parent).namespace)
        next_after(timing, datetime.now(UTC), cron_times)
        with_tables(timing, module, read_contract(module, project_of(module.parent)))
        if re.search(r"^\[schedule\]", text, re.MULTILINE):
            raise UsageError(
                f"{path.name} has a schedule of several lines, [schedule], already",
                try_next="change it there, and give no schedule by an option",
                path=str(path),
            )
    for key, value in (("owner", wishes.owner), ("schedule", wishes.schedule)):
        if value:
            text = _with_key(text, key, value)
    return text.replace("\n", ends) if wishes.owner or wishes.schedule else text


def _with_key(text: str, key: str, value: str) -> str:
    # A text of JSON is one of TOML, too.
    line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    head, table, rest = re.match(r"(?s)(.*?)((?:^|\n)\[|\Z)(.*)", text).groups()  # pyright: ignore[reportOptionalMemberAccess] - matches all
    there = re.compile(rf"^{key}[ \t]*=.*$", re.MULTILINE)
    if there.search(head):
        return there.sub(lambda _: line, head, count=1) + table + rest
    return f"{head.rstrip()}\n{line}\n{table}{rest}".lstrip("\n")


def _files(
    module: Path, reading: Reading, lock: Lock, evidence: Evidence, contract: str, more: Sequence[str]
) -> dict[str, bytes]:
    """What is committed: path from the project's folder -> content."""
    project = project_of(module.parent).folder
    found: dict[str, bytes] = {}

    def add(path: Path, content: bytes | None = None) -> None:
        found[path.relative_to(project).as_posix()] = path.read_bytes() if content is None else content

    for path in (module, *reading.local):
        add(Path(path))
    if contract:
        add(module.with_suffix(".toml"), contract.encode())
    add(lock_path(module), lock.text.encode())
    add(evidence_path(module), evidence.as_text().encode())
    test = module.with_name(f"test_{module.name}")
    add(test)
    data = test.with_name(f"{test.stem}_data")
    for path in sorted(data.rglob("*")) if data.is_dir() else ():
        if path.is_file() and "__pycache__" not in path.parts:
            add(path)
    for name in _OF_PROJECT:
        if (project / name).is_file():
            add(project / name)
    for name in more:
        path = (project / name).resolve()
        for each in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if each.is_file():
                add(each)
    return found


def _at(repository: Repository, folder: Path) -> str:
    """Where a folder is in its repository, to put before a path: empty, or ``analysis/shop/``."""
    place = folder.resolve().relative_to(repository.root.resolve()).as_posix()
    return "" if place == "." else f"{place}/"


def _without_submodules(repository: Repository, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files without those that a submodule has as they are.

    Raises:
        ChangedInSubmodule: a submodule has them otherwise, or not at all.
    """
    there = submodule_files(repository, repository.head, files)
    if other := [path for path, content in there.items() if content != files[path].replace(b"\r\n", b"\n")
                 and content != files[path]]:  # fmt: skip
        raise ChangedInSubmodule(
            f"{', '.join(other)} belongs to a submodule, and is another file in the commit of it that this repository has",
            try_next="commit it in the submodule, git add the submodule here, git commit, and land again",
            files=other,
        )
    return {path: content for path, content in files.items() if path not in there}


def _refuse_secrets(files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        try:
            text = content.decode()
        except UnicodeDecodeError:
            continue
        if path.endswith((".lock", ".proof.json", ".csv", ".json")):
            continue
        found = next(iter(in_text(text)), None)
        if found is not None:
            raise WouldCommitSecret(
                f"{path} holds what looks like a credential ({found.what}); nothing was committed",
                try_next="read it from the environment: [secrets] in the contract names the variables",
                path=path,
            )


def _ours(path: Path, content: bytes) -> bool:
    return not path.exists() or (path.is_file() and path.read_bytes() == content)


def _message(pipeline: Pipeline, evidence: Evidence, lock: Lock) -> str:
    proof = (
        f"Proven equal to {evidence.notebook} in the environment of its lock: {', '.join(evidence.outputs)}."
        if evidence.notebook
        else "Written by hand: its tests passed in the environment of its lock."
    )
    summary = f"\n{pipeline.summary}\n" if pipeline.summary else ""
    return f"Land {pipeline.name}\n{summary}\n{proof}\nPython {lock.python}, {len(lock.versions)} packages.\n"


def _missing(reading: Reading, repository: Repository, top: str, committed: Mapping[str, bytes]) -> Iterator[str]:
    """Files that the pipeline reads by default, and that neither git nor this landing has."""
    written = {output.name for output in reading.pipeline.outputs}
    for parameter in reading.pipeline.parameters:
        # One that is returned under its own name is where a step writes to.
        value = parameter.default if parameter.kind == "file" and parameter.name not in written else None
        for text in re.findall(r"[\"']([^\"']+)[\"']", str(value or "")):
            path = posixpath.normpath(f"{top}{text}")
            there = (reading.pipeline.folder / text).exists() and not Path(text).is_absolute()
            if there and path not in committed and not repository.tracked(path):
                yield text


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    # Where a link leads, and with the same permissions.
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(content)
    if path.exists():
        shutil.copymode(path, beside)
    beside.replace(path)
