"""What a project's own files say that it needs: conda's ``environment.yml``, and the block of a script (PEP 723).

They say what somebody asked for, and hardly ever which versions that gave. So what was installed when the notebook ran is
what counts; from the files come the channels, what was meant by it, and a way to an environment where there is none.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pilotline.domain.errors import UsageError
from pilotline.factory.environments import BuildFailed, called, uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pilotline.run.environment import Environment

__all__ = ["BadDeclaration", "Declared", "build_from_script", "declared_for", "script_block"]

Kind: TypeAlias = Literal["conda", "script"]

_CONDA_FILES: Final = ("environment.yml", "environment.yaml")
#: As PEP 723 gives it.
_BLOCK: Final = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
#: ``conda-forge::pandas[version='>=2']``, ``pandas=2.1=py311_0``, ``pandas >=2,<3``.
_MATCH: Final = re.compile(r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<rest>.*)")


class BadDeclaration(UsageError):
    """A file that says what a project needs cannot be understood."""

    code = "PL574"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What one file asks for."""

    kind: Kind
    #: Its name.
    file: str
    #: What is asked of Python: ``>=3.11``, ``3.11``; empty where nothing is.
    python: str = ""
    #: What is asked of conda, in its words.
    conda: tuple[str, ...] = ()
    #: What is asked of a package index, in the words of PEP 508.
    index: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    #: Of conda's environment.
    name: str = ""

    @property
    def said(self) -> str:
        """It in a line: ``environment.yml (conda-forge): python 3.11, pandas=2.1``."""
        channels = f" ({', '.join(self.channels)})" if self.channels else ""
        parts = [f"python {self.python}"] if self.python else []
        return f"{self.file}{channels}: {', '.join([*parts, *self.conda, *self.index]) or 'nothing'}"

    def names(self) -> tuple[str, ...]:
        """The distributions that are asked of a package index."""
        return tuple(name for name, *_ in self._of_index())

    def unmet(self, environment: Environment) -> tuple[str, ...]:
        """What is installed otherwise than it is asked for, a sentence each."""
        found: list[str] = []
        version = re.search(r"\d+\.\d+\.\d+", environment.version)
        if self.python and version and not _allows(_python_specifier(self.python), version[0]):
            found.append(f"python {self.python} is asked for, and {version[0]} is there")
        by_conda = {name: package.version for name, package in environment.packages.items()}
        for text in self.conda:
            name, specifier = _conda_request(text)
            there = by_conda.get(name) or environment.versions.get(name)
            if there is None and by_conda:
                found.append(f"{text} is asked for, and is not there")
            elif there is not None and not _allows(specifier, there):
                found.append(f"{text} is asked for, and {there} is there")
        for name, specifier, text in self._of_index():
            there = environment.versions.get(name)
            if there is None:
                found.append(f"{text} is asked for, and is not there")
            elif not _allows(specifier, there):
                found.append(f"{text} is asked for, and {there} is there")
        return tuple(found)

    def _of_index(self) -> Iterator[tuple[str, str, str]]:
        from packaging.requirements import InvalidRequirement, Requirement

        for text in self.index:
            try:
                one = Requirement(text)
            except InvalidRequirement:
                # A path: nothing that could be compared.
                continue
            if one.marker is None or one.marker.evaluate():
                yield re.sub(r"[-_.]+", "-", one.name).lower(), str(one.specifier), text


def declared_for(notebook: Path, project: Path) -> Declared | None:
    """What is asked for beside a notebook: by its own block, else by conda's file in its folder or above, in the project.

    Raises:
        BadDeclaration: it cannot be understood.
    """
    if (block := script_block(notebook)) is not None:
        return _of_block(notebook.name, block)
    folder = notebook.parent.resolve()
    for place in (folder, *folder.parents):
        for name in _CONDA_FILES:
            if (place / name).is_file():
                return _of_conda(place / name)
        if place == project.resolve() or not place.is_relative_to(project.resolve()):
            break
    return None


def script_block(notebook: Path) -> str | None:
    """The block in which a notebook says what it needs, as PEP 723 has it, ``# /// script`` and all; None without one.

    Raises:
        BadDeclaration: there are two.
    """
    try:
        text = notebook.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    texts = list(_cells(text)) if notebook.suffix == ".ipynb" else [text.replace("\r\n", "\n")]
    found = [one[0] for each in texts for one in _BLOCK.finditer(each) if one["type"] == "script"]
    if len(found) > 1:
        raise BadDeclaration(
            f"{notebook.name} says twice what it needs: there are {len(found)} blocks `# /// script`",
            try_next="leave one of them",
            path=str(notebook),
        )
    return found[0] if found else None


def build_from_script(notebook: Path, kept: Path) -> Path:
    """The interpreter of an environment that uv builds from the block of a notebook, and keeps.

    Args:
        notebook: that has one.
        kept: a folder for a script of the block alone, where the notebook is no script itself.

    Raises:
        BuildFailed: uv cannot build it.
        BadDeclaration: there is no block that can be understood.
        NoUv: there is no uv.
    """
    block = script_block(notebook) or ""
    _of_block(notebook.name, block)
    script = notebook
    if notebook.suffix == ".ipynb":
        kept.mkdir(parents=True, exist_ok=True)
        script = kept / f"{notebook.stem}-{hashlib.sha256(str(notebook.resolve()).encode()).hexdigest()[:8]}.py"
        script.write_text(f"{block}\n", encoding="utf-8")
    for words in (("sync", "--quiet", "--script"), ("python", "find", "--script")):
        done = uv(*words, str(script.resolve()))
        if done.returncode:
            raise BuildFailed(
                f"uv cannot build the environment that {notebook.name} asks for\n{called(done.stderr)}",
                try_next="mend its block `# /// script`, or name an interpreter with --python",
                path=str(notebook),
            )
    return Path(done.stdout.strip())


