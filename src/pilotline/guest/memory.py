"""The most memory that this process held, from one moment to another.

Linux keeps a high-water mark of resident memory that a process may set back for itself. Where it may not, or there is no such
thing, the mark of the whole process tells only of a part in which it rose.
"""

import re
import sys

_MARK = re.compile(rb"VmHWM:\s+(\d+) kB")


def begin():
    """Set the mark back to what is held now; gives what ``most`` needs to know of it."""
    if sys.platform.startswith("linux"):
        try:
            with open("/proc/self/clear_refs", "wb") as file:
                file.write(b"5")
            return 0
        except OSError:
            pass
    return _mark()


def most(before):
    """The most bytes since ``begin``, which gave ``before``; None where nobody can tell."""
    now = _mark()
    return now if now > before else None


def _mark():
    try:
        with open("/proc/self/status", "rb") as file:
            found = _MARK.search(file.read())
        if found is not None:
            return int(found.group(1)) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0
    mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts in bytes.
    return mark if sys.platform == "darwin" else mark * 1024
