"""The recorder: what each statement read, bound and changed, seen from outside.

No line of user code is rewritten and no call is traced. Before and after each top-level statement the recorder looks at
what the statement's names reach, compares fingerprints, and gathers what the watches of files, settings, random
numbers and frames have seen meanwhile.
"""

import os
import re
import sys
import time
import types
import weakref

from . import fingerprint_arrays, kinds, shell_words, statics, watch_random
from .fingerprint import ATOMS, Walker
from .info import info_of, text_of
from .names import words_of
from .watch_files import FileWatch
from .watch_names import FrameWatch
from .watch_random import RandomWatch
from .watch_settings import SettingsWatch

_HIDDEN = frozenset(
    {"In", "Out", "get_ipython", "exit", "quit", "_i", "_ii", "_iii", "_ih", "_oh", "_dh", "_exit_code", "display",
     "__builtins__", "__name__", "__doc__", "__loader__", "__spec__", "__package__", "__annotations__", "__file__",
     "__annotate__", "__conditional_annotations__", "_pilotline_timed"}
)  # fmt: skip
_LISTS = (
    "changes", "reads_files", "writes_files", "removes_files", "makes_folders", "lists_folders", "draws", "seeds",
    "settings", "network", "processes", "databases", "installs", "skipped",
)  # fmt: skip
_HISTORY = frozenset({"_", "__", "___"})
_NUMBERED = re.compile(r"_i?\d+$")
#: Texts longer than this are no expressions.
_EXPRESSION = 2000
_RENAMES = re.compile(r"\bnames?\b|rename")


#: Importing it taught the walker about arrays and frames.
_TAUGHT = fingerprint_arrays


