"""Executes a notebook's cells, statement by statement, in one ``__main__``.

Nothing of the user's code is rewritten: each top-level statement is compiled as it stands and executed in the real
dictionary of ``__main__``. A watcher (``record.Recorder``) may look before and after each; a replay has none.
"""

import ast
import asyncio
import builtins
import inspect
import linecache
import os
import signal
import sys
import threading
import time
import types

from . import outputs, surroundings, watch_random
from .captures import Captures
from .failures import Failure, TimeUp, failure_of
from .fence import ASKS, Fence, Stopped
from .places import Places
from .shell import Shell

PROTOCOL = 1
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
#: Statements that mention these want a running event loop, as a notebook has.
_LOOP_WORDS = ("create_task", "ensure_future", "get_running_loop", "asyncio.gather", "current_task")


def answer(request):
    """The answer to a ``record`` or ``replay`` request."""
    outputs.take_over()
    session = Session(request)
    if request["kind"] == "record":
        from .record import Recorder

        session.watcher = Recorder(session)
    return session.run()


class Statement:
    """One top-level statement of a cell, ready to be executed."""

    __slots__ = ("calls", "cell", "code", "cpu", "end_line", "index", "is_last", "line", "node", "seconds", "source")

    def __init__(self, cell, index, node, source, *, is_last):
        self.cell = cell
        self.index = index
        self.node = node
        self.source = source
        self.is_last = is_last
        first = [decorator.lineno for decorator in getattr(node, "decorator_list", ())]
        self.line = min([node.lineno, *first])
        self.end_line = node.end_lineno or node.lineno
        self.code = None
        self.seconds = 0.0
        self.cpu = 0.0
        #: Name of the function, where the statement is nothing but a call by a plain name.
        self.calls = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            self.calls = node.value.func.id


class Nobody:
    """The watcher of a replay: it sees nothing."""

    def prepare(self):
        """Before the first cell."""

    def before(self, statement):
        """Before a statement."""

    def after(self, statement, failed):
        """After a statement, also if it raised."""

    def shown(self, statement, how, source, value):
        """What a cell showed."""

    def result(self):
        """What goes into the answer."""
        return {}


