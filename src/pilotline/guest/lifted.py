"""Run a lifted module: as it stands, or step by step, each step in a process of its own.

Isolated, every step runs in a child forked from a process that has imported the module and nothing else; its arguments
are read back from the bytes that earlier steps were stored as. So no step can live on an object that it was not given.
The states of the global random generators go from step to step, in order.
"""

import importlib.util
import os
import pickle
import sys
import time
import traceback

from . import PROTOCOL, describe, outputs, plainform, randomness, surroundings, watch_random
from .fence import Fence, Stopped
from .flow import FlowError, read_flow
from .places import Places


def answer(request):
    """Carry out a ``pipeline`` request."""
    outputs.take_over()
    began = time.perf_counter()
    result = {"protocol": PROTOCOL, "error": None, "outputs": [], "steps": []}
    try:
        run = _Run(request)
        run.prepare()
        result["steps"], result["outputs"] = run.isolated() if request["mode"] == "isolated" else run.plain()
    except StepFailed as error:
        result["error"] = error.facts
    except FlowError as error:
        result["error"] = {
            "code": "PL140",
            "type": "FlowError",
            "message": str(error),
            "line": error.line,
            "step": None,
        }
    except BaseException as error:
        result["error"] = _facts(error, None)
    result["seconds"] = time.perf_counter() - began
    result["python"] = dict(surroundings.interpreter(), packages=surroundings.imported())
    outputs.flush()
    return result


class StepFailed(Exception):
    """A step raised, or cannot be isolated."""

    def __init__(self, facts):
        super().__init__(facts["message"])
        self.facts = facts


