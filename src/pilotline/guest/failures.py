"""What stopped a notebook, as plain facts."""

import errno
import linecache
import os
import traceback

from .fence import Stopped


class TimeUp(BaseException):
    """The time that the request gives is over."""


class Failure(Exception):
    """A cell did not get through.

    Attributes:
        facts: cell, line, type, message, traceback, code.
        stopped: it was kept from reaching outside.
    """

    def __init__(self, facts, stopped=False):
        super().__init__(facts["message"])
        self.facts = facts
        self.stopped = stopped


def failure_of(error, cell, line, code=None):
    """The facts of an exception that user code raised.

    Args:
        cell: number of the cell.
        line: first line of the statement, where the traceback says nothing better.
        code: the error code; found from the exception when not given.
    """
    own, foreign = [], []
    for frame in traceback.extract_tb(error.__traceback__):
        where = frame.filename
        if where.startswith("<cell "):
            own.append((where[1:-1], frame.lineno, frame.name, linecache.getline(where, frame.lineno).strip()))
        elif "pilotline_guest" not in where and os.path.dirname(where) != os.path.dirname(os.path.abspath(__file__)):
            foreign.append((where, frame.lineno, frame.name, frame.line or ""))
    here = f"cell {cell}"
    if own:
        inner = [frame for frame in own if frame[0].split(" again")[0] == here]
        line = (inner or own)[-1][1] or line
    said = [f"{where}, line {number}, in {name}: {text}" for where, number, name, text in own]
    said += [f"{_short(where)}, line {number}, in {name}: {text}" for where, number, name, text in foreign[-12:]]
    return {
        "cell": cell,
        "line": line,
        "type": type(error).__name__,
        "message": _message(error),
        "traceback": said,
        "code": code or _code_of(error),
        **_missing(error),
    }


def _message(error):
    if isinstance(error, SyntaxError):
        return error.msg or "invalid syntax"
    try:
        return str(error)[:2000]
    except Exception:
        return "(its message can't be read)"


def _code_of(error):
    if isinstance(error, Stopped):
        return error.code
    if isinstance(error, TimeUp):
        return "PL111"
    if isinstance(error, MemoryError):
        return "PL115"
    if isinstance(error, ModuleNotFoundError):
        return "PL113"
    if isinstance(error, FileNotFoundError):
        return "PL114"
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return "PL114"
    if isinstance(error, KeyboardInterrupt):
        return None
    return "PL110"


def _missing(error):
    """The module or file that is missing, if that is what is wrong."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return {"missing": error.name}
    if isinstance(error, OSError) and error.errno == errno.ENOENT and error.filename is not None:
        return {"missing": str(error.filename)}
    return {}


def _short(path):
    for mark in ("site-packages" + os.sep, "dist-packages" + os.sep):
        if mark in path:
            return path.rpartition(mark)[2]
    return path
