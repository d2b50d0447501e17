"""Carry out a pipeline's steps in order, in one process, each result stored durably as it is made.

A step whose results are stored under the same content key is not called; its results are read back when something
needs them. Arguments are compared before and after each call: a step that changes them would make the pipeline mean
something else when its steps are taken apart, so it is refused.
"""

import importlib.util
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import threading
import time
import traceback
import types

from . import client, generators, memory, outputs, portable, streams, surroundings, watch_random
from .keys import Generators, base_key, final_key, repeatable
from .module_state import ModuleState
from .reaching import Reaching
from .results import CannotTravel, Damaged, Store, pack
from .tabling import Outputs

#: Seconds between two tries of a step, at most.
_LONGEST = 3600.0
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_NEVER_CHANGES = {"function", "type", "builtin_function_or_method", "module"}


def answer(request):
    """Carry out a ``steps`` request."""
    outputs.take_over(live=True)
    outputs.hide(request.get("secrets") or ())
    _die_with(request.get("lifeline"))
    result = {"protocol": 1, "error": None, "outputs": []}
    try:
        run = _Run(request)
        run.prepare()
        for step in request["steps"]:
            run.do(step)
        result["outputs"] = [_shown(one) for one in run.outputs()]
    except NotStored as error:
        result["error"] = {"code": "PL334", "message": str(error), "step": error.step}
    except Refused as error:
        result["error"] = error.facts
    except BaseException as error:
        result["error"] = _facts(error, request, None)
    result["error"] = outputs.hidden(result["error"])
    result["python"] = dict(surroundings.interpreter(), packages=surroundings.imported())
    outputs.flush()
    return result


def _shown(output):
    """An output without credentials in what is said of it; paths and keys stay as they are."""
    for word in ("why", "value", "coercions"):
        if word in output:
            output[word] = outputs.hidden(output[word])
    return output


class Refused(Exception):
    """The run cannot go on."""

    def __init__(self, facts):
        super().__init__(facts["message"])
        self.facts = facts


class NotStored(Exception):
    """What was computed cannot be kept."""

    def __init__(self, what, step, error):
        super().__init__("%s cannot be stored: %s" % (what, getattr(error, "strerror", None) or error))
        self.step = step


def _die_with(descriptor):
    """End when the tool has ended: its end of a pipe is then closed, whatever ended it."""
    if descriptor is None:
        return

    def wait():
        while os.read(descriptor, 1):
            pass
        # This process leads a session of its own: what it started goes with it.
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="pilotline-lifeline").start()


