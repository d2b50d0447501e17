"""A project: a folder with pipelines, and beside them ``.pilotline`` with the lake and what runs leave behind."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pilotline.domain.errors import did_you_mean
from pilotline.domain.schedules import BadSchedule, span_of
from pilotline.lake.storage import S3Place, s3_place
from pilotline.run.errors import BadSettings, NoPipeline

__all__ = ["FOREVER", "Project", "every_module", "find_module", "project_of"]

#: What a setting says so that nothing is let go.
FOREVER: Final = "forever"

_DEFINES = re.compile(rb"^(?:async )?def pipeline\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with pipelines."""

    folder: Path
    #: Where the tool keeps what it makes, if not in the folder itself: a folder named ``.pilotline``.
    kept: Path | None = None
    #: Its name where the settings give it none, if that is not the folder's.
    named: str = ""

    @property
    def own(self) -> Path:
        """Where the tool keeps what it makes."""
        return self.kept or self.folder / ".pilotline"

    def name_of(self, module: Path) -> str:
        """How orders and schedules name a pipeline: its module's name, or its path in the project where it lies deeper."""
        inside = module.relative_to(self.folder)
        return inside.stem if inside.parent == Path() else inside.as_posix()

    @property
    def store(self) -> Path:
        """Results of steps."""
        return self.own / "store"

    @property
    def runs(self) -> Path:
        """A folder for each run: its requests, events, report."""
        return self.own / "runs"

    @property
    def artifacts(self) -> Path:
        """Models and files that runs published, by content."""
        return self.own / "artifacts"

    @property
    def namespace(self) -> str:
        """Where tables go if no contract says: what the project's settings say, else the folder's name as a name of SQL.

        Raises:
            BadSettings: they cannot be understood.
        """
        said = self._setting("namespace")
        if said is not None or self.named:
            return said or self.named
        word = re.sub(r"\W+", "_", self.folder.name.lower()).strip("_")
        return word if word and not word[0].isdigit() else f"project_{word}".rstrip("_")

    @property
    def database(self) -> str | None:
        """URL of the Postgres database that the catalog is in; None: in a SQLite file of the project's own.

        Raises:
            BadSettings: the settings cannot be understood, or name another kind of database.
        """
        url = os.environ.get("PILOTLINE_DATABASE") or self._setting("database", "lake")
        if url is None:
            return None
        if not url.startswith(("postgresql://", "postgres://")):
            raise BadSettings(
                f"the catalog's database is {url.partition('://')[0]!r}: it can be postgresql://..., or SQLite where none is named",
                try_next="pilotline explain PL308",
            )
        return url

    @property
    def tables(self) -> S3Place | None:
        """Where in S3 the tables' files are; None: in the project's own folder.

        Raises:
            BadSettings: the settings cannot be understood.
            BadStorage: they name another kind of place.
        """
        url = os.environ.get("PILOTLINE_TABLES") or self._setting("tables", "lake")
        if url is None:
            return None
        return s3_place(url, endpoint=self._setting("endpoint", "lake"), region=self._setting("region", "lake"))

    def alert_setting(self, name: str) -> str | None:
        """What ``[alerts]`` in the settings says.

        Raises:
            BadSettings: they cannot be understood.
        """
        return self._setting(name, "alerts")

    def kept_for(self, name: str, default: str) -> timedelta | None:
        """How long something is kept, as ``[factory]`` in the settings says; None: for ever.

        Raises:
            BadSettings: they cannot be understood.
        """
        said = self._setting(name, "factory") or default
        if said == FOREVER:
            return None
        try:
            return timedelta(seconds=span_of(said))
        except BadSchedule:
            raise BadSettings(
                f'{name} is {said!r}: a span is written 12h, 30d, or "{FOREVER}"',
                try_next=f'{name} = "{default}" in [factory]',
                setting=name,
            ) from None

    @property
    def openlineage(self) -> str | None:
        """Where runs are told of as OpenLineage events: ``url`` under ``[openlineage]``.

        Raises:
            BadSettings: the settings cannot be understood.
        """
        return self._setting("url", "openlineage")

    def _setting(self, name: str, *within: str) -> str | None:
        """A setting in ``pilotline.toml``, or in ``[tool.pilotline]`` of ``pyproject.toml``."""
        import tomllib

        for file, table in (("pilotline.toml", ()), ("pyproject.toml", ("tool", "pilotline"))):
            path = self.folder / file
            try:
                settings: Any = tomllib.loads(path.read_text(encoding="utf-8"))
            except OSError:
                continue
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise BadSettings(f"{path} is not TOML: {error}", try_next=f"mend {path}", path=str(path)) from error
            for key in (*table, *within):
                settings = settings.get(key) if isinstance(settings, dict) else None
            value = settings.get(name) if isinstance(settings, dict) else None
            if isinstance(value, str) and (within or value.isidentifier()):
                return value
            if value is not None:
                raise BadSettings(
                    f"{name} in {path} is {value!r}: letters, digits and _ only.",
                    try_next=f'{name} = "shop" in {file}', path=str(path),
                )  # fmt: skip
        return None


def project_of(start: Path) -> Project:
    """The project that a folder belongs to: the nearest folder that has ``.pilotline`` or ``pilotline.toml``, else itself."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / ".pilotline").is_dir() or (folder / "pilotline.toml").is_file():
            return Project(folder=folder)
    return Project(folder=here)


def find_module(asked: str | None, here: Path) -> Path:
    """The module to run: a path, a name, or the only one in the folder.

    Raises:
        NoPipeline: there is none, or there are several and none was named.
    """
    found = _modules(here)
    if asked is None:
        if len(found) == 1:
            return found[0]
        if not found:
            raise NoPipeline(
                f"no module in {here} has a function `pipeline`",
                try_next="pilotline lift NOTEBOOK, or write one: pilotline explain PL301",
                folder=str(here),
            )
        names = [path.stem for path in found]
        raise NoPipeline(
            f"there are several pipelines here: {', '.join(names)}",
            try_next=f"pilotline run {names[0]}",
            pipelines=names,
        )
    for candidate in (here / asked, here / f"{asked}.py"):
        # What is too long for a name is none.
        with suppress(OSError):
            if candidate.is_file():
                return candidate.resolve()
    names = [path.stem for path in found]
    raise NoPipeline(
        f"there is no pipeline {asked!r} here.{did_you_mean(asked, names)}",
        try_next=f"pilotline run {names[0]}" if names else "pilotline lift NOTEBOOK",
        asked=asked,
        pipelines=names,
    )


def every_module(folder: Path) -> tuple[Path, ...]:
    """The modules that define a pipeline, in a folder and in those below it that are the project's own."""
    found: list[Path] = []
    for place, folders, _ in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__")) and not (Path(place) / name / "pyvenv.cfg").is_file()
        )
        found += _modules(Path(place))
    return tuple(found)


def _modules(folder: Path) -> list[Path]:
    """The modules of a folder that define ``pipeline``."""
    found: list[Path] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    for entry in entries:
        if entry.name.endswith(".py") and not entry.name.startswith("test_") and entry.is_file():
            path = Path(entry.path)
            # What may not be read can be no pipeline of whoever asks.
            with suppress(OSError):
                if _DEFINES.search(path.read_bytes()):
                    found.append(path.resolve())
    return found
