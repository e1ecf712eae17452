"""The command line: finds the command that the arguments name, and runs it.

Nothing heavy is imported before a command runs, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NoReturn

from vncproxy.commands import (
    audit,
    boot_log,
    check,
    consoles,
    demo,
    forget,
    init,
    instances,
    key,
    kick,
    open_console,
    power,
    recordings,
    replay,
    screenshot,
    serve,
    sessions,
    simulate,
    type_text,
    url,
    user,
)
from vncproxy.commands.command import (
    BAD_CONFIG,
    DONE,
    FAILED,
    USAGE,
    Command,
    Parser,
    add_commands,
    examples_text,
)
from vncproxy.commands.help_language import HelpFormatter
from vncproxy.commands.output import OutputError, flush, open_standard_streams, print_problem
from vncproxy.errors import CloudError, ConfigError, VncproxyError

COMMANDS: tuple[Command, ...] = (
    init.COMMAND,
    serve.COMMAND,
    demo.COMMAND,
    simulate.COMMAND,
    check.COMMAND,
    open_console.COMMAND,
    url.COMMAND,
    instances.COMMAND,
    consoles.COMMAND,
    screenshot.COMMAND,
    boot_log.COMMAND,
    power.COMMAND,
    type_text.COMMAND,
    key.COMMAND,
    kick.COMMAND,
    forget.COMMAND,
    user.COMMAND,
    sessions.COMMAND,
    audit.COMMAND,
    recordings.COMMAND,
    replay.COMMAND,
)
"""In the order of the help."""


def program() -> NoReturn:
    """The process: one command, and the end, which waits for nothing.

    The interpreter, asyncio and libuv would each wait for every thread in a call of the operating
    system, and nothing can end those: a name's look-up, a write to a disk that hangs. Whatever has
    to be kept is safe by now, or the command has printed that it isn't.
    """
    left_open = ExitStack()
    try:
        status = _main(None, left_open)
    except SystemExit as end:
        # --help, --version or wrong usage.
        status = USAGE if end.code else DONE
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = FAILED
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command inside a process that goes on.

    Args:
        arguments: Without the program's name; None: the process's.

    Returns:
        The exit status.

    Raises:
        SystemExit: --help or --version was printed, or the usage is wrong.
    """
    with ExitStack() as resources:
        return _main(arguments, resources)


def _main(arguments: Sequence[str] | None, resources: ExitStack) -> int:
    """Run one command; `resources` gets what a process that goes on has to close."""
    open_standard_streams()
    try:
        try:
            status = _run(arguments, resources)
        finally:
            flush()
    except OutputError as error:
        print_problem(error.text)
        return FAILED
    except BrokenPipeError:
        # The reader of the output has left.
        return FAILED
    return status


def _run(arguments: Sequence[str] | None, resources: ExitStack) -> int:
    try:
        options = parser(_named(arguments)).parse_args(arguments)
        options.resources = resources
        status: int = options.run(options)
    except ConfigError as error:
        print_problem(error.text)
        return BAD_CONFIG
    except CloudError as error:
        print_problem(error.final_text)
        return FAILED
    except VncproxyError as error:
        print_problem(error.text)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return status


def _named(arguments: Sequence[str] | None) -> Sequence[Command]:
    """The command that comes first, whose arguments alone are to be known then; else all."""
    first = (sys.argv[1:] if arguments is None else arguments)[:1]
    return [command for command in COMMANDS if command.name in first] or COMMANDS


class _Version(argparse.Action):
    """--version, which looks at the libraries only if it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(
            option_strings,
            argparse.SUPPRESS,
            nargs=0,
            default=argparse.SUPPRESS,
            help="show program's version number and exit",
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from vncproxy.commands.versions import in_words  # noqa: PLC0415 - seldom needed

        parser._print_message(f"{in_words()}\n", sys.stdout)
        parser.exit()


def parser(commands: Sequence[Command] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of a command line; the options that it gives have the command's `run`.

    Args:
        commands: Those that may be in it; making the arguments of all takes a while.
    """
    made = Parser(
        prog="vncproxy",
        description="Open the VNC console of an Alibaba Cloud ECS instance in a browser, "
        "and keep it open.",
        epilog=examples_text(("vncproxy demo",)),
        formatter_class=HelpFormatter,
    )
    made.add_argument("--version", action=_Version)
    add_commands(made, commands, "COMMAND")
    return made
