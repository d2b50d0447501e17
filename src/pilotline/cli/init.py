"""Make this folder a project: settings in pyproject.toml, or in pilotline.toml where there is no such file.

Not needed to lift or to run: those take the folder as it is. It gives the project a name of its own for its tables,
and makes its sub-folders part of it. What is there is never overwritten.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pilotline.cli.errors import AlreadyAProject, BrokenSettings

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from pilotline.cli.terminal import Out

NAME = "init"
HELP = "make this folder a project (lift and run do without it)"

_SETTINGS = """\
{head}# Published tables are named {namespace}.TABLE, unless a pipeline's own contract says otherwise.
namespace = "{namespace}"
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The folder and the namespace."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="this one by default")
    parser.add_argument("--namespace", help="first part of the names of its tables (default: after the folder)")


def run(args: Namespace, out: Out) -> int:
    """Write the settings and the folder of the project's own data.

    Raises:
        AlreadyAProject: it has settings.
        BrokenSettings: its pyproject.toml is not TOML.
        NotWritten: the folder is none, or may not be written to.
    """
    from pilotline.cli.errors import NotWritten
    from pilotline.run.projects import Project

    folder: Path = args.folder.resolve()
    try:
        settings = _settings_file(folder)
        namespace: str = args.namespace or Project(folder=folder).namespace
        _refuse_what_is_no_namespace(namespace)
        _write(folder, settings, namespace)
    except OSError as error:
        raise NotWritten(folder, error) from None
    out.say(f"{folder.name} is a project; its settings are in {settings.name}, its data in .pilotline (not for git).")
    out.say("  next: pilotline lift NOTEBOOK.ipynb")
    out.document({"folder": folder, "settings": settings, "namespace": namespace})
    return 0


def _refuse_what_is_no_namespace(namespace: str) -> None:
    if not namespace.isidentifier():
        raise BrokenSettings(
            f"{namespace!r} cannot be the first part of a table's name: letters, digits and _ only.",
            try_next="pilotline init --namespace " + "".join(sign if sign.isalnum() else "_" for sign in namespace),
        )


def _write(folder: Path, settings: Path, namespace: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _append(settings, namespace)
    own = folder / ".pilotline"
    own.mkdir(exist_ok=True)
    ignored = own / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")


def _settings_file(folder: Path) -> Path:
    own = folder / "pilotline.toml"
    shared = folder / "pyproject.toml"
    if own.exists():
        raise AlreadyAProject(f"{own} is there already; nothing was changed.", try_next=f"edit {own}", settings=own)
    if not shared.exists():
        return own
    try:
        tables = tomllib.loads(shared.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrokenSettings(f"{shared} is not valid TOML: {error}.", try_next=f"edit {shared}") from None
    if "pilotline" in tables.get("tool", {}):
        raise AlreadyAProject(
            f"{shared} has [tool.pilotline] already; nothing was changed.", try_next=f"edit {shared}", settings=shared
        )
    return shared


def _append(settings: Path, namespace: str) -> None:
    before = settings.read_text(encoding="utf-8") if settings.exists() else ""
    head = "[tool.pilotline]\n" if settings.name == "pyproject.toml" else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    after = before + gap + _SETTINGS.format(head=head, namespace=namespace)
    half = settings.with_name(f".{settings.name}.{os.getpid()}")
    half.write_text(after, encoding="utf-8")
    if settings.exists():
        half.chmod(settings.stat().st_mode)
    half.replace(settings)