# -- reading -----------------------------------------------------------------------------------------------------------


def _cells(text: str) -> Iterator[str]:
    try:
        raw: Any = json.loads(text)
        cells: list[Any] = raw["cells"]
    except (ValueError, KeyError, TypeError):
        return
    for cell in cells:
        if isinstance(cell, dict):
            source: Any = cast("dict[str, Any]", cell).get("source") or ""
            yield "".join(cast("list[str]", source)) if isinstance(source, list) else str(source)


def _of_block(file: str, block: str) -> Declared:
    lines = block.splitlines()[1:-1]
    content = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    try:
        facts = tomllib.loads(content)
        asked, python = facts.get("dependencies", []), facts.get("requires-python", "")
        if not isinstance(asked, list) or not isinstance(python, str):
            raise ValueError("dependencies is a list, requires-python a text")  # noqa: TRY301, TRY004 - said below, as one
        index = _plain(cast("list[Any]", asked))
    except ValueError as error:
        raise _bad(file, str(error)) from error
    return Declared(kind="script", file=file, python=python, index=index)


def _of_conda(path: Path) -> Declared:
    import yaml

    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(path.name, str(error)) from error
    if not isinstance(raw, dict):
        raise _bad(path.name, "it is no mapping of name, channels and dependencies")
    facts = cast("dict[str, Any]", raw)
    asked: Any = facts.get("dependencies") or []
    channels: Any = facts.get("channels") or []
    if not isinstance(asked, list) or not isinstance(channels, list):
        raise _bad(path.name, "dependencies and channels are lists")
    conda: list[str] = []
    index: list[str] = []
    python = ""
    for one in cast("list[Any]", asked):
        if isinstance(one, dict):
            under: Any = cast("dict[str, Any]", one).get("pip") or []
            index += _plain(cast("list[Any]", under)) if isinstance(under, list) else ()
        elif isinstance(one, str) and (found := _MATCH.fullmatch(one.strip())):
            if found["name"].lower() == "python":
                python = found["rest"].lstrip("=").strip()
            elif found["name"].lower() != "pip":
                conda.append(one.strip())
        else:
            raise _bad(path.name, f"{one!r} names no package")
    return Declared(
        kind="conda", file=path.name, python=python, conda=tuple(conda), index=tuple(index),
        channels=tuple(str(one).rstrip("/").rpartition("/")[2] for one in cast("list[Any]", channels)), name=str(facts.get("name") or ""),
    )  # fmt: skip


def _plain(asked: list[Any]) -> tuple[str, ...]:
    """Requests without options of pip's and addresses, which may hold a credential; what is kept here is shown and committed."""
    return tuple(str(one) for one in asked if not str(one).startswith("-") and "://" not in str(one))


def _bad(file: str, why: str) -> BadDeclaration:
    return BadDeclaration(
        f"{file} says what the project needs, and cannot be understood: {why}", try_next=f"mend {file}", path=file
    )


def _conda_request(text: str) -> tuple[str, str]:
    """The name of a package of conda's, and what is asked of its version in the words of PEP 440."""
    found = _MATCH.fullmatch(text)
    if found is None:
        return text, ""
    rest = found["rest"].strip()
    if rest.startswith("["):
        inside = re.search(r"version\s*=\s*['\"]?([^'\",\]]+(?:,[^'\"\]]+)?)", rest)
        rest = inside[1].strip() if inside else ""
    return found["name"].lower(), _specifier(rest)


def _specifier(said: str) -> str:
    """A request of conda's in the words of PEP 440; empty where it asks for nothing, or for what those have no word for."""
    if not said or "|" in said:
        return ""
    parts: list[str] = []
    # A build after a second `=` or after a space says nothing of the version.
    for part in (
        re.sub(r"\s+", " ", said.split(" ", maxsplit=1)[0] if said[0].isdigit() else said).replace(" ", "").split(",")
    ):
        fuzzy = re.fullmatch(r"=(?!=)([^=]+)(?:=.*)?", part)
        exact = re.fullmatch(r"(?:==)?([\d][^=*]*)(?:=.*)?", part)
        starred = re.fullmatch(r"={0,2}([\d][\d.]*?)\.?\*(?:=.*)?", part)
        if starred:
            parts.append(f"=={starred[1]}.*")
        elif fuzzy:
            parts.append(f"=={fuzzy[1]}.*")
        elif exact:
            parts.append(f"=={exact[1]}")
        else:
            parts.append(part)
    return ",".join(parts)


def _python_specifier(said: str) -> str:
    """``3.11`` is any 3.11, as conda's ``python=3.11`` is."""
    return f"=={said}.*" if re.fullmatch(r"\d+(\.\d+)*", said) else _specifier(said)


def _allows(specifier: str, version: str) -> bool:
    """Whether a version is what is asked for; so it is where one of the two cannot be understood."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
