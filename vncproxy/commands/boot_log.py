"""`vncproxy boot-log`: what an instance's system printed at its last start."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import quote

from vncproxy.commands.command import DONE, Command, add_config, add_instance
from vncproxy.commands.output import print_lines, print_note, require_output
from vncproxy.commands.running import run_until_ctrl_c, run_with_config
from vncproxy.errors import AccessError
from vncproxy.languages.text import Text
from vncproxy.observe.times import local_text, moment_of_header

if TYPE_CHECKING:
    from vncproxy.commands.daemon_client import Download
    from vncproxy.config.model import Config

PATIENCE_S = 120.0
"""The daemon says something every 11 s, and as often as the cloud takes to answer."""
_STARTED_AGAIN = Text("the system has started again")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    parser.add_argument(
        "--follow", action="store_true", help="go on with what is printed next, until Ctrl+C"
    )


def _run(options: argparse.Namespace) -> int:
    require_output()
    if options.follow:
        return run_until_ctrl_c(options, lambda config: _print_what_comes(config, options.instance))

    async def work(config: Config) -> int:
        log = await boot_log(config, os.environ, options.instance)
        print_lines(log.content.decode().splitlines())
        if (at := moment_of_header(log.modified)) is not None:
            print_note(Text("the last line is of {time}", time=local_text(at)))
        return DONE

    return run_with_config(options, work)


async def _print_what_comes(config: Config, instance: str) -> None:
    # What can't be printed ends the connection at once, too.
    async with aclosing(follow(config, os.environ, instance, print_note)) as news:
        async for lines in news:
            print_lines(lines)


async def boot_log(config: Config, environ: Mapping[str, str], instance: str) -> Download:
    """The log as text in UTF-8, and when its last line was printed.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon or the cloud refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    async with daemon_client(config, environ) as daemon:
        return await daemon.download(_path(instance))


def _path(instance: str) -> str:
    return f"/api/v1/instances/{quote(instance, safe='')}/boot-log"


async def follow(
    config: Config, environ: Mapping[str, str], instance: str, note: Callable[[str], None]
) -> AsyncGenerator[list[str], None]:
    """The log's lines, and then those that come; without end.

    Args:
        config: The settings.
        environ: The environment's variables.
        instance: Alias or id.
        note: Called with what is worth saying meanwhile.

    Yields:
        Whole lines, each once.

    Raises:
        NoDaemonError: As of `daemon_client`; the daemon has ended it.
        AccessError: The first time, or for good.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import NoDaemonError, daemon_client

    seen: str | None = None
    refusal: AccessError | None = None
    async with daemon_client(config, environ) as daemon:
        path = f"{_path(instance)}?follow=1"
        async for news in daemon.lines(path, patience_s=PATIENCE_S):
            if isinstance(news, AccessError):
                # By its word: the text counts the seconds.
                if refusal is None or news.word != refusal.word:
                    note(news.text)
                refusal = news
                continue
            if "log" not in news:
                continue
            refusal = None
            text = str(news["log"])
            # A line that isn't ended yet, such as a question, is shown once it is.
            whole = text[: text.rfind("\n") + 1]
            if seen is not None and not whole.startswith(seen):
                note(_STARTED_AGAIN)
                seen = ""
            if fresh := whole.removeprefix(seen or ""):
                yield fresh.splitlines()
            seen = whole
    if refusal is not None:
        raise refusal
    raise NoDaemonError(Text("the daemon has ended it"))


COMMAND = Command(
    "boot-log",
    "print what an instance's system printed at its last start",
    ("vncproxy boot-log web-1", "vncproxy boot-log web-1 --follow"),
    _add_arguments,
    _run,
)
