"""``pilotline``: find the command, import its module, run it, say what went wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pilotline.cli.commands import COMMANDS, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilotline.cli.terminal import Out
    from pilotline.domain.errors import PilotlineError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 Pilotline says no, 2 bad usage or input."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(_help())
        return 0 if words else 2
    if words[0] in {"-V", "--version", "version"}:
        from pilotline import __version__

        sys.stdout.write(f"pilotline {__version__}\n")
        return 0
    from pilotline.cli.terminal import Out

    out = Out(json="--json" in words)
    try:
        return _run(words, out)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except BrokenPipeError:
        _close_quietly()
        return 0


def _run(words: list[str], out: Out) -> int:
    from pilotline.domain.errors import PilotlineError

    try:
        command = find(words[0])
        from pilotline.cli.arguments import parse

        module = command.load()
        return module.run(parse(command, module, words[1:]), out)
    except PilotlineError as error:
        return _tell(error, out)
    except KeyboardInterrupt:
        from pilotline.cli.errors import Stopped

        return _tell(Stopped(), out)
    except (BrokenPipeError, SystemExit):
        raise
    except Exception as error:
        import os

        if os.environ.get("PILOTLINE_DEBUG"):
            raise
        from pilotline.cli.errors import Bug

        return _tell(
            Bug(
                f"this is a bug in Pilotline, not in your work: {type(error).__name__}: {error}",
                try_next="run it again with PILOTLINE_DEBUG=1 and report what it prints",
            ),
            out,
        )


def _tell(error: PilotlineError, out: Out) -> int:
    out.stderr.write(f"{out.styled(error.code, 'red')}: {error.message}\n")
    if error.try_next:
        out.stderr.write(f"  next: {error.try_next}\n")
    out.document({"error": error.as_json()})
    return error.exit_status


def _help() -> str:
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.help}" for command in COMMANDS]
    return (
        "From a notebook to a proven pipeline, and back.\n\n"
        "usage: pilotline COMMAND [...]      pilotline COMMAND --help\n\n" + "\n".join(lines) + "\n\n"
        "Start with:  pilotline demo   or   pilotline lift NOTEBOOK.ipynb\n"
    )


def _close_quietly() -> None:
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
