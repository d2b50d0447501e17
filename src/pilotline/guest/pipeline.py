"""Run a lifted module: as it stands, or step by step, each step in a process of its own.

Isolated, every step runs in a child forked from a process that has imported the module and nothing else; its arguments
are read back from the bytes that earlier steps were stored as. So no step can live on an object that it was not given.
The states of the global random generators go from step to step, in order; the working folder is shared. Where
processes can't be forked, steps run one after another in this one, their arguments read back from bytes all the same.
"""

import copy
import importlib.util
import inspect
import json
import os
import pathlib
import pickle
import signal
import sys
import time
import traceback

from . import PROTOCOL, describe, generators, outputs, portable, streams, surroundings, travel, watch_random
from .fence import Fence, Stopped
from .flow import FlowError, read_flow
from .places import Places

_ATOMS = (type(None), bool, int, float, complex, str, bytes)
#: Apple's libraries do not bear being forked.
_FORKS = hasattr(os, "fork") and sys.platform != "darwin"


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
        result["error"] = _error(str(error), kind="FlowError", code="PL140", line=error.line)
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
        self.name = module_name(self.path)
        self.own = ("__main__", self.name)
        self.count = 0
        self.fence = None

    def prepare(self):
        """Seed, fence, import."""
        request = self.request
        os.makedirs(self.values, exist_ok=True)
        watch_random.settle(request.get("seed"), self.source + request.get("hint", ""))
        if request.get("folder"):
            own = [self.values, os.path.dirname(request["result"]), os.path.dirname(os.path.abspath(self.path))]
            places = Places(request["folder"], own, request.get("original"), request.get("writable") or ())
            portable.settle((places.folder, places.real))
            self.fence = Fence(places, request.get("allow") or ())
            self.fence.raise_up()
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = self.module
        self.module.__pilotline_user__ = True
        try:
            spec.loader.exec_module(self.module)
        except BaseException as error:
            raise StepFailed(_facts(error, None)) from None
        self.nothing_stopped(None)

    def nothing_stopped(self, step):
        """Raise ``StepFailed`` where something was kept from reaching outside, and the code hides that."""
        stopped = self.fence.swallowed() if self.fence is not None else None
        if stopped is not None:
            raise StepFailed(_facts(stopped, step))

    def tell(self, **facts):
        """Add one line to the events."""
        path = self.request.get("events")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(facts) + "\n")

    def dump(self, value, label, output=None):
        """Write one value's plain form; the path of it."""
        path = os.path.join(self.values, f"{label}.portable")
        portable.dump(_with_files(value), path, self.own)
        secret = self._secret_in(path) if output else None
        if secret:
            said = f"the result {output} holds the secret {secret}"
            raise StepFailed(_error(said, kind="SecretInResult", code="PL176"))
        return path

    def _secret_in(self, path):
        """The name of a secret whose value stands in a file; None where there is none."""
        names = [name for name in self.request.get("secrets") or () if os.environ.get(name)]
        if not names:
            return None
        with open(path, "rb") as file:
            data = file.read()
        return next((name for name in names if os.environ[name].encode() in data), None)

    def parameters(self):
        """The pipeline's arguments by name, defaults among them."""
        signature = inspect.signature(self.module.pipeline).parameters
        found = {name: one.default for name, one in signature.items() if one.default is not one.empty}
        for name, value in (self.request.get("parameters") or {}).items():
            found[name] = _given(value, signature[name].annotation if name in signature else None)
        return found

    # ---- as it stands

    def plain(self):
        """Call ``pipeline`` and write what it returns."""
        try:
            parameters = self.parameters()
            returned = self.module.pipeline(**parameters)
        except BaseException as error:
            raise StepFailed(_facts(error, None)) from None
        self.nothing_stopped(None)
        if not isinstance(returned, dict):
            raise StepFailed(_error(f"pipeline() returned a {type(returned).__name__}, not a dict"))
        found = []
        for number, (name, value) in enumerate(returned.items()):
            one = {"name": name, "path": self.dump(value, f"output-{number}", name)}
            if self.request.get("describe"):
                one["describe"] = describe.describe(value)
            found.append(one)
        return [], found

    # ---- step by step

    def isolated(self):
        """Run each step of the flow in a child of its own."""
        flow = read_flow(self.source)
        parameters = self.parameters()
        stored, steps = {}, []
        states = generators.take()
        for step in flow.steps:
            self.tell(event="step", step=step.name, number=step.number + 1, of=len(flow.steps))
            arguments = {}
            for one in step.arguments:
                if one.kind == "result":
                    arguments[one.parameter] = ("stored", stored[one.step, one.name], one, flow.steps[one.step].name)
                elif one.kind == "parameter":
                    if one.name not in parameters:
                        raise StepFailed(_error(f"the parameter {one.name} was not given", step=step.name))
                    arguments[one.parameter] = ("value", parameters[one.name], one, None)
                else:
                    arguments[one.parameter] = ("value", one.value, one, None)
            done = self._apart(step.name, lambda step=step, given=arguments, at=states: self._step(step, given, at))
            states = done.pop("states")
            stored.update(((step.number, name), path) for name, path in done["stored"].items())
            steps.append(dict(done, name=step.name, results=list(step.results)))
        found = []
        for number, (key, one) in enumerate(flow.returns.items()):
            if one.kind == "result":
                where = stored[one.step, one.name]
                done = self._apart(None, lambda where=where, n=number: self._output(where, n))
                found.append({"name": key, **done})
            else:
                found.append({"name": key, "path": self.dump(parameters[one.name], f"output-{number}")})
        return steps, found

    def _output(self, where, number):
        value = travel.load(where)
        return {"path": self.dump(value.open() if isinstance(value, streams.Stream) else value, f"output-{number}")}

    def _apart(self, name, work):
        """What a child process makes of some work; raises ``StepFailed`` where it fails or dies."""
        if not _FORKS:
            return work()
        self.count += 1
        path = os.path.join(self.values, f"child-{self.count}.pickle")
        outputs.flush()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                try:
                    done = work()
                except StepFailed as error:
                    done = {"error": error.facts}
                except BaseException as error:
                    done = {"error": _facts(error, name)}
                with open(path, "wb") as file:
                    pickle.dump(done, file)
                status = 0
            finally:
                outputs.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if status:
            raise StepFailed(_error(f"the step's process {_death(status)}", kind="Died", code="PL115", step=name))
        with open(path, "rb") as file:
            done = pickle.load(file)
        if done.get("error"):
            raise StepFailed(done["error"])
        return done

    def _step(self, step, arguments, states):
        """Call one step with values of its own; store what it gives."""
        given, prints = {}, {}
        for name, one in arguments.items():
            given[name] = value = self._arrived(*one)
            if isinstance(value, streams.Stream):
                given[name] = value.open()
            elif not isinstance(value, _ATOMS):
                prints[name] = travel.print_of(value)
        function = getattr(self.module, step.function)
        named = dict(given)
        positional = _positional(function, named)
        generators.put_back(states)
        began = time.perf_counter()
        try:
            value = function(*positional, **named)
        except BaseException as error:
            raise StepFailed(_facts(error, step.name)) from None
        self.nothing_stopped(step.name)
        done = {"seconds": time.perf_counter() - began, "states": generators.take()}
        done["changed_arguments"] = self._changed(given, arguments, prints)
        values = _results(step, value)
        self._keep(step, values, done)
        return done

    def _arrived(self, kind, what, argument, maker):
        try:
            return travel.load(what) if kind == "stored" else copy.deepcopy(what)
        except travel.CannotTravel as error:
            raise _stuck(argument.name, maker, error) from None

    def _keep(self, step, values, done):
        done.update(stored={}, describe={}, portables={})
        for name, value in values.items():
            path = os.path.join(self.values, f"step-{step.number}-{name}.pickle")
            try:
                travel.store(streams.keep(value, f"{path}.stream"), path)
            except (travel.CannotTravel, streams.CannotKeep, streams.NoRoom) as error:
                raise _stuck(name, step.name, error) from None
            secret = self._secret_in(path)
            if secret:
                raise _stuck(name, step.name, f"it holds the secret {secret}")
            done["stored"][name] = path
            if self.request.get("describe"):
                done["describe"][name] = describe.describe(value)
            if self.request.get("steps"):
                done["portables"][name] = self.dump(value, f"step-{step.number}-{name}")

    def _changed(self, given, arguments, prints):
        """Names of the arguments that are no more what they were when they came."""
        changed = []
        for name, before in prints.items():
            if before is not None and travel.print_of(given[name]) == before:
                continue
            # Bytes can differ where values do not: something was worked out and kept.
            kind, what, *_ = arguments[name]
            as_it_was = travel.load(what) if kind == "stored" else what
            if portable.digest(given[name], self.own) != portable.digest(as_it_was, self.own):
                changed.append(name)
        return changed