class Recorder:
    """Watches a session.

    Args:
        session: the session whose statements are watched.
    """

    def __init__(self, session):
        self.session = session
        self.namespace = session.namespace
        self.walker = Walker(self.namespace, self._is_local)
        self.statements = []
        #: Name -> what is known of its value; and the id of that value.
        self.prints = {}
        self.ids = {}
        self._facts = None
        self._held = {}
        self._before = {}
        self._modules = set()
        self.seconds = 0.0
        self._uses_history = False

    # ---- what the session calls

    def prepare(self):
        """Before the first cell."""
        self.files = FileWatch(self.session.places)
        self.random = RandomWatch()
        self.settings = SettingsWatch()
        self.frames = FrameWatch()
        self._modules = set(sys.modules)

    def before(self, statement):
        """Before a statement: remember what the names mean."""
        started = time.process_time()
        try:
            self._facts = statics.Facts(statement.node, self.session.shell.python)
        except Exception:
            self._facts = statics.Facts.crude(statement.node)
        self._before = self._visible()
        self._held = {name: _hold(self.namespace[name]) for name in self._before}
        self.walker.forget_buffers()
        self.random.before()
        self.frames.looked = ""
        self.seconds += time.process_time() - started

    def after(self, statement, failed):
        """After a statement: find out what it did."""
        started = time.process_time()
        try:
            entry = self._entry(statement, self._facts)
        except Exception as error:
            entry = self._conservative(statement, error)
        finally:
            self._held = {}
        if failed:
            entry["failed"] = True
        entry["overhead"] = round(time.process_time() - started, 6)
        self.statements.append(entry)
        self.seconds += time.process_time() - started

    def shown(self, statement, how, source, value):
        """What a cell showed, put at the statement that showed it."""
        started = time.process_time()
        entry = next(
            one
            for one in reversed(self.statements)
            if one["cell"] == statement.cell and one["index"] == statement.index
        )
        made = self.walker.print_of(value)
        entry["shown"] = {
            "how": how,
            "source": source,
            "info": info_of(value, made, self._sharing(made, ())),
            "text": text_of(value),
        }
        self.seconds += time.process_time() - started

    def result(self):
        """What goes into the answer."""
        self._check_the_unseen()
        if self._uses_history:
            self._add_history()
        self.frames.stop()
        return {"statements": self.statements, "own_cpu": round(self.seconds, 4)}

    # ---- one statement

    def _entry(self, statement, facts):
        entry = {
            "cell": statement.cell,
            "index": statement.index,
            "line": statement.line,
            "end_line": statement.end_line,
            "seconds": round(statement.seconds, 6),
            "cpu": round(statement.cpu, 6),
        }
        looked = self.frames.looked
        draws, seeds = self.random.after()
        self._outside(entry, facts)
        now = self._visible()
        bound, deleted = self._rebound(now, facts)
        code = _Reached()
        reads = self._reads(facts, looked, code)
        self._properties(entry, facts, code)
        if entry["whole_namespace"]:
            reads |= {name for name in self._before if type(self.namespace.get(name)) is not types.ModuleType}
        if code.system_draws:
            draws = draws | {"os"}
        changes, unsure = self._look_again(reads, bound, deleted, now, statement)
        entry["reads"] = sorted(reads | self._history_in(facts))
        entry["binds"] = sorted(bound)
        entry["deletes"] = sorted(deleted)
        entry["changes"] = sorted(changes)
        entry["unsure"] = sorted(unsure)
        if unsure:
            entry["unsure_because"] = {name: sorted(self.prints[name].opaque) for name in unsure}
        entry["draws"], entry["seeds"] = sorted(draws), sorted(seeds)
        entry["imports"] = self._imports(facts, bound)
        entry["state"] = {
            name: info_of(self.namespace[name], self.prints[name], self._sharing(self.prints[name], (name,)))
            for name in sorted(bound | changes)
            if name in self.prints
        }
        entry["shown"] = None
        memory = sys.modules[__package__ + ".session"].memory()
        entry["memory"] = memory
        return entry

    def _conservative(self, statement, error):
        """The entry where the recorder itself failed: all that the statement names may have changed."""
        now = self._visible()
        facts = self._facts
        reads = {name for name in facts.reads if name in self._before}
        bound = {name for name, key in now.items() if self._before.get(name) != key} | {
            n for n in facts.binds if n in now
        }
        for name in {*reads, *bound}:
            self.prints.pop(name, None)
        entry = {
            "cell": statement.cell,
            "index": statement.index,
            "line": statement.line,
            "end_line": statement.end_line,
        }
        entry.update({name: [] for name in _LISTS})
        entry.update(
            reads=sorted(reads),
            binds=sorted(bound),
            deletes=sorted(name for name in self._before if name not in now),
            unsure=sorted(reads & set(now)),
            whole_namespace=True,
            clock=False,
            imports={},
            state={},
            shown=None,
            seconds=statement.seconds,
            cpu=statement.cpu,
            recorder=f"{type(error).__name__}: {error}"[:300],
        )
        return entry

    def _outside(self, entry, facts):
        """Files, settings, network, processes."""
        texts = facts.strings if self.files._kernel is None else ()
        entry.update(self.files.take(texts))
        entry["settings"] = self.settings.take(importing=facts.only_imports) + self._patches(facts)
        seen = self.session.fence.take()
        entry["network"], entry["processes"], entry["databases"] = seen["network"], seen["processes"], seen["databases"]
        entry["skipped"] = seen["skipped"]
        entry["installs"] = [
            package for line in seen["installs"] for package in shell_words.installs_of(line) or [line]
        ]
        new = (
            {name for name in sys.modules if name not in self._modules}
            if len(sys.modules) != len(self._modules)
            else ()
        )
        if new:
            self._modules.update(new)
            local = {}
            for name in sorted(new):
                module = sys.modules.get(name)
                if self._is_local(module):
                    local[name] = self.session.places.said(os.path.abspath(module.__file__))
            if local:
                entry["local_modules"] = local

    def _properties(self, entry, facts, code):
        entry["whole_namespace"] = facts.whole_namespace or code.whole_namespace
        entry["clock"] = self._reads_clock(facts.attributes | code.attributes, facts.reads | code.names)
        code.system_draws = watch_random.draws_from_system(facts.attributes | code.attributes) or any(
            getattr(self.namespace.get(name), "__module__", None) in {"uuid", "secrets"}
            for name in facts.reads | code.names
            if type(self.namespace.get(name)) is types.FunctionType
        )

    def _visible(self):
        """The notebook's own names, with the ids of their values."""
        shell, history = self.session.shell_names, self.session.shell.last
        found = {}
        for name, value in self.namespace.items():
            if name in _HIDDEN or type(name) is not str:
                continue
            if name[:1] == "_":
                if name[:2] == "__" and name[-2:] == "__" and name not in _HISTORY:
                    continue
                if name in _HISTORY and value is history.get(name):
                    continue
                if _NUMBERED.match(name):
                    continue
            if shell and name in shell and shell[name] is value:
                continue
            found[name] = id(value)
        return found

    def _rebound(self, now, facts):
        """Names bound and names deleted."""
        before = self._before
        bound = set()
        for name, key in now.items():
            if before.get(name) != key or not _same(self._held.get(name), self.namespace[name]):
                bound.add(name)
        bound |= {name for name in facts.binds if name in now}
        deleted = {name for name in before if name not in now}
        return bound, deleted

    # ---- names read

    def _reads(self, facts, looked, code):
        """Names of the notebook that the statement used, also through functions and strings."""
        before = self._before
        found = {name for name in facts.reads if name in before}
        texts = list(facts.strings)
        self._follow(found, code)
        takes_code = facts.takes_code or code.takes_code
        of_tables = looked in _SQL_ENGINES or ((facts.takes_sql or code.takes_sql) and _reads_frames_by_name())
        if takes_code or looked or of_tables:
            texts += code.strings
            texts += [text for name in found for text in self._texts(name)]
            only_tables = not takes_code and (not looked or looked in _SQL_ENGINES)
            words = self._words(texts, only_tables, found, bool(looked) and not takes_code)
            if words - found:
                found |= words
                self._follow(found, code)
        return found

    def _follow(self, found, code):
        """Add what the functions among these values look up, and what those functions in turn look up."""
        todo = list(found)
        while todo:
            made = self.prints.get(todo.pop())
            if made is None or not made.facts:
                continue
            for facts in made.facts:
                if id(facts) in code.seen:
                    continue
                code.add(facts)
                for name in facts.reads:
                    if name in self._before and name not in found:
                        found.add(name)
                        todo.append(name)

    def _texts(self, name):
        """Short texts that a name means: they may be expressions."""
        value = self.namespace.get(name)
        if type(value) is types.FunctionType:
            value = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        if type(value) is str:
            return [value] if len(value) < _EXPRESSION else []
        if type(value) in {list, tuple} and len(value) < 100:
            return [part for part in value if type(part) is str and len(part) < _EXPRESSION]
        if type(value) is dict and len(value) < 100:
            return [part for part in value.values() if type(part) is str and len(part) < _EXPRESSION]
        return []

    def _words(self, texts, only_tables, found, looked):
        """Live names among the words of these texts."""
        words, marked = set(), set()
        for text in texts:
            if text and len(text) < 100_000:
                words |= words_of(text)
                marked |= set(re.findall(r"@([^\W\d]\w*)", text))
        words = {name for name in words if name in self._before}
        if only_tables:
            return {name for name in words if _is_table(self.namespace.get(name))}
        if looked:
            # Libraries look into the frame at hand first: its columns hide names.
            columns = set()
            for name in found:
                columns |= _columns_of(self.namespace.get(name))
            words -= columns - marked
        return words

    def _history_in(self, facts):
        """``_``, ``Out``, ``_12``: what cells showed."""
        used = {
            name
            for name in facts.reads
            if name not in self._before and (name in _HISTORY or name == "Out" or re.match(r"_\d+$", name))
        }
        self._uses_history = self._uses_history or bool(used)
        return used

    # ---- values changed

    def _look_again(self, reads, bound, deleted, now, statement):
        """Compare what the statement reached with what it was; gives the names changed and those it may have changed."""
        prints = self.prints
        for name in deleted:
            prints.pop(name, None)
            self.ids.pop(name, None)
        reached = _Reach()
        old = {}
        for name in bound:
            old[name] = prints.get(name)
        for name in reads:
            made = prints.get(name)
            if made is not None:
                reached.add(made)
        for name in bound:
            if name not in reads and old[name] is not None and self._before.get(name) == now.get(name):
                reached.add(old[name])
        fresh = {}
        todo = [name for name in sorted(reads) if name in now and name not in bound] + sorted(bound)
        for name in todo:
            made = prints.get(name)
            if name not in bound and made is not None and not made.mutable:
                continue
            fresh[name] = self._print(name)
            reached.add(fresh[name])
        renames = bool(_RENAMES.search(statement.source))
        more = True
        while more:
            more = False
            for name in now:
                made = prints.get(name)
                if name in fresh or made is None or not made.mutable:
                    continue
                if reached.meets(made, renames):
                    fresh[name] = self._print(name)
                    reached.add(fresh[name])
                    more = True
        changes, unsure = set(), set()
        for name, made in fresh.items():
            before = prints.get(name)
            if name in bound and (before is None or self._before.get(name) != now[name]):
                pass  # another value, not a changed one
            elif before is not None and not before.same(made):
                changes.add(name)
            elif made.opaque and before is not None and name not in bound:
                unsure.add(name)
            prints[name] = made
            self.ids[name] = now[name]
        for name in now:
            if name not in prints:
                prints[name] = self._print(name)
                bound.add(name)
        return changes, unsure

    def _print(self, name):
        value = self.namespace[name]
        if type(value) in ATOMS:
            return _ATOM_PRINTS.of(value, self.walker)
        return self.walker.print_of(value)

    def _sharing(self, made, besides):
        """Live names that reach the same mutable objects or memory."""
        if not made.parts and not made.weak:
            return []
        return [
            name
            for name, other in self.prints.items()
            if name not in besides and (other.parts or other.weak) and _meet(made, other)
        ]

    def _check_the_unseen(self):
        """At the end: has any value changed that nobody was seen to reach? Then who used it may have changed it."""
        self.walker.forget_buffers()
        for name, key in self._visible().items():
            made = self.prints.get(name)
            if made is None or not made.mutable or made.opaque or self.ids.get(name) != key:
                continue
            if not made.same(self._print(name)):
                for entry in self.statements:
                    if name not in entry["binds"] and name not in entry["changes"]:
                        entry["unsure"] = sorted({*entry["unsure"], name})
                        entry.setdefault("unsure_because", {})[name] = ["it changed, and nobody was seen to change it"]

    # ---- the rest

    def _imports(self, facts, bound):
        found = {}
        for name, source in facts.imports.items():
            if name.startswith("*"):
                module = sys.modules.get(source)
                for one in bound:
                    if module is not None and one in vars(module):
                        found[one] = f"{source}:{one}"
            elif name in bound:
                found[name] = source
        for name in bound:
            value = self.namespace.get(name)
            if name not in found and type(value) is types.ModuleType:
                found[name] = value.__name__
        return found

    def _patches(self, facts):
        """Attributes set on modules and on classes that are not the notebook's own."""
        import ast

        found = []
        for target, attribute in facts.patches:
            base = self._resolve(target)
            if base is None:
                continue
            if type(base) is types.ModuleType:
                owner = base.__name__
            elif issubclass(type(base), type) and base.__module__ != "__main__":
                owner = kinds.public_name(base)
            else:
                continue
            key = f"{owner}.{attribute}" if attribute else f"{owner}.{ast.unparse(target)}"
            if owner in {"pandas.DataFrame", "pandas.Series", "pandas.Index"}:
                continue  # seen by comparison
            found.append({"kind": "patch", "key": key, "look": owner.startswith("matplotlib")})
        return found

    def _resolve(self, target):
        """The module or class that a dotted expression means, found without running anything."""
        import ast

        if isinstance(target, ast.Name):
            value = self.namespace.get(target.id)
        elif isinstance(target, ast.Attribute):
            holder = self._resolve(target.value)
            value = vars(holder).get(target.attr) if holder is not None else None
        else:
            return None
        return value if type(value) is types.ModuleType or issubclass(type(value), type) else None

    def _reads_clock(self, attributes, names):
        if statics.clock_words(attributes):
            return True
        clock = sys.modules.get("time")
        for name in names:
            value = self.namespace.get(name)
            if type(value) is types.BuiltinFunctionType and getattr(value, "__module__", "") == "time":
                if statics.clock_words({value.__name__}) or value.__name__ == "time":
                    return True
            elif value is clock and "time" in attributes:
                return True
        return False

    def _is_local(self, module):
        path = getattr(module, "__file__", None) if type(module) is types.ModuleType else None
        return (
            isinstance(path, str)
            and path.endswith((".py", ".pyc"))
            and self.session.places.inside(os.path.abspath(path))
        )

    def _add_history(self):
        """A statement whose value was shown binds ``_`` and its kin, if anybody uses those."""
        for entry in self.statements:
            if entry["shown"] and entry["shown"]["how"] == "expression":
                number = next(
                    place
                    for place, cell in enumerate(self.session.request["cells"], 1)
                    if cell["number"] == entry["cell"]
                )
                entry["binds"] = sorted({*entry["binds"], "_", "__", "___", f"_{number}"})
                entry["changes"] = sorted({*entry["changes"], "Out"})


