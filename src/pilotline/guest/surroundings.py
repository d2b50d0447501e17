"""What the user's interpreter is: its version, its packages, its machine."""

import os
import sys


def answer(request):
    """The answer to a ``probe``: the interpreter and every distribution installed in it."""
    python = interpreter()
    python["packages"] = installed()
    return {"protocol": 1, "python": python, "error": None}


def interpreter():
    """The interpreter, without its packages."""
    import importlib.util

    try:
        ipython = importlib.util.find_spec("IPython") is not None
    except (ImportError, ValueError, AttributeError):
        ipython = False
    return {
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "prefix": sys.prefix,
        "platform": sys.platform,
        "ipython": ipython,
    }


def installed():
    """Name and version of every distribution that can be found."""
    from importlib import metadata

    found = {}
    for distribution in metadata.distributions():
        try:
            name = distribution.metadata["Name"]
            if name and name not in found:
                found[name] = distribution.version
        except Exception:
            continue
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def imported():
    """Name and version of the distributions that the modules loaded by now come from."""
    wanted = _loaded_roots()
    if not wanted:
        return {}
    from importlib import metadata

    found = {}
    for distribution in metadata.distributions():
        try:
            roots = _roots_of(distribution)
            if roots & wanted:
                name = distribution.metadata["Name"]
                if name and name not in found:
                    found[name] = distribution.version
        except Exception:
            continue
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _loaded_roots():
    standard = getattr(sys, "stdlib_module_names", None)
    roots = set()
    for name, module in list(sys.modules.items()):
        root = name.partition(".")[0]
        if root in roots or root.startswith("_") or (standard is not None and root in standard):
            continue
        path = getattr(sys.modules.get(root), "__file__", None) or getattr(module, "__file__", None)
        if isinstance(path, str) and ("site-packages" in path or "dist-packages" in path):
            roots.add(root)
    return roots


def _roots_of(distribution):
    """Top-level modules of a distribution, from its own list or from its files."""
    listed = distribution.read_text("top_level.txt")
    if listed:
        roots = {line.strip().replace(os.sep, "/").partition("/")[0] for line in listed.splitlines() if line.strip()}
        if roots:
            return roots
    record = distribution.read_text("RECORD") or ""
    roots = set()
    for line in record.splitlines():
        first, slash, _ = line.partition("/")
        if slash and not first.endswith((".dist-info", ".data")) and first != "..":
            roots.add(first)
        elif not slash:
            file = line.partition(",")[0]
            if file.endswith((".py", ".so", ".pyd")):
                roots.add(file.partition(".")[0])
    return roots
