"""Parsing a command's arguments: a mistake becomes one coded sentence with near names, not a page of usage."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, HelpFormatter
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from pilotline.domain.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from pilotline.cli.commands import Command, CommandModule


_Number = TypeVar("_Number", int, float)
#: What both databases take as a number.
_MOST: Final = 2**31 - 1


def whole(least: int = 0, most: int = _MOST) -> Callable[[str], int]:
    """What reads a whole number in bounds, for ``type=``."""
    return _bounded(int, "whole number", least, most)


def seconds(least: float = 0.0, most: float = _MOST) -> Callable[[str], float]:
    """What reads a number of seconds in bounds, for ``type=``."""
    return _bounded(float, "number of seconds", least, most)


def _bounded(sort: Callable[[str], _Number], called: str, least: float, most: float) -> Callable[[str], _Number]:
    def read(text: str) -> _Number:
        try:
            number = sort(text)
        except ValueError:
            number = None
        # Not a number is in no bounds.
        if number is None or not least <= number <= most:
            raise ArgumentTypeError(f"{text!r} is no {called} from {least:.10g} to {most:.10g}")
        return number

    return read


def is_number(text: str) -> bool:
    """Whether a text is a number that a row may have."""
    return text.isdecimal() and len(text) <= len(str(_MOST)) and int(text) <= _MOST


def _is_text(word: str) -> bool:
    """Whether no byte of it is none of UTF-8: neither databases nor JSON have a place for such."""
    return "\0" not in word and not any("\ud800" <= sign <= "\udfff" for sign in word)


class _Formatter(HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap each paragraph by itself; examples, a call on each line, stay as they are."""
        filled = super()._fill_text
        return "\n\n".join(
            part if all(line.startswith("pilotline ") for line in part.splitlines()) else filled(part, width, indent)
            for part in text.strip().split("\n\n")
        )


class Parser(ArgumentParser):
    """An argument parser that raises where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.prog}: {message}.", try_next=f"{self.prog} --help")


def parse(command: Command, module: CommandModule, argv: Sequence[str]) -> Namespace:
    """The arguments of one command, ``json`` among them.

    Raises:
        UsageError: they are not understood.
        SystemExit: after ``--help``.
    """
    parser = Parser(
        prog=f"pilotline {command.name}",
        description=module.__doc__ or module.HELP,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    if strange := next((word for word in argv if not _is_text(word)), None):
        raise UsageError(
            f"{parser.prog}: {strange!r} is no text: this machine's names and texts are UTF-8",
            try_next="rename the file, or write the name in UTF-8",
        )
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        wrong = unknown[0].partition("=")[0]
        known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]  # argparse has no other way
        raise UsageError(
            f"{parser.prog} has no use for {wrong!r}.{did_you_mean(wrong, known)}", try_next=f"{parser.prog} --help"
        )
    return args
