"""What is installed: run as ``python environment.py`` it prints, as JSON, what a fingerprint of an environment needs.

Distributions with their versions, what each requires, which top-level modules each brings, and the folders that say so:
as long as none of these changes, nothing was installed or removed.
"""

import json
import os
import re
import sys
from importlib import metadata

#: Extras that no user's code is helped by.
_FOR_DEVELOPERS = re.compile(
    r"""extra == ["'][^"']*(test|dev|doc|build|lint|typ|all|example|bench|maint|cov|ci|check|ipython|jupyter)""",
    re.IGNORECASE,
)


def main():
    """Print the facts."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = [os.path.abspath(one) for one in sys.path if one and os.path.abspath(one) != here and os.path.isdir(one)]
    versions, requires, modules, optional, direct, conda = {}, {}, {}, {}, {}, []
    packages, owners = _conda(sys.prefix)
    for one in metadata.distributions(path=path):
        try:
            name = _normal(one.metadata["Name"])
            if name in versions:
                continue
            versions[name] = one.version
            requires[name] = sorted(
                {
                    _normal(re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0])
                    for text in one.requires or ()
                    if "extra ==" not in text
                }
            )
            optional[name] = sorted(
                {
                    _normal(re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0])
                    for text in one.requires or ()
                    if "extra ==" in text and not _FOR_DEVELOPERS.search(text)
                }
            )
            owner = owners.get(os.path.basename(str(getattr(one, "_path", ""))))
            # Whatever pip put over it since, it says so itself.
            installer = (one.read_text("INSTALLER") or "").strip()
            if installer == "conda" or (owner and installer in ("", "pip") and _is_of(packages[owner], one.version)):
                # What its recipe was built from lies on conda's own machines.
                conda.append(name)
                if owner:
                    packages[owner]["distributions"].append(name)
            told = json.loads(one.read_text("direct_url.json") or "{}")
            if told and name not in conda:
                direct[name] = told.get("url") or "somewhere"
            for module in _modules(one):
                modules.setdefault(module, []).append(name)
        except Exception:
            continue
    standard = getattr(sys, "stdlib_module_names", None)
    facts = {
        "executable": sys.executable,
        "version": sys.version,
        "short": "%d.%d.%d" % sys.version_info[:3],
        "implementation": sys.implementation.name,
        "prefix": sys.prefix,
        "path": path,
        "standard": sorted(standard) if standard is not None else None,
        "versions": versions,
        "requires": requires,
        "modules": modules,
        "optional": optional,
        "direct": direct,
        "conda": conda,
        "packages": packages,
        "sites": [one for one in path if one.endswith(("site-packages", "dist-packages"))],
    }
    sys.stdout.write(json.dumps(facts))


def _conda(prefix):
    """What conda notes of each package that it installed, and which of them brought a folder of metadata."""
    packages, owners = {}, {}
    notes = os.path.join(prefix, "conda-meta")
    for name in sorted(os.listdir(notes)) if os.path.isdir(notes) else ():
        if not name.endswith(".json"):
            continue
        try:
            with open(os.path.join(notes, name), encoding="utf-8") as file:
                told = json.load(file)
            package = {
                "version": str(told["version"]),
                "channel": str(told.get("channel") or ""),
                "purls": [str(one) for one in told.get("purls") or ()],
                "modules": [],
                "distributions": [],
            }
            files = [str(one) for one in told.get("files") or ()]
            packages[str(told["name"])] = package
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        modules = set()
        for path in files:
            inside = re.search(r"(?:^|/)site-packages/([^/]+)(/)?", path)
            if inside is None:
                continue
            first = inside.group(1)
            if first.endswith((".dist-info", ".egg-info")):
                owners[first] = str(told["name"])
            elif inside.group(2) or first.endswith((".py", ".so", ".pyd")):
                modules.add(first.partition(".")[0])
        package["modules"] = sorted(modules - {"__pycache__"})
    return packages, owners


def _is_of(package, version):
    """Whether a distribution has the version of a package of conda's, but for what conda put behind it."""
    return version == package["version"] or version.startswith(package["version"]) or version == "0.0.0"


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _modules(distribution):
    """Top-level modules of a distribution."""
    found = set()
    for line in (distribution.read_text("top_level.txt") or "").splitlines():
        if line.strip():
            found.add(line.strip().partition("/")[0])
    for line in (distribution.read_text("RECORD") or distribution.read_text("installed-files.txt") or "").splitlines():
        first, slash, _ = line.partition("/")
        if (
            slash
            and not first.endswith((".dist-info", ".data", ".egg-info"))
            and first not in ("..", "__pycache__", "")
        ):
            found.add(first)
        elif not slash and line.partition(",")[0].endswith((".py", ".so", ".pyd")):
            found.add(first.partition(".")[0])
    return found


if __name__ == "__main__":
    main()