class _Run:
    def __init__(self, request):
        self.request = request
        self.path = request["module"]
        self.values = request["values"]
        with open(self.path, encoding="utf-8") as file:
            self.source = file.read()
        self.name = os.path.splitext(os.path.basename(self.path))[0]
        self.own = ("__main__", self.name)

    def prepare(self):
        """Seed, fence, import."""
        request = self.request
        os.makedirs(self.values, exist_ok=True)
        watch_random.settle(request.get("seed"), self.source + request.get("hint", ""))
        if request.get("folder"):
            own = [self.values, os.path.dirname(request["result"]), os.path.dirname(os.path.abspath(self.path))]
            places = Places(request["folder"], own, request.get("original"))
            Fence(places, request.get("allow") or ()).raise_up()
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = self.module
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            spec.loader.exec_module(self.module)
        except BaseException as error:
            raise StepFailed(_facts(error, None)) from None

    def dump(self, value, number):
        """Write one output; its path, or why it could not be."""
        if isinstance(value, os.PathLike) and os.path.isfile(value):
            value = plainform.WrittenFile(os.fspath(value))
        path = os.path.join(self.values, "output-%s.portable" % number)
        plainform.dump(value, path, self.own)
        return path

    # ---- as it stands

    def plain(self):
        """Call ``pipeline`` and write what it returns."""
        parameters = {name: self._given(name, value) for name, value in (self.request.get("parameters") or {}).items()}
        try:
            returned = self.module.pipeline(**parameters)
        except BaseException as error:
            raise StepFailed(_facts(error, None)) from None
        found = []
        for number, (name, value) in enumerate(returned.items()):
            one = {"name": name, "path": self.dump(value, number)}
            if self.request.get("describe"):
                one["describe"] = describe.describe(value)
            found.append(one)
        return [], found

    def _given(self, name, value):
        if isinstance(value, dict) and "path" in value:
            import pathlib

            return pathlib.Path(value["path"])
        return value

    # ---- step by step

    def isolated(self):
        """Run each step of the flow in a child of its own."""
        flow = read_flow(self.source)
        defaults = {name: one.default for name, one in _signature(self.module.pipeline).items()}
        for name, value in (self.request.get("parameters") or {}).items():
            defaults[name] = self._given(name, value)
        stored = {}
        states = randomness.capture()
        steps = []
        for step in flow.steps:
            arguments = {}
            for one in step.arguments:
                if one.kind == "result":
                    arguments[one.parameter] = ("stored", stored[(one.step, one.name)])
                elif one.kind == "parameter":
                    arguments[one.parameter] = ("value", defaults[one.name])
                else:
                    arguments[one.parameter] = ("value", one.value)
            done = self._in_child(step, arguments, states)
            if done.get("error"):
                raise StepFailed(done["error"])
            states = done.pop("states")
            for name in step.results:
                stored[(step.number, name)] = done["stored"][name]
            steps.append(
                {
                    "name": step.name,
                    "results": list(step.results),
                    "changed_arguments": done["changed"],
                    "seconds": done["seconds"],
                    "stored": done["stored"],
                    "describe": done.get("describe"),
                }
            )
        found = []
        for number, (key, one) in enumerate(flow.returns.items()):
            if one.kind == "result":
                done = self._in_child(None, {"value": ("stored", stored[(one.step, one.name)])}, states, number)
                if done.get("error"):
                    raise StepFailed(done["error"])
                found.append({"name": key, "path": done["path"]})
            else:
                value = defaults[one.name] if one.kind == "parameter" else one.value
                found.append({"name": key, "path": self.dump(value, number)})
        return steps, found

    def _in_child(self, step, arguments, states, number=None):
        """What a forked child makes of one step."""
        answer_path = os.path.join(self.values, "child-%d.pickle" % time.perf_counter_ns())
        if not hasattr(os, "fork"):
            return self._child(step, arguments, states, number)
        outputs.flush()
        child = os.fork()
        if child == 0:
            try:
                done = self._child(step, arguments, states, number)
            except BaseException as error:
                done = {"error": _facts(error, step.name if step else None)}
            try:
                with open(answer_path, "wb") as file:
                    pickle.dump(done, file)
            finally:
                outputs.flush()
                os._exit(0)
        _, status = os.waitpid(child, 0)
        try:
            with open(answer_path, "rb") as file:
                return pickle.load(file)
        except OSError:
            return {
                "error": {
                    "code": "PL115",
                    "type": "Died",
                    "message": "the step's process died (status %d)" % status,
                    "step": step.name if step else None,
                    "line": None,
                }
            }

    def _child(self, step, arguments, states, number):
        given = {name: _load(where) if kind == "stored" else where for name, (kind, where) in arguments.items()}
        if step is None:
            return {"path": self.dump(given["value"], number)}
        randomness.restore(states)
        before = {name: plainform.digest(value, self.own) for name, (kind, value) in _mutable(given, arguments).items()}
        began = time.perf_counter()
        try:
            value = getattr(self.module, step.function)(**given)
        except BaseException as error:
            return {"error": _facts(error, step.name)}
        seconds = time.perf_counter() - began
        states = randomness.capture()
        changed = [name for name in before if plainform.digest(given[name], self.own) != before[name]]
        values = dict(zip(step.results, value)) if step.unpacks else dict.fromkeys(step.results, value)
        stored, described = {}, {}
        for name, one in values.items():
            path = os.path.join(self.values, "step-%d-%s.pickle" % (step.number, name))
            try:
                with open(path, "wb") as file:
                    pickle.dump(one, file, protocol=5)
            except Exception as error:
                return {
                    "error": {
                        "code": "PL145",
                        "type": type(error).__name__,
                        "message": "%s cannot travel from step %s: %s" % (name, step.name, str(error)[:300]),
                        "step": step.name,
                        "line": None,
                    }
                }
            stored[name] = path
            if self.request.get("describe"):
                described[name] = describe.describe(one)
        return {"stored": stored, "changed": changed, "seconds": seconds, "states": states, "describe": described}


def _mutable(given, arguments):
    return {
        name: (kind, given[name])
        for name, (kind, _) in arguments.items()
        if kind == "stored" and not isinstance(given[name], (int, float, str, bool, type(None)))
    }


def _load(path):
    with open(path, "rb") as file:
        return pickle.load(file)


def _signature(function):
    import inspect

    return inspect.signature(function).parameters


def _facts(error, step):
    frames = traceback.extract_tb(error.__traceback__)
    here = os.path.dirname(os.path.abspath(__file__))
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith(here)
        and "site-packages" not in frame.filename
        and not frame.filename.startswith("<frozen")
    ]
    last = own[-1] if own else None
    return {
        "code": error.code if isinstance(error, Stopped) else None,
        "type": type(error).__name__,
        "message": str(error)[:1000],
        "step": step,
        "line": last.lineno if last else None,
        "text": last.line if last else "",
    }
