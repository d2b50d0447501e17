"""Files that let a project's CI check a change with Pilotline, and make a release of what is merged.

Which ones is told by what the project uses already. Each carries a sum of itself, so that a file which somebody has
edited since is known, and never written over.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never

from pilotline import __version__
from pilotline.domain.errors import FactoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["KINDS", "EditedFile", "Kind", "files_for", "kinds_of", "write_files"]

Kind: TypeAlias = Literal["github", "jenkins", "circleci", "docker"]
KINDS: Final[tuple[Kind, ...]] = ("github", "jenkins", "circleci", "docker")

_TOOL: Final = f"pilotline[tool,postgres]=={__version__}"
_WRITTEN: Final = re.compile(r"^(?:#|//) Written by `pilotline ci --write`, sum ([0-9a-f]{12});")
#: What Pilotline itself is told by: where the catalog and the tables of production are.
_OURS: Final = ("PILOTLINE_DATABASE", "PILOTLINE_TABLES")
_OF_S3: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class EditedFile(FactoryError):
    """A file for CI is there already and was edited, or somebody else wrote it."""

    code = "PL570"


def kinds_of(folder: Path) -> tuple[Kind, ...]:
    """What a project uses already: GitHub where nothing says."""
    found: list[Kind] = []
    if (folder / ".github").is_dir() or "github" in _git(folder, "remote", "--verbose"):
        found.append("github")
    if (folder / "Jenkinsfile").is_file():
        found.append("jenkins")
    if (folder / ".circleci").is_dir():
        found.append("circleci")
    return (*(found or ["github"]), "docker")


def files_for(folder: Path, *, kinds: Iterable[Kind] | None = None) -> Mapping[str, str]:
    """The files for CI: path within the folder -> text.

    A Jenkinsfile or a CircleCI configuration that is there already is somebody's own: then the file is another one beside
    it, for a job of its own.

    Args:
        folder: of the project.
        kinds: which; by default what the project uses, and a Dockerfile.
    """
    variables = tuple(_variables(folder))
    install = _environment(folder)
    branch = _main_branch(folder)
    within = (folder / ".gitmodules").is_file()
    fetched = " && ".join(
        each for each in ("git submodule update --init --recursive" if within else "", install) if each
    )
    files: dict[str, str] = {}
    for kind in kinds if kinds is not None else kinds_of(folder):
        match kind:
            case "github":
                files[".github/workflows/pilotline.yml"] = _signed(
                    _github(branch, install, variables, submodules=within)
                )
            case "jenkins":
                path = _own(folder, "Jenkinsfile", "Jenkinsfile.pilotline")
                files[path] = _signed(_jenkins(branch, fetched, variables), comment="//")
            case "circleci":
                path = _own(folder, ".circleci/config.yml", ".circleci/pilotline.yml")
                files[path] = _signed(_circleci(branch, fetched))
            case "docker":
                files[_own(folder, "Dockerfile", "Dockerfile.pilotline")] = _signed(_docker(install))
                if not (folder / ".dockerignore").exists() or _is_ours(folder / ".dockerignore"):
                    files[".dockerignore"] = _signed(".git\n.pilotline\n**/.venv\n**/__pycache__\n")
            case _:
                assert_never(kind)
    return files


def write_files(folder: Path, files: Mapping[str, str], *, force: bool = False) -> tuple[str, ...]:
    """Write files for CI, all or none, and give the paths of those that are new or changed.

    Args:
        folder: of the project.
        files: path -> text, from ``files_for``.
        force: write over what was edited.

    Raises:
        EditedFile: one was edited since it was written, or somebody else wrote it; nothing was written.
    """
    changed = {path: text for path, text in files.items() if _text(folder / path) != text}
    edited = [path for path in changed if (folder / path).exists() and not _is_ours(folder / path)]
    if edited and not force:
        raise EditedFile(
            f"{', '.join(edited)} {'is' if len(edited) == 1 else 'are'} there and edited by hand; nothing was written",
            try_next="pilotline ci --write --force   (to write over it)",
            files=edited,
        )
    for path, text in changed.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    return tuple(changed)


# -- what the project is like ------------------------------------------------------------------------------------------


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _main_branch(folder: Path) -> str:
    told = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").rpartition("/")[2]
    return told if re.fullmatch(r"[\w.-]+", told) else "main"


def _environment(folder: Path) -> str:
    """The command that makes the environment of the steps as it is locked.

    Empty where nothing says what is in it, and where all pipelines have locks of their own, whose environments are built
    when they are checked.
    """
    from pilotline.factory.environments import lock_path
    from pilotline.run.projects import every_module

    modules = every_module(folder)
    if modules and all(lock_path(module).is_file() for module in modules):
        return ""
    if (folder / "uv.lock").is_file():
        return "uv sync --frozen"
    if (folder / "requirements.txt").is_file():
        return "uv venv && uv pip install -r requirements.txt"
    if (folder / "pyproject.toml").is_file():
        return "uv sync"
    return ""


def _variables(folder: Path) -> Iterator[str]:
    """The environment variables that a check needs: Pilotline's, the store's, and the credentials in the contracts."""
    from pilotline.run.projects import every_module, project_of
    from pilotline.run.reading import read_contract

    project = project_of(folder)
    yield from _OURS
    if project.tables is not None:
        yield from _OF_S3
    yield from sorted({name for module in every_module(folder) for name in read_contract(module, project).secrets})


def _own(folder: Path, usual: str, other: str) -> str:
    return other if (folder / usual).exists() and not _WRITTEN.match(_text(folder / usual) or "") else usual


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _signed(body: str, *, comment: str = "#") -> str:
    said = "edit it as you like, it is then not written over."
    return f"{comment} Written by `pilotline ci --write`, sum {_sum(body)}; {said}\n{body}"


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def _is_ours(path: Path) -> bool:
    """Whether a file is as it was written."""
    first, _, body = (_text(path) or "").partition("\n")
    found = _WRITTEN.match(first)
    return found is not None and found[1] == _sum(body)


# -- the files ---------------------------------------------------------------------------------------------------------


def _github(branch: str, install: str, variables: Iterable[str], *, submodules: bool) -> str:
    with_them = ", submodules: recursive" if submodules else ""
    secrets = "\n".join(f"  {name}: ${{{{ secrets.{name} }}}}" for name in variables)
    environment = f"\n      - run: {install}" if install else ""
    request = "github.event_name == 'pull_request'"
    return f"""\
