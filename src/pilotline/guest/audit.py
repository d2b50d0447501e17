"""One audit hook for all who want to know what the interpreter is about to do.

A hook can never be taken off again, so there is one, and it costs a dictionary look-up for events that nobody wants.
A listener that raises stops what was about to be done.
"""

import sys

_listeners = {}
_installed = False


def listen(event, listener):
    """Call ``listener(event, arguments)`` before each such event; the first to listen is the first to be asked."""
    global _installed
    _listeners.setdefault(event, []).append(listener)
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


def _hook(event, arguments, _find=_listeners.get):
    listeners = _find(event)
    if listeners is not None:
        for listener in listeners:
            listener(event, arguments)
