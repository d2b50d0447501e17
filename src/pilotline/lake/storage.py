"""Where the tables' files are: a folder of a disk, or a prefix in an S3 bucket.

Files are written under names that nobody had before, never changed, and removed by the sweep alone; so a request that
is sent again because its answer was lost does no harm, and no lock is needed.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pilotline.lake.errors import NO_ROOM, BadStorage, NoRoom, StorageUnreachable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from pyiceberg.io import FileIO

__all__ = ["LocalStorage", "S3Place", "S3Storage", "Storage", "StoredFile", "s3_place"]

_S3_URL: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])(?P<prefix>(?:/[^/\s]+)*)/?")
#: Seconds until a connection stands, and between two signs of life of a request.
_CONNECT_SECONDS: Final = 10.0
_REQUEST_SECONDS: Final = 30.0
#: Times that a request is sent, with growing pauses between them, before it counts as failed.
_ATTEMPTS = 5
_NO_ANSWER: Final = "does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is there."""

    #: From the root.
    path: str
    #: Bytes.
    size: int
    modified: datetime


class Storage(Protocol):
    """Holds the files of tables."""

    @property
    def root(self) -> str:
        """The folder's path or the prefix's URL, without a slash at its end."""
        ...

    def io(self, former: Sequence[str]) -> FileIO:
        """What pyiceberg opens files with; names that lie under a ``former`` root are found under this one."""
        ...

    def read(self, path: str) -> bytes:
        """The contents of a file, by its path from the root.

        Raises:
            FileNotFoundError: it is not there.
            StorageUnreachable: the storage does not answer, or does not let one in.
        """
        ...

    def write(self, path: str, content: bytes) -> None:
        """Put a file, by its path from the root, whole or not at all; one that is there already is replaced."""
        ...

    def flush(self, location: str) -> None:
        """Have a file, by its full name, where it outlives a loss of power."""
        ...

    def files(self, under: str = "tables") -> Iterator[StoredFile]:
        """All files under a path from the root."""
        ...

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files by their paths from the root; one that is gone already is no error."""
        ...

    def client_settings(self) -> dict[str, str]:
        """How it is reached, in the words of Iceberg's clients; who one is, is not said."""
        ...

    def errors(self) -> Any:
        """A block in which failures of the storage become errors of the lake."""
        ...


