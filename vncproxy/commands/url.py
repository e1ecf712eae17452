"""`vncproxy url`: a link to a console, or to the cloud's own page.

See `console_url`.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vncproxy.commands.command import DONE, USAGE, Command, add_config, add_instance
from vncproxy.commands.output import print_line, print_note, print_problem, require_output
from vncproxy.commands.running import run_with_config
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    add_base_url(parser)
    parser.add_argument(
        "--official",
        action="store_true",
        help="the cloud's own page instead, with a fresh VncUrl: a secret, valid 15 s",
    )
    parser.add_argument("--force", action="store_true", help="official: also while it is open here")
    parser.add_argument(
        "--with-password", action="store_true", help="official: with the VNC password in it"
    )


def add_base_url(parser: argparse.ArgumentParser) -> None:
    """--base-url: the way of the browser, if it isn't that of this machine."""
    parser.add_argument(
        "--base-url", metavar="URL", type=base_url, help="how the browser gets here"
    )


def base_url(text: str) -> str:
    """The address of a daemon's first page.

    Raises:
        ArgumentTypeError: It isn't one.
        ValueError: Its port isn't one.
    """
    parts = urlsplit(text)
    whole = text.isprintable() and " " not in text and not (parts.query or parts.fragment)
    # Reading the port raises ValueError where it is none, which argparse takes for a refusal.
    if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and whole:
        return text
    raise argparse.ArgumentTypeError(
        Text("{text} is no http:// or https:// address", text=repr(text))
    )


def _run(options: argparse.Namespace) -> int:
    if not options.official and (options.force or options.with_password):
        print_problem(Text("--force and --with-password go with --official"))
        return USAGE
    if options.official and options.base_url:
        print_problem(Text("--base-url doesn't go with --official"))
        return USAGE
    require_output()

    async def work(config: Config) -> int:
        if options.official:
            from vncproxy.commands.console_url import official_url

            url = await official_url(
                config,
                os.environ,
                options.instance,
                force=options.force,
                with_password=options.with_password,
                announce=print_note,
            )
        else:
            from vncproxy.commands.console_url import console_url

            url = await console_url(config, os.environ, options.instance, options.base_url)
        print_line(url)
        return DONE

    return run_with_config(options, work)


COMMAND = Command(
    "url",
    "print a console's address with a single-use ticket, valid 60 s",
    (
        "vncproxy url web-1",
        "vncproxy url web-1 --base-url http://localhost:7000",
        "vncproxy url web-1 --official",
    ),
    _add_arguments,
    _run,
)