class _Run:
    def __init__(self, request):
        self.request = request
        self.store = Store(request["store"])
        self.generators = Generators(request["seed"], request["importing"])
        self.events = open(request["events"], "a", encoding="utf-8")
        self.finals = {}
        self.values = {}
        self.packed = {}
        self.postponed = {}
        self.spent = {}
        self.parameters = {}
        self.name = request["name"]
        self.own = ("__main__", self.name)
        self.last_use = {}
        self.looked_at, self.strangers = set(sys.modules), []
        for number, step in enumerate(request["steps"]):
            for kind, *where in step["arguments"].values():
                if kind == "result":
                    self.last_use[tuple(where)] = number
        for output in request["outputs"]:
            if output["value"][0] == "result":
                self.last_use[tuple(output["value"][1:])] = len(request["steps"])

    def prepare(self):
        """Seed, look out, import the module."""
        request = self.request
        with open(request["module"], encoding="utf-8") as file:
            source = file.read()
        self.tell("importing", at=time.time())
        began = time.perf_counter()
        watch_random.settle(request["seed"], source)
        own = [request["store"], request["values"], os.path.dirname(request["result"]), *request.get("quiet", ())]
        self.reaching = Reaching(request["project"], request["work"], request["declared"], own, request["top"])
        for place in [os.getcwd(), *request.get("places", ())]:
            if place not in sys.path:
                sys.path.insert(0, place)
        _lend_client(request.get("house"))
        spec = importlib.util.spec_from_file_location(self.name, request["module"])
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = self.module
        self.module.__pilotline_user__ = True
        try:
            # Not by its loader, which would leave bytecode beside the user's module.
            exec(compile(source, request["module"], "exec"), vars(self.module))  # noqa: S102 - the module itself
        except BaseException as error:
            raise Refused(_facts(error, request, None)) from None
        self._as_planned(request["code"], None)
        self.state = ModuleState(self.module, self._is_local)
        self._settle_parameters()
        self.tell("imported", seconds=time.perf_counter() - began)

    def _settle_parameters(self):
        import inspect

        defaults = inspect.signature(self.module.pipeline).parameters
        for name, given in self.request["parameters"].items():
            if "path" in given:
                self.parameters[name] = pathlib.Path(given["path"])
            elif "paths" in given:
                self.parameters[name] = [pathlib.Path(path) for path in given["paths"]]
            elif "value" in given:
                self.parameters[name] = given["value"]
            else:
                self.parameters[name] = defaults[name].default
            if given.get("tuple"):
                self.parameters[name] = tuple(self.parameters[name])

    def _is_local(self, module):
        """Whether a module is the project's own."""
        path = getattr(module, "__file__", None)
        if not path or "-packages" in path:
            return False
        real = os.path.realpath(path)
        return any(real.startswith(os.path.realpath(self.request[one]) + os.sep) for one in ("project", "work"))

    def _strangers(self):
        """Modules of the project that were imported though no import names them: they are in no key."""
        new = set(sys.modules) - self.looked_at
        self.looked_at |= new
        for module in [sys.modules[name] for name in new]:
            if module is self.module or not self._is_local(module):
                continue
            said = self.reaching.said(os.path.realpath(module.__file__))
            if os.path.realpath(os.path.join(self.request["project"], said)) not in self.request["code"]:
                self.strangers.append("imports: %s" % said)
        return sorted(self.strangers)

    def _as_planned(self, marks, step):
        """Stop where a file is no longer the one that the keys were made from."""
        for path, mark in marks.items():
            try:
                found = os.stat(path)
                now = [found.st_size, found.st_mtime_ns, found.st_ino]
            except OSError:
                now = None
            if now != mark:
                said = self.reaching.said(path)
                raise Refused(
                    {
                        "code": "PL336",
                        "step": step,
                        "path": said,
                        "message": "%s was changed while the run was reading it" % said,
                    }
                )

    def tell(self, event, **facts):
        """Add one line to the events."""
        self.events.write(json.dumps(outputs.hidden(dict(facts, event=event)), default=str) + "\n")
        self.events.flush()

    # ---- one step

    def do(self, step):
        """Compute a step, or see that it was computed before."""
        name = step["name"]
        taken = [(self.finals[kind[1]], kind[2]) for kind in step["arguments"].values() if kind[0] == "result"]
        base = base_key(step["recipe"], taken)
        facts = dict(self.store.facts(base) or {})
        for reach in step.get("reaches", ()):
            facts.setdefault("reaches", []).append(reach)
        facts = self._allowed(step, facts)
        head = None
        if not self.request.get("fresh"):
            for run in self.request["runs"]:
                final = final_key(base, facts, self.generators, run)
                head = self.store.head(final)
                if head is not None:
                    break
        if head is not None:
            self._reuse(step, base, final, facts, head)
        elif facts.get("stays") and not (facts.get("draws") or facts.get("reaches") or self.request.get("fresh")):
            # It cannot be stored: computed when something asks for it.
            self.finals[name] = final_key(base, facts, self.generators, self.request["runs"][0])
            self.postponed[name] = (step, base)
            self.tell("step", step=name, key=self.finals[name], outcome="postponed", why=facts["stays"], at=time.time())
        else:
            self._compute(step, base)

    def _allowed(self, step, facts):
        """What was found out, without what the contract says is repeatable all the same."""
        kinds = step.get("repeatable") or ()
        left = [one for one in facts.get("reaches") or () if not repeatable(one, kinds)]
        return dict(facts, reaches=left)

    def _reuse(self, step, base, final, facts, head):
        name = step["name"]
        self.finals[name] = final
        self.store.use(base, final)
        for path in head.get("files") or ():
            self._put_back(final, path)
        if facts.get("draws"):
            self.generators.drawn(facts["draws"], final)
            generators.put_back(self._stored(name, len(head["parts"]) - 1))
        self.tell(
            "step",
            step=name,
            key=final,
            base=base,
            outcome="reused",
            seconds=head.get("seconds"),
            results=head.get("results"),
            at=time.time(),
        )

    def _compute(self, step, base):
        name = step["name"]
        outputs.mark(self.request.get("mark"), name)
        self.tell("started", step=name, at=time.time())
        given, watched = self._arguments(step)
        states = generators.look()
        standing = self.state.look(step["function"])
        drawn_before = generators.take() if step.get("tries") else None
        self.reaching.begin()
        held = memory.begin()
        for times in itertools.count(1):
            began, cpu = time.perf_counter(), time.process_time()
            try:
                value = getattr(self.module, step["function"])(*_positional(self.module, step, given), **given)
                values = self._kept_apart(step, self._results(step, value))
                break
            except (Refused, NotStored):
                raise
            except BaseException as error:
                if not _tried_again(error, step.get("tries"), times):
                    self.reaching.take()
                    raise Refused(dict(_facts(error, self.request, name), times=times)) from None
                said = "%s: %s" % (type(error).__name__, str(error)[:500])
            # The next try begins as this one did.
            self._unchanged(step, watched)
            self._module_unchanged(step, standing)
            generators.put_back(drawn_before)
            wait = min(step["tries"]["wait"] * 2 ** (times - 1), _LONGEST) * (0.5 + random.SystemRandom().random())
            self.tell(
                "again", step=name, times=times, of=step["tries"]["times"], wait=wait, because=said, at=time.time()
            )
            time.sleep(wait)
            given, watched = self._arguments(step)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        most = memory.most(held)
        reaches, written = self.reaching.take()
        drawn = sorted(one for one, state in generators.look().items() if states.get(one, state) != state)
        # What it only writes is no input, though it names it.
        only_written = set(written) - self.reaching.looked_into
        self._as_planned({path: mark for path, mark in step["files"].items() if path not in only_written}, name)
        self._unchanged(step, watched)
        self._module_unchanged(step, standing)
        files = self._returned_files(values)
        stray = [path for path in written if path not in files and not _dropped(path)]
        reaches += ["wrote: %s" % self.reaching.said(path) for path in stray]
        reaches += list(step.get("reaches", ())) + self._strangers()
        facts = {"draws": drawn, "reaches": reaches, "stays": ""}
        packed = []
        try:
            packed = [None if isinstance(one, streams.Stream) else pack(one) for one in values]
        except CannotTravel as error:
            facts["stays"] = str(error)
        try:
            self.store.keep_facts(base, facts)
        except OSError as error:
            raise NotStored("what was seen of step %s" % name, name, error) from error
        final = final_key(base, self._allowed(step, facts), self.generators, self.request["runs"][0])
        self.finals[name] = final
        described = [_describe(variable, one) for variable, one in zip(step["results"], values)]
        taken = [_describe(variable, one) for variable, _, one, _ in watched]
        if not facts["stays"]:
            try:
                self._keep(final, step, values, packed, drawn, files, dict(seconds=seconds, cpu=cpu, results=described))
            except OSError as error:
                raise NotStored("what step %s gave" % name, name, error) from error
        self.generators.drawn(drawn, final)
        for index, one in enumerate(values):
            self.values[name, index] = one
            if packed:
                self.packed[name, index] = packed[index]
        self._forget(step)
        outputs.mark(self.request.get("mark"), "")
        self.tell(
            "step",
            step=name,
            key=final,
            base=base,
            outcome="computed",
            seconds=seconds,
            cpu=cpu,
            draws=drawn,
            reaches=reaches,
            stays=facts["stays"],
            given=taken,
            results=described,
            memory=most,
            size=sum(one.size for one in packed if one)
            + sum(one.about["size"] for one in _streams_of(values).values()),
            at=time.time(),
        )

    def _kept_apart(self, step, values):
        """The results; what comes as a stream is written to a file as it comes, and what stands for that in its place."""
        found = []
        for index, value in enumerate(values):
            path = os.path.join(self.request["values"], "stream-%s-%d" % (step["name"], index))
            try:
                os.makedirs(self.request["values"], exist_ok=True)
                found.append(streams.keep(value, path))
            except streams.NoRoom as error:
                raise NotStored("what step %s gave" % step["name"], step["name"], error.__cause__) from error
            except streams.CannotKeep as error:
                result = step["results"][index]
                message = "%s, a %s, cannot be stored: %s" % (result, type(value).__name__, error)
                raise Refused({"code": "PL353", "step": step["name"], "message": message}) from None
        return found

    def _keep(self, final, step, values, packed, drawn, files, facts):
        parts = list(packed)
        if drawn:
            parts.append(pack(generators.take()))
        relative = []
        for path in sorted(files):
            relative.append(os.path.relpath(path, os.path.realpath(self.request["work"])))
            target = self._beside(final, len(relative) - 1)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _copy_whole(path, target)
        told = {}
        for index, stream in _streams_of(values).items():
            target = self._stream_path(final, index)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(stream.path, target)
            stream.path = target
            told[str(index)] = stream.about
        facts = dict(facts, step=step["name"], files=relative, variables=step["results"], streams=told)
        self.store.keep(final, parts, facts)

    def _stream_path(self, final, index):
        return "%s.stream%d" % (self.store.path(final), index)

    def _beside(self, final, number):
        return "%s.file%d" % (self.store.path(final), number)

    def _put_back(self, final, path):
        head = self.store.head(final)
        target = os.path.join(self.request["work"], path)
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        if os.path.islink(target) or os.path.exists(target):
            os.unlink(target)
        stored = self._beside(final, head["files"].index(path))
        if not os.path.exists(stored):
            self._lost(final, head["step"], "the file %s is gone" % path)
        shutil.copy2(stored, target)
        self.reaching.returned.add(os.path.realpath(target))

    def _returned_files(self, values):
        """Files in the working folder that the values name."""
        work = os.path.realpath(self.request["work"])
        found = set()
        for path in _paths(values):
            real = os.path.realpath(path)
            whole = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), os.path.basename(path))
            if os.path.isfile(real) and real == whole and os.path.commonpath([work, real]) == work:
                found.add(real)
        self.reaching.returned |= found
        return found

    # ---- values

    def value(self, step, index):
        """A result, from memory, from the store, or computed now."""
        if (step, index) not in self.values:
            if step in self.postponed:
                self._compute(*self.postponed.pop(step))
            else:
                self.values[step, index] = self._stored(step, index)
                digests = self.store.head(self.finals[step])["digests"]
                self.packed[step, index] = digests[index]
        return self.values[step, index]

    def _stored(self, step, index):
        """A part of what is stored of a step; what is damaged is forgotten, so that the next run computes it."""
        final = self.finals[step]
        about = ((self.store.head(final) or {}).get("streams") or {}).get(str(index))
        try:
            if about is None:
                return self.store.load(final, index)
            stream = streams.Stream(self._stream_path(final, index), about)
            stream.refuse_damaged()
            return stream
        except (Damaged, OSError, ValueError) as error:
            self._lost(final, step, str(error))

    def _lost(self, final, step, why):
        self.store.drop(final)
        raise Refused(
            {"code": "PL335", "step": step, "message": "the stored result of step %s is damaged: %s" % (step, why)}
        )

    def _arguments(self, step):
        """The arguments by name, and those to look at again afterwards."""
        given, watched = {}, []
        for name, (kind, *where) in step["arguments"].items():
            if kind == "parameter":
                value = _copy(self.parameters[where[0]])
                given[name] = value
            elif kind == "constant":
                given[name] = _constant(where[0], self.module)
            else:
                given[name] = value = self.value(*where)
                if isinstance(value, streams.Stream):
                    given[name] = value.open()
                    watched.append((name, tuple(where), value, None))
                    continue
                self._refuse_spent(step, tuple(where), value)
                if not isinstance(value, _ATOMS) and type(value).__name__ not in _NEVER_CHANGES:
                    watched.append((name, tuple(where), value, self._before(tuple(where), value)))
        return given, watched

    def _refuse_spent(self, step, where, value):
        """What can be read only once, and is in no file, is taken only once: after that there would be nothing in it."""
        if self.packed.get(where) is not None or not any(map(streams.reads_once, _inside(value))):
            return
        if where in self.spent:
            result = next(each for each in self.request["steps"] if each["name"] == where[0])["results"][where[1]]
            raise Refused(
                {
                    "code": "PL354",
                    "step": step["name"],
                    "result": result,
                    "message": "%s, a %s, can be read only once, and step %s read it"
                    % (result, type(value).__name__, self.spent[where]),
                }
            )
        self.spent[where] = step["name"]

    def _before(self, where, value):
        """What to compare an argument with: packed bytes where there are, else a digest of its plain form."""
        packed = self.packed.get(where)
        return packed if packed is not None else portable.digest(value, self.own)

    def _unchanged(self, step, watched):
        changed = []
        for name, where, value, before in watched:
            if isinstance(value, streams.Stream):
                # What it got was its own.
                continue
            if isinstance(before, bytes):
                same = portable.digest(value, self.own) == before
            else:
                same = self._same(where, value, before)
            if not same:
                changed.append(name)
        if changed:
            raise Refused(
                {
                    "code": "PL311",
                    "type": "ChangedArguments",
                    "step": step["name"],
                    "names": changed,
                    "line": step["line"],
                    "message": "step %s changed its argument %s" % (step["name"], " and ".join(changed)),
                    "traceback": [],
                }
            )

    def _module_unchanged(self, step, standing):
        after = self.state.look(step["function"])
        changed = sorted(where for where in standing if after.get(where) != standing[where])
        if changed:
            names = ["%s" % name if module == self.name else "%s.%s" % (module, name) for module, name in changed]
            raise Refused(
                {
                    "code": "PL337",
                    "step": step["name"],
                    "names": names,
                    "line": step["line"],
                    "message": "step %s changed %s, which stands outside of it" % (step["name"], " and ".join(names)),
                }
            )

    def _same(self, where, value, before):
        digest = before if isinstance(before, str) else before.digest
        try:
            if pack(value).digest == digest:
                return True
        except CannotTravel:
            return False
        # Equal values can have different pickles, for example after a cached property was filled.
        if isinstance(before, str):
            original = self.store.load(self.finals[where[0]], where[1])
        else:
            # Its buffers are those of the value itself: only what was stored is as it was.
            try:
                original = self.store.load(self.finals[where[0]], where[1])
            except Damaged:
                return False
        return portable.digest(original, self.own) == portable.digest(value, self.own)

    def _results(self, step, value):
        names = step["results"]
        if not step["unpacks"]:
            return [value] if names else []
        values = list(value)
        if len(values) != len(names):
            error = ValueError(
                "%s gave %d values, the pipeline takes %d: %s"
                % (step["function"], len(values), len(names), ", ".join(names))
            )
            raise Refused(_facts(error, self.request, step["name"]))
        return values

    def _forget(self, step):
        """Let go of values that nothing asks for again."""
        number = self.request["steps"].index(step)
        for where in list(self.values):
            if self.last_use.get(where, -1) <= number and self.last_use.get(where) != len(self.request["steps"]):
                if where[0] in self.finals and self.store.has(self.finals[where[0]]):
                    self.values.pop(where, None)
                    self.packed.pop(where, None)

    # ---- what is returned

    def outputs(self):
        """Write what the pipeline returns in a form that the tool can read."""
        writer = Outputs(self.request)
        found = []
        for number, output in enumerate(self.request["outputs"]):
            kind, *where = output["value"]
            value = self.value(*where) if kind == "result" else self.parameters[where[0]]
            self.tell("output", name=output["name"], at=time.time())
            try:
                one = writer.write(output["name"], value, number)
            except OSError as error:
                raise NotStored("the output %s" % output["name"], None, error) from error
            one["key"] = "%s/%d" % (self.finals[where[0]], where[1]) if kind == "result" else None
            found.append(one)
        return found


