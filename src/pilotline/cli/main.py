"""``pilotline``: find the command, import its module, run it, say what went wrong.

Exit status: 0 done, 1 Pilotline says no (refused, a failed check, a conflict), 2 bad usage or input, 70 a bug of
ours, 130 Ctrl-C, 141 the reader of our output went away.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pilotline.cli.commands import COMMANDS, find
from pilotline.cli.errors import Bug, NotWritten, Stopped
from pilotline.cli.terminal import Out
from pilotline.domain.errors import PilotlineError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = {"-h", "--help", "help"}
_VERSION = {"-V", "--version", "version"}
_READER_WENT_AWAY = 141  # what a shell reports of any program in that case: 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        argv: the words after ``pilotline``; those of the process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    out = Out(json="--json" in words)
    status = 0
    try:
        try:
            status = _run(words, out)
        except PilotlineError as error:
            status = out.fail(error)
        except KeyboardInterrupt:
            status = out.fail(Stopped())
        out.finish()
    except BrokenPipeError:
        _close_quietly()
        return _READER_WENT_AWAY
    except NotWritten as error:
        _close_quietly()
        return status or out.fail(error)
    return status


def _run(words: list[str], out: Out) -> int:
    try:
        return _dispatch(words, out)
    except (PilotlineError, BrokenPipeError):
        raise
    except Exception as error:
        raise Bug.from_exception(error, debug=bool(os.environ.get("PILOTLINE_DEBUG"))) from error


def _dispatch(words: list[str], out: Out) -> int:
    # `pilotline --json ls` and `pilotline ls --json` are the same.
    first, *rest = [word for word in words if word != "--json"] or [""]
    if first in _HELP and rest:
        first, rest = rest[0], ["--help"]
    if first in _HELP or not first:
        out.say(_help(out))
        out.document({"commands": [{"name": command.name, "help": command.help} for command in COMMANDS]})
        return 0 if first else 2
    if first in _VERSION:
        from pilotline import __version__

        out.say(f"pilotline {__version__}")
        out.document({"version": __version__})
        return 0
    if first.startswith("-"):
        near = did_you_mean(first, ["--help", "--version", "--json"])
        raise UsageError(f"pilotline has no use for {first!r}.{near}", try_next="pilotline --help")
    command = find(first)
    from pilotline.cli.arguments import parse

    module = command.load()
    try:
        args = parse(command, module, rest)
    except SystemExit:  # argparse has printed the command's help
        out.json = False
        return 0
    args.json = out.json
    return module.run(args, out)


def _help(out: Out) -> str:
    wide = max(len(command.name) for command in COMMANDS)
    lines = [f"  {out.styled(command.name.ljust(wide), 'cyan')}  {command.help}" for command in COMMANDS]
    return "\n".join(
        [
            "From a notebook to a proven pipeline, and back.",
            "",
            "usage: pilotline COMMAND [ARGUMENT ...] [--json]      pilotline COMMAND --help",
            "",
            *lines,
            "",
            "Start with:  pilotline demo   or   pilotline lift NOTEBOOK.ipynb",
        ]
    )


def _close_quietly() -> None:
    # Python flushes stdout once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