class LocalStorage:
    """A folder of a disk.

    Args:
        folder: holds ``tables/``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def root(self) -> str:
        """The folder."""
        return str(self._folder)

    def io(self, former: Sequence[str]) -> FileIO:
        """See ``Storage.io``."""
        return _moved_io(self.root, tuple(former), None)

    def read(self, path: str) -> bytes:
        """See ``Storage.read``."""
        return (self._folder / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        """See ``Storage.write``."""
        target = self._folder / path
        with self.errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
            try:
                beside.write_bytes(content)
                self.flush(str(beside))
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)

    def flush(self, location: str) -> None:
        """See ``Storage.flush``."""
        handle = os.open(location, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def files(self, under: str = "tables") -> Iterator[StoredFile]:
        """See ``Storage.files``."""
        for folder, _, names in os.walk(self._folder / under):
            for name in names:
                path = Path(folder, name)
                try:
                    info = path.lstat()
                except FileNotFoundError:
                    continue
                yield StoredFile(
                    path=path.relative_to(self._folder).as_posix(),
                    size=info.st_size,
                    modified=datetime.fromtimestamp(info.st_mtime, UTC),
                )

    def remove(self, paths: Iterable[str]) -> None:
        """See ``Storage.remove``; folders that are empty then go too."""
        folders: set[Path] = set()
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)
            folders.update((self._folder / path).parents)
        inside = [folder for folder in folders if folder.is_relative_to(self._folder / "tables")]
        for folder in sorted(inside, key=lambda each: len(each.parts), reverse=True):
            try:
                folder.rmdir()
            except OSError:
                continue

    def client_settings(self) -> dict[str, str]:
        """See ``Storage.client_settings``: a path says all."""
        return {}

    @contextmanager
    def errors(self) -> Generator[None]:
        """See ``Storage.errors``: a full disk, or one that may not be written to."""
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise NoRoom(str(error.filename or self._folder), error.strerror or str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """A prefix in a bucket, and whom to ask for it. Who one is, is found as every AWS tool finds it."""

    bucket: str
    prefix: str
    #: None: Amazon's own.
    endpoint: str | None = None
    region: str | None = None

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def s3_place(url: str, *, endpoint: str | None = None, region: str | None = None) -> S3Place:
    """Read ``s3://bucket/prefix``; what is not given is taken from the environment as AWS's own tools do.

    Raises:
        BadStorage: it is no such URL.
    """
    found = _S3_URL.fullmatch(url)
    if found is None:
        raise BadStorage(
            f"{url!r} is no place for tables: it can be s3://bucket/prefix, or a folder where none is named",
            try_next="mend [lake] tables in pilotline.toml",
            url=url,
        )
    variables = os.environ
    return S3Place(
        bucket=found["bucket"],
        prefix=found["prefix"].strip("/"),
        endpoint=endpoint or variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL") or None,
        region=region or variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or None,
    )


class S3Storage:
    """A prefix in an S3 bucket; the bucket must be there.

    Args:
        place: which one.
    """

    def __init__(self, place: S3Place) -> None:
        self.place = place

    @property
    def root(self) -> str:
        """The prefix's URL."""
        return self.place.url

    @cached_property
    def _filesystem(self) -> Any:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

        place = self.place
        region = place.region
        with self.errors():
            if region is None:
                region = "us-east-1" if place.endpoint else resolve_s3_region(place.bucket)
            return S3FileSystem(
                region=region,
                endpoint_override=place.endpoint,
                connect_timeout=_CONNECT_SECONDS,
                request_timeout=_REQUEST_SECONDS,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
                # A small file takes one request, not the three of an upload in parts.
                allow_delayed_open=True,
            )

    def io(self, former: Sequence[str]) -> FileIO:
        """See ``Storage.io``."""
        return _moved_io(self.root, tuple(former), self._filesystem)

    def read(self, path: str) -> bytes:
        """See ``Storage.read``."""
        with self.errors(), self._filesystem.open_input_file(self._key(path)) as file:
            return file.read()

    def write(self, path: str, content: bytes) -> None:
        """See ``Storage.write``."""
        # Left to itself it would compress what is called .gz, once more.
        with self.errors(), self._filesystem.open_output_stream(self._key(path), compression=None) as file:
            file.write(content)

    def flush(self, location: str) -> None:
        """See ``Storage.flush``: what was answered is kept."""

    def files(self, under: str = "tables") -> Iterator[StoredFile]:
        """See ``Storage.files``."""
        from pyarrow.fs import FileSelector, FileType

        chosen = FileSelector(self._key(under), allow_not_found=True, recursive=True)
        with self.errors():
            found: list[Any] = self._filesystem.get_file_info(chosen)
        here = len(self._key("")) + 1 if self.place.prefix else len(self.place.bucket) + 1
        for info in found:
            if info.type == FileType.File:
                yield StoredFile(path=info.path[here:], size=info.size, modified=info.mtime)

    def remove(self, paths: Iterable[str]) -> None:
        """See ``Storage.remove``."""
        for path in paths:
            with self.errors():
                try:
                    self._filesystem.delete_file(self._key(path))
                except FileNotFoundError:
                    continue

    def client_settings(self) -> dict[str, str]:
        """See ``Storage.client_settings``."""
        settings: dict[str, str] = {}
        if self.place.endpoint is not None:
            settings |= {"s3.endpoint": self.place.endpoint, "s3.path-style-access": "true"}
        if self.place.region is not None:
            settings |= {"s3.region": self.place.region, "client.region": self.place.region}
        return settings

    @contextmanager
    def errors(self) -> Generator[None]:
        """See ``Storage.errors``."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            said = str(error)
            if "AWS Error" not in said and "S3" not in said:
                raise
            raise StorageUnreachable(
                f"{self.root} {_what_is_wrong(said)}: {said[:400]}",
                try_next=_what_to_do(said),
                where=self.root,
                endpoint=self.place.endpoint,
                refused=_what_is_wrong(said) != _NO_ANSWER,
            ) from error

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.place.bucket, self.place.prefix, path) if part)


def _what_is_wrong(said: str) -> str:
    if "NO_SUCH_BUCKET" in said or "NoSuchBucket" in said or "Bucket not found" in said:
        return "has no such bucket"
    if any(word in said for word in ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "HTTP response code 403")):  # fmt: skip
        return "does not let you in"
    return _NO_ANSWER


def _what_to_do(said: str) -> str:
    match _what_is_wrong(said):
        case "has no such bucket":
            return "make the bucket, or mend [lake] tables in pilotline.toml"
        case "does not let you in":
            return "see which credentials AWS finds: aws sts get-caller-identity, AWS_PROFILE"
        case _:
            return "try again; or mend [lake] endpoint in pilotline.toml"


def moved(location: str, root: str, former: Sequence[str]) -> str:
    """A file's name where the lake lies now, from the name that it was written under."""
    if location.startswith(root + "/"):
        return location
    for place in former:
        if location.startswith(place + "/"):
            return root + location[len(place) :]
    return location


def _moved_io(root: str, former: tuple[str, ...], s3: Any) -> FileIO:
    from pyiceberg.io.pyarrow import PyArrowFileIO

    class MovedFileIO(PyArrowFileIO):
        """Finds files where the lake is now."""

        def new_input(self, location: str) -> Any:
            return super().new_input(moved(location, root, former))

        def _initialize_s3_fs(self, netloc: str | None) -> Any:
            return s3 if s3 is not None else super()._initialize_s3_fs(netloc)

    return MovedFileIO()