def module_name(path):
    """The name that a module is imported under: its stem, unless that is another module's name."""
    stem = os.path.splitext(os.path.basename(path))[0]
    if not stem.isidentifier():
        stem = "pipeline_" + "".join(one if one.isalnum() else "_" for one in stem)
    known = stem in sys.modules or stem in getattr(sys, "stdlib_module_names", ())
    return f"{stem}_pipeline" if known else stem


def _given(value, annotation):
    """A parameter from JSON: paths where the pipeline takes paths."""
    if isinstance(value, dict) and set(value) == {"path"}:
        return pathlib.Path(value["path"])
    if isinstance(value, str) and annotation in (pathlib.Path, "Path", "pathlib.Path"):
        return pathlib.Path(value)
    return value


def _positional(function, named):
    """Take the arguments out of ``named`` that a function accepts by position only."""
    found = inspect.signature(function).parameters.values()
    return [named.pop(one.name) for one in found if one.kind is one.POSITIONAL_ONLY and one.name in named]


def _results(step, value):
    if not step.unpacks:
        return dict.fromkeys(step.results, value)
    values = list(value)
    if len(values) != len(step.results):
        said = f"{step.function} gave {len(values)} values, the pipeline takes {len(step.results)}"
        raise StepFailed(_error(said, kind="ValueError", step=step.name))
    return dict(zip(step.results, values))


