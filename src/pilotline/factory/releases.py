"""Releases: a commit of a project with the locks of its pipelines, kept where every worker can read it.

The files of a release are one archive in the lake's storage, so a worker needs no git and no access to a repository. It is
unpacked once on each machine, and never changed. An order that waits is pinned to its release: a newer one does not change
what it will do.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pilotline.domain.errors import UsageError, did_you_mean
from pilotline.factory.environments import Environments, Lock, alone
from pilotline.factory.errors import DamagedRelease
from pilotline.factory.fulfilling import open_folder
from pilotline.lake.database import named_statements
from pilotline.run.opening import open_pipeline
from pilotline.run.projects import Project

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pilotline.domain.orders import Order
    from pilotline.factory.committed import File
    from pilotline.factory.fulfilling import Opening
    from pilotline.lake.catalog import Transaction
    from pilotline.lake.database import Database
    from pilotline.lake.storage import Storage
    from pilotline.run.opening import Opened

__all__ = ["NoSuchRelease", "Release", "Released", "Releases", "open_released", "opening_for", "pack"]

_SQL: Final = Path(__file__).parent / "sql"
SQL: Final = named_statements(_SQL / "releases.sql")
MIGRATIONS: Final = (_SQL / "releases_001.sql",)
_MARKER: Final = ".pilotline-release"


class NoSuchRelease(UsageError):
    """No release of that id, or none of that project."""

    code = "PL561"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One pipeline of a release."""

    name: str
    #: Path of its module, from the project's folder.
    module: str
    #: The key of its lock, and the version of Python that it is for.
    lock: str
    python: str
    schedule: str = ""
    #: The schedule as a table of words; empty where there is none.
    timing: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: str = ""
    #: How its orders are queued; what is not said is as by default.
    terms: Mapping[str, Any] = field(default_factory=dict[str, Any])
    summary: str = ""
    #: proven: a proof stands. edited: it was changed since. by hand: there is no notebook.
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A commit of a project, as the factory runs it."""

    id: str
    project: str
    commit: str
    ref: str
    archive: str
    size: int
    pipelines: tuple[Released, ...]
    author: str
    at: datetime

    def pipeline(self, name: str) -> Released:
        """One of its pipelines.

        Raises:
            NoSuchRelease: it has none of that name.
        """
        for each in self.pipelines:
            if each.name == name:
                return each
        names = [each.name for each in self.pipelines]
        raise NoSuchRelease(
            f"release {self.id} of {self.project} has no pipeline {name!r}.{did_you_mean(name, names)}",
            try_next="pilotline releases",
            release=self.id,
            pipelines=names,
        )


class Releases:
    """The releases that a factory knows.

    Args:
        database: the lake's.
        storage: the lake's, for the archives.
    """

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage
        database.register("releases", MIGRATIONS)

    def keep(self, release: Release, archive: bytes) -> None:
        """Put the files of a release, as ``pack`` makes them, where every worker can read them."""
        self._storage.write(release.archive, archive)

    def add(self, release: Release, *, within: Transaction, current: bool = True) -> bool:
        """Note a release whose files are kept, and make it the one that new orders of its project are made from.

        Args:
            release: what it is; one of the same id is the same.
            current: whether new orders are made from it.
            within: an open transaction of the same database.

        Returns:
            Whether it is new.
        """
        at = release.at.astimezone(UTC).isoformat()
        facts = {"project": release.project, "author": release.author}
        rows = within.execute(
            SQL["add_release"], id=release.id, commit_id=release.commit, ref=release.ref, archive=release.archive,
            size=release.size, pipelines=json.dumps([asdict(each) for each in release.pipelines]), at=at, **facts,
        )  # fmt: skip
        if current:
            within.execute(SQL["make_current"], release_id=release.id, since=at, **facts)
        return bool(rows)

    def current_id(self, project: str, *, within: Transaction) -> str | None:
        """The id of the release that new orders of a project are made from, as an open transaction sees it."""
        rows = within.execute(SQL["current_id"], project=project)
        return str(rows[0][0]) if rows else None

    def use(self, release: Release, *, author: str, within: Transaction) -> None:
        """Make an earlier release the one that new orders are made from."""
        within.execute(
            SQL["make_current"], project=release.project, release_id=release.id, author=author,
            since=datetime.now(UTC).isoformat(),
        )  # fmt: skip

    def release(self, id: str) -> Release:  # noqa: A002 - the word of the trade
        """One release.

        Raises:
            NoSuchRelease: there is none of that id.
        """
        with self._database.reading() as tx:
            rows = tx.execute(SQL["release_by_id"], id=id)
        if not rows:
            raise NoSuchRelease(f"there is no release {id!r}", try_next="pilotline releases", release=id)
        return _release(rows[0])

    def current(self, project: str) -> Release:
        """The release of a project that new orders are made from.

        Raises:
            NoSuchRelease: the project was never deployed.
        """
        with self._database.reading() as tx:
            rows = tx.execute(SQL["current_release"], project=project)
        if not rows:
            raise NoSuchRelease(f"{project} was never deployed", try_next="pilotline deploy", project=project)
        return _release(rows[0])

    def list(self, project: str = "", *, most: int = 20) -> tuple[tuple[Release, bool], ...]:
        """Releases, the newest first, and whether each is the current one of its project."""
        with self._database.reading() as tx:
            return tuple(
                (_release(row), bool(row[9])) for row in tx.execute(SQL["list_releases"], project=project, most=most)
            )

    def unpack(self, release: Release, places: Path) -> Path:
        """The folder with a release's files on this machine; whoever comes while it is unpacked waits.

        Raises:
            DamagedRelease: its archive is not there, or is not what was put there.
            StorageUnreachable: the storage does not answer; it may a moment later.
        """
        place = places / f"{release.project}-{release.id}"
        if (place / _MARKER).exists():
            return place
        places.mkdir(parents=True, exist_ok=True)
        with alone(places / f".{place.name}.unpacking"):
            if not (place / _MARKER).exists():
                shutil.rmtree(place, ignore_errors=True)
                with self._whole(release) as archive:
                    archive.extractall(place, filter="data")
                (place / _MARKER).write_text(release.id, encoding="utf-8")
        return place

    @contextmanager
    def _whole(self, release: Release) -> Generator[tarfile.TarFile]:
        """The archive of a release, all of whose bytes are what was put there.

        A storage that does not answer is no damage: what it raises goes on as it is, and the order is tried again.
        """
        try:
            packed = self._storage.read(release.archive)
        except FileNotFoundError as error:
            raise _damaged(release, "they are not there") from error
        try:
            # To its end, where the sum of its content stands.
            files = io.BytesIO(gzip.decompress(packed))
            with tarfile.open(fileobj=files, mode="r:") as archive:
                yield archive
        except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError) as error:
            raise _damaged(release, str(error)) from error


def _damaged(release: Release, why: str) -> DamagedRelease:
    return DamagedRelease(
        f"the files of release {release.id} of {release.project} cannot be read: {why}",
        try_next=f"pilotline deploy --commit {release.commit}",
        release=release.id,
        archive=release.archive,
    )


def open_released(releases: Releases, id: str, pipeline: str, kept: Path) -> Opened:  # noqa: A002 - the word of the trade
    """Open a pipeline of a release: its files, in the environment of its lock, which is built where it is not there.

    Args:
        releases: that know it.
        id: of the release.
        pipeline: its name.
        kept: the folder ``.pilotline`` of this worker, for what runs leave behind.

    Raises:
        NoSuchRelease: there is no such release, or it has no such pipeline.
        DamagedRelease: its files cannot be read.
        StorageUnreachable: the storage does not answer.
        BuildFailed: its environment cannot be built.
    """
    release = releases.release(id)
    released = release.pipeline(pipeline)
    folder = releases.unpack(release, kept / "releases")
    lock = Lock(text=(folder / released.module).with_suffix(".lock").read_text(encoding="utf-8"))
    python = Environments().python_for(lock)
    # Tables go where they went when it was deployed, whatever the folder here is called.
    project = Project(folder=folder, kept=kept, named=release.project)
    return open_pipeline(str(folder / released.module), folder, python=str(python), project=project)


def opening_for(releases: Releases, kept: Path) -> Opening:
    """How a worker opens orders: from their release where they have one, else from the project's folder.

    Args:
        releases: that know it.
        kept: the folder ``.pilotline`` of this worker.
    """

    def opened(order: Order) -> Opened:
        if order.ask.release:
            return open_released(releases, order.ask.release, order.ask.pipeline, kept)
        return open_folder(order)

    return opened


def pack(files: Mapping[str, File]) -> bytes:
    """An archive of files, the same bytes for the same files."""
    held = io.BytesIO()
    with gzip.GzipFile(fileobj=held, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path].content)
            member.mode = 0o755 if files[path].executable else 0o644
            archive.addfile(member, io.BytesIO(files[path].content))
    return held.getvalue()


def _release(row: Sequence[Any]) -> Release:
    return Release(
        id=row[0], project=row[1], commit=row[2], ref=row[3], archive=row[4], size=row[5],
        pipelines=tuple(map(_released, json.loads(row[6]))), author=row[7], at=datetime.fromisoformat(row[8]),
    )  # fmt: skip


def _released(raw: Mapping[str, Any]) -> Released:
    """A newer version may have written more of a pipeline than this one knows."""
    known = {each.name for each in fields(Released)}
    return Released(**{name: value for name, value in raw.items() if name in known})