name: pilotline
on:
  pull_request:
  push:
    branches: [{branch}]
permissions:
  contents: read
  pull-requests: write
env:
{secrets}
jobs:
  pilotline:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {{fetch-depth: 0, persist-credentials: false{with_them}}}
      - uses: astral-sh/setup-uv@v6
      - run: uv tool install '{_TOOL}'{environment}
      - if: {request}
        run: pilotline ci --base "origin/$GITHUB_BASE_REF" --markdown pilotline.md --html pilotline.html
      - if: ${{{{ always() && {request} && hashFiles('pilotline.md') != '' }}}}
        run: gh pr comment "$NUMBER" --body-file pilotline.md --edit-last --create-if-none
        env: {{GH_TOKEN: "${{{{ github.token }}}}", NUMBER: "${{{{ github.event.number }}}}"}}
      - if: ${{{{ always() && {request} && hashFiles('pilotline.html') != '' }}}}
        uses: actions/upload-artifact@v4
        with: {{name: pilotline, path: pilotline.html}}
      - if: github.event_name == 'push'
        run: pilotline deploy
"""


def _jenkins(branch: str, install: str, variables: Iterable[str]) -> str:
    secrets = "\n".join(f"        {name} = credentials('{name}')" for name in variables)
    environment = f"\n                sh '{install}'" if install else ""
    return f"""\
pipeline {{
    agent any
    environment {{
        PATH = "${{env.HOME}}/.local/bin:${{env.PATH}}"
{secrets}
    }}
    stages {{
        stage('install') {{
            steps {{
                sh 'curl -LsSf https://astral.sh/uv/install.sh | sh'
                sh "uv tool install '{_TOOL}'"{environment}
            }}
        }}
        stage('check') {{
            when {{ changeRequest() }}
            steps {{ sh 'pilotline ci --base "origin/$CHANGE_TARGET" --markdown pilotline.md --html pilotline.html' }}
            post {{ always {{ archiveArtifacts artifacts: 'pilotline.*', allowEmptyArchive: true }} }}
        }}
        stage('deploy') {{
            when {{ branch '{branch}' }}
            steps {{ sh 'pilotline deploy' }}
        }}
    }}
}}
"""


def _circleci(branch: str, install: str) -> str:
    environment = f"\n      - run: {install}" if install else ""
    return f"""\
version: 2.1
commands:
  install:
    steps:
      - checkout
      - run: curl -LsSf https://astral.sh/uv/install.sh | sh && echo 'PATH="$HOME/.local/bin:$PATH"' >> "$BASH_ENV"
      - run: uv tool install '{_TOOL}'{environment}
jobs:
  check:
    docker: [{{image: "cimg/python:3.12"}}]
    steps:
      - install
      - run: mkdir -p out && pilotline ci --base origin/{branch} --markdown out/pilotline.md --html out/pilotline.html
      - store_artifacts: {{path: out}}
  deploy:
    docker: [{{image: "cimg/python:3.12"}}]
    steps: [install, {{run: pilotline deploy}}]
workflows:
  pilotline:
    jobs:
      - check: {{filters: {{branches: {{ignore: {branch}}}}}}}
      - deploy: {{filters: {{branches: {{only: {branch}}}}}}}
"""


def _docker(install: str) -> str:
    environment = f"\nRUN {install}" if install else ""
    return f"""\
FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim
ENV UV_TOOL_BIN_DIR=/usr/local/bin UV_TOOL_DIR=/opt/tools UV_LINK_MODE=copy
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN uv tool install '{_TOOL}'
RUN useradd --create-home pilotline
USER pilotline
WORKDIR /home/pilotline/project
COPY --chown=pilotline . .{environment}
ENTRYPOINT ["pilotline"]
CMD ["ci"]
"""
