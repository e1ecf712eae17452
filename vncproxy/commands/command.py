"""What a command is: its name, its arguments, what it does; what several have; exit statuses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from vncproxy.commands.help_language import HelpFormatter, translate
from vncproxy.commands.output import print_text, require_output
from vncproxy.commands.terminal_language import terminal_texts
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DONE = 0
FAILED = 1
USAGE = 2
BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h: a service manager must not restart on it."""

_LONGEST_NAME = 128
"""Characters, as of the cloud's. Source: ECS API reference, ModifyInstanceAttribute."""
_LONGEST_PART = 200
"""Characters, as the daemon takes them."""


class Parser(argparse.ArgumentParser):
    """The program's, or a command's: help that can't be printed is an error; it is in the
    terminal's language, as is what is said about wrong usage.
    """

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the library's, but an argument may come after an option: `INSTANCE --layout de TEXT`.

        The library gives an argument that may be left out up at the first option. Its own way out,
        parse_known_intermixed_args, forgets `--`. What a command doesn't know is its own error: the
        library leaves it to the program's parser, whose usage says nothing of the command.
        """
        if self._subparsers is not None or args is None:
            return super().parse_known_args(args, namespace)
        end = args.index("--") if "--" in args else len(args)
        found, words = self._parse_options(args[:end], namespace)
        unknown = [word for word in words if word.startswith("-") and word != "-"]
        if unknown and len(words) <= len(self._get_positional_actions()):
            self.error(
                Text(
                    "unrecognized arguments: {arguments} (put -- before what begins with - and is "
                    "no option)",
                    arguments=" ".join(unknown),
                )
            )
        if not unknown:
            words += args[end + 1 :]
            found, unknown = super().parse_known_args(["--", *words] if words else [], found)
            # The library gives its own back, too, if the command takes none.
            unknown = unknown[unknown[:1] == ["--"] :]
        if unknown:
            self.error(Text("unrecognized arguments: {arguments}", arguments=" ".join(unknown)))
        return found, []

    def _parse_options(
        self, args: Sequence[str], namespace: argparse.Namespace | None
    ) -> tuple[argparse.Namespace, list[str]]:
        """The options, and what is left."""
        kept = [(action, action.nargs, action.default) for action in self._get_positional_actions()]
        self.usage = self.format_usage().partition(": ")[2].replace("%", "%%")
        for action, _, _ in kept:
            action.nargs = action.default = argparse.SUPPRESS
        try:
            return super().parse_known_args(args, namespace)
        finally:
            self.usage = None
            for action, nargs, default in kept:
                action.nargs, action.default = nargs, default

    def format_help(self) -> str:
        """The whole help."""
        translate(self, terminal_texts())
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End the process over wrong usage."""
        self.print_usage(sys.stderr)
        texts = terminal_texts()
        self.exit(USAGE, f"{self.prog}: {texts.said('error:')} {texts.said(_problem(message))}\n")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # The library drops what the system says, and the exit status would be 0.
        if file is sys.stdout:
            require_output()
            print_text(message)
        else:
            super()._print_message(message, file)


def _problem(message: str) -> str:
    """What the library says, or of an argument's own check the words that this has."""
    fault = sys.exc_info()[1]
    if isinstance(fault, argparse.ArgumentError) and isinstance(fault.message, Text):
        return Text("argument {name}: {problem}", name=fault.argument_name, problem=fault.message)
    return message


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
            help=terminal_texts().said(command.summary),
            description=command.summary,
            epilog=examples_text(command.examples),
            formatter_class=HelpFormatter,
        )
        # An act's own parser sets it again.
        sub.set_defaults(run=command.run)
        command.add_arguments(sub)


def examples_text(examples: tuple[str, ...]) -> str:
    """The end of a help text."""
    head = "examples:" if len(examples) > 1 else "example:"
    return "\n".join((head, *(f"  {e}" for e in examples)))


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config, for `running.load_config`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="default: $VNCPROXY_CONFIG, ~/.config/vncproxy/vncproxy.toml, "
        "/etc/vncproxy/vncproxy.toml",
    )


def add_json(parser: argparse.ArgumentParser, text: str = "for programs") -> None:
    """--json.

    Args:
        parser: The command's.
        text: The option's help.
    """
    parser.add_argument("--json", action="store_true", help=text)


def add_instance(parser: argparse.ArgumentParser) -> None:
    """The instance that the command is about."""
    parser.add_argument(
        "instance",
        metavar="INSTANCE",
        type=instance_name,
        help="alias, id, or the cloud's name where only one has it",
    )


def add_screen(parser: argparse.ArgumentParser) -> None:
    """--screen, of commands that start the simulator."""
    parser.add_argument(
        "--screen",
        metavar="HOST:PORT",
        type=host_port,
        help="put this real VNC server behind the simulator",
    )


def add_page_port(parser: argparse.ArgumentParser, default: int) -> None:
    """--port, of commands that serve a page."""
    text = Text("of the page (default: {default})", default=default)
    parser.add_argument("--port", type=port, default=default, help=text)


def port(text: str) -> int:
    """A TCP port to listen on; 0: any free one.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    if text.isascii() and text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(Text("{text} is no port: 0 to 65535", text=repr(text)))


def instance_name(text: str) -> str:
    """What an instance may be called, as it was given.

    Raises:
        ArgumentTypeError: No instance can be called so.
    """
    if not text:
        raise argparse.ArgumentTypeError(
            Text("INSTANCE is empty: name one by its alias, id or the cloud's name")
        )
    # Of the characters in the cloud's names nothing is certain; what is shown of them is escaped.
    if len(text) > _LONGEST_NAME or text in {".", ".."}:
        raise argparse.ArgumentTypeError(Text("no instance is called so"))
    return _in_utf8(text)


def part_of_name(text: str) -> str:
    """What the names that are looked for have in them, as it was given.

    Raises:
        ArgumentTypeError: The daemon doesn't look for such a thing.
    """
    if len(text) > _LONGEST_PART:
        raise argparse.ArgumentTypeError(
            Text("at most {most} characters are looked for", most=_LONGEST_PART)
        )
    return _in_utf8(text)


def _in_utf8(text: str) -> str:
    """The text; raises: ArgumentTypeError: it has bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(
            Text("{source} is no text in UTF-8", source=ascii(text))
        ) from None
    return text


def viewer_id(text: str) -> str:
    """What a viewer may be called, as it was given.

    Raises:
        ArgumentTypeError: No viewer can be called so.
    """
    if not text.isprintable() or len(text) > _LONGEST_NAME:
        raise argparse.ArgumentTypeError(Text("no viewer is called so"))
    return text


def host_port(text: str) -> str:
    """A HOST:PORT to connect to, as it was given.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    host, _, number = text.rpartition(":")
    if host and number.isascii() and number.isdecimal() and 0 < int(number) <= 65535:
        return text
    raise argparse.ArgumentTypeError(
        Text("{text} isn't HOST:PORT, such as 127.0.0.1:5901", text=repr(text))
    )