def _lend_client(house):
    """Let ``import pilotline`` work, for ``pilotline.read``, also where it is not installed."""
    client.HOUSE = house
    if importlib.util.find_spec("pilotline") is None:
        module = types.ModuleType("pilotline", "The part of Pilotline that a step may call.")
        module.read = client.read
        module.ReadFailed = client.ReadFailed
        sys.modules["pilotline"] = module


def _tried_again(error, tries, times):
    """Whether a step is called once more after it raised, which the contract says; an exit is no failure."""
    if not tries or times >= tries["times"] or not isinstance(error, Exception):
        return False
    names = {each.__name__ for each in type(error).__mro__}
    names.update("%s.%s" % (each.__module__, each.__qualname__) for each in type(error).__mro__)
    return not tries["on"] or not names.isdisjoint(tries["on"])


def _dropped(path):
    return not os.path.exists(path)


def _positional(module, step, given):
    """Take the arguments out of ``given`` that the function accepts by position only."""
    import inspect

    taken = []
    for name, one in inspect.signature(getattr(module, step["function"])).parameters.items():
        if one.kind is one.POSITIONAL_ONLY and name in given:
            taken.append(given.pop(name))
    return taken


def _copy(value):
    import copy

    return value if isinstance(value, _ATOMS) else copy.deepcopy(value)


