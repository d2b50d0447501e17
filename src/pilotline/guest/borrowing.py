"""Borrow a function of the tool's package in the project's interpreter, where that can run it.

The package lies where the tool is installed, beside libraries of other versions than the project's, so that place is
never put on the path: the package alone is loaded from there. It needs Python 3.11, and pandas and pyarrow of the project.
"""

import importlib
import importlib.util
import os
import sys

_borrowed = {}
#: The modules of the package: named, for a step that looks through a folder cannot be reused.
_FRAMES = ("coerce", "decoding", "encoding", "restore", "streams", "values")


def borrow(house, module, attribute):
    """A function of the tool's, or None where this interpreter cannot run it.

    Args:
        house: folder of the tool's package.
        module: dotted name in it.
        attribute: of that module.
    """
    if (module, attribute) not in _borrowed:
        _borrowed[module, attribute] = _loaded(house, module, attribute)
    return _borrowed[module, attribute]


def _loaded(house, module, attribute):
    if not house or sys.version_info < (3, 11):
        return None
    if importlib.util.find_spec("pyarrow") is None or importlib.util.find_spec("pandas") is None:
        return None
    # The project may have a Pilotline of its own, of another version: it is put aside meanwhile.
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "pilotline"}
    try:
        importlib.import_module("pyarrow")
        spec = importlib.util.spec_from_file_location(
            "pilotline", os.path.join(house, "__init__.py"), submodule_search_locations=[house]
        )
        package = importlib.util.module_from_spec(spec)
        sys.modules["pilotline"] = package
        spec.loader.exec_module(package)
        # What these import later, inside their functions, must be there then.
        for name in _FRAMES:
            importlib.import_module("pilotline.lake.frames." + name)
        importlib.import_module("pilotline.lake.errors")
        return getattr(importlib.import_module(module), attribute)
    except Exception:
        return None
    finally:
        if aside:
            for name in [name for name in sys.modules if name.partition(".")[0] == "pilotline"]:
                del sys.modules[name]
            sys.modules.update(aside)
