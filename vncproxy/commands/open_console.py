"""`vncproxy open`: opens a console in the browser.

The link stands on the browser's command line, where other accounts of this machine may see it: it
works once, so whoever is second is told so.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from vncproxy.commands.command import DONE, FAILED, Command, add_config, add_instance
from vncproxy.commands.first_steps import has_browser
from vncproxy.commands.output import print_line, print_note, require_output
from vncproxy.commands.running import run_with_config
from vncproxy.commands.url import add_base_url
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    add_base_url(parser)


def _run(options: argparse.Namespace) -> int:
    require_output()

    async def work(config: Config) -> int:
        from vncproxy.commands.console_url import console_url

        url = await console_url(config, os.environ, options.instance, options.base_url)
        if has_browser(os.environ) and is_shown(url):
            return DONE
        print_note(
            Text("no browser could be started here; open this link, it works once within 60 s:")
        )
        print_line(url)
        return FAILED

    return run_with_config(options, work)


def is_shown(url: str) -> bool:
    """Whether a browser took the address."""
    import webbrowser

    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


COMMAND = Command(
    "open",
    "open a console in the browser",
    ("vncproxy open web-1", "vncproxy open web-1 --base-url http://localhost:7000"),
    _add_arguments,
    _run,
)