def _constant(source, module):
    return eval(source, dict(vars(module)))  # noqa: S307 - the module's own source


def _paths(values):
    return (os.fspath(one) for value in values for one in _inside(value) if isinstance(one, os.PathLike))


def _inside(value, depth=0):
    """A value, or what is in it where it is a container."""
    if isinstance(value, (list, tuple, set, dict)):
        if depth < 2 and len(value) < 1000:
            for one in value.values() if isinstance(value, dict) else value:
                yield from _inside(one, depth + 1)
    else:
        yield value


def _streams_of(values):
    """Those of the results that came as a stream, by their place."""
    return {index: one for index, one in enumerate(values) if isinstance(one, streams.Stream)}


def _copy_whole(source, target):
    temporary = "%s.%d.tmp" % (target, os.getpid())
    shutil.copy2(source, temporary)
    os.replace(temporary, target)


def _describe(variable, value):
    """A result in a few words: its type, and rows and columns of a frame."""
    if isinstance(value, streams.Stream):
        columns, rows = value.about["columns"] or [], value.about["rows"]
        found = {"name": variable, "type": value.about["type"], "shape": [rows, len(columns)]}
        return dict(found, columns=columns) if len(columns) <= _MOST_COLUMNS else found
    kind = type(value)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else "%s.%s" % (kind.__module__.partition(".")[0], kind.__qualname__)
    )
    found = {"name": variable, "type": name}
    found.update(_labels(name, value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(one, int) for one in shape):
        found["shape"] = list(shape)
    elif isinstance(value, (list, dict, set, tuple)):
        found["shape"] = [len(value)]
    elif isinstance(value, (bool, int, float)):
        found["value"] = value if value == value and abs(value) != float("inf") else str(value)
    return found


#: So many columns of a result are told by name.
_MOST_COLUMNS = 2000


def _labels(kind, value):
    """The columns of a frame and the names of the levels of its index; of one that only counts rows there are none."""
    found = {}
    try:
        if kind in ("pandas.DataFrame", "polars.DataFrame") and len(value.columns) <= _MOST_COLUMNS:
            found["columns"] = [_label(one) for one in value.columns]
        elif kind == "pyarrow.Table" and len(value.column_names) <= _MOST_COLUMNS:
            found["columns"] = list(value.column_names)
        if kind in ("pandas.DataFrame", "pandas.Series"):
            index = value.index
            counted = (
                type(index).__name__ == "RangeIndex" and index.name is None and index.start == 0 and index.step == 1
            )
            found["index"] = [] if counted else [one if one is None else _label(one) for one in index.names]
    except Exception:
        return {}
    return found


def _label(one):
    """A label as text, the same for numbers of NumPy's as for Python's."""
    if isinstance(one, tuple):
        return "(%s)" % ", ".join(repr(getattr(each, "item", lambda each=each: each)()) for each in one)
    if isinstance(one, str):
        return str(one)
    return repr(one.item() if hasattr(one, "item") else one)


def _facts(error, request, step):
    """An exception with the user's own frames, and how many frames of libraries there were between them."""
    here = os.path.dirname(os.path.abspath(__file__))
    project = os.path.realpath(request["project"])
    work = os.path.realpath(request["work"])
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = frame.filename
        if path.startswith(here) or path.startswith("<frozen"):
            continue
        real = os.path.realpath(path)
        library = (
            "site-packages" in path or "dist-packages" in path or real.startswith(os.path.realpath(sys.base_prefix))
        )
        if library or not os.path.exists(path):
            part = path.rpartition("-packages" + os.sep)[2] if "-packages" in path else "Python's own library"
            package = part.partition(os.sep)[0].partition(".")[0] if "-packages" in path else part
            if frames and frames[-1].get("folded") == package:
                frames[-1]["count"] += 1
            else:
                frames.append({"folded": package, "count": 1})
            continue
        for root in (project, work):
            if real.startswith(root + os.sep):
                path = os.path.relpath(real, root)
        frames.append({"file": path, "line": frame.lineno, "name": frame.name, "text": frame.line or ""})
    try:
        message = str(error)[:2000]
    except Exception:
        message = "(its message cannot be read)"
    if isinstance(error, SyntaxError):
        frames.append({"file": error.filename, "line": error.lineno, "name": "", "text": (error.text or "").strip()})
        message = error.msg or "invalid syntax"
    own = [frame for frame in frames if "file" in frame]
    return {
        "code": None,
        "type": type(error).__name__,
        "message": message,
        "step": step,
        "line": own[-1]["line"] if own else None,
        "frames": frames,
        "missing": getattr(error, "name", None)
        if isinstance(error, ModuleNotFoundError)
        else getattr(error, "filename", None),
    }
