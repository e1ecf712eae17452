"""`vncproxy boot-log`: what an instance's system printed at its last start."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from vncproxy.commands.command import DONE, Command, add_config, add_instance
from vncproxy.commands.output import print_lines, print_note, require_output
from vncproxy.commands.running import run_with_config
from vncproxy.errors import AccessError

if TYPE_CHECKING:
    from vncproxy.commands.daemon_client import DaemonClient, Download
    from vncproxy.config.model import Config

FOLLOW_INTERVAL_S = 11.0
"""The daemon asks the cloud no more often."""
_PASSING = (429, 502)
_STARTED_AGAIN = "the system has started again"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    parser.add_argument(
        "--follow", action="store_true", help="go on with what is printed next, until Ctrl+C"
    )


def _run(options: argparse.Namespace) -> int:
    require_output()

    async def work(config: Config) -> int:
        if options.follow:
            async for lines in follow(config, os.environ, options.instance, print_note):
                print_lines(lines)
            return DONE
        log = await boot_log(config, os.environ, options.instance)
        print_lines(log.content.decode().splitlines())
        if log.modified:
            print_note(f"the last line is of {log.modified}")
        return DONE

    return run_with_config(options, work)


async def boot_log(config: Config, environ: Mapping[str, str], instance: str) -> Download:
    """The log as text in UTF-8, and when its last line was printed.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon or the cloud refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    async with daemon_client(config, environ) as daemon:
        return await _fetch(daemon, instance)


async def _fetch(daemon: DaemonClient, instance: str) -> Download:
    return await daemon.download(f"/api/v1/instances/{quote(instance, safe='')}/boot-log")


async def follow(
    config: Config,
    environ: Mapping[str, str],
    instance: str,
    note: Callable[[str], None],
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> AsyncIterator[list[str]]:
    """The log's lines, and then those that come; without end.

    Args:
        config: The settings.
        environ: The environment's variables.
        instance: Alias or id.
        note: Called with what is worth saying meanwhile.
        pause: Lets so many seconds pass; default: they do.

    Yields:
        Whole lines, each once.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The first time, or for good.
        ConfigError: As of `daemon_client`.
    """
    import asyncio

    from vncproxy.commands.daemon_client import daemon_client

    pause = pause or asyncio.sleep
    seen: str | None = None
    refused = ""
    async with daemon_client(config, environ) as daemon:
        while True:
            try:
                text = (await _fetch(daemon, instance)).content.decode()
            except AccessError as error:
                if seen is None or error.status not in _PASSING:
                    raise
                # By its word: the text counts the seconds.
                if error.word != refused:
                    refused = error.word
                    note(error.public_text)
            else:
                refused = ""
                # A line that isn't ended yet, such as a question, is shown once it is.
                whole = text[: text.rfind("\n") + 1]
                if seen is not None and not whole.startswith(seen):
                    note(_STARTED_AGAIN)
                    seen = ""
                if fresh := whole.removeprefix(seen or ""):
                    yield fresh.splitlines()
                seen = whole
            await pause(FOLLOW_INTERVAL_S)


COMMAND = Command(
    "boot-log",
    "print what an instance's system printed at its last start",
    ("vncproxy boot-log web-1", "vncproxy boot-log web-1 --follow"),
    _add_arguments,
    _run,
)
