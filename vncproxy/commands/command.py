"""What a command is: its name, its arguments, what it does; and the exit statuses."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

DONE = 0
FAILED = 1
USAGE = 2
BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h: a service manager must not restart on it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one act of a command that has several.

    The module that makes one imports nothing heavy when it is loaded, so that --help stays quick:
    what its work needs is imported inside `run`.

    Attributes:
        name: As it is typed.
        summary: What it does, in a line of the help.
        examples: Whole command lines, shown by its --help.
        add_arguments: Declares its arguments.
        run: Does it and returns the exit status; it may raise any VncproxyError. None: its
            arguments are acts (see `add_commands`), of which one runs.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int] | None


def add_commands(
    parser: argparse.ArgumentParser, commands: Iterable[Command], metavar: str
) -> None:
    """Make a parser take one of these commands; the options get its `run` under that name.

    Args:
        parser: The program's, or that of a command with acts.
        commands: In the order of the help.
        metavar: What the help calls one of them.
    """
    parsers = parser.add_subparsers(required=True, metavar=metavar)
    for command in commands:
        sub = parsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=examples_text(command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # An act's own parser sets it again.
        sub.set_defaults(run=command.run)
        command.add_arguments(sub)


def examples_text(examples: tuple[str, ...]) -> str:
    """The end of a help text."""
    return "\n".join((f"example{'s' if len(examples) > 1 else ''}:", *(f"  {e}" for e in examples)))
