"""A warmed process: it imports once what many requests import first, then forks a child for each request.

Lines of JSON come in on what was its standard input, and go out on what was its standard output::

    in   {"id": 1, "request": "/…/request", "cwd": "/…"}
    out  {"warm": true, "seconds": 1.2}          once, when the imports are done; false: do not use me
         {"id": 1, "pid": 4711}                  the child is there, in a process group of its own
         {"id": 1, "status": 0}                  it ended; as ``os.waitpid`` says it

When the input ends, as it does when the tool dies, all children are killed and the process ends.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
import time


def serve(request, carry_out):
    """Import, then fork a child for each request until the input ends.

    Args:
        request: ``imports``, the modules to import first.
        carry_out: called with the path of a request in each child; does not return.
    """
    came, went = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    began = time.perf_counter()
    for name in request["imports"]:
        try:
            importlib.import_module(name)
        except BaseException:
            # The user's own import will say what is wrong, where it stands.
            continue
    # A thread would not live on in a child, and what it holds would stay locked.
    fit = threading.active_count() == 1
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()
    server = _Server(came, went, carry_out)
    server.say(warm=fit, seconds=time.perf_counter() - began)
    if fit:
        server.serve()


class _Server:
    def __init__(self, came, went, carry_out):
        self.came = came
        self.went = went
        self.carry_out = carry_out
        self.children = {}
        self.text = b""

    def say(self, **facts):
        os.write(self.went, json.dumps(facts).encode() + b"\n")

    def serve(self):
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        own = (wake_read, wake_write)
        try:
            while True:
                ready, _, _ = select.select([self.came, wake_read], [], [])
                if wake_read in ready:
                    os.read(wake_read, 4096)
                    self.reap()
                if self.came in ready:
                    data = os.read(self.came, 1 << 16)
                    if not data:
                        return
                    self.text += data
                    *lines, self.text = self.text.split(b"\n")
                    for line in lines:
                        self.begin(json.loads(line), own)
        except BrokenPipeError:
            return
        finally:
            self.kill()

    def begin(self, asked, own):
        child = os.fork()
        if child == 0:
            try:
                os.setpgid(0, 0)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (self.came, self.went, *own):
                    os.close(descriptor)
                sys.dont_write_bytecode = True
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
                os.chdir(asked["cwd"])
                importlib.invalidate_caches()
                self.carry_out(asked["request"])
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(1)
        try:
            os.setpgid(child, child)
        except OSError:
            pass  # it did so itself and is already at work
        self.children[child] = asked["id"]
        self.say(id=asked["id"], pid=child)

    def reap(self):
        while self.children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            if child in self.children:
                self.say(id=self.children.pop(child), status=status)

    def kill(self):
        for child in self.children:
            try:
                os.killpg(child, signal.SIGKILL)
            except OSError:
                continue
