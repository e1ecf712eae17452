"""`vncproxy type`: a text that is typed on an instance's keyboard."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.commands.command import DONE, USAGE, Command, add_config, add_instance, add_json
from vncproxy.commands.output import print_note, print_problem
from vncproxy.commands.running import run_with_config
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text, counted

if TYPE_CHECKING:
    from vncproxy.commands.console_client import ConsoleClient
    from vncproxy.commands.keystrokes import Stroke
    from vncproxy.config.model import Config

_STANDARD_INPUT = "-"
_MOST_BYTES = 4
"""Of a character in UTF-8."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser, "what was done, for programs")
    add_instance(parser)
    parser.add_argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="after --, if it begins with -; others on this machine may see it among its "
        "processes: for what is secret, --file -",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="type what is in it, in UTF-8; a line end is Enter; -: standard input",
    )
    parser.add_argument(
        "--layout",
        metavar="L",
        default="us",
        help="the instance's keyboard: us, uk, de, fr, es, jp or cn; default: us",
    )
    parser.add_argument(
        "--pace",
        choices=("careful", "normal", "fast"),
        default="normal",
        help="12, 40 or 50 characters a second, capitals at most 25; default: normal",
    )


def _run(options: argparse.Namespace) -> int:
    from vncproxy.commands.keyboard import layout_names
    from vncproxy.commands.keystrokes import LONGEST_TEXT, plain_text, text_strokes
    from vncproxy.commands.process_title import hide_argument

    if (options.text is None) == (options.file is None):
        print_problem(Text("give either TEXT or --file FILE"))
        return USAGE
    if options.layout not in layout_names():
        print_problem(
            Text(
                "there is no layout {layout}: {layouts}",
                layout=repr(options.layout),
                layouts=", ".join(layout_names()),
            )
        )
        return USAGE
    if options.text is not None:
        hide_argument(options.text)
        text = options.text
    else:
        text = read_text(options.file, LONGEST_TEXT * _MOST_BYTES)
    if not text:
        print_problem(Text("there is nothing to type"))
        return USAGE
    if len(plain_text(text)) > LONGEST_TEXT:
        raise LocalError(Text("at most {most} characters are typed at once", most=LONGEST_TEXT))
    # Whether all of it can be typed doesn't depend on the instance.
    text_strokes(text, options.layout)

    def strokes_of(client: ConsoleClient) -> list[Stroke]:
        return strokes_for(client, text, options.layout)

    async def work(config: Config) -> int:
        from vncproxy.commands.key_sender import PACES, print_what_is_sent, send_keys

        sending = send_keys(
            config,
            os.environ,
            options.instance,
            strokes_of,
            how_many=_characters,
            per_second=PACES[options.pace],
            note=print_note,
        )
        await print_what_is_sent(sending, _typed, as_json=options.json)
        return DONE

    return run_with_config(options, work)


def _typed(count: int, alias: str) -> Text:
    return counted(
        count,
        "{alias}: {count} character typed.",
        "{alias}: {count} characters typed.",
        alias=alias,
    )


def strokes_for(client: ConsoleClient, text: str, layout: str) -> list[Stroke]:
    """What types a text on the instance as it is now.

    Args:
        client: On its console.
        text: To type.
        layout: The instance's keyboard.

    Raises:
        LocalError: It would come out wrong.
    """
    from vncproxy.commands.keyboard import locks_shift
    from vncproxy.commands.keystrokes import text_strokes

    caps_lock = client.screen.caps_lock
    if caps_lock and locks_shift(layout, windows=client.windows):
        raise LocalError(
            Text(
                "{alias}: Caps Lock is on, and turns digits and signs around on this "
                "keyboard; switch it off first: vncproxy key {alias} capslock",
                alias=client.alias,
            )
        )
    return text_strokes(text, layout, windows=client.windows, caps_lock=caps_lock is True)


def read_text(name: str, most_bytes: int) -> str:
    """The text in a file.

    Args:
        name: Of the file; -: standard input.
        most_bytes: A longer one isn't read to its end.

    Raises:
        LocalError: It can't be read, is too long or no text.
    """
    shown = Text("the standard input") if name == _STANDARD_INPUT else name
    try:
        if name == _STANDARD_INPUT:
            content = sys.stdin.buffer.read(most_bytes + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(most_bytes + 1)
        text = content[:most_bytes].decode("utf-8-sig")
    except OSError as fault:
        raise LocalError(
            Text("{source} can't be read: {reason}", source=shown, reason=fault.strerror or fault)
        ) from fault
    except UnicodeDecodeError as fault:
        raise LocalError(Text("{source} is no text in UTF-8", source=shown)) from fault
    if len(content) > most_bytes:
        raise LocalError(
            Text(
                "{source} is too long: at most {most_bytes} bytes are read",
                source=shown,
                most_bytes=most_bytes,
            )
        )
    return text


def _characters(count: int) -> Text:
    return counted(count, "{count} character", "{count} characters")


COMMAND = Command(
    "type",
    "type a text on an instance's keyboard",
    (
        "vncproxy type web-1 'systemctl status sshd'",
        "vncproxy type web-1 -- '-rw-r--r--'",
        "vncproxy type web-1 --layout de --file commands.txt",
        "vncproxy type web-1 --file -",
    ),
    _add_arguments,
    _run,
)
