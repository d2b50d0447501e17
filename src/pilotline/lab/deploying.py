"""Deploy: make a release of a commit, and tell the factory of it and of its schedules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pilotline.domain.errors import FactoryError, UsageError
from pilotline.domain.schedules import as_stored
from pilotline.factory.committed import committed_files
from pilotline.factory.environments import Environments, Lock, lock_path
from pilotline.factory.git import GitFailed, Repository
from pilotline.factory.gone import left_behind
from pilotline.factory.ledger import Ledger
from pilotline.factory.releases import NoSuchRelease, Release, Released, Releases, pack
from pilotline.factory.scheduling import Schedules, schedules_of
from pilotline.lab.evidence import read_evidence
from pilotline.lift.temporary import temporary_folder
from pilotline.run.nothing import somebody
from pilotline.run.opening import lake_of
from pilotline.run.projects import Project, every_module, project_of
from pilotline.run.reading import read_contract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pilotline.factory.gone import PipelineGone

__all__ = ["Deployed", "deploy"]


class UncommittedChanges(UsageError):
    """What would be deployed is not all committed."""

    code = "PL563"


class NothingToDeploy(FactoryError):
    """No pipeline of the commit has a lock."""

    code = "PL564"


class Namesakes(UsageError):
    """Two pipelines of a release have one name."""

    code = "PL590"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What came of it."""

    release: Release
    new: bool
    #: Pipelines without a lock: they are not in the release.
    without_lock: tuple[str, ...] = ()
    #: Environments that were built here.
    built: tuple[str, ...] = ()
    #: The release that new orders are made from, where its commit builds on the one that was deployed.
    later: Release | None = None
    #: Schedules that were removed, because their pipeline is there no more.
    gone: tuple[PipelineGone, ...] = ()


def deploy(here: Path, progress: Callable[[str], None], *, ref: str = "", build: bool = False) -> Deployed:
    """Make a release of a commit of the project that a folder belongs to.

    New orders are made from it, unless what they are made from now builds on that commit: then it is kept beside.

    Args:
        here: a folder of the project.
        progress: told what is going on.
        ref: the commit; by default the one that is checked out, with nothing changed since.
        build: build the environments here, so that a worker on this machine need not.

    Raises:
        NoRepository: the project is in no git repository.
        UncommittedChanges: files that git knows were changed since the commit.
        NothingToDeploy: no pipeline of it was landed.
        Namesakes: two of its pipelines have one name.
        GitFailed: there is no such commit.
        NotInCommit: files of a submodule or of Git LFS are not here.
        LeadsOut: a symbolic link leads out of the repository.
        BuildFailed: an environment cannot be built.
    """
    project = project_of(here)
    repository = Repository.around(project.folder)
    top = project.folder.resolve().relative_to(repository.root.resolve()).as_posix()
    top = "" if top == "." else top
    changed = () if ref else repository.changed(top or ".")
    if changed:
        raise UncommittedChanges(
            f"{len(changed)} files were changed since the commit: {', '.join(changed[:5])}",
            try_next="git commit them, or name the commit: pilotline deploy --commit HEAD",
            files=list(changed),
        )
    if not ref and repository.head is None:
        raise NothingToDeploy(
            "there is no commit yet", try_next="pilotline land NAME, then merge its branch", commit=None
        )
    commit = repository.maybe("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref or 'HEAD'}^{{commit}}")
    if commit is None:
        raise GitFailed(f"git knows no commit {ref}", try_next="git log --oneline, or git fetch", ref=ref)
    progress("reading the commit")
    files = committed_files(repository, commit, top)
    lake = lake_of(project)
    with temporary_folder("deploy") as folder:
        for path, file in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(file.content)
        # Its name in the catalog is that of the folder it was in, where its settings give it none.
        named = Project(folder=folder, named=project.namespace)
        modules = every_module(folder)
        landed = [module for module in modules if lock_path(module).exists()]
        if not landed:
            raise NothingToDeploy(
                f"no pipeline of commit {commit[:8]} has a lock beside it",
                try_next="pilotline land NAME, then merge its branch",
                commit=commit,
            )
        locks = {module: Lock(text=lock_path(module).read_text(encoding="utf-8")) for module in landed}
        _refuse_namesakes(landed, folder)
        pipelines = tuple(_released(module, folder, locks[module], named) for module in landed)
        built: list[str] = []
        for module, lock in locks.items() if build else ():
            progress(f"building the environment of {module.stem}")
            Environments().python_for(lock)
            built.append(lock.key)
    name = project.namespace
    archive = pack(files)
    identity = hashlib.sha256(f"{name} {commit}".encode()).hexdigest()[:12]
    release = Release(
        id=identity, project=name, commit=commit, ref=repository.branch or ref, archive=f"releases/{name}/{identity}.tar.gz",
        size=len(archive), pipelines=pipelines, author=somebody(), at=datetime.now(UTC),
    )  # fmt: skip
    progress("telling the factory")
    ledger = Ledger(lake.database)
    releases, schedules = Releases(lake.database, lake.storage), Schedules(lake.database, ledger)
    releases.keep(release, archive)
    wanted, known = schedules_of(release), schedules.list()
    there = [module.relative_to(folder).with_suffix("").as_posix() for module in modules]
    gone = left_behind(name, known, list(wanted), [each.name for each in pipelines], there)
    while True:
        before = _current(releases, name)
        # Whoever takes longer than those who deploy what was merged after it must not take the factory back.
        later = before if before and before.commit != commit and repository.within(commit, before.commit) else None
        with lake.database.writing() as tx:
            if releases.current_id(name, within=tx) != (before.id if before else None):
                continue
            new = releases.add(release, current=later is None, within=tx)
            if later is None:
                schedules.put_all(wanted, project=name, within=tx)
                for each in gone:
                    schedules.drop(str(each.facts["schedule"]), within=tx)
        break
    without = tuple(module.stem for module in modules if module not in landed)
    return Deployed(
        release=release,
        new=new,
        without_lock=without,
        built=tuple(built),
        later=later,
        gone=gone if later is None else (),
    )


def _current(releases: Releases, project: str) -> Release | None:
    try:
        return releases.current(project)
    except NoSuchRelease:
        return None


def _refuse_namesakes(modules: Sequence[Path], folder: Path) -> None:
    """Runs, and what they took, are told apart by the pipeline's name alone."""
    by_name: dict[str, list[str]] = {}
    for module in modules:
        by_name.setdefault(module.stem, []).append(module.relative_to(folder).as_posix())
    for name, paths in by_name.items():
        if len(paths) > 1:
            raise Namesakes(
                f"{len(paths)} pipelines of the project are called {name}: {', '.join(paths)}",
                try_next=f"git mv {paths[-1]} to another name, and land it again",
                paths=paths,
            )


def _released(module: Path, folder: Path, lock: Lock, project: Project) -> Released:
    contract = read_contract(module, project)
    evidence = read_evidence(module)
    proof = (
        "by hand" if evidence is None or not evidence.notebook else "proven" if evidence.stands(module) else "edited"
    )
    return Released(
        name=module.stem, module=module.relative_to(folder).as_posix(), lock=lock.key, python=lock.python,
        schedule=contract.schedule, timing=as_stored(contract.timing) if contract.timing else {}, owner=contract.owner,
        terms=contract.terms.as_stored(), proof=proof,
    )  # fmt: skip