class Session:
    """One execution of a notebook.

    Args:
        request: a ``record`` or ``replay`` request.
    """

    def __init__(self, request):
        self.request = request
        self.main = types.ModuleType("__main__")
        self.namespace = self.main.__dict__
        self.namespace["__builtins__"] = builtins
        own = [
            os.path.dirname(os.path.abspath(request[key]))
            for key in ("result", "events", "stdout", "stderr")
            if request.get(key)
        ]
        if request.get("values"):
            os.makedirs(request["values"], exist_ok=True)
            own.append(os.path.abspath(request["values"]))
        self.places = Places(request["folder"], own, request.get("original"), request.get("writable") or ())
        self.fence = Fence(self.places, request.get("allow") or ())
        self.shell = Shell(self)
        self.watcher = Nobody()
        self.captures = Captures(self, request.get("capture") or (), request.get("values"))
        #: Whether user code is being executed; the alarm rings only then.
        self.busy = False
        self.current = None
        self.loop = None
        self._flags = 0
        self._deadline = None
        self._used_names = {}
        #: Names that IPython put into the namespace, with what it put there.
        self.shell_names = {}
        self.previous_folder = None

    def run(self):
        """Execute all cells and say what happened."""
        started, cpu = time.time(), _cpu()
        sys.modules["__main__"] = self.main
        sys.argv = [""]
        os.environ.setdefault("MPLBACKEND", "agg")
        self._furnish()
        text = "\n".join(cell["source"] for cell in self.request["cells"])
        watch_random.settle(self.request.get("seed"), text)
        self.fence.raise_up()
        self.watcher.prepare()
        self._set_alarm()
        error = None
        try:
            for order, cell in enumerate(self.request["cells"], 1):
                self._cell(order, cell)
        except Failure as failure:
            error = failure.facts
        self._clear_alarm()
        self.captures.at_the_end()
        result = {"protocol": PROTOCOL, "error": error, "captured": self.captures.result}
        result.update(self.watcher.result())
        outputs.flush()
        python = surroundings.interpreter()
        python["packages"] = surroundings.imported()
        result.update(python=python, seconds=time.time() - started, cpu=_cpu() - cpu, memory=memory())
        return result

    # ---- before the first cell

    def _furnish(self):
        """Give the namespace and the builtins what every notebook has."""
        self.namespace.update({"In": [""], "Out": {}, "_": "", "__": "", "___": ""})
        builtins.get_ipython = self.shell.get_ipython
        builtins.display = self.shell.display
        builtins.input = self._asks

    def _asks(self, prompt=""):
        """Instead of ``input``: nobody is there to answer."""
        self.fence.stop(ASKS, "input", f"waits for an answer to {str(prompt)[:80]!r}")

    def _set_alarm(self):
        timeout = self.request.get("timeout")
        if not timeout or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            return
        self._deadline = time.monotonic() + timeout
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, timeout, 1.0)

    def _clear_alarm(self):
        if self._deadline is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number, frame):
        if self.busy and time.monotonic() >= self._deadline:
            raise TimeUp(f"not done after {self.request['timeout']:g} s")

    # ---- cells and statements

    def _cell(self, order, cell):
        number, source = cell["number"], cell["source"]
        name = self._register(number, source)
        self.namespace["In"].append(source)
        shown = _Shown()
        try:
            for statement in self._statements(number, source, name):
                self._progress(number, order)
                self._statement(statement, shown, quiet=bool(cell.get("quiet")), order=order)
        except Failure as failure:
            if not cell.get("may_fail") or failure.stopped:
                raise
        best = shown.best()
        if best is not None:
            self.watcher.shown(*best)
        self.captures.after_cell(number, best)
        shown.clear()
        _close_figures()
        outputs.flush()

    def _register(self, number, source):
        """A file name for a cell, under which tracebacks and ``inspect`` find its text."""
        times = self._used_names.get(number, 0)
        self._used_names[number] = times + 1
        name = f"<cell {number}>" if not times else f"<cell {number} again {times}>"
        linecache.cache[name] = (len(source), None, [line + "\n" for line in source.split("\n")], name)
        return name

    def _statements(self, number, source, name):
        try:
            tree = compile(source, name, "exec", ast.PyCF_ONLY_AST | _AWAIT | self._flags, dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise Failure(failure_of(error, number, getattr(error, "lineno", None) or 1, code="PL112")) from None
        lines = source.encode().split(b"\n")
        for index, node in enumerate(tree.body):
            text = _segment(lines, node)
            statement = Statement(number, index, node, text, is_last=index == len(tree.body) - 1)
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self._flags |= _future_flags(node)
            if isinstance(node, ast.Expr):
                part, mode = ast.Expression(node.value), "eval"
            else:
                part, mode = ast.Module([node], []), "exec"
            try:
                statement.code = compile(part, name, mode, _AWAIT | self._flags, dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                raise Failure(failure_of(error, number, statement.line, code="PL112")) from None
            yield statement

    def _statement(self, statement, shown, *, quiet, order):
        self.current = statement
        self.watcher.before(statement)
        catcher = self.shell.catch_arguments(statement.calls)
        value, error = None, None
        seconds, cpu = time.perf_counter(), time.process_time()
        try:
            self.busy = True
            try:
                value = self._execute(statement)
            finally:
                self.busy = False
        except BaseException as raised:
            error = raised
        statement.seconds, statement.cpu = time.perf_counter() - seconds, time.process_time() - cpu
        arguments = catcher.release() if catcher is not None else None
        self._note_shown(statement, shown, value, arguments, quiet=quiet, order=order)
        value = None
        self.watcher.after(statement, failed=error is not None)
        # Swallowed or not: what follows is not what it would be where this is allowed.
        stopped = self.fence.swallowed()
        if stopped is not None and not isinstance(error, Stopped):
            error = stopped
        if error is not None:
            facts = failure_of(error, statement.cell, statement.line)
            # The traceback holds the frames, and they what is in them.
            error.__traceback__ = None
            raise Failure(facts, stopped=stopped is not None)
        self.captures.after_statement(statement)

    def _execute(self, statement):
        code = statement.code
        if code.co_flags & inspect.CO_COROUTINE:
            return self._event_loop().run_until_complete(eval(code, self.namespace))  # noqa: S307
        if any(word in statement.source for word in _LOOP_WORDS):
            return self._event_loop().run_until_complete(self._inside_loop(code))
        return eval(code, self.namespace)  # noqa: S307 (this is what a notebook is)

    async def _inside_loop(self, code):
        return eval(code, self.namespace)  # noqa: S307

    def _event_loop(self):
        if self.loop is None or self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop

    def _note_shown(self, statement, shown, value, arguments, *, quiet, order):
        if arguments is not None and arguments.values:
            value_shown = arguments.values[0] if len(arguments.values) == 1 else tuple(arguments.values)
            shown.add(arguments.how, statement, _arguments_source(statement), value_shown)
            self.captures.on_shown(statement.cell, value_shown, arguments.how)
        if statement.is_last and isinstance(statement.node, ast.Expr) and value is not None and not quiet:
            self._remember(value, order)
            shown.add("expression", statement, statement.source, value)
            self.captures.on_shown(statement.cell, value, "expression")

    def _remember(self, value, order):
        """``_``, ``__``, ``___``, ``Out`` and ``_7``, as IPython keeps them."""
        space = self.namespace
        if value is space.get("Out"):
            return
        if all(space.get(name) is self.shell.last.get(name, "") or name not in space for name in ("_", "__", "___")):
            space["___"], space["__"], space["_"] = space.get("__", ""), space.get("_", ""), value
            self.shell.last.update({name: space[name] for name in ("_", "__", "___")})
        space[f"_{order}"] = value
        if isinstance(space.get("Out"), dict):
            space["Out"][order] = value

    def _progress(self, number, order):
        path = self.request.get("events")
        if not path:
            return
        line = '{"event":"statement","cell":%d,"order":%d,"of":%d,"time":%.3f}\n'
        with open(path, "a", encoding="utf-8") as file:
            file.write(line % (number, order, len(self.request["cells"]), time.time()))


class _Shown:
    """What one cell showed so far; the best of it is the cell's value."""

    def __init__(self):
        self._found = {}

    def add(self, how, statement, source, value):
        self._found[how] = (statement, how, source, value)

    def best(self):
        """An expression's value, else what was displayed, else what was printed; figures only if nothing else."""
        from .kinds import is_figure

        order = [self._found[how] for how in ("expression", "display", "print") if how in self._found]
        return next((one for one in order if not is_figure(one[3])), order[0] if order else None)

    def clear(self):
        self._found.clear()


def _segment(lines, node):
    """The text of a node; its columns count bytes."""
    last = node.end_lineno or node.lineno
    part = lines[node.lineno - 1 : last]
    part[-1] = part[-1][: node.end_col_offset]
    part[0] = part[0][node.col_offset :]
    return b"\n".join(part).decode(errors="replace")


def _arguments_source(statement):
    call = statement.node.value
    parts = [ast.unparse(argument) for argument in call.args]
    return parts[0] if len(parts) == 1 else "(" + ", ".join(parts) + ")"


def _future_flags(node):
    import __future__

    flags = 0
    for alias in node.names:
        feature = getattr(__future__, alias.name, None)
        flags |= getattr(feature, "compiler_flag", 0)
    return flags


def _close_figures():
    """As the inline backend does after each cell."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is not None:
        try:
            helpers.Gcf.destroy_all()
        except Exception:
            return


def _cpu():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory():
    """The most memory that this process has used, in bytes; None where it can't be said."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