def _with_files(value):
    """Paths of files stand for what is in them."""
    if isinstance(value, os.PathLike):
        return portable.WrittenFile(value) if os.path.isfile(value) else value
    if type(value) in (list, tuple) and value and all(isinstance(one, os.PathLike) for one in value):
        return type(value)(_with_files(one) for one in value)
    if type(value) is dict and value and all(isinstance(one, os.PathLike) for one in value.values()):
        return {key: _with_files(one) for key, one in value.items()}
    return value


def _stuck(name, step, error):
    said = f"{name} cannot travel from step {step}: {error}"
    return StepFailed(dict(_error(said, kind="CannotTravel", code="PL145", step=step), value=name))


def _death(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hint = ", as when memory runs out" if number == signal.SIGKILL else ""
        return f"was killed by signal {number}{hint}"
    return f"ended with status {os.WEXITSTATUS(status)}"


def _error(message, *, kind="PipelineError", code=None, step=None, line=None):
    return {"code": code, "type": kind, "message": message, "step": step, "line": line, "text": ""}


def _facts(error, step):
    frames = traceback.extract_tb(error.__traceback__)
    here = os.path.dirname(os.path.abspath(__file__))
    foreign = (here, "<frozen", os.path.dirname(os.__file__))
    own = [one for one in frames if not one.filename.startswith(foreign) and "site-packages" not in one.filename]
    last = own[-1] if own else None
    facts = _error(str(error)[:1000], kind=type(error).__name__, step=step, line=last.lineno if last else None)
    facts["text"] = (last.line or "") if last else ""
    if isinstance(error, Stopped):
        facts["code"] = error.code
    return facts