class _Reached:
    """What the functions that a statement reaches use."""

    def __init__(self):
        self.seen = set()
        self.names = set()
        self.attributes = set()
        self.strings = []
        self.system_draws = False

    def add(self, facts):
        self.seen.add(id(facts))
        self.names |= facts.reads
        self.attributes |= facts.attributes
        self.strings.extend(facts.strings)

    @property
    def whole_namespace(self):
        return "globals" in self.names

    @property
    def takes_code(self):
        return not self.names.isdisjoint({"eval", "exec"})

    @property
    def takes_sql(self):
        return not self.attributes.isdisjoint({"sql", "execute", "query", "from_query", "sqldf"})


class _Reach:
    """The union of what several values reach."""

    def __init__(self):
        self._prints = []

    def add(self, made):
        if made.mutable:
            self._prints.append(made)

    def meets(self, other, renames):
        """Whether a change of any of these values could be one of the other."""
        for made in self._prints:
            if _meet(made, other) or not made.soft.isdisjoint(other.soft):
                return True
            if renames and not made.rims.isdisjoint(other.rims):
                return True
        return False


def _meet(one, other):
    return (
        not one.parts.isdisjoint(other.parts)
        or not one.parts.isdisjoint(other.weak)
        or not one.weak.isdisjoint(other.parts)
    )


