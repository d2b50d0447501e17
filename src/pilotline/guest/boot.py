"""The door: ``python -B boot.py REQUEST.json`` in the user's interpreter.

Loads its own folder as a package (it is not installed there), keeps what user code prints off our own streams, does
what the request asks and writes the answer in one move. A missing answer means that the interpreter died.
"""

import importlib
import importlib.util
import json
import os
import sys

PACKAGE = "pilotline_guest"
KINDS = {
    "record": "session",
    "replay": "session",
    "probe": "surroundings",
    "pipeline": "pipeline",
    "compare": "compare",
    "steps": "steps",
}


def main(arguments):
    """Carry out one request, or serve as a warmed process that forks a child for each."""
    with open(arguments[1], encoding="utf-8") as file:
        request = json.load(file)
    if request["kind"] == "warm":
        load_package()
        importlib.import_module(f"{PACKAGE}.warm").serve(request, lambda path: main([arguments[0], path]))
        os._exit(0)
    carry_out(request)


def carry_out(request):
    """Carry out one request; the exit status says only whether an answer was written."""
    _redirect(request)
    load_package()
    kind = request["kind"]
    if kind not in KINDS:
        raise SystemExit(f"no such kind of request: {kind}")
    # Each kind lives in a module of its own, with one function `answer(request) -> dict`.
    module = importlib.import_module(f"{PACKAGE}.{KINDS[kind]}")
    write_answer(request["result"], module.answer(request))
    # User code may have left threads and children behind that would keep the interpreter from ending.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def load_package():
    """Make this folder importable under its own name, whatever is installed in this environment."""
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0] or os.getcwd()) == here:
        # What Python put there is our folder; a notebook finds the modules beside itself.
        sys.path[0] = ""
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


def write_answer(path, answer):
    """Write an answer as JSON so that it is there whole or not at all."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(answer, file, ensure_ascii=True, default=_as_text, skipkeys=True)
    os.replace(temporary, path)


def _as_text(value):
    return f"<{type(value).__name__}>"


def _redirect(request):
    """Send the file descriptors 1 and 2 to the files that the request names, and read nothing from the terminal."""
    for descriptor, key in ((1, "stdout"), (2, "stderr")):
        path = request.get(key)
        if path:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(file, descriptor)
            os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    main(sys.argv)