class _AtomPrints:
    """Prints of single atoms, made without a walk."""

    def __init__(self):
        self._plain = {}

    def of(self, value, walker):
        cls = type(value)
        found = self._plain.get(cls)
        if found is None:
            found = self._plain[cls] = walker.print_of(value)
        return found


_ATOM_PRINTS = _AtomPrints()
#: What is held on to during a statement, so that no other object can take its id.
_HOLDABLE = ATOMS | {list, tuple, dict, set, frozenset, types.FunctionType, type, types.ModuleType}


def _hold(value):
    if type(value) in _HOLDABLE:
        return value
    try:
        return weakref.ref(value)
    except TypeError:
        return None


def _same(held, value):
    """Whether the value is still the one held, as far as can be told."""
    if type(held) is weakref.ref and type(value) is not weakref.ref:
        return held() is value
    return held is None or held is value


#: Engines that take a table's name in SQL for that of a variable.
_SQL_ENGINES = frozenset({"duckdb", "polars", "datafusion", "ibis", "pandasql", "chdb", "daft"})


def _reads_frames_by_name():
    return any(name in sys.modules for name in _SQL_ENGINES)


def _is_table(value):
    return kinds.root_of(type(value)) in {
        "pandas",
        "polars",
        "pyarrow",
        "duckdb",
        "numpy",
        "_duckdb",
        "datafusion",
    } or type(value) in {list, dict}


def _columns_of(value):
    """Column names of a frame; empty for anything else."""
    if kinds.root_of(type(value)) in {"pandas", "polars"} and hasattr(type(value), "columns"):
        try:
            return {name for name in value.columns if type(name) is str}
        except Exception:
            return set()
    return set()
